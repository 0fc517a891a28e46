with

company as (

    select
        home_market,
        real_customer_alive_probability
    from {{ source('raw', 'company') }}

),

fits as (

    select * from {{ source('estimates', 'customer_fits') }}
    where basis = 'validation'

),

scores as (

    select * from {{ source('estimates', 'customer_scores') }}
    where basis = 'validation'

),

-- classes and ranks as they would have been told before the held-out period, with nothing of it
scored as (

    select
        histories.customer_id,
        histories.market,
        histories.until_date,
        histories.held_out_time,
        histories.held_out_occasions,
        histories.held_out_home,
        histories.last_date,
        histories.x,
        histories.is_in_cycle,
        histories.revenue_home,
        histories.last_year_home,
        coalesce({{ p_alive('fits', 'histories') }}, scores.p_alive) as p_alive,
        scores.expected_occasions,
        scores.discounted_home
    from {{ ref('int_customers__histories') }} as histories
    left join fits
        on histories.cohort = fits.cohort
    left join scores
        on histories.customer_id = scores.customer_id
    where histories.basis = 'validation'

),

told as (

    select
        scored.*,
        case
            when scored.p_alive < company.real_customer_alive_probability then 'lapsed'
            when scored.x = 0 then 'one-time buyer'
            when scored.p_alive is not null and scored.is_in_cycle then 'real customer'
            else 'repeat buyer'
        end as customer_class
    from scored
    cross join company

),

-- first by market and class: of all markets these few rows are added up, not the customers
counted as (

    select
        market,
        customer_class,
        until_date,
        max(held_out_time) as held_out_time,
        count(*) as customers,
        sum(case when held_out_occasions > 0 then 1 else 0 end) as came_back,
        sum(held_out_occasions) as held_out_occasions,
        sum(held_out_home) as held_out_home,
        count(expected_occasions) as expected_customers,
        {{ exact_sum('expected_occasions') }} as expected_occasions,
        sum(case when expected_occasions is not null then held_out_occasions end)
            as expected_against,
        count(coalesce(p_alive, expected_occasions, discounted_home)) as scored_customers
    from told
    group by market, customer_class, until_date

),

-- every market by itself, and all of them
counted_markets as (

    select
        counted.market as report_market,
        counted.*
    from counted

    union all

    select
        'all' as report_market,
        counted.*
    from counted

),

classes as (

    select
        report_market,
        customer_class,
        until_date,
        max(held_out_time) as held_out_time,
        cast(sum(customers) as bigint) as customers,
        cast(sum(came_back) as bigint) as came_back,
        cast(sum(held_out_occasions) as bigint) as held_out_occasions,
        sum(held_out_home) as held_out_home,
        cast(sum(expected_customers) as bigint) as expected_customers,
        sum(expected_occasions) as expected_occasions,
        sum(expected_against) as expected_against,
        sum(scored_customers) as scored_customers
    from counted_markets
    group by report_market, customer_class, until_date

),

totals as (

    select
        report_market,
        cast(sum(customers) as bigint) as market_customers,
        sum(held_out_home) as market_held_out_home,
        sum(scored_customers) as scored_customers
    from classes
    group by report_market

),

markets as (

    select
        told.market as report_market,
        told.*
    from told

    union all

    select
        'all' as report_market,
        told.*
    from told

),

-- without a score there is neither a tenth nor a real customer to be compared with other rankings
scored_markets as (

    select
        markets.*,
        totals.market_customers,
        totals.market_held_out_home
    from markets
    inner join totals
        on markets.report_market = totals.report_market
    where totals.scored_customers > 0

),

rfm as (

    select
        report_market,
        customer_id,
        ntile(5) over (
            partition by report_market order by last_date, x, revenue_home, customer_id
        ) as recency_score,
        ntile(5) over (
            partition by report_market order by x, last_date, revenue_home, customer_id
        ) as frequency_score,
        ntile(5) over (
            partition by report_market order by revenue_home, x, last_date, customer_id
        ) as monetary_score
    from scored_markets

),

-- three ways of ranking the same customers, each in tenths and in places
ranked as (

    select
        scored_markets.*,
        row_number() over (
            partition by scored_markets.report_market
            order by
                scored_markets.discounted_home desc nulls last,
                scored_markets.expected_occasions desc nulls last,
                scored_markets.customer_id asc
        ) as model_place,
        row_number() over (
            partition by scored_markets.report_market
            order by
                rfm.recency_score + rfm.frequency_score + rfm.monetary_score desc,
                scored_markets.revenue_home desc,
                scored_markets.customer_id asc
        ) as rfm_place,
        row_number() over (
            partition by scored_markets.report_market
            order by
                scored_markets.last_year_home desc,
                scored_markets.revenue_home desc,
                scored_markets.customer_id asc
        ) as last_year_place
    from scored_markets
    inner join rfm
        on scored_markets.report_market = rfm.report_market
        and scored_markets.customer_id = rfm.customer_id

),

{#- what the same tenth of the customers, or as many of the best, brought by another ranking #}
{%- for ranking in ['rfm', 'last_year'] %}

{{ ranking }}_tenths as (

    select
        report_market,
        cast(ceil({{ ranking }}_place * 10.0 / market_customers) as bigint) as tenth,
        sum(held_out_home) as held_out_home
    from ranked
    group by report_market, cast(ceil({{ ranking }}_place * 10.0 / market_customers) as bigint)

),
{%- endfor %}

measured_classes as (

    select
        classes.report_market as market,
        'class' as grouping_name,
        classes.customer_class as group_name,
        classes.until_date,
        classes.held_out_time,
        totals.market_customers,
        totals.market_held_out_home,
        cast(null as bigint) as tenth,
        classes.customers,
        classes.came_back,
        classes.held_out_occasions,
        classes.held_out_home,
        classes.expected_customers as scored_customers,
        classes.expected_occasions,
        classes.expected_against as scored_occasions
    from classes
    inner join totals
        on classes.report_market = totals.report_market

),

measured_tenths as (

    select
        report_market as market,
        'decile' as grouping_name,
        lpad(
            cast(cast(ceil(model_place * 10.0 / market_customers) as bigint) as varchar(4)), 2, '0'
        ) as group_name,
        until_date,
        max(held_out_time) as held_out_time,
        max(market_customers) as market_customers,
        max(market_held_out_home) as market_held_out_home,
        cast(ceil(model_place * 10.0 / market_customers) as bigint) as tenth,
        count(*) as customers,
        cast(sum(case when held_out_occasions > 0 then 1 else 0 end) as bigint) as came_back,
        cast(sum(held_out_occasions) as bigint) as held_out_occasions,
        sum(held_out_home) as held_out_home,
        -- customers of a cohort without a fit are compared with nothing
        count(expected_occasions) as scored_customers,
        {{ exact_sum('expected_occasions') }} as expected_occasions,
        sum(case when expected_occasions is not null then held_out_occasions end)
            as scored_occasions
    from ranked
    where discounted_home is not null or expected_occasions is not null
    group by
        report_market,
        cast(ceil(model_place * 10.0 / market_customers) as bigint),
        until_date

),

measured as (

    select * from measured_classes

    union all

    select * from measured_tenths

),

-- of a class of n, the n that another ranking puts first
class_rivals as (

    select
        measured.market,
        measured.group_name,
        sum(case when ranked.rfm_place <= measured.customers then ranked.held_out_home else 0 end)
            as rfm_home,
        sum(
            case
                when ranked.last_year_place <= measured.customers then ranked.held_out_home
                else 0
            end
        ) as last_year_home
    from measured
    inner join ranked
        on measured.market = ranked.report_market
    where measured.grouping_name = 'class' and measured.group_name = 'real customer'
    group by measured.market, measured.group_name

),

compared as (

    select
        measured.*,
        coalesce(rfm_tenths.held_out_home, class_rivals.rfm_home) as rfm_held_out_home,
        coalesce(last_year_tenths.held_out_home, class_rivals.last_year_home)
            as last_year_held_out_home,
        cast(measured.came_back as double) / nullif(measured.customers, 0) as came_back_part
    from measured
    left join rfm_tenths
        on measured.market = rfm_tenths.report_market
        and measured.tenth = rfm_tenths.tenth
    left join last_year_tenths
        on measured.market = last_year_tenths.report_market
        and measured.tenth = last_year_tenths.tenth
    left join class_rivals
        on measured.market = class_rivals.market
        and measured.grouping_name = 'class'
        and measured.group_name = class_rivals.group_name

),

models as (

    select distinct model
    from fits
    where model is not null

),

told_by as (

    select {{ names_of('model') }} as models from models

),

final as (

    select
        ---------- keys
        compared.market,
        compared.grouping_name,
        compared.group_name,

        ---------- what was held out
        case when compared.market = 'all' then null else compared.market = company.home_market end
            as is_domestic,
        {{ days_after('compared.until_date', 1) }} as held_out_from,
        compared.held_out_time,
        told_by.models,

        ---------- who, and how many came back
        compared.customers,
        100.0 * compared.customers / nullif(compared.market_customers, 0) as customers_pct,
        compared.came_back,
        100 * compared.came_back_part as came_back_pct,
        {{ wilson_bounds_pct(
            'compared.came_back_part', 'compared.customers',
            'came_back_low_pct', 'came_back_high_pct'
        ) }},

        ---------- purchases, expected and made
        compared.held_out_occasions as actual_occasions,
        compared.scored_customers,
        cast(compared.expected_occasions as double) as expected_occasions,
        cast(compared.scored_occasions as bigint) as expected_against_occasions,
        100 * (
            cast(compared.expected_occasions as double) / nullif(compared.scored_occasions, 0) - 1
        ) as expected_off_pct,

        ---------- revenue, and what other rankings would have found
        cast(compared.held_out_home as decimal(38, 4)) as actual_revenue_home,
        100 * cast(compared.held_out_home as double)
        / nullif(cast(compared.market_held_out_home as double), 0) as part_of_revenue_pct,
        cast(compared.rfm_held_out_home as decimal(38, 4)) as rfm_revenue_home,
        cast(compared.held_out_home as double)
        / nullif(cast(compared.rfm_held_out_home as double), 0) as lift_over_rfm,
        cast(compared.last_year_held_out_home as decimal(38, 4)) as last_year_revenue_home,
        cast(compared.held_out_home as double)
        / nullif(cast(compared.last_year_held_out_home as double), 0) as lift_over_last_year
    from compared
    cross join company
    cross join told_by

)

select * from final

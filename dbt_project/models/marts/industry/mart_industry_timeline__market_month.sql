{#- an article that was not seen for so many days before the last look at its market is gone -#}
{%- set gone_after_days = 28 -%}
with

sizes as (

    select
        *,
        12 * extract(year from period_start) + extract(month from period_start) as month_index
    from {{ ref('mart_market_share__market_category_period') }}
    where period = 'month'

),

events as (

    select * from {{ ref('stg_events') }}

),

market_context as (

    select * from {{ ref('stg_market_context') }}

),

own_firms as (

    select distinct {{ comparable('firm') }} as firm_key from {{ source('raw', 'own_firms') }}

),

prices as (

    select
        fct.market,
        fct.competitor,
        {{ rivals_article('fct') }} as article,
        fct.observed_date
    from {{ ref('fct_competitor_prices') }} as fct
    left join own_firms
        on {{ comparable('fct.competitor') }} = own_firms.firm_key
    where own_firms.firm_key is null

),

articles as (

    select
        market,
        competitor,
        article,
        min(observed_date) as first_seen,
        max(observed_date) as last_seen
    from prices
    group by market, competitor, article

),

-- the first look at a competitor launches nothing
bounded as (

    select
        *,
        min(first_seen) over (partition by market, competitor) as competitor_first_seen,
        max(last_seen) over (partition by market) as market_last_seen
    from articles

),

moves as (

    select
        market,
        {{ month_of('first_seen') }} as month_start,
        1 as launches,
        0 as exits
    from bounded
    where first_seen > competitor_first_seen

    union all

    select
        market,
        {{ month_of('last_seen') }} as month_start,
        0 as launches,
        1 as exits
    from bounded
    where last_seen < {{ days_after('market_last_seen', -gone_after_days) }}

),

move_months as (

    select
        market,
        month_start,
        sum(launches) as rival_launches,
        sum(exits) as rival_exits
    from moves
    group by market, month_start

),

event_months as (

    select
        market,
        {{ month_of('occurred_on') }} as month_start,
        count(*) as events,
        {{ text_list("concat(cast(occurred_on as varchar), ' ', headline)") }} as headlines
    from events
    group by market, {{ month_of('occurred_on') }}

),

-- growth compares the categories that both months have
size_months as (

    select
        sizes.market,
        sizes.period_start as month_start,
        count(*) as categories,
        sum(sizes.market_units) as market_units,
        sum(sizes.market_value_home) as market_value_home,
        sum(sizes.own_value_home) as own_value_home,
        sum(case when earlier.market_value_home is not null then sizes.market_value_home end)
            as comparable_value_home,
        sum(case when sizes.market_value_home is not null then earlier.market_value_home end)
            as year_before_value_home
    from sizes
    left join sizes as earlier
        on sizes.market = earlier.market
        and sizes.category = earlier.category
        and sizes.month_index = earlier.month_index + 12
    group by sizes.market, sizes.period_start

),

months as (

    select
        market,
        month_start
    from size_months

    union

    select
        market,
        month_start
    from event_months

    union

    select
        market,
        month_start
    from move_months

    union

    select distinct
        market,
        {{ month_of('observed_date') }} as month_start
    from prices

),

in_context as (

    select
        months.market,
        months.month_start,
        market_context.population,
        market_context.households,
        market_context.gdp,
        market_context.currency
    from months
    left join market_context
        on months.market = market_context.market
        and months.month_start >= market_context.period_start
    qualify row_number() over (
        partition by months.market, months.month_start
        order by market_context.period_start desc nulls last
    ) = 1

),

final as (

    select
        ---------- keys
        in_context.market,
        in_context.month_start,

        ---------- size
        coalesce(size_months.categories, 0) as categories,
        cast(size_months.market_units as decimal(28, 4)) as market_units,
        cast(size_months.market_value_home as decimal(28, 4)) as market_value_home,
        cast(size_months.own_value_home as decimal(28, 4)) as own_value_home,
        100.0 * (
            cast(size_months.comparable_value_home as double)
            / nullif(cast(size_months.year_before_value_home as double), 0) - 1
        ) as market_growth_year_pct,

        ---------- context
        cast(in_context.population as double) as population,
        cast(in_context.households as double) as households,
        cast(in_context.gdp as double) as gdp_local,
        in_context.currency,
        cast(size_months.market_value_home as double)
        / nullif(cast(in_context.population as double), 0) as market_value_per_head_home,

        ---------- what happened
        coalesce(event_months.events, 0) as events,
        event_months.headlines as event_headlines,
        cast(coalesce(move_months.rival_launches, 0) as bigint) as rival_launches,
        cast(coalesce(move_months.rival_exits, 0) as bigint) as rival_exits
    from in_context
    left join size_months
        on in_context.market = size_months.market
        and in_context.month_start = size_months.month_start
    left join event_months
        on in_context.market = event_months.market
        and in_context.month_start = event_months.month_start
    left join move_months
        on in_context.market = move_months.market
        and in_context.month_start = move_months.month_start

)

select * from final

with

company as (

    select * from {{ source('raw', 'company') }}

),

ends as (

    {{ history_ends() | indent(4) }}

),

bases as (

    select
        bases_and_ends.basis,
        bases_and_ends.until_date,
        bases_and_ends.last_order_date,
        company.customer_time_unit_days as unit_days,
        company.real_customer_purchases,
        company.real_customer_cycle_percentile / 100.0 as cycle_part
    from (
        select
            'value' as basis,
            calibration_end as until_date,
            last_order_date
        from ends

        union all

        select
            'validation' as basis,
            before_held_out as until_date,
            last_order_date
        from ends
    ) as bases_and_ends
    cross join company
    where bases_and_ends.until_date is not null

),

-- a day on which a customer bought in two markets is one occasion all the same
days as (

    select
        customer_id,
        order_date,
        max(case when is_occasion then 1 else 0 end) as is_occasion,
        min(case when is_occasion then channel end) as channel,
        cast(sum(net_amount_home) as decimal(18, 4)) as net_amount_home,
        cast(sum(margin_home) as decimal(18, 4)) as margin_home,
        cast(sum(net_amount_costed_home) as decimal(18, 4)) as net_amount_costed_home
    from {{ ref('int_customers__days') }}
    group by customer_id, order_date

),

{#- what both bases read is summed in one pass over the days #}
{%- set until = {'value': 'ends.calibration_end', 'validation': 'ends.before_held_out'} %}

summed as (

    select
        days.customer_id,
        min(case when days.is_occasion = 1 then days.order_date end) as first_date,
        min_by(
            days.net_amount_home, case when days.is_occasion = 1 then days.order_date end
        ) as first_home,
        -- null is a channel, too: it must not make room for that of a later day
        min_by(
            coalesce('of ' || days.channel, ''),
            case when days.is_occasion = 1 then days.order_date end
        ) as first_channel,
        {%- for basis, end in until.items() %}
        max(
            case when days.is_occasion = 1 and days.order_date <= {{ end }} then days.order_date end
        ) as {{ basis }}_last_date,
        sum(case when days.order_date <= {{ end }} then days.is_occasion else 0 end)
            as {{ basis }}_occasions,
        sum(
            case
                when days.is_occasion = 1 and days.order_date <= {{ end }}
                    then days.net_amount_home
                else 0
            end
        ) as {{ basis }}_occasions_home,
        sum(case when days.order_date <= {{ end }} then days.net_amount_home else 0 end)
            as {{ basis }}_revenue_home,
        sum(
            case
                when
                    days.order_date <= {{ end }}
                    and days.order_date > {{ days_after(end, -365) }}
                    then days.net_amount_home
                else 0
            end
        ) as {{ basis }}_last_year_home,
        sum(case when days.order_date <= {{ end }} then days.margin_home end)
            as {{ basis }}_margin_home,
        sum(case when days.order_date <= {{ end }} then days.net_amount_costed_home end)
            as {{ basis }}_costed_home,
        {%- endfor %}
        sum(days.is_occasion) as all_occasions,
        sum(days.net_amount_home) as all_home
    from days
    cross join ends
    group by days.customer_id

),

by_basis as (

    select
        bases.basis,
        bases.until_date,
        bases.last_order_date,
        bases.unit_days,
        summed.customer_id,
        summed.first_date,
        summed.first_home,
        case when summed.first_channel <> '' then substr(summed.first_channel, 4) end as channel,
        {%- for column in [
            'last_date', 'occasions', 'occasions_home', 'revenue_home', 'last_year_home',
            'margin_home', 'costed_home',
        ] %}
        case
            when bases.basis = 'value' then summed.value_{{ column }}
            else summed.validation_{{ column }}
        end as {{ column }},
        {%- endfor %}
        summed.all_occasions,
        summed.all_home
    from summed
    inner join bases
        on summed.first_date <= bases.until_date

),

customers as (

    select
        customer_id,
        market,
        kind,
        first_order_date
    from {{ ref('dim_customer') }}

),

-- of whom ordered at all
kinds as (

    select count(distinct kind) as kinds
    from customers
    where first_order_date is not null

),

-- who bought a category on enough days, and how far apart these were
gaps as (

    select
        categories.customer_id,
        bases.basis,
        categories.category,
        case
            when bases.basis = 'value' then categories.calibration_days
            else categories.before_held_out_days
        end as purchase_days,
        cast(case
            when bases.basis = 'value'
                then {{ dbt.datediff('categories.first_purchase_date', 'categories.calibration_last_date', 'day') }} -- noqa: LT05
            else {{ dbt.datediff('categories.first_purchase_date', 'categories.before_held_out_last_date', 'day') }} -- noqa: LT05
        end as double)
        / nullif(
            case
                when bases.basis = 'value' then categories.calibration_days
                else categories.before_held_out_days
            end - 1, 0
        ) as mean_gap_days
    from {{ ref('int_customers__categories') }} as categories
    cross join bases
    where case
        when bases.basis = 'value' then categories.calibration_days
        else categories.before_held_out_days
    end > 1

),

-- the cycle is the gap that the configured part of the repeat buyers keeps within; few gaps differ,
-- so that they are counted rather than the buyers put in order
counted_gaps as (

    select
        basis,
        category,
        mean_gap_days,
        count(*) as buyers
    from gaps
    group by basis, category, mean_gap_days

),

placed_gaps as (

    select
        basis,
        category,
        mean_gap_days,
        sum(buyers) over (partition by basis, category order by mean_gap_days) - buyers + 1
            as place,
        sum(buyers) over (partition by basis, category) as repeat_buyers
    from counted_gaps

),

cycles as (

    select
        placed_gaps.basis,
        placed_gaps.category,
        max(bases.real_customer_purchases) as real_customer_purchases,
        max(placed_gaps.mean_gap_days) as cycle_days
    from placed_gaps
    inner join bases
        on placed_gaps.basis = bases.basis
    where placed_gaps.place <= ceil(placed_gaps.repeat_buyers * bases.cycle_part)
    group by placed_gaps.basis, placed_gaps.category

),

in_cycle as (

    select
        gaps.basis,
        gaps.customer_id
    from gaps
    inner join cycles
        on gaps.basis = cycles.basis
        and gaps.category = cycles.category
    where
        gaps.mean_gap_days <= cycles.cycle_days
        and gaps.purchase_days >= cycles.real_customer_purchases
    group by gaps.basis, gaps.customer_id

),

final as (

    select
        ---------- keys
        by_basis.basis,
        by_basis.customer_id,

        ---------- attributes
        by_basis.until_date,
        case
            when company.customer_kinds_together or kinds.kinds < 2 then 'all'
            else coalesce(customers.kind, 'kind not given')
        end as cohort,
        customers.market,
        customers.market = company.home_market as is_domestic,
        by_basis.channel,
        by_basis.first_date,
        by_basis.last_date,

        ---------- what the models of buying read
        cast(by_basis.occasions - 1 as bigint) as x,
        cast({{ dbt.datediff('by_basis.first_date', 'by_basis.last_date', 'day') }} as double) -- noqa: LT05
        / by_basis.unit_days as t_x,
        cast({{ dbt.datediff('by_basis.first_date', 'by_basis.until_date', 'day') }} as double) -- noqa: LT05
        / by_basis.unit_days as t,
        cast(by_basis.occasions_home - by_basis.first_home as double)
        / nullif(by_basis.occasions - 1, 0) as mean_spend_home,
        in_cycle.customer_id is not null as is_in_cycle,

        ---------- money
        cast(by_basis.occasions_home as decimal(18, 4)) as occasions_home,
        cast(by_basis.revenue_home as decimal(18, 4)) as revenue_home,
        cast(by_basis.last_year_home as decimal(18, 4)) as last_year_home,
        cast(by_basis.margin_home as decimal(18, 4)) as margin_home,
        cast(by_basis.costed_home as decimal(18, 4)) as costed_home,

        ---------- what came after
        cast({{ dbt.datediff('by_basis.until_date', 'by_basis.last_order_date', 'day') }} as double) -- noqa: LT05
        / by_basis.unit_days as held_out_time,
        cast(by_basis.all_occasions - by_basis.occasions as bigint) as held_out_occasions,
        cast(by_basis.all_home - by_basis.revenue_home as decimal(18, 4)) as held_out_home
    from by_basis
    cross join company
    cross join kinds
    inner join customers
        on by_basis.customer_id = customers.customer_id
    left join in_cycle
        on by_basis.basis = in_cycle.basis
        and by_basis.customer_id = in_cycle.customer_id

)

select * from final

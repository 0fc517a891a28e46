with

company as (

    select * from {{ source('raw', 'company') }}

),

bases as (

    select
        'value' as basis,
        ends.calibration_end as until_date,
        ends.last_order_date,
        company.customer_time_unit_days as unit_days,
        company.real_customer_purchases,
        company.real_customer_cycle_percentile / 100.0 as cycle_part
    from ({{ history_ends() }}) as ends
    cross join company
    where ends.calibration_end is not null

    union all

    select
        'validation' as basis,
        ends.before_held_out as until_date,
        ends.last_order_date,
        company.customer_time_unit_days as unit_days,
        company.real_customer_purchases,
        company.real_customer_cycle_percentile / 100.0 as cycle_part
    from ({{ history_ends() }}) as ends
    cross join company
    where ends.before_held_out is not null

),

-- a day on which a customer bought in two markets is one occasion all the same
days as (

    select
        customer_id,
        order_date,
        max(case when is_occasion then 1 else 0 end) as is_occasion,
        min(case when is_occasion then channel end) as channel,
        sum(net_amount_home) as net_amount_home,
        sum(margin_home) as margin_home,
        sum(net_amount_costed_home) as net_amount_costed_home
    from {{ ref('int_customers__days') }}
    group by customer_id, order_date

),

first_days as (

    select
        customer_id,
        min(order_date) as first_date
    from days
    where is_occasion = 1
    group by customer_id

),

summed as (

    select
        bases.basis,
        bases.until_date,
        bases.last_order_date,
        bases.unit_days,
        days.customer_id,
        first_days.first_date,
        min(case when days.order_date = first_days.first_date then days.channel end) as channel,
        max(
            case
                when days.is_occasion = 1 and days.order_date <= bases.until_date
                    then days.order_date
            end
        ) as last_date,
        cast(sum(
            case when days.order_date <= bases.until_date then days.is_occasion else 0 end
        ) as bigint) as occasions,
        sum(
            case
                when
                    days.is_occasion = 1
                    and days.order_date <= bases.until_date
                    and days.order_date > first_days.first_date
                    then days.net_amount_home
            end
        ) as repeat_home,
        sum(
            case
                when days.is_occasion = 1 and days.order_date <= bases.until_date
                    then days.net_amount_home
                else 0
            end
        ) as occasions_home,
        sum(case when days.order_date <= bases.until_date then days.net_amount_home else 0 end)
            as revenue_home,
        sum(
            case
                when
                    days.order_date <= bases.until_date
                    and days.order_date > {{ days_after('bases.until_date', -365) }}
                    then days.net_amount_home
                else 0
            end
        ) as last_year_home,
        sum(case when days.order_date <= bases.until_date then days.margin_home end)
            as margin_home,
        sum(case when days.order_date <= bases.until_date then days.net_amount_costed_home end)
            as costed_home,
        cast(sum(
            case when days.order_date > bases.until_date then days.is_occasion else 0 end
        ) as bigint) as held_out_occasions,
        sum(case when days.order_date > bases.until_date then days.net_amount_home else 0 end)
            as held_out_home
    from days
    inner join first_days
        on days.customer_id = first_days.customer_id
    inner join bases
        on first_days.first_date <= bases.until_date
    group by
        bases.basis,
        bases.until_date,
        bases.last_order_date,
        bases.unit_days,
        days.customer_id,
        first_days.first_date

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

ranked_gaps as (

    select
        *,
        rank() over (partition by basis, category order by mean_gap_days) as place,
        count(*) over (partition by basis, category) as repeat_buyers
    from gaps

),

-- the cycle is the gap that the configured part of the repeat buyers keeps within
in_cycle as (

    select
        ranked_gaps.basis,
        ranked_gaps.customer_id
    from ranked_gaps
    inner join bases
        on ranked_gaps.basis = bases.basis
    where
        ranked_gaps.place <= ceil(ranked_gaps.repeat_buyers * bases.cycle_part)
        and ranked_gaps.purchase_days >= bases.real_customer_purchases
    group by ranked_gaps.basis, ranked_gaps.customer_id

),

final as (

    select
        ---------- keys
        summed.basis,
        summed.customer_id,

        ---------- attributes
        summed.until_date,
        case
            when company.customer_kinds_together or kinds.kinds < 2 then 'all'
            else coalesce(customers.kind, 'kind not given')
        end as cohort,
        customers.market,
        customers.market = company.home_market as is_domestic,
        summed.channel,
        summed.first_date,
        summed.last_date,

        ---------- what the models of buying read
        summed.occasions - 1 as x,
        cast({{ dbt.datediff('summed.first_date', 'summed.last_date', 'day') }} as double) -- noqa: LT05
        / summed.unit_days as t_x,
        cast({{ dbt.datediff('summed.first_date', 'summed.until_date', 'day') }} as double) -- noqa: LT05
        / summed.unit_days as t,
        cast(summed.repeat_home as double) / nullif(summed.occasions - 1, 0) as mean_spend_home,
        in_cycle.customer_id is not null as is_in_cycle,

        ---------- money
        cast(summed.occasions_home as decimal(18, 4)) as occasions_home,
        cast(summed.revenue_home as decimal(18, 4)) as revenue_home,
        cast(summed.last_year_home as decimal(18, 4)) as last_year_home,
        cast(summed.margin_home as decimal(18, 4)) as margin_home,
        cast(summed.costed_home as decimal(18, 4)) as costed_home,

        ---------- what came after
        cast({{ dbt.datediff('summed.until_date', 'summed.last_order_date', 'day') }} as double) -- noqa: LT05
        / summed.unit_days as held_out_time,
        summed.held_out_occasions,
        cast(summed.held_out_home as decimal(18, 4)) as held_out_home
    from summed
    cross join company
    cross join kinds
    inner join customers
        on summed.customer_id = customers.customer_id
    left join in_cycle
        on summed.basis = in_cycle.basis
        and summed.customer_id = in_cycle.customer_id

)

select * from final

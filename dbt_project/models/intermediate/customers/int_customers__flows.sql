{{ config(
    materialized='incremental',
    incremental_strategy='insert_overwrite' if target.type == 'spark' else none,
    partition_by='order_month' if target.type == 'spark' else none,
    meta={'reads': 'earlier months'},
) }}

with

customer_months as (

    select * from {{ ref('int_customers__months') }}

),

comparisons as (

    select
        'month before' as compared_with,
        1 as months_back

    union all

    select
        'year before' as compared_with,
        12 as months_back

),

now_bought as (

    select
        comparisons.compared_with,
        months.market,
        months.customer_id,
        months.order_month,
        months.net_amount_home,
        months.occasions > 0 as is_now,
        months.first_month_in_market
        > {{ dbt.dateadd('month', '-comparisons.months_back', 'months.order_month') }}
            as is_first
    from customer_months as months
    cross join comparisons
    where {{ is_built_now('months.order_month') }}

),

bought_before as (

    select *
    from (
        select
            comparisons.compared_with,
            months.market,
            months.customer_id,
            cast(
                {{ dbt.dateadd('month', 'comparisons.months_back', 'months.order_month') }} as date
            ) as order_month,
            months.net_amount_home,
            months.occasions > 0 as is_before
        from customer_months as months
        cross join comparisons
    ) as later
    where {{ is_built_now('order_month') }}

),

-- what every customer bought in a month and in the one that it is compared with
by_customer as (

    select
        coalesce(now_bought.compared_with, bought_before.compared_with) as compared_with,
        coalesce(now_bought.market, bought_before.market) as market,
        coalesce(now_bought.order_month, bought_before.order_month) as order_month,
        cast(
            coalesce(now_bought.net_amount_home, 0) - coalesce(bought_before.net_amount_home, 0)
            as decimal(18, 4)
        ) as change_home,
        case
            when now_bought.is_now and bought_before.is_before then 'retained'
            when now_bought.is_now and now_bought.is_first then 'new'
            when now_bought.is_now then 'won back'
            when bought_before.is_before then 'lapsed'
            else 'returned only'
        end as flow
    from now_bought
    full outer join bought_before
        on now_bought.compared_with = bought_before.compared_with
        and now_bought.market = bought_before.market
        and now_bought.customer_id = bought_before.customer_id
        and now_bought.order_month = bought_before.order_month

),

final as (

    select
        ---------- keys
        compared_with,
        market,
        order_month,

        ---------- customers
        count(case when flow = 'new' then 1 end) as new_customers,
        count(case when flow = 'retained' then 1 end) as retained_customers,
        count(case when flow = 'won back' then 1 end) as won_back_customers,
        count(case when flow = 'lapsed' then 1 end) as lapsed_customers,

        ---------- what changed their revenue
        cast(sum(case when flow = 'new' then change_home else 0 end) as decimal(38, 4))
            as new_home,
        cast(sum(
            case when flow = 'retained' and change_home > 0 then change_home else 0 end
        ) as decimal(38, 4)) as retained_more_home,
        cast(sum(
            case when flow = 'retained' and change_home < 0 then change_home else 0 end
        ) as decimal(38, 4)) as retained_less_home,
        cast(sum(case when flow = 'won back' then change_home else 0 end) as decimal(38, 4))
            as won_back_home,
        cast(sum(case when flow = 'lapsed' then change_home else 0 end) as decimal(38, 4))
            as lapsed_home,
        cast(sum(case when flow = 'returned only' then change_home else 0 end) as decimal(38, 4))
            as returned_only_home,
        cast(sum(change_home) as decimal(38, 4)) as change_home
    from by_customer
    group by compared_with, market, order_month

)

select * from final

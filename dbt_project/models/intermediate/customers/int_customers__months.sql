with

days as (

    select * from {{ ref('int_customers__days') }}

),

months as (

    select
        customer_id,
        market,
        order_month,
        cast(sum(case when is_occasion then 1 else 0 end) as bigint) as occasions,
        cast(sum(net_amount_home) as decimal(18, 4)) as net_amount_home
    from days
    group by customer_id, market, order_month

),

first_months as (

    select
        customer_id,
        market,
        min(order_month) as first_month_in_market
    from months
    where occasions > 0
    group by customer_id, market

),

first_months_anywhere as (

    select
        customer_id,
        min(first_month_in_market) as first_month
    from first_months
    group by customer_id

),

final as (

    select
        ---------- keys
        months.customer_id,
        months.market,
        months.order_month,

        ---------- measures
        months.occasions,
        months.net_amount_home,

        ---------- where the customer comes from; null where nothing was ever bought
        first_months_anywhere.first_month,
        first_months.first_month_in_market
    from months
    left join first_months
        on months.customer_id = first_months.customer_id
        and months.market = first_months.market
    left join first_months_anywhere
        on months.customer_id = first_months_anywhere.customer_id

)

select * from final

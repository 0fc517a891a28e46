with

customers as (

    select * from {{ ref('stg_customers') }}

),

customer_days as (

    select * from {{ ref('int_customers__days') }}

),

buyers as (

    select
        customer_id,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date
    from customer_days
    group by customer_id

),

-- a customer who bought in several markets is of the one of the first order
first_markets as (

    select
        buyers.customer_id,
        min(customer_days.market) as market
    from buyers
    inner join customer_days
        on buyers.customer_id = customer_days.customer_id
        and buyers.first_order_date = customer_days.order_date
    group by buyers.customer_id

),

final as (

    select
        ---------- ids
        coalesce(customers.customer_id, buyers.customer_id) as customer_id,

        ---------- text
        coalesce(customers.market, first_markets.market) as market,
        customers.segment,
        customers.kind,
        customers.acquired_through,

        ---------- booleans
        customers.customer_id is null as is_inferred,

        ---------- dates
        customers.acquired_on,
        buyers.first_order_date,
        buyers.last_order_date
    from customers
    full outer join buyers
        on customers.customer_id = buyers.customer_id
    left join first_markets
        on buyers.customer_id = first_markets.customer_id

)

select * from final

-- depends_on: {{ ref('stg_sales') }}
{{ config(
    materialized='incremental' if target.type == 'duckdb' else 'table',
    meta={'replaces': 'customers', 'also': ['audit.pending_totals']},
) }}

with

customers as (

    select *
    from {{ ref('stg_customers') }}
    where {{ is_customer_built_now('customer_id') }}

),

customer_days as (

    select *
    from {{ ref('int_customers__days') }}
    where {{ is_customer_built_now('customer_id') }}

),

customer_markets as (

    select
        customer_id,
        market,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date
    from customer_days
    group by customer_id, market

),

-- a customer who bought in several markets is of the one of the first order
buyers as (

    select
        customer_id,
        min_by(market, (first_order_date, market)) as market,
        min(first_order_date) as first_order_date,
        max(last_order_date) as last_order_date
    from customer_markets
    group by customer_id

),

final as (

    select
        ---------- ids
        coalesce(customers.customer_id, buyers.customer_id) as customer_id,

        ---------- text
        coalesce(customers.market, buyers.market, 'ZZ') as market,
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

)

select * from final

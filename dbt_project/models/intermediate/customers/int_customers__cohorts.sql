{{ config(
    materialized='incremental',
    incremental_strategy='insert_overwrite' if target.type == 'spark' else none,
    partition_by='order_month' if target.type == 'spark' else none,
    meta={'reads': 'earlier months', 'needs': 'customers as they were'},
) }}

with

customers as (

    select
        customer_id,
        market,
        {{ month_of('first_date') }} as cohort_month
    from {{ ref('int_customers__totals') }}
    where first_date is not null

),

customer_months as (

    -- one who bought in two markets in a month is one customer who came back
    select
        customer_id,
        order_month,
        max(case when occasions > 0 then 1 else 0 end) as is_retained,
        cast(sum(net_amount_home) as decimal(18, 4)) as revenue_home
    from {{ ref('int_customers__months') }}
    where {{ is_built_now('order_month') }}
    group by customer_id, order_month

),

final as (

    select
        ---------- keys
        customers.market,
        customers.cohort_month,
        customer_months.order_month,

        ---------- measures
        cast(sum(customer_months.is_retained) as bigint) as customers_retained,
        cast(sum(customer_months.revenue_home) as decimal(38, 4)) as revenue_home,
        -- for the spread of the revenue among customers: a customer without any adds nothing
        cast(sum(cast(
            cast(customer_months.revenue_home as double)
            * cast(customer_months.revenue_home as double) as decimal(38, 4)
        )) as double) as squared_revenue
    from customer_months
    inner join customers
        on customer_months.customer_id = customers.customer_id
        and customer_months.order_month >= customers.cohort_month
    group by customers.market, customers.cohort_month, customer_months.order_month

)

select * from final

{{ config(
    materialized='incremental',
    incremental_strategy='insert_overwrite' if target.type == 'spark' else none,
    partition_by='order_month' if target.type == 'spark' else none,
) }}

with

days as (

    select *
    from {{ ref('int_customers__days') }}
    where {{ is_built_now('order_month') }}

),

final as (

    select
        ---------- keys
        customer_id,
        market,
        order_month,

        ---------- measures
        cast(sum(case when is_occasion then 1 else 0 end) as bigint) as occasions,
        cast(sum(net_amount_home) as decimal(18, 4)) as net_amount_home
    from days
    group by customer_id, market, order_month

)

select * from final

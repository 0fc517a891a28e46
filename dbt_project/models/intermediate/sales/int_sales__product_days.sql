{{ config(
    materialized='incremental',
    incremental_strategy='insert_overwrite' if target.type == 'spark' else none,
    partition_by='order_month' if target.type == 'spark' else none,
) }}

with

sales as (

    select *
    from {{ ref('fct_sales') }}
    where line_kind = 'product' and {{ is_built_now('order_month') }}

),

final as (

    select
        ---------- ids
        order_month,
        order_date,
        market,
        product_id,

        ---------- measures; DuckDB reads decimals of more than 18 digits fifty times as slowly
        cast(sum(quantity) as decimal(18, 4)) as units,
        cast(sum(net_amount_home) as decimal(18, 4)) as net_amount_home
    from sales
    group by order_month, order_date, market, product_id

)

select * from final

{{ config(
    materialized='incremental',
    incremental_strategy='insert_overwrite' if target.type == 'spark' else none,
    partition_by='order_month' if target.type == 'spark' else none,
) }}

with

sales as (

    select *
    from {{ ref('fct_sales') }}
    where {{ is_built_now('order_month') }}

),

final as (

    select
        ---------- ids
        order_month,
        market,
        is_domestic,
        channel,
        product_id,
        line_kind,
        currency,

        ---------- counts
        count(*) as lines,
        cast(sum(case when is_return then 1 else 0 end) as bigint) as return_lines,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,

        ---------- units of products; freight, fees and the like have none. DuckDB reads decimals
        ---------- of more than 18 digits fifty times as slowly
        cast(sum(case when line_kind = 'product' then quantity else 0 end) as decimal(18, 4))
            as units,
        cast(
            sum(case when line_kind = 'product' and is_return then -quantity else 0 end)
            as decimal(18, 4)
        ) as units_returned,
        cast(
            sum(case when line_kind = 'product' and cost_home is not null then quantity else 0 end)
            as decimal(18, 4)
        ) as units_costed,

        ---------- measures in the lines' currency
        cast(sum(gross_amount_local) as decimal(18, 4)) as gross_amount_local,
        cast(sum(discount_local) as decimal(18, 4)) as discount_local,
        cast(sum(net_amount_local) as decimal(18, 4)) as net_amount_local,
        cast(sum(tax_local) as decimal(18, 4)) as tax_local,
        cast(sum(freight_local) as decimal(18, 4)) as freight_local,
        cast(sum(duty_local) as decimal(18, 4)) as duty_local,
        cast(sum(cost_local) as decimal(18, 4)) as cost_local,
        cast(sum(net_amount_local - cost_local) as decimal(18, 4)) as margin_local,

        ---------- measures in the reporting currency
        cast(sum(gross_amount_home) as decimal(18, 4)) as gross_amount_home,
        cast(sum(discount_home) as decimal(18, 4)) as discount_home,
        cast(sum(net_amount_home) as decimal(18, 4)) as net_amount_home,
        cast(sum(tax_home) as decimal(18, 4)) as tax_home,
        cast(sum(freight_home) as decimal(18, 4)) as freight_home,
        cast(sum(duty_home) as decimal(18, 4)) as duty_home,
        cast(sum(cost_home) as decimal(18, 4)) as cost_home,
        cast(sum(margin_home) as decimal(18, 4)) as margin_home,
        -- the revenue that the margin above belongs to: that of the lines whose cost is known
        cast(sum(case when cost_home is not null then net_amount_home end) as decimal(18, 4))
            as net_amount_costed_home
    from sales
    group by order_month, market, is_domestic, channel, product_id, line_kind, currency

)

select * from final

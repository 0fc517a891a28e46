{%- set margin_home = 'cast(held.net_amount_home - held.cost_home as decimal(18, 4))' -%}

{{ config(
    materialized='incremental',
    incremental_strategy='insert_overwrite' if target.type == 'spark' else none,
    partition_by='order_month' if target.type == 'spark' else none,
    pre_hook=['{{ keep_replaced_lines() }}', '{{ keep_replaced_order_lines() }}']
    if target.type == 'duckdb' else [],
    meta={
        'rows_of': 'sales',
        'filled_by': {
            'line_id': 'line_id',
            'promotion_id': 'promotion_id',
            'line_kind': 'line_kind',
            'channel': 'channel',
            'outlet': 'outlet',
            'payment_terms': 'payment_terms',
            'gross_amount_local': 'discount_amount',
            'gross_amount_home': 'discount_amount',
            'discount_local': 'discount_amount',
            'discount_home': 'discount_amount',
            'tax_local': 'tax_amount',
            'tax_home': 'tax_amount',
            'freight_local': 'freight_amount',
            'freight_home': 'freight_amount',
            'duty_local': 'duty_amount',
            'duty_home': 'duty_amount',
        },
        'worked_out': {
            'gross_amount_local': 'held.net_amount_local',
            'gross_amount_home': 'held.net_amount_home',
            'margin_home': margin_home,
        },
    },
) }}

with

sales as (

    select *
    from {{ ref('int_sales__converted') }}
    where {{ is_built_now('ordered_at') }}

),

-- a line whose currency has no rate that day, or that is too large in the reporting currency, is in
-- quarantine.without_rate instead; a cost that is too large there is no known cost
convertible as (

    select
        *,
        case
            when not {{ is_too_large('cost_amount * cost_rate') }}
                then cast(cost_amount * cost_rate as decimal(18, 4))
        end as cost_home,
        cast(net_amount_local * fx_rate as decimal(18, 4)) as net_amount_home
    from sales
    where fx_rate is not null and not {{ has_too_large_amount('fx_rate') }}

),

final as (

    select
        ---------- ids
        order_id,
        line_id,
        product_id,
        customer_id,
        promotion_id,

        ---------- dates
        ordered_at,
        order_date,
        {{ month_of('ordered_at') }} as order_month,

        ---------- attributes
        line_kind,
        market,
        is_domestic,
        channel,
        outlet,
        payment_terms,
        is_return,
        currency,
        fx_rate,
        fx_rate_date,

        ---------- measures in the line's currency
        quantity,
        unit_price,
        gross_amount_local,
        discount_amount as discount_local,
        cast(net_amount_local as decimal(18, 4)) as net_amount_local,
        tax_amount as tax_local,
        freight_amount as freight_local,
        duty_amount as duty_local,
        case
            when cost_home is null then null
            when cost_rate = fx_rate then cost_amount
            when not {{ is_too_large('cost_home / fx_rate') }}
                then cast(cost_home / fx_rate as decimal(18, 4))
        end as cost_local,

        ---------- measures in the reporting currency
        cast(gross_amount_local * fx_rate as decimal(18, 4)) as gross_amount_home,
        cast(discount_amount * fx_rate as decimal(18, 4)) as discount_home,
        net_amount_home,
        cast(tax_amount * fx_rate as decimal(18, 4)) as tax_home,
        cast(freight_amount * fx_rate as decimal(18, 4)) as freight_home,
        cast(duty_amount * fx_rate as decimal(18, 4)) as duty_home,
        cost_home,
        {{ margin_home | replace('held.', '') }} as margin_home,

        ---------- lineage
        delivery_id,
        row_number
    from convertible

)

select * from final

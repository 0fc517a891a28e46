{%- set effects = ['price', 'volume', 'mix', 'new', 'lost', 'fx'] -%}
with

products as (

    select * from {{ ref('mart_price_volume_mix__market_product_month') }}

),

categories as (

    select
        order_month,
        market,
        category,
        compared_with,
        is_domestic,
        compared_month,
        sum(units) as units,
        sum(units_compared) as units_compared,
        sum(revenue_home) as revenue_home,
        sum(revenue_compared_home) as revenue_compared_home,
        sum(revenue_constant_home) as revenue_constant_home,
        sum(revenue_change_home) as revenue_change_home,
        {%- for effect in effects %}
        sum({{ effect }}_effect_home) as {{ effect }}_effect_home,
        {%- endfor %}
        sum(other_lines_change_home) as other_lines_change_home,
        count(case when sold_in = 'both' then 1 end) as products_in_both,
        count(case when sold_in = 'new' and revenue_home <> 0 then 1 end) as products_new,
        count(case when sold_in = 'lost' and revenue_compared_home <> 0 then 1 end)
            as products_lost
    from products
    group by order_month, market, category, compared_with, is_domestic, compared_month

),

final as (

    select
        ---------- keys
        order_month,
        market,
        category,
        compared_with,

        ---------- attributes
        is_domestic,
        compared_month,

        ---------- both sides
        cast(units as decimal(38, 4)) as units,
        cast(units_compared as decimal(38, 4)) as units_compared,
        cast(revenue_home as decimal(38, 4)) as revenue_home,
        cast(revenue_compared_home as decimal(38, 4)) as revenue_compared_home,
        cast(revenue_constant_home as decimal(38, 4)) as revenue_constant_home,

        ---------- the change and its causes
        cast(revenue_change_home as decimal(38, 4)) as revenue_change_home,
        {%- for effect in effects %}
        cast({{ effect }}_effect_home as decimal(38, 4)) as {{ effect }}_effect_home,
        {%- endfor %}
        case
            when revenue_compared_home > 0
                then
                    100.0 * cast(revenue_change_home as double)
                    / cast(revenue_compared_home as double)
        end as growth_pct,
        case
            when revenue_compared_home > 0
                then
                    100.0 * cast(revenue_constant_home - revenue_compared_home as double)
                    / cast(revenue_compared_home as double)
        end as growth_constant_pct,

        ---------- freight, fees and the like, which have no units
        cast(other_lines_change_home as decimal(38, 4)) as other_lines_change_home,
        cast(revenue_change_home + other_lines_change_home as decimal(38, 4)) as net_change_home,

        ---------- counts
        cast(products_in_both as bigint) as products_in_both,
        cast(products_new as bigint) as products_new,
        cast(products_lost as bigint) as products_lost
    from categories

)

select * from final

{{ config(
    materialized='incremental' if target.type == 'duckdb' else 'table',
    meta={'adds': 'orders'},
    post_hook=[
        'create or replace table audit.built_baskets as {{ basket_bounds() }}',
        'drop table if exists audit.replaced_order_lines',
    ] if target.type == 'duckdb' else [],
) }}

{#- a build on top of others subtracts baskets as they were: a minus stands before their numbers #}
{%- set is_added = is_incremental() %}
{%- set moved = moved_bounds() if is_added %}
{%- set is_built_now = "order_date > cast('" ~ moved.earlier ~ "' as date)"
    ~ ' and order_id in (select order_id from changed_orders)' if is_added else '1 = 1' %}
{%- set sign = "case when order_id like '-%' then -1 else 1 end" if is_added else '1' %}
{%- set count = 'sum(' ~ sign ~ ')' if is_added else 'count(*)' %}

with

company as (

    select basket_minimum_orders from {{ source('raw', 'company') }}

),

bounds as (

    {{ basket_bounds() }}

),
{%- if is_added %}

changed_lines as (

    select order_id
    from (
        select
            order_id,
            product_id,
            order_date,
            1 as sign
        from {{ ref('fct_sales') }}
        where {{ is_bought() }} and {{ is_pending('order_month', pending_months()) }}

        union all

        select
            order_id,
            product_id,
            order_date,
            -1 as sign
        from audit.replaced_order_lines
    ) as both_states
    group by order_id, product_id, order_date
    having sum(sign) <> 0

),

changed_orders as (

    select order_id from changed_lines

    union

    select order_id
    from {{ ref('fct_sales') }}
    where
        {{ is_bought() }}
        and order_date > cast('{{ moved.earlier }}' as date)
        and order_date <= cast('{{ moved.later }}' as date)

),
{%- endif %}

lines as (

    select
        order_id,
        product_id,
        order_date,
        order_month
    from {{ ref('fct_sales') }}
    where {{ is_bought() }} and {{ is_built_now }}

),
{%- if is_added %}

lines_before as (

    select
        order_id,
        product_id,
        order_date
    from lines
    where not ({{ is_pending('order_month', pending_months()) }})

    union all

    select
        order_id,
        product_id,
        order_date
    from audit.replaced_order_lines
    where order_id in (select order_id from changed_orders)

),
{%- endif %}

ordered as (

    select
        {{ "concat('+', lines.order_id)" if is_added else 'lines.order_id' }} as order_id,
        lines.product_id
    from lines
    cross join bounds
    where lines.order_date > bounds.ordered_after
    {%- if is_added %}

    union all

    select
        concat('-', lines_before.order_id) as order_id,
        lines_before.product_id
    from lines_before
    cross join audit.built_baskets as bounds_before
    where lines_before.order_date > bounds_before.ordered_after
    {%- endif %}

),

frequent as (

    {{ counted_products() if is_added else frequent_products() }}

),

kept as (

    select count(*) <= {{ most_products_of_kept_pairs() }} as is_kept_whole
    from frequent

),

-- numbers make pairs cheap
products as (

    select
        known.product_id,
        cast(row_number() over (order by known.product_id) as integer) as product_number,
        frequent.product_id is not null as is_frequent
    from (
        select product_id from {{ ref('dim_product') }}
        {%- if is_added %}

        union

        select product_id from audit.replaced_order_lines

        union

        select product_id from frequent
        {%- endif %}
    ) as known
    left join frequent
        on known.product_id = frequent.product_id

),

-- a product stands once in a basket, however often it was ordered
order_products as (

    select
        ordered.order_id,
        products.product_number
    from ordered
    inner join products
        on ordered.product_id = products.product_id
    group by ordered.order_id, products.product_number

),

order_sizes as (

    select
        order_id,
        count(*) as products
    from order_products
    group by order_id

),

-- an order of hundreds of products fills a shelf: it says nothing about two of them, and its pairs
-- would cost more than those of all other orders
too_large as (

    select order_sizes.order_id
    from order_sizes
    cross join bounds
    where order_sizes.products > bounds.largest_order

),

totals as (

    select
        coalesce({{ count }}, 0) as orders,
        coalesce(sum(
            case when order_sizes.products > bounds.largest_order then {{ sign }} else 0 end
        ), 0) as orders_too_large
    from order_sizes
    cross join bounds

),

-- only products with enough orders can be part of a pair with enough
numbered as (

    select
        order_products.order_id,
        order_products.product_number
    from order_products
    left join too_large
        on order_products.order_id = too_large.order_id
    inner join products
        on order_products.product_number = products.product_number
    where too_large.order_id is null and products.is_frequent

),

product_orders as (

    select
        product_number,
        {{ count }} as orders
    from numbered
    group by product_number

),

pairs as (

    select
        one.product_number,
        other.product_number as other_product_number,
        {{ count | replace('order_id', 'one.order_id') }} as orders
    from numbered as one
    inner join numbered as other
        on one.order_id = other.order_id
        and one.product_number < other.product_number
    group by one.product_number, other.product_number

),

final as (

    select
        ---------- keys; of one product alone there is no other, and of all orders there is none
        cast(null as {{ dbt.type_string() }}) as product_id,
        cast(null as {{ dbt.type_string() }}) as other_product_id,

        ---------- counts
        cast(orders as bigint) as orders,
        cast(orders_too_large as bigint) as orders_too_large
    from totals

    union all

    select
        products.product_id,
        null as other_product_id,
        cast(coalesce(product_orders.orders, 0) as bigint) as orders,
        null as orders_too_large
    from products
    left join product_orders
        on products.product_number = product_orders.product_number
    where products.is_frequent

    union all

    select
        products.product_id,
        others.product_id as other_product_id,
        cast(pairs.orders as bigint) as orders,
        null as orders_too_large
    from pairs
    cross join company
    cross join kept
    inner join products
        on pairs.product_number = products.product_number
    inner join products as others
        on pairs.other_product_number = others.product_number
    where kept.is_kept_whole or pairs.orders >= company.basket_minimum_orders

)

select * from final

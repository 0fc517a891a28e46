with

company as (

    select
        basket_months,
        basket_minimum_orders,
        basket_largest_order
    from {{ source('raw', 'company') }}

),

last_day as (

    select max(last_order_date) as as_of_date from {{ ref('int_sales__product_months') }}

),

spans as (

    select
        last_day.as_of_date,
        cast(
            {{ dbt.dateadd('month', '-company.basket_months', 'last_day.as_of_date') }} as date
        ) as ordered_after
    from last_day
    cross join company

),

-- numbers make pairs cheap
numbers as (

    select
        product_id,
        name,
        cast(row_number() over (order by product_id) as integer) as product_number
    from {{ ref('dim_product') }}

),

-- a product stands once in a basket, however often it was ordered
order_products as (

    select
        sales.order_id,
        numbers.product_number
    from {{ ref('fct_sales') }} as sales
    cross join spans
    inner join numbers
        on sales.product_id = numbers.product_id
    where
        sales.line_kind = 'product'
        and sales.quantity > 0
        and not sales.is_return
        and sales.order_date > spans.ordered_after
    group by sales.order_id, numbers.product_number

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
    cross join company
    where order_sizes.products > company.basket_largest_order

),

totals as (

    select
        count(*) as orders,
        cast(sum(
            case when order_sizes.products > company.basket_largest_order then 1 else 0 end
        ) as bigint) as orders_too_large
    from order_sizes
    cross join company

),

basket_products as (

    select
        order_products.order_id,
        order_products.product_number
    from order_products
    left join too_large
        on order_products.order_id = too_large.order_id
    where too_large.order_id is null

),

product_orders as (

    select
        product_number,
        count(*) as orders
    from basket_products
    group by product_number

),

-- only products with enough orders can be part of a pair with enough
products as (

    select
        numbers.product_id,
        numbers.name,
        product_orders.product_number,
        product_orders.orders
    from product_orders
    cross join company
    inner join numbers
        on product_orders.product_number = numbers.product_number
    where product_orders.orders >= company.basket_minimum_orders

),

numbered as (

    select
        basket_products.order_id,
        basket_products.product_number
    from basket_products
    inner join products
        on basket_products.product_number = products.product_number

),

pairs as (

    select
        one.product_number,
        other.product_number as other_product_number,
        count(*) as orders_together
    from numbered as one
    inner join numbered as other
        on one.order_id = other.order_id
        and one.product_number < other.product_number
    group by one.product_number, other.product_number

),

measured as (

    select
        products.product_id,
        products.name as product_name,
        others.product_id as other_product_id,
        others.name as other_product_name,
        pairs.orders_together,
        products.orders as product_orders,
        others.orders as other_product_orders,
        totals.orders - totals.orders_too_large as orders,
        totals.orders_too_large,
        cast(pairs.orders_together as double) * (totals.orders - totals.orders_too_large)
        / nullif(cast(products.orders as double) * others.orders, 0) as lift
    from pairs
    cross join totals
    cross join company
    inner join products
        on pairs.product_number = products.product_number
    inner join products as others
        on pairs.other_product_number = others.product_number
    where pairs.orders_together >= company.basket_minimum_orders

),

-- the variance of the logarithm of a lift, by the delta method on multinomial counts
with_spread as (

    select
        *,
        1.959963984540054 * sqrt(greatest(
            1.0 / orders_together - 1.0 / product_orders - 1.0 / other_product_orders
            + (2 * lift - 1) / nullif(orders, 0),
            0
        )) as log_lift_spread
    from measured

),

final as (

    select
        ---------- keys
        with_spread.product_id,
        with_spread.other_product_id,

        ---------- attributes
        with_spread.product_name,
        with_spread.other_product_name,
        spans.as_of_date,

        ---------- counts
        with_spread.orders_together,
        with_spread.product_orders,
        with_spread.other_product_orders,
        with_spread.orders,
        with_spread.orders_too_large,

        ---------- measures
        100 * cast(with_spread.orders_together as double) / nullif(with_spread.orders, 0)
            as support_pct,
        100 * cast(with_spread.orders_together as double) / nullif(with_spread.product_orders, 0)
            as confidence_pct,
        100 * cast(with_spread.orders_together as double)
        / nullif(with_spread.other_product_orders, 0) as other_confidence_pct,
        with_spread.lift,
        with_spread.lift * exp(-with_spread.log_lift_spread) as lift_low,
        with_spread.lift * exp(with_spread.log_lift_spread) as lift_high
    from with_spread
    cross join spans

)

select * from final

with

company as (

    select basket_minimum_orders from {{ source('raw', 'company') }}

),

last_day as (

    select max(last_order_date) as as_of_date from {{ ref('int_sales__product_months') }}

),

baskets as (

    select * from {{ ref('int_sales__baskets') }}

),

totals as (

    select
        cast(sum(orders) as bigint) as orders,
        cast(sum(orders_too_large) as bigint) as orders_too_large
    from baskets
    where product_id is null

),

products as (

    select
        product_orders.product_id,
        names.name,
        product_orders.orders
    from (
        select
            product_id,
            cast(sum(orders) as bigint) as orders
        from baskets
        where product_id is not null and other_product_id is null
        group by product_id
    ) as product_orders
    inner join {{ ref('dim_product') }} as names
        on product_orders.product_id = names.product_id

),

pairs as (

    select
        product_id,
        other_product_id,
        cast(sum(orders) as bigint) as orders_together
    from baskets
    where other_product_id is not null
    group by product_id, other_product_id

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
        on pairs.product_id = products.product_id
    inner join products as others
        on pairs.other_product_id = others.product_id
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
        last_day.as_of_date,

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
    cross join last_day

)

select * from final

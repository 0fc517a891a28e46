with

products as (

    select * from {{ ref('stg_products') }}

),

product_months as (

    select * from {{ ref('int_sales__product_months') }}

),

competitor_prices as (

    select * from {{ ref('stg_competitor_prices') }}

),

product_matches as (

    select * from {{ ref('stg_product_matches') }}

),

order_dates as (

    select
        product_id,
        min(first_order_date) as first_order_date,
        max(last_order_date) as last_order_date
    from product_months
    group by product_id

),

-- every product that any fact speaks of; those that products does not declare are inferred
mentioned as (

    select product_id from order_dates

    union

    select product_id
    from competitor_prices
    where product_id is not null

    union

    select product_id from product_matches

    union

    select product_id from products

),

final as (

    select
        ---------- ids
        mentioned.product_id,
        products.gtin,
        products.gtin_14,
        products.mpn,

        ---------- text
        products.name,
        products.brand,
        products.category,
        products.pack_unit,
        products.currency,

        ---------- numerics
        products.pack_quantity,
        products.unit_cost,
        products.list_price,
        products.map_price,

        ---------- booleans
        products.product_id is null as is_inferred,

        ---------- dates
        products.launched_on,
        products.retired_on,
        order_dates.first_order_date,
        order_dates.last_order_date
    from mentioned
    left join products
        on mentioned.product_id = products.product_id
    left join order_dates
        on mentioned.product_id = order_dates.product_id

)

select * from final

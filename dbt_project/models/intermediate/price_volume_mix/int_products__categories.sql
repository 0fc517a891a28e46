{{ config(materialized='view') }}

with

products as (

    select
        product_id,
        {{ comparable('category') }} as category_key,
        nullif(trim(category), '') as category
    from {{ ref('dim_product') }}

),

final as (

    select
        ---------- ids
        product_id,
        coalesce(category_key, '') as category_key,

        ---------- text; one spelling for all products, and a name for what has no category
        coalesce(min(category) over (partition by category_key), 'Uncategorised') as category
    from products

)

select * from final

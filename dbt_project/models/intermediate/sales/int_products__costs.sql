{{ config(materialized='view') }}

with

products as (

    select * from {{ ref('stg_products') }}

),

company as (

    select * from {{ source('raw', 'company') }}

),

final as (

    select
        products.product_id,
        products.unit_cost,
        coalesce(products.currency, company.reporting_currency) as cost_currency
    from products
    cross join company
    where products.unit_cost is not null

)

select * from final

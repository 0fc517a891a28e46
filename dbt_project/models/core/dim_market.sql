{%- set mentions = [
    'dim_customer', 'int_sales__product_months', 'stg_competitor_prices', 'stg_events',
    'stg_initiatives', 'stg_market_context', 'stg_market_sales', 'stg_plans', 'stg_promotions',
    'stg_terms',
] -%}
with

company as (

    select * from {{ source('raw', 'company') }}

),

countries as (

    select * from {{ ref('countries') }}

),

mentioned as (

    select home_market as market from company
    {%- for mention in mentions %}

    union

    select market
    from {{ ref(mention) }}
    where market is not null
    {%- endfor %}

),

final as (

    select
        ---------- ids
        mentioned.market,

        ---------- text
        case when mentioned.market = 'ZZ' then 'Unknown' else countries.name end as name,

        ---------- booleans
        mentioned.market = company.home_market as is_domestic,
        mentioned.market = 'ZZ' as is_unknown
    from mentioned
    cross join company
    left join countries
        on mentioned.market = countries.market

)

select * from final

{{ config(materialized='view') }}

with

sales as (

    select * from {{ ref('stg_sales') }}

),

competitor_prices as (

    select * from {{ ref('stg_competitor_prices') }}

),

market_sales as (

    select * from {{ ref('stg_market_sales') }}

),

plans as (

    select * from {{ ref('stg_plans') }}

),

company as (

    select * from {{ source('raw', 'company') }}

),

spans as (

    -- the ends of a stored column are known without reading it
    select
        cast(min(ordered_at) as date) as first_day,
        cast(max(ordered_at) as date) as last_day
    from sales

    union all

    select
        min(observed_date) as first_day,
        max(observed_date) as last_day
    from competitor_prices

    union all

    select
        min(period_start) as first_day,
        max({{ period_end('period', 'period_start') }}) as last_day
    from market_sales

    union all

    select
        min(period_start) as first_day,
        max({{ period_end('period', 'period_start') }}) as last_day
    from plans

),

whole_span as (

    select
        min(first_day) as first_day,
        max(last_day) as last_day
    from spans

),

final as (

    select
        whole_span.first_day,
        whole_span.last_day,
        -- a rate quoted before the first day may still be valid on it
        {{ days_after('whole_span.first_day', '-company.max_rate_carry_days') }} as first_quote_day
    from whole_span
    cross join company

)

select * from final

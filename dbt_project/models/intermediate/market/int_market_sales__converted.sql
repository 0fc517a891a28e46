{{ config(materialized='view') }}

with

market_sales as (

    select * from {{ ref('stg_market_sales') }}

),

own_firms as (

    select * from {{ source('raw', 'own_firms') }}

),

rates as (

    select * from {{ ref('int_rates__currency_periods') }}

),

-- a publisher's later edition of a figure takes the place of all of its earlier ones
editions as (

    select
        *,
        dense_rank() over (
            partition by period_start, period, market, {{ comparable('category') }}, publisher
            order by published_on desc nulls last, edition desc nulls last
        ) = 1 as is_latest_edition
    from market_sales

),

own_names as (

    select distinct {{ comparable('firm') }} as own_name
    from own_firms

),

final as (

    select
        editions.*,
        {{ period_end('editions.period', 'editions.period_start') }} as period_end,
        own_names.own_name is not null as is_own,
        rates.rate_to_home as fx_rate,
        rates.quote_date as fx_rate_date
    from editions
    left join own_names
        on {{ comparable('editions.firm') }} = own_names.own_name
    left join rates
        on editions.currency = rates.currency
        and editions.period = rates.period
        and editions.period_start = rates.period_start

)

select * from final

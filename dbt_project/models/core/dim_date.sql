with

company as (

    select * from {{ source('raw', 'company') }}

),

product_months as (

    select * from {{ ref('int_sales__product_months') }}

),

competitor_prices as (

    select * from {{ ref('fct_competitor_prices') }}

),

market_sales as (

    select * from {{ ref('fct_market_sales') }}

),

plans as (

    select * from {{ ref('stg_plans') }}

),

spans as (

    select
        min(first_order_date) as first_day,
        max(last_order_date) as last_day
    from product_months

    union all

    select
        min(observed_date) as first_day,
        max(observed_date) as last_day
    from competitor_prices

    union all

    select
        min(period_start) as first_day,
        max(period_end) as last_day
    from market_sales

    union all

    select
        min(period_start) as first_day,
        max({{ period_end('period', 'period_start') }}) as last_day
    from plans

),

-- whole years, so that every month, quarter and year that is compared is there in full
whole_years as (

    select
        cast(date_trunc('year', min(first_day)) as date) as first_day,
        {{ days_after(
            'cast(' ~ dbt.dateadd('month', 12, "date_trunc('year', max(last_day))") ~ ' as date)', -1
        ) }} as last_day
    from spans

),

calendar as (

    {{ calendar_days('whole_years', 'first_day', 'last_day') }}

),

-- a fiscal year is named after the calendar year that it ends in
fiscal as (

    select
        calendar.day,
        cast(
            {{ dbt.dateadd('month', '1 - company.fiscal_year_start_month', 'calendar.day') }}
            as date
        ) as shifted_day,
        case when company.fiscal_year_start_month = 1 then 0 else 1 end as year_offset
    from calendar
    cross join company

),

final as (

    select
        ---------- ids
        day as date_day,

        ---------- calendar
        cast(extract(year from day) as integer) as calendar_year,
        cast(extract(quarter from day) as integer) as calendar_quarter,
        cast(extract(month from day) as integer) as calendar_month,
        cast(extract(day from day) as integer) as day_of_month,
        {{ iso_day_of_week('day') }} as day_of_week,
        cast(extract(week from day) as integer) as iso_week,
        {{ iso_day_of_week('day') }} >= 6 as is_weekend,
        cast(date_trunc('week', day) as date) as week_start,
        {{ month_of('day') }} as month_start,
        cast(date_trunc('quarter', day) as date) as quarter_start,
        cast(date_trunc('year', day) as date) as year_start,

        ---------- fiscal
        cast(extract(year from shifted_day) as integer) + year_offset as fiscal_year,
        cast(extract(quarter from shifted_day) as integer) as fiscal_quarter,
        cast(extract(month from shifted_day) as integer) as fiscal_month
    from fiscal

)

select * from final

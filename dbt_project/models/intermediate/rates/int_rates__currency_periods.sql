with

currency_days as (

    select * from {{ ref('int_rates__currency_days') }}

),

months as (

    select
        currency,
        'month' as period,
        {{ month_of('rate_date') }} as period_start,
        {{ exact_average('rate_to_home') }} as rate_to_home,
        max(quote_date) as quote_date,
        count(*) as days_with_rate
    from currency_days
    group by currency, {{ month_of('rate_date') }}

),

quarters as (

    select
        currency,
        'quarter' as period,
        cast(date_trunc('quarter', rate_date) as date) as period_start,
        {{ exact_average('rate_to_home') }} as rate_to_home,
        max(quote_date) as quote_date,
        count(*) as days_with_rate
    from currency_days
    group by currency, cast(date_trunc('quarter', rate_date) as date)

),

years as (

    select
        currency,
        'year' as period,
        cast(date_trunc('year', rate_date) as date) as period_start,
        {{ exact_average('rate_to_home') }} as rate_to_home,
        max(quote_date) as quote_date,
        count(*) as days_with_rate
    from currency_days
    group by currency, cast(date_trunc('year', rate_date) as date)

),

final as (

    select * from months

    union all

    select * from quarters

    union all

    select * from years

)

select * from final

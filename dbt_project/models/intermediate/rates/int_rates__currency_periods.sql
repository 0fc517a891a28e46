with

currency_days as (

    select * from {{ ref('int_rates__currency_days') }}

),

months as (

    select
        currency,
        {{ month_of('rate_date') }} as month_start,
        {{ exact_sum('rate_to_home') }} as rates_added,
        max(quote_date) as quote_date,
        count(*) as days_with_rate
    from currency_days
    group by currency, {{ month_of('rate_date') }}

),

-- a month is a part of the quarters and years that begin up to so many months before it; fiscal
-- ones may begin with any month
periods as (

    {%- for period, length in [('month', 1), ('quarter', 3), ('year', 12)] %}
    {%- for months_before in range(length) %}
    {{ 'union all' if period != 'month' }}
    select
        '{{ period }}' as period,
        {{ months_before }} as months_before
    {%- endfor %}
    {%- endfor %}

),

parts_of_periods as (

    select
        months.currency,
        periods.period,
        cast({{ dbt.dateadd('month', '-periods.months_before', 'months.month_start') }} as date)
            as period_start,
        months.rates_added,
        months.quote_date,
        months.days_with_rate
    from months
    cross join periods

),

final as (

    select
        ---------- ids
        currency,
        period,
        period_start,

        ---------- measures
        cast(sum(rates_added) as double) / sum(days_with_rate) as rate_to_home,
        max(quote_date) as quote_date,
        cast(sum(days_with_rate) as bigint) as days_with_rate
    from parts_of_periods
    group by currency, period, period_start

)

select * from final

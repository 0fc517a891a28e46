{{ config(materialized='table') }}

with

quotes as (

    select * from {{ ref('stg_fx_rates') }}

),

company as (

    select * from {{ source('raw', 'company') }}

),

needed_days as (

    select * from {{ ref('int_rates__needed_days') }}

),

-- rates against the euro and rates against the reporting currency, each in its own terms:
-- units of the currency for one unit of the base
quotes_by_base as (

    select
        company.reporting_currency as base_currency,
        quotes.currency,
        quotes.rate_date,
        quotes.per_reporting_unit as units_per_base,
        quotes.provider
    from quotes
    cross join company
    where quotes.per_reporting_unit > 0

    union all

    select
        'EUR' as base_currency,
        quotes.currency,
        quotes.rate_date,
        quotes.per_eur as units_per_base,
        quotes.provider
    from quotes
    where quotes.per_eur > 0

),

quoted_currencies as (

    select distinct
        base_currency,
        currency
    from quotes_by_base

),

calendar as (

    {{ calendar_days('needed_days', 'first_quote_day', 'last_day') }}

),

-- the date of the last quote on or before each day; found by a running maximum and looked up by
-- equality, since a join on a range of dates is what does not scale
last_quote_dates as (

    select
        quoted_currencies.base_currency,
        quoted_currencies.currency,
        calendar.day as rate_date,
        max(quotes_by_base.rate_date) over (
            partition by quoted_currencies.base_currency, quoted_currencies.currency
            order by calendar.day
            rows between unbounded preceding and current row
        ) as quote_date
    from quoted_currencies
    cross join calendar
    left join quotes_by_base
        on quoted_currencies.base_currency = quotes_by_base.base_currency
        and quoted_currencies.currency = quotes_by_base.currency
        and calendar.day = quotes_by_base.rate_date

),

carried as (

    select
        last_quote_dates.base_currency,
        last_quote_dates.currency,
        last_quote_dates.rate_date,
        last_quote_dates.quote_date,
        quotes_by_base.units_per_base,
        quotes_by_base.provider
    from last_quote_dates
    cross join company
    inner join quotes_by_base
        on last_quote_dates.base_currency = quotes_by_base.base_currency
        and last_quote_dates.currency = quotes_by_base.currency
        and last_quote_dates.quote_date = quotes_by_base.rate_date
    where
        {{ dbt.datediff('last_quote_dates.quote_date', 'last_quote_dates.rate_date', 'day') }}
        <= company.max_rate_carry_days

),

-- what one unit of each base is worth in the reporting currency; the reporting currency and a euro
-- that is the reporting currency are worth themselves
base_values as (

    select
        company.reporting_currency as base_currency,
        calendar.day as rate_date,
        calendar.day as quote_date,
        cast(1 as double) as home_per_base
    from calendar
    cross join company

    union all

    select
        'EUR' as base_currency,
        carried.rate_date,
        carried.quote_date,
        carried.units_per_base as home_per_base
    from carried
    cross join company
    where
        carried.base_currency = 'EUR'
        and carried.currency = company.reporting_currency
        and company.reporting_currency <> 'EUR'

),

rates as (

    select
        carried.currency,
        carried.rate_date,
        base_values.home_per_base / carried.units_per_base as rate_to_home,
        -- of the two quotes that a cross rate is made of, the older one says how old it is
        least(carried.quote_date, base_values.quote_date) as quote_date,
        carried.provider,
        case when carried.base_currency = company.reporting_currency then 1 else 2 end as preference
    from carried
    cross join company
    inner join base_values
        on carried.base_currency = base_values.base_currency
        and carried.rate_date = base_values.rate_date

    union all

    -- a euro that is quoted against nothing is the base of the others
    select
        base_values.base_currency as currency,
        base_values.rate_date,
        base_values.home_per_base as rate_to_home,
        base_values.quote_date,
        cast(null as {{ dbt.type_string() }}) as provider,
        case when base_values.base_currency = company.reporting_currency then 0 else 3 end
            as preference
    from base_values
    cross join company

),

best_rates as (

    select *
    from rates
    qualify row_number() over (
        partition by currency, rate_date
        order by preference asc, quote_date desc, rate_to_home asc
    ) = 1

),

final as (

    select
        ---------- ids
        best_rates.currency,
        best_rates.rate_date,

        ---------- measures
        best_rates.rate_to_home,
        best_rates.quote_date,
        cast(
            {{ dbt.datediff('best_rates.quote_date', 'best_rates.rate_date', 'day') }} as integer -- noqa: LT05
        ) as days_carried,
        best_rates.provider
    from best_rates
    cross join needed_days
    where best_rates.rate_date >= needed_days.first_day

)

select * from final

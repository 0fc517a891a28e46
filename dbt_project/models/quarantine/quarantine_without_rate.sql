{{ config(alias='without_rate') }}

with

sales as (

    select * from {{ ref('stg_sales') }}

),

rates as (

    select * from {{ ref('int_rates__currency_days') }}

),

needed_days as (

    select * from {{ ref('int_rates__needed_days') }}

),

competitor_prices as (

    select *
    from {{ ref('int_competitor_prices__matched') }}
    where fx_rate is null

),

market_sales as (

    select * from {{ ref('int_market_sales__converted') }}
    where fx_rate is null and value is not null and is_latest_edition

),

deliveries as (

    select * from {{ source('audit', 'deliveries') }}

),

-- those with a rate on every day, none of them so steep that an amount may be too large
sure_currencies as (

    select rates.currency
    from rates
    cross join needed_days
    where not {{ is_steep('rates.rate_to_home') }}
    group by rates.currency, needed_days.first_day, needed_days.last_day
    having count(*) = {{ days_between('needed_days.first_day', 'needed_days.last_day') }} + 1

),

-- sales are imported anew for each: a CTE that is read several times is written down with all of
-- its columns
sales_currencies as (

    select distinct currency
    from {{ ref('stg_sales') }}

),

doubtful_currencies as (

    select sales_currencies.currency
    from sales_currencies
    left join sure_currencies
        on sales_currencies.currency = sure_currencies.currency
    where sure_currencies.currency is null

),

sales_days as (

    select distinct
        currency,
        order_date
    from {{ ref('stg_sales') }}
    -- after a join DuckDB would take these for too many to look sales up by
    where currency in (select currency from doubtful_currencies)

),

-- first the few currencies that may lack a rate, then their days, then the lines of these: without
-- any, sales are not read again
doubtful_days as (

    select
        sales_days.currency,
        sales_days.order_date,
        rates.rate_to_home
    from sales_days
    left join rates
        on sales_days.currency = rates.currency
        and sales_days.order_date = rates.rate_date
    where rates.currency is null or {{ is_steep('rates.rate_to_home') }}

),

unconverted_sales as (

    select sales.*
    from sales
    inner join doubtful_days
        on sales.currency = doubtful_days.currency
        and sales.order_date = doubtful_days.order_date
    where
        doubtful_days.rate_to_home is null
        or {{ has_too_large_amount('doubtful_days.rate_to_home') }}

),

set_aside as (

    select
        'sales' as entity,
        source,
        delivery_id,
        row_number,
        {{ row_as_json('unconverted_sales') }} as mapped_row,
        cast(quantity * unit_price - coalesce(discount_amount, 0) as decimal(18, 4))
            as amount_local,
        unconverted_sales.currency,
        {{ month_of('ordered_at') }} as period_month,
        doubtful_days.rate_to_home as rate_used
    from unconverted_sales
    inner join doubtful_days
        on unconverted_sales.currency = doubtful_days.currency
        and unconverted_sales.order_date = doubtful_days.order_date

    union all

    select
        'competitor_prices' as entity,
        source,
        delivery_id,
        row_number,
        {{ row_as_json('competitor_prices') }} as mapped_row,
        price as amount_local,
        currency,
        {{ month_of('observed_at') }} as period_month,
        fx_rate as rate_used
    from competitor_prices

    union all

    select
        'market_sales' as entity,
        source,
        delivery_id,
        row_number,
        {{ row_as_json('market_sales') }} as mapped_row,
        value as amount_local,
        currency,
        {{ month_of('period_start') }} as period_month,
        fx_rate as rate_used
    from market_sales

),

final as (

    select
        ---------- ids
        concat(
            set_aside.delivery_id, '/', cast(set_aside.row_number as {{ dbt.type_string() }})
        ) as quarantine_id,
        set_aside.source,
        set_aside.entity,
        set_aside.delivery_id,
        set_aside.row_number,

        ---------- why
        case when set_aside.rate_used is null then 'without_rate' else 'amount_too_large' end
            as rule,
        case
            when set_aside.rate_used is not null
                then concat(
                    'at ', cast(set_aside.rate_used as {{ dbt.type_string() }}),
                    ' of the reporting currency for one ', set_aside.currency,
                    ' the amounts of the line come to fifty million million or more'
                )
            when set_aside.currency is null then 'the amount has no currency'
            else concat(
                'no exchange rate for ', set_aside.currency, ' in the month from ',
                cast(set_aside.period_month as {{ dbt.type_string() }}),
                ', nor one before it that is recent enough to be carried'
            )
        end as reason,

        ---------- what
        cast(null as {{ type_json() }}) as raw_row,
        set_aside.mapped_row,
        set_aside.amount_local,
        set_aside.currency,
        set_aside.period_month,

        ---------- lineage
        deliveries.fetched_at as landed_at,
        deliveries.sha256
    from set_aside
    left join deliveries
        on set_aside.delivery_id = deliveries.delivery_id

)

select * from final

with

offer_days as (

    select *
    from {{ ref('int_competitor_prices__offer_days') }}
    where not is_own

),

company as (

    select price_carry_days from {{ source('raw', 'company') }}

),

carry_calendar as (

    select
        cast('2000-01-01' as date) as first_day,
        {{ days_after("cast('2000-01-01' as date)", 'price_carry_days') }} as last_day
    from company

),

carry_days as (

    {{ calendar_days('carry_calendar', 'first_day', 'last_day') }}

),

days_carried as (

    select {{ dbt.datediff("cast('2000-01-01' as date)", 'day', 'day') }} as days_old -- noqa: LT05
    from carry_days

),

-- one row for each day on which an observation stands, so that days are joined by equality
final as (

    select
        offer_days.product_id,
        offer_days.market,
        {{ days_after('offer_days.observed_date', 'days_carried.days_old') }} as price_date,
        offer_days.offer_id,
        offer_days.competitor,
        offer_days.observed_date,
        days_carried.days_old,
        offer_days.is_in_stock,
        offer_days.price_kind,
        offer_days.tax_included,
        offer_days.is_tax_unknown,
        offer_days.is_doubtful,
        offer_days.price_home,
        offer_days.list_price_home
    from offer_days
    inner join days_carried
        on offer_days.days_valid > days_carried.days_old

)

select * from final

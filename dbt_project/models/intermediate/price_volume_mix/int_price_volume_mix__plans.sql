{{ config(materialized='view') }}

-- The plan that each month is held against: of the versions with a plan for the market and month
-- the one approved last, at its finest level. Yearly and quarterly plans are not spread over
-- months, and without units there is no price to compare.

with

categories as (

    select * from {{ ref('int_products__categories') }}

),

category_names as (

    select
        category_key,
        min(category) as category
    from categories
    group by category_key

),

company as (

    select reporting_currency from {{ source('raw', 'company') }}

),

plans as (

    select
        stg_plans.plan_version,
        stg_plans.market,
        stg_plans.product_id,
        {{ month_of('stg_plans.period_start') }} as order_month,
        coalesce(stg_plans.currency, company.reporting_currency) as currency,
        stg_plans.approved_on,
        cast(stg_plans.units as decimal(18, 4)) as units,
        cast(stg_plans.revenue as decimal(18, 4)) as net_local,
        case
            when stg_plans.product_id is not null then 'product'
            when nullif(trim(stg_plans.category), '') is not null then 'category'
            else 'market'
        end as plan_level,
        nullif(trim(stg_plans.category), '') as category
    from {{ ref('stg_plans') }}
    cross join company
    where
        stg_plans.period = 'month'
        and stg_plans.units is not null
        and stg_plans.revenue is not null

),

versions as (

    select
        market,
        order_month,
        plan_version
    from plans
    group by market, order_month, plan_version
    qualify row_number() over (
        partition by market, order_month
        order by max(approved_on) desc nulls last, plan_version desc
    ) = 1

),

day_rates as (

    select * from {{ ref('int_rates__currency_days') }}

),

month_rates as (

    select * from {{ ref('int_rates__currency_periods') }}
    where period = 'month'

),

-- at the rate of the day of approval, on which the plan was made; else at the month's own
rated as (

    select
        plans.*,
        coalesce(
            day_rates.rate_to_home,
            month_rates.rate_to_home,
            case when plans.currency = company.reporting_currency then 1 end
        ) as rate_to_home
    from plans
    cross join company
    inner join versions
        on plans.market = versions.market
        and plans.order_month = versions.order_month
        and plans.plan_version = versions.plan_version
    left join day_rates
        on plans.currency = day_rates.currency
        and plans.approved_on = day_rates.rate_date
    left join month_rates
        on plans.currency = month_rates.currency
        and plans.order_month = month_rates.period_start

),

placed as (

    select
        rated.*,
        case
            when rated.plan_level = 'product'
                then coalesce(categories.category_key, {{ comparable('rated.category') }}, '')
            when rated.plan_level = 'category' then {{ comparable('rated.category') }}
        end as category_key,
        case rated.plan_level
            when 'product' then rated.product_id
            when 'category' then '(whole category)'
            else '(whole market)'
        end as planned_product_id
    from rated
    left join categories
        on rated.product_id = categories.product_id
    where rated.rate_to_home is not null

),

finest_levels as (

    select
        *,
        max(case when plan_level = 'product' then 1 else 0 end) over (
            partition by market, order_month, category_key
        ) as has_products,
        max(case when plan_level <> 'market' then 1 else 0 end) over (
            partition by market, order_month
        ) as has_parts
    from placed

),

final as (

    select
        ---------- ids
        finest_levels.order_month,
        finest_levels.market,
        finest_levels.category_key,
        finest_levels.planned_product_id as product_id,
        finest_levels.currency,

        ---------- text
        finest_levels.plan_version,
        finest_levels.plan_level,
        case
            when finest_levels.plan_level = 'market' then '(whole market)'
            else coalesce(category_names.category, finest_levels.category, 'Uncategorised')
        end as category,
        finest_levels.approved_on,

        ---------- measures
        finest_levels.units,
        finest_levels.net_local,
        cast(finest_levels.net_local * finest_levels.rate_to_home as decimal(18, 4)) as net_home
    from finest_levels
    left join category_names
        on finest_levels.category_key = category_names.category_key
    where
        finest_levels.plan_level = 'product'
        or (finest_levels.plan_level = 'category' and finest_levels.has_products = 0)
        or (finest_levels.plan_level = 'market' and finest_levels.has_parts = 0)

)

select * from final

{{ config(materialized='view') }}

-- Each month beside the month before, the month a year before and the plan, product by product,
-- with this month's revenue at the rates of what it is compared with.

with

categories as (

    select * from {{ ref('int_products__categories') }}

),

plans as (

    select * from {{ ref('int_price_volume_mix__plans') }}

),

day_rates as (

    select * from {{ ref('int_rates__currency_days') }}

),

month_rates as (

    select * from {{ ref('int_rates__currency_periods') }}
    where period = 'month'

),

product_months as (

    select
        order_month,
        market,
        product_id,
        currency,
        sum(case when line_kind = 'product' then lines else 0 end) as lines,
        sum(units) as units,
        sum(case when line_kind = 'product' then net_amount_local else 0 end) as net_local,
        sum(case when line_kind = 'product' then net_amount_home else 0 end) as net_home,
        sum(case when line_kind = 'product' then 0 else net_amount_home end) as other_home
    from {{ ref('int_sales__product_months') }}
    group by order_month, market, product_id, currency

),

-- what the month before the first one sold is not known, and not nothing
sales_span as (

    select
        min(order_month) as first_month,
        max(order_month) as last_month
    from product_months

),

comparisons as (

    select
        'month before' as compared_with,
        1 as months_back

    union all

    select
        'year before' as compared_with,
        12 as months_back

),

planned_markets as (

    select
        order_month,
        market,
        max(approved_on) as approved_on,
        max(case when plan_level = 'market' then 1 else 0 end) as is_planned_whole
    from plans
    group by order_month, market

),

planned_categories as (

    select
        order_month,
        market,
        category_key
    from plans
    where plan_level = 'category'
    group by order_month, market, category_key

),

-- both sides of each comparison as rows of one shape
sides as (

    select
        product_months.order_month,
        product_months.market,
        categories.category,
        product_months.product_id,
        product_months.currency,
        comparisons.compared_with,
        comparisons.months_back,
        product_months.lines,
        product_months.units,
        product_months.net_local,
        product_months.net_home,
        product_months.other_home,
        0 as lines_compared,
        0 as units_compared,
        0 as net_local_compared,
        0 as net_home_compared,
        0 as other_home_compared
    from product_months
    cross join comparisons
    inner join categories
        on product_months.product_id = categories.product_id

    union all

    select
        cast(
            {{ dbt.dateadd('month', 'comparisons.months_back', 'product_months.order_month') }}
            as date
        ) as order_month,
        product_months.market,
        categories.category,
        product_months.product_id,
        product_months.currency,
        comparisons.compared_with,
        comparisons.months_back,
        0 as lines,
        0 as units,
        0 as net_local,
        0 as net_home,
        0 as other_home,
        product_months.lines as lines_compared,
        product_months.units as units_compared,
        product_months.net_local as net_local_compared,
        product_months.net_home as net_home_compared,
        product_months.other_home as other_home_compared
    from product_months
    cross join comparisons
    inner join categories
        on product_months.product_id = categories.product_id

    union all

    -- where the plan is for a whole category or market, what was sold is added up likewise
    select
        product_months.order_month,
        product_months.market,
        case
            when planned_markets.is_planned_whole = 1 then '(whole market)'
            else categories.category
        end as category,
        case
            when planned_markets.is_planned_whole = 1 then '(whole market)'
            when planned_categories.category_key is not null then '(whole category)'
            else product_months.product_id
        end as product_id,
        product_months.currency,
        'plan' as compared_with,
        0 as months_back,
        product_months.lines,
        product_months.units,
        product_months.net_local,
        product_months.net_home,
        product_months.other_home,
        0 as lines_compared,
        0 as units_compared,
        0 as net_local_compared,
        0 as net_home_compared,
        0 as other_home_compared
    from product_months
    inner join categories
        on product_months.product_id = categories.product_id
    inner join planned_markets
        on product_months.order_month = planned_markets.order_month
        and product_months.market = planned_markets.market
    left join planned_categories
        on product_months.order_month = planned_categories.order_month
        and product_months.market = planned_categories.market
        and categories.category_key = planned_categories.category_key

    union all

    select
        plans.order_month,
        plans.market,
        plans.category,
        plans.product_id,
        plans.currency,
        'plan' as compared_with,
        0 as months_back,
        0 as lines,
        0 as units,
        0 as net_local,
        0 as net_home,
        0 as other_home,
        1 as lines_compared,
        plans.units as units_compared,
        plans.net_local as net_local_compared,
        plans.net_home as net_home_compared,
        0 as other_home_compared
    from plans

),

by_currency as (

    select
        sides.order_month,
        sides.market,
        sides.category,
        sides.product_id,
        sides.currency,
        sides.compared_with,
        cast({{ dbt.dateadd('month', '-sides.months_back', 'sides.order_month') }} as date)
            as compared_month,
        sum(sides.lines) as lines,
        sum(sides.units) as units,
        sum(sides.net_local) as net_local,
        sum(sides.net_home) as net_home,
        sum(sides.other_home) as other_home,
        sum(sides.lines_compared) as lines_compared,
        sum(sides.units_compared) as units_compared,
        sum(sides.net_local_compared) as net_local_compared,
        sum(sides.net_home_compared) as net_home_compared,
        sum(sides.other_home_compared) as other_home_compared
    from sides
    cross join sales_span
    where
        sides.order_month <= sales_span.last_month
        and sides.order_month
        >= cast({{ dbt.dateadd('month', 'sides.months_back', 'sales_span.first_month') }} as date)
    group by
        sides.order_month,
        sides.market,
        sides.category,
        sides.product_id,
        sides.currency,
        sides.compared_with,
        sides.months_back

),

average_rates as (

    select
        by_currency.*,
        coalesce(approval_rates.rate_to_home, rates_compared.rate_to_home, rates.rate_to_home)
            as average_rate
    from by_currency
    left join month_rates as rates
        on by_currency.currency = rates.currency
        and by_currency.order_month = rates.period_start
    left join month_rates as rates_compared
        on by_currency.currency = rates_compared.currency
        and by_currency.compared_month = rates_compared.period_start
    left join planned_markets
        on by_currency.compared_with = 'plan'
        and by_currency.market = planned_markets.market
        and by_currency.order_month = planned_markets.order_month
    left join day_rates as approval_rates
        on by_currency.currency = approval_rates.currency
        and planned_markets.approved_on = approval_rates.rate_date

),

-- The rate of a period is the one that its revenue was converted at, so that a price that did not
-- change in its own currency moves nothing. Where the product was not sold in the currency then, or
-- sales and returns of different days leave a remainder that tells no rate, the average stands in.
constant_rates as (

    select
        *,
        case
            when
                cast(net_home_compared as double) / nullif(cast(net_local_compared as double), 0)
                between 0.8 * average_rate and 1.2 * average_rate
                then cast(net_home_compared as double) / cast(net_local_compared as double)
            else
                coalesce(
                    average_rate,
                    cast(net_home as double) / nullif(cast(net_local as double), 0)
                )
        end as rate_compared
    from average_rates

),

final as (

    select
        ---------- keys
        order_month,
        market,
        category,
        product_id,
        compared_with,
        compared_month,

        ---------- this month
        sum(lines) as lines,
        sum(units) as units,
        sum(net_home) as net_home,
        sum(other_home) as other_home,
        -- the same revenue at the rates of what it is compared with
        sum(
            case
                when net_local = 0 then 0
                else cast(rate_compared * cast(net_local as double) as decimal(38, 6))
            end
        ) as net_constant_home,

        ---------- what it is compared with
        sum(lines_compared) as lines_compared,
        sum(units_compared) as units_compared,
        sum(net_home_compared) as net_home_compared,
        sum(other_home_compared) as other_home_compared
    from constant_rates
    group by order_month, market, category, product_id, compared_with, compared_month

)

select * from final

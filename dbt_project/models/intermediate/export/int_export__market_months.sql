with

product_months as (

    select * from {{ ref('int_sales__product_months') }}

),

market_sizes as (

    select * from {{ ref('int_export__market_sizes') }}

),

-- a last month that our sales do not reach the end of is compared with no whole one
last_day as (

    select max(order_date) as last_date from {{ ref('int_sales__product_days') }}

),

month_rates as (

    select * from {{ ref('int_rates__currency_periods') }}
    where period = 'month'

),

-- local revenue at its own month's average rate and at those of the months that it is compared with
at_rates as (

    select
        product_months.order_month,
        product_months.market,
        cast(product_months.net_amount_local as double) * rates.rate_to_home as at_own_rate,
        cast(product_months.net_amount_local as double) * previous.rate_to_home as at_previous_rate,
        cast(product_months.net_amount_local as double) * year_before.rate_to_home as at_year_rate
    from product_months
    left join month_rates as rates
        on product_months.currency = rates.currency
        and product_months.order_month = rates.period_start
    left join month_rates as previous
        on product_months.currency = previous.currency
        and cast({{ dbt.dateadd('month', -1, 'product_months.order_month') }} as date)
        = previous.period_start
    left join month_rates as year_before
        on product_months.currency = year_before.currency
        and cast({{ dbt.dateadd('month', -12, 'product_months.order_month') }} as date)
        = year_before.period_start

),

-- the rate of one currency missing, the others would pass for the whole
constant_sales as (

    select
        order_month,
        market,
        case when count(at_own_rate) = count(*) then sum(cast(at_own_rate as decimal(38, 4))) end
            as at_own_rate,
        case
            when count(at_previous_rate) = count(*)
                then sum(cast(at_previous_rate as decimal(38, 4)))
        end as at_previous_rate,
        case when count(at_year_rate) = count(*) then sum(cast(at_year_rate as decimal(38, 4))) end
            as at_year_rate
    from at_rates
    group by order_month, market

),

sales as (

    select
        order_month,
        market,
        sum(units) as units,
        sum(net_amount_home) as revenue_home,
        sum(cost_home) as cost_home,
        sum(net_amount_costed_home) as revenue_costed_home,
        sum(freight_home) as freight_home,
        sum(duty_home) as duty_home
    from product_months
    group by order_month, market

),

-- from a market's first month on every month has a row, also one in which nothing was sold
first_months as (

    select
        market,
        min(order_month) as first_month
    from sales
    group by market

),

months as (

    select distinct order_month from sales

),

grid as (

    select
        months.order_month,
        first_months.market,
        coalesce(sales.units, 0) as units,
        coalesce(sales.revenue_home, 0) as revenue_home,
        sales.cost_home,
        sales.revenue_costed_home,
        sales.freight_home,
        sales.duty_home,
        case when sales.market is null then 0 else constant_sales.at_own_rate end as at_own_rate,
        case when sales.market is null then 0 else constant_sales.at_previous_rate end
            as at_previous_rate,
        case when sales.market is null then 0 else constant_sales.at_year_rate end as at_year_rate
    from months
    inner join first_months
        on months.order_month >= first_months.first_month
    left join sales
        on months.order_month = sales.order_month
        and first_months.market = sales.market
    left join constant_sales
        on months.order_month = constant_sales.order_month
        and first_months.market = constant_sales.market

),

-- whole months whose year before is in our sales too, with rates for both
compared as (

    select
        grid.*,
        case
            when
                grid.at_year_rate is not null
                and year_before.at_own_rate is not null
                and (
                    last_day.last_date is null
                    or grid.order_month < {{ month_of(days_after('last_day.last_date', 1)) }}
                )
                then year_before.at_own_rate
        end as at_own_rate_year_before
    from grid
    cross join last_day
    left join grid as year_before
        on grid.market = year_before.market
        and grid.order_month
        = cast({{ dbt.dateadd('month', 12, 'year_before.order_month') }} as date)

),

-- the twelve months up to each: what one month brings says little about a market
twelve_months as (

    select
        grid.order_month,
        grid.market,
        sum(past.revenue_home) as revenue_home,
        sum(past.revenue_costed_home) as revenue_costed_home,
        sum(past.cost_home) as cost_home,
        sum(case when past.revenue_costed_home is not null then past.freight_home end)
            as freight_home,
        sum(case when past.revenue_costed_home is not null then past.duty_home end) as duty_home,
        count(past.at_own_rate_year_before) as growth_months,
        sum(case when past.at_own_rate_year_before is not null then past.at_year_rate end)
            as at_year_rate,
        sum(past.at_own_rate_year_before) as at_own_rate_year_before
    from grid
    inner join compared as past
        on grid.market = past.market
        and grid.order_month >= past.order_month
        and grid.order_month
        < cast({{ dbt.dateadd('month', 12, 'past.order_month') }} as date)
    group by grid.order_month, grid.market

),

final as (

    select
        ---------- keys
        grid.order_month,
        grid.market,

        ---------- the month
        grid.units,
        grid.revenue_home,
        grid.cost_home,
        grid.revenue_costed_home,
        grid.freight_home,
        grid.duty_home,
        grid.at_own_rate,
        grid.at_previous_rate,
        grid.at_year_rate,

        ---------- the twelve months up to it
        twelve_months.revenue_home as revenue_12_months_home,
        twelve_months.revenue_costed_home as revenue_costed_12_months_home,
        twelve_months.revenue_costed_home
        - twelve_months.cost_home
        - coalesce(twelve_months.freight_home, 0)
        - coalesce(twelve_months.duty_home, 0) as landed_margin_12_months_home,
        market_sizes.months_measured,
        market_sizes.market_value_12_months_home,
        market_sizes.market_value_beside_ours_home,
        market_sizes.own_value_12_months_home,
        twelve_months.growth_months,
        twelve_months.at_year_rate as at_year_rate_12_months,
        twelve_months.at_own_rate_year_before as at_own_rate_12_months_before
    from grid
    inner join twelve_months
        on grid.order_month = twelve_months.order_month
        and grid.market = twelve_months.market
    left join market_sizes
        on grid.order_month = market_sizes.order_month
        and grid.market = market_sizes.market

)

select * from final

-- The firms' mart carries what core.fct_market_sales says of a firm in a delivered period, where
-- it says it in one way only: in one row, of all outlets and products, in a market that one
-- publisher speaks of.

with

market_sales as (

    select
        *,
        {{ month_of('period_start') }} as period_month,
        {{ comparable('category') }} as category_key,
        {{ comparable('firm') }} as firm_key
    from {{ ref('fct_market_sales') }}

),

single_publishers as (

    select
        period_month,
        period,
        market,
        category_key
    from market_sales
    group by period_month, period, market, category_key
    having count(distinct coalesce(publisher, '')) = 1

),

told_once as (

    select
        market_sales.period_month,
        market_sales.period,
        market_sales.market,
        market_sales.category_key,
        market_sales.firm_key,
        sum(market_sales.units) as units,
        sum(market_sales.value_home) as value_home
    from market_sales
    inner join single_publishers
        on market_sales.period_month = single_publishers.period_month
        and market_sales.period = single_publishers.period
        and market_sales.market = single_publishers.market
        and market_sales.category_key = single_publishers.category_key
    where market_sales.firm is not null and market_sales.sample_of is null
    group by
        market_sales.period_month,
        market_sales.period,
        market_sales.market,
        market_sales.category_key,
        market_sales.firm_key
    having count(*) = 1

),

mart as (

    select
        *,
        {{ comparable('category') }} as category_key,
        {{ comparable('firm') }} as firm_key
    from {{ ref('mart_market_share__market_category_firm_period') }}

)

select
    told_once.*,
    mart.units as units_in_mart,
    mart.value_home as value_home_in_mart
from told_once
left join mart
    on told_once.period_month = mart.period_start
    and told_once.period = mart.period
    and told_once.market = mart.market
    and told_once.category_key = mart.category_key
    and told_once.firm_key = mart.firm_key
where
    mart.firm is null
    or abs(coalesce(told_once.units, 0) - coalesce(mart.units, 0)) >= 0.005
    or abs(coalesce(told_once.value_home, 0) - coalesce(mart.value_home, 0)) >= 0.005

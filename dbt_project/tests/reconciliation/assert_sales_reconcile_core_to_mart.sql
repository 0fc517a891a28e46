-- Monthly sales agree with the order lines they are made of: lines, units and money of all kinds,
-- by market and month, to the cent; and through int_sales__product_months, which holds the
-- currencies that a mart of several of them cannot, by currency too. Order lines are compared in
-- the months that were built.

with

core as (

    select
        market,
        order_month,
        currency,
        count(*) as lines,
        sum(case when line_kind = 'product' then quantity else 0 end) as units,
        sum(net_amount_local) as net_amount_local,
        sum(net_amount_home) as net_amount_home,
        coalesce(sum(margin_home), 0) as margin_home
    from {{ ref('fct_sales') }}
    where {{ is_tested([ref('fct_sales'), ref('int_sales__product_months')]) }}
    group by market, order_month, currency

),

product_months as (

    select
        market,
        order_month,
        currency,
        {{ is_tested([ref('fct_sales'), ref('int_sales__product_months')]) }} as is_compared,
        sum(lines) as lines,
        sum(units) as units,
        sum(net_amount_local) as net_amount_local,
        sum(net_amount_home) as net_amount_home,
        coalesce(sum(margin_home), 0) as margin_home
    from {{ ref('int_sales__product_months') }}
    group by market, order_month, currency

),

compared_months as (

    select *
    from product_months
    where is_compared

),

carried_months as (

    select
        market,
        order_month,
        sum(lines) as lines,
        sum(units) as units,
        sum(net_amount_home) as net_amount_home,
        sum(margin_home) as margin_home
    from product_months
    group by market, order_month

),

mart_months as (

    select
        market,
        order_month,
        sum(lines) as lines,
        sum(units) as units,
        sum(net_amount_home) as net_amount_home,
        coalesce(sum(margin_home), 0) as margin_home
    from {{ ref('mart_sales__market_product_month') }}
    group by market, order_month

),

compared as (

    select
        'int_sales__product_months' as compared_with,
        coalesce(core.market, compared_months.market) as market,
        coalesce(core.order_month, compared_months.order_month) as order_month,
        coalesce(core.currency, compared_months.currency) as currency,
        coalesce(core.lines, 0) - coalesce(compared_months.lines, 0) as lines_missing,
        coalesce(core.units, 0) - coalesce(compared_months.units, 0) as units_missing,
        coalesce(core.net_amount_local, 0) - coalesce(compared_months.net_amount_local, 0)
            as net_amount_local_missing,
        coalesce(core.net_amount_home, 0) - coalesce(compared_months.net_amount_home, 0)
            as net_amount_home_missing,
        coalesce(core.margin_home, 0) - coalesce(compared_months.margin_home, 0)
            as margin_home_missing
    from core
    full outer join compared_months
        on core.market = compared_months.market
        and core.order_month = compared_months.order_month
        and core.currency = compared_months.currency

    union all

    select
        'mart_sales__market_product_month' as compared_with,
        coalesce(carried_months.market, mart_months.market) as market,
        coalesce(carried_months.order_month, mart_months.order_month) as order_month,
        null as currency,
        coalesce(carried_months.lines, 0) - coalesce(mart_months.lines, 0) as lines_missing,
        coalesce(carried_months.units, 0) - coalesce(mart_months.units, 0) as units_missing,
        0 as net_amount_local_missing,
        coalesce(carried_months.net_amount_home, 0) - coalesce(mart_months.net_amount_home, 0)
            as net_amount_home_missing,
        coalesce(carried_months.margin_home, 0) - coalesce(mart_months.margin_home, 0)
            as margin_home_missing
    from carried_months
    full outer join mart_months
        on carried_months.market = mart_months.market
        and carried_months.order_month = mart_months.order_month

)

select *
from compared
where
    lines_missing <> 0
    or abs(units_missing) >= 0.005
    or abs(net_amount_local_missing) >= 0.005
    or abs(net_amount_home_missing) >= 0.005
    or abs(margin_home_missing) >= 0.005

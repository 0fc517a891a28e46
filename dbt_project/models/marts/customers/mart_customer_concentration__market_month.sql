with

concentrations as (

    select * from {{ ref('int_customers__concentrations') }}

),

company as (

    select home_market from {{ source('raw', 'company') }}

),

all_sales as (

    select
        market,
        order_month,
        sum(net_amount_home) as revenue_home
    from {{ ref('int_sales__product_months') }}
    group by market, order_month

),

joined as (

    select
        all_sales.market,
        all_sales.order_month,
        all_sales.revenue_home,
        coalesce(concentrations.customers, 0) as customers,
        coalesce(concentrations.buyers_revenue_home, 0) as buyers_revenue_home,
        coalesce(concentrations.net_returners, 0) as net_returners,
        coalesce(concentrations.net_returns_home, 0) as net_returns_home,
        concentrations.top_1_home,
        concentrations.top_10_home,
        concentrations.top_20_home,
        concentrations.largest_home,
        cast(concentrations.placed_home as double)
        / nullif(cast(concentrations.buyers_revenue_home as double), 0) as mean_place
    from all_sales
    left join concentrations
        on all_sales.market = concentrations.market
        and all_sales.order_month = concentrations.order_month

),

final as (

    select
        ---------- keys
        joined.market,
        joined.order_month,

        ---------- attributes
        joined.market = company.home_market as is_domestic,

        ---------- whose revenue it is; the three parts add up
        cast(joined.revenue_home as decimal(38, 4)) as revenue_home,
        joined.customers,
        cast(joined.buyers_revenue_home as decimal(38, 4)) as buyers_revenue_home,
        joined.net_returners,
        cast(joined.net_returns_home as decimal(38, 4)) as net_returns_home,
        cast(
            joined.revenue_home - joined.buyers_revenue_home - joined.net_returns_home
            as decimal(38, 4)
        ) as without_customer_home,
        100 * cast(
            joined.revenue_home - joined.buyers_revenue_home - joined.net_returns_home as double
        ) / nullif(cast(joined.revenue_home as double), 0) as without_customer_pct,

        ---------- concentration among those who bought
        100 * cast(joined.top_1_home as double)
        / nullif(cast(joined.buyers_revenue_home as double), 0) as top_1_share_pct,
        100 * cast(joined.top_10_home as double)
        / nullif(cast(joined.buyers_revenue_home as double), 0) as top_10_share_pct,
        100 * cast(joined.top_20_home as double)
        / nullif(cast(joined.buyers_revenue_home as double), 0) as top_20_share_pct,
        100 * cast(joined.largest_home as double)
        / nullif(cast(joined.buyers_revenue_home as double), 0) as largest_customer_share_pct,
        (joined.customers + 1 - 2 * joined.mean_place) / nullif(joined.customers, 0) as gini
    from joined
    cross join company

)

select * from final

with

customer_months as (

    select * from {{ ref('int_customers__months') }}

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

-- who sent back more than they bought has no share of what was bought
buyers as (

    select
        market,
        order_month,
        net_amount_home,
        row_number() over (
            partition by market, order_month order by net_amount_home desc, customer_id asc
        ) as place,
        count(*) over (partition by market, order_month) as customers
    from customer_months
    where net_amount_home > 0

),

concentrated as (

    select
        market,
        order_month,
        cast(max(customers) as bigint) as customers,
        sum(net_amount_home) as buyers_revenue_home,
        sum(case when place = 1 then net_amount_home end) as largest_home,
        sum(case when place <= ceil(customers * 0.01) then net_amount_home end) as top_1_home,
        sum(case when place <= ceil(customers * 0.1) then net_amount_home end) as top_10_home,
        sum(case when place <= ceil(customers * 0.2) then net_amount_home end) as top_20_home,
        sum(place * net_amount_home) as placed_home
    from buyers
    group by market, order_month

),

net_returners as (

    select
        market,
        order_month,
        count(*) as net_returners,
        sum(net_amount_home) as net_returns_home
    from customer_months
    where net_amount_home <= 0
    group by market, order_month

),

joined as (

    select
        all_sales.market,
        all_sales.order_month,
        all_sales.revenue_home,
        coalesce(concentrated.customers, 0) as customers,
        coalesce(concentrated.buyers_revenue_home, 0) as buyers_revenue_home,
        coalesce(net_returners.net_returners, 0) as net_returners,
        coalesce(net_returners.net_returns_home, 0) as net_returns_home,
        concentrated.top_1_home,
        concentrated.top_10_home,
        concentrated.top_20_home,
        concentrated.largest_home,
        cast(concentrated.placed_home as double)
        / nullif(cast(concentrated.buyers_revenue_home as double), 0) as mean_place
    from all_sales
    left join concentrated
        on all_sales.market = concentrated.market
        and all_sales.order_month = concentrated.order_month
    left join net_returners
        on all_sales.market = net_returners.market
        and all_sales.order_month = net_returners.order_month

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

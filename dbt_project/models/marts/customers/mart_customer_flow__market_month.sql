with

flows as (

    select * from {{ ref('int_customers__flows') }}

),

company as (

    select home_market from {{ source('raw', 'company') }}

),

sales as (

    select
        market,
        order_month,
        sum(net_amount_home) as revenue_home
    from {{ ref('int_sales__product_months') }}
    group by market, order_month

),

span as (

    select
        min(order_month) as first_month,
        max(order_month) as last_month,
        max(last_order_date) as last_order_date
    from {{ ref('int_sales__product_months') }}

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

months_now_and_then as (

    select
        comparisons.compared_with,
        sales.market,
        sales.order_month,
        sales.revenue_home,
        0 as revenue_compared_home
    from sales
    cross join comparisons

    union all

    select
        comparisons.compared_with,
        sales.market,
        cast(
            {{ dbt.dateadd('month', 'comparisons.months_back', 'sales.order_month') }} as date
        ) as order_month,
        0 as revenue_home,
        sales.revenue_home as revenue_compared_home
    from sales
    cross join comparisons

),

-- a month that only one of the two sides has is none where our sales do not reach
totals as (

    select
        months_now_and_then.compared_with,
        months_now_and_then.market,
        months_now_and_then.order_month,
        sum(months_now_and_then.revenue_home) as revenue_home,
        sum(months_now_and_then.revenue_compared_home) as revenue_compared_home
    from months_now_and_then
    inner join comparisons
        on months_now_and_then.compared_with = comparisons.compared_with
    cross join span
    where
        months_now_and_then.order_month <= span.last_month
        and months_now_and_then.order_month >= {{
            dbt.dateadd('month', 'comparisons.months_back', 'span.first_month')
        }}
    group by
        months_now_and_then.compared_with,
        months_now_and_then.market,
        months_now_and_then.order_month

),

final as (

    select
        ---------- keys
        totals.market,
        totals.order_month,
        totals.compared_with,

        ---------- attributes
        totals.market = company.home_market as is_domestic,
        totals.order_month < {{ month_of(days_after('span.last_order_date', 1)) }}
            as is_complete_month,

        ---------- customers
        coalesce(flows.new_customers, 0) as new_customers,
        coalesce(flows.retained_customers, 0) as retained_customers,
        coalesce(flows.won_back_customers, 0) as won_back_customers,
        coalesce(flows.lapsed_customers, 0) as lapsed_customers,
        100 * cast(flows.lapsed_customers as double)
        / nullif(flows.lapsed_customers + flows.retained_customers, 0) as lapsed_pct,

        ---------- revenue, and what changed it
        cast(totals.revenue_home as decimal(38, 4)) as revenue_home,
        cast(totals.revenue_compared_home as decimal(38, 4)) as revenue_compared_home,
        cast(totals.revenue_home - totals.revenue_compared_home as decimal(38, 4)) as change_home,
        cast(coalesce(flows.new_home, 0) as decimal(38, 4)) as new_home,
        cast(coalesce(flows.won_back_home, 0) as decimal(38, 4)) as won_back_home,
        cast(coalesce(flows.retained_more_home, 0) as decimal(38, 4)) as retained_more_home,
        cast(coalesce(flows.retained_less_home, 0) as decimal(38, 4)) as retained_less_home,
        cast(coalesce(flows.lapsed_home, 0) as decimal(38, 4)) as lapsed_home,
        cast(coalesce(flows.returned_only_home, 0) as decimal(38, 4)) as returned_only_home,
        cast(
            totals.revenue_home - totals.revenue_compared_home - coalesce(flows.change_home, 0)
            as decimal(38, 4)
        ) as without_customer_home
    from totals
    cross join company
    cross join span
    left join flows
        on totals.compared_with = flows.compared_with
        and totals.market = flows.market
        and totals.order_month = flows.order_month

)

select * from final

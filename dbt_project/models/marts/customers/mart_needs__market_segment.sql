with

spans as (

    {{ newest_and_before() }}

),

company as (

    select home_market from {{ source('raw', 'company') }}

),

needs as (

    select * from {{ ref('int_customers__needs') }}

),

category_cycles as (

    select
        category,
        max(category_cycle_days) as cycle_days
    from needs
    group by category

),

all_sales as (

    select
        product_days.market,
        products.category,
        sum(
            case
                when product_days.order_date > spans.newest_after
                    then product_days.net_amount_home
                else 0
            end
        ) as revenue_home,
        sum(
            case
                when
                    product_days.order_date > spans.before_after
                    and product_days.order_date <= spans.newest_after
                    then product_days.net_amount_home
                else 0
            end
        ) as revenue_before_home
    from {{ ref('int_sales__product_days') }} as product_days
    cross join spans
    inner join {{ ref('int_products__categories') }} as products
        on product_days.product_id = products.product_id
    group by product_days.market, products.category

),

known_sales as (

    select
        market,
        category,
        sum(revenue_home) as revenue_home,
        sum(revenue_before_home) as revenue_before_home
    from needs
    group by market, category

),

-- what no customer is known of has a row of its own: it is counted, and nobody is made up for it
rows_of_all as (

    select
        market,
        customer_segment,
        category,
        buyers,
        buyers_before,
        revenue_home,
        revenue_before_home,
        gained_home,
        lost_home,
        kept_change_home,
        repeat_buyers,
        cycle_days
    from needs

    union all

    select
        all_sales.market,
        'without a customer' as customer_segment,
        all_sales.category,
        null as buyers,
        null as buyers_before,
        all_sales.revenue_home - coalesce(known_sales.revenue_home, 0) as revenue_home,
        all_sales.revenue_before_home - coalesce(known_sales.revenue_before_home, 0)
            as revenue_before_home,
        null as gained_home,
        null as lost_home,
        null as kept_change_home,
        0 as repeat_buyers,
        null as cycle_days
    from all_sales
    left join known_sales
        on all_sales.market = known_sales.market
        and all_sales.category = known_sales.category
    where
        all_sales.revenue_home <> coalesce(known_sales.revenue_home, 0)
        or all_sales.revenue_before_home <> coalesce(known_sales.revenue_before_home, 0)

),

of_totals as (

    select
        *,
        sum(revenue_home) over (partition by market) as market_home,
        sum(revenue_before_home) over (partition by market) as market_before_home,
        sum(revenue_home) over (partition by market, customer_segment) as segment_home,
        sum(revenue_home) over (partition by market, category) as category_home
    from rows_of_all

),

-- what our buyers spend in the category elsewhere, where the market data knows it; the newest year
-- or shorter period counts
wallets as (

    select
        market,
        {{ comparable('category') }} as category_key,
        share_of_requirements_pct,
        row_number() over (
            partition by market, {{ comparable('category') }}
            order by {{ period_end('period', 'period_start') }} desc, period_start, category
        ) as newest
    from {{ ref('mart_market_structure__market_category_period') }}
    where share_of_requirements_pct is not null

),

final as (

    select
        ---------- keys
        of_totals.market,
        of_totals.customer_segment,
        of_totals.category,

        ---------- attributes
        of_totals.market = company.home_market as is_domestic,
        spans.as_of_date,
        cast(spans.window_days as bigint) as window_days,

        ---------- what is bought
        of_totals.buyers,
        of_totals.buyers_before,
        cast(of_totals.revenue_home as decimal(38, 4)) as revenue_home,
        cast(of_totals.revenue_before_home as decimal(38, 4)) as revenue_before_home,
        100 * cast(of_totals.revenue_home as double)
        / nullif(cast(of_totals.segment_home as double), 0) as part_of_segment_pct,
        100 * (
            cast(of_totals.revenue_home as double)
            / nullif(cast(of_totals.segment_home as double), 0)
        ) / nullif(
            cast(of_totals.category_home as double)
            / nullif(cast(of_totals.market_home as double), 0), 0
        ) as need_index,

        ---------- where growth comes from
        cast(of_totals.revenue_home - of_totals.revenue_before_home as decimal(38, 4))
            as change_home,
        cast(of_totals.gained_home as decimal(38, 4)) as gained_home,
        cast(of_totals.lost_home as decimal(38, 4)) as lost_home,
        cast(of_totals.kept_change_home as decimal(38, 4)) as kept_change_home,
        100 * cast(of_totals.revenue_home - of_totals.revenue_before_home as double)
        / nullif(cast(of_totals.market_before_home as double), 0) as contribution_to_growth_pp,

        ---------- how often
        of_totals.repeat_buyers,
        of_totals.cycle_days as purchase_cycle_days,
        category_cycles.cycle_days as category_cycle_days,

        ---------- what is bought elsewhere
        wallets.share_of_requirements_pct as share_of_wallet_pct,
        case
            when wallets.share_of_requirements_pct is null
                then 'the market data does not say what our buyers spend in the category'
        end as share_of_wallet_reason
    from of_totals
    cross join company
    cross join spans
    left join category_cycles
        on of_totals.category = category_cycles.category
    left join wallets
        on of_totals.market = wallets.market
        and {{ comparable('of_totals.category') }} = wallets.category_key
        and wallets.newest = 1

)

select * from final

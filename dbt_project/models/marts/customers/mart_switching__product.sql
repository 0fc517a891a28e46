with

spans as (

    {{ newest_and_before() }}

),

products as (

    select
        product_id,
        category
    from {{ ref('int_products__categories') }}

),

switches as (

    select * from {{ ref('int_customers__switches') }}

),

known as (

    select
        product_id,
        sum(revenue_home) as revenue_home,
        sum(revenue_before_home) as revenue_before_home,
        sum(newly_home) as newly_home,
        sum(no_longer_home) as no_longer_home,
        sum(still_home) as still_home,
        sum(moved_here_home) as moved_here_home,
        sum(moved_away_home) as moved_away_home,
        sum(moved_newly_home) as moved_newly_home,
        sum(moved_no_longer_home) as moved_no_longer_home,
        sum(moved_still_home) as moved_still_home
    from switches
    where winning_product_id is null
    group by product_id
    having sum(customers) > 0

),

-- what nobody is known to have bought
unknown as (

    select
        sales.product_id,
        sum(case when sales.order_date > spans.newest_after then sales.net_amount_home else 0 end)
            as revenue_home,
        sum(case when sales.order_date > spans.newest_after then 0 else sales.net_amount_home end)
            as revenue_before_home
    from {{ ref('fct_sales') }} as sales
    cross join spans
    where
        sales.line_kind = 'product'
        and sales.order_date > spans.before_after
        and sales.customer_id is null
    group by sales.product_id

),

product_pairs as (

    select
        product_id as losing_id,
        winning_product_id as winning_id,
        -sum(moved_away_home) as moved_home
    from switches
    where winning_product_id is not null
    group by product_id, winning_product_id
    having sum(customers) > 0

),

main_sources as (

    select
        winning_id as product_id,
        losing_id as other_id,
        moved_home,
        row_number() over (
            partition by winning_id order by moved_home desc, losing_id asc
        ) as place
    from product_pairs

),

main_destinations as (

    select
        losing_id as product_id,
        winning_id as other_id,
        moved_home,
        row_number() over (
            partition by losing_id order by moved_home desc, winning_id asc
        ) as place
    from product_pairs

),

totals as (

    select
        products.product_id,
        products.category,
        coalesce(known.revenue_home, 0) + coalesce(unknown.revenue_home, 0) as revenue_home,
        coalesce(known.revenue_before_home, 0) + coalesce(unknown.revenue_before_home, 0)
            as revenue_before_home,
        coalesce(known.newly_home - known.moved_newly_home, 0) as newly_home,
        coalesce(known.no_longer_home - known.moved_no_longer_home, 0) as no_longer_home,
        coalesce(known.still_home - known.moved_still_home, 0) as still_home,
        coalesce(known.moved_here_home, 0) as moved_here_home,
        coalesce(known.moved_away_home, 0) as moved_away_home,
        coalesce(unknown.revenue_home - unknown.revenue_before_home, 0) as unknown_home
    from products
    left join known
        on products.product_id = known.product_id
    left join unknown
        on products.product_id = unknown.product_id
    where known.product_id is not null or unknown.product_id is not null

),

names as (

    select
        product_id,
        name
    from {{ ref('dim_product') }}

),

final as (

    select
        ---------- keys
        totals.product_id,

        ---------- attributes
        names.name as product_name,
        totals.category,
        spans.as_of_date,
        cast(spans.window_days as bigint) as window_days,

        ---------- revenue, and what changed it
        cast(totals.revenue_home as decimal(38, 4)) as revenue_home,
        cast(totals.revenue_before_home as decimal(38, 4)) as revenue_before_home,
        cast(totals.revenue_home - totals.revenue_before_home as decimal(38, 4)) as change_home,
        cast(totals.moved_here_home as decimal(38, 4)) as gained_from_others_home,
        cast(totals.moved_away_home as decimal(38, 4)) as lost_to_others_home,
        cast(totals.newly_home as decimal(38, 4)) as new_buyers_home,
        cast(totals.no_longer_home as decimal(38, 4)) as lost_buyers_home,
        cast(totals.still_home as decimal(38, 4)) as same_buyers_home,
        cast(totals.unknown_home as decimal(38, 4)) as without_customer_home,

        ---------- between which products most of it moved
        main_sources.other_id as main_source_product_id,
        cast(main_sources.moved_home as decimal(38, 4)) as main_source_home,
        main_destinations.other_id as main_destination_product_id,
        cast(main_destinations.moved_home as decimal(38, 4)) as main_destination_home
    from totals
    cross join spans
    left join names
        on totals.product_id = names.product_id
    left join main_sources
        on totals.product_id = main_sources.product_id
        and main_sources.place = 1
    left join main_destinations
        on totals.product_id = main_destinations.product_id
        and main_destinations.place = 1

)

select * from final

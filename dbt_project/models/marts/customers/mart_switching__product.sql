{# of how many changed products of one customer and category all pairs are looked at #}
{%- set most_pairs = 400 %}

with

spans as (

    {{ newest_and_before() }}

),

-- numbers group and sort cheaper than texts
products as (

    select
        product_id,
        category,
        cast(dense_rank() over (order by category) as integer) as category_number,
        cast(row_number() over (order by product_id) as integer) as product_number
    from {{ ref('int_products__categories') }}

),

customers as (

    select
        customer_id,
        cast(row_number() over (order by customer_id) as integer) as customer_number
    from {{ ref('dim_customer') }}

),

-- what nobody is known to have bought is summed apart: it can be more than a customer ever buys
unknown as (

    select
        products.product_number,
        sum(case when sales.order_date > spans.newest_after then sales.net_amount_home else 0 end)
            as revenue_home,
        sum(case when sales.order_date > spans.newest_after then 0 else sales.net_amount_home end)
            as revenue_before_home
    from {{ ref('fct_sales') }} as sales
    cross join spans
    inner join products
        on sales.product_id = products.product_id
    where
        sales.line_kind = 'product'
        and sales.order_date > spans.before_after
        and sales.customer_id is null
    group by products.product_number

),

-- what each customer bought of a product in the newest span and in the one before
bought as (

    select
        customers.customer_number,
        products.product_number,
        cast(sum(
            case when sales.order_date > spans.newest_after then sales.net_amount_home else 0 end
        ) as decimal(18, 4)) as revenue_home,
        cast(sum(
            case when sales.order_date > spans.newest_after then 0 else sales.net_amount_home end
        ) as decimal(18, 4)) as revenue_before_home
    from {{ ref('fct_sales') }} as sales
    cross join spans
    inner join products
        on sales.product_id = products.product_id
    inner join customers
        on sales.customer_id = customers.customer_id
    where sales.line_kind = 'product' and sales.order_date > spans.before_after
    group by customers.customer_number, products.product_number

),

changed as (

    select
        bought.*,
        products.category_number,
        cast(bought.revenue_home - bought.revenue_before_home as decimal(18, 4)) as change_home,
        -- newly bought 1, no longer -1, still 0
        case
            when bought.revenue_before_home <= 0 and bought.revenue_home > 0 then 1
            when bought.revenue_before_home > 0 and bought.revenue_home <= 0 then -1
            else 0
        end as turn
    from bought
    inner join products
        on bought.product_number = products.product_number

),

-- of one customer, what one product lost and another of its category won has moved between them
by_category as (

    select
        customer_number,
        category_number,
        cast(sum(case when change_home > 0 then change_home end) as decimal(18, 4)) as gains_home,
        cast(sum(case when change_home < 0 then -change_home end) as decimal(18, 4)) as losses_home,
        count(case when change_home > 0 then 1 end) * count(case when change_home < 0 then 1 end)
            as pairs
    from changed
    group by customer_number, category_number
    having min(change_home) < 0 and max(change_home) > 0

),

moved as (

    select
        changed.customer_number,
        changed.category_number,
        changed.product_number,
        changed.change_home,
        changed.turn,
        by_category.pairs,
        greatest(by_category.gains_home, by_category.losses_home) as larger_side_home,
        cast(
            cast(changed.change_home as double)
            * cast(least(by_category.gains_home, by_category.losses_home) as double)
            / cast(
                case
                    when changed.change_home > 0 then by_category.gains_home
                    else by_category.losses_home
                end as double
            ) as decimal(18, 4)
        ) as moved_home
    from changed
    inner join by_category
        on changed.customer_number = by_category.customer_number
        and changed.category_number = by_category.category_number
    where changed.change_home <> 0

),

flows as (

    select
        product_number,
        sum(case when moved_home > 0 then moved_home else 0 end) as moved_here_home,
        sum(case when moved_home < 0 then moved_home else 0 end) as moved_away_home,
        sum(case when turn = 1 then moved_home else 0 end) as moved_newly_home,
        sum(case when turn = -1 then moved_home else 0 end) as moved_no_longer_home,
        sum(case when turn = 0 then moved_home else 0 end) as moved_still_home
    from moved
    group by product_number

),

-- a customer with very many changed products says little of any two, and would cost the square of
-- their number
product_pairs as (

    select
        losing.product_number as losing_number,
        winning.product_number as winning_number,
        sum(cast(
            cast(-losing.change_home as double) * cast(winning.change_home as double)
            / cast(losing.larger_side_home as double) as decimal(18, 4)
        )) as moved_home
    from moved as losing
    inner join moved as winning
        on losing.customer_number = winning.customer_number
        and losing.category_number = winning.category_number
    where
        losing.change_home < 0
        and winning.change_home > 0
        and losing.pairs <= {{ most_pairs }}
        and winning.pairs <= {{ most_pairs }}
    group by losing.product_number, winning.product_number

),

main_sources as (

    select
        winning_number as product_number,
        losing_number as other_number,
        moved_home,
        row_number() over (
            partition by winning_number order by moved_home desc, losing_number asc
        ) as place
    from product_pairs

),

main_destinations as (

    select
        losing_number as product_number,
        winning_number as other_number,
        moved_home,
        row_number() over (
            partition by losing_number order by moved_home desc, winning_number asc
        ) as place
    from product_pairs

),

known as (

    select
        product_number,
        sum(revenue_home) as revenue_home,
        sum(revenue_before_home) as revenue_before_home,
        sum(case when turn = 1 then change_home else 0 end) as newly_home,
        sum(case when turn = -1 then change_home else 0 end) as no_longer_home,
        sum(case when turn = 0 then change_home else 0 end) as still_home
    from changed
    group by product_number

),

totals as (

    select
        products.product_id,
        products.product_number,
        products.category,
        coalesce(known.revenue_home, 0) + coalesce(unknown.revenue_home, 0) as revenue_home,
        coalesce(known.revenue_before_home, 0) + coalesce(unknown.revenue_before_home, 0)
            as revenue_before_home,
        coalesce(known.newly_home, 0) as newly_home,
        coalesce(known.no_longer_home, 0) as no_longer_home,
        coalesce(known.still_home, 0) as still_home,
        coalesce(unknown.revenue_home - unknown.revenue_before_home, 0) as unknown_home
    from products
    left join known
        on products.product_number = known.product_number
    left join unknown
        on products.product_number = unknown.product_number
    where known.product_number is not null or unknown.product_number is not null

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
        cast(coalesce(flows.moved_here_home, 0) as decimal(38, 4)) as gained_from_others_home,
        cast(coalesce(flows.moved_away_home, 0) as decimal(38, 4)) as lost_to_others_home,
        cast(totals.newly_home - coalesce(flows.moved_newly_home, 0) as decimal(38, 4))
            as new_buyers_home,
        cast(totals.no_longer_home - coalesce(flows.moved_no_longer_home, 0) as decimal(38, 4))
            as lost_buyers_home,
        cast(totals.still_home - coalesce(flows.moved_still_home, 0) as decimal(38, 4))
            as same_buyers_home,
        cast(totals.unknown_home as decimal(38, 4)) as without_customer_home,

        ---------- between which products most of it moved
        sources.product_id as main_source_product_id,
        cast(main_sources.moved_home as decimal(38, 4)) as main_source_home,
        destinations.product_id as main_destination_product_id,
        cast(main_destinations.moved_home as decimal(38, 4)) as main_destination_home
    from totals
    cross join spans
    left join names
        on totals.product_id = names.product_id
    left join flows
        on totals.product_number = flows.product_number
    left join main_sources
        on totals.product_number = main_sources.product_number
        and main_sources.place = 1
    left join main_destinations
        on totals.product_number = main_destinations.product_number
        and main_destinations.place = 1
    left join products as sources
        on main_sources.other_number = sources.product_number
    left join products as destinations
        on main_destinations.other_number = destinations.product_number

)

select * from final

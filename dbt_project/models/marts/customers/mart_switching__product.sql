{# of how many changed products of one customer and category all pairs are looked at #}
{%- set most_pairs = 400 %}

with

spans as (

    {{ newest_and_before() }}

),

products as (

    select * from {{ ref('int_products__categories') }}

),

-- what each customer bought of a product in the newest span and in the one before
bought as (

    select
        sales.customer_id,
        sales.product_id,
        sum(case when sales.order_date > spans.newest_after then sales.net_amount_home else 0 end)
            as revenue_home,
        sum(case when sales.order_date > spans.newest_after then 0 else sales.net_amount_home end)
            as revenue_before_home
    from {{ ref('fct_sales') }} as sales
    cross join spans
    where sales.line_kind = 'product' and sales.order_date > spans.before_after
    group by sales.customer_id, sales.product_id

),

changed as (

    select
        bought.customer_id,
        bought.product_id,
        products.category,
        bought.revenue_home,
        bought.revenue_before_home,
        greatest(bought.revenue_home - bought.revenue_before_home, 0) as gain_home,
        greatest(bought.revenue_before_home - bought.revenue_home, 0) as loss_home,
        case
            when bought.customer_id is null then 'unknown'
            when bought.revenue_before_home <= 0 and bought.revenue_home > 0 then 'newly'
            when bought.revenue_before_home > 0 and bought.revenue_home <= 0 then 'no longer'
            else 'still'
        end as bought
    from bought
    inner join products
        on bought.product_id = products.product_id

),

-- of one customer, what one product lost and another of its category won has moved between them
by_category as (

    select
        customer_id,
        category,
        sum(gain_home) as gains_home,
        sum(loss_home) as losses_home,
        sum(case when gain_home > 0 then 1 else 0 end)
        * sum(case when loss_home > 0 then 1 else 0 end) as pairs
    from changed
    where customer_id is not null
    group by customer_id, category
    having sum(gain_home) > 0 and sum(loss_home) > 0

),

moved as (

    select
        changed.customer_id,
        changed.category,
        changed.product_id,
        changed.gain_home,
        changed.loss_home,
        changed.bought,
        by_category.pairs,
        greatest(by_category.gains_home, by_category.losses_home) as larger_side_home,
        cast(
            cast(changed.gain_home as double)
            * cast(least(by_category.gains_home, by_category.losses_home) as double)
            / cast(by_category.gains_home as double) as decimal(38, 4)
        ) as moved_here_home,
        cast(
            cast(changed.loss_home as double)
            * cast(least(by_category.gains_home, by_category.losses_home) as double)
            / cast(by_category.losses_home as double) as decimal(38, 4)
        ) as moved_away_home
    from changed
    inner join by_category
        on changed.customer_id = by_category.customer_id
        and changed.category = by_category.category

),

flows as (

    select
        product_id,
        sum(moved_here_home) as moved_here_home,
        sum(moved_away_home) as moved_away_home,
        sum(case when bought = 'newly' then moved_here_home - moved_away_home else 0 end)
            as moved_newly_home,
        sum(case when bought = 'no longer' then moved_here_home - moved_away_home else 0 end)
            as moved_no_longer_home,
        sum(case when bought = 'still' then moved_here_home - moved_away_home else 0 end)
            as moved_still_home
    from moved
    group by product_id

),

-- a customer with very many changed products says little of any two, and would cost the square of
-- their number
exchanged as (

    select
        customer_id,
        category,
        product_id,
        gain_home,
        loss_home,
        larger_side_home
    from moved
    where pairs between 1 and {{ most_pairs }}

),

product_pairs as (

    select
        losing.product_id as losing_product_id,
        winning.product_id as winning_product_id,
        sum(cast(
            cast(losing.loss_home as double) * cast(winning.gain_home as double)
            / cast(losing.larger_side_home as double) as decimal(38, 4)
        )) as moved_home
    from exchanged as losing
    inner join exchanged as winning
        on losing.customer_id = winning.customer_id
        and losing.category = winning.category
    where losing.loss_home > 0 and winning.gain_home > 0
    group by losing.product_id, winning.product_id

),

main_sources as (

    select
        winning_product_id as product_id,
        losing_product_id as other_product_id,
        moved_home,
        row_number() over (
            partition by winning_product_id order by moved_home desc, losing_product_id asc
        ) as place
    from product_pairs

),

main_destinations as (

    select
        losing_product_id as product_id,
        winning_product_id as other_product_id,
        moved_home,
        row_number() over (
            partition by losing_product_id order by moved_home desc, winning_product_id asc
        ) as place
    from product_pairs

),

totals as (

    select
        product_id,
        category,
        sum(revenue_home) as revenue_home,
        sum(revenue_before_home) as revenue_before_home,
        sum(case when bought = 'newly' then gain_home - loss_home else 0 end) as newly_home,
        sum(case when bought = 'no longer' then gain_home - loss_home else 0 end) as no_longer_home,
        sum(case when bought = 'still' then gain_home - loss_home else 0 end) as still_home,
        sum(case when bought = 'unknown' then gain_home - loss_home else 0 end) as unknown_home
    from changed
    group by product_id, category

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
        cast(-coalesce(flows.moved_away_home, 0) as decimal(38, 4)) as lost_to_others_home,
        cast(totals.newly_home - coalesce(flows.moved_newly_home, 0) as decimal(38, 4))
            as new_buyers_home,
        cast(totals.no_longer_home - coalesce(flows.moved_no_longer_home, 0) as decimal(38, 4))
            as lost_buyers_home,
        cast(totals.still_home - coalesce(flows.moved_still_home, 0) as decimal(38, 4))
            as same_buyers_home,
        cast(totals.unknown_home as decimal(38, 4)) as without_customer_home,

        ---------- between which products most of it moved
        main_sources.other_product_id as main_source_product_id,
        cast(main_sources.moved_home as decimal(38, 4)) as main_source_home,
        main_destinations.other_product_id as main_destination_product_id,
        cast(main_destinations.moved_home as decimal(38, 4)) as main_destination_home
    from totals
    cross join spans
    left join flows
        on totals.product_id = flows.product_id
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

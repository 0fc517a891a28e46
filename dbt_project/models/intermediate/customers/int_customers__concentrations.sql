{{ config(
    materialized='incremental',
    incremental_strategy='insert_overwrite' if target.type == 'spark' else none,
    partition_by='order_month' if target.type == 'spark' else none,
) }}

with

customer_months as (

    select
        market,
        order_month,
        net_amount_home
    from {{ ref('int_customers__months') }}
    where {{ is_built_now('order_month') }}

),

sides as (

    select
        market,
        order_month,
        count(case when net_amount_home > 0 then 1 end) as customers,
        sum(case when net_amount_home > 0 then net_amount_home else 0 end) as buyers_revenue_home,
        count(case when net_amount_home <= 0 then 1 end) as net_returners,
        sum(case when net_amount_home <= 0 then net_amount_home else 0 end) as net_returns_home
    from customer_months
    group by market, order_month

),

-- in whole numbers: what every place is held against
top_places as (

    select
        market,
        order_month,
        cast(ceil(customers * 0.01) as bigint) as top_1,
        cast(ceil(customers * 0.1) as bigint) as top_10,
        cast(ceil(customers * 0.2) as bigint) as top_20
    from sides

),

-- who sent back more than they bought has no share of what was bought; among equals it is all the
-- same who comes first
placed as (

    select
        market,
        order_month,
        net_amount_home,
        row_number() over (
            partition by market, order_month order by net_amount_home desc
        ) as place
    from customer_months
    where net_amount_home > 0

),

tops as (

    select
        placed.market,
        placed.order_month,
        sum(case when placed.place = 1 then placed.net_amount_home end) as largest_home,
        sum(case when placed.place <= 5 then placed.net_amount_home end) as largest_five_home,
        sum(case when placed.place <= top_places.top_1 then placed.net_amount_home end)
            as top_1_home,
        sum(case when placed.place <= top_places.top_10 then placed.net_amount_home end)
            as top_10_home,
        sum(case when placed.place <= top_places.top_20 then placed.net_amount_home end)
            as top_20_home,
        sum(placed.place * placed.net_amount_home) as placed_home
    from placed
    inner join top_places
        on placed.market = top_places.market
        and placed.order_month = top_places.order_month
    group by placed.market, placed.order_month

),

final as (

    select
        ---------- keys
        sides.market,
        sides.order_month,

        ---------- who bought and who sent back more
        sides.customers,
        cast(sides.buyers_revenue_home as decimal(38, 4)) as buyers_revenue_home,
        sides.net_returners,
        cast(sides.net_returns_home as decimal(38, 4)) as net_returns_home,

        ---------- what the largest of them bought
        cast(tops.largest_home as decimal(38, 4)) as largest_home,
        cast(tops.largest_five_home as decimal(38, 4)) as largest_five_home,
        cast(tops.top_1_home as decimal(38, 4)) as top_1_home,
        cast(tops.top_10_home as decimal(38, 4)) as top_10_home,
        cast(tops.top_20_home as decimal(38, 4)) as top_20_home,
        cast(tops.placed_home as decimal(38, 4)) as placed_home
    from sides
    left join tops
        on sides.market = tops.market
        and sides.order_month = tops.order_month

)

select * from final

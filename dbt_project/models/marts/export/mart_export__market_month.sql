with

grid as (

    select * from {{ ref('int_export__market_months') }}

),

product_months as (

    select * from {{ ref('int_sales__product_months') }}

),

-- only what is bought counts: a customer who sent back more than was bought is none of the large
concentration as (

    select * from {{ ref('int_customers__concentrations') }}

),

price_indices as (

    select * from {{ ref('mart_price_index__market_category_week') }}
    where competitor = 'all'

),

markets as (

    select * from {{ ref('dim_market') }}

),

company as (

    select * from {{ source('raw', 'company') }}

),

rival_prices as (

    select
        {{ month_of('week_start') }} as order_month,
        market,
        100.0 * cast(sum(our_basket_home) as double)
        / nullif(cast(sum(their_basket_home) as double), 0) as price_index
    from price_indices
    group by {{ month_of('week_start') }}, market

),

-- what the same products bring abroad and at home, both sold in the month, weighted with the units
-- sold abroad
product_prices as (

    select
        order_month,
        market,
        product_id,
        sum(net_amount_home) as net_home,
        sum(units) as units
    from product_months
    where line_kind = 'product'
    group by order_month, market, product_id
    having sum(units) > 0 and sum(net_amount_home) > 0

),

price_levels as (

    select
        abroad.order_month,
        abroad.market,
        100.0 * cast(sum(abroad.net_home) as double)
        / nullif(
            cast(
                sum(
                    cast(
                        cast(abroad.units as double)
                        * cast(home.net_home as double)
                        / cast(home.units as double) as decimal(38, 4)
                    )
                ) as double
            ),
            0
        ) as price_level_index
    from product_prices as abroad
    cross join company
    inner join product_prices as home
        on abroad.order_month = home.order_month
        and abroad.product_id = home.product_id
        and company.home_market = home.market
    group by abroad.order_month, abroad.market

),

measured as (

    select
        grid.*,
        markets.is_domestic,
        markets.is_unknown,
        -- the market's own size, where any market's is known; else ours stands in
        max(case when grid.market_value_12_months_home > 0 then 1 else 0 end) over (
            partition by grid.order_month
        ) as has_sizes,
        case
            when grid.at_own_rate_12_months_before > 0
                then
                    100.0 * (
                        cast(grid.at_year_rate_12_months as double)
                        / cast(grid.at_own_rate_12_months_before as double) - 1
                    )
        end as growth_constant_12_months_pct,
        100.0 * cast(grid.own_value_12_months_home as double)
        / nullif(cast(grid.market_value_beside_ours_home as double), 0) as share_of_market_pct,
        price_levels.price_level_index,
        case
            when grid.revenue_costed_12_months_home > 0
                then
                    100.0 * cast(grid.landed_margin_12_months_home as double)
                    / cast(grid.revenue_costed_12_months_home as double)
        end as margin_12_months_pct
    from grid
    inner join markets
        on grid.market = markets.market
    left join price_levels
        on grid.order_month = price_levels.order_month
        and grid.market = price_levels.market

),

sized as (

    select
        *,
        cast(
            case when has_sizes = 1 then market_value_12_months_home else revenue_12_months_home end
            as double
        ) as size_home,
        case
            when has_sizes = 0 then 'own revenue'
            when market_value_12_months_home is not null then 'market'
        end as size_basis
    from measured

),

-- each reason from 0, the least of the markets of the month, to 100, the most; a figure that only
-- one market has tells nothing between them
scored as (

    select
        *,
        case
            when
                not is_unknown
                and count(size_home) over (
                    partition by order_month, is_unknown
                ) > 1
                and size_home is not null
                then
                    100.0 * percent_rank() over (
                        partition by order_month, is_unknown, size_home is null
                        order by size_home asc
                    )
        end as size_score,
        case
            when
                not is_unknown
                and count(growth_constant_12_months_pct) over (
                    partition by order_month, is_unknown
                ) > 1
                and growth_constant_12_months_pct is not null
                then
                    100.0 * percent_rank() over (
                        partition by order_month, is_unknown, growth_constant_12_months_pct is null
                        order by growth_constant_12_months_pct asc
                    )
        end as growth_score,
        case
            when
                not is_unknown
                and count(share_of_market_pct) over (
                    partition by order_month, is_unknown
                ) > 1
                and share_of_market_pct is not null
                then
                    100.0 * percent_rank() over (
                        partition by order_month, is_unknown, share_of_market_pct is null
                        order by share_of_market_pct asc
                    )
        end as share_score,
        case
            when
                not is_unknown
                and count(price_level_index) over (
                    partition by order_month, is_unknown
                ) > 1
                and price_level_index is not null
                then
                    100.0 * percent_rank() over (
                        partition by order_month, is_unknown, price_level_index is null
                        order by price_level_index asc
                    )
        end as price_level_score,
        case
            when
                not is_unknown
                and count(margin_12_months_pct) over (
                    partition by order_month, is_unknown
                ) > 1
                and margin_12_months_pct is not null
                then
                    100.0 * percent_rank() over (
                        partition by order_month, is_unknown, margin_12_months_pct is null
                        order by margin_12_months_pct asc
                    )
        end as margin_score
    from sized

),

-- what is not known counts for nothing, and its weight neither; a negative weight turns it round
parts as (

    select
        scored.*,
        abs(company.weight_of_size)
        * case
            when company.weight_of_size < 0 then 100 - scored.size_score
            else scored.size_score
        end as size_part,
        case when scored.size_score is not null then abs(company.weight_of_size) else 0 end
            as size_weight,
        abs(company.weight_of_growth)
        * case
            when company.weight_of_growth < 0 then 100 - scored.growth_score
            else scored.growth_score
        end as growth_part,
        case when scored.growth_score is not null then abs(company.weight_of_growth) else 0 end
            as growth_weight,
        abs(company.weight_of_share)
        * case
            when company.weight_of_share < 0 then 100 - scored.share_score
            else scored.share_score
        end as share_part,
        case when scored.share_score is not null then abs(company.weight_of_share) else 0 end
            as share_weight,
        abs(company.weight_of_price_level)
        * case
            when company.weight_of_price_level < 0 then 100 - scored.price_level_score
            else scored.price_level_score
        end as price_level_part,
        case
            when scored.price_level_score is not null then abs(company.weight_of_price_level)
            else 0
        end as price_level_weight,
        abs(company.weight_of_margin)
        * case
            when company.weight_of_margin < 0 then 100 - scored.margin_score
            else scored.margin_score
        end as margin_part,
        case when scored.margin_score is not null then abs(company.weight_of_margin) else 0 end
            as margin_weight
    from scored
    cross join company

),

weighted as (

    select
        *,
        (
            coalesce(size_part, 0)
            + coalesce(growth_part, 0)
            + coalesce(share_part, 0)
            + coalesce(price_level_part, 0)
            + coalesce(margin_part, 0)
        )
        / nullif(
            size_weight + growth_weight + share_weight + price_level_weight + margin_weight, 0
        ) as attractiveness
    from parts

),

final as (

    select
        ---------- keys
        weighted.order_month,
        weighted.market,
        weighted.is_domestic,

        ---------- sales
        cast(weighted.units as decimal(38, 4)) as units,
        cast(weighted.revenue_home as decimal(38, 4)) as revenue_home,
        cast(weighted.revenue_12_months_home as decimal(38, 4)) as revenue_12_months_home,
        case
            when sum(weighted.revenue_home) over (partition by weighted.order_month) > 0
                then
                    100.0 * cast(weighted.revenue_home as double)
                    / cast(
                        sum(weighted.revenue_home) over (partition by weighted.order_month)
                        as double
                    )
        end as part_of_revenue_pct,

        ---------- landed margin
        cast(weighted.cost_home as decimal(38, 4)) as cost_home,
        cast(weighted.freight_home as decimal(38, 4)) as freight_home,
        cast(weighted.duty_home as decimal(38, 4)) as duty_home,
        cast(weighted.revenue_costed_home as decimal(38, 4)) as revenue_costed_home,
        cast(
            weighted.revenue_costed_home
            - weighted.cost_home
            - coalesce(weighted.freight_home, 0)
            - coalesce(weighted.duty_home, 0) as decimal(38, 4)
        ) as landed_margin_home,
        case
            when weighted.revenue_costed_home > 0
                then
                    100.0 * cast(
                        weighted.revenue_costed_home
                        - weighted.cost_home
                        - coalesce(weighted.freight_home, 0)
                        - coalesce(weighted.duty_home, 0) as double
                    ) / cast(weighted.revenue_costed_home as double)
        end as landed_margin_pct,

        ---------- growth, and what exchange rates did
        cast(weighted.at_own_rate - weighted.at_previous_rate as decimal(38, 4))
            as fx_effect_month_home,
        cast(weighted.at_own_rate - weighted.at_year_rate as decimal(38, 4)) as fx_effect_year_home,
        case
            when previous.at_own_rate > 0
                then
                    100.0 * (
                        cast(weighted.at_previous_rate as double)
                        / cast(previous.at_own_rate as double) - 1
                    )
        end as growth_constant_month_pct,
        case
            when year_before.at_own_rate > 0
                then
                    100.0 * (
                        cast(weighted.at_year_rate as double)
                        / cast(year_before.at_own_rate as double) - 1
                    )
        end as growth_constant_year_pct,
        weighted.growth_constant_12_months_pct,
        weighted.growth_months,

        ---------- prices
        rival_prices.price_index,
        weighted.price_level_index,

        ---------- few customers
        coalesce(concentration.customers, 0) as customers,
        100.0 * cast(concentration.largest_home as double)
        / nullif(cast(concentration.buyers_revenue_home as double), 0) as largest_customer_pct,
        100.0 * cast(concentration.largest_five_home as double)
        / nullif(cast(concentration.buyers_revenue_home as double), 0)
            as largest_five_customers_pct,

        ---------- attractiveness, and its reasons
        case
            when not weighted.is_unknown and weighted.attractiveness is not null
                then
                    rank() over (
                        partition by
                            weighted.order_month,
                            weighted.is_unknown or weighted.attractiveness is null
                        order by weighted.attractiveness desc
                    )
        end as attractiveness_rank,
        weighted.attractiveness,
        weighted.size_home,
        weighted.size_basis,
        case when weighted.size_basis = 'market' then weighted.months_measured end as size_months,
        weighted.share_of_market_pct,
        weighted.margin_12_months_pct as landed_margin_12_months_pct,
        weighted.size_score,
        weighted.growth_score,
        weighted.share_score,
        weighted.price_level_score,
        weighted.margin_score
    from weighted
    left join weighted as previous
        on weighted.market = previous.market
        and weighted.order_month
        = cast({{ dbt.dateadd('month', 1, 'previous.order_month') }} as date)
    left join weighted as year_before
        on weighted.market = year_before.market
        and weighted.order_month
        = cast({{ dbt.dateadd('month', 12, 'year_before.order_month') }} as date)
    left join rival_prices
        on weighted.order_month = rival_prices.order_month
        and weighted.market = rival_prices.market
    left join concentration
        on weighted.order_month = concentration.order_month
        and weighted.market = concentration.market

)

select * from final

{#- the weeks up to and with this one whose units are the weights where the week itself has none -#}
{%- set trailing_weeks = 13 -%}
{%- set week_index = dbt.datediff("cast('1969-12-29' as date)", 'week_start', 'day') -%}
with

company as (

    select price_staleness_days from {{ source('raw', 'company') }}

),

categories as (

    select * from {{ ref('int_products__categories') }}

),

own_prices as (

    select * from {{ ref('int_own_prices__product_market_days') }}

),

standing as (

    select
        *,
        {{ week_of('price_date') }} as week_start
    from {{ ref('int_competitor_prices__standing_days') }}
    where is_in_stock

),

observed as (

    select
        *,
        {{ week_of('observed_date') }} as week_start
    from {{ ref('int_competitor_prices__observed_days') }}

),

product_days as (

    select
        *,
        {{ week_of('order_date') }} as week_start
    from {{ ref('int_sales__product_days') }}

),

own_weeks as (

    select
        standing_days.product_id,
        standing_days.market,
        standing_days.week_start,
        avg(own_prices.our_price_home) as our_price_home,
        avg(own_prices.our_sold_price_home) as our_sold_price_home
    from (
        select distinct
            product_id,
            market,
            week_start,
            price_date
        from standing
    ) as standing_days
    inner join own_prices
        on standing_days.product_id = own_prices.product_id
        and standing_days.market = own_prices.market
        and standing_days.price_date = own_prices.price_date
    group by standing_days.product_id, standing_days.market, standing_days.week_start

),

priced_weeks as (

    select distinct
        categories.category,
        standing.market,
        standing.week_start
    from standing
    inner join categories
        on standing.product_id = categories.product_id

),

-- sales of other categories, or in other markets, weigh nothing
priced_products as (

    select distinct
        categories.product_id,
        categories.category,
        priced_weeks.market
    from categories
    inner join priced_weeks
        on categories.category = priced_weeks.category

),

-- what was sold, this week and lately, of every product in every week that has prices or sales
sales_weeks as (

    select
        product_days.market,
        product_days.product_id,
        priced_products.category,
        product_days.week_start,
        sum(product_days.units) as units,
        sum(product_days.net_amount_home) as revenue_home
    from product_days
    inner join priced_products
        on product_days.product_id = priced_products.product_id
        and product_days.market = priced_products.market
    group by
        product_days.market,
        product_days.product_id,
        priced_products.category,
        product_days.week_start

),

sold_products as (

    select distinct
        market,
        product_id,
        category
    from sales_weeks

),

weeks_to_weigh as (

    select
        market,
        product_id,
        week_start,
        units,
        revenue_home
    from sales_weeks

    union all

    select
        sold_products.market,
        sold_products.product_id,
        priced_weeks.week_start,
        0 as units,
        0 as revenue_home
    from sold_products
    inner join priced_weeks
        on sold_products.market = priced_weeks.market
        and sold_products.category = priced_weeks.category

),

running_sales as (

    select
        market,
        product_id,
        week_start,
        units,
        revenue_home,
        sum(units) over lately as trailing_units,
        sum(revenue_home) over lately as trailing_revenue_home
    from weeks_to_weigh
    window lately as (
        partition by market, product_id
        order by {{ week_index }}
        range between {{ 7 * (trailing_weeks - 1) }} preceding and current row
    )

),

-- more returned than sold weighs nothing
sales as (

    select
        running_sales.market,
        running_sales.product_id,
        categories.category,
        running_sales.week_start,
        greatest(cast(sum(running_sales.units) as double), 0) as units,
        greatest(cast(sum(running_sales.revenue_home) as double), 0) as revenue_home,
        greatest(cast(max(running_sales.trailing_units) as double), 0) as trailing_units,
        greatest(cast(max(running_sales.trailing_revenue_home) as double), 0)
            as trailing_revenue_home
    from running_sales
    inner join categories
        on running_sales.product_id = categories.product_id
    group by
        running_sales.market,
        running_sales.product_id,
        categories.category,
        running_sales.week_start

),

category_sales as (

    select
        market,
        category,
        week_start,
        cast({{ exact_sum('revenue_home') }} as double) as revenue_home,
        cast({{ exact_sum('trailing_revenue_home') }} as double) as trailing_revenue_home
    from sales
    group by market, category, week_start

),

-- an offer's price of the week is the mean over the days on which it stood
offer_weeks as (

    select
        standing.product_id,
        standing.market,
        standing.week_start,
        standing.competitor,
        standing.offer_id,
        cast(avg(standing.price_home) as double) as price_home,
        max(case when standing.is_doubtful then 1 else 0 end) as doubtful,
        max(case when standing.is_tax_unknown then 1 else 0 end) as tax_unknown,
        count(distinct standing.observed_date) as observations,
        count(distinct case
            when standing.days_old > company.price_staleness_days then standing.observed_date
        end) as stale_observations
    from standing
    cross join company
    group by
        standing.product_id,
        standing.market,
        standing.week_start,
        standing.competitor,
        standing.offer_id

),

-- each competitor by itself, and all together
scoped_offers as (

    select
        offer_weeks.*,
        offer_weeks.competitor as scope
    from offer_weeks

    union all

    select
        offer_weeks.*,
        'all' as scope
    from offer_weeks

),

running_offers as (

    select
        *,
        sum(1 - doubtful) over item as sure_offers,
        cast(
            {{ exact_sum('case when doubtful = 0 then price_home end') }} over item
            as double
        ) as sure_total,
        sum(doubtful) over cheapest_first as cheapest_offers,
        cast(
            {{ exact_sum('case when doubtful = 1 then price_home end') }} over cheapest_first
            as double
        ) as cheapest_total,
        sum(doubtful) over dearest_first as dearest_offers,
        cast(
            {{ exact_sum('case when doubtful = 1 then price_home end') }} over dearest_first
            as double
        ) as dearest_total
    from scoped_offers
    window
        item as (partition by scope, product_id, market, week_start),
        cheapest_first as (
            partition by scope, product_id, market, week_start
            order by price_home asc, offer_id asc, competitor asc
            rows between unbounded preceding and current row
        ),
        dearest_first as (
            partition by scope, product_id, market, week_start
            order by price_home desc, offer_id asc, competitor asc
            rows between unbounded preceding and current row
        )

),

-- a product's rival price is the mean of its offers. Of all ways to drop doubtful ones, the lowest
-- mean keeps the cheapest of them, and the highest the dearest
products as (

    select
        scope,
        product_id,
        market,
        week_start,
        count(*) as matched_offers,
        sum(doubtful) as doubtful_offers,
        sum(tax_unknown) as tax_unknown_offers,
        sum(observations) as observations,
        sum(stale_observations) as stale_observations,
        max(sure_offers) as sure_offers,
        cast({{ exact_sum('price_home') }} as double) / count(price_home) as price_home,
        least(
            max(sure_total) / nullif(max(sure_offers), 0),
            min(case
                when doubtful = 1
                    then
                        (coalesce(sure_total, 0) + cheapest_total)
                        / (sure_offers + cheapest_offers)
            end)
        ) as lowest_home,
        greatest(
            max(sure_total) / nullif(max(sure_offers), 0),
            max(case
                when doubtful = 1
                    then
                        (coalesce(sure_total, 0) + dearest_total) / (sure_offers + dearest_offers)
            end)
        ) as highest_home
    from running_offers
    group by scope, product_id, market, week_start

),

basket as (

    select
        products.*,
        categories.category,
        cast(own_weeks.our_price_home as double) as our_price_home,
        cast(own_weeks.our_sold_price_home as double) as our_sold_price_home,
        coalesce(sales.units, 0) as units,
        coalesce(sales.trailing_units, 0) as trailing_units,
        coalesce(sales.revenue_home, 0) as revenue_home,
        coalesce(sales.trailing_revenue_home, 0) as trailing_revenue_home
    from products
    inner join categories
        on products.product_id = categories.product_id
    left join own_weeks
        on products.product_id = own_weeks.product_id
        and products.market = own_weeks.market
        and products.week_start = own_weeks.week_start
    left join sales
        on products.product_id = sales.product_id
        and products.market = sales.market
        and products.week_start = sales.week_start

),

-- a rival's basket has a basis of its own: what it holds may not have sold in the week
bases as (

    select
        scope,
        market,
        category,
        week_start,
        case
            when sum(units) > 0 then 'units of the week'
            when sum(trailing_units) > 0 then 'units of {{ trailing_weeks }} weeks'
            else 'equal'
        end as weights_basis
    from basket
    where our_price_home is not null
    group by scope, market, category, week_start

),

weighted as (

    select
        basket.*,
        bases.weights_basis,
        case bases.weights_basis
            when 'units of the week' then basket.units
            when 'equal' then 1.0
            else basket.trailing_units
        end as weight,
        case
            when bases.weights_basis = 'units of the week' then basket.revenue_home
            when bases.weights_basis <> 'equal' then basket.trailing_revenue_home
        end as weighted_revenue_home
    from basket
    left join bases
        on basket.scope = bases.scope
        and basket.market = bases.market
        and basket.category = bases.category
        and basket.week_start = bases.week_start

),

-- products of doubtful matches alone come last, in the order in which keeping them pays
ordered as (

    select
        *,
        cast({{ exact_sum('our_price_home * weight') }} over dear_first as double)
            as our_dear_home,
        cast({{ exact_sum('lowest_home * weight') }} over dear_first as double)
            as their_dear_home,
        cast({{ exact_sum('our_price_home * weight') }} over cheap_first as double)
            as our_cheap_home,
        cast({{ exact_sum('highest_home * weight') }} over cheap_first as double)
            as their_cheap_home
    from weighted
    where our_price_home is not null and weight > 0
    window
        dear_first as (
            partition by scope, market, category, week_start
            order by
                case when sure_offers > 0 then 0 else 1 end asc,
                our_price_home / nullif(lowest_home, 0) desc nulls last,
                product_id asc
            rows between unbounded preceding and current row
        ),
        cheap_first as (
            partition by scope, market, category, week_start
            order by
                case when sure_offers > 0 then 0 else 1 end asc,
                our_price_home / nullif(highest_home, 0) asc nulls last,
                product_id asc
            rows between unbounded preceding and current row
        )

),

sure_products as (

    select
        scope,
        market,
        category,
        week_start,
        cast({{ exact_sum('our_price_home * weight') }} as double) as our_home,
        cast({{ exact_sum('lowest_home * weight') }} as double) as their_lowest_home,
        cast({{ exact_sum('highest_home * weight') }} as double) as their_highest_home
    from ordered
    where sure_offers > 0
    group by scope, market, category, week_start

),

doubtful_bounds as (

    select
        scope,
        market,
        category,
        week_start,
        max(our_dear_home / nullif(their_dear_home, 0)) as highest_ratio,
        min(our_cheap_home / nullif(their_cheap_home, 0)) as lowest_ratio
    from ordered
    where sure_offers = 0
    group by scope, market, category, week_start

),

indexed as (

    select
        scope,
        market,
        category,
        week_start,
        cast({{ exact_sum('our_price_home * weight') }} as double) as our_basket_home,
        cast(
            {{ exact_sum('case when our_price_home is not null then price_home * weight end') }}
            as double
        ) as their_basket_home,
        cast({{ exact_sum('our_sold_price_home * weight') }} as double) as our_sold_basket_home,
        cast(
            {{ exact_sum(
                'case when our_sold_price_home is not null then price_home * weight end'
            ) }} as double
        ) as their_sold_basket_home,
        count(our_price_home) as matched_products,
        cast(
            {{ exact_sum('case when our_price_home is not null then weighted_revenue_home end') }}
            as double
        ) as weighted_revenue_home,
        cast({{ exact_sum('weight') }} as double) as weight_total,
        min(weights_basis) as weights_basis,
        sum(matched_offers) as matched_offers,
        sum(doubtful_offers) as doubtful_offers,
        sum(tax_unknown_offers) as tax_unknown_offers,
        sum(observations) as observations,
        sum(stale_observations) as stale_observations
    from weighted
    group by scope, market, category, week_start

),

suspicious as (

    select
        observed.competitor as scope,
        observed.market,
        categories.category,
        observed.week_start,
        sum(observed.suspicious_left_out) as suspicious_left_out
    from observed
    inner join categories
        on observed.product_id = categories.product_id
    group by observed.competitor, observed.market, categories.category, observed.week_start

    union all

    select
        'all' as scope,
        observed.market,
        categories.category,
        observed.week_start,
        sum(observed.suspicious_left_out) as suspicious_left_out
    from observed
    inner join categories
        on observed.product_id = categories.product_id
    group by observed.market, categories.category, observed.week_start

),

keys as (

    select
        scope,
        market,
        category,
        week_start
    from indexed

    union

    select
        scope,
        market,
        category,
        week_start
    from suspicious

),

final as (

    select
        ---------- keys
        keys.market,
        keys.category,
        keys.week_start,
        keys.scope as competitor,

        ---------- index
        100.0 * (indexed.our_basket_home / nullif(indexed.their_basket_home, 0)) as price_index,
        -- the index itself is among them, for sums of doubles differ in their last digit
        100.0 * least(
            sure_products.our_home / nullif(sure_products.their_highest_home, 0),
            doubtful_bounds.lowest_ratio,
            indexed.our_basket_home / nullif(indexed.their_basket_home, 0)
        ) as price_index_low,
        100.0 * greatest(
            sure_products.our_home / nullif(sure_products.their_lowest_home, 0),
            doubtful_bounds.highest_ratio,
            indexed.our_basket_home / nullif(indexed.their_basket_home, 0)
        ) as price_index_high,
        100.0 * indexed.our_sold_basket_home / nullif(indexed.their_sold_basket_home, 0)
            as price_index_sold,
        cast(indexed.our_basket_home as decimal(28, 4)) as our_basket_home,
        cast(indexed.their_basket_home as decimal(28, 4)) as their_basket_home,

        ---------- weights
        indexed.weights_basis,
        indexed.weight_total,

        ---------- what it rests on
        cast(coalesce(indexed.matched_products, 0) as bigint) as matched_products,
        cast(coalesce(indexed.matched_offers, 0) as bigint) as matched_offers,
        cast(coalesce(indexed.doubtful_offers, 0) as bigint) as doubtful_offers,
        cast(coalesce(indexed.tax_unknown_offers, 0) as bigint) as tax_unknown_offers,
        100.0 * indexed.weighted_revenue_home / nullif(
            case indexed.weights_basis
                when 'units of the week' then category_sales.revenue_home
                when 'equal' then null
                else category_sales.trailing_revenue_home
            end,
            0
        ) as coverage_pct,
        cast(coalesce(indexed.observations, 0) as bigint) as observations,
        100.0 * cast(indexed.stale_observations as double)
        / nullif(cast(indexed.observations as double), 0) as stale_share_pct,
        cast(coalesce(suspicious.suspicious_left_out, 0) as bigint) as suspicious_left_out
    from keys
    left join indexed
        on keys.scope = indexed.scope
        and keys.market = indexed.market
        and keys.category = indexed.category
        and keys.week_start = indexed.week_start
    left join sure_products
        on keys.scope = sure_products.scope
        and keys.market = sure_products.market
        and keys.category = sure_products.category
        and keys.week_start = sure_products.week_start
    left join doubtful_bounds
        on keys.scope = doubtful_bounds.scope
        and keys.market = doubtful_bounds.market
        and keys.category = doubtful_bounds.category
        and keys.week_start = doubtful_bounds.week_start
    left join suspicious
        on keys.scope = suspicious.scope
        and keys.market = suspicious.market
        and keys.category = suspicious.category
        and keys.week_start = suspicious.week_start
    left join category_sales
        on keys.market = category_sales.market
        and keys.category = category_sales.category
        and keys.week_start = category_sales.week_start

)

select * from final

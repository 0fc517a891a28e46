{%- set launch_weeks = 52 -%}
{%- set baseline_weeks = 8 -%}
{#- one launch or two are no curve -#}
{%- set curve_launches = 3 -%}
with

categories as (

    select * from {{ ref('int_products__categories') }}

),

products as (

    select * from {{ ref('dim_product') }}

),

positions as (

    select * from {{ ref('mart_price_position__product_market_day') }}

),

reviews as (

    select *
    from {{ ref('int_reviews__stars') }}
    where competitor = 'own'

),

span as (

    select
        min(first_order_date) as first_day,
        max(last_order_date) as last_day
    from {{ ref('int_sales__product_months') }}
    where line_kind = 'product'

),

launches as (

    select
        products.product_id,
        products.name as product_name,
        categories.category,
        products.launched_on,
        span.last_day,
        span.first_day <= {{ days_after('products.launched_on', -7 * baseline_weeks) }}
            as has_baseline
    from products
    cross join span
    inner join categories
        on products.product_id = categories.product_id
    where products.launched_on > span.first_day and products.launched_on <= span.last_day

),

first_launch as (

    select min(launched_on) as launched_on from launches

),

-- earlier days are no baseline of any launch
category_days as (

    select
        categories.category,
        product_days.order_date,
        sum(product_days.units) as units
    from {{ ref('int_sales__product_days') }} as product_days
    cross join first_launch
    inner join categories
        on product_days.product_id = categories.product_id
    where
        product_days.order_date
        >= {{ days_after('first_launch.launched_on', -7 * baseline_weeks) }}
    group by categories.category, product_days.order_date

),

week_bounds as (

    select
        cast('2000-01-01' as date) as first_day,
        cast('{{ modules.datetime.date(2000, 1, 1) + modules.datetime.timedelta(launch_weeks - 1) }}' as date) as last_day -- noqa: LT05
),

week_numbers as (

    {{ calendar_days('week_bounds', 'first_day', 'last_day') }}

),

-- whole weeks only: what the last days hold is no week
weeks as (

    select
        launches.*,
        {{ dbt.datediff("cast('2000-01-01' as date)", 'week_numbers.day', 'day') }} as launch_week -- noqa: LT05
    from launches
    cross join week_numbers
    where
        {{ days_after(
            'launches.launched_on',
            "7 * " ~ dbt.datediff("cast('2000-01-01' as date)", 'week_numbers.day', 'day') ~ " + 6"
        ) }} <= launches.last_day

),

own_sales as (

    select
        launches.product_id,
        cast(floor(
            {{ dbt.datediff('launches.launched_on', 'product_days.order_date', 'day') }} / 7.0 -- noqa: LT05
        ) as integer) as launch_week,
        sum(product_days.units) as units,
        sum(product_days.net_amount_home) as revenue_home
    from launches
    inner join {{ ref('int_sales__product_days') }} as product_days
        on launches.product_id = product_days.product_id
    group by
        launches.product_id,
        cast(floor(
            {{ dbt.datediff('launches.launched_on', 'product_days.order_date', 'day') }} / 7.0 -- noqa: LT05
        ) as integer)

),

-- the rest of the category, and all other categories, by week from the launch
surroundings as (

    select
        launches.product_id,
        cast(floor(
            {{ dbt.datediff('launches.launched_on', 'category_days.order_date', 'day') }} / 7.0 -- noqa: LT05
        ) as integer) as launch_week,
        sum(case when category_days.category = launches.category then category_days.units end)
            as category_units,
        sum(case when category_days.category <> launches.category then category_days.units end)
            as other_units
    from launches
    cross join category_days
    group by
        launches.product_id,
        cast(floor(
            {{ dbt.datediff('launches.launched_on', 'category_days.order_date', 'day') }} / 7.0 -- noqa: LT05
        ) as integer)

),

baselines as (

    select
        surroundings.product_id,
        cast(sum(
            coalesce(surroundings.category_units, 0) - coalesce(own_sales.units, 0)
        ) as double) / {{ baseline_weeks }} as category_units,
        cast(sum(coalesce(surroundings.other_units, 0)) as double) / {{ baseline_weeks }}
            as other_units
    from surroundings
    left join own_sales
        on surroundings.product_id = own_sales.product_id
        and surroundings.launch_week = own_sales.launch_week
    where surroundings.launch_week between -{{ baseline_weeks }} and -1
    group by surroundings.product_id

),

measured as (

    select
        weeks.*,
        cast(coalesce(own_sales.units, 0) as double) as units,
        cast(sum(coalesce(own_sales.units, 0)) over (
            partition by weeks.product_id
            order by weeks.launch_week
            rows between unbounded preceding and current row
        ) as double) as units_to_date,
        cast(coalesce(own_sales.revenue_home, 0) as decimal(38, 4)) as revenue_home,
        cast(sum(coalesce(own_sales.revenue_home, 0)) over (
            partition by weeks.product_id
            order by weeks.launch_week
            rows between unbounded preceding and current row
        ) as decimal(38, 4)) as revenue_home_to_date,
        cast(coalesce(surroundings.category_units, 0) - coalesce(own_sales.units, 0) as double)
            as rest_units,
        case
            when weeks.has_baseline
                then
                    baselines.category_units
                    * coalesce(
                        cast(coalesce(surroundings.other_units, 0) as double)
                        / nullif(baselines.other_units, 0),
                        1
                    )
        end as expected_rest_units
    from weeks
    left join own_sales
        on weeks.product_id = own_sales.product_id
        and weeks.launch_week = own_sales.launch_week
    left join surroundings
        on weeks.product_id = surroundings.product_id
        and weeks.launch_week = surroundings.launch_week
    left join baselines
        on weeks.product_id = baselines.product_id

),

-- weeks above and below what was expected cancel out: cut off week by week, chance would add up
running as (

    select
        *,
        cast(sum(cast(expected_rest_units - rest_units as decimal(30, 12))) over (
            partition by product_id
            order by launch_week
            rows between unbounded preceding and current row
        ) as double) as missing_rest_units_to_date
    from measured

),

earlier_launches as (

    select
        measured.product_id,
        measured.launch_week,
        count(*) as launches,
        sum(earlier.revenue_home_to_date) as revenue_home_to_date,
        count(case when measured.category = earlier.category then 1 end) as category_launches,
        sum(case when measured.category = earlier.category then earlier.revenue_home_to_date end)
            as category_revenue_home_to_date
    from measured
    inner join measured as earlier
        on measured.launch_week = earlier.launch_week
        and measured.launched_on > earlier.launched_on
    group by measured.product_id, measured.launch_week

),

-- a lamp is launched otherwise than a crane: launches of the category first. Money is compared, not
-- units, of which a cheap product sells many
curves as (

    select
        product_id,
        launch_week,
        'launches of the category' as curve_of,
        category_launches as launches,
        cast(category_revenue_home_to_date as double) / nullif(category_launches, 0)
            as revenue_home_to_date
    from earlier_launches
    where category_launches >= {{ curve_launches }}

    union all

    select
        product_id,
        launch_week,
        'all launches' as curve_of,
        launches,
        cast(revenue_home_to_date as double) / nullif(launches, 0) as revenue_home_to_date
    from earlier_launches
    where category_launches < {{ curve_launches }} and launches >= {{ curve_launches }}

    union all

    select
        product_id,
        launch_week,
        'too few earlier launches' as curve_of,
        launches,
        cast(null as double) as revenue_home_to_date
    from earlier_launches
    where launches < {{ curve_launches }}

),

prices as (

    select
        launches.product_id,
        {{ exact_avg('positions.price_index') }} as launch_price_index
    from launches
    inner join positions
        on launches.product_id = positions.product_id
    where
        positions.price_date >= launches.launched_on
        and positions.price_date < {{ days_after('launches.launched_on', 28) }}
    group by launches.product_id

),

review_weeks as (

    select
        weeks.product_id,
        weeks.launch_week,
        count(*) as reviews_to_date,
        cast(sum(reviews.stars) as double) / count(*) as stars_mean_to_date
    from weeks
    inner join reviews
        on weeks.product_id = reviews.product_id
    where
        reviews.review_date >= weeks.launched_on
        and reviews.review_date
        < {{ days_after('weeks.launched_on', '7 * weeks.launch_week + 7') }}
    group by weeks.product_id, weeks.launch_week

),

final as (

    select
        ---------- keys
        running.product_id,
        cast(running.launch_week as integer) as launch_week,

        ---------- attributes
        running.product_name,
        running.category,
        running.launched_on,
        {{ days_after('running.launched_on', '7 * running.launch_week') }} as week_start,

        ---------- units, and revenue against earlier launches
        running.units,
        running.units_to_date,
        running.revenue_home,
        running.revenue_home_to_date,
        cast(coalesce(curves.launches, 0) as bigint) as earlier_launches,
        coalesce(curves.curve_of, 'too few earlier launches') as curve_of,
        curves.revenue_home_to_date as curve_revenue_home_to_date,
        case
            when curves.revenue_home_to_date > 0
                then
                    100.0 * cast(running.revenue_home_to_date as double)
                    / nullif(curves.revenue_home_to_date, 0)
        end as curve_index,

        ---------- price and reviews
        prices.launch_price_index,
        coalesce(review_weeks.reviews_to_date, 0) as reviews_to_date,
        review_weeks.stars_mean_to_date,

        ---------- what it took from the rest of the category
        running.rest_units,
        running.expected_rest_units,
        -- `greatest` and `least` would take an unknown for none at all
        case
            when running.missing_rest_units_to_date is not null
                then
                    greatest(
                        least(running.missing_rest_units_to_date, running.units_to_date), 0.0
                    )
        end as cannibalised_units_to_date
    from running
    left join curves
        on running.product_id = curves.product_id
        and running.launch_week = curves.launch_week
    left join prices
        on running.product_id = prices.product_id
    left join review_weeks
        on running.product_id = review_weeks.product_id
        and running.launch_week = review_weeks.launch_week

)

select * from final

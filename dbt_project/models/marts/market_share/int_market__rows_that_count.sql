{{ config(schema='intermediate', contract={'enforced': false}) }}

-- Market figures come at several depths and sometimes from several publishers. Of each firm the
-- coarsest rows delivered count (a figure of all outlets before one of each, its total before its
-- brands, brands before products), and of several publishers the latest one, so that nothing is
-- counted twice. What is a sample of outlets or products is projected to all of them.

with

market_sales as (

    select
        *,
        {{ month_of('period_start') }} as period_month,
        {{ comparable('category') }} as category_key,
        -- one spelling for all periods
        min(trim(category)) over (partition by {{ comparable('category') }}) as category_name,
        min(trim(firm)) over (partition by {{ comparable('firm') }}) as firm_name,
        case
            when firm is not null then 'firm'
            when brand is null and product is null then 'whole market'
            else 'unnamed firm'
        end as level,
        case when product is not null then 2 when brand is not null then 1 else 0 end as depth,
        case when outlet is not null then 3 else 0 end as outlet_depth,
        case sample_of
            when 'outlets' then outlet
            when 'products' then concat_ws('|', firm, brand, product)
        end as sampled_unit
    from {{ ref('fct_market_sales') }}

),

-- the total of one publisher may stand beside the firms of another, but never two totals
publishers as (

    select
        period,
        period_month,
        market,
        category_key,
        level,
        coalesce(publisher, '') as publisher_name
    from market_sales
    group by period, period_month, market, category_key, level, coalesce(publisher, '')
    qualify row_number() over (
        partition by period, period_month, market, category_key, level
        order by max(published_on) desc nulls last, coalesce(publisher, '') desc
    ) = 1

),

published as (

    select market_sales.*
    from market_sales
    inner join publishers
        on market_sales.period = publishers.period
        and market_sales.period_month = publishers.period_month
        and market_sales.market = publishers.market
        and market_sales.category_key = publishers.category_key
        and market_sales.level = publishers.level
        and coalesce(market_sales.publisher, '') = publishers.publisher_name

),

depths as (

    select
        *,
        min(depth + outlet_depth) over (
            partition by period, period_month, market, category_key, level, firm_name
        ) as coarsest_depth,
        max(case when depth = 0 and origin is null then 1 else 0 end) over (
            partition by period, period_month, market, category_key, level, firm_name, outlet
        ) as has_total_of_origins
    from published

),

counted as (

    select *
    from depths
    where
        depth + outlet_depth = coarsest_depth
        and (depth > 0 or origin is null or has_total_of_origins = 0)

),

-- the sample is of the market, whichever firms each outlet sells
samples as (

    select
        period,
        period_month,
        market,
        category_key,
        count(distinct sampled_unit) as sample_size,
        max(universe_size) as sample_universe
    from counted
    where sampled_unit is not null
    group by period, period_month, market, category_key

),

projected as (

    select
        counted.*,
        samples.sample_size,
        samples.sample_universe,
        case
            when samples.sample_universe > samples.sample_size
                then samples.sample_universe / samples.sample_size
        end as expansion
    from counted
    left join samples
        on counted.sampled_unit is not null
        and counted.period = samples.period
        and counted.period_month = samples.period_month
        and counted.market = samples.market
        and counted.category_key = samples.category_key

),

final as (

    select
        ---------- keys
        period,
        period_month as period_start,
        market,
        category_key,
        level,
        firm_name as firm,
        origin,
        product,
        outlet,

        ---------- text
        category_name as category,
        publisher,
        edition,

        ---------- measures
        case
            when expansion is null then units else cast(units * expansion as decimal(28, 4))
        end as units,
        case
            when expansion is null then value_home
            else cast(value_home * expansion as decimal(28, 4))
        end as value_home,
        value_low_home,
        value_high_home,
        buyers,
        buyers_category_units,
        buyers_category_value_home,

        ---------- the sample, as drawn
        sample_of,
        sampled_unit,
        sample_size,
        sample_universe as universe_size,
        units as units_sampled,
        value_home as value_sampled_home,

        ---------- flags and dates
        is_own,
        {{ is_remainder('firm_name') }} as is_remainder,
        published_on
    from projected

)

select * from final

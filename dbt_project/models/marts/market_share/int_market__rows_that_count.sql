{{ config(schema='intermediate', contract={'enforced': false}) }}

-- Market figures come at several depths and sometimes from several publishers. Of each firm the
-- coarsest rows delivered count (its total before its brands, brands before products), and of
-- several publishers the latest one, so that nothing is counted twice.

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
        case when product is not null then 2 when brand is not null then 1 else 0 end as depth
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
        min(depth) over (
            partition by period, period_month, market, category_key, level, firm_name
        ) as coarsest_depth,
        max(case when depth = 0 and origin is null then 1 else 0 end) over (
            partition by period, period_month, market, category_key, level, firm_name
        ) as has_total_of_origins
    from published

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

        ---------- text
        category_name as category,
        publisher,
        edition,

        ---------- measures
        units,
        value_home,
        value_low_home,
        value_high_home,

        ---------- flags and dates
        is_own,
        {{ is_remainder('firm_name') }} as is_remainder,
        published_on
    from depths
    where
        depth = coarsest_depth
        and (depth > 0 or origin is null or has_total_of_origins = 0)

)

select * from final

{{ config(schema='intermediate', contract={'enforced': false}) }}

-- The market in each period: the publisher's own total where there is one, else the sum of the
-- firms it names, else of the brands and products whose firm it does not name.

with

blocks as (

    select * from {{ ref('int_market__period_blocks') }}

),

market_rows as (

    select * from {{ ref('int_market__rows_that_count') }}

),

delivered as (

    {{ market_totals('market_rows') }}

),

-- without a range both bounds are the value; with half of one the other bound is not known
bounded as (

    select
        *,
        case
            when market_value_low_home is null and market_value_high_home is null
                then market_value_home
            else market_value_low_home
        end as lower_bound_home,
        case
            when market_value_low_home is null and market_value_high_home is null
                then market_value_home
            else market_value_high_home
        end as upper_bound_home
    from delivered

),

-- who published the figure that counts as the market
sources as (

    select
        market_rows.period,
        market_rows.period_start,
        market_rows.market,
        market_rows.category_key,
        max(market_rows.publisher) as publisher,
        max(market_rows.edition) as edition,
        max(market_rows.published_on) as published_on,
        max(market_rows.sample_of) as sample_of,
        min(case when market_rows.sample_of is null then 0 else 1 end) as is_sample,
        max(market_rows.sample_size) as sample_size,
        max(market_rows.universe_size) as universe_size,
        count(distinct market_rows.outlet) as outlets,
        count(distinct market_rows.product) as products
    from market_rows
    inner join delivered
        on market_rows.period = delivered.period
        and market_rows.period_start = delivered.period_start
        and market_rows.market = delivered.market
        and market_rows.category_key = delivered.category_key
    where
        market_rows.level = delivered.basis_level
    group by
        market_rows.period,
        market_rows.period_start,
        market_rows.market,
        market_rows.category_key

),

put_together as (

    select
        ---------- keys
        blocks.period,
        blocks.period_start,
        blocks.market,
        blocks.category_key,

        ---------- text
        min(bounded.category) as category,
        case
            when min(sources.publisher) = max(sources.publisher) then max(sources.publisher)
            when max(sources.publisher) is not null then 'several'
        end as publisher,
        case
            when min(sources.edition) = max(sources.edition) then max(sources.edition)
            when max(sources.edition) is not null then 'several'
        end as edition,
        case
            when min(bounded.has_total) = 1 then 'whole market'
            when max(bounded.has_total) = 1 then 'mixed'
            when min(bounded.has_firms) = 1 then 'sum of named firms'
            else 'sum of brands and products'
        end as market_basis,

        ---------- measures
        -- a measure that one block lacks would be summed over fewer months than ours is
        case
            when count(bounded.market_units) = count(*) then sum(bounded.market_units)
        end as market_units,
        case
            when count(bounded.market_value_home) = count(*)
                then sum(bounded.market_value_home)
        end as market_value_home,
        case
            when
                count(bounded.market_value_low_home) > 0
                and count(bounded.lower_bound_home) = count(*)
                then sum(bounded.lower_bound_home)
        end as market_value_low_home,
        case
            when
                count(bounded.market_value_high_home) > 0
                and count(bounded.upper_bound_home) = count(*)
                then sum(bounded.upper_bound_home)
        end as market_value_high_home,
        sum(blocks.block_months) as covered_months,
        sum(case when bounded.has_firms = 1 then blocks.block_months else 0 end)
            as months_with_firms,
        max(blocks.period_months) as period_months,

        ---------- the sample that the market is projected from; the largest of the parts
        case when min(sources.is_sample) = 1 then max(sources.sample_of) end as sample_of,
        max(case when sources.sample_of is null then 0 else 1 end) = 1 as has_sample,
        max(sources.sample_size) as sample_size,
        max(sources.universe_size) as universe_size,
        max(sources.outlets) as outlets,
        max(sources.products) as products,

        ---------- flags and dates
        max(case when blocks.block_period <> blocks.period then 1 else 0 end) = 1 as is_rolled_up,
        max(sources.published_on) as published_on
    from blocks
    inner join bounded
        on blocks.block_period = bounded.period
        and blocks.block_start = bounded.period_start
        and blocks.market = bounded.market
        and blocks.category_key = bounded.category_key
    inner join sources
        on blocks.block_period = sources.period
        and blocks.block_start = sources.period_start
        and blocks.market = sources.market
        and blocks.category_key = sources.category_key
    group by blocks.period, blocks.period_start, blocks.market, blocks.category_key

),

-- how sure the figure of each market can be
final as (

    select
        *,
        case
            when sample_of is not null and universe_size <= sample_size then 'census'
            when sample_of is not null then 'cluster bootstrap over ' || sample_of
            when has_sample then 'none'
            when market_value_low_home is not null or market_value_high_home is not null
                then 'published range'
            else 'census'
        end as interval_method
    from put_together

)

select * from final

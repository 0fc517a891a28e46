with

blocks as (

    select * from {{ ref('int_market__period_blocks') }}

),

market_rows as (

    select * from {{ ref('int_market__rows_that_count') }}

),

company as (

    select home_market from {{ source('raw', 'company') }}

),

-- a firm that makes in several countries has a row for each
firm_origins as (

    select
        blocks.period,
        blocks.period_start,
        blocks.market,
        blocks.category_key,
        market_rows.firm,
        market_rows.origin,
        -- a row without a figure leaves the firm without one, rather than with too small a one
        case when count(market_rows.units) = count(*) then sum(market_rows.units) end as units,
        case when count(market_rows.value_home) = count(*) then sum(market_rows.value_home) end
            as value_home,
        max(case when market_rows.is_own then 1 else 0 end) as own_rows,
        max(case when market_rows.is_remainder then 1 else 0 end) as remainder_rows
    from blocks
    inner join market_rows
        on blocks.block_period = market_rows.period
        and blocks.block_start = market_rows.period_start
        and blocks.market = market_rows.market
        and blocks.category_key = market_rows.category_key
    where market_rows.level = 'firm'
    group by
        blocks.period,
        blocks.period_start,
        blocks.market,
        blocks.category_key,
        market_rows.firm,
        market_rows.origin

),

main_origins as (

    select *
    from firm_origins
    qualify row_number() over (
        partition by period, period_start, market, category_key, firm
        order by
            case when origin is null then 1 else 0 end,
            units desc nulls last,
            value_home desc nulls last,
            origin asc
    ) = 1

),

firms as (

    select
        period,
        period_start,
        market,
        category_key,
        firm,
        case when count(units) = count(*) then sum(units) end as units,
        case when count(value_home) = count(*) then sum(value_home) end as value_home,
        max(own_rows) as own_rows,
        max(remainder_rows) as remainder_rows
    from firm_origins
    group by period, period_start, market, category_key, firm

),

totals as (

    select * from {{ ref('int_market__period_totals') }}

),

final as (

    select
        ---------- keys
        firms.period_start,
        firms.period,
        firms.market,
        totals.category,
        firms.firm,

        ---------- measures
        cast(firms.units as decimal(38, 4)) as units,
        cast(firms.value_home as decimal(38, 4)) as value_home,
        -- firms named in some months only cannot be held against a market of them all
        case
            when totals.months_with_firms = totals.covered_months
                then
                    100.0 * cast(firms.units as double)
                    / nullif(cast(totals.market_units as double), 0)
        end as volume_share_pct,
        case
            when totals.months_with_firms = totals.covered_months
                then
                    100.0 * cast(firms.value_home as double)
                    / nullif(cast(totals.market_value_home as double), 0)
        end as value_share_pct,
        case
            when
                totals.interval_method = 'published range'
                and totals.months_with_firms = totals.covered_months
                then
                    100.0 * cast(firms.value_home as double)
                    / nullif(cast(totals.market_value_high_home as double), 0)
        end as value_share_low_pct,
        case
            when
                totals.interval_method = 'published range'
                and totals.months_with_firms = totals.covered_months
                then
                    100.0 * cast(firms.value_home as double)
                    / nullif(cast(totals.market_value_low_home as double), 0)
        end as value_share_high_pct,
        case when totals.interval_method like 'cluster%' then 'none' else totals.interval_method end
            as interval_method,
        case
            when totals.interval_method like 'cluster%'
                then 'of a sample, our own share alone is resampled'
            when totals.interval_method = 'none' then 'only a part of the period is a sample'
        end as interval_reason,
        case
            when
                firms.value_home is not null
                and firms.remainder_rows = 0
                and totals.months_with_firms = totals.covered_months
                then cast(rank() over (
                    partition by
                        firms.period,
                        firms.period_start,
                        firms.market,
                        firms.category_key,
                        firms.remainder_rows
                    order by firms.value_home desc nulls last
                ) as bigint)
        end as rank_by_value,

        ---------- attributes
        main_origins.origin,
        case
            when firms.own_rows = 1 then firms.market = company.home_market
            else {{ comparable('main_origins.origin') }} = {{ comparable('firms.market') }}
        end as is_domestic,
        firms.own_rows = 1 as is_own,
        firms.remainder_rows = 1 as is_remainder,

        ---------- how far the figures reach
        100.0 * totals.covered_months / nullif(totals.period_months, 0) as coverage_pct,
        totals.market_basis,
        totals.publisher,
        totals.edition,
        totals.published_on,
        totals.sample_of,
        case when totals.sample_of is not null then cast(totals.sample_size as bigint) end
            as sample_size,
        totals.universe_size
    from firms
    inner join totals
        on firms.period = totals.period
        and firms.period_start = totals.period_start
        and firms.market = totals.market
        and firms.category_key = totals.category_key
    inner join main_origins
        on firms.period = main_origins.period
        and firms.period_start = main_origins.period_start
        and firms.market = main_origins.market
        and firms.category_key = main_origins.category_key
        and firms.firm = main_origins.firm
    cross join company

)

select * from final

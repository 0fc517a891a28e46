with

figures as (

    select
        *,
        value * fx_rate as amount_home,
        {{ month_of('period_start') }} as cell_month,
        {{ comparable('category') }} as cell_category,
        -- where no day is told, the names of the editions tell their order
        case when published_on is null then coalesce(edition, '') else '' end as undated_edition
    from {{ ref('int_market_sales__converted') }}
    where fx_rate is not null or value is null

),

shares as (

    select
        *,
        {{ comparable('category') }} as category_key
    from {{ ref('mart_market_share__market_category_period') }}
    where not is_rolled_up

),

publications as (

    select
        period,
        cell_month,
        market,
        cell_category,
        published_on,
        undated_edition,
        row_number() over (
            partition by period, cell_month, market, cell_category
            order by published_on asc nulls first, undated_edition asc
        ) as publication,
        count(*) over (partition by period, cell_month, market, cell_category) as publications,
        lead(published_on) over (
            partition by period, cell_month, market, cell_category
            order by published_on asc nulls first, undated_edition asc
        ) as replaced_on
    from figures
    group by period, cell_month, market, cell_category, published_on, undated_edition

),

-- what had been published by then, of each publisher the edition that was its latest then
known as (

    select
        figures.period_start,
        figures.period,
        figures.market,
        figures.category,
        figures.firm,
        figures.brand,
        figures.product,
        figures.origin,
        figures.outlet,
        figures.publisher,
        figures.edition,
        figures.published_on,
        figures.sample_of,
        figures.universe_size,
        figures.currency,
        figures.units,
        figures.value as value_local,
        cast(figures.amount_home as decimal(28, 4)) as value_home,
        cast(figures.value_low * figures.fx_rate as decimal(28, 4)) as value_low_home,
        cast(figures.value_high * figures.fx_rate as decimal(28, 4)) as value_high_home,
        figures.buyers,
        figures.buyers_category_units,
        cast(figures.buyers_category_value * figures.fx_rate as decimal(28, 4))
            as buyers_category_value_home,
        figures.is_own,
        publications.publication
    from publications
    inner join figures
        on publications.period = figures.period
        and publications.cell_month = figures.cell_month
        and publications.market = figures.market
        and publications.cell_category = figures.cell_category
        and (
            publications.published_on > figures.published_on
            or (publications.published_on is not null and figures.published_on is null)
            or (
                coalesce(publications.published_on, date '0001-01-01')
                = coalesce(figures.published_on, date '0001-01-01')
                and publications.undated_edition >= figures.undated_edition
            )
        )
    where publications.publications > 1
    qualify dense_rank() over (
        partition by
            publications.publication,
            figures.period,
            figures.period_start,
            figures.market,
            figures.cell_category,
            figures.publisher
        order by figures.published_on desc nulls last, figures.edition desc nulls last
    ) = 1

),

counted as (

    {{ market_rows_that_count('known', ['publication']) }}

),

totals as (

    {{ market_totals('counted', ['publication']) }}

),

sources as (

    select
        counted.publication,
        counted.period,
        counted.period_start,
        counted.market,
        counted.category_key,
        max(counted.publisher) as publisher,
        max(counted.edition) as edition
    from counted
    inner join totals
        on {{ same(
            'counted',
            'totals',
            ['publication', 'period', 'period_start', 'market', 'category_key'],
        ) }}
        and counted.level = totals.basis_level
    group by
        counted.publication,
        counted.period,
        counted.period_start,
        counted.market,
        counted.category_key

),

own_firms as (

    select
        publication,
        period,
        period_start,
        market,
        category_key,
        case when count(units) = count(*) then sum(units) end as units,
        case when count(value_home) = count(*) then sum(value_home) end as value_home
    from counted
    where is_own
    group by publication, period, period_start, market, category_key

),

known_shares as (

    select
        totals.publication,
        totals.period,
        totals.period_start,
        totals.market,
        shares.category,
        shares.is_domestic,
        shares.own_source,
        sources.publisher,
        sources.edition,
        publications.published_on,
        publications.replaced_on,
        publications.publication = publications.publications as is_current,
        totals.market_units,
        totals.market_value_home,
        case when shares.own_source = 'market data' then own_firms.units else shares.own_units end
            as own_units,
        case
            when shares.own_source = 'market data' then own_firms.value_home
            else shares.own_value_home
        end as own_value_home
    from totals
    inner join sources
        on {{ same(
            'totals',
            'sources',
            ['publication', 'period', 'period_start', 'market', 'category_key'],
        ) }}
    inner join publications
        on totals.publication = publications.publication
        and totals.period = publications.period
        and totals.period_start = publications.cell_month
        and totals.market = publications.market
        and totals.category_key = publications.cell_category
    -- what was delivered for a period is in the mart of market share, as its latest edition says
    inner join shares
        on {{ same('totals', 'shares', ['period', 'period_start', 'market', 'category_key']) }}
    left join own_firms
        on {{ same(
            'totals',
            'own_firms',
            ['publication', 'period', 'period_start', 'market', 'category_key'],
        ) }}

),

shared as (

    select
        *,
        100.0 * cast(own_units as double) / nullif(cast(market_units as double), 0)
            as volume_share_pct,
        100.0 * cast(own_value_home as double) / nullif(cast(market_value_home as double), 0)
            as value_share_pct
    from known_shares

),

final as (

    select
        ---------- keys
        now.period_start,
        now.period,
        now.market,
        now.category,
        cast(now.publication as bigint) as publication,
        now.is_domestic,

        ---------- whose figure it was, and how long
        now.publisher,
        now.edition,
        now.published_on,
        now.replaced_on,
        now.is_current,
        before.publisher as publisher_before,
        before.edition as edition_before,

        ---------- the market
        cast(now.market_units as decimal(38, 4)) as market_units,
        cast(before.market_units as decimal(38, 4)) as market_units_before,
        cast(now.market_value_home as decimal(38, 4)) as market_value_home,
        cast(before.market_value_home as decimal(38, 4)) as market_value_before_home,
        cast(now.market_value_home - before.market_value_home as decimal(38, 4))
            as market_value_change_home,
        100.0 * cast(now.market_value_home - before.market_value_home as double)
        / nullif(cast(before.market_value_home as double), 0) as market_value_change_pct,

        ---------- our share of it
        now.own_source,
        cast(now.own_units as decimal(38, 4)) as own_units,
        cast(now.own_value_home as decimal(38, 4)) as own_value_home,
        now.volume_share_pct,
        before.volume_share_pct as volume_share_before_pct,
        now.volume_share_pct - before.volume_share_pct as volume_share_restated_pp,
        now.value_share_pct,
        before.value_share_pct as value_share_before_pct,
        now.value_share_pct - before.value_share_pct as value_share_restated_pp
    from shared as now
    left join shared as before
        on {{ same('now', 'before', ['period', 'period_start', 'market', 'category']) }}
        and now.publication = before.publication + 1

)

select * from final

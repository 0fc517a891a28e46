-- What a period was known to be after each publication. A figure that was delivered is counted anew
-- as it was known then; what is rolled up is put together from the figures known on each day.

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
        {{ comparable('category') }} as category_key,
        max(
            case
                when own_source = 'own sales' and (own_units <> 0 or own_value_home <> 0) then 1
                else 0
            end
        ) over (partition by market, {{ comparable('category') }}) as sells_there
    from {{ ref('mart_market_share__market_category_period') }}

),

own_firms_now as (

    select
        period,
        period_start,
        market,
        category,
        case when count(units) = count(*) then sum(units) end as units,
        case when count(value_home) = count(*) then sum(value_home) end as value_home
    from {{ ref('mart_market_share__market_category_firm_period') }}
    where is_own
    group by period, period_start, market, category

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
        coalesce(published_on, date '0001-01-01') as known_from,
        coalesce(
            lead(published_on) over (
                partition by period, cell_month, market, cell_category
                order by published_on asc nulls first, undated_edition asc
            ),
            -- of several without a day only the last is known
            case
                when
                    lead(undated_edition) over (
                        partition by period, cell_month, market, cell_category
                        order by published_on asc nulls first, undated_edition asc
                    ) is null
                    then date '9999-12-31'
                else date '0001-01-01'
            end
        ) as known_until
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

-- each figure that was delivered, as known after each publication of it
cells as (

    select
        publications.period,
        publications.cell_month as period_start,
        publications.market,
        publications.cell_category as category_key,
        publications.publication,
        publications.known_from,
        publications.known_until,
        case publications.period when 'month' then 1 when 'quarter' then 3 else 12 end as months,
        {{ month_of("date_trunc('quarter', publications.cell_month)") }} as quarter_start,
        {{ month_of("date_trunc('year', publications.cell_month)") }} as year_start,
        min(publications.known_from) over (
            partition by
                publications.period,
                publications.cell_month,
                publications.market,
                publications.cell_category
        ) as known_first,
        case when publications.publications = 1 then shares.publisher else sources.publisher end
            as publisher,
        case when publications.publications = 1 then shares.edition else sources.edition end
            as edition,
        case
            when publications.publications = 1 then shares.market_units else totals.market_units
        end as market_units,
        case
            when publications.publications = 1 then shares.market_value_home
            else totals.market_value_home
        end as market_value_home,
        coalesce(own_firms.period, own_firms_now.period) as names_us,
        case
            when publications.publications = 1 then own_firms_now.units else own_firms.units
        end as firm_units,
        case
            when publications.publications = 1 then own_firms_now.value_home
            else own_firms.value_home
        end as firm_value_home,
        case when shares.sample_of is not null then 1 else 0 end as is_sampled,
        case when shares.own_source = 'own sales' then 1 else 0 end as tells_sales,
        case when shares.own_source = 'own sales' then shares.sells_there else 0 end as has_sales,
        case
            when shares.own_source = 'own sales' then shares.own_units
            when shares.own_source is not null or shares.sample_of is null then 0
        end as sold_units,
        case
            when shares.own_source = 'own sales' then shares.own_value_home
            when shares.own_source is not null or shares.sample_of is null then 0
        end as sold_value_home
    from publications
    -- what was delivered for a period is in the mart of market share, as its latest edition says
    inner join shares
        on publications.period = shares.period
        and publications.cell_month = shares.period_start
        and publications.market = shares.market
        and publications.cell_category = shares.category_key
    left join totals
        on publications.publication = totals.publication
        and publications.period = totals.period
        and publications.cell_month = totals.period_start
        and publications.market = totals.market
        and publications.cell_category = totals.category_key
    left join sources
        on {{ same(
            'totals',
            'sources',
            ['publication', 'period', 'period_start', 'market', 'category_key'],
        ) }}
    left join own_firms
        on {{ same(
            'totals',
            'own_firms',
            ['publication', 'period', 'period_start', 'market', 'category_key'],
        ) }}
    left join own_firms_now
        on publications.publications = 1
        and {{ same('shares', 'own_firms_now', ['period', 'period_start', 'market', 'category']) }}

),

-- what a quarter or a year can be put together from
parts as (

    select
        cells.*,
        'quarter' as whole_period,
        cells.quarter_start as whole_start
    from cells
    where cells.period = 'month'

    union all

    select
        cells.*,
        'year' as whole_period,
        cells.year_start as whole_start
    from cells
    where
        cells.period = 'month'
        or (cells.period = 'quarter' and cells.period_start = cells.quarter_start)

),

-- the days on which one of them was published, while the whole had not been published itself
days as (

    select distinct
        parts.whole_period as period,
        parts.whole_start as period_start,
        parts.market,
        parts.category_key,
        parts.known_from as known_on
    from parts
    left join cells
        on parts.whole_period = cells.period
        and parts.whole_start = cells.period_start
        and parts.market = cells.market
        and parts.category_key = cells.category_key
        and parts.known_from >= cells.known_first
    where cells.period is null

),

in_force as (

    select
        days.period as whole_period,
        days.period_start as whole_start,
        days.known_on,
        parts.*
    from days
    inner join parts
        on days.period = parts.whole_period
        and days.period_start = parts.whole_start
        and days.market = parts.market
        and days.category_key = parts.category_key
        and days.known_on >= parts.known_from
        and days.known_on < parts.known_until
    -- a month is in its quarter, once that was published
    left join cells as quarters
        on days.period = 'year'
        and parts.period = 'month'
        and quarters.period = 'quarter'
        and quarters.publication = 1
        and parts.quarter_start = quarters.period_start
        and parts.market = quarters.market
        and parts.category_key = quarters.category_key
        and days.known_on >= quarters.known_first
    where quarters.period is null

),

states as (

    select
        period,
        period_start,
        market,
        category_key,
        known_from as known_on,
        publication as cell_publication,
        case when publication > 1 then 1 else 0 end as parts_restated,
        months as covered_months,
        false as is_rolled_up,
        publisher,
        edition,
        market_units,
        market_value_home,
        case when names_us is not null then 1 else 0 end as parts_naming_us,
        is_sampled,
        tells_sales,
        has_sales,
        firm_units,
        firm_value_home,
        sold_units,
        sold_value_home
    from cells

    union all

    select
        whole_period as period,
        whole_start as period_start,
        market,
        category_key,
        known_on,
        0 as cell_publication,
        count(case when known_from = known_on and publication > 1 then 1 end) as parts_restated,
        sum(months) as covered_months,
        true as is_rolled_up,
        case
            when min(publisher) = max(publisher) then max(publisher)
            when max(publisher) is not null then 'several'
        end as publisher,
        case
            when min(edition) = max(edition) then max(edition)
            when max(edition) is not null then 'several'
        end as edition,
        case when count(market_units) = count(*) then sum(market_units) end as market_units,
        case when count(market_value_home) = count(*) then sum(market_value_home) end
            as market_value_home,
        count(names_us) as parts_naming_us,
        max(is_sampled) as is_sampled,
        max(tells_sales) as tells_sales,
        max(has_sales) as has_sales,
        case when count(firm_units) = count(names_us) then sum(firm_units) end as firm_units,
        case when count(firm_value_home) = count(names_us) then sum(firm_value_home) end
            as firm_value_home,
        case when count(sold_units) = count(*) then sum(sold_units) end as sold_units,
        case when count(sold_value_home) = count(*) then sum(sold_value_home) end
            as sold_value_home
    from in_force
    group by whole_period, whole_start, market, category_key, known_on
    having max(known_from) = known_on

),

numbered as (

    select
        *,
        row_number() over (
            partition by period, period_start, market, category_key
            order by known_on asc, cell_publication asc
        ) as publication,
        count(*) over (partition by period, period_start, market, category_key) as publications,
        lead(known_on) over (
            partition by period, period_start, market, category_key
            order by known_on asc, cell_publication asc
        ) as replaced_on,
        -- the order of the mart of market share
        case
            when parts_naming_us > 0 and is_sampled = 1 then 'market data'
            when has_sales = 1 then 'own sales'
            when parts_naming_us > 0 then 'market data'
            when tells_sales = 1 then 'own sales'
        end as known_source
    from states

),

known_shares as (

    select
        numbered.publication,
        numbered.period,
        numbered.period_start,
        numbered.market,
        shares.category,
        shares.is_domestic,
        case
            when numbered.publication = numbered.publications then shares.own_source
            else numbered.known_source
        end as own_source,
        numbered.publisher,
        numbered.edition,
        nullif(numbered.known_on, date '0001-01-01') as published_on,
        nullif(numbered.replaced_on, date '0001-01-01') as replaced_on,
        numbered.publication = numbered.publications as is_current,
        numbered.is_rolled_up,
        numbered.parts_restated,
        numbered.covered_months,
        numbered.market_units,
        numbered.market_value_home,
        case
            when numbered.publication = numbered.publications then shares.own_units
            when numbered.known_source = 'market data' then numbered.firm_units
            when numbered.known_source = 'own sales' then numbered.sold_units
        end as own_units,
        case
            when numbered.publication = numbered.publications then shares.own_value_home
            when numbered.known_source = 'market data' then numbered.firm_value_home
            when numbered.known_source = 'own sales' then numbered.sold_value_home
        end as own_value_home
    from numbered
    inner join shares
        on {{ same('numbered', 'shares', ['period', 'period_start', 'market', 'category_key']) }}
    where numbered.publications > 1

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
        -- a month that comes to a quarter changes it, and restates nothing
        now.publication > 1
        and (now.parts_restated > 0 or now.covered_months = before.covered_months)
            as is_restatement,
        now.is_rolled_up,
        cast(now.covered_months as bigint) as covered_months,
        cast(before.covered_months as bigint) as covered_months_before,

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

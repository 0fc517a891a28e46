with

blocks as (

    select * from {{ ref('int_market__period_blocks') }}

),

totals as (

    select * from {{ ref('int_market__period_totals') }}

),

firms as (

    select * from {{ ref('mart_market_share__market_category_firm_period') }}

),

intervals as (

    select * from {{ ref('int_market__share_intervals') }}

),

product_months as (

    select
        order_month,
        market,
        product_id,
        line_kind,
        units,
        net_amount_home
    from {{ ref('int_sales__product_months') }}

),

products as (

    select
        product_id,
        {{ comparable('category') }} as category_key
    from {{ ref('dim_product') }}

),

company as (

    select home_market from {{ source('raw', 'company') }}

),

-- the months that our sales data speaks about: outside them no sales means not known, not zero
sales_span as (

    select
        min(12 * extract(year from order_month) + extract(month from order_month))
            as first_month_index,
        max(12 * extract(year from order_month) + extract(month from order_month))
            as last_month_index
    from product_months

),

own_months as (

    select
        product_months.market,
        products.category_key,
        12 * extract(year from product_months.order_month)
        + extract(month from product_months.order_month) as month_index,
        sum(product_months.units) as units,
        sum(product_months.net_amount_home) as value_home
    from product_months
    inner join products
        on product_months.product_id = products.product_id
    where product_months.line_kind = 'product'
    group by
        product_months.market,
        products.category_key,
        12 * extract(year from product_months.order_month)
        + extract(month from product_months.order_month)

),

-- like for like: our sales of exactly the months that the market's figure is made of
own_sales as (

    select
        blocks.period,
        blocks.period_start,
        blocks.market,
        blocks.category_key,
        sum(own_months.units) as units,
        sum(own_months.value_home) as value_home
    from blocks
    inner join own_months
        on blocks.market = own_months.market
        and blocks.category_key = own_months.category_key
        and blocks.block_month_index <= own_months.month_index
        and own_months.month_index < blocks.block_month_index + blocks.block_months
    group by blocks.period, blocks.period_start, blocks.market, blocks.category_key

),

own_spans as (

    select
        blocks.period,
        blocks.period_start,
        blocks.market,
        blocks.category_key,
        coalesce(sum(greatest(
            0,
            least(
                blocks.block_month_index + blocks.block_months - 1,
                sales_span.last_month_index
            ) - greatest(blocks.block_month_index, sales_span.first_month_index) + 1
        )), 0) as months_with_sales_data
    from blocks
    cross join sales_span
    where sales_span.first_month_index is not null
    group by blocks.period, blocks.period_start, blocks.market, blocks.category_key

),

own_firms as (

    select
        period,
        period_start,
        market,
        category,
        case when count(units) = count(*) then sum(units) end as units,
        case when count(value_home) = count(*) then sum(value_home) end as value_home
    from firms
    where is_own
    group by period, period_start, market, category

),

-- a month without a sale, where we sell in others, is a month of none: were our figure taken from
-- the market data for it, months would be told by two sources and not add up to their quarter
sold_markets as (

    select distinct
        market,
        category_key
    from own_sales

),

sourced as (

    select
        totals.*,
        12 * extract(year from totals.period_start)
        + extract(month from totals.period_start) as month_index,
        own_sales.units as sold_units,
        own_sales.value_home as sold_value_home,
        own_firms.units as firm_units,
        own_firms.value_home as firm_value_home,
        coalesce(own_spans.months_with_sales_data, 0) as months_with_sales_data,
        -- of a sample, both sides are taken from the same outlets where it names us; and without
        -- knowing how many outlets there are, ours cannot be held against it otherwise
        case
            when own_firms.period is not null and totals.has_sample then 'market data'
            when totals.has_sample and totals.universe_size is null then null
            when
                own_sales.period is not null
                or (sold_markets.market is not null and own_spans.months_with_sales_data > 0)
                then 'own sales'
            when own_firms.period is not null then 'market data'
            when own_spans.months_with_sales_data > 0 then 'own sales'
        end as own_source
    from totals
    left join own_sales
        on totals.period = own_sales.period
        and totals.period_start = own_sales.period_start
        and totals.market = own_sales.market
        and totals.category_key = own_sales.category_key
    left join sold_markets
        on totals.market = sold_markets.market
        and totals.category_key = sold_markets.category_key
    left join own_firms
        on totals.period = own_firms.period
        and totals.period_start = own_firms.period_start
        and totals.market = own_firms.market
        and totals.category = own_firms.category
    left join own_spans
        on totals.period = own_spans.period
        and totals.period_start = own_spans.period_start
        and totals.market = own_spans.market
        and totals.category_key = own_spans.category_key

),

joined as (

    select
        *,
        case own_source
            when 'own sales' then coalesce(sold_units, 0)
            when 'market data' then firm_units
        end as own_units,
        case own_source
            when 'own sales' then coalesce(sold_value_home, 0)
            when 'market data' then firm_value_home
        end as own_value_home,
        100.0 * case
            when own_source = 'market data' then months_with_firms else months_with_sales_data
        end / nullif(covered_months, 0) as own_coverage_pct
    from sourced

),

shares as (

    select
        *,
        covered_months = period_months and own_coverage_pct = 100 as is_whole,
        {%- for end in ['low', 'high'] %}
        100.0 * cast(own_value_home as double)
        / nullif(cast(market_value_{{ end }}_home as double), 0)
            as value_share_of_{{ end }}_market_pct,
        {%- endfor %}
        100.0 * cast(own_units as double)
        / nullif(cast(market_units as double), 0) as volume_share_pct,
        100.0 * cast(own_value_home as double)
        / nullif(cast(market_value_home as double), 0) as value_share_pct
    from joined

),

-- what follows for our share from an interval of it, or from one of the market: a larger market
-- makes it smaller
share_intervals as (

    select
        shares.period,
        shares.period_start,
        shares.market,
        shares.category_key,
        max(case
            when intervals.measure = 'volume' and intervals.is_share
                then 100.0 * intervals.low
            when intervals.measure = 'volume'
                then
                    100.0 * cast(shares.own_units as double)
                    / nullif(intervals.high * intervals.universe_size, 0)
        end) as volume_share_low_pct,
        max(case
            when intervals.measure = 'volume' and intervals.is_share
                then 100.0 * intervals.high
            when intervals.measure = 'volume'
                then
                    100.0 * cast(shares.own_units as double)
                    / nullif(intervals.low * intervals.universe_size, 0)
        end) as volume_share_high_pct,
        max(case
            when intervals.measure = 'value' and intervals.is_share
                then 100.0 * intervals.low
            when intervals.measure = 'value'
                then
                    100.0 * cast(shares.own_value_home as double)
                    / nullif(intervals.high * intervals.universe_size, 0)
        end) as value_share_low_pct,
        max(case
            when intervals.measure = 'value' and intervals.is_share
                then 100.0 * intervals.high
            when intervals.measure = 'value'
                then
                    100.0 * cast(shares.own_value_home as double)
                    / nullif(intervals.low * intervals.universe_size, 0)
        end) as value_share_high_pct
    from shares
    inner join intervals
        on shares.period = intervals.period
        and shares.period_start = intervals.period_start
        and shares.market = intervals.market
        and shares.category_key = intervals.category_key
    where shares.own_source is not null
    group by shares.period, shares.period_start, shares.market, shares.category_key

),

-- what keeps a share from having its interval
certainty as (

    select
        period,
        period_start,
        market,
        category_key,
        interval_method,
        case
            when sample_of is null and has_sample then 'only a part of the period is a sample'
            when sample_of is not null and universe_size <= sample_size then null
            when sample_of is not null and sample_size < 5 then 'fewer than 5 ' || sample_of
            when sample_of is not null and own_source is null
                then 'the sample does not name us, and universe_size is not known'
        end as interval_reason
    from shares

),

-- firms in order of value, so that the largest four can be added up; ties by name
ranked_firms as (

    select
        *,
        row_number() over (
            partition by period, period_start, market, category
            order by value_home desc nulls last, firm asc
        ) as place
    from firms
    where not is_remainder

),

structure as (

    select
        ranked_firms.period,
        ranked_firms.period_start,
        ranked_firms.market,
        ranked_firms.category,
        count(*) as named_firms,
        sum(ranked_firms.value_home) as named_value_home,
        sum(ranked_firms.volume_share_pct * ranked_firms.volume_share_pct) as hhi_volume,
        sum(ranked_firms.value_share_pct * ranked_firms.value_share_pct) as hhi_value,
        sum(case when ranked_firms.place <= 4 then ranked_firms.value_home end)
            as largest_four_value_home,
        count(case when not ranked_firms.is_own then ranked_firms.value_home end) as rivals,
        max(case when not ranked_firms.is_own then ranked_firms.value_share_pct end)
            as largest_rival_share_pct,
        count(case
            when not ranked_firms.is_own and ranked_firms.value_home > shares.own_value_home then 1
        end) as rivals_above
    from ranked_firms
    inner join shares
        on ranked_firms.period = shares.period
        and ranked_firms.period_start = shares.period_start
        and ranked_firms.market = shares.market
        and ranked_firms.category = shares.category
    -- firms named in some months only cannot be held against a market of them all
    where shares.months_with_firms = shares.covered_months
    group by
        ranked_firms.period,
        ranked_firms.period_start,
        ranked_firms.market,
        ranked_firms.category

),

final as (

    select
        ---------- keys
        shares.period_start,
        shares.period,
        shares.market,
        shares.category,
        shares.market = company.home_market as is_domestic,

        ---------- volume
        cast(shares.own_units as decimal(38, 4)) as own_units,
        cast(shares.market_units as decimal(38, 4)) as market_units,
        shares.volume_share_pct,

        ---------- value
        cast(shares.own_value_home as decimal(38, 4)) as own_value_home,
        cast(shares.market_value_home as decimal(38, 4)) as market_value_home,
        shares.value_share_pct,
        case
            when certainty.interval_method = 'published range' and shares.own_value_home < 0
                then shares.value_share_of_low_market_pct
            when certainty.interval_method = 'published range'
                then shares.value_share_of_high_market_pct
            when certainty.interval_method like 'cluster%' then share_intervals.value_share_low_pct
        end as value_share_low_pct,
        case
            when certainty.interval_method = 'published range' and shares.own_value_home < 0
                then shares.value_share_of_high_market_pct
            when certainty.interval_method = 'published range'
                then shares.value_share_of_low_market_pct
            when certainty.interval_method like 'cluster%' then share_intervals.value_share_high_pct
        end as value_share_high_pct,
        case
            when certainty.interval_method like 'cluster%' then share_intervals.volume_share_low_pct
        end as volume_share_low_pct,
        case
            when certainty.interval_method like 'cluster%'
                then share_intervals.volume_share_high_pct
        end as volume_share_high_pct,
        case
            when certainty.interval_reason is null then certainty.interval_method else 'none'
        end as interval_method,
        certainty.interval_reason,

        ---------- change; where our figure comes from another place than before, or of other months
        ---------- of the period, it is no change
        shares.volume_share_pct - previous.volume_share_pct as volume_share_change_pp,
        shares.value_share_pct - previous.value_share_pct as value_share_change_pp,
        shares.volume_share_pct - year_before.volume_share_pct as volume_share_change_year_pp,
        shares.value_share_pct - year_before.value_share_pct as value_share_change_year_pp,

        ---------- structure of the market
        case
            when structure.rivals > 0 and shares.own_value_home is not null
                then cast(structure.rivals_above + 1 as bigint)
        end as rank_by_value,
        shares.value_share_pct / nullif(structure.largest_rival_share_pct, 0) as relative_share,
        structure.hhi_volume,
        structure.hhi_value,
        -- amounts are added up before they are divided: the shares' rounding would add up too
        100.0 * cast(structure.largest_four_value_home as double)
        / nullif(cast(shares.market_value_home as double), 0) as cr4_value_pct,
        structure.named_firms,
        100.0 * cast(structure.named_value_home as double)
        / nullif(cast(shares.market_value_home as double), 0) as named_firms_pct,

        ---------- how far the figures reach
        100.0 * shares.covered_months / nullif(shares.period_months, 0) as coverage_pct,
        shares.own_coverage_pct,
        shares.own_source,
        shares.market_basis,
        shares.is_rolled_up,
        shares.publisher,
        shares.edition,
        shares.published_on,
        shares.sample_of,
        case when shares.sample_of is not null then cast(shares.sample_size as bigint) end
            as sample_size,
        shares.universe_size,
        concat_ws(
            '; ',
            shares.market_basis,
            case
                when structure.named_firms is not null
                    then
                        concat(
                            cast(structure.named_firms as {{ dbt.type_string() }}),
                            ' firms named'
                        )
                else 'no firm named'
            end,
            case
                when shares.sample_of is not null
                    then concat_ws(
                        ' ',
                        cast(shares.sample_size as {{ dbt.type_string() }}),
                        'of',
                        coalesce(
                            cast(cast(shares.universe_size as bigint) as {{ dbt.type_string() }}),
                            'an unknown number of'
                        ),
                        shares.sample_of
                    )
                when shares.outlets > 0
                    then concat(cast(shares.outlets as {{ dbt.type_string() }}), ' outlets')
                else 'all outlets'
            end,
            case
                when shares.products > 0
                    then concat(cast(shares.products as {{ dbt.type_string() }}), ' products')
                else 'all products'
            end,
            concat_ws(
                ' ',
                cast(cast(shares.covered_months as bigint) as {{ dbt.type_string() }}),
                'of',
                cast(cast(shares.period_months as bigint) as {{ dbt.type_string() }}),
                'months'
            ),
            concat_ws(
                ' ',
                coalesce(shares.publisher, 'publisher not named'),
                case when shares.edition is not null then concat('edition ', shares.edition) end
            )
        ) as market_covers
    from shares
    cross join company
    inner join certainty
        on shares.period = certainty.period
        and shares.period_start = certainty.period_start
        and shares.market = certainty.market
        and shares.category_key = certainty.category_key
    left join share_intervals
        on shares.period = share_intervals.period
        and shares.period_start = share_intervals.period_start
        and shares.market = share_intervals.market
        and shares.category_key = share_intervals.category_key
    left join structure
        on shares.period = structure.period
        and shares.period_start = structure.period_start
        and shares.market = structure.market
        and shares.category = structure.category
    -- the adjacent period only: a gap in the market's data is not bridged
    left join shares as previous
        on shares.period = previous.period
        and shares.market = previous.market
        and shares.category_key = previous.category_key
        and shares.own_source = previous.own_source
        and shares.is_whole
        and previous.is_whole
        and shares.month_index = previous.month_index + shares.period_months
    left join shares as year_before
        on shares.period = year_before.period
        and shares.market = year_before.market
        and shares.category_key = year_before.category_key
        and shares.own_source = year_before.own_source
        and shares.is_whole
        and year_before.is_whole
        and shares.month_index = year_before.month_index + 12

)

select * from final

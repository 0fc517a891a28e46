with

shares as (

    select
        *,
        {{ comparable('category') }} as category_key,
        -- what growth is told by: value, or units of markets that have no other figure
        case
            when market_value_home is not null then 'value'
            when market_units is not null then 'units'
        end as growth_basis,
        -- what is covered in part is compared with nothing: its months are other than those of a
        -- whole period, of a year before or of another market
        coverage_pct = 100 as is_whole,
        cast(
            case when coverage_pct = 100 then coalesce(market_value_home, market_units) end
            as double
        ) as market_size,
        cast(
            case
                when coverage_pct < 100 or own_coverage_pct < 100 then null
                when market_value_home is not null then own_value_home
                else own_units
            end
            as double
        ) as own_size
    from {{ ref('mart_market_share__market_category_period') }}

),

firms as (

    select
        *,
        case period when 'month' then 1 when 'quarter' then 3 else 12 end as period_months
    from {{ ref('mart_market_share__market_category_firm_period') }}
    where not is_remainder

),

blocks as (

    select * from {{ ref('int_market__period_blocks') }}

),

market_rows as (

    select * from {{ ref('int_market__rows_that_count') }}

),

market_context as (

    select * from {{ ref('stg_market_context') }}

),

company as (

    select * from {{ source('raw', 'company') }}

),

ranked_firms as (

    select
        *,
        row_number() over (
            partition by period, period_start, market, category
            order by coalesce(value_share_pct, volume_share_pct) desc nulls last, firm asc
        ) as place
    from firms

),

leaders as (

    select
        period,
        period_start,
        market,
        category,
        count(*) as named_firms,
        max(case when place = 1 then firm end) as leader_firm,
        max(case when place = 1 then coalesce(value_share_pct, volume_share_pct) end)
            as leader_share_pct,
        max(case when place = 2 then firm end) as second_firm,
        max(case when place = 2 then coalesce(value_share_pct, volume_share_pct) end)
            as second_share_pct,
        -- amounts are added up before they are divided: the shares' rounding would add up too
        sum(case when value_place <= 3 then value_home end) as largest_three_value_home,
        sum(case when volume_place <= 3 then units end) as largest_three_units,
        sum(case when volume_place <= 4 then units end) as largest_four_units
    from (
        select
            *,
            row_number() over (
                partition by period, period_start, market, category
                order by value_share_pct desc nulls last, firm asc
            ) as value_place,
            row_number() over (
                partition by period, period_start, market, category
                order by volume_share_pct desc nulls last, firm asc
            ) as volume_place
        from ranked_firms
    ) as placed_firms
    group by period, period_start, market, category

),

-- firms with sales: one with a row of zero is not in the market; of a part of a period nobody knows
-- who sold in the rest
selling as (

    select
        period,
        period_start,
        market,
        category,
        cast({{ dbt.dateadd('month', 'period_months', 'period_start') }} as date) as next_start,
        firm
    from firms
    where coalesce(value_home, units) > 0 and coverage_pct = 100

),

selling_markets as (

    select distinct
        period,
        period_start,
        market,
        category,
        next_start
    from selling

),

entered as (

    select
        selling.period,
        selling.period_start,
        selling.market,
        selling.category,
        count(*) as firms_entered,
        {{ names_of('selling.firm') }} as entrants
    from selling
    inner join selling_markets
        on selling.period = selling_markets.period
        and selling.market = selling_markets.market
        and selling.category = selling_markets.category
        and selling.period_start = selling_markets.next_start
    left join selling as before
        on selling.period = before.period
        and selling.market = before.market
        and selling.category = before.category
        and selling.firm = before.firm
        and selling.period_start = before.next_start
    where before.firm is null
    group by selling.period, selling.period_start, selling.market, selling.category

),

left_market as (

    select
        before.period,
        before.next_start as period_start,
        before.market,
        before.category,
        count(*) as firms_exited,
        {{ names_of('before.firm') }} as exits
    from selling as before
    inner join selling_markets
        on before.period = selling_markets.period
        and before.market = selling_markets.market
        and before.category = selling_markets.category
        and before.next_start = selling_markets.period_start
    left join selling
        on before.period = selling.period
        and before.market = selling.market
        and before.category = selling.category
        and before.firm = selling.firm
        and before.next_start = selling.period_start
    where selling.firm is null
    group by before.period, before.next_start, before.market, before.category

),

-- by the seller's home country: ours where no origin is told, and unknown for all others
makers as (

    select
        blocks.period,
        blocks.period_start,
        blocks.market,
        blocks.category_key,
        market_rows.units,
        market_rows.value_home,
        market_rows.is_remainder,
        {{ comparable('blocks.market') }} = {{ comparable(
            'coalesce(market_rows.origin, case when market_rows.is_own then company.home_market end)'
        ) }} as is_domestic_maker
    from blocks
    inner join market_rows
        on blocks.block_period = market_rows.period
        and blocks.block_start = market_rows.period_start
        and blocks.market = market_rows.market
        and blocks.category_key = market_rows.category_key
    cross join company
    where market_rows.level = 'firm'

),

origins as (

    select
        count(case when not is_remainder then 1 end) as named_rows,
        {%- for measure in ['units', 'value_home'] %}
        count(case when not is_remainder and is_domestic_maker is not null then {{ measure }} end)
            as told_{{ measure }},
        sum(case when is_domestic_maker then {{ measure }} end) as domestic_{{ measure }},
        sum(case when not is_domestic_maker then {{ measure }} end)
            as foreign_{{ measure }},
        {%- endfor %}
        period,
        period_start,
        market,
        category_key
    from makers
    group by period, period_start, market, category_key

),

-- a side without makers has none of the market where all origins and figures are known
sides as (

    select
        {%- for measure in ['units', 'value_home'] %}
        case
            when told_{{ measure }} > 0 and told_{{ measure }} = named_rows
                then coalesce(domestic_{{ measure }}, 0)
            else domestic_{{ measure }}
        end as domestic_{{ measure }},
        case
            when told_{{ measure }} > 0 and told_{{ measure }} = named_rows
                then coalesce(foreign_{{ measure }}, 0)
            else foreign_{{ measure }}
        end as foreign_{{ measure }},
        {%- endfor %}
        period,
        period_start,
        market,
        category_key
    from origins

),

-- buyers do not add up: neither over months, nor over firms or outlets
buyers as (

    select
        period,
        period_start,
        market,
        category_key,
        max(case when level = 'whole market' then buyers end) as category_buyers,
        max(case when level = 'whole market' then value_home end) as category_value_home,
        max(case when level = 'whole market' then units end) as category_units,
        max(case when is_own then buyers end) as own_buyers,
        max(case when is_own then value_home end) as own_value_home,
        max(case when is_own then units end) as own_units,
        max(case when is_own then buyers_category_value_home end) as own_buyers_value_home,
        max(case when is_own then buyers_category_units end) as own_buyers_units
    from market_rows
    where outlet is null and sampled_unit is null and (level = 'whole market' or is_own)
    group by period, period_start, market, category_key
    having count(case when is_own then 1 end) <= 1

),

-- the last population known when the period began
populations as (

    select
        shares.period,
        shares.period_start,
        shares.market,
        shares.category,
        market_context.population
    from shares
    inner join market_context
        on shares.market = market_context.market
        and shares.period_start >= market_context.period_start
    where market_context.population > 0
    qualify row_number() over (
        partition by shares.period, shares.period_start, shares.market, shares.category
        order by market_context.period_start desc
    ) = 1

),

-- sales per head in a market and in all markets of the same period whose population is known
inhabited as (

    select
        shares.*,
        populations.population,
        case when shares.market_size is not null then populations.population end
            as market_population,
        case when shares.own_size is not null then populations.population end as own_population
    from shares
    inner join populations
        on shares.period = populations.period
        and shares.period_start = populations.period_start
        and shares.market = populations.market
        and shares.category = populations.category

),

per_head as (

    select
        period,
        period_start,
        market,
        category,
        population,
        100.0 * market_size / population
        / nullif(
            cast(
                sum(cast(market_size as decimal(38, 4))) over (
                    partition by period, period_start, category_key, growth_basis
                ) as double
            ) / cast(
                sum(cast(market_population as decimal(38, 4))) over (
                    partition by period, period_start, category_key, growth_basis
                ) as double
            ),
            0
        ) as category_development_index,
        100.0 * own_size / population
        / nullif(
            cast(
                sum(cast(own_size as decimal(38, 4))) over (
                    partition by period, period_start, category_key, growth_basis
                ) as double
            ) / cast(
                sum(cast(own_population as decimal(38, 4))) over (
                    partition by period, period_start, category_key, growth_basis
                ) as double
            ),
            0
        ) as brand_development_index
    from inhabited

),

grown as (

    select
        shares.*,
        year_before.market_size as market_size_year_before,
        shares.is_whole and year_before.is_whole as is_whole_on_both_sides,
        shares.market_size - year_before.market_size as market_change,
        case
            when shares.own_source = year_before.own_source
                then shares.own_size - year_before.own_size
        end as own_change,
        case
            when year_before.market_size > 0
                then 100.0 * (shares.market_size / year_before.market_size - 1)
        end as market_growth_pct,
        case
            when shares.own_source = year_before.own_source and year_before.own_size > 0
                then 100.0 * (shares.own_size / year_before.own_size - 1)
        end as own_growth_pct
    from shares
    left join shares as year_before
        on shares.period = year_before.period
        and shares.market = year_before.market
        and shares.category_key = year_before.category_key
        and shares.growth_basis = year_before.growth_basis
        and shares.period_start
        = cast({{ dbt.dateadd('month', 12, 'year_before.period_start') }} as date)

),

reasons as (

    select
        *,
        case
            when not is_whole_on_both_sides then 'a period is covered in part only'
            when market_size_year_before is null then 'no figure of the market a year before'
            -- 0.0 percent to the reader: a share of next to nothing would be any number
            when abs(market_change) < 0.0005 * market_size_year_before
                then 'the market stands still'
            when market_change < 0 then 'the market shrinks'
            when own_change is null then 'no figure of ours for the whole of both periods'
        end as share_of_growth_reason
    from grown

),

final as (

    select
        ---------- keys
        reasons.period_start,
        reasons.period,
        reasons.market,
        reasons.category,
        reasons.is_domestic,

        ---------- concentration
        cast(coalesce(leaders.named_firms, 0) as bigint) as named_firms,
        reasons.named_firms_pct,
        reasons.hhi_value,
        reasons.hhi_volume,
        100.0 * cast(leaders.largest_three_value_home as double)
        / nullif(cast(reasons.market_value_home as double), 0) as cr3_value_pct,
        reasons.cr4_value_pct,
        100.0 * cast(leaders.largest_three_units as double)
        / nullif(cast(reasons.market_units as double), 0) as cr3_volume_pct,
        100.0 * cast(leaders.largest_four_units as double)
        / nullif(cast(reasons.market_units as double), 0) as cr4_volume_pct,

        ---------- who leads, who came and who went
        leaders.leader_firm,
        leaders.leader_share_pct,
        leaders.second_firm,
        leaders.second_share_pct,
        case
            when previous_markets.market is not null and reasons.is_whole
                then coalesce(entered.firms_entered, 0)
        end as firms_entered,
        entered.entrants,
        case
            when previous_markets.market is not null and reasons.is_whole
                then coalesce(left_market.firms_exited, 0)
        end as firms_exited,
        left_market.exits,

        ---------- where the sellers are at home
        100.0 * cast(sides.domestic_value_home as double)
        / nullif(cast(reasons.market_value_home as double), 0) as domestic_makers_value_share_pct,
        100.0 * cast(sides.foreign_value_home as double)
        / nullif(cast(reasons.market_value_home as double), 0) as foreign_makers_value_share_pct,
        100.0 * cast(sides.domestic_units as double)
        / nullif(cast(reasons.market_units as double), 0) as domestic_makers_volume_share_pct,
        100.0 * cast(sides.foreign_units as double)
        / nullif(cast(reasons.market_units as double), 0) as foreign_makers_volume_share_pct,

        ---------- growth over a year
        reasons.growth_basis,
        reasons.market_growth_pct,
        reasons.own_growth_pct,
        case
            when reasons.share_of_growth_reason is null
                then 100.0 * reasons.own_change / reasons.market_change
        end as share_of_growth_pct,
        reasons.share_of_growth_reason,
        reasons.relative_share,
        case
            when reasons.market_growth_pct is null or reasons.relative_share is null then null
            when
                reasons.market_growth_pct >= company.growth_share_market_growth_pct
                and reasons.relative_share >= company.growth_share_relative_share
                then 'star'
            when reasons.market_growth_pct >= company.growth_share_market_growth_pct
                then 'question mark'
            when reasons.relative_share >= company.growth_share_relative_share then 'cash cow'
            else 'dog'
        end as growth_share_cell,

        ---------- per head
        per_head.population,
        per_head.category_development_index,
        per_head.brand_development_index,

        ---------- buyers
        buyers.own_buyers,
        buyers.category_buyers,
        100.0 * buyers.own_buyers / nullif(per_head.population, 0) as penetration_pct,
        100.0 * buyers.own_buyers / nullif(buyers.category_buyers, 0) as penetration_share_pct,
        case
            when reasons.growth_basis = 'value'
                then
                    100.0 * cast(buyers.own_value_home as double)
                    / nullif(cast(buyers.own_buyers_value_home as double), 0)
            else
                100.0 * cast(buyers.own_units as double)
                / nullif(cast(buyers.own_buyers_units as double), 0)
        end as share_of_requirements_pct,
        case
            when reasons.growth_basis = 'value'
                then
                    cast(buyers.own_buyers_value_home as double) / nullif(buyers.own_buyers, 0)
                    / nullif(
                        cast(buyers.category_value_home as double)
                        / nullif(buyers.category_buyers, 0),
                        0
                    )
            else
                cast(buyers.own_buyers_units as double) / nullif(buyers.own_buyers, 0)
                / nullif(
                    cast(buyers.category_units as double) / nullif(buyers.category_buyers, 0), 0
                )
        end as heavy_usage_index
    from reasons
    cross join company
    left join leaders
        on reasons.period = leaders.period
        and reasons.period_start = leaders.period_start
        and reasons.market = leaders.market
        and reasons.category = leaders.category
    left join selling_markets as previous_markets
        on reasons.period = previous_markets.period
        and reasons.market = previous_markets.market
        and reasons.category = previous_markets.category
        and reasons.period_start = previous_markets.next_start
    left join entered
        on reasons.period = entered.period
        and reasons.period_start = entered.period_start
        and reasons.market = entered.market
        and reasons.category = entered.category
    left join left_market
        on reasons.period = left_market.period
        and reasons.period_start = left_market.period_start
        and reasons.market = left_market.market
        and reasons.category = left_market.category
    left join sides
        on reasons.period = sides.period
        and reasons.period_start = sides.period_start
        and reasons.market = sides.market
        and reasons.category_key = sides.category_key
    left join per_head
        on reasons.period = per_head.period
        and reasons.period_start = per_head.period_start
        and reasons.market = per_head.market
        and reasons.category = per_head.category
    left join buyers
        on reasons.period = buyers.period
        and reasons.period_start = buyers.period_start
        and reasons.market = buyers.market
        and reasons.category_key = buyers.category_key

)

select * from final

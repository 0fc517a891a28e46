with

shares as (

    select * from {{ ref('mart_market_share__market_category_period') }}
    where period = 'month' and own_source is not null

),

measured as (

    select
        period_start,
        market,
        category,
        own_source,
        'value' as measure,
        cast(own_value_home as double) as own,
        cast(market_value_home as double) as whole
    from shares

    union all

    select
        period_start,
        market,
        category,
        own_source,
        'volume' as measure,
        cast(own_units as double) as own,
        cast(market_units as double) as whole
    from shares

),

comparisons as (

    select
        'month before' as compared_with,
        1 as months_back

    union all

    select
        'year before' as compared_with,
        12 as months_back

),

-- the same markets and categories on both sides: one that is measured from now on is no change
pairs as (

    select
        measured.period_start,
        measured.market,
        measured.category,
        comparisons.compared_with,
        measured.measure,
        before.own as own_0,
        before.whole - before.own as rivals_0,
        before.whole as whole_0,
        measured.own as own_1,
        measured.whole - measured.own as rivals_1,
        measured.whole as whole_1
    from measured
    cross join comparisons
    inner join measured as before
        on measured.market = before.market
        and measured.category = before.category
        and measured.measure = before.measure
        and measured.own_source = before.own_source
        and measured.period_start
        = cast({{ dbt.dateadd('month', 'comparisons.months_back', 'before.period_start') }} as date)
    where
        measured.whole > 0
        and before.whole > 0
        and measured.own is not null
        and before.own is not null

),

-- the share as it is, as it was, and as it would be had only ours or only the rivals' sales changed
paths as (

    select
        *,
        own_0 / whole_0 as share_0,
        own_1 / whole_1 as share_1,
        own_1 / nullif(own_1 + rivals_0, 0) as share_if_own,
        own_0 / nullif(own_0 + rivals_1, 0) as share_if_rivals
    from pairs

),

-- the mean of both orders of change, so that neither side gets what is of both
within as (

    select
        *,
        case
            when share_if_own is null and share_if_rivals is null then share_1 - share_0
            when share_if_own is null then share_1 - share_if_rivals
            when share_if_rivals is null then share_if_own - share_0
            else (share_if_own - share_0 + share_1 - share_if_rivals) / 2
        end as own_growth
    from paths

),

-- summed as decimals, whose sum does not depend on the order
markets as (

    select
        *,
        cast(
            sum(cast(whole_0 as decimal(38, 4))) over (
                partition by period_start, compared_with, measure, market
            ) as double
        ) as market_0,
        cast(
            sum(cast(whole_1 as decimal(38, 4))) over (
                partition by period_start, compared_with, measure, market
            ) as double
        ) as market_1,
        cast(
            sum(cast(whole_0 as decimal(38, 4))) over (
                partition by period_start, compared_with, measure
            ) as double
        ) as total_0,
        cast(
            sum(cast(whole_1 as decimal(38, 4))) over (
                partition by period_start, compared_with, measure
            ) as double
        ) as total_1,
        cast(
            sum(cast(own_0 as decimal(38, 4))) over (
                partition by period_start, compared_with, measure, market
            ) as double
        ) as market_own_0,
        cast(
            sum(cast(own_1 as decimal(38, 4))) over (
                partition by period_start, compared_with, measure, market
            ) as double
        ) as market_own_1,
        cast(
            sum(cast(own_0 as decimal(38, 4))) over (
                partition by period_start, compared_with, measure
            ) as double
        ) as total_own_0,
        cast(
            sum(cast(own_1 as decimal(38, 4))) over (
                partition by period_start, compared_with, measure
            ) as double
        ) as total_own_1
    from within

),

weights as (

    select
        *,
        (market_0 / total_0 + market_1 / total_1) / 2 as market_weight,
        market_1 / total_1 - market_0 / total_0 as market_weight_change,
        (whole_0 / market_0 + whole_1 / market_1) / 2 as category_weight,
        whole_1 / market_1 - whole_0 / market_0 as category_weight_change,
        (share_0 + share_1) / 2 as mean_share,
        (market_own_0 / market_0 + market_own_1 / market_1) / 2 as mean_market_share,
        (total_own_0 / total_0 + total_own_1 / total_1) / 2 as mean_total_share
    from markets

),

contributions as (

    select
        *,
        100.0 * market_weight * category_weight * own_growth as contribution_own_growth_pp,
        100.0 * market_weight * category_weight * (share_1 - share_0 - own_growth)
            as contribution_rivals_growth_pp,
        100.0 * market_weight * category_weight_change * (mean_share - mean_market_share)
            as contribution_category_mix_pp,
        100.0 * market_weight_change * category_weight * (mean_market_share - mean_total_share)
            as contribution_market_mix_pp
    from weights

),

final as (

    select
        ---------- keys
        period_start,
        market,
        category,
        compared_with,
        measure,

        ---------- in the market and category itself
        100.0 * share_1 as share_pct,
        100.0 * share_0 as share_compared_pct,
        100.0 * (share_1 - share_0) as share_change_pp,
        100.0 * own_growth as own_growth_pp,
        100.0 * (share_1 - share_0 - own_growth) as rivals_growth_pp,

        ---------- what it did to our share of all markets and categories together
        100.0 * total_own_1 / total_1 as total_share_pct,
        100.0 * (total_own_1 / total_1 - total_own_0 / total_0) as total_share_change_pp,
        contribution_own_growth_pp,
        contribution_rivals_growth_pp,
        contribution_category_mix_pp,
        contribution_market_mix_pp,
        contribution_own_growth_pp
        + contribution_rivals_growth_pp
        + contribution_category_mix_pp
        + contribution_market_mix_pp as contribution_pp
    from contributions

)

select * from final

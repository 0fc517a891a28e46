{{ config(schema='intermediate', contract={'enforced': false}) }}

-- How far a share of a sampled market may be off: a cluster bootstrap over the outlets (products)
-- that were drawn. Each replicate takes every cluster a number of times that is Poisson with mean
-- 1, seeded by the numbers of the cluster and the replicate (Chamandy et al., "Estimating
-- uncertainty for massive data streams", 2012). The interval is the symmetric bootstrap-t one: the
-- 95th percentile of |replicate - estimate| / standard error of the replicate, times the standard
-- error (Hall, The Bootstrap and Edgeworth Expansion, 1992), with the finite population correction.

{%- set replicates = 1000 %}
{%- set most_clusters = 250 %}

with

blocks as (

    select * from {{ ref('int_market__period_blocks') }}

),

totals as (

    select
        *,
        case market_basis
            when 'whole market' then 'whole market'
            when 'sum of named firms' then 'firm'
            when 'sum of brands and products' then 'unnamed firm'
        end as market_level
    from {{ ref('int_market__period_totals') }}
    where sample_of is not null

),

market_rows as (

    select * from {{ ref('int_market__rows_that_count') }}
    where sampled_unit is not null

),

-- what each outlet (product) sold of ours and in all; the market is counted at the level that its
-- total is, never at two
outlets as (

    select
        totals.period,
        totals.period_start,
        totals.market,
        totals.category_key,
        totals.universe_size,
        market_rows.sampled_unit,
        sum(case when market_rows.is_own then market_rows.units_sampled end) as own_units,
        sum(case when market_rows.is_own then market_rows.value_sampled_home end)
            as own_value_home,
        sum(
            case when market_rows.level = totals.market_level then market_rows.units_sampled end
        ) as units,
        sum(
            case
                when market_rows.level = totals.market_level then market_rows.value_sampled_home
            end
        ) as value_home
    from totals
    inner join blocks
        on totals.period = blocks.period
        and totals.period_start = blocks.period_start
        and totals.market = blocks.market
        and totals.category_key = blocks.category_key
    inner join market_rows
        on blocks.block_period = market_rows.period
        and blocks.block_start = market_rows.period_start
        and blocks.market = market_rows.market
        and blocks.category_key = market_rows.category_key
    group by
        totals.period,
        totals.period_start,
        totals.market,
        totals.category_key,
        totals.universe_size,
        market_rows.sampled_unit

),

measured as (
    {%- for measure, own in [('units', 'own_units'), ('value_home', 'own_value_home')] %}
    {{ 'union all' if not loop.first }}
    select
        period,
        period_start,
        market,
        category_key,
        universe_size,
        '{{ 'volume' if measure == 'units' else 'value' }}' as measure,
        sampled_unit,
        cast({{ own }} as double) as own,
        cast({{ measure }} as double) as whole
    from outlets
    {%- endfor %}

),

samples as (

    select
        period,
        period_start,
        market,
        category_key,
        measure,
        max(universe_size) as universe_size,
        count(*) as sample_size,
        count(own) as outlets_with_ours,
        count(whole) as outlets_measured
    from measured
    group by period, period_start, market, category_key, measure
    having count(whole) > 0

),

-- The quotient that is estimated: ours to all in the same outlets where the sample names us, else
-- what an outlet sells on average. In an order that has nothing to do with the outlets, so that
-- many of them can be taken together in random groups.
clusters as (

    select
        measured.period,
        measured.period_start,
        measured.market,
        measured.category_key,
        measured.measure,
        case
            when samples.outlets_with_ours > 0 then coalesce(measured.own, 0)
            else coalesce(measured.whole, 0)
        end as numerator,
        case when samples.outlets_with_ours > 0 then coalesce(measured.whole, 0) else 1 end
            as denominator,
        (
            row_number() over (
                partition by
                    measured.period,
                    measured.period_start,
                    measured.market,
                    measured.category_key,
                    measured.measure
                order by md5(measured.sampled_unit), measured.sampled_unit
            ) - 1
        ) % {{ most_clusters }} as cluster
    from measured
    inner join samples
        on measured.period = samples.period
        and measured.period_start = samples.period_start
        and measured.market = samples.market
        and measured.category_key = samples.category_key
        and measured.measure = samples.measure

),

grouped as (

    select
        period,
        period_start,
        market,
        category_key,
        measure,
        cluster,
        sum(numerator) as a,
        sum(denominator) as b
    from clusters
    group by period, period_start, market, category_key, measure, cluster

),

estimates as (

    select
        period,
        period_start,
        market,
        category_key,
        measure,
        count(*) as clusters,
        sum(a) / nullif(sum(b), 0) as estimate,
        sum(b) as b
    from grouped
    group by period, period_start, market, category_key, measure

),

standard_errors as (

    select
        grouped.period,
        grouped.period_start,
        grouped.market,
        grouped.category_key,
        grouped.measure,
        sqrt(
            sum(
                (grouped.a - estimates.estimate * grouped.b)
                * (grouped.a - estimates.estimate * grouped.b)
            )
            * max(estimates.clusters) / nullif(max(estimates.clusters) - 1, 0)
        ) / nullif(max(estimates.b), 0) as standard_error
    from grouped
    inner join estimates
        on grouped.period = estimates.period
        and grouped.period_start = estimates.period_start
        and grouped.market = estimates.market
        and grouped.category_key = estimates.category_key
        and grouped.measure = estimates.measure
    group by
        grouped.period,
        grouped.period_start,
        grouped.market,
        grouped.category_key,
        grouped.measure

),

replicates as (

    select cast(value as integer) as replicate
    from ({{ whole_numbers(replicates) }}) as numbers

),

-- how often a replicate draws a cluster, from a uniform number: the Poisson distribution function
weights as (

    select
        drawn.cluster,
        drawn.replicate,
        case
            when drawn.uniform < 0.36787944117144233 then 0.0
            when drawn.uniform < 0.7357588823428847 then 1.0
            when drawn.uniform < 0.9196986029286058 then 2.0
            when drawn.uniform < 0.9810118431238462 then 3.0
            when drawn.uniform < 0.9963401531726563 then 4.0
            when drawn.uniform < 0.9994058151824183 then 5.0
            when drawn.uniform < 0.9999167588507119 then 6.0
            else 7.0
        end as weight
    from (
        select
            cluster_numbers.cluster,
            replicates.replicate,
            {{ uniform_of(
                "concat_ws('|', 'share', cluster_numbers.cluster, replicates.replicate)"
            ) }} as uniform
        from (select distinct cluster from grouped) as cluster_numbers
        cross join replicates
    ) as drawn

),

resampled as (

    select
        grouped.period,
        grouped.period_start,
        grouped.market,
        grouped.category_key,
        grouped.measure,
        weights.replicate,
        sum(weights.weight * grouped.a) as a,
        sum(weights.weight * grouped.b) as b,
        sum(weights.weight * grouped.a * grouped.a) as aa,
        sum(weights.weight * grouped.a * grouped.b) as ab,
        sum(weights.weight * grouped.b * grouped.b) as bb
    from grouped
    inner join weights
        on grouped.cluster = weights.cluster
    where weights.weight > 0
    group by
        grouped.period,
        grouped.period_start,
        grouped.market,
        grouped.category_key,
        grouped.measure,
        weights.replicate

),

-- a replicate of one cluster alone has no standard error but what rounding leaves
replicate_estimates as (

    select
        resampled.period,
        resampled.period_start,
        resampled.market,
        resampled.category_key,
        resampled.measure,
        estimates.estimate,
        resampled.a / nullif(resampled.b, 0) as replicate_estimate,
        sqrt(
            greatest(
                0,
                resampled.aa
                - 2 * resampled.a / nullif(resampled.b, 0) * resampled.ab
                + resampled.a / nullif(resampled.b, 0) * resampled.a / nullif(resampled.b, 0)
                * resampled.bb
            )
            * estimates.clusters / nullif(estimates.clusters - 1, 0)
        ) / nullif(resampled.b, 0) as replicate_error
    from resampled
    inner join estimates
        on resampled.period = estimates.period
        and resampled.period_start = estimates.period_start
        and resampled.market = estimates.market
        and resampled.category_key = estimates.category_key
        and resampled.measure = estimates.measure

),

deviations as (

    select
        period,
        period_start,
        market,
        category_key,
        measure,
        {{ quantile('abs(replicate_estimate - estimate) / replicate_error', 0.95) }}
            as deviation_95
    from replicate_estimates
    where replicate_error > 1e-6 * abs(replicate_estimate)
    group by period, period_start, market, category_key, measure

),

half_widths as (

    select
        samples.*,
        estimates.estimate,
        samples.outlets_with_ours > 0 as is_share,
        -- outlets that all tell the same leave nothing to be unsure of
        case when standard_errors.standard_error = 0 then 0 else deviations.deviation_95 end
        * standard_errors.standard_error
        * sqrt(
            case
                when samples.universe_size > samples.sample_size
                    then 1 - samples.sample_size / samples.universe_size
                when samples.universe_size is not null then 0
                else 1
            end
        ) as half_width
    from samples
    inner join estimates
        on samples.period = estimates.period
        and samples.period_start = estimates.period_start
        and samples.market = estimates.market
        and samples.category_key = estimates.category_key
        and samples.measure = estimates.measure
    left join standard_errors
        on samples.period = standard_errors.period
        and samples.period_start = standard_errors.period_start
        and samples.market = standard_errors.market
        and samples.category_key = standard_errors.category_key
        and samples.measure = standard_errors.measure
    left join deviations
        on samples.period = deviations.period
        and samples.period_start = deviations.period_start
        and samples.market = deviations.market
        and samples.category_key = deviations.category_key
        and samples.measure = deviations.measure

),

final as (

    select
        ---------- keys
        period,
        period_start,
        market,
        category_key,
        measure,

        ---------- the sample
        sample_size,
        universe_size,
        -- of ours in the market; else of the market itself
        is_share,

        ---------- the estimate and its interval
        estimate,
        -- `greatest` and `least` would take an unknown for their other bound
        case when half_width is not null then greatest(0, estimate - half_width) end as low,
        case
            when half_width is not null and is_share then least(1, estimate + half_width)
            else estimate + half_width
        end as high
    from half_widths
    where sample_size >= 5

)

select * from final

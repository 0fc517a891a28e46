{#- a market that was last measured so many months ago is not measured any more -#}
{%- set measured_within_months = 24 -%}
with

-- what was delivered, as it was delivered: months, quarters or years
delivered as (

    select
        market,
        category,
        case period when 'month' then 1 when 'quarter' then 3 else 12 end as block_months,
        12 * extract(year from period_start)
        + extract(month from period_start)
        + case period when 'month' then 1 when 'quarter' then 3 else 12 end
        - 1 as end_index,
        market_value_home,
        -- ours only where our sales reach over the whole of it
        case when own_coverage_pct = 100 then own_value_home end as own_value_home
    from {{ ref('mart_market_share__market_category_period') }}
    where not is_rolled_up and market_value_home is not null

),

months as (

    select distinct
        order_month,
        12 * extract(year from order_month) + extract(month from order_month) as month_index
    from {{ ref('int_sales__product_months') }}

),

-- the newest month that is measured by then, by months, by quarters and by years
newest as (

    select
        months.order_month,
        delivered.market,
        delivered.category,
        delivered.block_months,
        max(delivered.end_index) as last_index
    from months
    inner join delivered
        on months.month_index >= delivered.end_index
        and months.month_index < delivered.end_index + {{ measured_within_months }}
    group by
        months.order_month,
        delivered.market,
        delivered.category,
        delivered.block_months

),

-- and the twelve months up to it
spans as (

    select
        newest.order_month,
        newest.market,
        newest.category,
        newest.block_months,
        newest.last_index,
        count(*) * newest.block_months as months_measured,
        sum(delivered.market_value_home) as market_value_home,
        sum(delivered.own_value_home) as own_value_home,
        sum(case when delivered.own_value_home is not null then delivered.market_value_home end)
            as market_value_beside_ours_home
    from newest
    inner join delivered
        on newest.market = delivered.market
        and newest.category = delivered.category
        and newest.block_months = delivered.block_months
        and newest.last_index >= delivered.end_index
        and newest.last_index < delivered.end_index + 12
    group by
        newest.order_month,
        newest.market,
        newest.category,
        newest.block_months,
        newest.last_index

),

-- of what is measured in several ways the fullest counts, then the newest, then the finest
counted as (

    select
        *,
        12.0 / months_measured as to_a_year
    from spans
    qualify row_number() over (
        partition by order_month, market, category
        order by least(months_measured, 12) desc, last_index desc, block_months asc
    ) = 1

),

final as (

    select
        ---------- keys
        order_month,
        market,

        ---------- numerics
        cast(min(least(months_measured, 12)) as bigint) as months_measured,
        cast(sum(cast(market_value_home * to_a_year as decimal(38, 4))) as decimal(38, 4))
            as market_value_12_months_home,
        cast(
            sum(cast(market_value_beside_ours_home * to_a_year as decimal(38, 4)))
            as decimal(38, 4)
        ) as market_value_beside_ours_home,
        cast(sum(cast(own_value_home * to_a_year as decimal(38, 4))) as decimal(38, 4))
            as own_value_12_months_home
    from counted
    group by order_month, market

)

select * from final

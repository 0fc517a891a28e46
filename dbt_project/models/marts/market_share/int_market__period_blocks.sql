{{ config(schema='intermediate', contract={'enforced': false}) }}

-- What each figure of a period is made of. A period that was delivered is its own and only block;
-- a quarter or year that was not is put together from the quarters and months that were.

with

delivered as (

    select distinct
        period,
        period_start,
        market,
        category_key,
        {{ month_of("date_trunc('quarter', period_start)") }} as quarter_start,
        {{ month_of("date_trunc('year', period_start)") }} as year_start
    from {{ ref('int_market__rows_that_count') }}

),

months_outside_quarters as (

    select months.*
    from delivered as months
    left join delivered as quarters
        on quarters.period = 'quarter'
        and months.quarter_start = quarters.period_start
        and months.market = quarters.market
        and months.category_key = quarters.category_key
    where months.period = 'month' and quarters.period is null

),

-- a quarter that does not begin with the calendar's may reach into the next year
parts_of_years as (

    select * from months_outside_quarters

    union all

    select * from delivered
    where period = 'quarter' and period_start = quarter_start

),

parts_outside_years as (

    select parts_of_years.*
    from parts_of_years
    left join delivered as years
        on years.period = 'year'
        and parts_of_years.year_start = years.period_start
        and parts_of_years.market = years.market
        and parts_of_years.category_key = years.category_key
    where years.period is null

),

blocks as (

    select
        period,
        period_start,
        market,
        category_key,
        period as block_period,
        period_start as block_start
    from delivered

    union all

    select
        'quarter' as period,
        quarter_start as period_start,
        market,
        category_key,
        period as block_period,
        period_start as block_start
    from months_outside_quarters

    union all

    select
        'year' as period,
        year_start as period_start,
        market,
        category_key,
        period as block_period,
        period_start as block_start
    from parts_outside_years

),

final as (

    select
        ---------- keys
        period,
        period_start,
        market,
        category_key,
        block_period,
        block_start,

        ---------- numerics
        case period when 'month' then 1 when 'quarter' then 3 else 12 end as period_months,
        case block_period when 'month' then 1 when 'quarter' then 3 else 12 end as block_months,
        12 * extract(year from block_start) + extract(month from block_start) as block_month_index
    from blocks

)

select * from final

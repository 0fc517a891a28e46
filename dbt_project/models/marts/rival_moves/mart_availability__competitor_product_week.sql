with

offer_days as (

    select *
    from {{ ref('int_competitor_prices__offer_days') }}
    where not is_own

),

days as (

    select
        competitor,
        product_id,
        market,
        observed_date,
        {{ week_of('observed_date') }} as week_start,
        max(case when is_in_stock then 1 else 0 end) as available,
        max(case when availability = 'not_found' then 0 else 1 end) as found
    from offer_days
    group by competitor, product_id, market, observed_date, {{ week_of('observed_date') }}

),

final as (

    select
        competitor,
        product_id,
        market,
        week_start,
        count(*) as observed_days,
        cast(sum(1 - available) as bigint) as out_of_stock_days,
        cast(sum(1 - found) as bigint) as not_found_days,
        100.0 * cast(sum(1 - available) as double) / nullif(cast(count(*) as double), 0)
            as out_of_stock_share_pct
    from days
    group by competitor, product_id, market, week_start

)

select * from final

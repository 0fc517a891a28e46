with

market_sales as (

    select * from {{ ref('int_market_sales__converted') }}

),

-- a figure whose value cannot be converted is in quarantine.without_rate instead
final as (

    select
        ---------- ids
        period_start,
        period,
        period_end,
        market,
        category,
        firm,
        brand,
        product,
        origin,
        outlet,

        ---------- attributes
        publisher,
        edition,
        published_on,
        sample_of,
        universe_size,
        is_own,
        currency,
        fx_rate,
        fx_rate_date,

        ---------- measures; whole markets in small units of money need more digits than sales
        units,
        value as value_local,
        cast(value * fx_rate as decimal(28, 4)) as value_home,
        cast(value_low * fx_rate as decimal(28, 4)) as value_low_home,
        cast(value_high * fx_rate as decimal(28, 4)) as value_high_home,
        buyers,
        buyers_category_units,
        cast(buyers_category_value * fx_rate as decimal(28, 4)) as buyers_category_value_home,

        ---------- lineage
        source,
        delivery_id,
        row_number
    from market_sales
    where is_latest_edition and (fx_rate is not null or value is null)

)

select * from final

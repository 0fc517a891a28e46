with

current_rows as (

    select *
    from {{ source('raw', 'market_sales') }}
    where _superseded_by is null

),

last_delivered as (

    select *
    from current_rows
    qualify row_number() over (
        partition by
            period_start,
            period,
            market,
            category,
            firm,
            brand,
            product,
            origin,
            outlet,
            publisher,
            edition
        order by {{ last_delivered() }}
    ) = 1

),

final as (

    select
        ---------- text
        period,
        market,
        category,
        firm,
        brand,
        product,
        origin,
        outlet,
        sample_of,
        currency,
        publisher,
        edition,

        ---------- numerics
        units,
        value,
        value_low,
        value_high,
        universe_size,
        buyers,
        buyers_category_units,
        buyers_category_value,

        ---------- timestamps
        period_start,
        published_on,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from last_delivered

)

select * from final

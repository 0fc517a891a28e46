with

current_rows as (

    select *
    from {{ source('raw', 'products') }}
    where _superseded_by is null

),

last_delivered as (

    select *
    from current_rows
    qualify row_number() over (
        partition by product_id
        order by {{ last_delivered() }}
    ) = 1

),

final as (

    select
        ---------- ids
        product_id,
        gtin,
        {{ gtin_14('gtin') }} as gtin_14,
        mpn,

        ---------- text
        name,
        brand,
        category,
        pack_unit,
        currency,

        ---------- numerics
        pack_quantity,
        unit_cost,
        list_price,
        map_price,

        ---------- timestamps
        launched_on,
        retired_on,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from last_delivered

)

select * from final

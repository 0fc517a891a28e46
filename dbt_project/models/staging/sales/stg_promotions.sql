with

current_rows as (

    select *
    from {{ source('raw', 'promotions') }}
    where _superseded_by is null

),

last_delivered as (

    select *
    from current_rows
    qualify row_number() over (
        partition by promotion_id, product_id, category, market
        order by {{ last_delivered() }}
    ) = 1

),

final as (

    select
        ---------- ids
        promotion_id,
        product_id,

        ---------- text
        category,
        market,
        mechanic,
        currency,

        ---------- numerics
        depth_pct,
        funding_amount,

        ---------- timestamps
        starts_on,
        ends_on,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from last_delivered

)

select * from final

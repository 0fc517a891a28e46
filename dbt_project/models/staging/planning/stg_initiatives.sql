with

current_rows as (

    select *
    from {{ source('raw', 'initiatives') }}
    where _superseded_by is null

),

last_delivered as (

    select *
    from current_rows
    qualify row_number() over (
        partition by initiative_id
        order by {{ last_delivered() }}
    ) = 1

),

final as (

    select
        ---------- ids
        initiative_id,
        product_id,

        ---------- text
        name,
        owner,
        status,
        market,
        currency,

        ---------- numerics
        budget,

        ---------- timestamps
        due_on,
        done_on,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from last_delivered

)

select * from final

with

current_rows as (

    select *
    from {{ source('raw', 'events') }}
    where _superseded_by is null

),

final as (

    select
        ---------- text
        market,
        headline,
        category,
        kind,
        source as reported_by,

        ---------- timestamps
        occurred_on,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from current_rows

)

select * from final

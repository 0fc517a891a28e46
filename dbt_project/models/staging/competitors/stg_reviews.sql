with

current_rows as (

    select *
    from {{ source('raw', 'reviews') }}
    where _superseded_by is null

),

final as (

    select
        ---------- ids
        product_id,
        author_key,

        ---------- text
        competitor,
        title,
        body,
        language,

        ---------- numerics
        rating,
        rating_scale,

        ---------- timestamps
        reviewed_at,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from current_rows

)

select * from final

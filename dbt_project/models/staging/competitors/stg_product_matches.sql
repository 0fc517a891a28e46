with

current_rows as (

    select *
    from {{ source('raw', 'product_matches') }}
    where _superseded_by is null

),

last_delivered as (

    select *
    from current_rows
    qualify row_number() over (
        partition by product_id, competitor, competitor_key
        -- what a person decided stands, whoever proposes the pair again; the matcher comes last
        order by
            case _source when 'match_decisions' then 0 when 'match_proposals' then 2 else 1 end,
            {{ last_delivered() }}
    ) = 1

),

final as (

    select
        ---------- ids
        product_id,

        ---------- text
        competitor,
        competitor_key,
        kind,
        method,
        reviewed_by,

        ---------- numerics
        confidence,
        pack_coefficient,

        ---------- timestamps
        valid_from,
        valid_to,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from last_delivered

)

select * from final

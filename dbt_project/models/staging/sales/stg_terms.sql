with

current_rows as (

    select *
    from {{ source('raw', 'terms') }}
    where _superseded_by is null

),

last_delivered as (

    select *
    from current_rows
    qualify row_number() over (
        partition by customer_id, channel, market, component, valid_from
        order by {{ last_delivered() }}
    ) = 1

),

final as (

    select
        ---------- ids
        customer_id,

        ---------- text
        channel,
        market,
        component,
        basis,
        currency,

        ---------- numerics
        percent,
        amount,

        ---------- timestamps
        valid_from,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from last_delivered

)

select * from final

with

current_rows as (

    select *
    from {{ source('raw', 'fx_rates') }}
    where _superseded_by is null

),

last_delivered as (

    select *
    from current_rows
    qualify row_number() over (
        partition by rate_date, currency
        order by {{ last_delivered() }}
    ) = 1

),

final as (

    select
        ---------- text
        currency,
        provider,

        ---------- numerics
        per_reporting_unit,
        per_eur,

        ---------- timestamps
        rate_date,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from last_delivered

)

select * from final

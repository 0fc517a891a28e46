with

current_rows as (

    select *
    from {{ source('raw', 'market_context') }}
    where _superseded_by is null

),

last_delivered as (

    select *
    from current_rows
    qualify row_number() over (
        partition by market, period_start
        order by {{ last_delivered() }}
    ) = 1

),

final as (

    select
        ---------- text
        market,
        currency,

        ---------- numerics
        population,
        households,
        gdp,

        ---------- timestamps
        period_start,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from last_delivered

)

select * from final

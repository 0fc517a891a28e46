with

current_rows as (

    select *
    from {{ source('raw', 'plans') }}
    where _superseded_by is null

),

last_delivered as (

    select *
    from current_rows
    qualify row_number() over (
        partition by plan_version, period_start, period, market, category, product_id
        order by {{ last_delivered() }}
    ) = 1

),

final as (

    select
        ---------- ids
        plan_version,
        product_id,

        ---------- text
        period,
        market,
        category,
        currency,

        ---------- numerics
        units,
        revenue,
        margin,
        market_size,

        ---------- timestamps
        period_start,
        approved_on,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from last_delivered

)

select * from final

{{ config(materialized='view') }}

with

histories as (

    select * from {{ ref('int_customers__histories') }}

),

final as (

    select
        ---------- keys
        basis,
        cohort,
        market,
        is_domestic,
        channel,
        {{ month_of('first_date') }} as acquired_month,
        {{ month_of('last_date') }} as last_month,
        x,
        t_x,
        t,
        held_out_time,
        held_out_occasions,

        ---------- measures
        count(*) as customers
    from histories
    group by
        basis,
        cohort,
        market,
        is_domestic,
        channel,
        {{ month_of('first_date') }},
        {{ month_of('last_date') }},
        x,
        t_x,
        t,
        held_out_time,
        held_out_occasions

)

select * from final

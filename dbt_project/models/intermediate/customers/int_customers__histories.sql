{{ config(materialized='view') }}

with

company as (

    select * from {{ source('raw', 'company') }}

),

ends as (

    select * from {{ ref('int_customers__history_ends') }}

),

-- of whom ordered at all
kinds as (

    select coalesce(min(kind) < max(kind), false) as are_several
    from {{ ref('int_customers__totals') }}

),

settings as (

    select
        ends.calibration_end as value_until_date,
        ends.before_held_out as validation_until_date,
        ends.last_order_date,
        company.customer_time_unit_days as unit_days,
        company.home_market,
        kinds.are_several and not company.customer_kinds_together as is_by_kind
    from ends
    cross join company
    cross join kinds

),

-- the totals are imported once for each basis: a CTE that is read twice keeps DuckDB from leaving
-- out the columns that a reader of this view does not ask for
by_basis as (
    {%- for basis in history_days() %}

    select
        '{{ basis }}' as basis,
        settings.{{ basis }}_until_date as until_date,
        settings.last_order_date,
        settings.unit_days,
        totals.customer_id,
        case
            when settings.is_by_kind then coalesce(totals.kind, 'kind not given') else 'all'
        end as cohort,
        totals.market,
        totals.market = settings.home_market as is_domestic,
        totals.first_channel as channel,
        totals.first_date,
        totals.first_home,
        {%- for column in [
            'last_date', 'occasions', 'occasions_home', 'revenue_home', 'last_year_home',
            'margin_home', 'costed_home', 'is_in_cycle',
        ] %}
        totals.{{ basis }}_{{ column }} as {{ column }},
        {%- endfor %}
        totals.occasions as all_occasions,
        totals.net_amount_home as all_home
    from {{ ref('int_customers__totals') }} as totals
    inner join settings
        on totals.first_date <= settings.{{ basis }}_until_date
    {%- if not loop.last %}

    union all
    {%- endif %}
    {%- endfor %}

),

final as (

    select
        ---------- keys
        basis,
        customer_id,

        ---------- attributes
        until_date,
        cohort,
        market,
        is_domestic,
        channel,
        first_date,
        last_date,

        ---------- what the models of buying read
        cast(occasions - 1 as bigint) as x,
        cast({{ days_between('first_date', 'last_date') }} as double) / unit_days as t_x,
        cast({{ days_between('first_date', 'until_date') }} as double) / unit_days as t,
        cast(occasions_home - first_home as double) / nullif(occasions - 1, 0) as mean_spend_home,
        is_in_cycle,

        ---------- money
        occasions_home,
        revenue_home,
        last_year_home,
        margin_home,
        costed_home,

        ---------- what came after
        cast({{ days_between('until_date', 'last_order_date') }} as double) / unit_days
            as held_out_time,
        cast(all_occasions - occasions as bigint) as held_out_occasions,
        cast(all_home - revenue_home as decimal(18, 4)) as held_out_home
    from by_basis

)

select * from final

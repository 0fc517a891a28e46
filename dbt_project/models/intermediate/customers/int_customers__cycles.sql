{{ config(
    post_hook='{{ keep_who_crossed_a_cycle() }}' if target.type == 'duckdb' else [],
) }}

with

company as (

    select real_customer_cycle_percentile / 100.0 as cycle_part
    from {{ source('raw', 'company') }}

),

-- few gaps differ, so that they are counted rather than the buyers put in order. The categories are
-- imported for each basis: a CTE that is read several times is written down with all of its rows
counted_gaps as (
    {%- for basis, days in history_days().items() %}

    select
        '{{ basis }}' as basis,
        category,
        {{ mean_gap_days(days) }} as mean_gap_days,
        count(*) as buyers
    from {{ ref('int_customers__categories') }}
    where {{ days }}_days > 1
    group by category, {{ mean_gap_days(days) }}
    {%- if not loop.last %}

    union all
    {%- endif %}
    {%- endfor %}

),

placed_gaps as (

    select
        basis,
        category,
        mean_gap_days,
        sum(buyers) over (partition by basis, category order by mean_gap_days) - buyers + 1
            as place,
        sum(buyers) over (partition by basis, category) as repeat_buyers
    from counted_gaps

),

final as (

    select
        ---------- the gap that the configured part of the repeat buyers keeps within
        {%- for basis in history_days() %}
        max(case when placed_gaps.basis = '{{ basis }}' then placed_gaps.mean_gap_days end)
            as {{ basis }}_cycle_days,
        {%- endfor %}

        ---------- key
        placed_gaps.category
    from placed_gaps
    cross join company
    where placed_gaps.place <= ceil(placed_gaps.repeat_buyers * company.cycle_part)
    group by placed_gaps.category

)

select * from final

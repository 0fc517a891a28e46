{%- set both_bases = ['value', 'validation'] -%}

with

company as (

    select * from {{ source('raw', 'company') }}

),

ends as (

    select * from {{ ref('int_customers__history_ends') }}

),

bases as (

    select
        bases_and_ends.basis,
        bases_and_ends.until_date,
        bases_and_ends.last_order_date,
        company.customer_time_unit_days as unit_days,
        company.real_customer_purchases,
        company.real_customer_cycle_percentile / 100.0 as cycle_part
    from (
        select
            'value' as basis,
            calibration_end as until_date,
            last_order_date
        from ends

        union all

        select
            'validation' as basis,
            before_held_out as until_date,
            last_order_date
        from ends
    ) as bases_and_ends
    cross join company
    where bases_and_ends.until_date is not null

),

customers as (

    select
        customer_id,
        market,
        kind,
        first_order_date
    from {{ ref('dim_customer') }}

),

-- of whom ordered at all
kinds as (

    select count(distinct kind) as kinds
    from customers
    where first_order_date is not null

),

-- how far apart the days are on which a customer bought a category; null of fewer than two
gaps as (

    select
        {%- for basis, days in {'value': 'calibration', 'validation': 'before_held_out'}.items() %}
        {{ days }}_days as {{ basis }}_days,
        cast({{ dbt.datediff('first_purchase_date', days ~ '_last_date', 'day') }} as double) -- noqa: LT05
        / case when {{ days }}_days > 1 then {{ days }}_days - 1 end as {{ basis }}_gap_days,
        {%- endfor %}
        category,
        customer_id
    from {{ ref('int_customers__categories') }}

),

-- the cycle is the gap that the configured part of the repeat buyers keeps within; few gaps differ,
-- so that they are counted rather than the buyers put in order
counted_gaps as (
    {%- for basis in both_bases %}

    select
        '{{ basis }}' as basis,
        category,
        {{ basis }}_gap_days as mean_gap_days,
        count(*) as buyers
    from gaps
    where {{ basis }}_gap_days is not null
    group by category, {{ basis }}_gap_days
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

cycles as (

    select
        placed_gaps.category,
        max(bases.real_customer_purchases) as real_customer_purchases,
        max(case when placed_gaps.basis = 'value' then placed_gaps.mean_gap_days end)
            as value_cycle_days,
        max(case when placed_gaps.basis = 'validation' then placed_gaps.mean_gap_days end)
            as validation_cycle_days
    from placed_gaps
    inner join bases
        on placed_gaps.basis = bases.basis
    where placed_gaps.place <= ceil(placed_gaps.repeat_buyers * bases.cycle_part)
    group by placed_gaps.category

),

in_cycle as (

    select
        {%- for basis in both_bases %}
        max(
            case
                when
                    gaps.{{ basis }}_gap_days <= cycles.{{ basis }}_cycle_days
                    and gaps.{{ basis }}_days >= cycles.real_customer_purchases
                    then 1
                else 0
            end
        ) = 1 as {{ basis }}_is_in_cycle,
        {%- endfor %}
        gaps.customer_id
    from gaps
    inner join cycles
        on gaps.category = cycles.category
    group by gaps.customer_id

),

by_customer as (

    select
        totals.*,
        {%- for basis in both_bases %}
        coalesce(in_cycle.{{ basis }}_is_in_cycle, false) as {{ basis }}_is_in_cycle,
        {%- endfor %}
        customers.market,
        customers.market = company.home_market as is_domestic,
        case
            when company.customer_kinds_together or kinds.kinds < 2 then 'all'
            else coalesce(customers.kind, 'kind not given')
        end as cohort
    from {{ ref('int_customers__totals') }} as totals
    cross join company
    cross join kinds
    inner join customers
        on totals.customer_id = customers.customer_id
    left join in_cycle
        on totals.customer_id = in_cycle.customer_id

),

by_basis as (
    {%- for basis in both_bases %}

    select
        bases.basis,
        bases.until_date,
        bases.last_order_date,
        bases.unit_days,
        by_customer.customer_id,
        by_customer.cohort,
        by_customer.market,
        by_customer.is_domestic,
        by_customer.first_channel as channel,
        by_customer.first_date,
        by_customer.first_home,
        {%- for column in [
            'last_date', 'occasions', 'occasions_home', 'revenue_home', 'last_year_home',
            'margin_home', 'costed_home', 'is_in_cycle',
        ] %}
        by_customer.{{ basis }}_{{ column }} as {{ column }},
        {%- endfor %}
        by_customer.occasions as all_occasions,
        by_customer.net_amount_home as all_home
    from by_customer
    inner join bases
        on by_customer.first_date <= bases.until_date
    where bases.basis = '{{ basis }}'
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
        cast({{ dbt.datediff('first_date', 'last_date', 'day') }} as double) -- noqa: LT05
        / unit_days as t_x,
        cast({{ dbt.datediff('first_date', 'until_date', 'day') }} as double) -- noqa: LT05
        / unit_days as t,
        cast(occasions_home - first_home as double) / nullif(occasions - 1, 0) as mean_spend_home,
        is_in_cycle,

        ---------- money
        occasions_home,
        revenue_home,
        last_year_home,
        margin_home,
        costed_home,

        ---------- what came after
        cast({{ dbt.datediff('until_date', 'last_order_date', 'day') }} as double) -- noqa: LT05
        / unit_days as held_out_time,
        cast(all_occasions - occasions as bigint) as held_out_occasions,
        cast(all_home - revenue_home as decimal(18, 4)) as held_out_home
    from by_basis

)

select * from final

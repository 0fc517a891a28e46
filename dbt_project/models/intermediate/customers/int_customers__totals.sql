-- depends_on: {{ ref('int_products__categories') }}, {{ ref('stg_sales') }}
-- depends_on: {{ ref('int_sales__product_months') }}
{{ config(
    materialized='incremental' if target.type == 'duckdb' else 'table',
    meta={
        'replaces': 'customers',
        'ends': [
            'calibration_end', 'before_held_out', 'value_year_after', 'validation_year_after',
        ],
        'also': ['audit.pending_totals', 'audit.pending_cycles'],
    },
    post_hook=['{{ keep_what_was_built_with() }}', '{{ keep_cycles() }}']
    if target.type == 'duckdb' else [],
) }}

{#- what the histories of both bases need is summed in the same pass over the days #}
{%- set until = {'value': 'ends.calibration_end', 'validation': 'ends.before_held_out'} -%}
{%- set is_upon = is_incremental() %}
{%- set all_days = 'changed_days' if is_upon else ref('int_customers__days') %}

with
{%- if is_upon %}

changed as (

    {{ changed_customers() }}

),

changed_days as (

    select *
    from {{ ref('int_customers__days') }}
    where customer_id in (select customer_id from changed)

),
{%- endif %}
{%- for days in ['days', 'merged_days'] %}
{%- if days == 'merged_days' %}

-- a day on which a customer bought in two markets is one occasion all the same: the few customers
-- with such a day are summed anew, rather than all customers day by day
same_days as (

    select customer_id
    from {{ all_days }}
    group by customer_id, order_date
    having count(*) > 1

),

same_day_customers as (

    select distinct customer_id
    from same_days

),

merged_days as (

    select
        market_days.customer_id,
        market_days.order_date,
        max(case when market_days.is_occasion then 1 else 0 end) = 1 as is_occasion,
        min(case when market_days.is_occasion then market_days.channel end) as channel,
        sum(market_days.return_lines) as return_lines,
        sum(market_days.units) as units,
        sum(market_days.units_returned) as units_returned,
        sum(market_days.net_amount_home) as net_amount_home,
        sum(market_days.returned_amount_home) as returned_amount_home,
        sum(market_days.margin_home) as margin_home,
        sum(market_days.net_amount_costed_home) as net_amount_costed_home
    from {{ all_days }} as market_days
    inner join same_day_customers
        on market_days.customer_id = same_day_customers.customer_id
    group by market_days.customer_id, market_days.order_date

),
{%- endif %}

{{ days }}_summed as (

    select
        days.customer_id,
        min(case when days.is_occasion then days.order_date end) as first_date,
        max(case when days.is_occasion then days.order_date end) as last_date,
        min_by(days.net_amount_home, case when days.is_occasion then days.order_date end)
            as first_home,
        -- null is a channel, too: it must not make room for that of a later day
        min_by(
            coalesce('of ' || days.channel, ''), case when days.is_occasion then days.order_date end
        ) as first_channel,
        {%- for basis, end in until.items() %}
        max(case when days.is_occasion and days.order_date <= {{ end }} then days.order_date end)
            as {{ basis }}_last_date,
        sum(case when days.is_occasion and days.order_date <= {{ end }} then 1 else 0 end)
            as {{ basis }}_occasions,
        sum(
            case
                when days.is_occasion and days.order_date <= {{ end }} then days.net_amount_home
                else 0
            end
        ) as {{ basis }}_occasions_home,
        sum(case when days.order_date <= {{ end }} then days.net_amount_home else 0 end)
            as {{ basis }}_revenue_home,
        sum(
            case
                when
                    days.order_date <= {{ end }}
                    and days.order_date > ends.{{ basis }}_year_after
                    then days.net_amount_home
                else 0
            end
        ) as {{ basis }}_last_year_home,
        sum(case when days.order_date <= {{ end }} then days.margin_home end)
            as {{ basis }}_margin_home,
        sum(case when days.order_date <= {{ end }} then days.net_amount_costed_home end)
            as {{ basis }}_costed_home,
        {%- endfor %}
        sum(case when days.is_occasion then 1 else 0 end) as occasions,
        sum(days.return_lines) as return_lines,
        sum(days.units) as units,
        sum(days.units_returned) as units_returned,
        sum(days.net_amount_home) as net_amount_home,
        sum(days.returned_amount_home) as returned_amount_home,
        sum(days.margin_home) as margin_home
    from {{ all_days if days == 'days' else days }} as days
    cross join {{ ref('int_customers__history_ends') }} as ends
    group by days.customer_id

),
{%- endfor %}

summed as (

    select days_summed.*
    from days_summed
    left join same_day_customers
        on days_summed.customer_id = same_day_customers.customer_id
    where same_day_customers.customer_id is null

    union all

    select * from merged_days_summed

),

-- one half of the rule for a real customer; a gap is between two days
rules as (

    select
        cycles.*,
        greatest(company.real_customer_purchases, 2) as fewest_days
    from {{ ref('int_customers__cycles') }} as cycles
    cross join {{ source('raw', 'company') }} as company

),

kept as (

    select
        {%- for basis, days in history_days().items() %}
        categories.{{ days }}_days >= rules.fewest_days
        and {{ mean_gap_days(days, 'categories.') }} <= rules.{{ basis }}_cycle_days
            as {{ basis }}_is_in_cycle,
        {%- endfor %}
        categories.customer_id
    from {{ ref('int_customers__categories') }} as categories
    inner join rules
        on categories.category = rules.category
    {%- if is_upon %}
    where categories.customer_id in (select customer_id from changed)
    {%- endif %}

),

in_cycle as (

    select
        {%- for basis in until %}
        max(case when {{ basis }}_is_in_cycle then 1 else 0 end) = 1 as {{ basis }}_is_in_cycle,
        {%- endfor %}
        customer_id
    from kept
    where value_is_in_cycle or validation_is_in_cycle
    group by customer_id

),

final as (

    select
        ---------- key
        summed.customer_id,

        ---------- attributes
        customers.market,
        customers.kind,

        ---------- purchases
        summed.first_date,
        summed.last_date,
        case when summed.first_channel <> '' then substr(summed.first_channel, 4) end
            as first_channel,
        cast(summed.first_home as decimal(18, 4)) as first_home,
        cast(summed.occasions as bigint) as occasions,

        ---------- up to the last day of each basis
        {%- for basis in until %}
        summed.{{ basis }}_last_date,
        cast(summed.{{ basis }}_occasions as bigint) as {{ basis }}_occasions,
        {%- for column in [
            'occasions_home', 'revenue_home', 'last_year_home', 'margin_home', 'costed_home',
        ] %}
        cast(summed.{{ basis }}_{{ column }} as decimal(18, 4)) as {{ basis }}_{{ column }},
        {%- endfor %}
        coalesce(in_cycle.{{ basis }}_is_in_cycle, false) as {{ basis }}_is_in_cycle,
        {%- endfor %}

        ---------- all lines
        {%- for column in [
            'units', 'units_returned', 'net_amount_home', 'returned_amount_home', 'margin_home',
        ] %}
        cast(summed.{{ column }} as decimal(18, 4)) as {{ column }},
        {%- endfor %}
        cast(summed.return_lines as bigint) as return_lines
    from summed
    inner join {{ ref('dim_customer') }} as customers
        on summed.customer_id = customers.customer_id
    left join in_cycle
        on summed.customer_id = in_cycle.customer_id

)

select * from final

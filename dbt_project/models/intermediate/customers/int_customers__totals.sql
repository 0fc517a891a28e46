{#- what the histories of both bases need is summed in the same pass over the days #}
{%- set until = {'value': 'ends.calibration_end', 'validation': 'ends.before_held_out'} -%}

with
{%- for days in ['days', 'merged_days'] %}
{%- if days == 'merged_days' %}

-- a day on which a customer bought in two markets is one occasion all the same: the few customers
-- with such a day are summed anew, rather than all customers day by day
same_days as (

    select customer_id
    from {{ ref('int_customers__days') }}
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
    from {{ ref('int_customers__days') }} as market_days
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
                    and days.order_date > {{ days_after(end, -365) }}
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
    from {{ ref('int_customers__days') if days == 'days' else days }} as days
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

final as (

    select
        ---------- key
        customer_id,

        ---------- purchases
        first_date,
        last_date,
        case when first_channel <> '' then substr(first_channel, 4) end as first_channel,
        cast(first_home as decimal(18, 4)) as first_home,
        cast(occasions as bigint) as occasions,

        ---------- up to the last day of each basis
        {%- for basis in until %}
        {{ basis }}_last_date,
        cast({{ basis }}_occasions as bigint) as {{ basis }}_occasions,
        {%- for column in [
            'occasions_home', 'revenue_home', 'last_year_home', 'margin_home', 'costed_home',
        ] %}
        cast({{ basis }}_{{ column }} as decimal(18, 4)) as {{ basis }}_{{ column }},
        {%- endfor %}
        {%- endfor %}

        ---------- all lines
        {%- for column in [
            'units', 'units_returned', 'net_amount_home', 'returned_amount_home', 'margin_home',
        ] %}
        cast({{ column }} as decimal(18, 4)) as {{ column }},
        {%- endfor %}
        cast(return_lines as bigint) as return_lines
    from summed

)

select * from final

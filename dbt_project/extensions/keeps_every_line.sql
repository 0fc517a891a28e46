{# Every staged order line is in the fact or among those not converted, once: per delivery, the
   number of lines and the sum of row numbers agree. Reads each side once, as far as the fact
   was built, and needs no table of keys. #}
{% test keeps_every_line(model, by_month) %}

with

both_sides as (

    select
        delivery_id,
        count(*) as lines,
        sum(row_number) as row_numbers
    from {{ ref('stg_sales') }}
    where {{ is_tested([model], 'ordered_at') }}
    group by delivery_id

    union all

    select
        delivery_id,
        -count(*) as lines,
        -sum(row_number) as row_numbers
    from {{ model }}
    where {{ is_tested([model], by_month) }}
    group by delivery_id

    union all

    select
        delivery_id,
        -count(*) as lines,
        -sum(row_number) as row_numbers
    from {{ ref('quarantine_without_rate') }}
    where entity = 'sales' and {{ is_tested([model], 'period_month') }}
    group by delivery_id

)

select
    delivery_id,
    sum(lines) as lines_missing,
    sum(row_numbers) as row_numbers_missing
from both_sides
group by delivery_id
having sum(lines) <> 0 or sum(row_numbers) <> 0

{% endtest %}

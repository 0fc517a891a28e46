{#
    A calendar without holes: within each group, every date but the last is followed by the next
    day, month, quarter or year. Fails with the date after which something is missing.
#}
{% test no_gap(model, date_column, period='day', group_by=[]) %}

{%- set months = {'month': 1, 'quarter': 3, 'year': 12} %}

with

followed as (

    select
        {%- for group in group_by %}
        {{ group }},
        {%- endfor %}
        {{ date_column }} as last_date,
        lead({{ date_column }}) over (
            {%- if group_by %}
            partition by {{ group_by | join(', ') }}
            {%- endif %}
            order by {{ date_column }}
        ) as next_date
    from {{ model }}

)

select *
from followed
where
    {%- if period == 'day' %}
    next_date > last_date + interval '1' day
    {%- else %}
    12 * (extract(year from next_date) - extract(year from last_date))
    + extract(month from next_date) - extract(month from last_date) > {{ months[period] }}
    {%- endif %}

{% endtest %}

{#
    Numbers stay in their ranges: `ranges` maps a column (or an expression) to [lowest, highest],
    both included, null for an open end. Nulls pass; NaN and infinity never do. One pass for all.
#}
{% test between(model, ranges) %}

select *
from {{ model }}
where
    false
    {%- for column, limits in ranges.items() %}
    {%- if limits[0] is not none %}
    or {{ column }} < {{ limits[0] }}
    {%- else %}
    or {{ column }} < -1e300
    {%- endif %}
    {#- NaN sorts above every number on both engines, so an upper end is always compared #}
    or {{ column }} > {{ limits[1] if limits[1] is not none else '1e300' }}
    {%- endfor %}

{% endtest %}

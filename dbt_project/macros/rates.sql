{# A sum that does not depend on the order in which an engine adds up doubles. #}
{% macro exact_sum(number) -%}
    sum(cast({{ number }} as decimal(30, 18)))
{%- endmacro %}

{# A mean that does not depend on it either. #}
{% macro exact_avg(number) -%}
    cast({{ exact_sum(number) }} as double) / nullif(count({{ number }}), 0)
{%- endmacro %}

{# An average that does not depend on the order in which an engine adds up doubles. #}
{% macro exact_average(number) -%}
    cast(sum(cast({{ number }} as decimal(30, 18))) as double) / count(*)
{%- endmacro %}

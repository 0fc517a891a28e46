{# A sum that does not depend on the order in which an engine adds up doubles. #}
{% macro exact_sum(number) -%}
    sum(cast({{ number }} as decimal(30, 18)))
{%- endmacro %}

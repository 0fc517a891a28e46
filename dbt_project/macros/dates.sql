{# The first day of a moment's month. DuckDB's date_trunc takes five times as long. #}
{% macro month_of(moment) -%}
    cast({{ moment }} as date) - cast(extract(day from cast({{ moment }} as date)) - 1 as integer)
{%- endmacro %}


{% macro days_after(day, days) -%}
    cast({{ dbt.dateadd('day', days, day) }} as date)
{%- endmacro %}


{# The last day of a period that begins on `period_start`: a month, a quarter or a year. #}
{% macro period_end(period, period_start) -%}
    {%- set months = "case " ~ period ~ " when 'month' then 1 when 'quarter' then 3 else 12 end" -%}
    {{ days_after('cast(' ~ dbt.dateadd('month', months, period_start) ~ ' as date)', -1) }}
{%- endmacro %}


{# The Monday of a date's week. #}
{% macro week_of(day) -%}
    cast(date_trunc('week', {{ day }}) as date)
{%- endmacro %}

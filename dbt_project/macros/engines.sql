{# What DuckDB and Spark say differently. All other SQL of the project runs on both unchanged. #}

{# A one-column relation `day` with every day between two dates that one row of `bounds` holds. #}
{% macro calendar_days(bounds, first_day, last_day) -%}
    {{ return(adapter.dispatch('calendar_days', 'tradewind')(bounds, first_day, last_day)) }}
{%- endmacro %}

{% macro default__calendar_days(bounds, first_day, last_day) -%}
    select cast(unnest(generate_series(
        cast({{ first_day }} as timestamp), cast({{ last_day }} as timestamp), interval 1 day
    )) as date) as day
    from {{ bounds }}
    where {{ first_day }} is not null
{%- endmacro %}

{% macro spark__calendar_days(bounds, first_day, last_day) -%}
    select explode(sequence({{ first_day }}, {{ last_day }}, interval 1 day)) as day
    from {{ bounds }}
    where {{ first_day }} is not null
{%- endmacro %}


{# Monday is 1 and Sunday 7. #}
{% macro iso_day_of_week(day) -%}
    {{ return(adapter.dispatch('iso_day_of_week', 'tradewind')(day)) }}
{%- endmacro %}

{% macro default__iso_day_of_week(day) -%}
    cast(extract(isodow from {{ day }}) as integer)
{%- endmacro %}

{% macro spark__iso_day_of_week(day) -%}
    cast(extract(dayofweek_iso from {{ day }}) as integer)
{%- endmacro %}


{# A whole row of a relation as JSON, for rows that are set aside and shown to people. #}
{% macro row_as_json(relation) -%}
    {{ return(adapter.dispatch('row_as_json', 'tradewind')(relation)) }}
{%- endmacro %}

{% macro default__row_as_json(relation) -%}
    to_json({{ relation }})
{%- endmacro %}

{% macro spark__row_as_json(relation) -%}
    to_json(struct({{ relation }}.*))
{%- endmacro %}


{% macro type_json() -%}
    {{ return(adapter.dispatch('type_json', 'tradewind')()) }}
{%- endmacro %}

{% macro default__type_json() -%} json {%- endmacro %}

{% macro spark__type_json() -%} string {%- endmacro %}


{# A product, null where it has too many digits for its type. #}
{% macro product_or_null(left, right) -%}
    {{ return(adapter.dispatch('product_or_null', 'tradewind')(left, right)) }}
{%- endmacro %}

{% macro default__product_or_null(left, right) -%} try({{ left }} * {{ right }}) {%- endmacro %}

{% macro spark__product_or_null(left, right) -%}
    try_multiply({{ left }}, {{ right }})
{%- endmacro %}

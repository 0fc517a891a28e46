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


{# The days from one date to another; DuckDB takes twice as long by way of timestamps. #}
{% macro days_between(first_day, last_day) -%}
    {{ return(adapter.dispatch('days_between', 'tradewind')(first_day, last_day)) }}
{%- endmacro %}

{% macro default__days_between(first_day, last_day) -%} ({{ last_day }} - {{ first_day }}) {%- endmacro %}

{% macro spark__days_between(first_day, last_day) -%}
    datediff({{ last_day }}, {{ first_day }})
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


{# A one-column relation `value` of the whole numbers from 1. #}
{% macro whole_numbers(last) -%}
    {{ return(adapter.dispatch('whole_numbers', 'tradewind')(last)) }}
{%- endmacro %}

{% macro default__whole_numbers(last) -%}
    select unnest(range(1, {{ last + 1 }})) as value
{%- endmacro %}

{% macro spark__whole_numbers(last) -%}
    select explode(sequence(1, {{ last }})) as value
{%- endmacro %}


{# A number from 0 to under 1 that looks random and always is the same for a text. #}
{% macro uniform_of(text) -%}
    {{ return(adapter.dispatch('uniform_of', 'tradewind')(text)) }}
{%- endmacro %}

{% macro default__uniform_of(text) -%}
    cast(('0x' || left(md5({{ text }}), 12)) as bigint) / 281474976710656.0
{%- endmacro %}

{% macro spark__uniform_of(text) -%}
    cast(conv(left(md5({{ text }}), 12), 16, 10) as bigint) / 281474976710656.0D
{%- endmacro %}


{# An aggregate: the value below which a part of the values lies, between two of them in proportion. #}
{% macro quantile(number, part) -%}
    {{ return(adapter.dispatch('quantile', 'tradewind')(number, part)) }}
{%- endmacro %}

{% macro default__quantile(number, part) -%}
    quantile_cont({{ number }}, {{ part }})
{%- endmacro %}

{% macro spark__quantile(number, part) -%}
    percentile({{ number }}, {{ part }})
{%- endmacro %}


{# An aggregate: the names in a group, in their order, with commas between. #}
{% macro names_of(name) -%}
    {{ return(adapter.dispatch('names_of', 'tradewind')(name)) }}
{%- endmacro %}

{% macro default__names_of(name) -%} string_agg({{ name }}, ', ' order by {{ name }}) {%- endmacro %}

{% macro spark__names_of(name) -%} array_join(array_sort(collect_list({{ name }})), ', ') {%- endmacro %}


{# The texts of a group in one, in their own order. #}
{% macro text_list(text) -%}
    {{ return(adapter.dispatch('text_list', 'tradewind')(text)) }}
{%- endmacro %}

{% macro default__text_list(text) -%} string_agg({{ text }}, '; ' order by {{ text }}) {%- endmacro %}

{% macro spark__text_list(text) -%}
    nullif(array_join(array_sort(collect_list({{ text }})), '; '), '')
{%- endmacro %}

{# Keys: which of two rows counts, and how the names that two systems use are compared. #}

{# A total order of the rows of one natural key, the valid one first. Loading has marked the rows
   that a later delivery of the same source replaces, so what is left to decide is between two
   sources and within one delivery, where the last row counts. It never depends on when a delivery
   was landed. #}
{% macro last_delivered() -%}
    _source desc, _delivery_id desc, _row_number desc
{%- endmacro %}


{# GTIN-8, -12, -13 and -14 of one article differ in leading zeros only. #}
{% macro gtin_14(gtin) -%}
    {%- set digits = "translate(" ~ gtin ~ ", ' -.', '')" -%}
    case when length({{ digits }}) between 8 and 14 then lpad({{ digits }}, 14, '0') end
{%- endmacro %}


{# Names and keys of two systems are compared without regard to case and outer blanks. #}
{% macro comparable(text) -%}
    lower(trim({{ text }}))
{%- endmacro %}


{# Identifies one rival's one offer over time. #}
{% macro offer_key(columns) -%}
    md5(concat_ws(
            '|',
            {%- for column in columns %}
            coalesce(cast({{ column }} as {{ dbt.type_string() }}), ''){{ ',' if not loop.last }}
            {%- endfor %}
        ))
{%- endmacro %}


{# The source of a delivery, which is named `<source>-<12 digits>`. #}
{% macro source_of(delivery_id) -%}
    left({{ delivery_id }}, length({{ delivery_id }}) - 13)
{%- endmacro %}


{# Whether a firm of the market data is no firm but the remainder of the market. #}
{% macro is_remainder(firm) -%}
    {%- set names = [
        'other', 'others', 'other firms', 'other companies', 'other makers', 'other manufacturers',
        'other brands', 'other vendors', 'all other', 'all others', 'rest', 'rest of market',
        'rest of the market', 'remainder', 'sonstige', 'andere', 'übrige', 'autres', 'otros',
        'altri', 'outros', 'overige',
    ] -%}
    coalesce({{ comparable(firm) }} in ('{{ names | join("', '") }}'), false)
{%- endmacro %}

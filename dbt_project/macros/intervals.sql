{# Both bounds of Wilson's 95 % interval of a part, in percent, as named columns. The estimate lies
   between them to the last digit, and none and all are bounds themselves, both of which doubles
   would miss. #}
{% macro wilson_bounds_pct(part, trials, low, high) -%}
    {%- set centre -%} {{ part }} + 1.920729410347062 / {{ trials }} {%- endset -%}
    {%- set spread -%}
        sqrt(
                3.841458820694124 * {{ part }} * (1 - {{ part }}) / {{ trials }}
                + power(1.920729410347062 / {{ trials }}, 2)
            )
    {%- endset -%}
    {%- set scale -%} (1 + 3.841458820694124 / {{ trials }}) {%- endset -%}
    case
            when {{ trials }} > 0 then greatest(least(
                100 * ({{ centre }} - {{ spread }}) / {{ scale }}, 100 * {{ part }}
            ), 0)
        end as {{ low }},
        case
            when {{ trials }} > 0 then least(greatest(
                100 * ({{ centre }} + {{ spread }}) / {{ scale }}, 100 * {{ part }}
            ), 100)
        end as {{ high }}
{%- endmacro %}

{# A sum that does not depend on the order in which an engine adds up doubles. Of amounts that are
   shown in hundredths of a cent, fewer `decimals` keep what a double lacks of a half out of it. #}
{% macro exact_sum(number, decimals=18) -%}
    sum(cast({{ number }} as decimal(38, {{ decimals }})))
{%- endmacro %}

{# Such a sum of twelve decimals as an amount of money. To divide whole numbers of 16 bytes takes two
   thousandths of a millisecond each; most sums fit into 8. #}
{% macro to_amount(sum) -%}
    case
            when abs({{ sum }}) < 1000000
                then cast(cast({{ sum }} as decimal(18, 12)) as decimal(18, 4))
            else cast({{ sum }} as decimal(18, 4))
        end
{%- endmacro %}

{# A mean that does not depend on it either. #}
{% macro exact_avg(number) -%}
    cast({{ exact_sum(number) }} as double) / nullif(count({{ number }}), 0)
{%- endmacro %}


{# Whether a converted amount is too large: it and the difference of two such are to fit
   decimal(18, 4), whose limit is 1e14. #}
{% macro is_too_large(amount) -%}
    abs({{ amount }}) >= 5e13
{%- endmacro %}

{# From which rate on a line of sales may have an amount that is too large: each is less than 1e10
   where it is loaded, and gross and discount are taken as one. #}
{% macro is_steep(rate) -%}
    {{ rate }} >= 2500
{%- endmacro %}

{# Whether any amount of a staged line of sales is too large at a rate. Doubles hold all of them;
   at most rates there is nothing to work out. #}
{% macro has_too_large_amount(rate) -%}
    (
        {{ is_steep(rate) }}
        and {{ is_too_large(
            "greatest("
            ~ "abs(cast(quantity as double) * cast(unit_price as double))"
            ~ " + coalesce(abs(cast(discount_amount as double)), 0), "
            ~ "coalesce(abs(cast(tax_amount as double)), 0), "
            ~ "coalesce(abs(cast(freight_amount as double)), 0), "
            ~ "coalesce(abs(cast(duty_amount as double)), 0)) * " ~ rate
        ) }}
    )
{%- endmacro %}

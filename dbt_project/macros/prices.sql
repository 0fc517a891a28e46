{# Whether a price is over ten times, or under a tenth of, the median of a group of prices. Fewer
   than three prices do not say which of them is the odd one. #}
{% macro far_from(price, medians, factor=10, fewest=3) -%}
    (
                {{ medians }}.observations >= {{ fewest }}
                and (
                    {{ price }} > {{ factor }} * {{ medians }}.median_price_home
                    or {{ price }} < {{ medians }}.median_price_home / {{ factor }}
                )
            )
{%- endmacro %}

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


{# What tells an article of a rival's from its others; where it has no name of its own, the product
   of ours that it is matched to. #}
{% macro rivals_article(prices) -%}
    coalesce(
            {{ prices }}.gtin, {{ prices }}.mpn, {{ prices }}.url, {{ prices }}.title,
            {{ prices }}.product_id, ''
        )
{%- endmacro %}

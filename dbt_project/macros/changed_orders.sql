{# int_sales__baskets is added to: baskets that have changed are subtracted as they were, and added as
   they are. #}

{# After which day orders count, and how many products a basket may hold. One row. #}
{% macro basket_bounds() -%}
    select
        cast(
            {{ dbt.dateadd('month', '-company.basket_months', 'last_day.as_of_date') }} as date
        ) as ordered_after,
        company.basket_largest_order as largest_order
    from (
        select max(last_order_date) as as_of_date from {{ ref('int_sales__product_months') }}
    ) as last_day
    cross join {{ source('raw', 'company') }} as company
{%- endmacro %}


{% macro is_bought() -%}
    line_kind = 'product' and quantity > 0 and not is_return
{%- endmacro %}


{# The products that may have been in enough baskets: they have enough lines in the same months. #}
{% macro frequent_products() -%}
    select product_months.product_id
    from {{ ref('int_sales__product_months') }} as product_months
    cross join ({{ basket_bounds() }}) as bounds
    cross join {{ source('raw', 'company') }} as company
    where
        product_months.line_kind = 'product'
        and product_months.order_month >= {{ month_of('bounds.ordered_after') }}
    group by product_months.product_id
    having sum(product_months.lines) >= max(company.basket_minimum_orders)
{%- endmacro %}


{# Those whose pairs were counted when all baskets were. #}
{% macro counted_products() -%}
    select distinct product_id
    from {{ this }}
    where product_id is not null and other_product_id is null
{%- endmacro %}


{# Of more products than these, only the pairs that are told are kept: the others would be too many,
   and without them nothing can be added. #}
{% macro most_products_of_kept_pairs() -%}
    {{ return(3000) }}
{%- endmacro %}


{% macro keep_replaced_order_lines() -%}
    {{ keep_replaced(
        'audit.replaced_order_lines',
        ['order_id', 'product_id', 'order_date'],
        is_bought(),
        'audit.built_baskets',
    ) }}
{%- endmacro %}


{# Not where nothing tells which lines were replaced, where a basket is something else now, where a
   product has become frequent, and not on top of very many builds, which would make the table
   large. #}
{% macro baskets_can_be_added() -%}
    {%- if not is_in_audit('audit.built_baskets') or not is_in_audit('audit.replaced_order_lines') -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(run_query(
        "select 1 as possible from audit.built_baskets as was cross join (" ~ basket_bounds() ~ ") as now"
        ~ " where was.largest_order = now.largest_order"
        ~ " and was.ordered_after is not null and now.ordered_after is not null"
        ~ " and (select count(*) from " ~ this ~ " where product_id is null) < 30"
        ~ " and (select count(*) from (" ~ counted_products() ~ ") as counted)"
        ~ " <= " ~ most_products_of_kept_pairs()
        ~ " and not exists (select 1 from (" ~ frequent_products() ~ ") as frequent"
        ~ " where product_id not in (" ~ counted_products() ~ "))"
    ) | length > 0) }}
{%- endmacro %}


{# Between which two days lie those that count in only one of both states. #}
{% macro moved_bounds() -%}
    {{ return(run_query(
        "select cast(least(was.ordered_after, now.ordered_after) as varchar) as earlier,"
        ~ " cast(greatest(was.ordered_after, now.ordered_after) as varchar) as later"
        ~ " from audit.built_baskets as was cross join (" ~ basket_bounds() ~ ") as now"
    ).rows[0]) }}
{%- endmacro %}

{# Two spans of equal length that end with the last order: up to a year each, less where our sales
   data is shorter than two. One row; empty sales give a row of nulls. #}
{% macro newest_and_before() -%}
    select
        as_of_date,
        window_days,
        {{ days_after('as_of_date', '-window_days') }} as newest_after,
        {{ days_after('as_of_date', '-2 * window_days') }} as before_after
    from (
        select
            max(last_order_date) as as_of_date,
            cast(least(
                365,
                floor((
                    {{ dbt.datediff('min(first_order_date)', 'max(last_order_date)', 'day') }} + 1
                ) / 2)
            ) as integer) as window_days
        from {{ ref('int_sales__product_months') }}
    ) as sales_span
{%- endmacro %}

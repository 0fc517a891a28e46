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


{# The last days of histories: calibration_end, and the day before the held-out period. The orders
   after a configured calibration_end are held out; else the newest weeks are, if what is left is
   at least as long. One row; null where there is none. #}
{% macro history_ends() -%}
    select
        first_order_date,
        last_order_date,
        least(customer_calibration_end, last_order_date) as calibration_end,
        case
            when customer_calibration_end < last_order_date then customer_calibration_end
            when
                {{ dbt.datediff('first_order_date', 'last_order_date', 'day') }}
                >= 14 * customer_held_out_weeks
                then {{ days_after('last_order_date', '-7 * customer_held_out_weeks') }}
        end as before_held_out
    from (
        select
            min(product_months.first_order_date) as first_order_date,
            max(product_months.last_order_date) as last_order_date,
            max(company.customer_calibration_end) as customer_calibration_end,
            max(company.customer_held_out_weeks) as customer_held_out_weeks
        from {{ ref('int_sales__product_months') }} as product_months
        cross join {{ source('raw', 'company') }} as company
    ) as sales_span
{%- endmacro %}

{# The orders after a configured calibration_end are held out; else the newest weeks are, if what is
   left is at least as long. Empty sales give a row of nulls. #}

with

ends as (

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

),

final as (

    select
        first_order_date,
        last_order_date,
        calibration_end,
        before_held_out,
        {{ days_after('calibration_end', -365) }} as value_year_after,
        {{ days_after('before_held_out', -365) }} as validation_year_after
    from ends

)

select * from final

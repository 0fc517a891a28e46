-- depends_on: {{ ref('int_customers__days') }}, {{ ref('stg_sales') }}
{{ config(
    materialized='incremental' if target.type == 'duckdb' else 'table',
    meta={
        'replaces': 'customers',
        'ends': ['newest_after', 'before_after', 'calibration_end', 'before_held_out'],
    },
    post_hook='{{ keep_what_was_built_with() }}' if target.type == 'duckdb' else [],
) }}

with

spans as (

    {{ newest_and_before() }}

),

ends as (

    select * from {{ ref('int_customers__history_ends') }}

),

-- numbers group cheaper than texts
products as (

    select
        product_id,
        category,
        cast(dense_rank() over (order by category) as integer) as category_number
    from {{ ref('int_products__categories') }}

),

categories as (

    select distinct
        category_number,
        category
    from products

),

-- first by day, then over the days: that costs half of counting distinct days
days as (

    select
        sales.customer_id,
        sales.market,
        products.category_number,
        sales.order_date,
        max(
            case when sales.quantity > 0 and not sales.is_return then sales.order_date end
        ) as purchase_date,
        cast(sum(sales.net_amount_home) as decimal(18, 4)) as net_amount_home
    from {{ ref('fct_sales') }} as sales
    inner join products
        on sales.product_id = products.product_id
    where sales.line_kind = 'product' and {{ is_customer_built_now('sales.customer_id') }}
    group by sales.customer_id, sales.market, products.category_number, sales.order_date

),

summed as (

    select
        days.customer_id,
        days.market,
        days.category_number,
        count(days.purchase_date) as purchase_days,
        min(days.purchase_date) as first_purchase_date,
        max(days.purchase_date) as last_purchase_date,
        count(case when days.purchase_date <= ends.calibration_end then 1 end)
            as calibration_days,
        max(case when days.purchase_date <= ends.calibration_end then days.purchase_date end)
            as calibration_last_date,
        count(case when days.purchase_date <= ends.before_held_out then 1 end)
            as before_held_out_days,
        max(case when days.purchase_date <= ends.before_held_out then days.purchase_date end)
            as before_held_out_last_date,
        cast(sum(
            case when days.order_date > spans.newest_after then days.net_amount_home else 0 end
        ) as decimal(18, 4)) as revenue_home,
        cast(sum(
            case
                when
                    days.order_date > spans.before_after
                    and days.order_date <= spans.newest_after
                    then days.net_amount_home
                else 0
            end
        ) as decimal(18, 4)) as revenue_before_home,
        count(
            case
                when
                    days.purchase_date > spans.before_after
                    and days.purchase_date <= spans.newest_after
                    then 1
            end
        ) > 0 as is_buyer_before
    from days
    cross join spans
    cross join ends
    group by days.customer_id, days.market, days.category_number

),

final as (

    select
        ---------- keys
        summed.customer_id,
        summed.market,
        categories.category,

        ---------- purchases; a day counts once
        summed.purchase_days,
        summed.first_purchase_date,
        summed.last_purchase_date,

        ---------- the same as far as histories reach
        summed.calibration_days,
        summed.calibration_last_date,
        summed.before_held_out_days,
        summed.before_held_out_last_date,

        ---------- the newest span and the one before
        summed.revenue_home,
        summed.revenue_before_home,
        coalesce(summed.last_purchase_date > spans.newest_after, false) as is_buyer,
        summed.is_buyer_before
    from summed
    cross join spans
    inner join categories
        on summed.category_number = categories.category_number

)

select * from final

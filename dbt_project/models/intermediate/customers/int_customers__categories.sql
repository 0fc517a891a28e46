with

spans as (

    {{ newest_and_before() }}

),

ends as (

    {{ history_ends() }}

),

products as (

    select * from {{ ref('int_products__categories') }}

),

-- first by day, then over the days: that costs half of counting distinct days
days as (

    select
        sales.customer_id,
        sales.market,
        products.category,
        sales.order_date,
        max(case when sales.quantity > 0 and not sales.is_return then 1 else 0 end) as is_purchase,
        sum(sales.net_amount_home) as net_amount_home
    from {{ ref('fct_sales') }} as sales
    inner join products
        on sales.product_id = products.product_id
    where sales.line_kind = 'product' and sales.customer_id is not null
    group by sales.customer_id, sales.market, products.category, sales.order_date

),

final as (

    select
        ---------- keys
        days.customer_id,
        days.market,
        days.category,

        ---------- purchases; a day counts once
        cast(sum(days.is_purchase) as bigint) as purchase_days,
        min(case when days.is_purchase = 1 then days.order_date end) as first_purchase_date,
        max(case when days.is_purchase = 1 then days.order_date end) as last_purchase_date,

        ---------- the same as far as histories reach
        cast(sum(
            case when days.order_date <= ends.calibration_end then days.is_purchase else 0 end
        ) as bigint) as calibration_days,
        max(
            case
                when days.is_purchase = 1 and days.order_date <= ends.calibration_end
                    then days.order_date
            end
        ) as calibration_last_date,
        cast(sum(
            case when days.order_date <= ends.before_held_out then days.is_purchase else 0 end
        ) as bigint) as before_held_out_days,
        max(
            case
                when days.is_purchase = 1 and days.order_date <= ends.before_held_out
                    then days.order_date
            end
        ) as before_held_out_last_date,

        ---------- the newest span and the one before
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
        max(case when days.order_date > spans.newest_after then days.is_purchase else 0 end) = 1
            as is_buyer,
        max(
            case
                when
                    days.order_date > spans.before_after
                    and days.order_date <= spans.newest_after
                    then days.is_purchase
                else 0
            end
        ) = 1 as is_buyer_before
    from days
    cross join spans
    cross join ends
    group by days.customer_id, days.market, days.category

)

select * from final

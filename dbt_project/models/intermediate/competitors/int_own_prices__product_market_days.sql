with

company as (

    select * from {{ source('raw', 'company') }}

),

vat_rates as (

    select * from {{ source('raw', 'vat_rates') }}

),

rates as (

    select * from {{ ref('int_rates__currency_days') }}

),

last_rate as (

    select max(rate_date) as rate_date from rates

),

products as (

    select * from {{ ref('dim_product') }}

),

days as (

    select
        product_id,
        market,
        price_date
    from {{ ref('int_competitor_prices__standing_days') }}

    union

    select
        product_id,
        market,
        observed_date as price_date
    from {{ ref('int_competitor_prices__observed_days') }}

),

-- sales of other products, or in other markets, are looked up by nobody
priced_products as (

    select distinct
        product_id,
        market
    from days

),

sold_months as (

    select
        product_id,
        market,
        12 * extract(year from order_month) + extract(month from order_month) as month_index,
        sum(net_amount_home) / nullif(sum(units), 0) as average_price_home
    from {{ ref('int_sales__product_months') }}
    where line_kind = 'product'
    group by
        product_id,
        market,
        12 * extract(year from order_month) + extract(month from order_month)
    having sum(units) > 0 and sum(net_amount_home) > 0

),

sold_days as (

    select
        sales.product_id,
        sales.market,
        sales.order_date as price_date,
        sales.net_amount_home / nullif(sales.units, 0) as average_price_home,
        -- a month in which more was returned than sold has no price; the one before it counts on
        sold_months.month_index
    from {{ ref('int_sales__product_days') }} as sales
    inner join priced_products
        on sales.product_id = priced_products.product_id
        and sales.market = priced_products.market
    left join sold_months
        on sales.product_id = sold_months.product_id
        and sales.market = sold_months.market
        and 12 * extract(year from sales.order_date) + extract(month from sales.order_date)
        = sold_months.month_index
    where sales.units > 0 and sales.net_amount_home > 0

),

-- found by running windows and looked up by equality: a join on a range would compare every day
-- with every sale
days_and_sales as (

    select
        product_id,
        market,
        price_date,
        true as is_priced,
        cast(null as bigint) as sold_month_index,
        cast(null as double) as day_price_home
    from days

    union all

    select
        product_id,
        market,
        price_date,
        false as is_priced,
        cast(month_index as bigint) as sold_month_index,
        cast(average_price_home as double) as day_price_home
    from sold_days

),

looked_back as (

    select
        *,
        -- a whole month counts from its first day
        max(sold_month_index) over (
            partition by product_id, market
            order by 12 * extract(year from price_date) + extract(month from price_date)
            range between unbounded preceding and current row
        ) as latest_month_index,
        min(day_price_home) over (
            partition by product_id, market
            order by {{ dbt.datediff("cast('1970-01-01' as date)", 'price_date', 'day') }}
            range between 30 preceding and 1 preceding
        ) as lowest_30_days_home
    from days_and_sales

),

priced as (

    select
        looked_back.product_id,
        looked_back.market,
        looked_back.price_date,
        case
            when company.price_tax_basis = 'included' then 1 + coalesce(vat_rates.vat_pct, 0) / 100
            else 1.0
        end as tax_factor,
        cast(products.list_price as double)
        * case
            when products.currency = company.reporting_currency or products.currency is null then 1
            else rates.rate_to_home
        end as list_price_home,
        cast(sold_months.average_price_home as double) as sold_price_home,
        looked_back.lowest_30_days_home
    from looked_back
    cross join company
    cross join last_rate
    left join products
        on looked_back.product_id = products.product_id
    left join vat_rates
        on looked_back.market = vat_rates.market
    -- a price that is carried past the last day with a rate is compared at that one
    left join rates
        on products.currency = rates.currency
        and least(looked_back.price_date, last_rate.rate_date) = rates.rate_date
    left join sold_months
        on looked_back.product_id = sold_months.product_id
        and looked_back.market = sold_months.market
        and looked_back.latest_month_index = sold_months.month_index
    where looked_back.is_priced

),

final as (

    select
        product_id,
        market,
        price_date,
        cast(coalesce(list_price_home, sold_price_home) * tax_factor as decimal(18, 4))
            as our_price_home,
        case
            when list_price_home is not null then 'list price'
            when sold_price_home is not null then 'average of the latest month sold'
        end as our_price_source,
        cast(list_price_home * tax_factor as decimal(18, 4)) as our_list_price_home,
        cast(sold_price_home * tax_factor as decimal(18, 4)) as our_sold_price_home,
        cast(lowest_30_days_home * tax_factor as decimal(18, 4)) as our_lowest_30_days_home
    from priced

)

select * from final

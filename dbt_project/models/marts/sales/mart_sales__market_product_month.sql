with

product_months as (

    select
        *,
        12 * extract(year from order_month) + extract(month from order_month) as month_index
    from {{ ref('int_sales__product_months') }}

),

products as (

    select * from {{ ref('dim_product') }}

),

company as (

    select home_market from {{ source('raw', 'company') }}

),

month_rates as (

    select
        currency,
        12 * extract(year from period_start) + extract(month from period_start) as month_index,
        rate_to_home
    from {{ ref('int_rates__currency_periods') }}
    where period = 'month'

),

-- the same local revenue at the average rates of three months: its own, the one before, and the
-- one a year before
rated as (

    select
        product_months.*,
        cast(product_months.net_amount_local as double) * own_rates.rate_to_home
            as net_at_own_rate,
        cast(product_months.net_amount_local as double) * previous_rates.rate_to_home
            as net_at_previous_rate,
        cast(product_months.net_amount_local as double) * year_rates.rate_to_home
            as net_at_year_rate
    from product_months
    left join month_rates as own_rates
        on product_months.currency = own_rates.currency
        and product_months.month_index = own_rates.month_index
    left join month_rates as previous_rates
        on product_months.currency = previous_rates.currency
        and product_months.month_index = previous_rates.month_index + 1
    left join month_rates as year_rates
        on product_months.currency = year_rates.currency
        and product_months.month_index = year_rates.month_index + 12

),

months as (

    select
        order_month,
        month_index,
        market,
        product_id,
        case when min(currency) = max(currency) then min(currency) end as currency,
        min(currency) <> max(currency) as is_multi_currency,
        sum(lines) as lines,
        sum(return_lines) as return_lines,
        sum(units) as units,
        sum(units_returned) as units_returned,
        -- amounts of two currencies are not added up
        case when min(currency) = max(currency) then sum(gross_amount_local) end
            as gross_amount_local,
        case when min(currency) = max(currency) then sum(discount_local) end as discount_local,
        case when min(currency) = max(currency) then sum(net_amount_local) end as net_amount_local,
        case when min(currency) = max(currency) then sum(tax_local) end as tax_local,
        case when min(currency) = max(currency) then sum(freight_local) end as freight_local,
        case when min(currency) = max(currency) then sum(duty_local) end as duty_local,
        case when min(currency) = max(currency) then sum(cost_local) end as cost_local,
        case when min(currency) = max(currency) then sum(margin_local) end as margin_local,
        sum(gross_amount_home) as gross_amount_home,
        sum(discount_home) as discount_home,
        sum(net_amount_home) as net_amount_home,
        sum(tax_home) as tax_home,
        sum(freight_home) as freight_home,
        sum(duty_home) as duty_home,
        sum(cost_home) as cost_home,
        sum(margin_home) as margin_home,
        sum(net_amount_costed_home) as net_amount_costed_home,
        -- without the rate of one currency the others would pass for the whole
        case
            when count(net_at_own_rate) = count(*)
                then {{ exact_sum('net_at_own_rate', decimals=12) }}
        end as net_at_own_rate,
        case
            when count(net_at_previous_rate) = count(*)
                then {{ exact_sum('net_at_previous_rate', decimals=12) }}
        end as net_at_previous_rate,
        case
            when count(net_at_year_rate) = count(*)
                then {{ exact_sum('net_at_year_rate', decimals=12) }}
        end as net_at_year_rate
    from rated
    group by order_month, month_index, market, product_id

),

final as (

    select
        ---------- keys
        months.order_month,
        months.market,
        months.product_id,

        ---------- attributes
        months.market = company.home_market as is_domestic,
        products.name as product_name,
        products.brand,
        products.category,
        months.currency,
        months.is_multi_currency,

        ---------- counts
        cast(months.lines as bigint) as lines,
        cast(months.return_lines as bigint) as return_lines,
        cast(months.units as decimal(18, 4)) as units,
        cast(months.units_returned as decimal(18, 4)) as units_returned,

        ---------- measures in the currency of the sale
        cast(months.gross_amount_local as decimal(18, 4)) as gross_amount_local,
        cast(months.discount_local as decimal(18, 4)) as discount_local,
        cast(months.net_amount_local as decimal(18, 4)) as net_amount_local,
        cast(months.tax_local as decimal(18, 4)) as tax_local,
        cast(months.freight_local as decimal(18, 4)) as freight_local,
        cast(months.duty_local as decimal(18, 4)) as duty_local,
        cast(months.cost_local as decimal(18, 4)) as cost_local,
        cast(months.margin_local as decimal(18, 4)) as margin_local,

        ---------- measures in the reporting currency
        cast(months.gross_amount_home as decimal(18, 4)) as gross_amount_home,
        cast(months.discount_home as decimal(18, 4)) as discount_home,
        cast(months.net_amount_home as decimal(18, 4)) as net_amount_home,
        cast(months.tax_home as decimal(18, 4)) as tax_home,
        cast(months.freight_home as decimal(18, 4)) as freight_home,
        cast(months.duty_home as decimal(18, 4)) as duty_home,
        cast(months.cost_home as decimal(18, 4)) as cost_home,
        cast(months.margin_home as decimal(18, 4)) as margin_home,
        cast(months.net_amount_costed_home as decimal(18, 4)) as net_amount_costed_home,
        100.0 * cast(months.margin_home as double)
        / nullif(cast(months.net_amount_costed_home as double), 0) as margin_pct,

        ---------- growth; against nothing, or against a month of net returns, there is none
        {{ to_amount('months.net_at_previous_rate') }} as net_at_previous_month_rate_home,
        {{ to_amount('months.net_at_year_rate') }} as net_at_year_before_rate_home,
        case
            when previous.net_amount_home > 0
                then
                    100.0 * cast(months.net_amount_home - previous.net_amount_home as double)
                    / cast(previous.net_amount_home as double)
        end as net_growth_month_pct,
        case
            when year_before.net_amount_home > 0
                then
                    100.0 * cast(months.net_amount_home - year_before.net_amount_home as double)
                    / cast(year_before.net_amount_home as double)
        end as net_growth_year_pct,
        case
            when previous.net_at_own_rate > 0
                then
                    100.0 * (
                        cast(months.net_at_previous_rate as double)
                        / cast(previous.net_at_own_rate as double) - 1
                    )
        end as net_growth_constant_month_pct,
        case
            when year_before.net_at_own_rate > 0
                then
                    100.0 * (
                        cast(months.net_at_year_rate as double)
                        / cast(year_before.net_at_own_rate as double) - 1
                    )
        end as net_growth_constant_year_pct
    from months
    cross join company
    left join products
        on months.product_id = products.product_id
    left join months as previous
        on months.market = previous.market
        and months.product_id = previous.product_id
        and months.month_index = previous.month_index + 1
    left join months as year_before
        on months.market = year_before.market
        and months.product_id = year_before.product_id
        and months.month_index = year_before.month_index + 12

)

select * from final

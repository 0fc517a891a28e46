{{ config(materialized='view') }}

with

sales as (

    select * from {{ ref('stg_sales') }}

),

product_costs as (

    select * from {{ ref('int_products__costs') }}

),

-- the rates are imported once for each use: a CTE that is read twice keeps DuckDB from leaving out
-- the columns that a reader of this view does not ask for
line_rates as (

    select * from {{ ref('int_rates__currency_days') }}

),

cost_rates as (

    select * from {{ ref('int_rates__currency_days') }}

),

company as (

    select * from {{ source('raw', 'company') }}

),

-- a line's own cost comes first, in the line's currency; else, where goods move, the product's, in
-- the product's
costed as (

    select
        sales.*,
        coalesce(
            sales.unit_cost, case when sales.line_kind = 'product' then product_costs.unit_cost end
        ) as known_unit_cost,
        case when sales.unit_cost is null then product_costs.cost_currency end
            as foreign_cost_currency
    from sales
    left join product_costs
        on sales.product_id = product_costs.product_id

),

-- the join that readers filter by comes last: filtered, its size is underestimated, and a join
-- after it would hash the sales instead of the rates
amounts as (

    select
        costed.*,
        cast(costed.quantity * costed.unit_price as decimal(18, 4)) as gross_amount_local,
        cast(
            cast(costed.quantity * costed.unit_price as decimal(18, 4))
            - coalesce(costed.discount_amount, 0) as decimal(18, 4)
        ) as net_amount_local,
        -- a product's cost that only fits small quantities is no known cost of large ones
        cast(
            {{ product_or_null('costed.quantity', 'costed.known_unit_cost') }} as decimal(18, 4)
        ) as cost_amount,
        line_rates.rate_to_home as fx_rate,
        line_rates.quote_date as fx_rate_date,
        -- a cost in the line's currency is converted at the line's rate
        case
            when costed.foreign_cost_currency is null then line_rates.rate_to_home
            else cost_rates.rate_to_home
        end as cost_rate
    from costed
    left join cost_rates
        on costed.foreign_cost_currency = cost_rates.currency
        and costed.order_date = cost_rates.rate_date
    left join line_rates
        on costed.currency = line_rates.currency
        and costed.order_date = line_rates.rate_date

),

final as (

    select
        amounts.*,
        company.home_market = amounts.market as is_domestic
    from amounts
    cross join company

)

select * from final

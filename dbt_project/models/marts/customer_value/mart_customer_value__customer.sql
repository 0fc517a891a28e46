with

customers as (

    select * from {{ ref('dim_customer') }}

),

company as (

    select home_market from {{ source('raw', 'company') }}

),

-- recency is counted from the last order in the data, so that a rebuild gives the same scores
as_of as (

    select max(last_order_date) as as_of_date from {{ ref('int_sales__product_months') }}

),

summed as (

    select
        customer_id,
        min(market) <> max(market) as is_in_several_markets,
        min(case when is_occasion then order_date end) as first_order_date,
        max(case when is_occasion then order_date end) as last_order_date,
        sum(case when is_occasion then 1 else 0 end) as occasions,
        sum(return_lines) as returns_count,
        sum(returned_amount_home) as returns_value_home,
        sum(units) as units,
        sum(units_returned) as units_returned,
        sum(net_amount_home) as net_revenue_home,
        sum(margin_home) as margin_home
    from {{ ref('int_customers__days') }}
    group by customer_id

),

-- a day on which a customer bought in two markets is one occasion all the same; the few customers
-- of several markets are counted anew, rather than all customers day by day
occasions_across_markets as (

    select
        days.customer_id,
        count(distinct days.order_date) as occasions
    from {{ ref('int_customers__days') }} as days
    inner join summed
        on days.customer_id = summed.customer_id
    where summed.is_in_several_markets and days.is_occasion
    group by days.customer_id

),

purchases as (

    select
        summed.customer_id,
        summed.first_order_date,
        summed.last_order_date,
        coalesce(occasions_across_markets.occasions, summed.occasions) as occasions,
        summed.returns_count,
        summed.returns_value_home,
        summed.units,
        summed.units_returned,
        summed.net_revenue_home,
        summed.margin_home
    from summed
    left join occasions_across_markets
        on summed.customer_id = occasions_across_markets.customer_id

),

-- quintiles over a total order: equal customers are told apart by the other two measures, and
-- in the end by their ids, so that the scores are the same in every build
scores as (

    select
        customer_id,
        cast(ntile(5) over (
            order by last_order_date, occasions, net_revenue_home, customer_id
        ) as bigint) as recency_score,
        cast(ntile(5) over (
            order by occasions, last_order_date, net_revenue_home, customer_id
        ) as bigint) as frequency_score,
        cast(ntile(5) over (
            order by net_revenue_home, occasions, last_order_date, customer_id
        ) as bigint) as monetary_score
    from purchases
    where occasions > 0

),

final as (

    select
        ---------- ids
        customers.customer_id,

        ---------- attributes
        customers.market,
        customers.market = company.home_market as is_domestic,
        customers.segment as customer_segment,
        customers.kind as customer_kind,
        customers.acquired_on,
        customers.acquired_through,
        customers.is_inferred,

        ---------- dates
        as_of.as_of_date,
        purchases.first_order_date,
        purchases.last_order_date,
        cast(
            {{ dbt.datediff('purchases.last_order_date', 'as_of.as_of_date', 'day') }} as bigint -- noqa: LT05
        ) as recency_days,

        ---------- measures
        cast(coalesce(purchases.occasions, 0) as bigint) as occasions,
        cast(coalesce(purchases.returns_count, 0) as bigint) as returns_count,
        cast(coalesce(purchases.returns_value_home, 0) as decimal(18, 4)) as returns_value_home,
        cast(coalesce(purchases.units, 0) as decimal(18, 4)) as units,
        cast(coalesce(purchases.units_returned, 0) as decimal(18, 4)) as units_returned,
        cast(coalesce(purchases.net_revenue_home, 0) as decimal(18, 4)) as net_revenue_home,
        cast(purchases.margin_home as decimal(18, 4)) as margin_home,

        ---------- scores
        scores.recency_score,
        scores.frequency_score,
        scores.monetary_score,
        case
            when scores.recency_score is null then null
            when scores.recency_score >= 4 and scores.frequency_score + scores.monetary_score >= 8
                then 'champion'
            when scores.recency_score >= 4 and scores.frequency_score + scores.monetary_score >= 5
                then 'potential loyalist'
            when scores.recency_score >= 4 then 'new customer'
            when scores.recency_score = 3 and scores.frequency_score + scores.monetary_score >= 8
                then 'loyal'
            when scores.recency_score = 3 and scores.frequency_score + scores.monetary_score >= 5
                then 'needs attention'
            when scores.recency_score = 3 then 'about to sleep'
            when scores.frequency_score + scores.monetary_score >= 8 then 'at risk'
            when scores.frequency_score + scores.monetary_score >= 5 then 'hibernating'
            else 'lost'
        end as rfm_segment,

        ---------- what our own data cannot tell
        cast(null as double) as share_of_requirements_pct,
        'what the customer buys elsewhere is in none of the entities'
            as share_of_requirements_reason
    from customers
    cross join company
    cross join as_of
    left join purchases
        on customers.customer_id = purchases.customer_id
    left join scores
        on customers.customer_id = scores.customer_id

)

select * from final

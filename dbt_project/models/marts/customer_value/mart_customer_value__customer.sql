-- a view: the texts that customers share, which would be written anew for each of them every day,
-- are read from few rows
{{ config(materialized='view') }}

with

customers as (

    select * from {{ ref('int_customers__values') }}

),

groups as (

    select * from {{ ref('int_customers__groups') }}

),

final as (

    select
        ---------- ids
        customers.customer_id,

        ---------- attributes
        groups.market,
        groups.is_domestic,
        customers.segment as customer_segment,
        customers.kind as customer_kind,
        customers.acquired_on,
        customers.acquired_through,
        customers.is_inferred,

        ---------- dates
        groups.as_of_date,
        customers.first_date as first_order_date,
        customers.last_date as last_order_date,
        cast(
            {{ dbt.datediff('customers.last_date', 'groups.as_of_date', 'day') }} as bigint -- noqa: LT05
        ) as recency_days,

        ---------- measures
        customers.occasions,
        customers.return_lines as returns_count,
        customers.returned_amount_home as returns_value_home,
        customers.units,
        customers.units_returned,
        customers.net_amount_home as net_revenue_home,
        customers.margin_home,

        ---------- scores
        customers.recency_score,
        customers.frequency_score,
        customers.monetary_score,
        case
            when customers.recency_score is null then null
            when
                customers.recency_score >= 4
                and customers.frequency_score + customers.monetary_score >= 8
                then 'champion'
            when
                customers.recency_score >= 4
                and customers.frequency_score + customers.monetary_score >= 5
                then 'potential loyalist'
            when customers.recency_score >= 4 then 'new customer'
            when
                customers.recency_score = 3
                and customers.frequency_score + customers.monetary_score >= 8
                then 'loyal'
            when
                customers.recency_score = 3
                and customers.frequency_score + customers.monetary_score >= 5
                then 'needs attention'
            when customers.recency_score = 3 then 'about to sleep'
            when customers.frequency_score + customers.monetary_score >= 8 then 'at risk'
            when customers.frequency_score + customers.monetary_score >= 5 then 'hibernating'
            else 'lost'
        end as rfm_segment,

        ---------- history, as the models of buying see it
        groups.calibration_end,
        groups.time_unit,
        customers.x,
        customers.t_x,
        customers.t,
        groups.cohort,

        ---------- what is to be expected of the customer over the horizon
        groups.horizon_weeks,
        customers.p_alive,
        -- their last digit is of another program
        least(customers.p_alive_low, customers.p_alive) as p_alive_low,
        greatest(customers.p_alive_high, customers.p_alive) as p_alive_high,
        customers.expected_occasions,
        customers.expected_occasions_low,
        customers.expected_occasions_high,
        customers.expected_spend_home,
        customers.expected_value_home as expected_margin_home,
        customers.expected_low_value_home as expected_margin_low_home,
        customers.expected_high_value_home as expected_margin_high_home,
        customers.discounted_value_home as clv_home,
        customers.discounted_low_value_home as clv_low_home,
        customers.discounted_high_value_home as clv_high_home,
        groups.value_basis,
        case
            when groups.cohort is null then 'nothing was bought up to calibration_end'
            when customers.p_alive is null then coalesce(groups.fit_reason, 'no model was fitted')
            when customers.discounted_value_home is null then groups.spend_reason
        end as value_reason,
        customers.value_rank as clv_rank,
        customers.value_decile as clv_decile,
        customers.next_purchase_by,

        ---------- the mean of customers alike, for where nothing better is known
        groups.mean_occasions as cohort_mean_occasions,
        groups.mean_value_home as cohort_mean_margin_home,
        groups.mean_of as cohort_mean_of,

        ---------- class, and the rule that it follows
        case
            when groups.cohort is null then 'prospect'
            when customers.p_alive < groups.real_customer_alive_probability then 'lapsed'
            when customers.x = 0 then 'one-time buyer'
            when customers.p_alive is not null and customers.is_in_cycle then 'real customer'
            else 'repeat buyer'
        end as customer_class,
        groups.customer_class_rule,

        ---------- what the estimates rest on
        groups.model,
        groups.model_version,
        groups.fit_id,
        groups.spend_fit_id,

        ---------- what our own data cannot tell
        cast(null as double) as share_of_requirements_pct,
        'what the customer buys elsewhere is in none of the entities'
            as share_of_requirements_reason
    from customers
    inner join groups
        on customers.group_number = groups.group_number

)

select * from final

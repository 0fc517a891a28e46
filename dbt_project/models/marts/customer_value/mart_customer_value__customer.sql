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

totals as (

    select * from {{ ref('int_customers__totals') }}

),

histories as (

    select * from {{ ref('int_customers__histories') }}
    where basis = 'value'

),

fits as (

    select * from {{ source('estimates', 'customer_fits') }}
    where basis = 'value'

),

scores_of_fits as (

    select * from {{ source('estimates', 'customer_scores') }}
    where basis = 'value'

),

settings as (

    select
        customer_time_unit_days as unit_days,
        customer_horizon_weeks,
        customer_horizon_weeks * 7.0 / customer_time_unit_days as horizon,
        real_customer_alive_probability,
        real_customer_purchases,
        real_customer_cycle_percentile,
        customer_calibration_end
    from {{ source('raw', 'company') }}

),

-- what is left of a purchase day's revenue once returns are in, and what of it is margin
cohort_parts as (

    select
        cohort,
        greatest(
            cast(sum(revenue_home) as double) / nullif(cast(sum(occasions_home) as double), 0), 0
        ) as kept_part,
        cast(sum(margin_home) as double) / nullif(cast(sum(costed_home) as double), 0)
            as margin_part
    from histories
    group by cohort

),

-- without a fit, all that can be said of a customer is what customers like this one do on average
cohort_means as (

    select
        cohort,
        market,
        cast(sum(x) as double) / nullif({{ exact_sum('t') }}, 0) as occasions_per_time,
        cast(sum(occasions_home) as double) / nullif(sum(x + 1), 0) as occasion_home
    from histories
    group by cohort, market

),

scored as (

    select
        histories.customer_id,
        histories.cohort,
        histories.market,
        histories.until_date,
        histories.x,
        histories.t_x,
        histories.t,
        histories.mean_spend_home,
        histories.is_in_cycle,
        fits.fit_id,
        fits.spend_fit_id,
        fits.model,
        fits.model_version,
        fits.reason,
        fits.spend_reason,
        coalesce({{ p_alive('fits', 'histories') }}, scores_of_fits.p_alive) as p_alive,
        scores_of_fits.p_alive_low,
        scores_of_fits.p_alive_high,
        scores_of_fits.expected_occasions,
        scores_of_fits.expected_occasions_low,
        scores_of_fits.expected_occasions_high,
        -- Gamma-Gamma: between the mean of all customers and the customer's own
        case
            when fits.spend_is_identified and scores_of_fits.expected_occasions is not null
                then fits.p * (
                    fits.gamma
                    + case
                        when histories.mean_spend_home > 0
                            then histories.x * histories.mean_spend_home
                        else 0
                    end
                ) / (
                    fits.p * case when histories.mean_spend_home > 0 then histories.x else 0 end
                    + fits.q - 1
                )
        end as expected_spend_home,
        scores_of_fits.expected_home,
        scores_of_fits.expected_low_home,
        scores_of_fits.expected_high_home,
        scores_of_fits.discounted_home,
        scores_of_fits.discounted_low_home,
        scores_of_fits.discounted_high_home
    from histories
    left join fits
        on histories.cohort = fits.cohort
    left join scores_of_fits
        on histories.customer_id = scores_of_fits.customer_id

),

valued as (

    select
        scored.*,
        coalesce(cohort_parts.margin_part, 1) * cohort_parts.kept_part as value_part,
        case when cohort_parts.margin_part is null then 'revenue' else 'margin' end as value_basis,
        case
            when scored.p_alive is null then coalesce(scored.reason, 'no model was fitted')
            when scored.discounted_home is null then scored.spend_reason
        end as value_reason,
        cohort_means.occasions_per_time * settings.horizon as cohort_mean_occasions,
        cohort_means.occasions_per_time * settings.horizon * cohort_means.occasion_home
        * coalesce(cohort_parts.margin_part, 1) * cohort_parts.kept_part as cohort_mean_value_home,
        'customers of ' || scored.market
        || case when scored.cohort = 'all' then '' else ' (' || scored.cohort || ')' end
            as cohort_mean_of,
        case
            when scored.p_alive < settings.real_customer_alive_probability then 'lapsed'
            when scored.x = 0 then 'one-time buyer'
            when scored.p_alive is not null and scored.is_in_cycle then 'real customer'
            else 'repeat buyer'
        end as customer_class,
        case
            when scored.expected_occasions * 10 >= 1
                then cast(ceil(
                    settings.horizon * settings.unit_days / scored.expected_occasions
                ) as integer)
        end as days_to_next
    from scored
    cross join settings
    inner join cohort_parts
        on scored.cohort = cohort_parts.cohort
    inner join cohort_means
        on scored.cohort = cohort_means.cohort
        and scored.market = cohort_means.market

),

ranked as (

    select
        customer_id,
        row_number() over (
            order by discounted_home * value_part desc, expected_occasions desc, customer_id asc
        ) as value_rank,
        cast(ntile(10) over (
            order by discounted_home * value_part desc, expected_occasions desc, customer_id asc
        ) as bigint) as value_decile
    from valued
    where discounted_home is not null

),

-- quintiles over a total order: equal customers are told apart by the other two measures, and
-- in the end by their ids, so that the scores are the same in every build
scores as (

    select
        customer_id,
        cast(ntile(5) over (
            order by last_date, occasions, net_amount_home, customer_id
        ) as bigint) as recency_score,
        cast(ntile(5) over (
            order by occasions, last_date, net_amount_home, customer_id
        ) as bigint) as frequency_score,
        cast(ntile(5) over (
            order by net_amount_home, occasions, last_date, customer_id
        ) as bigint) as monetary_score
    from totals
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
        totals.first_date as first_order_date,
        totals.last_date as last_order_date,
        cast(
            {{ dbt.datediff('totals.last_date', 'as_of.as_of_date', 'day') }} as bigint -- noqa: LT05
        ) as recency_days,

        ---------- measures
        coalesce(totals.occasions, 0) as occasions,
        coalesce(totals.return_lines, 0) as returns_count,
        coalesce(totals.returned_amount_home, 0) as returns_value_home,
        coalesce(totals.units, 0) as units,
        coalesce(totals.units_returned, 0) as units_returned,
        coalesce(totals.net_amount_home, 0) as net_revenue_home,
        totals.margin_home,

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

        ---------- history, as the models of buying see it
        least(settings.customer_calibration_end, as_of.as_of_date) as calibration_end,
        case when settings.unit_days = 7 then 'week' else 'day' end as time_unit,
        valued.x,
        valued.t_x,
        valued.t,
        valued.cohort,

        ---------- what is to be expected of the customer over the horizon
        cast(settings.customer_horizon_weeks as bigint) as horizon_weeks,
        valued.p_alive,
        -- their last digit is of another program
        least(valued.p_alive_low, valued.p_alive) as p_alive_low,
        greatest(valued.p_alive_high, valued.p_alive) as p_alive_high,
        valued.expected_occasions,
        valued.expected_occasions_low,
        valued.expected_occasions_high,
        valued.expected_spend_home,
        valued.expected_home * valued.value_part as expected_margin_home,
        valued.expected_low_home * valued.value_part as expected_margin_low_home,
        valued.expected_high_home * valued.value_part as expected_margin_high_home,
        valued.discounted_home * valued.value_part as clv_home,
        valued.discounted_low_home * valued.value_part as clv_low_home,
        valued.discounted_high_home * valued.value_part as clv_high_home,
        valued.value_basis,
        case
            when valued.customer_id is null then 'nothing was bought up to calibration_end'
            else valued.value_reason
        end as value_reason,
        ranked.value_rank as clv_rank,
        ranked.value_decile as clv_decile,
        {{ days_after('valued.until_date', 'valued.days_to_next') }} as next_purchase_by,

        ---------- the mean of customers alike, for where nothing better is known
        valued.cohort_mean_occasions,
        valued.cohort_mean_value_home as cohort_mean_margin_home,
        valued.cohort_mean_of,

        ---------- class, and the rule that it follows
        coalesce(valued.customer_class, 'prospect') as customer_class,
        'lapsed: P(alive) under ' || cast(settings.real_customer_alive_probability as varchar(20))
        || '; one-time buyer: one purchase day; real customer: P(alive) known, and '
        || cast(settings.real_customer_purchases as varchar(20))
        || ' purchase days or more in a category, on average no farther apart than '
        || cast(settings.real_customer_cycle_percentile as varchar(20))
        || ' percent of its repeat buyers'' are; repeat buyer: any other; prospect: no purchase; '
        || 'all as of calibration_end'
            as customer_class_rule,

        ---------- what the estimates rest on
        valued.model,
        valued.model_version,
        valued.fit_id,
        valued.spend_fit_id,

        ---------- what our own data cannot tell
        cast(null as double) as share_of_requirements_pct,
        'what the customer buys elsewhere is in none of the entities'
            as share_of_requirements_reason
    from customers
    cross join company
    cross join settings
    cross join as_of
    left join valued
        on customers.customer_id = valued.customer_id
    left join ranked
        on customers.customer_id = ranked.customer_id
    left join totals
        on customers.customer_id = totals.customer_id
    left join scores
        on customers.customer_id = scores.customer_id

)

select * from final

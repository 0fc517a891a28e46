with

company as (

    select
        *,
        customer_horizon_weeks * 7.0 / customer_time_unit_days as horizon
    from {{ source('raw', 'company') }}

),

-- recency is counted from the last order in the data, so that a rebuild gives the same scores
as_of as (

    select max(last_order_date) as as_of_date from {{ ref('int_sales__product_months') }}

),

histories as (

    select
        cohort,
        market,
        x,
        t,
        occasions_home,
        revenue_home,
        margin_home,
        costed_home
    from {{ ref('int_customers__histories') }}
    where basis = 'value'

),

fits as (

    select * from {{ source('estimates', 'customer_fits') }}
    where basis = 'value'

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

customer_groups as (

    select
        cohort,
        market
    from cohort_means

    union all

    -- those who bought nothing up to calibration_end
    select distinct
        cast(null as {{ dbt.type_string() }}) as cohort,
        market
    from {{ ref('dim_customer') }}

),

final as (

    select
        ---------- key
        cast(
            row_number()
                over (order by customer_groups.market, customer_groups.cohort nulls first)
            as bigint
        ) as group_number,

        ---------- who they are
        customer_groups.market,
        customer_groups.cohort,
        customer_groups.market = company.home_market as is_domestic,

        ---------- when they are looked at
        as_of.as_of_date,
        least(company.customer_calibration_end, as_of.as_of_date) as calibration_end,
        case when company.customer_time_unit_days = 7 then 'week' else 'day' end as time_unit,
        cast(company.customer_horizon_weeks as bigint) as horizon_weeks,

        ---------- the fit
        fits.model,
        fits.model_version,
        fits.fit_id,
        fits.spend_fit_id,
        fits.reason as fit_reason,
        fits.spend_reason,
        fits.spend_is_identified,
        {%- for parameter in ['r', 'alpha', 'a', 'b', 'p', 'q', 'gamma'] %}
        fits.{{ parameter }},
        {%- endfor %}

        ---------- what a customer's revenue is worth
        coalesce(cohort_parts.margin_part, 1) * cohort_parts.kept_part as value_part,
        case
            when customer_groups.cohort is null then null
            when cohort_parts.margin_part is null then 'revenue'
            else 'margin'
        end as value_basis,

        ---------- the mean of customers alike, for where nothing better is known
        cohort_means.occasions_per_time * company.horizon as mean_occasions,
        cohort_means.occasions_per_time * company.horizon * cohort_means.occasion_home
        * coalesce(cohort_parts.margin_part, 1) * cohort_parts.kept_part as mean_value_home,
        'customers of ' || cohort_means.market
        || case when cohort_means.cohort = 'all' then '' else ' (' || cohort_means.cohort || ')' end
            as mean_of,

        ---------- the rule that the class follows
        company.real_customer_alive_probability,
        'lapsed: P(alive) under ' || cast(company.real_customer_alive_probability as varchar(20))
        || '; one-time buyer: one purchase day; real customer: P(alive) known, and '
        || cast(company.real_customer_purchases as varchar(20))
        || ' purchase days or more in a category and market, on average no farther apart than '
        || cast(company.real_customer_cycle_percentile as varchar(20))
        || ' percent of its repeat buyers'' are; repeat buyer: any other; prospect: no purchase; '
        || 'all as of calibration_end'
            as customer_class_rule
    from customer_groups
    cross join company
    cross join as_of
    left join cohort_parts
        on customer_groups.cohort = cohort_parts.cohort
    left join cohort_means
        on customer_groups.cohort = cohort_means.cohort
        and customer_groups.market = cohort_means.market
    left join fits
        on customer_groups.cohort = fits.cohort

)

select * from final

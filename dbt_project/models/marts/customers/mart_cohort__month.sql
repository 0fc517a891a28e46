with

observed as (

    select * from {{ ref('int_customers__cohorts') }}

),

company as (

    select home_market from {{ source('raw', 'company') }}

),

span as (

    select max(last_order_date) as last_order_date
    from {{ ref('int_sales__product_months') }}

),

-- all of a cohort bought in its first month
cohorts as (

    select
        market,
        cohort_month,
        customers_retained as customers_at_risk
    from observed
    where order_month = cohort_month

),

months as (

    select {{ month_of('date_day') }} as order_month
    from {{ ref('dim_date') }}
    group by {{ month_of('date_day') }}

),

triangle as (

    select
        cohorts.market,
        cohorts.cohort_month,
        months.order_month,
        cast(
            {{ dbt.datediff('cohorts.cohort_month', 'months.order_month', 'month') }} as bigint -- noqa: LT05
        ) as months_since,
        months.order_month < {{ month_of(days_after('span.last_order_date', 1)) }}
            as is_complete_month,
        cohorts.customers_at_risk,
        coalesce(observed.customers_retained, 0) as customers_retained,
        coalesce(observed.revenue_home, 0) as revenue_home,
        coalesce(observed.squared_revenue, 0) as squared_revenue,
        cast(coalesce(observed.customers_retained, 0) as double)
        / nullif(cohorts.customers_at_risk, 0) as retained_part,
        cast(coalesce(observed.revenue_home, 0) as double)
        / nullif(cohorts.customers_at_risk, 0) as mean_revenue
    from cohorts
    cross join span
    inner join months
        on cohorts.cohort_month <= months.order_month
        and span.last_order_date >= months.order_month
    left join observed
        on cohorts.market = observed.market
        and cohorts.cohort_month = observed.cohort_month
        and months.order_month = observed.order_month

),

-- of the mean revenue, for its normal interval
with_spread as (

    select
        *,
        case
            when customers_at_risk > 1
                then 1.959963984540054 * sqrt(
                    greatest(
                        squared_revenue - customers_at_risk * mean_revenue * mean_revenue, 0
                    ) / (customers_at_risk - 1) / customers_at_risk
                )
        end as revenue_spread
    from triangle

),

final as (

    select
        ---------- keys
        with_spread.market,
        with_spread.cohort_month,
        with_spread.order_month,

        ---------- attributes
        with_spread.market = company.home_market as is_domestic,
        with_spread.months_since,
        with_spread.is_complete_month,

        ---------- retention
        with_spread.customers_at_risk,
        with_spread.customers_retained,
        100 * with_spread.retained_part as retention_pct,
        {{ wilson_bounds_pct(
            'with_spread.retained_part', 'with_spread.customers_at_risk',
            'retention_low_pct', 'retention_high_pct'
        ) }},

        ---------- revenue
        cast(with_spread.revenue_home as decimal(38, 4)) as revenue_home,
        with_spread.mean_revenue as revenue_per_customer_home,
        with_spread.mean_revenue - with_spread.revenue_spread as revenue_per_customer_low_home,
        with_spread.mean_revenue + with_spread.revenue_spread as revenue_per_customer_high_home,
        cast(sum(with_spread.revenue_home) over (
            partition by with_spread.market, with_spread.cohort_month
            order by with_spread.order_month
        ) as decimal(38, 4)) as revenue_to_date_home,
        cast(sum(with_spread.revenue_home) over (
            partition by with_spread.market, with_spread.cohort_month
            order by with_spread.order_month
        ) as double) / with_spread.customers_at_risk as revenue_per_customer_to_date_home
    from with_spread
    cross join company

)

select * from final

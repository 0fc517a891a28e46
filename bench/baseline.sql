-- The same facts and marts from the same files, by hand and without any check: what a run is held
-- against. It computes what plain SQL can and what is not the same in every row: the customer
-- models' estimates (P(alive), expected purchases, value) and what is ranked by them are not here.
-- Needs the variables folder and rates_csv.

create table rates as
with quoted as (
    unpivot (from read_csv(getvariable('rates_csv'), header = true, nullstr = ['', 'N/A'], all_varchar = true))
    on columns(* exclude ("Date")) into name currency value per_eur
),

based as (
    select
        quoted.currency,
        quoted."Date"::date as rate_date,
        home.per_eur::double / quoted.per_eur::double as rate_to_home
    from quoted
    inner join quoted as home
        on quoted."Date" = home."Date" and home.currency = 'GBP'
    where quoted."Date"::date >= date '2024-01-01'
    union all
    select 'EUR', "Date"::date, per_eur::double
    from quoted where currency = 'GBP' and "Date"::date >= date '2024-01-01'
),

days as (
    select currency, day::date as rate_date
    from (select distinct currency from based),
        range(date '2024-10-01', date '2026-11-15', interval 1 day) as days (day)
)

select
    days.currency,
    days.rate_date,
    last_value(based.rate_to_home ignore nulls) over through_day as rate_to_home,
    last_value(based.rate_date ignore nulls) over through_day as quote_date
from days
left join based using (currency, rate_date)
window through_day as (partition by days.currency order by days.rate_date);

create table products as
select *, row_number() over (order by product_id)::smallint as product_number
from read_csv(getvariable('folder') || '/products.csv', header = true);

-- summed as decimals, whose sum is the same in any order
create table month_rates as
select
    currency, date_trunc('month', rate_date)::date as order_month,
    sum(rate_to_home::decimal(30, 18))::double / count(*) as rate
from rates group by all;

create table market_sales as
select
    market.*,
    (market.value::decimal(18, 4) * month_rates.rate)::decimal(18, 4) as value_home
from read_csv(getvariable('folder') || '/market.csv', header = true) as market
inner join month_rates
    on market.currency = month_rates.currency and market.period_start = month_rates.order_month;

create table fct_sales as
with lines as (
    select
        *,
        (quantity * unit_price)::decimal(18, 4) as net_amount_local,
        ordered_at::date as order_date
    from read_csv(
        getvariable('folder') || '/orders/*/*.csv',
        header = true,
        hive_partitioning = false,
        columns = {
            'order_id': 'varchar', 'ordered_at': 'timestamp', 'market': 'varchar',
            'customer_id': 'varchar', 'product_id': 'varchar', 'quantity': 'decimal(18,4)',
            'unit_price': 'decimal(18,4)', 'currency': 'varchar'
        }
    )
),

converted as (
    select
        lines.*,
        rates.rate_to_home as fx_rate,
        rates.quote_date as fx_rate_date,
        (lines.net_amount_local * rates.rate_to_home)::decimal(18, 4) as net_amount_home,
        (lines.quantity * products.unit_cost)::decimal(18, 4) as cost_home
    from lines
    left join products using (product_id)
    inner join rates on lines.currency = rates.currency and lines.order_date = rates.rate_date
)

select
    *,
    date_trunc('month', order_date)::date as order_month,
    market = 'GB' as is_domestic,
    quantity < 0 as is_return,
    (cost_home / fx_rate)::decimal(18, 4) as cost_local,
    (net_amount_home - cost_home)::decimal(18, 4) as margin_home
from converted;

create table mart_sales as
with months as (
    select
        order_month, market, product_id, currency, is_domestic,
        count(*) as lines,
        count(*) filter (is_return) as return_lines,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,
        sum(quantity) as units,
        coalesce(-sum(quantity) filter (is_return), 0) as units_returned,
        sum(net_amount_local) as net_amount_local,
        sum(cost_local) as cost_local,
        sum(net_amount_local - cost_local) as margin_local,
        sum(net_amount_home) as net_amount_home,
        sum(cost_home) as cost_home,
        sum(margin_home) as margin_home,
        sum(net_amount_home) filter (cost_home is not null) as net_amount_costed_home
    from fct_sales group by all
),

rated as (
    select
        months.*,
        net_amount_local::double * own.rate as net_at_own_rate,
        net_amount_local::double * previous.rate as net_at_previous_month_rate_home,
        net_amount_local::double * year_before.rate as net_at_year_before_rate_home
    from months
    left join month_rates as own
        on months.currency = own.currency and months.order_month = own.order_month
    left join month_rates as previous
        on months.currency = previous.currency
        and months.order_month = previous.order_month + interval 1 month
    left join month_rates as year_before
        on months.currency = year_before.currency
        and months.order_month = year_before.order_month + interval 1 year
)

select
    rated.* replace (
        rated.net_at_previous_month_rate_home::decimal(18, 4) as net_at_previous_month_rate_home,
        rated.net_at_year_before_rate_home::decimal(18, 4) as net_at_year_before_rate_home
    ),
    products.name as product_name,
    products.category,
    100.0 * rated.margin_home / nullif(rated.net_amount_costed_home, 0) as margin_pct,
    case when previous.net_amount_home > 0
        then 100.0 * (rated.net_amount_home / previous.net_amount_home::double - 1)
    end as net_growth_month_pct,
    case when year_before.net_amount_home > 0
        then 100.0 * (rated.net_amount_home / year_before.net_amount_home::double - 1)
    end as net_growth_year_pct,
    case when previous.net_at_own_rate > 0
        then 100.0 * (rated.net_at_previous_month_rate_home / previous.net_at_own_rate - 1)
    end as net_growth_constant_month_pct,
    case when year_before.net_at_own_rate > 0
        then 100.0 * (rated.net_at_year_before_rate_home / year_before.net_at_own_rate - 1)
    end as net_growth_constant_year_pct
from rated
left join products using (product_id)
left join rated as previous
    on rated.market = previous.market and rated.product_id = previous.product_id
    and rated.order_month = previous.order_month + interval 1 month
left join rated as year_before
    on rated.market = year_before.market and rated.product_id = year_before.product_id
    and rated.order_month = year_before.order_month + interval 1 year;

create table mart_market_firm as
with periods as (
    select unnest(['month', 'quarter', 'year']) as period
),

firms as (
    select
        period, date_trunc(period, period_start)::date as period_start, market, category, firm,
        sum(units) as units, sum(value_home) as value_home
    from market_sales, periods group by all
)

select
    *,
    100.0 * units / sum(units) over each_market as volume_share_pct,
    100.0 * value_home::double / sum(value_home) over each_market as value_share_pct,
    rank() over (
        partition by period, period_start, market, category order by value_home desc
    ) as rank_by_value,
    firm = 'Ours' as is_own
from firms
window each_market as (partition by period, period_start, market, category);

create table mart_market as
with periods as (
    select unnest(['month', 'quarter', 'year']) as period
),

own as (
    select
        period, date_trunc(period, order_month)::date as period_start, market, category,
        sum(units) as own_units, sum(net_amount_home) as own_value_home
    from mart_sales, periods group by all
),

covered as (
    select
        period, date_trunc(period, period_start)::date as period_start, market, category,
        100.0 * count(distinct period_start)
            / case period when 'month' then 1 when 'quarter' then 3 else 12 end as coverage_pct
    from market_sales, periods group by 1, 2, 3, 4
),

markets as (
    select
        period, period_start, market, category,
        sum(units) as market_units, sum(value_home) as market_value_home,
        sum(value_share_pct ** 2) as hhi_value, sum(volume_share_pct ** 2) as hhi_volume,
        sum(value_share_pct) filter (rank_by_value <= 4) as cr4_value_pct,
        count(*) as named_firms,
        max(value_share_pct) filter (not is_own) as largest_rival_pct,
        list(value_home) filter (not is_own) as rival_values
    from mart_market_firm group by all
),

shares as (
    select
        *,
        100.0 * own_units / market_units as volume_share_pct,
        100.0 * own_value_home::double / market_value_home as value_share_pct
    from markets
    inner join covered using (period, period_start, market, category)
    left join own using (period, period_start, market, category)
)

select
    shares.*,
    shares.value_share_pct / shares.largest_rival_pct as relative_share,
    1 + len(list_filter(shares.rival_values, lambda rival: rival > shares.own_value_home))
        as rank_by_value,
    shares.value_share_pct - previous.value_share_pct as value_share_change_pp,
    shares.volume_share_pct - previous.volume_share_pct as volume_share_change_pp,
    shares.value_share_pct - year_before.value_share_pct as value_share_change_year_pp,
    shares.volume_share_pct - year_before.volume_share_pct as volume_share_change_year_pp
from shares
left join shares as previous
    on shares.period = previous.period and shares.market = previous.market
    and shares.category = previous.category
    and shares.period_start = previous.period_start
        + to_months(case shares.period when 'month' then 1 when 'quarter' then 3 else 12 end)
left join shares as year_before
    on shares.period = year_before.period and shares.market = year_before.market
    and shares.category = year_before.category
    and shares.period_start = year_before.period_start + interval 1 year;

set variable as_of = (select max(order_date) from fct_sales);

-- two spans of equal length that end with the last order
set variable window_days = (
    select least(365, (max(order_date) - min(order_date) + 1) // 2)::integer from fct_sales
);
set variable newest_after = getvariable('as_of') - getvariable('window_days');
set variable before_after = getvariable('as_of') - 2 * getvariable('window_days');

-- what came after it is held out
set variable held_out_after = getvariable('as_of') - 7 * 26;

create table customer_days as
select
    customer_id, market, order_date,
    max(quantity > 0) as is_occasion,
    count(*) filter (is_return) as return_lines,
    sum(quantity)::decimal(18, 4) as units,
    sum(if(is_return, -quantity, 0))::decimal(18, 4) as units_returned,
    sum(net_amount_home)::decimal(18, 4) as net_amount_home,
    sum(if(is_return, -net_amount_home, 0))::decimal(18, 4) as returned_amount_home,
    sum(margin_home)::decimal(18, 4) as margin_home,
    sum(if(cost_home is null, 0, net_amount_home))::decimal(18, 4) as net_amount_costed_home
from fct_sales where customer_id is not null group by all;

-- a day on which a customer bought in two markets is one occasion
create table histories as
with days as (
    select
        customer_id, order_date,
        min(market) as market,
        max(is_occasion) as is_occasion,
        sum(return_lines) as return_lines,
        sum(units)::decimal(18, 4) as units,
        sum(units_returned)::decimal(18, 4) as units_returned,
        sum(net_amount_home)::decimal(18, 4) as net_amount_home,
        sum(returned_amount_home)::decimal(18, 4) as returned_amount_home,
        sum(margin_home)::decimal(18, 4) as margin_home,
        sum(net_amount_costed_home)::decimal(18, 4) as net_amount_costed_home
    from customer_days group by all
)

select
    customer_id,
    arg_min(market, order_date) as market,
    min(order_date) filter (is_occasion) as first_order_date,
    max(order_date) filter (is_occasion) as last_order_date,
    count(*) filter (is_occasion) as occasions,
    sum(return_lines)::bigint as returns_count,
    sum(units)::decimal(18, 4) as units,
    sum(units_returned)::decimal(18, 4) as units_returned,
    sum(net_amount_home)::decimal(18, 4) as net_revenue_home,
    sum(returned_amount_home)::decimal(18, 4) as returns_value_home,
    sum(margin_home)::decimal(18, 4) as margin_home,
    sum(net_amount_costed_home)::decimal(18, 4) as costed_home,
    sum(net_amount_home) filter (is_occasion)::decimal(18, 4) as occasions_home,
    count(*) filter (is_occasion and order_date > getvariable('held_out_after'))
        as held_out_occasions,
    sum(if(order_date > getvariable('held_out_after'), net_amount_home, 0))::decimal(18, 4)
        as held_out_home
from days group by all;

create table mart_customer as
with scores as (
    select
        customer_id,
        ntile(5) over (order by last_order_date, occasions, net_revenue_home, customer_id)
            as recency_score,
        ntile(5) over (order by occasions, last_order_date, net_revenue_home, customer_id)
            as frequency_score,
        ntile(5) over (order by net_revenue_home, occasions, last_order_date, customer_id)
            as monetary_score
    from histories where occasions > 0
),

-- what is left of the revenue of occasions once returns are in, and what of it is margin
parts as (
    select
        sum(net_revenue_home)::double / sum(occasions_home)
        * sum(margin_home)::double / sum(costed_home) as value_part
    from histories where occasions > 0
),

means as (
    select
        market,
        52.0 * sum(occasions - 1)
            / (sum(getvariable('as_of') - first_order_date) / 7.0) as cohort_mean_occasions,
        sum(occasions_home)::double / sum(occasions) as occasion_home
    from histories where occasions > 0 group by market
)

select
    histories.* exclude (costed_home, occasions_home, held_out_occasions, held_out_home),
    histories.market = 'GB' as is_domestic,
    getvariable('as_of') - histories.last_order_date as recency_days,
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
    if(histories.occasions > 0, histories.occasions - 1, null) as x,
    (histories.last_order_date - histories.first_order_date) / 7.0 as t_x,
    (getvariable('as_of') - histories.first_order_date) / 7.0 as t,
    case histories.occasions when 0 then 'prospect' when 1 then 'one-time buyer'
        else 'repeat buyer' end as customer_class,
    if(histories.occasions > 0, means.cohort_mean_occasions, null) as cohort_mean_occasions,
    if(
        histories.occasions > 0,
        means.cohort_mean_occasions * means.occasion_home * parts.value_part,
        null
    ) as cohort_mean_margin_home
from histories
cross join parts
left join means using (market)
left join scores using (customer_id);

-- classes as they would have been told before the held-out period; the other rankings are compared
-- with that of a model alone
create table mart_validation as
with told as (
    select
        unnest([market, 'all']) as market,
        if(occasions - held_out_occasions = 1, 'one-time buyer', 'repeat buyer') as group_name,
        held_out_occasions,
        held_out_home
    from histories where first_order_date <= getvariable('held_out_after')
),

classes as (
    select
        market, group_name,
        count(*) as customers,
        count(*) filter (held_out_occasions > 0) as came_back,
        sum(held_out_occasions)::bigint as actual_occasions,
        sum(held_out_home) as actual_revenue_home,
        came_back / customers as p,
        1.959963984540054 ** 2 / customers as z2_n
    from told group by all
)

select
    * exclude (p, z2_n),
    100.0 * customers / sum(customers) over (partition by market) as customers_pct,
    100 * p as came_back_pct,
    100 * greatest((p + z2_n / 2 - sqrt(z2_n * (p * (1 - p) + z2_n / 4))) / (1 + z2_n), 0)
        as came_back_low_pct,
    100 * least((p + z2_n / 2 + sqrt(z2_n * (p * (1 - p) + z2_n / 4))) / (1 + z2_n), 1)
        as came_back_high_pct,
    100 * actual_revenue_home::double / sum(actual_revenue_home) over (partition by market)
        as part_of_revenue_pct
from classes;

create table customer_months as
with months as (
    select
        customer_id, market, date_trunc('month', order_date)::date as order_month,
        count(*) filter (is_occasion) as occasions,
        sum(net_amount_home)::decimal(18, 4) as net_amount_home
    from customer_days group by all
)

select
    *,
    min(order_month) filter (occasions > 0) over (partition by customer_id, market)
        as first_month_in_market
from months;

create table mart_cohort as
with months as (
    select
        customer_id, order_month,
        max(occasions > 0) as is_retained,
        sum(net_amount_home)::decimal(18, 4) as revenue_home
    from customer_months group by all
),

observed as (
    select
        histories.market,
        date_trunc('month', histories.first_order_date)::date as cohort_month,
        months.order_month,
        count(*) filter (months.is_retained) as customers_retained,
        sum(months.revenue_home) as revenue_home,
        sum((months.revenue_home::double ** 2)::decimal(38, 4)) as squared_revenue
    from months
    inner join histories
        on months.customer_id = histories.customer_id
        and months.order_month >= date_trunc('month', histories.first_order_date)
    group by all
),

triangle as (
    select
        cohorts.market,
        cohorts.cohort_month,
        months.order_month,
        cohorts.customers_retained as customers_at_risk,
        coalesce(observed.customers_retained, 0) as customers_retained,
        coalesce(observed.revenue_home, 0) as revenue_home,
        coalesce(observed.squared_revenue, 0) as squared_revenue,
        coalesce(observed.customers_retained, 0) / customers_at_risk as p,
        1.959963984540054 ** 2 / customers_at_risk as z2_n,
        coalesce(observed.revenue_home, 0)::double / customers_at_risk as mean_revenue
    from observed as cohorts
    inner join (select distinct order_month from mart_sales) as months
        on cohorts.cohort_month <= months.order_month
    left join observed
        on cohorts.market = observed.market
        and cohorts.cohort_month = observed.cohort_month
        and months.order_month = observed.order_month
    where cohorts.order_month = cohorts.cohort_month
),

with_spread as (
    select
        *,
        1.959963984540054 * sqrt(
            greatest(squared_revenue::double - customers_at_risk * mean_revenue ** 2, 0)
            / nullif(customers_at_risk - 1, 0) / customers_at_risk
        ) as spread
    from triangle
)

select
    market,
    cohort_month,
    order_month,
    date_diff('month', cohort_month, order_month) as months_since,
    customers_at_risk,
    customers_retained,
    100 * p as retention_pct,
    100 * greatest((p + z2_n / 2 - sqrt(z2_n * (p * (1 - p) + z2_n / 4))) / (1 + z2_n), 0)
        as retention_low_pct,
    100 * least((p + z2_n / 2 + sqrt(z2_n * (p * (1 - p) + z2_n / 4))) / (1 + z2_n), 1)
        as retention_high_pct,
    revenue_home,
    mean_revenue as revenue_per_customer_home,
    mean_revenue - spread as revenue_per_customer_low_home,
    mean_revenue + spread as revenue_per_customer_high_home,
    sum(revenue_home) over to_date as revenue_to_date_home,
    (sum(revenue_home) over to_date)::double / customers_at_risk
        as revenue_per_customer_to_date_home
from with_spread
window to_date as (partition by market, cohort_month order by order_month);

create table mart_concentration as
with markets as (
    select
        market, order_month,
        count(*) filter (net_amount_home > 0) as customers,
        sum(net_amount_home) filter (net_amount_home > 0) as buyers_revenue_home,
        count(*) filter (net_amount_home <= 0) as net_returners,
        coalesce(sum(net_amount_home) filter (net_amount_home <= 0), 0) as net_returns_home,
        max(net_amount_home) as largest_home
    from customer_months group by all
),

placed as (
    select
        market, order_month, net_amount_home,
        row_number() over (partition by market, order_month order by net_amount_home desc) as place
    from customer_months where net_amount_home > 0
),

concentrated as (
    select
        market, order_month,
        sum(net_amount_home) filter (place <= ceil(customers * 0.01)) as top_1_home,
        sum(net_amount_home) filter (place <= ceil(customers * 0.1)) as top_10_home,
        sum(net_amount_home) filter (place <= ceil(customers * 0.2)) as top_20_home,
        sum(place * net_amount_home) as placed_home
    from placed
    inner join markets using (market, order_month)
    group by all
),

sales as (
    select market, order_month, sum(net_amount_home) as revenue_home from mart_sales group by all
)

select
    market,
    order_month,
    revenue_home,
    customers,
    buyers_revenue_home,
    net_returners,
    net_returns_home,
    revenue_home - buyers_revenue_home - net_returns_home as without_customer_home,
    100 * without_customer_home::double / revenue_home as without_customer_pct,
    100 * top_1_home::double / buyers_revenue_home as top_1_share_pct,
    100 * top_10_home::double / buyers_revenue_home as top_10_share_pct,
    100 * top_20_home::double / buyers_revenue_home as top_20_share_pct,
    100 * largest_home::double / buyers_revenue_home as largest_customer_share_pct,
    (customers + 1 - 2 * placed_home::double / buyers_revenue_home) / customers as gini
from sales
inner join markets using (market, order_month)
inner join concentrated using (market, order_month);

create table mart_flow as
with comparisons as (
    select unnest(['month before', 'year before']) as compared_with, unnest([1, 12]) as months_back
),

compared as (
    select
        coalesce(now.compared_with, past.compared_with) as compared_with,
        coalesce(now.market, past.market) as market,
        coalesce(now.order_month, past.order_month) as order_month,
        coalesce(now.net_amount_home, 0) - coalesce(past.net_amount_home, 0) as change_home,
        coalesce(now.occasions > 0, false) as is_now,
        coalesce(past.occasions > 0, false) as is_past,
        now.first_month_in_market > now.compared_month as is_first
    from (
        select *, (order_month - to_months(months_back))::date as compared_month
        from customer_months, comparisons
    ) as now
    full join (
        select * replace ((order_month + to_months(months_back))::date as order_month)
        from customer_months, comparisons
    ) as past
        on now.compared_with = past.compared_with and now.market = past.market
        and now.customer_id = past.customer_id and now.order_month = past.order_month
),

flows as (
    select
        compared_with, market, order_month,
        count(*) filter (is_now and not is_past and is_first) as new_customers,
        count(*) filter (is_now and is_past) as retained_customers,
        count(*) filter (is_now and not is_past and not is_first) as won_back_customers,
        count(*) filter (is_past and not is_now) as lapsed_customers,
        sum(if(is_now and not is_past and is_first, change_home, 0)) as new_home,
        sum(if(is_now and not is_past and not is_first, change_home, 0)) as won_back_home,
        sum(if(is_now and is_past, greatest(change_home, 0), 0)) as retained_more_home,
        sum(if(is_now and is_past, least(change_home, 0), 0)) as retained_less_home,
        sum(if(is_past and not is_now, change_home, 0)) as lapsed_home,
        sum(if(not is_now and not is_past, change_home, 0)) as returned_only_home,
        sum(change_home) as known_change_home
    from compared group by all
),

sales as (
    select market, order_month, sum(net_amount_home) as revenue_home from mart_sales group by all
)

select
    flows.* exclude (known_change_home),
    100 * lapsed_customers / nullif(lapsed_customers + retained_customers, 0) as lapsed_pct,
    sales.revenue_home,
    past.revenue_home as revenue_compared_home,
    sales.revenue_home - past.revenue_home as change_home,
    sales.revenue_home - past.revenue_home - flows.known_change_home as without_customer_home
from flows
inner join comparisons using (compared_with)
inner join sales using (market, order_month)
inner join sales as past
    on flows.market = past.market
    and flows.order_month = past.order_month + to_months(comparisons.months_back);

create table mart_basket as
with order_products as (
    select fct_sales.order_id, products.product_number
    from fct_sales
    inner join products using (product_id)
    where
        fct_sales.quantity > 0
        and fct_sales.order_date > (getvariable('as_of') - interval 12 months)::date
    group by all
),

orders as (
    select list(product_number) as product_numbers from order_products group by order_id
),

totals as (
    select
        count(*) filter (len(product_numbers) <= 30) as orders,
        count(*) filter (len(product_numbers) > 30) as orders_too_large
    from orders
),

baskets as (
    select product_numbers, unnest(product_numbers) as product_number
    from orders where len(product_numbers) <= 30
),

bought as (
    select products.product_id, products.product_number, products.name, count(*) as orders
    from baskets
    inner join products using (product_number)
    group by all having count(*) >= 20
),

others as (
    select
        product_number,
        unnest(list_filter(product_numbers, lambda other: other > product_number))
            as other_product_number
    from baskets
),

pairs as (
    select product_number, other_product_number, count(*) as orders_together
    from others group by all having count(*) >= 20
),

measured as (
    select
        one.product_id,
        other.product_id as other_product_id,
        one.name as product_name,
        other.name as other_product_name,
        pairs.orders_together,
        one.orders as product_orders,
        other.orders as other_product_orders,
        totals.orders,
        totals.orders_too_large,
        pairs.orders_together::double * totals.orders / (one.orders * other.orders) as lift
    from pairs
    cross join totals
    inner join bought as one on pairs.product_number = one.product_number
    inner join bought as other on pairs.other_product_number = other.product_number
)

select
    *,
    100 * orders_together / orders as support_pct,
    100 * orders_together / product_orders as confidence_pct,
    100 * orders_together / other_product_orders as other_confidence_pct,
    1.959963984540054 * sqrt(greatest(
        1 / orders_together - 1 / product_orders - 1 / other_product_orders
        + (2 * lift - 1) / orders, 0
    )) as log_lift_spread,
    lift * exp(-log_lift_spread) as lift_low,
    lift * exp(log_lift_spread) as lift_high
from measured;

create table mart_switching as
with bought as (
    select
        customer_id, product_id,
        sum(if(order_date > getvariable('newest_after'), net_amount_home, 0))::decimal(18, 4)
            as revenue_home,
        sum(if(order_date > getvariable('newest_after'), 0, net_amount_home))::decimal(18, 4)
            as revenue_before_home
    from fct_sales where order_date > getvariable('before_after') group by all
),

changed as (
    select
        bought.customer_id,
        products.product_number,
        products.category,
        bought.revenue_home,
        bought.revenue_before_home,
        bought.revenue_home - bought.revenue_before_home as change_home,
        case
            when bought.customer_id is null then 'unknown'
            when bought.revenue_before_home <= 0 and bought.revenue_home > 0 then 'newly'
            when bought.revenue_before_home > 0 and bought.revenue_home <= 0 then 'no longer'
            else 'still'
        end as bought
    from bought
    inner join products using (product_id)
),

totals as (
    select
        product_number,
        sum(revenue_home) as revenue_home,
        sum(revenue_before_home) as revenue_before_home,
        sum(change_home) as change_home,
        coalesce(sum(change_home) filter (bought = 'newly'), 0) as newly_home,
        coalesce(sum(change_home) filter (bought = 'no longer'), 0) as no_longer_home,
        coalesce(sum(change_home) filter (bought = 'still'), 0) as still_home,
        coalesce(sum(change_home) filter (bought = 'unknown'), 0) as without_customer_home
    from changed group by all
),

-- of one customer, what one product lost and another of its category won has moved between them
both_sides as (
    select
        customer_id, category,
        sum(greatest(change_home, 0))::decimal(18, 4) as gains_home,
        sum(greatest(-change_home, 0))::decimal(18, 4) as losses_home,
        count(*) filter (change_home > 0) * count(*) filter (change_home < 0) as pairs
    from changed where customer_id is not null group by all
    having gains_home > 0 and losses_home > 0
),

moved as (
    select
        changed.customer_id,
        changed.category,
        changed.product_number,
        changed.bought,
        changed.change_home,
        both_sides.pairs,
        greatest(both_sides.gains_home, both_sides.losses_home)::double as larger_side_home,
        (
            changed.change_home::double
            * least(both_sides.gains_home, both_sides.losses_home)::double
            / if(changed.change_home > 0, both_sides.gains_home, both_sides.losses_home)::double
        )::decimal(18, 4) as moved_home
    from changed
    inner join both_sides using (customer_id, category)
    where changed.change_home <> 0
),

flows as (
    select
        product_number,
        sum(greatest(moved_home, 0)) as moved_here_home,
        sum(least(moved_home, 0)) as moved_away_home,
        sum(if(bought = 'newly', moved_home, 0)) as moved_newly_home,
        sum(if(bought = 'no longer', moved_home, 0)) as moved_no_longer_home,
        sum(if(bought = 'still', moved_home, 0)) as moved_still_home
    from moved group by all
),

-- very many changed products of one customer say little of any two
pairs as (
    select
        losing.product_number as losing_number,
        winning.product_number as winning_number,
        sum((
            -losing.change_home::double * winning.change_home::double / losing.larger_side_home
        )::decimal(18, 4)) as moved_home
    from moved as losing
    inner join moved as winning using (customer_id, category)
    where losing.change_home < 0 and winning.change_home > 0 and losing.pairs <= 400
    group by all
),

main_sources as (
    from pairs qualify row_number() over (
        partition by winning_number order by moved_home desc, losing_number
    ) = 1
),

main_destinations as (
    from pairs qualify row_number() over (
        partition by losing_number order by moved_home desc, winning_number
    ) = 1
)

select
    products.product_id,
    products.name as product_name,
    products.category,
    totals.revenue_home,
    totals.revenue_before_home,
    totals.change_home,
    coalesce(flows.moved_here_home, 0) as gained_from_others_home,
    coalesce(flows.moved_away_home, 0) as lost_to_others_home,
    totals.newly_home - coalesce(flows.moved_newly_home, 0) as new_buyers_home,
    totals.no_longer_home - coalesce(flows.moved_no_longer_home, 0) as lost_buyers_home,
    totals.still_home - coalesce(flows.moved_still_home, 0) as same_buyers_home,
    totals.without_customer_home,
    sources.product_id as main_source_product_id,
    main_sources.moved_home as main_source_home,
    destinations.product_id as main_destination_product_id,
    main_destinations.moved_home as main_destination_home
from totals
inner join products using (product_number)
left join flows using (product_number)
left join main_sources on totals.product_number = main_sources.winning_number
left join products as sources on main_sources.losing_number = sources.product_number
left join main_destinations on totals.product_number = main_destinations.losing_number
left join products as destinations
    on main_destinations.winning_number = destinations.product_number;

create table mart_needs as
with days as (
    select
        fct_sales.customer_id, fct_sales.market, products.category, fct_sales.order_date,
        max(fct_sales.quantity > 0) as is_purchase,
        sum(fct_sales.net_amount_home)::decimal(18, 4) as net_amount_home
    from fct_sales
    inner join products using (product_id)
    where fct_sales.customer_id is not null
    group by all
),

bought as (
    select
        customer_id, market, category,
        count(*) filter (is_purchase) as purchase_days,
        max(order_date) filter (is_purchase) - min(order_date) filter (is_purchase) as span_days,
        sum(if(order_date > getvariable('newest_after'), net_amount_home, 0))::decimal(18, 4)
            as revenue_home,
        sum(
            if(
                order_date > getvariable('before_after')
                and order_date <= getvariable('newest_after'), net_amount_home, 0
            )
        )::decimal(18, 4) as revenue_before_home,
        max(is_purchase and order_date > getvariable('newest_after')) as is_buyer,
        max(
            is_purchase and order_date > getvariable('before_after')
            and order_date <= getvariable('newest_after')
        ) as is_buyer_before
    from days group by all
),

gaps as (
    select
        *,
        revenue_home - revenue_before_home as change_home,
        span_days / nullif(purchase_days - 1, 0) as gap_days
    from bought
),

cycles as (
    select category, median(gap_days) as category_cycle_days from gaps group by all
),

segments as (
    select
        market, category,
        count(*) filter (is_buyer) as buyers,
        count(*) filter (is_buyer_before) as buyers_before,
        sum(revenue_home) as revenue_home,
        sum(revenue_before_home) as revenue_before_home,
        sum(change_home) as change_home,
        sum(if(is_buyer and not is_buyer_before, change_home, 0)) as gained_home,
        sum(if(is_buyer_before and not is_buyer, change_home, 0)) as lost_home,
        sum(if(is_buyer = is_buyer_before, change_home, 0)) as kept_change_home,
        count(gap_days) as repeat_buyers,
        median(gap_days) as purchase_cycle_days
    from gaps group by all
)

select
    segments.*,
    cycles.category_cycle_days,
    100 * revenue_home::double / sum(revenue_home) over (partition by market) as part_of_segment_pct,
    100 * change_home::double / sum(revenue_before_home) over (partition by market)
        as contribution_to_growth_pp
from segments
inner join cycles using (category);

-- The same facts and marts from the same files, by hand and without any check: what a run is held
-- against. Needs the variables folder and rates_csv.

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
        range(date '2024-01-01', date '2026-11-15', interval 1 day) as days (day)
)

select
    days.currency,
    days.rate_date,
    last_value(based.rate_to_home ignore nulls) over through_day as rate_to_home,
    last_value(based.rate_date ignore nulls) over through_day as quote_date
from days
left join based using (currency, rate_date)
window through_day as (partition by days.currency order by days.rate_date);

create table products as from read_csv(getvariable('folder') || '/products.csv', header = true);

create table month_rates as
select currency, date_trunc('month', rate_date)::date as order_month, avg(rate_to_home) as rate
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
    rated.*,
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

create table mart_customer as
with days as (
    select
        customer_id, order_date, min(market) as market, max(quantity > 0) as is_occasion,
        sum(quantity) as units,
        coalesce(-sum(quantity) filter (is_return), 0) as units_returned,
        sum(net_amount_home) as net_revenue_home,
        coalesce(-sum(net_amount_home) filter (is_return), 0) as returns_value_home,
        sum(margin_home) as margin_home,
        count(*) filter (is_return) as returns_count
    from fct_sales group by all
),

customers as (
    select
        customer_id,
        arg_min(market, order_date) as market,
        min(order_date) filter (is_occasion) as first_order_date,
        max(order_date) filter (is_occasion) as last_order_date,
        count(*) filter (is_occasion) as occasions,
        sum(units) as units,
        sum(units_returned) as units_returned,
        sum(net_revenue_home) as net_revenue_home,
        sum(returns_value_home) as returns_value_home,
        sum(margin_home) as margin_home,
        sum(returns_count) as returns_count
    from days group by all
),

scores as (
    select
        customer_id,
        ntile(5) over (order by last_order_date, occasions, net_revenue_home, customer_id)
            as recency_score,
        ntile(5) over (order by occasions, last_order_date, net_revenue_home, customer_id)
            as frequency_score,
        ntile(5) over (order by net_revenue_home, occasions, last_order_date, customer_id)
            as monetary_score
    from customers where occasions > 0
)

select
    customers.*,
    customers.market = 'GB' as is_domestic,
    (select max(order_date) from fct_sales) - customers.last_order_date as recency_days,
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
    end as rfm_segment
from customers
left join scores using (customer_id);

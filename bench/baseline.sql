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

create table market_sales as
select market.*, market.value * monthly.rate as value_home
from read_csv(getvariable('folder') || '/market.csv', header = true) as market
inner join (
    select currency, date_trunc('month', rate_date)::date as period_start, avg(rate_to_home) as rate
    from rates group by all
) as monthly using (currency, period_start);

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
)

select
    lines.*,
    date_trunc('month', lines.order_date)::date as order_month,
    lines.market = 'GB' as is_domestic,
    rates.rate_to_home as fx_rate,
    rates.quote_date as fx_rate_date,
    (lines.net_amount_local * rates.rate_to_home)::decimal(18, 4) as net_amount_home,
    (lines.quantity * products.unit_cost)::decimal(18, 4) as cost_home,
    ((lines.net_amount_local * rates.rate_to_home)::decimal(18, 4)
        - (lines.quantity * products.unit_cost)::decimal(18, 4))::decimal(18, 4) as margin_home
from lines
left join products using (product_id)
inner join rates on lines.currency = rates.currency and lines.order_date = rates.rate_date;

create table mart_sales as
with months as (
    select
        order_month, market, product_id, currency,
        count(*) as lines, sum(quantity) as units,
        sum(net_amount_local) as net_amount_local, sum(net_amount_home) as net_amount_home,
        sum(cost_home) as cost_home, sum(margin_home) as margin_home
    from fct_sales group by all
),

monthly_rates as (
    select currency, date_trunc('month', rate_date)::date as order_month, avg(rate_to_home) as rate
    from rates group by all
)

select
    months.*,
    100.0 * (months.net_amount_local * before.rate)
        / nullif(year_before.net_amount_local * before.rate, 0) - 100 as growth_constant_year_pct,
    100.0 * months.margin_home / nullif(months.net_amount_home, 0) as margin_pct
from months
left join months as year_before
    on months.market = year_before.market and months.product_id = year_before.product_id
    and months.currency = year_before.currency
    and months.order_month = year_before.order_month + interval 1 year
left join monthly_rates as before
    on months.currency = before.currency
    and before.order_month = months.order_month - interval 1 year;

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
    100.0 * value_home / sum(value_home) over each_market as value_share_pct,
    rank() over (
        partition by period, period_start, market, category order by value_home desc
    ) as rank_by_value
from firms
window each_market as (partition by period, period_start, market, category);

create table mart_market as
with own_months as (
    select
        fct_sales.order_month, fct_sales.market, products.category,
        sum(fct_sales.quantity) as units, sum(fct_sales.net_amount_home) as value_home
    from fct_sales inner join products using (product_id) group by all
),

own as (
    select
        period, date_trunc(period, order_month)::date as period_start, market, category,
        sum(units) as own_units, sum(value_home) as own_value_home
    from own_months, (select unnest(['month', 'quarter', 'year']) as period) group by all
),

markets as (
    select
        period, period_start, market, category,
        sum(units) as market_units, sum(value_home) as market_value_home,
        sum(value_share_pct ** 2) as hhi_value, sum(volume_share_pct ** 2) as hhi_volume,
        sum(value_share_pct) filter (rank_by_value <= 4) as cr4_value_pct
    from mart_market_firm group by all
),

shares as (
    select
        *, 100.0 * own_units / market_units as volume_share_pct,
        100.0 * own_value_home / market_value_home as value_share_pct
    from markets left join own using (period, period_start, market, category)
)

select
    *,
    value_share_pct - lag(value_share_pct) over each_series as value_share_change_pp,
    volume_share_pct - lag(volume_share_pct) over each_series as volume_share_change_pp
from shares
window each_series as (partition by period, market, category order by period_start);

create table mart_customer as
with days as (
    select
        customer_id, order_date, max(quantity > 0) as is_occasion,
        sum(quantity) as units, sum(net_amount_home) as net, sum(margin_home) as margin,
        count(*) filter (quantity < 0) as returns
    from fct_sales group by all
),

customers as (
    select
        customer_id, min(order_date) as first_order_date, max(order_date) as last_order_date,
        count(*) filter (is_occasion) as occasions, sum(units) as units, sum(net) as net_home,
        sum(margin) as margin_home, sum(returns) as returns
    from days group by all
),

categories as (
    select customer_id, count(distinct category) as categories
    from fct_sales inner join products using (product_id) where quantity > 0 group by all
)

select
    *,
    ntile(5) over (order by last_order_date, occasions, net_home, customer_id) as recency_score,
    ntile(5) over (order by occasions, last_order_date, net_home, customer_id) as frequency_score,
    ntile(5) over (order by net_home, occasions, last_order_date, customer_id) as monetary_score
from customers left join categories using (customer_id);

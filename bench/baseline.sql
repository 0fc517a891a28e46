-- The same facts and marts from the same files, by hand and without any check: what a run is held
-- against. It computes what plain SQL can and what is not the same in every row: the customer
-- models' estimates (P(alive), expected purchases, value) and what is ranked by them are not here.
-- It is written for the files of bench/data.py alone: one currency a market, a segment for all, no
-- discounts, plans or rival prices. Needs the variables folder and rates_csv.

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

set variable as_of = (select max(order_date) from fct_sales);

-- of the days up to the last of our sales and of the market data; summed as decimals, whose sum is
-- the same in any order
create table month_rates as
select
    currency, date_trunc('month', rate_date)::date as order_month,
    sum(rate_to_home::decimal(30, 18))::double / count(*) as rate
from rates where rate_date <= greatest(getvariable('as_of'), date '2026-09-30') group by all;

create table market_sales as
select
    market.*,
    (market.value::decimal(18, 4) * month_rates.rate)::decimal(18, 4) as value_home
from read_csv(getvariable('folder') || '/market.csv', header = true) as market
inner join month_rates
    on market.currency = month_rates.currency and market.period_start = month_rates.order_month;

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

-- like for like: of the months that the market's figure is made of
own as (
    select
        period, date_trunc(period, order_month)::date as period_start, market, category,
        sum(units) as own_units, sum(net_amount_home) as own_value_home
    from mart_sales, periods
    where (order_month, market, category) in (
        select (period_start, market, category) from market_sales
    )
    group by all
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
    and shares.coverage_pct = 100 and previous.coverage_pct = 100
left join shares as year_before
    on shares.period = year_before.period and shares.market = year_before.market
    and shares.category = year_before.category
    and shares.period_start = year_before.period_start + interval 1 year
    and shares.coverage_pct = 100 and year_before.coverage_pct = 100;

-- two spans of equal length that end with the last order
set variable window_days = (
    select least(365, (max(order_date) - min(order_date) + 1) // 2)::integer from fct_sales
);
set variable newest_after = getvariable('as_of') - getvariable('window_days');
set variable before_after = getvariable('as_of') - 2 * getvariable('window_days');

-- what came after it is held out
set variable held_out_after = getvariable('as_of') - 7 * 26;

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
    100 * revenue_home::double / sum(revenue_home) over (partition by market)
        as part_of_segment_pct,
    100 * change_home::double / sum(revenue_before_home) over (partition by market)
        as contribution_to_growth_pp
from segments
inner join cycles using (category);

create temp table comparisons as
select unnest(['month before', 'year before']) as compared_with, unnest([1, 12]) as months_back;

create temp table customer_days as
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
create temp table histories as
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

create temp table customer_months as
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
with months as (
    select
        market, order_month,
        list(net_amount_home order by net_amount_home desc) filter (net_amount_home > 0) as bought,
        sum(net_amount_home) filter (net_amount_home > 0) as buyers_revenue_home,
        count(*) filter (net_amount_home <= 0) as net_returners,
        coalesce(sum(net_amount_home) filter (net_amount_home <= 0), 0) as net_returns_home
    from customer_months group by all
),

sales as (
    select market, order_month, sum(net_amount_home) as revenue_home from mart_sales group by all
)

select
    months.* exclude (bought),
    sales.revenue_home,
    len(bought) as customers,
    revenue_home - buyers_revenue_home - net_returns_home as without_customer_home,
    100 * without_customer_home::double / revenue_home as without_customer_pct,
    100 * list_sum(bought[:ceil(customers * 0.01)::bigint])::double / buyers_revenue_home
        as top_1_share_pct,
    100 * list_sum(bought[:ceil(customers * 0.1)::bigint])::double / buyers_revenue_home
        as top_10_share_pct,
    100 * list_sum(bought[:ceil(customers * 0.2)::bigint])::double / buyers_revenue_home
        as top_20_share_pct,
    100 * bought[1]::double / buyers_revenue_home as largest_customer_share_pct,
    100 * list_sum(bought[:5])::double / buyers_revenue_home as largest_five_share_pct,
    list_sum(list_transform(bought, lambda paid, place: paid * place))::double
        / buyers_revenue_home as mean_place,
    (customers + 1 - 2 * mean_place) / customers as gini
from months
inner join sales using (market, order_month);

create table mart_flow as
with compared as (
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

create table mart_price_volume_mix as
with span as (
    select min(order_month) as first_month, max(order_month) as last_month from mart_sales
),

sides as (
    select
        compared_with, months_back, order_month, market, product_id,
        coalesce(now.currency, past.currency) as currency,
        now.lines is not null as is_there,
        past.lines is not null as was_there,
        coalesce(now.units, 0) as units,
        coalesce(past.units, 0) as units_compared,
        coalesce(now.net_amount_home, 0) as revenue_home,
        coalesce(past.net_amount_home, 0) as revenue_compared_home,
        coalesce(now.net_amount_local, 0) as net_local,
        past.net_amount_home::double / nullif(past.net_amount_local, 0)::double as rate_then
    from (from mart_sales, comparisons) as now
    full join (
        select * replace ((order_month + to_months(months_back))::date as order_month)
        from mart_sales, comparisons
    ) as past using (compared_with, months_back, order_month, market, product_id)
),

compared as (
    select
        sides.*,
        (sides.order_month - to_months(sides.months_back))::date as compared_month,
        sides.revenue_home::double / nullif(sides.units, 0)::double as price,
        sides.revenue_compared_home::double / nullif(sides.units_compared, 0)::double
            as price_compared,
        coalesce(price >= 0, false) as is_sold,
        coalesce(price_compared >= 0, false) as was_sold,
        case
            when is_sold and was_sold then 'both'
            when is_sold then 'new'
            when was_sold then 'lost'
            when sides.is_there and sides.was_there then 'neither'
            when sides.is_there then 'new'
            else 'lost'
        end as sold_in
    from sides
    cross join span
    where
        sides.order_month <= span.last_month
        and sides.order_month >= span.first_month + to_months(sides.months_back)
),

-- at the rate that the revenue then was converted at, or at the month's where that tells none
rated as (
    select
        compared.*,
        products.category,
        products.name as product_name,
        compared.revenue_home - compared.revenue_compared_home as revenue_change_home,
        (
            compared.revenue_home::double - (
                compared.net_local::double * if(
                    compared.rate_then between 0.8 * month_rates.rate and 1.2 * month_rates.rate,
                    compared.rate_then, month_rates.rate
                )
            )::decimal(38, 6)
        )::decimal(38, 4) as fx_effect_home,
        sum(if(sold_in = 'both', units, 0)) over same_category as category_units,
        sum(if(sold_in = 'both', units_compared, 0)) over same_category as category_units_compared
    from compared
    inner join products using (product_id)
    inner join month_rates
        on compared.currency = month_rates.currency
        and compared.compared_month = month_rates.order_month
    window same_category as (
        partition by compared.order_month, compared.market, products.category,
        compared.compared_with
    )
),

effects as (
    select
        *,
        case
            when sold_in <> 'both' then 0
            when category_units >= 0 and category_units_compared > 0
                then revenue_compared_home::double
                * (category_units::double / category_units_compared::double - 1)
            else revenue_compared_home::double * (units::double / units_compared::double - 1)
        end::decimal(38, 4) as volume_effect_home,
        case sold_in
            when 'both' then (
                revenue_compared_home::double * units::double / units_compared::double
                - revenue_compared_home::double
            )::decimal(38, 4) - volume_effect_home
            when 'neither' then revenue_change_home - fx_effect_home
            else 0
        end as mix_effect_home
    from rated
)

select
    order_month, market, category, product_id, compared_with, product_name, compared_month,
    sold_in,
    units, units_compared, revenue_home, revenue_compared_home,
    revenue_home - fx_effect_home as revenue_constant_home,
    if(is_sold, price, null) as average_price_home,
    if(was_sold, price_compared, null) as average_price_compared_home,
    revenue_change_home,
    if(
        sold_in = 'both',
        revenue_change_home - fx_effect_home - volume_effect_home - mix_effect_home, 0
    ) as price_effect_home,
    volume_effect_home,
    mix_effect_home,
    if(sold_in = 'new', revenue_change_home - fx_effect_home, 0) as new_effect_home,
    if(sold_in = 'lost', revenue_change_home - fx_effect_home, 0) as lost_effect_home,
    fx_effect_home
from effects;

create table mart_price_volume_mix_category as
with categories as (
    select
        order_month, market, category, compared_with, compared_month,
        sum(columns('units|revenue|effect')),
        count(*) filter (sold_in = 'both') as products_in_both,
        count(*) filter (sold_in = 'new' and revenue_home <> 0) as products_new,
        count(*) filter (sold_in = 'lost' and revenue_compared_home <> 0) as products_lost
    from mart_price_volume_mix group by all
)

select
    *,
    if(
        revenue_compared_home > 0,
        100 * revenue_change_home::double / revenue_compared_home::double, null
    ) as growth_pct,
    if(
        revenue_compared_home > 0,
        100 * (revenue_constant_home - revenue_compared_home)::double
        / revenue_compared_home::double,
        null
    ) as growth_constant_pct
from categories;

create table mart_market_structure as
with lengths as (
    select unnest(['month', 'quarter', 'year']) as period, to_months(unnest([1, 3, 12])) as length
),

placed as (
    select
        *,
        row_number() over (
            partition by period, period_start, market, category order by value_home desc, firm
        ) as value_place,
        row_number() over (
            partition by period, period_start, market, category order by units desc, firm
        ) as volume_place
    from mart_market_firm
),

firms as (
    select
        period, period_start, market, category,
        max(firm) filter (value_place = 1) as leader_firm,
        max(value_share_pct) filter (value_place = 1) as leader_share_pct,
        max(firm) filter (value_place = 2) as second_firm,
        max(value_share_pct) filter (value_place = 2) as second_share_pct,
        sum(value_home) filter (value_place <= 3) as largest_three_value_home,
        sum(units) filter (volume_place <= 3) as largest_three_units,
        sum(units) filter (volume_place <= 4) as largest_four_units,
        -- where a maker is at home is known of ours alone
        sum(value_home) filter (is_own) as maker_value_home,
        sum(units) filter (is_own) as maker_units
    from placed group by all
),

moves as (
    select
        coalesce(now.period, past.period) as period,
        coalesce(now.period_start, past.period_start) as period_start,
        coalesce(now.market, past.market) as market,
        coalesce(now.category, past.category) as category,
        count(*) filter (past.firm is null) as firms_entered,
        count(*) filter (now.firm is null) as firms_exited
    from (from mart_market_firm where value_home > 0) as now
    full join (
        select * replace ((period_start + length)::date as period_start)
        from mart_market_firm inner join lengths using (period)
        where value_home > 0
    ) as past
        on now.period = past.period and now.period_start = past.period_start
        and now.market = past.market and now.category = past.category and now.firm = past.firm
    group by all
),

grown as (
    select
        markets.*,
        before.period is not null as is_compared,
        past.market_value_home as market_value_then,
        (markets.market_value_home - past.market_value_home)::double as market_change,
        (markets.own_value_home - past.own_value_home)::double as own_change,
        100 * (markets.market_value_home::double / nullif(past.market_value_home, 0)::double - 1)
            as market_growth_pct,
        if(
            past.own_value_home > 0,
            100 * (markets.own_value_home::double / past.own_value_home::double - 1), null
        ) as own_growth_pct
    from mart_market as markets
    inner join lengths using (period)
    left join mart_market as before
        on markets.period = before.period and markets.market = before.market
        and markets.category = before.category
        and markets.period_start = before.period_start + lengths.length
        and markets.coverage_pct = 100 and before.coverage_pct = 100
    left join mart_market as past
        on markets.period = past.period and markets.market = past.market
        and markets.category = past.category
        and markets.period_start = past.period_start + interval 1 year
        and markets.coverage_pct = 100 and past.coverage_pct = 100
)

select
    period, period_start, market, category,
    named_firms, hhi_value, hhi_volume, cr4_value_pct, relative_share,
    100 * largest_three_value_home::double / market_value_home::double as cr3_value_pct,
    100 * largest_three_units::double / market_units::double as cr3_volume_pct,
    100 * largest_four_units::double / market_units::double as cr4_volume_pct,
    leader_firm, leader_share_pct, second_firm, second_share_pct,
    if(is_compared, firms_entered, null) as firms_entered,
    if(is_compared, firms_exited, null) as firms_exited,
    if(market = 'GB', 100 * maker_value_home::double / market_value_home::double, null)
        as domestic_makers_value_share_pct,
    if(market = 'GB', null, 100 * maker_value_home::double / market_value_home::double)
        as foreign_makers_value_share_pct,
    if(market = 'GB', 100 * maker_units::double / market_units::double, null)
        as domestic_makers_volume_share_pct,
    if(market = 'GB', null, 100 * maker_units::double / market_units::double)
        as foreign_makers_volume_share_pct,
    market_growth_pct,
    own_growth_pct,
    if(
        market_change >= 0.0005 * market_value_then::double,
        100 * own_change / market_change, null
    ) as share_of_growth_pct,
    case
        when market_growth_pct is null or relative_share is null then null
        when market_growth_pct >= 10 and relative_share >= 1 then 'star'
        when market_growth_pct >= 10 then 'question mark'
        when relative_share >= 1 then 'cash cow'
        else 'dog'
    end as growth_share_cell
from grown
left join firms using (period, period_start, market, category)
left join moves using (period, period_start, market, category);

create table mart_share_drivers as
with measured as (
    select
        period_start, market, category,
        unnest(['value', 'volume']) as measure,
        unnest([own_value_home::double, own_units::double]) as own,
        unnest([market_value_home::double, market_units::double]) as whole
    from mart_market where period = 'month'
),

paths as (
    select
        measured.period_start, measured.market, measured.category, comparisons.compared_with,
        measured.measure,
        before.own as own_0,
        before.whole as whole_0,
        measured.own as own_1,
        measured.whole as whole_1,
        own_0 / whole_0 as share_0,
        own_1 / whole_1 as share_1,
        own_1 / nullif(own_1 + whole_0 - own_0, 0) as share_if_own,
        own_0 / nullif(own_0 + whole_1 - own_1, 0) as share_if_rivals,
        -- the mean of both orders of change
        case
            when share_if_own is null then share_1 - coalesce(share_if_rivals, share_0)
            when share_if_rivals is null then share_if_own - share_0
            else (share_if_own - share_0 + share_1 - share_if_rivals) / 2
        end as own_growth
    from measured
    cross join comparisons
    inner join measured as before
        on measured.market = before.market and measured.category = before.category
        and measured.measure = before.measure
        and measured.period_start = before.period_start + to_months(comparisons.months_back)
    where
        measured.whole > 0 and before.whole > 0
        and measured.own is not null and before.own is not null
),

markets as (
    select
        *,
        sum(whole_0) over one_market as market_0,
        sum(whole_1) over one_market as market_1,
        sum(own_0) over one_market / market_0 as market_share_0,
        sum(own_1) over one_market / market_1 as market_share_1,
        sum(whole_0) over all_markets as total_0,
        sum(whole_1) over all_markets as total_1,
        sum(own_0) over all_markets / total_0 as total_share_0,
        sum(own_1) over all_markets / total_1 as total_share_1
    from paths
    window
        one_market as (partition by period_start, compared_with, measure, market),
        all_markets as (partition by period_start, compared_with, measure)
),

contributions as (
    select
        *,
        (market_0 / total_0 + market_1 / total_1) / 2 as market_weight,
        (whole_0 / market_0 + whole_1 / market_1) / 2 as category_weight,
        (market_share_0 + market_share_1) / 2 as mean_market_share,
        100 * market_weight * category_weight * own_growth as contribution_own_growth_pp,
        100 * market_weight * category_weight * (share_1 - share_0 - own_growth)
            as contribution_rivals_growth_pp,
        100 * market_weight * (whole_1 / market_1 - whole_0 / market_0)
            * ((share_0 + share_1) / 2 - mean_market_share) as contribution_category_mix_pp,
        100 * (market_1 / total_1 - market_0 / total_0) * category_weight
            * (mean_market_share - (total_share_0 + total_share_1) / 2)
            as contribution_market_mix_pp
    from markets
)

select
    period_start, market, category, compared_with, measure,
    100 * share_1 as share_pct,
    100 * share_0 as share_compared_pct,
    100 * (share_1 - share_0) as share_change_pp,
    100 * own_growth as own_growth_pp,
    100 * (share_1 - share_0 - own_growth) as rivals_growth_pp,
    100 * total_share_1 as total_share_pct,
    100 * (total_share_1 - total_share_0) as total_share_change_pp,
    contribution_own_growth_pp,
    contribution_rivals_growth_pp,
    contribution_category_mix_pp,
    contribution_market_mix_pp,
    contribution_own_growth_pp + contribution_rivals_growth_pp + contribution_category_mix_pp
    + contribution_market_mix_pp as contribution_pp
from contributions;

create table mart_industry_timeline as
select
    sizes.market, sizes.period_start as month_start,
    count(*) as categories,
    sum(sizes.market_units) as market_units,
    sum(sizes.market_value_home) as market_value_home,
    sum(sizes.own_value_home) as own_value_home,
    100 * (
        sum(sizes.market_value_home) filter (past.period is not null)::double
        / sum(past.market_value_home)::double - 1
    ) as market_growth_year_pct
from mart_market as sizes
left join mart_market as past
    on sizes.period = past.period and sizes.market = past.market
    and sizes.category = past.category
    and sizes.period_start = past.period_start + interval 1 year
where sizes.period = 'month'
group by all;

-- a market's place among those of the month, from 0 to 100
create macro score(figure) as if(
    figure is not null and count(figure) over (partition by order_month) > 1,
    100 * percent_rank() over (partition by order_month, figure is null order by figure), null
);

create table mart_export as
with months as (
    select
        order_month, market,
        sum(units) as units,
        sum(net_amount_home) as revenue_home,
        sum(cost_home) as cost_home,
        sum(net_amount_costed_home) as revenue_costed_home,
        sum(net_at_own_rate::decimal(38, 4)) as at_own_rate,
        sum(net_at_previous_month_rate_home) as at_previous_rate,
        sum(net_at_year_before_rate_home) as at_year_rate,
        -- with all sales reaching the end of it
        order_month < date_trunc('month', getvariable('as_of') + 1) as is_whole
    from mart_sales group by all
),

-- the newest twelve months that are measured, or those that there are at the rate of twelve
category_sizes as (
    select
        market, category, period_start,
        count(*) over measured as size_months,
        (12.0::double / size_months * sum(market_value_home) over measured)::decimal(38, 4)
            as market_12_months_home,
        (12.0::double / size_months * sum(own_value_home) over measured)::decimal(38, 4)
            as own_12_months_home
    from mart_market
    where period = 'month'
    window measured as (
        partition by market, category order by period_start
        range between interval 11 months preceding and current row
    )
),

market_sizes as (
    select
        months.order_month, months.market,
        min(size_months) as size_months,
        sum(market_12_months_home) as market_12_months_home,
        sum(own_12_months_home) as own_12_months_home
    from months
    inner join category_sizes
        on months.market = category_sizes.market
        and category_sizes.period_start <= months.order_month
    group by months.order_month, months.market, category_sizes.period_start
    qualify row_number() over (
        partition by months.order_month, months.market order by category_sizes.period_start desc
    ) = 1
),

-- what the same products bring abroad and at home, weighted with the units sold abroad
price_levels as (
    select
        abroad.order_month, abroad.market,
        100 * sum(abroad.net_amount_home)::double / sum((
            abroad.units::double * home.net_amount_home::double / home.units::double
        )::decimal(38, 4))::double as price_level_index
    from mart_sales as abroad
    inner join mart_sales as home
        on abroad.order_month = home.order_month and abroad.product_id = home.product_id
        and home.market = 'GB'
    where abroad.units > 0 and abroad.net_amount_home > 0 and home.units > 0
        and home.net_amount_home > 0
    group by all
),

twelve_months as (
    select
        months.*,
        sum(months.revenue_home) over up_to_it as revenue_12_months_home,
        sum(months.revenue_costed_home) over up_to_it as costed_12_months_home,
        sum(months.revenue_costed_home - months.cost_home) over up_to_it as margin_12_months_home,
        market_sizes.size_months,
        market_sizes.market_12_months_home,
        market_sizes.own_12_months_home,
        count(past.market) filter (months.is_whole) over up_to_it as growth_months,
        sum(if(past.market is null, null, months.at_year_rate)) filter (months.is_whole) over up_to_it
            as at_year_rate_12,
        sum(if(months.at_year_rate is null, null, past.at_own_rate)) filter (months.is_whole)
            over up_to_it as at_own_rate_12_before,
        previous.at_own_rate as at_own_rate_previous,
        past.at_own_rate as at_own_rate_past
    from months
    left join market_sizes using (order_month, market)
    left join months as previous
        on months.market = previous.market
        and months.order_month = previous.order_month + interval 1 month
    left join months as past
        on months.market = past.market and months.order_month = past.order_month + interval 1 year
    window up_to_it as (
        partition by months.market order by months.order_month
        range between interval 11 months preceding and current row
    )
),

measured as (
    select
        twelve_months.*,
        market_12_months_home::double as size_home,
        if(
            at_own_rate_12_before > 0,
            100 * (at_year_rate_12::double / at_own_rate_12_before::double - 1), null
        ) as growth_constant_12_months_pct,
        100 * own_12_months_home::double / nullif(market_12_months_home, 0)::double
            as share_of_market_pct,
        if(
            costed_12_months_home > 0,
            100 * margin_12_months_home::double / costed_12_months_home::double, null
        ) as landed_margin_12_months_pct,
        price_levels.price_level_index
    from twelve_months
    left join price_levels using (order_month, market)
),

scored as (
    select
        *,
        score(size_home) as size_score,
        score(growth_constant_12_months_pct) as growth_score,
        score(share_of_market_pct) as share_score,
        score(price_level_index) as price_level_score,
        score(landed_margin_12_months_pct) as margin_score,
        -- what is not known counts for nothing, and its weight neither
        (
            coalesce(30 * size_score, 0) + coalesce(25 * growth_score, 0)
            + coalesce(15 * share_score, 0) + coalesce(15 * price_level_score, 0)
            + coalesce(15 * margin_score, 0)
        ) / nullif(
            if(size_score is null, 0, 30) + if(growth_score is null, 0, 25)
            + if(share_score is null, 0, 15) + if(price_level_score is null, 0, 15)
            + if(margin_score is null, 0, 15), 0
        ) as attractiveness
    from measured
)

select
    order_month, market, units, scored.revenue_home, revenue_12_months_home,
    100 * scored.revenue_home::double
        / nullif(sum(scored.revenue_home) over (partition by order_month), 0)::double
        as part_of_revenue_pct,
    cost_home, revenue_costed_home,
    revenue_costed_home - cost_home as landed_margin_home,
    if(
        revenue_costed_home > 0,
        100 * landed_margin_home::double / revenue_costed_home::double, null
    ) as landed_margin_pct,
    at_own_rate - at_previous_rate as fx_effect_month_home,
    at_own_rate - at_year_rate as fx_effect_year_home,
    if(
        at_own_rate_previous > 0,
        100 * (at_previous_rate::double / at_own_rate_previous::double - 1), null
    ) as growth_constant_month_pct,
    if(at_own_rate_past > 0, 100 * (at_year_rate::double / at_own_rate_past::double - 1), null)
        as growth_constant_year_pct,
    growth_constant_12_months_pct, growth_months, price_level_index,
    mart_concentration.customers,
    mart_concentration.largest_customer_share_pct as largest_customer_pct,
    mart_concentration.largest_five_share_pct as largest_five_customers_pct,
    rank() over (
        partition by order_month, attractiveness is null order by attractiveness desc
    ) as attractiveness_rank,
    attractiveness, size_home, size_months, share_of_market_pct, landed_margin_12_months_pct,
    size_score, growth_score, share_score, price_level_score, margin_score
from scored
left join mart_concentration using (order_month, market);

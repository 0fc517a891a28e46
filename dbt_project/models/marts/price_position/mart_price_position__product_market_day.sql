{#- sellers this close to our price, as a fraction of it, have the same price #}
{%- set same_price_tolerance = '0.005' -%}
with

company as (

    select
        reporting_currency,
        price_carry_days
    from {{ source('raw', 'company') }}

),

own_firms as (

    select distinct {{ comparable('firm') }} as firm_key from {{ source('raw', 'own_firms') }}

),

-- what our own shop asks is no rival's price
observations as (

    select
        prices.product_id,
        prices.market,
        prices.observed_date,
        prices.observed_at,
        prices.competitor,
        coalesce(prices.seller, '') as seller,
        coalesce(prices.url, prices.gtin, prices.mpn, prices.title, '') as page,
        prices.pack_coefficient,
        prices.price_home,
        prices.availability,
        prices.tax_included,
        prices.is_suspicious,
        prices.delivery_id,
        prices.row_number
    from {{ ref('fct_competitor_prices') }} as prices
    left join own_firms
        on {{ comparable('prices.competitor') }} = own_firms.firm_key
    where prices.product_id is not null and own_firms.firm_key is null

),

days as (

    select
        product_id,
        market,
        observed_date as price_date,
        12 * extract(year from observed_date) + extract(month from observed_date) as month_index,
        sum(case when is_suspicious then 1 else 0 end) as suspicious_left_out
    from observations
    group by product_id, market, observed_date

),

-- of several looks at one offer on one day the last one counts; a suspicious price is no price,
-- but that the shop had none in stock is to be believed
offer_days as (

    select *
    from observations
    where not is_suspicious or availability not in ('in_stock', 'unknown')
    qualify row_number() over (
        partition by
            product_id, market, competitor, seller, page, pack_coefficient, observed_date
        order by observed_at desc, delivery_id desc, row_number desc
    ) = 1

),

-- an observation stands until the next one of its offer, and no longer than prices are carried
offer_spans as (

    select
        offer_days.*,
        least(
            company.price_carry_days + 1,
            coalesce(
                {{ dbt.datediff('offer_days.observed_date', 'offer_days.next_date', 'day') }},
                company.price_carry_days + 1
            )
        ) as days_valid
    from (
        select
            *,
            lead(observed_date) over (
                partition by product_id, market, competitor, seller, page, pack_coefficient
                order by observed_date
            ) as next_date
        from offer_days
    ) as offer_days
    cross join company

),

carry_calendar as (

    select
        cast('2000-01-01' as date) as first_day,
        {{ days_after("cast('2000-01-01' as date)", 'price_carry_days') }} as last_day
    from company

),

carry_days as (

    {{ calendar_days('carry_calendar', 'first_day', 'last_day') }}

),

days_carried as (

    select {{ dbt.datediff("cast('2000-01-01' as date)", 'day', 'day') }} as days_old -- noqa: LT05
    from carry_days

),

-- one row for each day on which an observation stands, so that days are joined by equality
offers as (

    select
        offer_spans.product_id,
        offer_spans.market,
        {{ days_after('offer_spans.observed_date', 'days_carried.days_old') }} as price_date,
        days_carried.days_old,
        offer_spans.price_home,
        offer_spans.tax_included,
        -- a shop that says nothing about its stock offers what it shows
        offer_spans.availability in ('in_stock', 'unknown') as is_in_stock
    from offer_spans
    inner join days_carried
        on offer_spans.days_valid > days_carried.days_old

),

rates as (

    select * from {{ ref('int_rates__currency_days') }}

),

sold_months as (

    select
        product_id,
        market,
        12 * extract(year from order_month) + extract(month from order_month) as month_index,
        sum(net_amount_home) / nullif(sum(units), 0) as average_price_home
    from {{ ref('int_sales__product_months') }}
    where line_kind = 'product'
    group by
        product_id,
        market,
        12 * extract(year from order_month) + extract(month from order_month)
    having sum(units) > 0 and sum(net_amount_home) > 0

),

months_of_days_and_sales as (

    select
        product_id,
        market,
        month_index,
        cast(null as bigint) as sold_month_index
    from days
    group by product_id, market, month_index

    union all

    select
        product_id,
        market,
        month_index,
        month_index as sold_month_index
    from sold_months

),

-- found by a running maximum and looked up by equality: a join on a range of months would compare
-- every day with every month
latest_sold_months as (

    select
        product_id,
        market,
        month_index,
        max(sold_month_index) as sold_month_index
    from (
        select
            product_id,
            market,
            month_index,
            max(sold_month_index) over (
                partition by product_id, market
                order by month_index
                range between unbounded preceding and current row
            ) as sold_month_index
        from months_of_days_and_sales
    ) as running
    group by product_id, market, month_index

),

priced_days as (

    select
        days.*,
        company.reporting_currency,
        products.name as product_name,
        products.category,
        cast(coalesce(
            cast(products.list_price as double) * rates.rate_to_home,
            cast(sold_months.average_price_home as double)
        ) as decimal(18, 4)) as our_price_home,
        case
            when products.list_price * rates.rate_to_home is not null then 'list price'
            when sold_months.average_price_home is not null then 'average of the latest month sold'
        end as our_price_source
    from days
    cross join company
    left join {{ ref('dim_product') }} as products
        on days.product_id = products.product_id
    left join rates
        on coalesce(products.currency, company.reporting_currency) = rates.currency
        and days.price_date = rates.rate_date
    left join latest_sold_months
        on days.product_id = latest_sold_months.product_id
        and days.market = latest_sold_months.market
        and days.month_index = latest_sold_months.month_index
    left join sold_months
        on latest_sold_months.product_id = sold_months.product_id
        and latest_sold_months.market = sold_months.market
        and latest_sold_months.sold_month_index = sold_months.month_index

),

rivals as (

    select
        priced_days.product_id,
        priced_days.market,
        priced_days.price_date,
        count(*) as matched_offers,
        sum(case when offers.is_in_stock then 1 else 0 end) as in_stock_offers,
        sum(case when offers.is_in_stock and offers.tax_included then 1 else 0 end)
            as tax_included_offers,
        min(case when offers.is_in_stock then offers.price_home end) as rival_lowest_home,
        median(case when offers.is_in_stock then offers.price_home end) as rival_median_home,
        avg(case when offers.is_in_stock then offers.price_home end) as rival_mean_home,
        max(case when offers.is_in_stock then offers.price_home end) as rival_highest_home,
        sum(case
            when
                offers.is_in_stock
                and offers.price_home
                < priced_days.our_price_home * (1 - {{ same_price_tolerance }})
                then 1
            else 0
        end) as cheaper_offers,
        max(case when offers.is_in_stock then offers.days_old end) as oldest_observation_days
    from priced_days
    inner join offers
        on priced_days.product_id = offers.product_id
        and priced_days.market = offers.market
        and priced_days.price_date = offers.price_date
    group by priced_days.product_id, priced_days.market, priced_days.price_date

),

prices as (

    select
        priced_days.*,
        coalesce(rivals.matched_offers, 0) as matched_offers,
        coalesce(rivals.in_stock_offers, 0) as in_stock_offers,
        coalesce(rivals.tax_included_offers, 0) as tax_included_offers,
        rivals.rival_lowest_home,
        cast(rivals.rival_median_home as decimal(18, 4)) as rival_median_home,
        cast(rivals.rival_mean_home as decimal(18, 4)) as rival_mean_home,
        rivals.rival_highest_home,
        rivals.cheaper_offers,
        rivals.oldest_observation_days
    from priced_days
    left join rivals
        on priced_days.product_id = rivals.product_id
        and priced_days.market = rivals.market
        and priced_days.price_date = rivals.price_date

),

final as (

    select
        ---------- keys
        product_id,
        market,
        price_date,

        ---------- attributes
        product_name,
        category,

        ---------- prices of one unit of ours, in the reporting currency
        our_price_home,
        our_price_source,
        rival_lowest_home,
        rival_median_home,
        rival_mean_home,
        rival_highest_home,

        ---------- position
        100.0 * cast(our_price_home as double)
        / nullif(cast(rival_median_home as double), 0) as price_index,
        100.0 * cast(our_price_home as double)
        / nullif(cast(rival_mean_home as double), 0) as price_index_mean,
        case
            when our_price_home is not null and in_stock_offers > 0
                then cast(cheaper_offers + 1 as bigint)
        end as price_rank,
        our_price_home - rival_lowest_home as gap_to_lowest_home,
        100.0 * cast(our_price_home - rival_lowest_home as double)
        / nullif(cast(rival_lowest_home as double), 0) as gap_to_lowest_pct,
        our_price_home - rival_median_home as gap_to_median_home,
        100.0 * cast(our_price_home - rival_median_home as double)
        / nullif(cast(rival_median_home as double), 0) as gap_to_median_pct,

        ---------- what it rests on
        cast(matched_offers as bigint) as matched_offers,
        cast(in_stock_offers as bigint) as in_stock_offers,
        cast(tax_included_offers as bigint) as tax_included_offers,
        cast(suspicious_left_out as bigint) as suspicious_left_out,
        cast(oldest_observation_days as bigint) as oldest_observation_days
    from prices

)

select * from final

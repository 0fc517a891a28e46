with

company as (

    select price_same_tolerance_pct from {{ source('raw', 'company') }}

),

standing as (

    select * from {{ ref('int_competitor_prices__standing_days') }}

),

own_prices as (

    select * from {{ ref('int_own_prices__product_market_days') }}

),

products as (

    select * from {{ ref('dim_product') }}

),

days as (

    select
        product_id,
        market,
        observed_date as price_date,
        sum(suspicious_left_out) as suspicious_left_out
    from {{ ref('int_competitor_prices__observed_days') }}
    group by product_id, market, observed_date

),

lowest_by_day as (

    select
        product_id,
        market,
        price_date,
        min(case when is_in_stock then price_home end) as lowest_home
    from standing
    group by product_id, market, price_date

),

lowest_before as (

    select
        product_id,
        market,
        price_date,
        min(lowest_home) over (
            partition by product_id, market
            order by {{ dbt.datediff("cast('1970-01-01' as date)", 'price_date', 'day') }}
            range between 30 preceding and 1 preceding
        ) as rival_lowest_30_days_home
    from (
        select * from lowest_by_day

        union all

        select
            product_id,
            market,
            price_date,
            null as lowest_home
        from days
    ) as every_day

),

lowest_30_days as (

    select
        product_id,
        market,
        price_date,
        min(rival_lowest_30_days_home) as rival_lowest_30_days_home
    from lowest_before
    group by product_id, market, price_date

),

priced_days as (

    select
        days.*,
        products.name as product_name,
        products.category,
        own_prices.our_price_home,
        own_prices.our_price_source,
        own_prices.our_list_price_home,
        own_prices.our_sold_price_home,
        own_prices.our_lowest_30_days_home,
        lowest_30_days.rival_lowest_30_days_home,
        1 - company.price_same_tolerance_pct / 100 as same_price_factor
    from days
    cross join company
    left join products
        on days.product_id = products.product_id
    left join own_prices
        on days.product_id = own_prices.product_id
        and days.market = own_prices.market
        and days.price_date = own_prices.price_date
    left join lowest_30_days
        on days.product_id = lowest_30_days.product_id
        and days.market = lowest_30_days.market
        and days.price_date = lowest_30_days.price_date

),

offers as (

    select
        priced_days.product_id,
        priced_days.market,
        priced_days.price_date,
        standing.is_in_stock,
        standing.days_old,
        coalesce(standing.tax_included, false) as tax_included,
        standing.is_tax_unknown,
        case when standing.is_in_stock then standing.price_home end as price_home,
        case when standing.is_in_stock then standing.list_price_home end as list_price_home,
        case
            when standing.is_in_stock and standing.price_kind = 'promotional'
                then standing.price_home
        end as promotional_price_home,
        priced_days.our_price_home * priced_days.same_price_factor as our_bound_home,
        priced_days.our_list_price_home * priced_days.same_price_factor as our_list_bound_home
    from priced_days
    inner join standing
        on priced_days.product_id = standing.product_id
        and priced_days.market = standing.market
        and priced_days.price_date = standing.price_date

),

rivals as (

    select
        product_id,
        market,
        price_date,
        count(*) as matched_offers,
        count(price_home) as in_stock_offers,
        count(promotional_price_home) as promotional_offers,
        count(list_price_home) as list_offers,
        sum(case when is_in_stock and tax_included then 1 else 0 end) as tax_included_offers,
        sum(case when is_in_stock and is_tax_unknown then 1 else 0 end) as tax_unknown_offers,
        min(price_home) as rival_lowest_home,
        median(price_home) as rival_median_home,
        avg(price_home) as rival_mean_home,
        max(price_home) as rival_highest_home,
        median(list_price_home) as rival_median_list_home,
        min(promotional_price_home) as rival_lowest_promotional_home,
        sum(case when price_home < our_bound_home then 1 else 0 end) as cheaper_offers,
        sum(case when promotional_price_home < our_bound_home then 1 else 0 end)
            as cheaper_promotional_offers,
        sum(case when list_price_home < our_list_bound_home then 1 else 0 end)
            as cheaper_list_offers,
        max(case when is_in_stock then days_old end) as oldest_observation_days
    from offers
    group by product_id, market, price_date

),

prices as (

    select
        priced_days.*,
        coalesce(rivals.matched_offers, 0) as matched_offers,
        coalesce(rivals.in_stock_offers, 0) as in_stock_offers,
        coalesce(rivals.promotional_offers, 0) as promotional_offers,
        coalesce(rivals.list_offers, 0) as list_offers,
        coalesce(rivals.tax_included_offers, 0) as tax_included_offers,
        coalesce(rivals.tax_unknown_offers, 0) as tax_unknown_offers,
        rivals.rival_lowest_home,
        cast(rivals.rival_median_home as decimal(18, 4)) as rival_median_home,
        cast(rivals.rival_mean_home as decimal(18, 4)) as rival_mean_home,
        rivals.rival_highest_home,
        cast(rivals.rival_median_list_home as decimal(18, 4)) as rival_median_list_home,
        rivals.rival_lowest_promotional_home,
        rivals.cheaper_offers,
        rivals.cheaper_promotional_offers,
        rivals.cheaper_list_offers,
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
        our_list_price_home,
        our_sold_price_home,
        our_lowest_30_days_home,
        rival_lowest_home,
        rival_median_home,
        rival_mean_home,
        rival_highest_home,
        rival_lowest_30_days_home,
        rival_lowest_promotional_home,
        rival_median_list_home,

        ---------- position
        100.0 * cast(our_price_home as double)
        / nullif(cast(rival_median_home as double), 0) as price_index,
        100.0 * cast(our_price_home as double)
        / nullif(cast(rival_mean_home as double), 0) as price_index_mean,
        100.0 * cast(our_list_price_home as double)
        / nullif(cast(rival_median_list_home as double), 0) as list_price_index,
        case
            when our_price_home is not null and in_stock_offers > 0
                then cast(cheaper_offers + 1 as bigint)
        end as price_rank,
        case
            when our_price_home is not null and promotional_offers > 0
                then cast(cheaper_promotional_offers + 1 as bigint)
        end as promotional_price_rank,
        case
            when our_list_price_home is not null and list_offers > 0
                then cast(cheaper_list_offers + 1 as bigint)
        end as list_price_rank,
        our_price_home - rival_lowest_home as gap_to_lowest_home,
        100.0 * cast(our_price_home - rival_lowest_home as double)
        / nullif(cast(rival_lowest_home as double), 0) as gap_to_lowest_pct,
        our_price_home - rival_median_home as gap_to_median_home,
        100.0 * cast(our_price_home - rival_median_home as double)
        / nullif(cast(rival_median_home as double), 0) as gap_to_median_pct,

        ---------- what it rests on
        cast(matched_offers as bigint) as matched_offers,
        cast(in_stock_offers as bigint) as in_stock_offers,
        cast(promotional_offers as bigint) as promotional_offers,
        cast(tax_included_offers as bigint) as tax_included_offers,
        cast(tax_unknown_offers as bigint) as tax_unknown_offers,
        cast(suspicious_left_out as bigint) as suspicious_left_out,
        cast(oldest_observation_days as bigint) as oldest_observation_days
    from prices

)

select * from final

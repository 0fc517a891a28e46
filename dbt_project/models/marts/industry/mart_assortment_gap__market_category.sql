{#- a rival's article is new, or gone, for so many days -#}
{%- set recent_days = 28 -%}
with

company as (

    select reporting_currency from {{ source('raw', 'company') }}

),

own_firms as (

    select distinct {{ comparable('firm') }} as firm_key from {{ source('raw', 'own_firms') }}

),

products as (

    select * from {{ ref('dim_product') }}

),

categories as (

    select * from {{ ref('int_products__categories') }}

),

rates as (

    select
        currency,
        rate_to_home
    from {{ ref('int_rates__currency_days') }}
    qualify row_number() over (partition by currency order by rate_date desc) = 1

),

prices as (

    select
        fct.*,
        {{ rivals_article('fct') }} as article
    from {{ ref('fct_competitor_prices') }} as fct
    left join own_firms
        on {{ comparable('fct.competitor') }} = own_firms.firm_key
    where own_firms.firm_key is null

),

articles as (

    select
        market,
        competitor,
        article,
        max(product_id) as product_id,
        max(brand) as brand,
        max(nullif(trim(category), '')) as category,
        avg(case when not is_suspicious then price_home end) as price_home,
        min(observed_date) as first_seen,
        max(observed_date) as last_seen
    from prices
    group by market, competitor, article

),

dated as (

    select
        *,
        min(first_seen) over (partition by market, competitor) as competitor_first_seen,
        max(last_seen) over (partition by market) as market_last_seen
    from articles

),

category_names as (

    {{ our_categories() }}

),

theirs as (

    select
        dated.market,
        dated.product_id,
        coalesce(ours.category, same_name.category, dated.category, 'Uncategorised') as category,
        coalesce(dated.brand, dated.competitor) as brand,
        cast(dated.price_home as double) as price_home,
        dated.last_seen < {{ days_after('dated.market_last_seen', -recent_days) }} as is_gone,
        dated.first_seen > dated.competitor_first_seen
        and dated.first_seen >= {{ days_after('dated.market_last_seen', -recent_days) }} as is_new
    from dated
    left join categories as ours
        on dated.product_id = ours.product_id
    left join category_names as same_name
        on {{ comparable('dated.category') }} = same_name.category_key

),

matched as (

    select distinct
        market,
        product_id
    from theirs
    where product_id is not null and not is_gone

),

markets as (

    select
        market,
        max(observed_date) as last_seen
    from prices
    group by market

),

ours as (

    select
        markets.market,
        products.product_id,
        categories.category,
        coalesce(products.brand, 'own') as brand,
        cast(products.list_price as double)
        * case
            when products.currency is null or products.currency = company.reporting_currency
                then 1.0
            else rates.rate_to_home
        end as price_home,
        matched.product_id is not null as is_both
    from products
    cross join markets
    cross join company
    inner join categories
        on products.product_id = categories.product_id
    left join rates
        on products.currency = rates.currency
    left join matched
        on products.product_id = matched.product_id
        and markets.market = matched.market
    where
        -- a product that no list has is known to be one where a rival's article is matched to it
        (not products.is_inferred or matched.product_id is not null)
        and coalesce(products.launched_on <= markets.last_seen, true)
        and coalesce(products.retired_on > markets.last_seen, true)

),

everything as (

    select
        theirs.market,
        theirs.category,
        theirs.brand,
        theirs.price_home,
        case when not theirs.is_gone and ours.product_id is null then 1 else 0 end as theirs_only,
        0 as ours_only,
        0 as both_sides,
        case when theirs.is_new and ours.product_id is null then 1 else 0 end as theirs_new,
        case when theirs.is_gone then 1 else 0 end as theirs_gone
    from theirs
    left join ours
        on theirs.market = ours.market
        and theirs.product_id = ours.product_id

    union all

    select
        market,
        category,
        brand,
        price_home,
        0 as theirs_only,
        case when is_both then 0 else 1 end as ours_only,
        case when is_both then 1 else 0 end as both_sides,
        0 as theirs_new,
        0 as theirs_gone
    from ours

),

medians as (

    select
        market,
        category,
        median(price_home) as median_price_home
    from everything
    group by market, category

),

tiered as (

    select
        everything.*,
        case
            when everything.price_home is null then 'unknown'
            when everything.price_home < 0.75 * medians.median_price_home then 'low'
            when everything.price_home > 1.25 * medians.median_price_home then 'high'
            else 'middle'
        end as price_tier
    from everything
    inner join medians
        on everything.market = medians.market
        and everything.category = medians.category

),

final as (

    select
        market,
        category,
        brand,
        price_tier,
        cast(sum(theirs_only) as bigint) as theirs_only,
        cast(sum(ours_only) as bigint) as ours_only,
        cast(sum(both_sides) as bigint) as both_sides,
        cast(sum(theirs_new) as bigint) as theirs_new,
        cast(sum(theirs_gone) as bigint) as theirs_gone
    from tiered
    group by market, category, brand, price_tier
    having sum(theirs_only + ours_only + both_sides + theirs_new + theirs_gone) > 0

)

select * from final

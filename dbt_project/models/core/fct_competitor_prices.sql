with

company as (

    select price_doubtful_under from {{ source('raw', 'company') }}

),

matched as (

    select * from {{ ref('int_competitor_prices__matched') }}

),

-- an observation whose currency has no rate that day is in quarantine.without_rate instead
converted as (

    select
        *,
        price * fx_rate / pack_coefficient as exact_price_home
    from matched
    where fx_rate is not null

),

-- medians stay where they are while fewer than half of the prices are wrong
offer_medians as (

    select
        offer_key,
        median(exact_price_home) as median_price_home,
        count(*) as observations
    from converted
    group by offer_key

),

-- what may be another product does not say what this one costs
product_medians as (

    select
        converted.matched_product_id,
        median(converted.exact_price_home) as median_price_home,
        count(*) as observations
    from converted
    cross join company
    where
        converted.matched_product_id is not null
        and coalesce(converted.match_confidence, 1) >= company.price_doubtful_under
    group by converted.matched_product_id

),

final as (

    select
        ---------- ids
        converted.offer_key,
        converted.matched_product_id as product_id,
        converted.gtin,
        converted.mpn,

        ---------- dates
        converted.observed_at,
        converted.observed_date,

        ---------- attributes
        converted.competitor,
        converted.market,
        converted.seller,
        converted.title,
        converted.brand,
        converted.category,
        converted.url,
        converted.price_kind,
        converted.availability,
        converted.promotion_text,
        converted.tax_included,
        converted.match_kind,
        converted.match_method,
        converted.match_confidence,
        converted.match_valid_to,
        converted.pack_coefficient,
        converted.evidence_sha256,

        ---------- measures in the offer's currency, for their pack
        converted.currency,
        converted.price as price_local,
        converted.list_price as list_price_local,
        converted.shipping_price as shipping_price_local,
        converted.fx_rate,
        converted.fx_rate_date,

        ---------- measures in the reporting currency, for one unit of ours
        cast(converted.exact_price_home as decimal(18, 4)) as price_home,
        cast(
            converted.list_price * converted.fx_rate / converted.pack_coefficient
            as decimal(18, 4)
        ) as list_price_home,
        cast(
            converted.shipping_price * converted.fx_rate / converted.pack_coefficient
            as decimal(18, 4)
        ) as shipping_price_home,
        converted.suspicion is not null
        or coalesce(
            {{ far_from('converted.exact_price_home', 'offer_medians') }}
            or {{ far_from('converted.exact_price_home', 'product_medians') }},
            false
        ) as is_suspicious,

        ---------- lineage
        converted.source,
        converted.delivery_id,
        converted.row_number
    from converted
    left join offer_medians
        on converted.offer_key = offer_medians.offer_key
    left join product_medians
        on converted.matched_product_id = product_medians.matched_product_id

)

select * from final

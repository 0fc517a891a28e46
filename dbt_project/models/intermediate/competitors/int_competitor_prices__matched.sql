with

competitor_prices as (

    select * from {{ ref('stg_competitor_prices') }}

),

candidates as (

    select * from {{ ref('int_competitor_offers__candidates') }}

),

rates as (

    select * from {{ ref('int_rates__currency_days') }}

),

valid_candidates as (

    select
        competitor_prices.delivery_id,
        competitor_prices.row_number,
        candidates.product_id,
        candidates.kind,
        candidates.method,
        candidates.confidence,
        candidates.pack_coefficient,
        -- several matches that say the same hold for as long as the last of them
        max(coalesce(candidates.valid_to, cast('9999-12-31' as date))) over (
            partition by
                competitor_prices.delivery_id, competitor_prices.row_number,
                candidates.product_id, candidates.pack_coefficient
        ) as valid_to
    from competitor_prices
    inner join candidates
        on competitor_prices.offer_key = candidates.offer_key
        and competitor_prices.observed_date
        >= coalesce(candidates.valid_from, competitor_prices.observed_date)
        and competitor_prices.observed_date
        < coalesce(candidates.valid_to, cast('9999-12-31' as date))
    qualify row_number() over (
        partition by competitor_prices.delivery_id, competitor_prices.row_number
        order by
            candidates.preference asc,
            candidates.confidence desc nulls last,
            candidates.product_id asc
    ) = 1

),

final as (

    select
        competitor_prices.*,
        valid_candidates.product_id as matched_product_id,
        valid_candidates.kind as match_kind,
        valid_candidates.method as match_method,
        valid_candidates.confidence as match_confidence,
        nullif(valid_candidates.valid_to, cast('9999-12-31' as date)) as match_valid_to,
        coalesce(valid_candidates.pack_coefficient, 1) as pack_coefficient,
        rates.rate_to_home as fx_rate,
        rates.quote_date as fx_rate_date
    from competitor_prices
    left join valid_candidates
        on competitor_prices.delivery_id = valid_candidates.delivery_id
        and competitor_prices.row_number = valid_candidates.row_number
    left join rates
        on competitor_prices.currency = rates.currency
        and competitor_prices.observed_date = rates.rate_date

)

select * from final

with

current_rows as (

    select *
    from {{ source('raw', 'competitor_prices') }}
    where _superseded_by is null

),

final as (

    select
        ---------- ids
        {{ offer_key([
            'competitor', 'market', 'seller', 'product_id', 'gtin', 'mpn', 'url', 'title',
            'pack_quantity', 'pack_unit',
        ]) }} as offer_key,
        product_id,
        gtin,
        {{ gtin_14('gtin') }} as gtin_14,
        mpn,

        ---------- text
        competitor,
        market,
        seller,
        title,
        brand,
        category,
        url,
        currency,
        -- a list price above the price, or a promotion's text, is a promotion even if unnamed
        coalesce(
            price_kind,
            case
                when list_price > price or promotion_text is not null then 'promotional'
                else 'regular'
            end
        ) as price_kind,
        coalesce(availability, 'unknown') as availability,
        promotion_text,
        pack_unit,
        evidence_sha256,
        suspicion,

        ---------- numerics
        price,
        list_price,
        shipping_price,
        pack_quantity,

        ---------- booleans
        tax_included,

        ---------- timestamps
        observed_at,
        cast(observed_at as date) as observed_date,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from current_rows

)

select * from final

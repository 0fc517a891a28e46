with

competitor_prices as (

    select * from {{ ref('stg_competitor_prices') }}

),

product_matches as (

    select * from {{ ref('stg_product_matches') }}

),

products as (

    select * from {{ ref('stg_products') }}

),

offers as (

    select distinct
        offer_key,
        competitor,
        product_id,
        gtin_14,
        mpn,
        url,
        title,
        pack_quantity,
        pack_unit
    from competitor_prices

),

-- each way in which a match may name an offer, the surest first
offer_names as (

    select
        offer_key,
        competitor,
        1 as name_rank,
        gtin_14 as name
    from offers
    where gtin_14 is not null

    union all

    select
        offer_key,
        competitor,
        2 as name_rank,
        {{ comparable('mpn') }} as name
    from offers
    where mpn is not null

    union all

    select
        offer_key,
        competitor,
        3 as name_rank,
        {{ comparable('url') }} as name
    from offers
    where url is not null

    union all

    select
        offer_key,
        competitor,
        4 as name_rank,
        {{ comparable('title') }} as name
    from offers
    where title is not null

),

match_names as (

    select
        *,
        {{ comparable('competitor_key') }} as name,
        {{ gtin_14('competitor_key') }} as name_as_gtin_14
    from product_matches

),

declared as (

    select
        offer_names.offer_key,
        match_names.product_id,
        match_names.kind,
        match_names.method,
        match_names.confidence,
        match_names.pack_coefficient,
        match_names.valid_from,
        match_names.valid_to,
        offer_names.name_rank as preference
    from offer_names
    inner join match_names
        on {{ comparable('offer_names.competitor') }} = {{ comparable('match_names.competitor') }}
        and offer_names.name
        = case
            when offer_names.name_rank = 1 then match_names.name_as_gtin_14
            else match_names.name
        end

),

rejected as (

    select distinct
        offer_key,
        product_id
    from declared
    where kind = 'rejected'

),

candidates as (

    -- where the source says which product it is, a declared match may only tell more about it
    select declared.*
    from declared
    inner join offers
        on declared.offer_key = offers.offer_key
    where offers.product_id is null or offers.product_id = declared.product_id

    union all

    select
        offer_key,
        product_id,
        'exact' as kind,
        'given' as method,
        1 as confidence,
        null as pack_coefficient,
        null as valid_from,
        null as valid_to,
        5 as preference
    from offers
    where product_id is not null

    union all

    -- the same article number is the same article and pack, whether anyone declared it or not
    select
        offers.offer_key,
        products.product_id,
        'exact' as kind,
        'gtin' as method,
        1 as confidence,
        1 as pack_coefficient,
        null as valid_from,
        null as valid_to,
        6 as preference
    from offers
    inner join products
        on offers.gtin_14 = products.gtin_14
    where offers.product_id is null

),

-- their content of a pack over ours, where both are told in the same unit
packs as (

    select
        offers.offer_key,
        products.product_id,
        offers.pack_quantity / nullif(products.pack_quantity, 0) as pack_coefficient
    from offers
    inner join products
        on {{ comparable('offers.pack_unit') }} = {{ comparable('products.pack_unit') }}

),

final as (

    select
        ---------- ids
        candidates.offer_key,
        candidates.product_id,

        ---------- text
        candidates.kind,
        candidates.method,

        ---------- numerics
        cast(coalesce(candidates.confidence, 1) as double) as confidence,
        cast(coalesce(candidates.pack_coefficient, packs.pack_coefficient, 1) as double)
            as pack_coefficient,
        candidates.preference,

        ---------- dates
        cast(candidates.valid_from as date) as valid_from,
        cast(candidates.valid_to as date) as valid_to
    from candidates
    left join rejected
        on candidates.offer_key = rejected.offer_key
        and candidates.product_id = rejected.product_id
    left join packs
        on candidates.offer_key = packs.offer_key
        and candidates.product_id = packs.product_id
    where rejected.offer_key is null

)

select * from final

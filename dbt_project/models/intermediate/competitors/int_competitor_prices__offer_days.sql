with

company as (

    select * from {{ source('raw', 'company') }}

),

vat_rates as (

    select * from {{ source('raw', 'vat_rates') }}

),

own_firms as (

    select distinct {{ comparable('firm') }} as firm_key from {{ source('raw', 'own_firms') }}

),

-- the day on which an offer was first seen that is another product then, or none of ours
turns as (

    select
        *,
        case
            when
                coalesce(lead(product_id) over looks, '') <> coalesce(product_id, '')
                or lead(pack_coefficient) over looks <> pack_coefficient
                then lead(observed_date) over looks
        end as turned_on
    from {{ ref('fct_competitor_prices') }}
    window looks as (partition by offer_key order by observed_at, delivery_id, row_number)

),

prices as (

    select
        *,
        coalesce(url, gtin, mpn, title, '') as page,
        min(turned_on) over (
            partition by offer_key
            order by observed_at, delivery_id, row_number
            rows between current row and unbounded following
        ) as turns_on
    from turns
    where product_id is not null

),

-- the tax that stands between a price and the basis on which prices are compared
taxed as (

    select
        prices.*,
        own_firms.firm_key is not null as is_own,
        coalesce(prices.match_confidence, 1) < company.price_doubtful_under as is_doubtful,
        coalesce(prices.tax_included and company.price_tax_basis = 'excluded', false)
        or coalesce(not prices.tax_included and company.price_tax_basis = 'included', false)
            as is_on_other_basis,
        case
            when vat_rates.vat_pct is null then 1.0
            when company.price_tax_basis = 'excluded' then 1 / (1 + vat_rates.vat_pct / 100)
            else 1 + vat_rates.vat_pct / 100
        end as tax_factor,
        vat_rates.vat_pct is null as has_no_rate,
        case
            when company.price_include_shipping then coalesce(prices.shipping_price_home, 0)
            else 0
        end as shipping_home,
        company.price_carry_days
    from prices
    cross join company
    left join vat_rates
        on prices.market = vat_rates.market
    left join own_firms
        on {{ comparable('prices.competitor') }} = own_firms.firm_key

),

-- of several looks at one offer on one day the last one counts; a suspicious price is no price,
-- but that the shop had none in stock is to be believed
last_looks as (

    select
        *,
        case when is_on_other_basis then tax_factor else 1.0 end as basis_factor,
        md5(concat_ws(
            '|', competitor, coalesce(seller, ''), page, cast(pack_coefficient as varchar)
        )) as offer_id
    from taxed
    where not is_suspicious or availability not in ('in_stock', 'unknown')
    qualify row_number() over (
        partition by
            product_id, market, competitor, coalesce(seller, ''), page, pack_coefficient,
            observed_date
        order by observed_at desc, delivery_id desc, row_number desc
    ) = 1

),

followed as (

    select
        *,
        -- the earlier one; `least` passes over nulls
        least(
            lead(observed_date) over (
                partition by product_id, market, offer_id
                order by observed_date
            ),
            turns_on
        ) as next_date
    from last_looks

),

final as (

    select
        ---------- ids
        product_id,
        market,
        offer_id,
        competitor,
        seller,
        brand,
        title,
        page,

        ---------- dates
        observed_date,
        next_date,
        -- an observation stands until the next one of its offer, and no longer than is carried or
        -- than the match holds
        least(
            price_carry_days + 1,
            coalesce(
                {{ dbt.datediff('observed_date', 'next_date', 'day') }},
                price_carry_days + 1
            ),
            coalesce(
                {{ dbt.datediff('observed_date', 'match_valid_to', 'day') }},
                price_carry_days + 1
            )
        ) as days_valid,

        ---------- attributes
        availability,
        price_kind,
        tax_included,
        match_kind,
        match_confidence,
        evidence_sha256,

        ---------- booleans; a shop that says nothing about its stock offers what it shows
        availability in ('in_stock', 'unknown') as is_in_stock,
        is_own,
        is_doubtful,
        is_on_other_basis and has_no_rate as is_tax_unknown,

        ---------- measures in the offer's currency, for their pack
        currency,
        price_local,

        ---------- measures in the reporting currency, for one unit of ours, as compared
        cast((price_home + shipping_home) * basis_factor as decimal(18, 4)) as price_home,
        cast(
            (
                coalesce(list_price_home, case when price_kind = 'regular' then price_home end)
                + shipping_home
            ) * basis_factor as decimal(18, 4)
        ) as list_price_home,
        cast(price_home * basis_factor as decimal(18, 4)) as advertised_price_home,

        ---------- lineage
        delivery_id,
        row_number
    from followed

)

select * from final

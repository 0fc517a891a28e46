with

company as (

    select * from {{ source('raw', 'company') }}

),

vat_rates as (

    select * from {{ source('raw', 'vat_rates') }}

),

deliveries as (

    select * from {{ source('audit', 'deliveries') }}

),

products as (

    select * from {{ ref('dim_product') }}

),

rates as (

    select * from {{ ref('int_rates__currency_days') }}

),

-- only our own article can break our price rules: what is equivalent to it has rules of its own
offers as (

    select
        offer_days.*,
        coalesce(offer_days.seller, offer_days.competitor) as seller_name,
        case
            when company.price_tax_basis = 'included' then 1 + coalesce(vat_rates.vat_pct, 0) / 100
            else 1.0
        end
        * case
            when products.currency is null or products.currency = company.reporting_currency
                then 1.0
            else rates.rate_to_home
        end as our_factor,
        products.map_price,
        products.list_price
    from {{ ref('int_competitor_prices__offer_days') }} as offer_days
    cross join company
    inner join products
        on offer_days.product_id = products.product_id
    left join vat_rates
        on offer_days.market = vat_rates.market
    left join rates
        on products.currency = rates.currency
        and offer_days.observed_date = rates.rate_date
    where not offer_days.is_own and offer_days.match_kind = 'exact'

),

ruled as (

    select
        *,
        'MAP' as violation,
        cast(map_price * our_factor as decimal(18, 4)) as limit_home
    from offers

    union all

    select
        *,
        'RRP' as violation,
        cast(list_price * our_factor as decimal(18, 4)) as limit_home
    from offers

),

-- with an unknown tax in it, a price over the limit may be none
judged as (

    select
        *,
        coalesce(
            availability not in ('out_of_stock', 'not_found')
            and case
                when violation = 'MAP' then advertised_price_home < limit_home
                else
                    advertised_price_home > limit_home
                    and not is_tax_unknown
                    and tax_included is not null
            end,
            false
        ) as is_violation
    from ruled

),

-- a spell ends where the price is mended, and where it was not seen for longer than it is carried
started as (

    select
        *,
        case
            when
                lag(is_violation) over offer
                and lag({{ days_after('observed_date', 'days_valid') }}) over offer = observed_date
                then 0
            else 1
        end as is_start
    from judged
    window offer as (partition by violation, product_id, market, offer_id order by observed_date)

),

spelled as (

    select
        *,
        sum(is_start) over (
            partition by violation, product_id, market, offer_id order by observed_date
            rows between unbounded preceding and current row
        ) as spell
    from started

),

ranked as (

    select
        *,
        row_number() over (
            partition by violation, product_id, market, offer_id, spell
            order by
                abs(advertised_price_home - limit_home) / nullif(limit_home, 0) desc nulls last,
                observed_date asc
        ) as depth_rank
    from spelled
    where is_violation

),

spells as (

    select
        violation,
        product_id,
        market,
        offer_id,
        spell,
        min(seller_name) as seller,
        min(competitor) as competitor,
        min(observed_date) as started_on,
        max(observed_date) as last_seen_on,
        max(case when next_date is null then 1 else 0 end) = 1 as is_open,
        max({{ days_after('observed_date', 'days_valid - 1') }}) as stood_until,
        count(*) as observations,
        max(case when depth_rank = 1 then advertised_price_home end) as price_home,
        max(case when depth_rank = 1 then limit_home end) as limit_home,
        max(case when depth_rank = 1 then evidence_sha256 end) as evidence_sha256,
        max(case when depth_rank = 1 then delivery_id end) as delivery_id
    from ranked
    group by violation, product_id, market, offer_id, spell

),

final as (

    select
        ---------- keys
        spells.seller,
        spells.product_id,
        spells.market,
        spells.violation,
        spells.offer_id,
        spells.started_on,

        ---------- attributes
        spells.competitor,
        spells.is_open,

        ---------- time
        case when not spells.is_open then spells.stood_until end as ended_on,
        spells.last_seen_on,
        cast(
            {{ dbt.datediff(
                'spells.started_on',
                'case when spells.is_open then spells.last_seen_on else spells.stood_until end',
                'day'
            ) }} + 1 as bigint
        ) as duration_days,

        ---------- depth, where it was deepest
        spells.limit_home as limit_price_home,
        spells.price_home as advertised_price_home,
        abs(spells.price_home - spells.limit_home) as depth_home,
        100.0 * cast(abs(spells.price_home - spells.limit_home) as double)
        / nullif(cast(spells.limit_home as double), 0) as depth_pct,

        ---------- evidence
        spells.observations,
        case when spells.evidence_sha256 is null then 'delivery' else 'page' end as evidence_kind,
        coalesce(spells.evidence_sha256, deliveries.sha256) as evidence_sha256
    from spells
    left join deliveries
        on spells.delivery_id = deliveries.delivery_id

)

select * from final

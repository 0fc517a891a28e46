{%- set day_number = dbt.datediff("cast('1970-01-01' as date)", 'observed_date', 'day') -%}
with

company as (

    select price_follow_days from {{ source('raw', 'company') }}

),

offer_days as (

    select
        *,
        availability in ('out_of_stock', 'not_found') as is_gone
    from {{ ref('int_competitor_prices__offer_days') }}

),

looks as (

    select
        *,
        lag(is_gone) over (
            partition by product_id, market, offer_id order by observed_date
        ) as was_gone,
        lag(observed_date) over (
            partition by product_id, market, offer_id order by observed_date
        ) as last_seen_on,
        lag(price_local) over (
            partition by product_id, market, offer_id order by observed_date
        ) as price_seen_local,
        lag(price_home) over (
            partition by product_id, market, offer_id order by observed_date
        ) as price_seen_home
    from offer_days

),

priced as (

    select
        *,
        lag(price_local) over (
            partition by product_id, market, offer_id order by observed_date
        ) as before_local,
        lag(price_home) over (
            partition by product_id, market, offer_id order by observed_date
        ) as before_home,
        lag(currency) over (
            partition by product_id, market, offer_id order by observed_date
        ) as before_currency,
        lag(price_kind) over (
            partition by product_id, market, offer_id order by observed_date
        ) as before_kind,
        min(price_home) over (
            partition by product_id, market, offer_id
            order by {{ day_number }}
            range between 30 preceding and 1 preceding
        ) as lowest_30_days_home
    from looks
    where not is_gone

),

-- amounts of the offer's own currency are compared, so that exchange rates change no price
changes as (

    select
        *,
        case
            when price_kind = 'promotional' and before_kind <> 'promotional' then 'promotion_start'
            when price_kind <> 'promotional' and before_kind = 'promotional' then 'promotion_end'
            when
                (price_local <> before_local or currency <> before_currency)
                and price_kind = 'promotional'
                then 'promotion_change'
            when price_local <> before_local or currency <> before_currency then 'regular'
            when was_gone then 'back_in_stock'
        end as kind,
        case
            when currency = before_currency
                then 100.0 * (cast(price_local as double) / nullif(before_local, 0) - 1)
            else 100.0 * (cast(price_home as double) / nullif(before_home, 0) - 1)
        end as change_pct
    from priced
    where before_local is not null

),

events as (

    select
        product_id,
        market,
        competitor,
        seller,
        offer_id,
        observed_date as changed_on,
        is_own,
        kind,
        currency,
        before_local as price_before_local,
        price_local as price_after_local,
        before_home as price_before_home,
        price_home as price_after_home,
        change_pct,
        last_seen_on,
        case
            when kind = 'promotion_start' then least(before_home, lowest_30_days_home)
        end as prior_price_home,
        evidence_sha256
    from changes
    where kind is not null

    union all

    select
        product_id,
        market,
        competitor,
        seller,
        offer_id,
        observed_date as changed_on,
        is_own,
        'stock_out' as kind,
        currency,
        price_seen_local as price_before_local,
        null as price_after_local,
        price_seen_home as price_before_home,
        null as price_after_home,
        null as change_pct,
        last_seen_on,
        null as prior_price_home,
        evidence_sha256
    from looks
    where is_gone and not was_gone

),

timed as (

    select
        *,
        lead(changed_on) over (
            partition by product_id, market, offer_id order by changed_on
        ) as next_changed_on,
        case when change_pct > 0 then 'up' when change_pct < 0 then 'down' end as direction
    from events

),

moves as (

    select distinct
        product_id,
        market,
        competitor,
        direction,
        changed_on
    from timed
    where direction is not null

),

-- an ISO day before the name: the least of these texts is the earliest, ties by name
neighbours as (

    select
        moves.product_id,
        moves.market,
        moves.competitor,
        moves.direction,
        moves.changed_on,
        min(case
            when others.changed_on < moves.changed_on
                then concat(cast(others.changed_on as varchar), '|', others.competitor)
        end) as earliest_before,
        min(case
            when others.changed_on > moves.changed_on
                then concat(cast(others.changed_on as varchar), '|', others.competitor)
        end) as earliest_after,
        count(distinct case when others.changed_on > moves.changed_on then others.competitor end)
            as followers
    from moves
    cross join company
    inner join moves as others
        on moves.product_id = others.product_id
        and moves.market = others.market
        and moves.direction = others.direction
        and moves.competitor <> others.competitor
        and abs({{ dbt.datediff('others.changed_on', 'moves.changed_on', 'day') }})
        <= company.price_follow_days
    group by
        moves.product_id, moves.market, moves.competitor, moves.direction, moves.changed_on

),

observed as (

    select
        product_id,
        market,
        competitor,
        greatest(
            ({{ dbt.datediff('min(observed_date)', 'max(observed_date)', 'day') }} + 1) / 7.0, -- noqa: LT05
            1.0
        ) as observed_weeks
    from offer_days
    group by product_id, market, competitor

),

counted as (

    select
        product_id,
        market,
        competitor,
        count(direction) as price_changes
    from timed
    group by product_id, market, competitor

),

final as (

    select
        ---------- keys
        timed.product_id,
        timed.market,
        timed.competitor,
        timed.offer_id,
        timed.changed_on,

        ---------- attributes
        timed.is_own,
        timed.seller,
        timed.kind,
        timed.direction,
        timed.currency,

        ---------- prices; local for their pack, home for one unit of ours
        cast(timed.price_before_local as decimal(18, 4)) as price_before_local,
        cast(timed.price_after_local as decimal(18, 4)) as price_after_local,
        cast(timed.price_before_home as decimal(18, 4)) as price_before_home,
        cast(timed.price_after_home as decimal(18, 4)) as price_after_home,
        cast(timed.change_pct as double) as change_pct,
        cast(timed.prior_price_home as decimal(18, 4)) as prior_price_home,

        ---------- time
        timed.last_seen_on,
        timed.next_changed_on,
        cast(
            {{ dbt.datediff('timed.changed_on', 'timed.next_changed_on', 'day') }} as bigint -- noqa: LT05
        ) as duration_days,

        ---------- who moved first
        case
            when timed.direction is not null then neighbours.earliest_before is null
        end as is_first_mover,
        case
            when timed.direction is not null
                then coalesce(substr(neighbours.earliest_before, 12), timed.competitor)
        end as first_mover,
        cast({{ dbt.datediff(
            'cast(substr(neighbours.earliest_before, 1, 10) as date)', 'timed.changed_on', 'day'
        ) }} as bigint) as days_after_first,
        case
            when timed.direction is not null
                then cast(coalesce(neighbours.followers, 0) as bigint)
        end as followers,
        substr(neighbours.earliest_after, 12) as first_follower,
        cast({{ dbt.datediff(
            'timed.changed_on', 'cast(substr(neighbours.earliest_after, 1, 10) as date)', 'day'
        ) }} as bigint) as days_to_first_follower,

        ---------- volatility of the competitor's price of the product
        cast(observed.observed_weeks as double) as observed_weeks,
        counted.price_changes / cast(observed.observed_weeks as double) as changes_a_week,

        ---------- evidence
        timed.evidence_sha256
    from timed
    inner join observed
        on timed.product_id = observed.product_id
        and timed.market = observed.market
        and timed.competitor = observed.competitor
    inner join counted
        on timed.product_id = counted.product_id
        and timed.market = counted.market
        and timed.competitor = counted.competitor
    left join neighbours
        on timed.product_id = neighbours.product_id
        and timed.market = neighbours.market
        and timed.competitor = neighbours.competitor
        and timed.direction = neighbours.direction
        and timed.changed_on = neighbours.changed_on

)

select * from final

with

moves as (

    select *
    from {{ ref('mart_price_changes__product_competitor') }}
    where direction is not null

),

observed as (

    select
        market,
        competitor,
        cast({{ exact_sum('observed_weeks') }} as double) as observed_weeks
    from (
        select distinct
            market,
            competitor,
            product_id,
            observed_weeks
        from moves
    ) as products
    group by market, competitor

),

counted as (

    select
        market,
        competitor,
        max(case when is_own then 1 else 0 end) = 1 as is_own,
        count(*) as price_changes,
        sum(case when is_first_mover then 1 else 0 end) as first_moves,
        sum(case when is_first_mover and followers > 0 then 1 else 0 end) as led_moves,
        sum(case when not is_first_mover then 1 else 0 end) as followed_moves,
        avg(case when is_first_mover then days_to_first_follower end) as days_to_first_follower
    from moves
    group by market, competitor

),

final as (

    select
        ---------- keys
        counted.market,
        counted.competitor,

        ---------- measures
        counted.is_own,
        counted.price_changes,
        cast(counted.first_moves as bigint) as first_moves,
        cast(counted.led_moves as bigint) as led_moves,
        cast(counted.followed_moves as bigint) as followed_moves,
        100.0 * cast(counted.led_moves as double) / nullif(counted.first_moves, 0)
            as followed_by_others_pct,
        100.0 * cast(counted.led_moves as double) / nullif(
            cast(sum(counted.led_moves) over (partition by counted.market) as double), 0
        ) as leadership_share_pct,
        cast(counted.days_to_first_follower as double) as mean_days_to_follow,
        counted.price_changes / nullif(observed.observed_weeks, 0) as changes_a_product_week
    from counted
    inner join observed
        on counted.market = observed.market
        and counted.competitor = observed.competitor

)

select * from final

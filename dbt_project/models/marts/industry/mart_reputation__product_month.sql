{#- a product's mean is drawn to that of all reviews as if so many average ones stood beside it -#}
{%- set prior_reviews = 10 -%}
with

reviews as (

    select * from {{ ref('int_reviews__stars') }}

),

everything as (

    select
        stars_mean,
        greatest(stars_squared_mean - stars_mean * stars_mean, 0) as stars_variance
    from (
        select
            {{ exact_avg('stars') }} as stars_mean,
            {{ exact_avg('stars * stars') }} as stars_squared_mean
        from reviews
    ) as moments

),

months as (

    select
        product_id,
        competitor,
        review_month,
        count(*) as reviews,
        sum(stars) as stars,
        sum(case when stars >= 4.5 then 1 else 0 end) as five_star_reviews,
        sum(case when stars < 1.5 then 1 else 0 end) as one_star_reviews
    from reviews
    group by product_id, competitor, review_month

),

running as (

    select
        *,
        sum(reviews) over so_far as reviews_to_date,
        sum(stars) over so_far as stars_to_date,
        sum(case when competitor <> 'own' then reviews else 0 end) over product_so_far
            as rival_reviews,
        sum(case when competitor <> 'own' then stars else 0 end) over product_so_far
            as rival_stars
    from months
    window
        so_far as (
            partition by product_id, competitor
            order by review_month
            rows between unbounded preceding and current row
        ),
        -- the month of all makers as a whole
        product_so_far as (
            partition by product_id
            order by review_month
            range between unbounded preceding and current row
        )

),

estimated as (

    select
        running.*,
        cast(running.stars as double) / running.reviews as stars_mean,
        ({{ prior_reviews }} * everything.stars_mean + cast(running.stars as double))
        / ({{ prior_reviews }} + running.reviews) as stars_shrunken,
        1.96 * sqrt(everything.stars_variance / ({{ prior_reviews }} + running.reviews))
            as half_width,
        cast(running.stars_to_date as double) / cast(running.reviews_to_date as double)
            as stars_mean_to_date,
        ({{ prior_reviews }} * everything.stars_mean + cast(running.stars_to_date as double))
        / ({{ prior_reviews }} + cast(running.reviews_to_date as double))
            as stars_shrunken_to_date,
        case
            when running.competitor = 'own'
                then
                    cast(running.rival_stars as double)
                    / nullif(cast(running.rival_reviews as double), 0)
        end as rivals_stars_mean_to_date
    from running
    cross join everything

),

final as (

    select
        ---------- keys
        product_id,
        competitor,
        review_month,

        ---------- volume
        reviews,
        cast(reviews_to_date as bigint) as reviews_to_date,

        ---------- stars, 0 to 5
        stars_mean,
        stars_shrunken,
        greatest(stars_shrunken - half_width, 0.0) as stars_low,
        least(stars_shrunken + half_width, 5.0) as stars_high,
        stars_mean_to_date,
        stars_shrunken_to_date,
        100.0 * cast(five_star_reviews as double) / reviews as five_star_share_pct,
        100.0 * cast(one_star_reviews as double) / reviews as one_star_share_pct,

        ---------- against rivals
        rivals_stars_mean_to_date,
        stars_mean_to_date - rivals_stars_mean_to_date as stars_above_rivals
    from estimated

)

select * from final

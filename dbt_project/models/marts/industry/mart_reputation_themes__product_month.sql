with

reviews as (

    select * from {{ ref('int_reviews__stars') }}

),

terms as (

    select * from {{ ref('review_themes') }}

),

volumes as (

    select
        product_id,
        competitor,
        review_month,
        count(*) as reviews
    from reviews
    group by product_id, competitor, review_month

),

-- a review counts once for a theme, however many of its terms it has
mentions as (

    select distinct
        reviews.product_id,
        reviews.competitor,
        reviews.review_month,
        reviews.review_date,
        reviews.delivery_id,
        reviews.row_number,
        reviews.stars,
        reviews.quote,
        terms.theme
    from reviews
    inner join terms
        on reviews.words like concat('% ', terms.term, '%')

),

ranked as (

    select
        *,
        row_number() over (
            partition by product_id, competitor, review_month, theme
            order by review_date desc, delivery_id desc, row_number desc
        ) as quote_rank
    from mentions

),

final as (

    select
        ranked.product_id,
        ranked.competitor,
        ranked.review_month,
        ranked.theme,
        count(*) as mentions,
        100.0 * count(*) / nullif(max(volumes.reviews), 0) as mentioned_share_pct,
        cast(sum(ranked.stars) as double) / count(*) as stars_mean,
        max(case when ranked.quote_rank = 1 then left(ranked.quote, 300) end) as example_quote
    from ranked
    inner join volumes
        on ranked.product_id = volumes.product_id
        and ranked.competitor = volumes.competitor
        and ranked.review_month = volumes.review_month
    group by ranked.product_id, ranked.competitor, ranked.review_month, ranked.theme

)

select * from final

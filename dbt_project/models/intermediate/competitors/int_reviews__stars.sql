with

own_firms as (

    select distinct {{ comparable('firm') }} as firm_key from {{ source('raw', 'own_firms') }}

),

reviews as (

    select * from {{ ref('stg_reviews') }}

),

final as (

    select
        coalesce(reviews.product_id, '(not given)') as product_id,
        case
            when reviews.competitor is null or own_firms.firm_key is not null then 'own'
            else reviews.competitor
        end as competitor,
        {{ month_of('reviews.reviewed_at') }} as review_month,
        cast(reviews.reviewed_at as date) as review_date,
        cast(5.0 * reviews.rating / reviews.rating_scale as decimal(9, 6)) as stars,
        coalesce(reviews.body, reviews.title) as quote,
        concat(' ', lower(regexp_replace(
            concat_ws(' ', reviews.title, reviews.body), '[^\p{L}\p{N}]+', ' '
            {%- if target.type == 'duckdb' %}, 'g'{% endif %}
        ))) as words,
        reviews.delivery_id,
        reviews.row_number
    from reviews
    left join own_firms
        on {{ comparable('reviews.competitor') }} = own_firms.firm_key

)

select * from final

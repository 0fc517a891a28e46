with

own_firms as (

    select distinct {{ comparable('firm') }} as firm_key from {{ source('raw', 'own_firms') }}

),

prices as (

    select * from {{ ref('fct_competitor_prices') }}

),

-- what our own shop asks is no rival's price
final as (

    select
        prices.product_id,
        prices.market,
        prices.competitor,
        prices.observed_date,
        count(*) as observations,
        sum(case when prices.is_suspicious then 1 else 0 end) as suspicious_left_out
    from prices
    left join own_firms
        on {{ comparable('prices.competitor') }} = own_firms.firm_key
    where prices.product_id is not null and own_firms.firm_key is null
    group by prices.product_id, prices.market, prices.competitor, prices.observed_date

)

select * from final

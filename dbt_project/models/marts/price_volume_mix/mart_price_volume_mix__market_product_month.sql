with

compared as (

    select
        *,
        cast(units as double) as q_now,
        cast(units_compared as double) as q_then,
        cast(net_home_compared as double) as net_then,
        -- sold: for money that has the sign of the units. More taken back than sold, at other
        -- prices than it was sold at, leaves units and money that tell no price
        lines > 0 and units <> 0 and cast(net_home as double) / nullif(units, 0) >= 0 as is_sold,
        lines_compared > 0
        and units_compared <> 0
        and cast(net_home_compared as double) / nullif(units_compared, 0) >= 0 as was_sold
    from {{ ref('int_price_volume_mix__compared') }}

),

company as (

    select home_market from {{ source('raw', 'company') }}

),

products as (

    select
        product_id,
        name
    from {{ ref('dim_product') }}

),

kinds as (

    select
        *,
        case
            when is_sold and was_sold then 'both'
            when is_sold then 'new'
            when was_sold then 'lost'
            when lines > 0 and lines_compared > 0 then 'neither'
            when lines > 0 then 'new'
            else 'lost'
        end as sold_in
    from compared

),

-- the units of the category's products that were sold in both months: were they all to grow alike,
-- each would grow at this rate
category_growth as (

    select
        *,
        sum(case when sold_in = 'both' then cast(q_now as decimal(30, 4)) else 0 end) over (
            partition by order_month, market, category, compared_with
        ) as category_units,
        sum(case when sold_in = 'both' then cast(q_then as decimal(30, 4)) else 0 end) over (
            partition by order_month, market, category, compared_with
        ) as category_units_compared
    from kinds

),

effects as (

    select
        *,
        net_home - net_home_compared as revenue_change,
        cast(cast(net_home as double) - net_constant_home as decimal(38, 4)) as fx,
        case when sold_in = 'both' then net_then * q_now / q_then end as net_at_old_price,
        case
            when sold_in <> 'both' then 0
            -- returns that outweigh sales make a growth that means nothing: then all is volume
            when category_units >= 0 and category_units_compared > 0
                then
                    net_then * (
                        cast(category_units as double) / cast(category_units_compared as double) - 1
                    )
            else net_then * (q_now / q_then - 1)
        end as volume
    from category_growth

),

-- each effect in cents of a cent, the last one being what is left: the sum is exact
rounded as (

    select
        *,
        cast(volume as decimal(38, 4)) as volume_effect,
        case sold_in
            when 'both'
                then
                    cast(net_at_old_price - net_then as decimal(38, 4))
                    - cast(volume as decimal(38, 4))
            when 'neither' then revenue_change - fx
            else 0
        end as mix_effect
    from effects

),

final as (

    select
        ---------- keys
        rounded.order_month,
        rounded.market,
        rounded.category,
        rounded.product_id,
        rounded.compared_with,

        ---------- attributes
        rounded.market = company.home_market as is_domestic,
        products.name as product_name,
        rounded.compared_month,
        rounded.sold_in,

        ---------- both sides; decimals of more than 18 digits cost DuckDB several times as much
        cast(rounded.units as decimal(18, 4)) as units,
        cast(rounded.units_compared as decimal(18, 4)) as units_compared,
        cast(rounded.net_home as decimal(18, 4)) as revenue_home,
        cast(rounded.net_home_compared as decimal(18, 4)) as revenue_compared_home,
        cast(rounded.net_home - rounded.fx as decimal(18, 4)) as revenue_constant_home,
        case when rounded.is_sold then cast(rounded.net_home as double) / rounded.q_now end
            as average_price_home,
        case when rounded.was_sold then rounded.net_then / rounded.q_then end
            as average_price_compared_home,

        ---------- the change and its causes; units of one month at a price of the other may be more
        ---------- than what was ever sold
        cast(rounded.revenue_change as decimal(18, 4)) as revenue_change_home,
        cast(
            case
                when rounded.sold_in = 'both'
                    then
                        rounded.revenue_change
                        - rounded.fx
                        - rounded.volume_effect
                        - rounded.mix_effect
                else 0
            end as decimal(38, 4)
        ) as price_effect_home,
        cast(rounded.volume_effect as decimal(38, 4)) as volume_effect_home,
        cast(rounded.mix_effect as decimal(38, 4)) as mix_effect_home,
        cast(
            case when rounded.sold_in = 'new' then rounded.revenue_change - rounded.fx else 0 end
            as decimal(18, 4)
        ) as new_effect_home,
        cast(
            case when rounded.sold_in = 'lost' then rounded.revenue_change - rounded.fx else 0 end
            as decimal(18, 4)
        ) as lost_effect_home,
        cast(rounded.fx as decimal(18, 4)) as fx_effect_home,

        ---------- freight, fees and the like, which have no units
        cast(rounded.other_home - rounded.other_home_compared as decimal(18, 4))
            as other_lines_change_home
    from rounded
    cross join company
    left join products
        on rounded.product_id = products.product_id

)

select * from final

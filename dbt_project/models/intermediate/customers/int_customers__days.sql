{{ config(
    materialized='incremental',
    incremental_strategy='insert_overwrite' if target.type == 'spark' else none,
    partition_by='order_month' if target.type == 'spark' else none,
) }}

with

sales as (

    select *
    from {{ ref('fct_sales') }}
    where customer_id is not null and {{ is_built_now('order_month') }}

),

final as (

    select
        ---------- ids
        customer_id,
        market,
        order_date,
        order_month,

        ---------- attributes; of several channels in a day, the one that sorts first
        min(channel) as channel,

        ---------- counts
        count(*) as lines,
        cast(sum(case when is_return then 1 else 0 end) as bigint) as return_lines,
        -- a day of returns alone is no occasion to buy
        max(
            case when line_kind = 'product' and quantity > 0 and not is_return then 1 else 0 end
        ) = 1 as is_occasion,

        ---------- measures
        cast(sum(case when line_kind = 'product' then quantity else 0 end) as decimal(18, 4))
            as units,
        cast(
            sum(case when line_kind = 'product' and is_return then -quantity else 0 end)
            as decimal(18, 4)
        ) as units_returned,
        cast(sum(net_amount_home) as decimal(18, 4)) as net_amount_home,
        cast(sum(case when is_return then -net_amount_home else 0 end) as decimal(18, 4))
            as returned_amount_home,
        cast(sum(margin_home) as decimal(18, 4)) as margin_home,
        cast(sum(case when cost_home is not null then net_amount_home end) as decimal(18, 4))
            as net_amount_costed_home
    from sales
    group by customer_id, market, order_date, order_month

)

select * from final

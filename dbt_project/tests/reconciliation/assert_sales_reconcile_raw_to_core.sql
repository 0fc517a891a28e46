-- Every order line that is in force in raw is in core.fct_sales or, without a rate or with amounts
-- too large to be converted, in quarantine.without_rate: lines and amounts agree by source, month
-- and currency, to the cent.
-- The amount is worked out from the delivered columns anew, not taken from staging. The months that
-- were built are compared; the gate before publishing compares all.

with

-- by delivery first: the source of a few deliveries is soon told, that of every line is not
deliveries as (

    select
        _delivery_id as delivery_id,
        {{ month_of('ordered_at') }} as order_month,
        currency,
        count(*) as lines,
        -- a return delivered with a positive quantity takes its amount with it to the other side
        sum(
            cast(quantity * unit_price - coalesce(discount_amount, 0) as decimal(18, 4))
            * case when is_return and quantity > 0 then -1 else 1 end
        ) as amount
    from {{ source('raw', 'sales') }}
    where _superseded_by is null and {{ is_tested([ref('fct_sales')], 'ordered_at') }}
    group by _delivery_id, {{ month_of('ordered_at') }}, currency

    union all

    select
        delivery_id,
        order_month,
        currency,
        -count(*) as lines,
        -sum(net_amount_local) as amount
    from {{ ref('fct_sales') }}
    where {{ is_tested([ref('fct_sales')]) }}
    group by delivery_id, order_month, currency

),

set_aside as (

    select
        source,
        period_month as order_month,
        currency,
        count(*) as lines,
        sum(amount_local) as amount
    from {{ ref('quarantine_without_rate') }}
    where entity = 'sales' and {{ is_tested([ref('fct_sales')], 'period_month') }}
    group by source, period_month, currency

),

both_sides as (

    select
        {{ source_of('delivery_id') }} as source,
        order_month,
        currency,
        lines,
        amount
    from deliveries

    union all

    select
        source,
        order_month,
        currency,
        -lines as lines,
        -amount as amount
    from set_aside

)

select
    source,
    order_month,
    currency,
    sum(lines) as lines_missing,
    sum(amount) as amount_missing
from both_sides
group by source, order_month, currency
having sum(lines) <> 0 or abs(sum(amount)) >= 0.005

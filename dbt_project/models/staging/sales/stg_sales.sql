with

current_rows as (

    select *
    from {{ source('raw', 'sales') }}
    where _superseded_by is null

),

marked as (

    select
        *,
        -- a return delivered with a positive quantity is turned as a whole, its amounts with it
        coalesce(is_return and quantity > 0, false) as is_turned
    from current_rows

),

final as (

    select
        ---------- ids
        order_id,
        line_id,
        product_id,
        customer_id,
        promotion_id,

        ---------- text
        market,
        currency,
        channel,
        outlet,
        coalesce(line_kind, 'product') as line_kind,
        payment_terms,

        ---------- numerics
        case when is_turned then -quantity else quantity end as quantity,
        unit_price,
        list_price,
        case when is_turned then -discount_amount else discount_amount end as discount_amount,
        case when is_turned then -tax_amount else tax_amount end as tax_amount,
        case when is_turned then -freight_amount else freight_amount end as freight_amount,
        case when is_turned then -duty_amount else duty_amount end as duty_amount,
        unit_cost,

        ---------- booleans
        -- vouchers can only be written with a negative quantity, and no voucher comes back
        coalesce(
            is_return,
            quantity < 0 and coalesce(line_kind, 'product') not in ('voucher', 'adjustment')
        ) as is_return,

        ---------- timestamps
        ordered_at,
        cast(ordered_at as date) as order_date,

        ---------- lineage
        _source as source,
        _delivery_id as delivery_id,
        _row_number as row_number
    from marked

)

select * from final

-- What customers bought adds up to the days on which they did, to the cent. Those are compared with
-- the order lines month by month, where they are built.

with

customer_days as (

    select coalesce(sum(net_amount_home), 0) as net_amount_home
    from {{ ref('int_customers__days') }}

),

mart as (

    select coalesce(sum(net_revenue_home), 0) as net_amount_home
    from {{ ref('mart_customer_value__customer') }}

)

select customer_days.net_amount_home - mart.net_amount_home as net_amount_home_missing
from customer_days
cross join mart
where abs(customer_days.net_amount_home - mart.net_amount_home) >= 0.005

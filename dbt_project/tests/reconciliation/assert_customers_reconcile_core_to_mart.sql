-- What customers bought adds up to the order lines that name one: money and lines, to the cent.

with

core as (

    select
        count(*) as lines,
        coalesce(sum(net_amount_home), 0) as net_amount_home
    from {{ ref('fct_sales') }}
    where customer_id is not null

),

customer_days as (

    select coalesce(sum(lines), 0) as lines
    from {{ ref('int_customers__days') }}

),

mart as (

    select coalesce(sum(net_revenue_home), 0) as net_amount_home
    from {{ ref('mart_customer_value__customer') }}

)

select
    core.lines - customer_days.lines as lines_missing,
    core.net_amount_home - mart.net_amount_home as net_amount_home_missing
from core
cross join customer_days
cross join mart
where
    core.lines <> customer_days.lines
    or abs(core.net_amount_home - mart.net_amount_home) >= 0.005

-- depends_on: {{ ref('int_customers__days') }}, {{ ref('stg_sales') }}
{{ config(
    materialized='incremental' if target.type == 'duckdb' else 'table',
    meta={'adds': 'customers', 'ends': ['newest_after', 'before_after']},
    post_hook=['{{ keep_what_was_built_with() }}', 'drop table if exists audit.replaced_lines']
    if target.type == 'duckdb' else [],
) }}

{# of how many changed products of one customer and category all pairs are looked at #}
{%- set most_pairs = 400 %}
{#- a build on top of others subtracts what customers had done before, under negative numbers #}
{%- set is_added = is_incremental() %}
{%- set buyers = '(select distinct customer_id from sales) as buyers' if is_added
    else ref('dim_customer') %}
{%- set sign = 'case when customer_number < 0 then -1 else 1 end * ' if is_added else '' %}
{%- set count = 'sum(' ~ sign ~ '1)' if is_added else 'count(*)' %}

with

spans as (

    select
        1 as sign,
        newest_after,
        before_after
    from ({{ newest_and_before() }}) as newest
    {%- if is_added %}

    union all

    select distinct
        -1 as sign,
        newest_after,
        before_after
    from {{ built_with() }}
    {%- endif %}

),

-- numbers group and sort cheaper than texts
products as (

    select
        product_id,
        cast(dense_rank() over (order by category) as integer) as category_number,
        cast(row_number() over (order by product_id) as integer) as product_number
    from (
        select
            product_id,
            category
        from {{ ref('int_products__categories') }}
        {%- if is_added %}

        union

        select
            product_id,
            category
        from {{ built_with() }}
        {%- endif %}
    ) as known

),

{{ 'lines_of_customers' if is_added else 'lines' }} as (

    select
        customer_id,
        product_id,
        order_date,
        order_month,
        net_amount_home
    from {{ ref('fct_sales') }}
    where line_kind = 'product' and {{ is_customer_built_now('customer_id') }}

),
{%- if is_added %}

with_category as (

    select
        lines_of_customers.*,
        products.category_number
    from lines_of_customers
    inner join products
        on lines_of_customers.product_id = products.product_id

),

-- the categories of these customers in which anything is another now
touched as (

    select
        customer_id,
        category_number
    from with_category
    where
        {{ is_pending('order_month', pending_months()) }}
        {%- for end in moved_ends() %}
        or (
            order_date > cast('{{ end.earlier }}' as date)
            and order_date <= cast('{{ end.later }}' as date)
        )
        {%- endfor %}

    union

    select
        replaced_lines.customer_id,
        products.category_number
    from audit.replaced_lines as replaced_lines
    inner join products
        on replaced_lines.product_id = products.product_id

),

lines as (

    select with_category.*
    from with_category
    inner join touched
        on with_category.customer_id = touched.customer_id
        and with_category.category_number = touched.category_number

),
{%- endif %}

-- what is added, and what is subtracted: the same customers' lines as they were
sales as (

    select
        customer_id,
        product_id,
        order_date,
        net_amount_home,
        1 as sign
    from lines
    {%- if is_added %}

    union all

    select
        customer_id,
        product_id,
        order_date,
        net_amount_home,
        -1 as sign
    from lines
    where not ({{ is_pending('order_month', pending_months()) }})

    union all

    select
        customer_id,
        product_id,
        order_date,
        net_amount_home,
        -1 as sign
    from audit.replaced_lines
    where {{ is_customer_built_now('customer_id') }}
    {%- endif %}

),

customers as (

    select
        customer_id,
        cast(row_number() over (order by customer_id) as integer) as customer_number
    from {{ buyers }}

),

-- what each customer bought of a product in the newest span and in the one before
bought as (

    select
        customers.customer_number * spans.sign as customer_number,
        products.product_number,
        cast(sum(
            case when sales.order_date > spans.newest_after then sales.net_amount_home else 0 end
        ) as decimal(18, 4)) as revenue_home,
        cast(sum(
            case when sales.order_date > spans.newest_after then 0 else sales.net_amount_home end
        ) as decimal(18, 4)) as revenue_before_home
    from sales
    cross join spans
    inner join products
        on sales.product_id = products.product_id
    inner join customers
        on sales.customer_id = customers.customer_id
    where sales.order_date > spans.before_after and sales.sign = spans.sign
    group by customers.customer_number * spans.sign, products.product_number

),

changed as (

    select
        bought.*,
        products.category_number,
        cast(bought.revenue_home - bought.revenue_before_home as decimal(18, 4)) as change_home,
        -- newly bought 1, no longer -1, still 0
        case
            when bought.revenue_before_home <= 0 and bought.revenue_home > 0 then 1
            when bought.revenue_before_home > 0 and bought.revenue_home <= 0 then -1
            else 0
        end as turn
    from bought
    inner join products
        on bought.product_number = products.product_number

),

-- of one customer, what one product lost and another of its category won has moved between them
by_category as (

    select
        customer_number,
        category_number,
        cast(sum(case when change_home > 0 then change_home end) as decimal(18, 4)) as gains_home,
        cast(sum(case when change_home < 0 then -change_home end) as decimal(18, 4)) as losses_home,
        count(case when change_home > 0 then 1 end) * count(case when change_home < 0 then 1 end)
            as pairs
    from changed
    group by customer_number, category_number
    having
        count(case when change_home > 0 then 1 end) > 0
        and count(case when change_home < 0 then 1 end) > 0

),

moved as (

    select
        changed.customer_number,
        changed.category_number,
        changed.product_number,
        changed.change_home,
        changed.turn,
        by_category.pairs,
        greatest(by_category.gains_home, by_category.losses_home) as larger_side_home,
        cast(
            cast(changed.change_home as double)
            * cast(least(by_category.gains_home, by_category.losses_home) as double)
            / cast(
                case
                    when changed.change_home > 0 then by_category.gains_home
                    else by_category.losses_home
                end as double
            ) as decimal(18, 4)
        ) as moved_home
    from changed
    inner join by_category
        on changed.customer_number = by_category.customer_number
        and changed.category_number = by_category.category_number
    where changed.change_home <> 0

),

flows as (

    select
        product_number,
        sum({{ sign }}case when moved_home > 0 then moved_home else 0 end) as moved_here_home,
        sum({{ sign }}case when moved_home < 0 then moved_home else 0 end) as moved_away_home,
        sum({{ sign }}case when turn = 1 then moved_home else 0 end) as moved_newly_home,
        sum({{ sign }}case when turn = -1 then moved_home else 0 end) as moved_no_longer_home,
        sum({{ sign }}case when turn = 0 then moved_home else 0 end) as moved_still_home
    from moved
    group by product_number

),

known as (

    select
        product_number,
        {{ count }} as customers,
        sum({{ sign }}revenue_home) as revenue_home,
        sum({{ sign }}revenue_before_home) as revenue_before_home,
        sum({{ sign }}case when turn = 1 then change_home else 0 end) as newly_home,
        sum({{ sign }}case when turn = -1 then change_home else 0 end) as no_longer_home,
        sum({{ sign }}case when turn = 0 then change_home else 0 end) as still_home
    from changed
    group by product_number

),

-- a customer with very many changed products says little of any two, and would cost the square of
-- their number
pairs as (

    select
        losing.customer_number,
        losing.product_number as losing_number,
        winning.product_number as winning_number,
        cast(
            cast(-losing.change_home as double) * cast(winning.change_home as double)
            / cast(losing.larger_side_home as double) as decimal(18, 4)
        ) as moved_home
    from moved as losing
    inner join moved as winning
        on losing.customer_number = winning.customer_number
        and losing.category_number = winning.category_number
    where
        losing.change_home < 0
        and winning.change_home > 0
        and losing.pairs <= {{ most_pairs }}
        and winning.pairs <= {{ most_pairs }}

),

product_pairs as (

    select
        losing_number,
        winning_number,
        {{ count }} as customers,
        sum({{ sign }}moved_home) as moved_home
    from pairs
    group by losing_number, winning_number

),

final as (

    select
        ---------- keys; of one product alone there is no other
        products.product_id,
        cast(null as {{ dbt.type_string() }}) as winning_product_id,

        ---------- counts
        cast(known.customers as bigint) as customers,

        ---------- revenue, and what changed it
        cast(known.revenue_home as decimal(38, 4)) as revenue_home,
        cast(known.revenue_before_home as decimal(38, 4)) as revenue_before_home,
        cast(known.newly_home as decimal(38, 4)) as newly_home,
        cast(known.no_longer_home as decimal(38, 4)) as no_longer_home,
        cast(known.still_home as decimal(38, 4)) as still_home,

        ---------- what of it moved between products of the category
        cast(coalesce(flows.moved_here_home, 0) as decimal(38, 4)) as moved_here_home,
        cast(coalesce(flows.moved_away_home, 0) as decimal(38, 4)) as moved_away_home,
        cast(coalesce(flows.moved_newly_home, 0) as decimal(38, 4)) as moved_newly_home,
        cast(coalesce(flows.moved_no_longer_home, 0) as decimal(38, 4)) as moved_no_longer_home,
        cast(coalesce(flows.moved_still_home, 0) as decimal(38, 4)) as moved_still_home
    from known
    inner join products
        on known.product_number = products.product_number
    left join flows
        on known.product_number = flows.product_number

    union all

    select
        products.product_id,
        winners.product_id as winning_product_id,
        cast(product_pairs.customers as bigint) as customers,
        null as revenue_home,
        null as revenue_before_home,
        null as newly_home,
        null as no_longer_home,
        null as still_home,
        null as moved_here_home,
        cast(-product_pairs.moved_home as decimal(38, 4)) as moved_away_home,
        null as moved_newly_home,
        null as moved_no_longer_home,
        null as moved_still_home
    from product_pairs
    inner join products
        on product_pairs.losing_number = products.product_number
    inner join products as winners
        on product_pairs.winning_number = winners.product_number

)

select * from final

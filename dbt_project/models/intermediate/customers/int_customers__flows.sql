{{ config(
    materialized='incremental',
    incremental_strategy='insert_overwrite' if target.type == 'spark' else none,
    partition_by='order_month' if target.type == 'spark' else none,
    meta={'reads': 'earlier months'},
) }}

{%- set month_compared = (
    'cast(' ~ dbt.dateadd('month', '-comparisons.months_back', 'months.order_month') ~ ' as date)'
) %}
{%- set month_after = (
    'cast(' ~ dbt.dateadd('month', 'comparisons.months_back', 'months.order_month') ~ ' as date)'
) %}

with

{#- each reader names the table itself, so as to read no more of it than it needs #}
{%- for name, condition in {
    'built_months': is_built_now('order_month'),
    'months_of_their_customers': 'customer_id in (select customer_id from built_months)'
        if is_incremental() else '1 = 1',
}.items() %}

{{ name }} as (

    select
        customer_id,
        market,
        order_month,
        net_amount_home,
        occasions > 0 as is_bought
    from {{ ref('int_customers__months') }}
    where {{ condition }}

),
{%- endfor %}

first_months as (

    select
        customer_id,
        market,
        min(order_month) as first_month
    from months_of_their_customers
    where is_bought
    group by customer_id, market

),

-- with the month of the first purchase in the market; null where nothing was ever bought
months as (

    select
        built_months.*,
        first_months.first_month
    from built_months
    left join first_months
        on built_months.customer_id = first_months.customer_id
        and built_months.market = first_months.market

),

comparisons as (

    select
        'month before' as compared_with,
        1 as months_back

    union all

    select
        'year before' as compared_with,
        12 as months_back

),

-- the few customers of both months, by what they are in each
pairs as (

    select
        now_there.compared_with,
        now_there.market,
        now_there.order_month,
        now_there.is_bought,
        now_there.is_first,
        before.is_bought as is_bought_before,
        now_there.net_amount_home > before.net_amount_home as is_more,
        count(*) as customers,
        sum(now_there.net_amount_home) as now_home,
        sum(before.net_amount_home) as before_home
    from (
        select
            comparisons.compared_with,
            months.customer_id,
            months.market,
            months.order_month,
            {{ month_compared }} as month_compared,
            months.net_amount_home,
            months.is_bought,
            coalesce(months.first_month > {{ month_compared }}, false) as is_first
        from months
        cross join comparisons
    ) as now_there
    inner join months_of_their_customers as before
        on now_there.customer_id = before.customer_id
        and now_there.market = before.market
        and now_there.month_compared = before.order_month
    group by
        now_there.compared_with,
        now_there.market,
        now_there.order_month,
        now_there.is_bought,
        now_there.is_first,
        before.is_bought,
        now_there.net_amount_home > before.net_amount_home

),

month_sums as (

    select
        market,
        order_month,
        first_month,
        is_bought,
        count(*) as customers,
        sum(net_amount_home) as net_amount_home
    from months
    group by market, order_month, first_month, is_bought

),

earlier_sums as (

    select
        market,
        order_month,
        occasions > 0 as is_bought,
        count(*) as customers,
        sum(net_amount_home) as net_amount_home
    from {{ ref('int_customers__months') }}
    group by market, order_month, occasions > 0

),

-- everyone as if there in one of the months alone; those of both are taken out again
parts as (

    select
        comparisons.compared_with,
        months.market,
        months.order_month,
        case
            when not months.is_bought then 'returned only'
            when months.first_month > {{ month_compared }} then 'new'
            else 'won back'
        end as flow,
        months.customers,
        months.net_amount_home as change_home
    from month_sums as months
    cross join comparisons

    union all

    select
        comparisons.compared_with,
        months.market,
        {{ month_after }} as order_month,
        case when months.is_bought then 'lapsed' else 'returned only' end as flow,
        months.customers,
        -months.net_amount_home as change_home
    from earlier_sums as months
    cross join comparisons
    where {{ is_built_now(month_after) }}

    union all

    select
        compared_with,
        market,
        order_month,
        case
            when not is_bought then 'returned only'
            when is_first then 'new'
            else 'won back'
        end as flow,
        -customers as customers,
        -now_home as change_home
    from pairs

    union all

    select
        compared_with,
        market,
        order_month,
        case when is_bought_before then 'lapsed' else 'returned only' end as flow,
        -customers as customers,
        before_home as change_home
    from pairs

    union all

    select
        compared_with,
        market,
        order_month,
        case
            when is_bought and is_bought_before and is_more then 'retained, more'
            when is_bought and is_bought_before then 'retained, less'
            when is_bought and is_first then 'new'
            when is_bought then 'won back'
            when is_bought_before then 'lapsed'
            else 'returned only'
        end as flow,
        customers,
        now_home - before_home as change_home
    from pairs

),

final as (

    select
        ---------- keys
        compared_with,
        market,
        order_month,

        ---------- customers
        {%- for name, flows in [
            ('new', "= 'new'"),
            ('retained', "in ('retained, more', 'retained, less')"),
            ('won_back', "= 'won back'"),
            ('lapsed', "= 'lapsed'"),
        ] %}
        cast(sum(case when flow {{ flows }} then customers else 0 end) as bigint)
            as {{ name }}_customers,
        {%- endfor %}

        ---------- what changed their revenue
        {%- for name, flow in [
            ('new', 'new'),
            ('retained_more', 'retained, more'),
            ('retained_less', 'retained, less'),
            ('won_back', 'won back'),
            ('lapsed', 'lapsed'),
            ('returned_only', 'returned only'),
        ] %}
        cast(sum(case when flow = '{{ flow }}' then change_home else 0 end) as decimal(38, 4))
            as {{ name }}_home,
        {%- endfor %}
        cast(sum(change_home) as decimal(38, 4)) as change_home
    from parts
    group by compared_with, market, order_month

)

select * from final

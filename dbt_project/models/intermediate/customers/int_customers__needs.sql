with

-- those without one need not be looked up
customer_segments as (

    select
        customer_id,
        segment
    from {{ ref('dim_customer') }}
    where segment is not null

),

-- few gaps differ, so that their customers are counted rather than put in order. The categories are
-- imported once for the gaps and once for the sums: a CTE that is read twice is written down with
-- all of its rows, and to group by both at once takes a large table of sums
gaps as (

    select
        categories.market,
        customer_segments.segment,
        categories.category,
        categories.purchase_days,
        {{ days_between('categories.first_purchase_date', 'categories.last_purchase_date') }}
            as days_between,
        count(*) as customers
    from {{ ref('int_customers__categories') }} as categories
    left join customer_segments
        on categories.customer_id = customer_segments.customer_id
    where categories.purchase_days > 1
    group by
        categories.market,
        customer_segments.segment,
        categories.category,
        categories.purchase_days,
        {{ days_between('categories.first_purchase_date', 'categories.last_purchase_date') }}

),

mean_gaps as (

    select
        market,
        coalesce(segment, 'not given') as customer_segment,
        category,
        cast(days_between as double) / (purchase_days - 1) as mean_gap_days,
        customers
    from gaps

),

sums as (

    select
        categories.market,
        customer_segments.segment,
        categories.category,
        categories.is_buyer,
        categories.is_buyer_before,
        count(*) as customers,
        sum(categories.revenue_home) as revenue_home,
        sum(categories.revenue_before_home) as revenue_before_home
    from {{ ref('int_customers__categories') }} as categories
    left join customer_segments
        on categories.customer_id = customer_segments.customer_id
    group by
        categories.market,
        customer_segments.segment,
        categories.category,
        categories.is_buyer,
        categories.is_buyer_before

),

counted as (

    select
        market,
        coalesce(segment, 'not given') as customer_segment,
        category,
        is_buyer,
        is_buyer_before,
        customers,
        revenue_home,
        revenue_before_home,
        revenue_home - revenue_before_home as change_home
    from sums

),

-- how often one comes back for the category, in a segment and whoever and wherever: the median of
-- the buyers' means
{%- for cycles, keys in {
    'segment': 'market, customer_segment, category', 'category': 'category',
}.items() %}
{{ cycles }}_gaps as (

    select
        {{ keys }},
        mean_gap_days,
        cast(sum(customers) as bigint) as customers
    from mean_gaps
    group by {{ keys }}, mean_gap_days

),

{{ cycles }}_places as (

    select
        {{ keys }},
        mean_gap_days,
        sum(customers) over (partition by {{ keys }} order by mean_gap_days) as place,
        sum(customers) over (partition by {{ keys }}) as repeat_buyers
    from {{ cycles }}_gaps

),

{{ cycles }}_middles as (

    select
        {{ keys }},
        max(repeat_buyers) as repeat_buyers,
        min(case when 2 * place >= repeat_buyers then mean_gap_days end) as lower_days,
        min(case when 2 * place > repeat_buyers then mean_gap_days end) as upper_days
    from {{ cycles }}_places
    group by {{ keys }}

),

{{ cycles }}_cycles as (

    select
        {{ keys }},
        cast(repeat_buyers as bigint) as repeat_buyers,
        lower_days + (upper_days - lower_days) / 2 as cycle_days
    from {{ cycles }}_middles

),
{%- endfor %}

segments as (

    select
        market,
        customer_segment,
        category,
        cast(sum(case when is_buyer then customers else 0 end) as bigint) as buyers,
        cast(sum(case when is_buyer_before then customers else 0 end) as bigint) as buyers_before,
        sum(revenue_home) as revenue_home,
        sum(revenue_before_home) as revenue_before_home,
        sum(case when is_buyer and not is_buyer_before then change_home else 0 end)
            as gained_home,
        sum(case when is_buyer_before and not is_buyer then change_home else 0 end)
            as lost_home,
        sum(case when is_buyer = is_buyer_before then change_home else 0 end)
            as kept_change_home
    from counted
    group by market, customer_segment, category

),

final as (

    select
        ---------- keys
        segments.market,
        segments.customer_segment,
        segments.category,

        ---------- what is bought, in the newest span and the one before
        segments.buyers,
        segments.buyers_before,
        cast(segments.revenue_home as decimal(38, 4)) as revenue_home,
        cast(segments.revenue_before_home as decimal(38, 4)) as revenue_before_home,
        cast(segments.gained_home as decimal(38, 4)) as gained_home,
        cast(segments.lost_home as decimal(38, 4)) as lost_home,
        cast(segments.kept_change_home as decimal(38, 4)) as kept_change_home,

        ---------- how often
        coalesce(segment_cycles.repeat_buyers, 0) as repeat_buyers,
        segment_cycles.cycle_days,
        category_cycles.cycle_days as category_cycle_days
    from segments
    left join segment_cycles
        on segments.market = segment_cycles.market
        and segments.customer_segment = segment_cycles.customer_segment
        and segments.category = segment_cycles.category
    left join category_cycles
        on segments.category = category_cycles.category

)

select * from final

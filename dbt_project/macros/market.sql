{# How we spell each category: the marts of the market show it so, and can be joined with those of our
   sales. #}
{% macro our_categories() -%}
    select distinct
        category_key,
        category
    from {{ ref('int_products__categories') }}
{%- endmacro %}


{# How the figures of a market are counted, once and for all that count them: what is known now, and
   what was known after each publication. `also` are columns that keep figures apart further. #}

{% macro market_rows_that_count(figures, also=[]) -%}
{%- set names = also + ['period', 'period_month', 'market', 'category_key'] -%}
{%- set keys = names | join(', ') -%}
with

our_categories as (

    {{ our_categories() }}

),

market_sales as (

    select
        figures.*,
        {{ month_of('figures.period_start') }} as period_month,
        {{ comparable('figures.category') }} as category_key,
        -- one spelling for all periods, ours where we have products of the category
        coalesce(
            our_categories.category,
            min(trim(figures.category)) over (partition by {{ comparable('figures.category') }})
        ) as category_name,
        min(trim(figures.firm)) over (partition by {{ comparable('figures.firm') }}) as firm_name,
        case
            when figures.firm is not null then 'firm'
            when figures.brand is null and figures.product is null then 'whole market'
            else 'unnamed firm'
        end as level,
        case
            when figures.product is not null then 2
            when figures.brand is not null then 1
            else 0
        end as depth,
        case when figures.outlet is not null then 3 else 0 end as outlet_depth,
        case figures.sample_of
            when 'outlets' then figures.outlet
            when 'products' then concat_ws('|', figures.firm, figures.brand, figures.product)
        end as sampled_unit
    from {{ figures }} as figures
    left join our_categories
        on {{ comparable('figures.category') }} = our_categories.category_key

),

-- the total of one publisher may stand beside the firms of another, but never two totals
publishers as (

    select
        {{ keys }},
        level,
        coalesce(publisher, '') as publisher_name
    from market_sales
    group by {{ keys }}, level, coalesce(publisher, '')
    qualify row_number() over (
        partition by {{ keys }}, level
        order by max(published_on) desc nulls last, coalesce(publisher, '') desc
    ) = 1

),

published as (

    select market_sales.*
    from market_sales
    inner join publishers
        on {{ same('market_sales', 'publishers', names) }}
        and market_sales.level = publishers.level
        and coalesce(market_sales.publisher, '') = publishers.publisher_name

),

depths as (

    select
        *,
        min(depth + outlet_depth) over (
            partition by {{ keys }}, level, firm_name
        ) as coarsest_depth,
        max(case when depth = 0 and origin is null then 1 else 0 end) over (
            partition by {{ keys }}, level, firm_name, outlet
        ) as has_total_of_origins
    from published

),

counted as (

    select *
    from depths
    where
        depth + outlet_depth = coarsest_depth
        and (depth > 0 or origin is null or has_total_of_origins = 0)

),

-- the sample is of the market, whichever firms each outlet sells
samples as (

    select
        {{ keys }},
        count(distinct sampled_unit) as sample_size,
        max(universe_size) as sample_universe
    from counted
    where sampled_unit is not null
    group by {{ keys }}

),

projected as (

    select
        counted.*,
        samples.sample_size,
        samples.sample_universe,
        case
            when samples.sample_universe > samples.sample_size
                then samples.sample_universe / samples.sample_size
        end as expansion
    from counted
    left join samples
        on counted.sampled_unit is not null
        and {{ same('counted', 'samples', names) }}

),

final as (

    select
        ---------- keys
{%- for name in also %}
        {{ name }},
{%- endfor %}
        period,
        period_month as period_start,
        market,
        category_key,
        level,
        firm_name as firm,
        origin,
        brand,
        product,
        outlet,

        ---------- text
        category_name as category,
        publisher,
        edition,
        currency,

        ---------- measures
        case
            when expansion is null then units else cast(units * expansion as decimal(28, 4))
        end as units,
        case
            when expansion is null then value_home
            else cast(value_home * expansion as decimal(28, 4))
        end as value_home,
        value_low_home,
        value_high_home,
        buyers,
        buyers_category_units,
        buyers_category_value_home,

        ---------- the sample, as drawn
        sample_of,
        sampled_unit,
        sample_size,
        sample_universe as universe_size,
        units as units_sampled,
        value_local as value_sampled_local,
        value_home as value_sampled_home,

        ---------- flags and dates
        is_own,
        {{ is_remainder('firm_name') }} as is_remainder,
        published_on
    from projected

)

select * from final
{%- endmacro %}


{# The market of each period: the whole market's row where there is one, else the sum of the firms,
   else of the brands and products whose firm is not named; `basis_level` is which of them. #}
{% macro market_totals(counted, also=[]) -%}
{%- set keys = (also + ['period', 'period_start', 'market', 'category_key']) | join(', ') -%}
with

-- a row without a figure leaves the sum without one: the market would pass for smaller than it is
levels as (

    select
        {{ keys }},
        level,
        min(category) as category,
        case when count(units) = count(*) then sum(units) end as units,
        case when count(value_home) = count(*) then sum(value_home) end as value_home,
        case when count(value_low_home) = count(*) then sum(value_low_home) end as value_low_home,
        case when count(value_high_home) = count(*) then sum(value_high_home) end
            as value_high_home
    from {{ counted }}
    group by {{ keys }}, level

),

delivered as (

    select
        {{ keys }},
        min(category) as category,
        coalesce(
            max(case when level = 'whole market' then units end),
            max(case when level = 'firm' then units end),
            case when max(case when level = 'firm' then 1 else 0 end) = 0 then max(units) end
        ) as market_units,
        coalesce(
            max(case when level = 'whole market' then value_home end),
            max(case when level = 'firm' then value_home end),
            case when max(case when level = 'firm' then 1 else 0 end) = 0 then max(value_home) end
        ) as market_value_home,
        -- the bounds belong to the total; those of single firms do not add up to one of the market
        max(case when level = 'whole market' then value_low_home end) as market_value_low_home,
        max(case when level = 'whole market' then value_high_home end) as market_value_high_home,
        max(case when level = 'whole market' then 1 else 0 end) as has_total,
        max(case when level = 'firm' then 1 else 0 end) as has_firms,
        case
            when max(case when level = 'whole market' then 1 else 0 end) = 1 then 'whole market'
            when max(case when level = 'firm' then 1 else 0 end) = 1 then 'firm'
            else 'unnamed firm'
        end as basis_level
    from levels
    group by {{ keys }}

)

select * from delivered
{%- endmacro %}


{% macro same(left, right, names) -%}
    {%- for name in names -%}
        {{ left }}.{{ name }} = {{ right }}.{{ name }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

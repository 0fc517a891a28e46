with

market_sales as (

    select
        *,
        {{ month_of('period_start') }} as month_start,
        {{ comparable('category') }} as category_key,
        {{ comparable('firm') }} as firm_key,
        {{ comparable('product') }} as product_key,
        {{ comparable('outlet') }} as outlet_key,
        coalesce(publisher, '') as panel,
        case
            when product is not null then 3
            when brand is not null then 2
            when firm is not null then 1
            else 0
        end as depth
    from {{ ref('fct_market_sales') }}
    where period = 'month' and outlet is not null

),

sales as (

    select
        order_month as month_start,
        market,
        product_id,
        {{ comparable('outlet') }} as outlet_key,
        quantity,
        net_amount_home
    from {{ ref('fct_sales') }}
    where outlet is not null and line_kind = 'product'

),

products as (

    select
        product_id,
        name as product_name,
        category,
        {{ comparable('category') }} as category_key,
        {{ comparable('product_id') }} as id_key,
        {{ comparable('name') }} as name_key
    from {{ ref('dim_product') }}

),

our_categories as (

    {{ our_categories() }}

),

---------- the market data's outlets

-- of several panels of one category the latest counts
panels as (

    select
        month_start,
        market,
        category_key,
        panel
    from market_sales
    group by month_start, market, category_key, panel
    qualify row_number() over (
        partition by month_start, market, category_key
        order by max(published_on) desc nulls last, panel desc
    ) = 1

),

panel_rows as (

    select market_sales.*
    from market_sales
    inner join panels
        on {{ same('market_sales', 'panels', ['month_start', 'market', 'category_key', 'panel']) }}

),

-- an outlet's sales of the category: its total where there is one, else the sum of what it names
outlet_depths as (

    select
        *,
        min(depth) over (partition by month_start, market, category_key, outlet_key)
            as coarsest_depth,
        max(case when origin is null then 1 else 0 end) over (
            partition by month_start, market, category_key, outlet_key, depth, firm_key
        ) as has_total_of_origins
    from panel_rows

),

panel_outlets as (

    select
        month_start,
        market,
        category_key,
        outlet_key,
        sum(units) as category_units,
        case when count(value_home) = count(*) then sum(value_home) end as category_value_home
    from outlet_depths
    where
        depth = coarsest_depth
        and (depth > 0 or origin is null or has_total_of_origins = 0)
    group by month_start, market, category_key, outlet_key

),

-- every outlet of the panel could have sold it, those without the category too
panel_sizes as (

    select
        month_start,
        market,
        panel,
        count(distinct outlet_key) as outlets,
        max(case when sample_of = 'outlets' then universe_size end) as universe_size
    from market_sales
    group by month_start, market, panel

),

panel_categories as (

    select
        panel_outlets.month_start,
        panel_outlets.market,
        panel_outlets.category_key,
        panels.panel,
        panel_sizes.outlets,
        panel_sizes.universe_size,
        case
            when count(panel_outlets.category_value_home) = count(*)
                then sum(panel_outlets.category_value_home)
        end as category_value_home,
        sum(panel_outlets.category_units) as category_units
    from panel_outlets
    inner join panels
        on {{ same('panel_outlets', 'panels', ['month_start', 'market', 'category_key']) }}
    inner join panel_sizes
        on {{ same('panels', 'panel_sizes', ['month_start', 'market', 'panel']) }}
    group by
        panel_outlets.month_start,
        panel_outlets.market,
        panel_outlets.category_key,
        panels.panel,
        panel_sizes.outlets,
        panel_sizes.universe_size

),

-- our own products go by our own number, whether the market data has that or the name
own_names as (

    select
        product_key,
        min(product_id) as product_id
    from (
        select
            id_key as product_key,
            product_id
        from products

        union all

        select
            name_key as product_key,
            product_id
        from products
        where name_key is not null
    ) as names
    group by product_key

),

panel_products as (

    select
        panel_rows.month_start,
        panel_rows.market,
        panel_rows.category_key,
        panel_rows.firm_key,
        coalesce({{ comparable('own_names.product_id') }}, panel_rows.product_key) as product_key,
        panel_rows.outlet_key,
        min(coalesce(our_categories.category, trim(panel_rows.category))) as category,
        min(trim(panel_rows.firm)) as firm,
        min(coalesce(own_names.product_id, trim(panel_rows.product))) as product_id,
        min(trim(panel_rows.product)) as product_name,
        max(panel_rows.edition) as edition,
        max(case when panel_rows.is_own then 1 else 0 end) as is_own,
        sum(panel_rows.units) as units,
        sum(panel_rows.value_home) as value_home
    from panel_rows
    left join own_names
        on panel_rows.product_key = own_names.product_key
        and panel_rows.is_own
    left join our_categories
        on panel_rows.category_key = our_categories.category_key
    where panel_rows.product is not null
    group by
        panel_rows.month_start,
        panel_rows.market,
        panel_rows.category_key,
        panel_rows.firm_key,
        coalesce({{ comparable('own_names.product_id') }}, panel_rows.product_key),
        panel_rows.outlet_key

),

in_panel as (

    select
        panel_products.month_start,
        panel_products.market,
        panel_products.category_key,
        panel_products.firm_key,
        panel_products.product_key,
        panel_categories.panel,
        panel_categories.outlets,
        panel_categories.universe_size,
        panel_categories.category_value_home is not null as is_weighted_by_value,
        min(panel_products.category) as category,
        min(panel_products.firm) as firm,
        min(panel_products.product_id) as product_id,
        min(panel_products.product_name) as product_name,
        max(panel_products.edition) as edition,
        max(panel_products.is_own) = 1 as is_own,
        count(case when panel_products.units > 0 or panel_products.value_home > 0 then 1 end)
            as outlets_selling,
        100.0 * cast(sum(case
            when panel_products.units > 0 or panel_products.value_home > 0
                then
                    case
                        when panel_categories.category_value_home is null
                            then panel_outlets.category_units
                        else panel_outlets.category_value_home
                    end
        end) as double) / nullif(cast(max(coalesce(
            panel_categories.category_value_home, panel_categories.category_units
        )) as double), 0) as weighted_distribution_pct,
        sum(panel_products.units) as units,
        sum(panel_products.value_home) as value_home
    from panel_products
    inner join panel_outlets
        on {{ same(
            'panel_products',
            'panel_outlets',
            ['month_start', 'market', 'category_key', 'outlet_key'],
        ) }}
    inner join panel_categories
        on {{ same(
            'panel_products', 'panel_categories', ['month_start', 'market', 'category_key'],
        ) }}
    group by
        panel_products.month_start,
        panel_products.market,
        panel_products.category_key,
        panel_products.firm_key,
        panel_products.product_key,
        panel_categories.panel,
        panel_categories.outlets,
        panel_categories.universe_size,
        panel_categories.category_value_home is not null

),

---------- our own sales' outlets

own_products as (

    select
        month_start,
        market,
        product_id,
        outlet_key,
        sum(quantity) as units,
        sum(net_amount_home) as value_home
    from sales
    group by month_start, market, product_id, outlet_key

),

own_categories as (

    select
        own_products.month_start,
        own_products.market,
        products.category_key,
        own_products.outlet_key,
        sum(own_products.value_home) as value_home
    from own_products
    inner join products
        on own_products.product_id = products.product_id
    group by
        own_products.month_start,
        own_products.market,
        products.category_key,
        own_products.outlet_key

),

months as (

    select
        month_start,
        market
    from own_products
    group by month_start, market

),

-- what each outlet bought in the twelve months up to this one; more returned than bought weighs
-- nothing
own_outlets as (

    select
        months.month_start,
        months.market,
        own_categories.category_key,
        own_categories.outlet_key,
        greatest(sum(own_categories.value_home), 0) as category_value_home
    from months
    inner join own_categories
        on months.market = own_categories.market
        and months.month_start >= own_categories.month_start
        and months.month_start
        < cast({{ dbt.dateadd('month', 12, 'own_categories.month_start') }} as date)
    group by
        months.month_start,
        months.market,
        own_categories.category_key,
        own_categories.outlet_key

),

own_sizes as (

    select
        month_start,
        market,
        count(distinct outlet_key) as outlets
    from own_outlets
    group by month_start, market

),

own_totals as (

    select
        month_start,
        market,
        category_key,
        sum(category_value_home) as category_value_home
    from own_outlets
    group by month_start, market, category_key

),

-- where the market data tells the distribution of a category, it knows more outlets than we do
told as (

    select
        month_start,
        market,
        category_key
    from in_panel
    group by month_start, market, category_key

),

in_own_sales as (

    select
        own_products.month_start,
        own_products.market,
        own_products.product_id,
        products.category,
        products.product_name,
        own_sizes.outlets,
        count(case when own_products.units > 0 then 1 end) as outlets_selling,
        100.0 * cast(
            sum(case when own_products.units > 0 then own_outlets.category_value_home end)
            as double
        ) / nullif(cast(max(own_totals.category_value_home) as double), 0)
            as weighted_distribution_pct,
        sum(own_products.units) as units,
        sum(own_products.value_home) as value_home
    from own_products
    inner join products
        on own_products.product_id = products.product_id
    inner join own_sizes
        on {{ same('own_products', 'own_sizes', ['month_start', 'market']) }}
    left join own_outlets
        on {{ same('own_products', 'own_outlets', ['month_start', 'market', 'outlet_key']) }}
        and products.category_key = own_outlets.category_key
    left join own_totals
        on {{ same('own_products', 'own_totals', ['month_start', 'market']) }}
        and products.category_key = own_totals.category_key
    left join told
        on {{ same('own_products', 'told', ['month_start', 'market']) }}
        and products.category_key = told.category_key
    where told.market is null
    group by
        own_products.month_start,
        own_products.market,
        own_products.product_id,
        products.category,
        products.product_name,
        own_sizes.outlets

),

together as (

    select
        month_start,
        market,
        category,
        firm,
        product_id,
        product_name,
        is_own,
        'market data' as basis,
        outlets_selling,
        outlets,
        universe_size,
        weighted_distribution_pct,
        case when is_weighted_by_value then 'category value' else 'category units' end
            as weighted_by,
        units,
        value_home,
        nullif(panel, '') as publisher,
        edition
    from in_panel

    union all

    select
        month_start,
        market,
        category,
        cast(null as {{ dbt.type_string() }}) as firm,
        product_id,
        product_name,
        true as is_own,
        'own sales' as basis,
        outlets_selling,
        outlets,
        cast(null as double) as universe_size,
        weighted_distribution_pct,
        'our category value of 12 months' as weighted_by,
        units,
        value_home,
        cast(null as {{ dbt.type_string() }}) as publisher,
        cast(null as {{ dbt.type_string() }}) as edition
    from in_own_sales

),

final as (

    select
        ---------- keys
        month_start,
        market,
        product_id,
        product_name,
        category,
        firm,
        is_own,

        ---------- outlets
        basis,
        cast(outlets_selling as bigint) as outlets_selling,
        cast(outlets as bigint) as outlets,
        universe_size,

        ---------- distribution
        100.0 * outlets_selling / nullif(outlets, 0) as numeric_distribution_pct,
        coalesce(weighted_distribution_pct, case when outlets_selling = 0 then 0 end)
            as weighted_distribution_pct,
        weighted_by,

        ---------- sales, and sales per point of distribution
        cast(units as decimal(38, 4)) as units,
        cast(value_home as decimal(38, 4)) as value_home,
        cast(units as double) / nullif(outlets_selling, 0) as units_per_outlet,
        cast(value_home as double) / nullif(outlets_selling, 0) as value_per_outlet_home,
        cast(units as double) / nullif(weighted_distribution_pct, 0) as units_per_point,
        cast(value_home as double) / nullif(weighted_distribution_pct, 0) as value_per_point_home,

        ---------- whose figure it is
        publisher,
        edition
    from together

)

select * from final

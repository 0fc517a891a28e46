{# dim_customer, int_customers__categories, __totals and __switches are built anew by customer. What
   their rows depend on besides what is known of the customer is kept as it was when they were built:
   the category of each product, and the `ends` of spans and histories that the model names in its
   meta, if any.
   Tables of customers who are built anew though their lines are the same are named there as `also`. #}
{% macro built_with() -%}
    audit.built_{{ model.name.rpartition('__')[2] }}
{%- endmacro %}


{% macro keep_what_was_built_with() -%}
    create or replace table {{ built_with() }} as
    select
        products.product_id,
        products.category,
        {{ model.config.meta.ends | join(', ') }}
    from {{ ref('int_products__categories') }} as products
    cross join ({{ current_ends() }}) as ends
{%- endmacro %}


{% macro current_ends() -%}
    select *
    from ({{ newest_and_before() }}) as spans
    {%- if 'calibration_end' in model.config.meta.ends %}
    cross join {{ ref('int_customers__history_ends') }} as histories
    {%- endif %}
{%- endmacro %}


{# The ends that are others now than when the model was built: the earlier and the later day. #}
{% macro moved_ends() -%}
    {%- if not model.config.meta.ends -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set queries = [] -%}
    {%- for end in model.config.meta.ends -%}
        {%- do queries.append(
            "select cast(least(was." ~ end ~ ", now." ~ end ~ ") as varchar) as earlier,"
            ~ " cast(greatest(was." ~ end ~ ", now." ~ end ~ ") as varchar) as later,"
            ~ " was." ~ end ~ " is null or now." ~ end ~ " is null as is_unknown"
            ~ " from was cross join now where was." ~ end ~ " is distinct from now." ~ end
        ) -%}
    {%- endfor -%}
    {{ return(run_query(
        "with was as (select distinct " ~ model.config.meta.ends | join(', ')
        ~ " from " ~ built_with() ~ "), now as (" ~ current_ends() ~ ") "
        ~ queries | join(' union all ')
    ).rows) }}
{%- endmacro %}


{# Not where nothing tells what the model was built with, where an end has come or gone, or where
   a product's category is another now. #}
{% macro can_replace_customers() -%}
    {%- if not model.config.meta.ends -%}
        {{ return(true) }}
    {%- elif not is_in_audit(built_with()) -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set obstacles = run_query(
        "select 1 as obstacle from " ~ built_with() ~ " as built inner join "
        ~ ref('int_products__categories') ~ " as products on built.product_id = products.product_id"
        ~ " where built.category <> products.category limit 1"
    ).rows -%}
    {%- set unknown = moved_ends() | selectattr('is_unknown') | list -%}
    {{ return(not obstacles and not unknown) }}
{%- endmacro %}


{# The customers whose lines have changed, and those who have lines on a day that the end of a window
   has passed, forwards or back, since the model was built. #}
{% macro changed_customers() -%}
    select customer_id from audit.pending_customers
        {%- for table in model.config.meta.also or [] %}
        union all
        select customer_id from {{ table }}
        {%- endfor %}
        union all
        select customer_id
        from {{ ref('stg_sales') }}
        where customer_id is not null and {{ is_pending('ordered_at', pending_months(['fx_rates'])) }}
        {%- for end in moved_ends() %}
        union all
        select customer_id
        from {{ ref('int_customers__days') }}
        where order_date > cast('{{ end.earlier }}' as date) and order_date <= cast('{{ end.later }}' as date)
        {%- endfor %}
{%- endmacro %}


{# A category's cycle moves as all its customers buy: those whose gaps it has passed since
   int_customers__totals was built have changed with it. Where there was no cycle, or is none, those
   who bought twice have changed themselves. #}
{% macro keep_cycles() -%}
    create or replace table audit.built_cycles as from {{ ref('int_customers__cycles') }}
{%- endmacro %}


{% macro keep_who_crossed_a_cycle() -%}
    create table if not exists audit.built_cycles as from {{ this }} where 1 = 0;
    create or replace table audit.pending_cycles as
    {%- for basis, days in history_days().items() %}
    {%- set was, now = 'was.' ~ basis ~ '_cycle_days', 'now.' ~ basis ~ '_cycle_days' %}
    {{ 'union all' if not loop.first }}
    select categories.customer_id
    from {{ ref('int_customers__categories') }} as categories
    -- where none has moved, which is nearly always, no customer is looked at
    inner join (
        select
            now.category,
            least({{ was }}, {{ now }}) as shorter_days,
            greatest({{ was }}, {{ now }}) as longer_days
        from audit.built_cycles as was
        inner join {{ this }} as now
            on was.category = now.category
        where {{ was }} <> {{ now }}
    ) as moved
        on categories.category = moved.category
    where
        categories.{{ days }}_days > 1
        and {{ mean_gap_days(days, 'categories.') }} > moved.shorter_days
        and {{ mean_gap_days(days, 'categories.') }} <= moved.longer_days
    {%- endfor %}
{%- endmacro %}


{# Whether customers may belong to another market now, or are forgotten: then more changes than the
   months that are built anew. #}
{% macro customers_have_changed() -%}
    {%- set queries = ["select 1 as changed from audit.pending_totals"] -%}
    {%- if is_in_audit('audit.erasures') -%}
        {%- do queries.append(
            "select 1 from audit.erasures where erased_at > (select max(judged_at) from audit.runs)"
        ) -%}
    {%- endif -%}
    {{ return(run_query(queries | join(' union all ')).rows | length > 0) }}
{%- endmacro %}


{# A condition that is true for the customers whose rows this build has to make. #}
{% macro is_customer_built_now(customer_id) -%}
    {{ customer_id ~ ' in (' ~ changed_customers() ~ ')' if is_incremental()
        else customer_id ~ ' is not null' }}
{%- endmacro %}


{% macro keep_replaced_lines() -%}
    {{ keep_replaced(
        'audit.replaced_lines',
        ['customer_id', 'product_id', 'order_date', 'net_amount_home'],
        "line_kind = 'product' and customer_id is not null",
        'audit.built_switches',
    ) }}
{%- endmacro %}


{# Not where nothing tells which lines were replaced, and not on top of very many builds, which would
   make the table large. #}
{% macro switches_can_be_added() -%}
    {%- if not can_replace_customers() or not is_in_audit('audit.replaced_lines') -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(run_query(
        "select 1 as few from " ~ this
        ~ " having count(*) < 30 * count(distinct (product_id, coalesce(winning_product_id, '')))"
    ) | length > 0) }}
{%- endmacro %}

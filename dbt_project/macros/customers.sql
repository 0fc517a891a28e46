{# P(alive) of BG/NBD and MBG/NBD, which have a closed form; null for any other model. The odds of
   being gone are a / (b + n - 1) * ((alpha + t) / (alpha + t_x)) ^ (r + x), where n counts the
   occasions after which the customer may have gone: the repeat ones, and the first too by MBG/NBD
   (Fader, Hardie and Lee 2005; Batislam, Denizel and Filiztekin 2007). In logarithms, for the power
   of a frequent customer is larger than a double. #}
{% macro p_alive(fits, histories) -%}
    case
            when {{ fits }}.model = 'bg_nbd' and {{ histories }}.x = 0 then 1
            when {{ fits }}.model in ('bg_nbd', 'mbg_nbd')
                then 1 / (1 + exp(
                    ln(
                        {{ fits }}.a / (
                            {{ fits }}.b + {{ histories }}.x
                            - case when {{ fits }}.model = 'bg_nbd' then 1 else 0 end
                        )
                    )
                    + ({{ fits }}.r + {{ histories }}.x) * ln(
                        ({{ fits }}.alpha + {{ histories }}.t)
                        / ({{ fits }}.alpha + {{ histories }}.t_x)
                    )
                ))
        end
{%- endmacro %}


{# int_customers__categories is built anew by customer. What its rows depend on besides the
   customer's lines is kept as it was when they were built: the category of each product, and the
   ends of spans and histories. #}
{% macro keep_what_categories_depend_on() -%}
    create or replace table audit.built_categories as
    select
        products.product_id,
        products.category,
        {{ window_ends() | join(', ') }}
    from {{ ref('int_products__categories') }} as products
    cross join ({{ newest_and_before() }}) as spans
    cross join ({{ history_ends() }}) as histories
{%- endmacro %}


{% macro window_ends() -%}
    {{ return(['newest_after', 'before_after', 'calibration_end', 'before_held_out']) }}
{%- endmacro %}


{# The ends that are others now than when categories were built: the earlier and the later day. #}
{% macro moved_ends() -%}
    {%- set queries = [] -%}
    {%- for end in window_ends() -%}
        {%- do queries.append(
            "select cast(least(was." ~ end ~ ", now." ~ end ~ ") as varchar) as earlier,"
            ~ " cast(greatest(was." ~ end ~ ", now." ~ end ~ ") as varchar) as later,"
            ~ " was." ~ end ~ " is null or now." ~ end ~ " is null as is_unknown"
            ~ " from was cross join now where was." ~ end ~ " is distinct from now." ~ end
        ) -%}
    {%- endfor -%}
    {{ return(run_query(
        "with was as (select distinct " ~ window_ends() | join(', ') ~ " from audit.built_categories),"
        ~ " now as (select * from (" ~ newest_and_before() ~ ") as spans"
        ~ " cross join (" ~ history_ends() ~ ") as histories) "
        ~ queries | join(' union all ')
    ).rows) }}
{%- endmacro %}


{# Not where nothing tells what categories were built with, where an end has come or gone, or where
   a product's category is another now. #}
{% macro can_replace_customers() -%}
    {%- if adapter.get_relation(this.database, 'audit', 'built_categories') is none -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set obstacles = run_query(
        "select 1 as obstacle from audit.built_categories as built inner join "
        ~ ref('int_products__categories') ~ " as products on built.product_id = products.product_id"
        ~ " where built.category <> products.category limit 1"
    ).rows -%}
    {%- set unknown = moved_ends() | selectattr('is_unknown') | list -%}
    {{ return(not obstacles and not unknown) }}
{%- endmacro %}


{# The customers whose lines have changed, and those who have lines on a day that the end of a window
   has passed, forwards or back, since categories were built. #}
{% macro changed_customers() -%}
    select customer_id from audit.pending_customers
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


{# A condition that is true for the customers whose rows this build has to make. #}
{% macro is_customer_built_now(customer_id) -%}
    {{ customer_id ~ ' in (' ~ changed_customers() ~ ')' if is_incremental()
        else customer_id ~ ' is not null' }}
{%- endmacro %}

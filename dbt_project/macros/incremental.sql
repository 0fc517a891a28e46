{# Incremental models of this project replace whole months: those in audit.pending_months, which
   loading fills and publishing empties. Each such model has the month in a column `order_month`.
   A model whose months depend on earlier ones says so by `meta: {reads: earlier months}`: from the
   first pending month on it replaces all. One that says `meta: {replaces: customers}` replaces all
   rows of a customer instead, one with `adds: customers` or `adds: orders` adds what has changed:
   see changed_customers.sql and changed_orders.sql. One with `needs: customers as they were` is
   built anew where they are not. #}

{# The months to build anew, as ISO dates, oldest first. #}
{% macro pending_months(entities=['sales', 'fx_rates']) -%}
    {%- if not execute -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set months = run_query(
        "select distinct cast(month as varchar) as month from audit.pending_months where entity in ('"
        ~ entities | join("', '") ~ "') and month is not null order by month"
    ) -%}
    {{ return(months.columns[0].values() | list) }}
{%- endmacro %}


{# A condition that is true for the rows that this build has to make: all, or in an incremental
   build those of the pending months. #}
{% macro is_built_now(moment) -%}
    {{ is_pending(moment, pending_months()) if is_incremental() else '1 = 1' }}
{%- endmacro %}


{# The months are literals, and the bounds are on the moment itself, so that the scan skips
   everything outside them. #}
{% macro is_pending(moment, months) -%}
    {%- if not months -%}
        1 = 0
    {%- elif model.config.meta.reads == 'earlier months' -%}
        {{ moment }} >= cast('{{ months | first }}' as date)
    {%- else -%}
        {{ moment }} >= cast('{{ months | first }}' as date)
        and {{ moment }} < {{ days_after("cast('" ~ months | last ~ "' as date)", 31) }}
        and {{ month_of(moment) }} in ({{ month_literals(months) }})
    {%- endif -%}
{%- endmacro %}


{% macro month_literals(months) -%}
    {%- for month in months -%}
        cast('{{ month }}' as date){{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}


{# A condition that is true for the rows that an incremental build takes away before it adds. #}
{% macro is_replaced() -%}
    {%- if model.config.meta.replaces == 'customers' -%}
        customer_id in ({{ changed_customers() }})
    {%- elif model.config.meta.adds -%}
        1 = 0
    {%- else -%}
        {{ is_pending('order_month', pending_months()) }}
    {%- endif -%}
{%- endmacro %}


{# Whether a model adds to what is there. Not if its columns have changed since it was built, nor if
   nothing that it holds would be kept: then building it anew is right and costs half. #}
{% macro is_incremental() -%}
    {%- if not execute or model.config.materialized != 'incremental' or should_full_refresh() -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set existing = adapter.get_relation(this.database, holder().schema, this.table) -%}
    {%- if existing is none or existing.type != 'table' -%}
        {{ return(false) }}
    {%- endif -%}
    {%- if not has_columns(existing, held_columns()) -%}
        {{ return(false) }}
    {%- endif -%}
    {%- if is_shown() and not is_shown_whole() -%}
        {{ return(false) }}
    {%- endif -%}
    {%- if model.config.meta.replaces == 'customers' and not can_replace_customers() -%}
        {{ return(false) }}
    {%- endif -%}
    {%- if model.config.meta.adds == 'customers' and not switches_can_be_added() -%}
        {{ return(false) }}
    {%- endif -%}
    {%- if model.config.meta.adds == 'orders' and not baskets_can_be_added() -%}
        {{ return(false) }}
    {%- endif -%}
    {%- if model.config.meta.needs == 'customers as they were' and customers_have_changed() -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(keeps_rows(existing)) }}
{%- endmacro %}


{% macro has_columns(existing, names) -%}
    {%- set found = adapter.get_columns_in_relation(existing) | map(attribute='name') | list -%}
    {{ return(found | sort == names | sort) }}
{%- endmacro %}


{% macro keeps_rows(existing) -%}
    {%- set kept = run_query(
        "select 1 as kept from " ~ existing ~ " where not (" ~ is_replaced() ~ ") limit 1"
    ) -%}
    {{ return(kept | length > 0) }}
{%- endmacro %}


{# The lines that the next build of fct_sales takes away: the model built with `built` subtracts what
   came of them, and drops them. Where they are still there, or all is built anew, nothing is known
   of the lines that it was built with. #}
{% macro keep_replaced(lines, columns, condition, built) -%}
    {%- if is_incremental() and not is_in_audit(lines) -%}
    create table {{ lines }} as
    select {{ columns | join(', ') }}
    from {{ this }}
    where {{ condition }} and {{ is_replaced() }}
    {%- else -%}
    drop table if exists {{ lines }};
    drop table if exists {{ built }}
    {%- endif -%}
{%- endmacro %}


{# Asked of the database: what dbt knows of a schema may be older. #}
{% macro is_in_audit(table) -%}
    {{ return(run_query(
        "select 1 as found from information_schema.tables where table_schema = 'audit'"
        ~ " and table_catalog = current_database() and 'audit.' || table_name = '" ~ table ~ "'"
    ) | length > 0) }}
{%- endmacro %}

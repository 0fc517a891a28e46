{# DuckDB's own incremental materialization writes every row twice, first to a temporary table, and
   replaces by key. This one deletes the pending months and inserts them, in one transaction. On
   Spark the same models use insert_overwrite by partition of order_month. A model that is shown by a
   view (macros/stored.sql) is inserted into an empty table where nothing of it is kept. #}
{% materialization incremental, adapter='duckdb' -%}
    {%- set adds = is_incremental() -%}
    {%- if is_built_by_months(model) -%}
        {{ note_built_months(all=not adds) }}
    {%- endif -%}
    {%- if not adds and not is_shown() -%}
        {{ return(materialization_table_duckdb()) }}
    {%- endif -%}
    {%- set held = held_columns() -%}
    {%- set columns = held | join(', ') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if is_shown() and existing is not none and existing.type != 'view' -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('make_room') -%}
        {%- if adds -%}
        delete from {{ holder() }} where {{ is_replaced() }}
        {%- else -%}
        {{ create_shown(held) }}
        {%- endif -%}
    {%- endcall -%}
    {%- call statement('main') -%}
        insert into {{ holder() }} ({{ columns }}) select {{ columns }} from ({{ compiled_code }}) as pending
    {%- endcall -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [this.incorporate(type='view' if is_shown() else 'table')]}) }}
{%- endmaterialization %}

{# DuckDB's own incremental materialization writes every row twice, first to a temporary table, and
   replaces by key. This one deletes the pending months and inserts them, in one transaction. On
   Spark the same models use insert_overwrite by partition of order_month. #}
{% materialization incremental, adapter='duckdb' -%}
    {%- if not is_incremental() -%}
        {{ return(materialization_table_duckdb()) }}
    {%- endif -%}
    {%- set columns = model.columns.keys() | join(', ') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('delete') -%}
        delete from {{ this }} where {{ is_replaced() }}
    {%- endcall -%}
    {%- call statement('main') -%}
        insert into {{ this }} ({{ columns }}) select {{ columns }} from ({{ compiled_code }}) as pending
    {%- endcall -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [this.incorporate(type='table')]}) }}
{%- endmaterialization %}

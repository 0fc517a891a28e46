{# Tables that are built by months are tested by months: in audit.built_months a build on top of a
   version notes which months of which table it made. What is older passed the same tests when that
   version was judged. Where there is no such table (a first build, a base that was changed by hand,
   `dbt build` or `dbt test` alone) all is tested. #}

{# Whether a model replaces its pending months, and nothing else. #}
{% macro is_built_by_months(model) -%}
    {%- set meta = model.config.meta -%}
    {{ return(
        model.config.materialized == 'incremental' and not (meta.replaces or meta.adds or meta.reads)
    ) }}
{%- endmacro %}


{# Note the months that this build makes, or, with an empty month, that it makes all. #}
{% macro note_built_months(all) -%}
    {%- set months = 'null' if all else month_literals(pending_months()) -%}
    {%- if months and is_in_audit('audit.built_months') -%}
        {%- call statement() -%}
        insert into audit.built_months
        select '{{ this.schema }}.{{ this.identifier }}', unnest([{{ months }}])
        {%- endcall -%}
    {%- endif -%}
{%- endmacro %}


{# A condition that is true for the rows that have to be tested: those of the months in which any of
   some tables was built. `moment` is a column of whichever of them is read. #}
{% macro is_tested(tables, moment='order_month') -%}
    {%- if not execute or target.type != 'duckdb' -%}
        {{ return('1 = 1') }}
    {%- endif -%}
    {%- set names = [] -%}
    {%- for table in tables -%}
        {%- do require_built_by_months(table) -%}
        {%- do names.append("'" ~ table.schema ~ '.' ~ table.identifier ~ "'") -%}
    {%- endfor -%}
    {%- if not is_in_audit('audit.built_months') -%}
        {{ return('1 = 1') }}
    {%- endif -%}
    {%- set months = run_query(
        "select distinct cast(month as varchar) as month from audit.built_months"
        ~ " where table_name in (" ~ names | join(', ') ~ ") order by month"
    ).columns[0].values() | list -%}
    {{ return('1 = 1' if none in months else is_pending(moment, months)) }}
{%- endmacro %}


{# Any other table is built anew without a note, and would not be tested. #}
{% macro require_built_by_months(table) -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model'
            and node.schema == table.schema and node.alias == table.identifier -%}
        {%- if not is_built_by_months(node) -%}
            {%- do exceptions.raise_compiler_error(
                table ~ ' is not built by months alone, so that it cannot be tested by them'
            ) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

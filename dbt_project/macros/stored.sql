{# What decision 0008 says of the raw layer, for a fact: `stored.<model>` holds the columns that may
   differ between rows, and the model is a view over it that shows all. Its meta names the raw table
   (`rows_of`) and says of columns which raw one they come from (`filled_by`): where no source fills
   that, they are the same in every row, or what the view works out of others (`worked_out`). One
   that is worked out and comes from no raw one never is in the table. Spark writes all columns, as a
   table. #}

{% macro is_shown() -%}
    {{ return(target.type == 'duckdb' and 'filled_by' in model.config.meta) }}
{%- endmacro %}


{# The table that holds a model's rows. #}
{% macro holder() -%}
    {%- set relation = this.incorporate(path={'schema': 'stored'}) if is_shown() else this -%}
    {{ return(relation.include(database=false)) }}
{%- endmacro %}


{# The columns in it. #}
{% macro held_columns() -%}
    {%- if not is_shown() -%}
        {{ return(model.columns.keys() | list) }}
    {%- endif -%}
    {%- set filled = run_query(
        "select column_name from duckdb_columns() where database_name = current_database()"
        ~ " and schema_name = 'stored' and table_name = '" ~ model.config.meta.rows_of ~ "'"
    ).columns[0].values() -%}
    {%- set held = [] -%}
    {%- for column in model.columns -%}
        {%- set origin = model.config.meta.filled_by.get(column) -%}
        {%- if origin in filled or not origin and column not in model.config.meta.worked_out -%}
            {%- do held.append(column) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(held) }}
{%- endmacro %}


{# Not where the model was a table before, or where its view is of other columns. #}
{% macro is_shown_whole() -%}
    {%- set view = load_cached_relation(this) -%}
    {{ return(
        view is not none and view.type == 'view' and has_columns(view, model.columns.keys() | list)
    ) }}
{%- endmacro %}


{# Statements that make the table, empty, and the view. What is the same in every row is read from
   any of them. Columns are qualified: a table macro takes a name alone for its own parameter. #}
{% macro create_shown(held) -%}
    {%- set columns = run_query("describe " ~ compiled_code).rows -%}
    {%- set example = run_query("select * from (" ~ compiled_code ~ ") as rows limit 1").rows -%}
    create or replace table {{ holder() }} ({{ column_definitions(columns, held) }});
    create or replace view {{ this }} as
    select
        {%- for column in columns %}
        {%- set name = column.column_name %}
        {%- set constant = example[0][name] if example else none %}
        {%- if name in held %}
        held.{{ name }}{{ ',' if not loop.last }}
        {%- elif name in model.config.meta.worked_out %}
        {{ model.config.meta.worked_out[name] }} as {{ name }}{{ ',' if not loop.last }}
        {%- else %}
        cast({{ 'null' if constant is none else dbt.string_literal(constant) }} as {{ column.column_type }}) as {{ name }}{{ ',' if not loop.last }}
        {%- endif %}
        {%- endfor %}
    from {{ holder() }} as held
{%- endmacro %}


{# Columns of a query, as a table's. Those that are `uncompressed` in its meta seldom repeat a text. #}
{% macro column_definitions(columns, held) -%}
    {%- for column in columns if column.column_name in held %}
        {{ column.column_name }} {{ column.column_type }}
        {{- ' using compression uncompressed' if column.column_name in model.config.meta.uncompressed }}
        {{- ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{# Statements that make a model's table and fill it. To look for repeated texts where there are few
   takes up to half of the time of writing, so that such a table is made before it is filled. #}
{% macro create_filled(relation) -%}
    {%- set seldom_repeat = model.config.meta.uncompressed | select('in', model.columns) | list -%}
    {%- if seldom_repeat and not config.get('contract').enforced -%}
        {%- set columns = run_query('describe ' ~ compiled_code).rows -%}
    create table {{ relation }} (
        {{- column_definitions(columns, columns | map(attribute='column_name') | list) }}
    );
    insert into {{ relation }} {{ compiled_code }}
    {%- else -%}
    {{ create_table_as(False, relation, compiled_code) }}
    {%- endif -%}
{%- endmacro %}

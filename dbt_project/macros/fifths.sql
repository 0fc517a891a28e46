{# The fifth that a row is in by a total order, 1 the first, as ntile(5) tells it. ntile puts all rows
   in order and is joined back to them; here, the last row of each fifth is looked up in the few
   groups of rows that hold one, and rows are compared with these. #}

{# The last rows of the first four fifths, side by side in one row: `<column>_1` and so on. `groups`
   are expressions that many rows share, and that follow the order as far as they go. #}
{% macro ends_of_fifths(rows, order, groups) -%}
    {%- set fifths = range(1, 5) -%}
    select
        {%- for fifth in fifths %}
        {%- for column in order %}
        max(case when fifth = {{ fifth }} then {{ column }} end) as {{ column }}_{{ fifth }}
            {{- ',' if not loop.last }}
        {%- endfor %}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            grouped.*,
            ends.fifth,
            ends.place - ends.rows_before as place_in_group,
            row_number() over (
                partition by ends.fifth order by grouped.{{ order | join(', grouped.') }}
            ) as place
        from (
            select
                *,
                {%- for group in groups %}
                {{ group }} as group_{{ loop.index }}{{ ',' if not loop.last }}
                {%- endfor %}
            from {{ rows }}
        ) as grouped
        inner join (
            select
                counted.*,
                fifths.value as fifth,
                fifths.value * floor(counted.all_rows / 5) + least(fifths.value, counted.all_rows % 5)
                    as place
            from (
                select
                    {%- for group in groups %}
                    {{ group }} as group_{{ loop.index }},
                    {%- endfor %}
                    count(*) as rows_in_group,
                    sum(count(*)) over (order by {{ groups | join(', ') }}) - count(*) as rows_before,
                    sum(count(*)) over () as all_rows
                from {{ rows }}
                group by {{ groups | join(', ') }}
            ) as counted
            cross join ({{ whole_numbers(4) }}) as fifths
        ) as ends
            on
            {%- for group in groups %}
            grouped.group_{{ loop.index }} = ends.group_{{ loop.index }} and
            {%- endfor %}
            ends.place > ends.rows_before
            and ends.place <= ends.rows_before + ends.rows_in_group
    ) as placed
    where place = place_in_group
{%- endmacro %}


{% macro fifth_of(row, ends, order) -%}
    cast(
            1
            {%- for fifth in range(1, 5) %}
            + case when {{ comes_after(row, ends, order, fifth) }} then 1 else 0 end
            {%- endfor %}
            as bigint
        )
{%- endmacro %}


{% macro comes_after(row, ends, order, fifth) -%}
    {%- set column = order[0] -%}
    {{ row }}.{{ column }} > {{ ends }}.{{ column }}_{{ fifth }}
    {%- if order | length > 1 %} or (
                {{ row }}.{{ column }} = {{ ends }}.{{ column }}_{{ fifth }}
                and ({{ comes_after(row, ends, order[1:], fifth) }})
            )
    {%- endif -%}
{%- endmacro %}

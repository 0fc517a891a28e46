{#
    Two relations agree on sums, group by group, to the cent. `sums` maps an expression over the
    model to the expression over `compare_to` that it must equal, or lists expressions that both
    sides share; `group_by` does the same for the groups (none: the whole relation is one group).
    A group that only one side has is compared with nothing. Each side is read once. `by_month` names
    the month, one of the groups, of two models that are built by months: then they are compared in
    the months in which either was built.
#}
{% test sums_match(
    model, compare_to, sums, group_by=[], where='true', compare_where='true', tolerance=0.005,
    by_month=none
) %}

{%- set ours = sums.keys() | list if sums is mapping else sums %}
{%- set theirs = sums.values() | list if sums is mapping else sums %}
{%- set our_groups = group_by.keys() | list if group_by is mapping else group_by %}
{%- set their_groups = group_by.values() | list if group_by is mapping else group_by %}
{%- set tested = is_tested([model, compare_to], by_month) if by_month else 'true' %}

with

both_sides as (

    select
        {%- for group in our_groups %}
        {{ group }} as group_{{ loop.index }},
        {%- endfor %}
        {%- for amount in ours %}
        sum({{ amount }}) as model_{{ loop.index }},
        0 as compared_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
    where ({{ where }}) and {{ tested }}
    {%- if our_groups %}
    group by {{ our_groups | join(', ') }}
    {%- endif %}

    union all

    select
        {%- for group in their_groups %}
        {{ group }} as group_{{ loop.index }},
        {%- endfor %}
        {%- for amount in theirs %}
        0 as model_{{ loop.index }},
        sum({{ amount }}) as compared_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ compare_to }}
    where ({{ compare_where }}) and {{ tested }}
    {%- if their_groups %}
    group by {{ their_groups | join(', ') }}
    {%- endif %}

),

groups as (

    select
        {%- for group in our_groups %}
        group_{{ loop.index }},
        {%- endfor %}
        {%- for amount in ours %}
        coalesce(sum(model_{{ loop.index }}), 0) as model_{{ loop.index }},
        coalesce(sum(compared_{{ loop.index }}), 0) as compared_{{ loop.index }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from both_sides
    {%- if our_groups %}
    group by
        {%- for group in our_groups %}
        group_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    {%- endif %}

)

select *
from groups
where
    false
    {%- for amount in ours %}
    or abs(model_{{ loop.index }} - compared_{{ loop.index }}) > {{ tolerance }}
    {%- endfor %}

{% endtest %}

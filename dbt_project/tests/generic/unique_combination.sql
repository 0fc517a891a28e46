{#
    The columns together identify a row: fails on a repeated combination, and on a null in any of
    the columns that `nullable` does not name. One pass; on an empty table there is nothing to fail.
    `by_month` names the month, which the columns must tell, of a model that is built by months: then
    its rows are tested as they are built.
#}
{% test unique_combination(model, columns, nullable=[], by_month=none) %}

select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
{%- if by_month %}
where {{ is_tested([model], by_month) }}
{%- endif %}
group by {{ columns | join(', ') }}
having
    count(*) > 1
    {%- for column in columns if column not in nullable %}
    or {{ column }} is null
    {%- endfor %}

{% endtest %}

{#
    The columns together identify a row: fails on a repeated combination, and on a null in any of
    the columns that `nullable` does not name. One pass; on an empty table there is nothing to fail.
#}
{% test unique_combination(model, columns, nullable=[]) %}

select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
group by {{ columns | join(', ') }}
having
    count(*) > 1
    {%- for column in columns if column not in nullable %}
    or {{ column }} is null
    {%- endfor %}

{% endtest %}

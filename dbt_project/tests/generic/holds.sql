{#
    A condition over the columns of one row holds for every row; null (not known) passes. `by_month`
    names the month of a model that is built by months: then its rows are tested as they are built.
#}
{% test holds(model, condition, by_month=none) %}

select *
from {{ model }}
where
    not ({{ condition }})
    {%- if by_month %}
    and {{ is_tested([model], by_month) }}
    {%- endif %}

{% endtest %}

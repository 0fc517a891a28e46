{#
    A condition over the columns of one row holds for every row; null (not known) passes.
#}
{% test holds(model, condition) %}

select *
from {{ model }}
where not ({{ condition }})

{% endtest %}

{#
    What could not be worked out says why: the value is null exactly where the reason is given.
#}
{% test explained_null(model, value, reason) %}

select *
from {{ model }}
where ({{ value }} is null) <> ({{ reason }} is not null)

{% endtest %}

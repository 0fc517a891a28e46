{#
    Whoever is named is known: every value of the column is in the field of another table; null
    passes. As dbt's own `relationships`, for a model that is built by months: `by_month` names its
    month, and its rows are tested as they are built.
#}
{% test refers_to(model, column_name, to, field, by_month) %}

with

named as (

    select distinct {{ column_name }} as name
    from {{ model }}
    where {{ column_name }} is not null and {{ is_tested([model], by_month) }}

)

select named.name
from named
left join {{ to }} as known
    on named.name = known.{{ field }}
where known.{{ field }} is null

{% endtest %}

{#
    A model is not empty while what it is built from has rows (`source_where` narrows those rows).
    Reads at most one row of each side; two empty tables pass.
#}
{% test not_empty_when_source_has_rows(model, built_from, source_where='true') %}

with

source_row as (

    select count(*) as source_rows
    from (select 1 as one from {{ built_from }} where {{ source_where }} limit 1) as source_sample

),

model_row as (

    select count(*) as model_rows
    from (select 1 as one from {{ model }} limit 1) as model_sample

)

select
    source_row.source_rows,
    model_row.model_rows
from source_row
cross join model_row
where source_row.source_rows > 0 and model_row.model_rows = 0

{% endtest %}

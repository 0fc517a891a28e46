{#
    A total equals the sum of its parts to the cent; `minus` lists the parts that are subtracted.
    A missing part counts as nothing where `missing_is_zero`; otherwise a row whose total and at
    least one part are missing together passes, and one that misses only one of the two fails.
#}
{% test adds_up(model, total, plus, minus=[], missing_is_zero=false, tolerance=0.005) %}

{%- set parts = [] %}
{%- for part in plus %}
    {%- do parts.append('+ coalesce(' ~ part ~ ', 0)' if missing_is_zero else '+ ' ~ part) %}
{%- endfor %}
{%- for part in minus %}
    {%- do parts.append('- coalesce(' ~ part ~ ', 0)' if missing_is_zero else '- ' ~ part) %}
{%- endfor %}

with

compared as (

    select
        *,
        {{ 'coalesce(' ~ total ~ ', 0)' if missing_is_zero else total }} as total_found,
        0 {{ parts | join(' ') }} as total_expected
    from {{ model }}

)

select *
from compared
where
    abs(total_found - total_expected) > {{ tolerance }}
    or (total_found is null) <> (total_expected is null)

{% endtest %}

with

final as (

    {{ history_ends() | indent(4) }}

)

select * from final

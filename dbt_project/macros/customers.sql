{# The bases of customers' histories, and how int_customers__categories names what is of each. #}
{% macro history_days() -%}
    {{ return({'value': 'calibration', 'validation': 'before_held_out'}) }}
{%- endmacro %}


{# Within how many whole days a customer came back for a category, on average; null of one
   purchase day. A cycle of whole days stays the same from one day to the next: no customer's class
   changes because other customers have moved it by a hundredth. #}
{% macro mean_gap_days(days, categories='') -%}
    cast(ceil(
            cast(
                {{ days_between(
                    categories ~ 'first_purchase_date', categories ~ days ~ '_last_date'
                ) }} as double
            ) / nullif({{ categories }}{{ days }}_days - 1, 0)
        ) as integer)
{%- endmacro %}


{# P(alive) of BG/NBD and MBG/NBD, which have a closed form; null for any other model. The odds of
   being gone are a / (b + n - 1) * ((alpha + t) / (alpha + t_x)) ^ (r + x), where n counts the
   occasions after which the customer may have gone: the repeat ones, and the first too by MBG/NBD
   (Fader, Hardie and Lee 2005; Batislam, Denizel and Filiztekin 2007). In logarithms, for the power
   of a frequent customer is larger than a double. #}
{% macro p_alive(fits, histories) -%}
    case
            when {{ fits }}.model = 'bg_nbd' and {{ histories }}.x = 0 then 1
            when {{ fits }}.model in ('bg_nbd', 'mbg_nbd')
                then 1 / (1 + exp(
                    ln(
                        {{ fits }}.a / (
                            {{ fits }}.b + {{ histories }}.x
                            - case when {{ fits }}.model = 'bg_nbd' then 1 else 0 end
                        )
                    )
                    + ({{ fits }}.r + {{ histories }}.x) * ln(
                        ({{ fits }}.alpha + {{ histories }}.t)
                        / ({{ fits }}.alpha + {{ histories }}.t_x)
                    )
                ))
        end
{%- endmacro %}

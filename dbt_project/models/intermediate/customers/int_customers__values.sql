{#- equal customers are told apart by the other two measures, and in the end by their ids, so that
    the scores are the same in every build #}
{%- set orders = {
    'recency': ['last_date', 'occasions', 'net_amount_home', 'customer_id'],
    'frequency': ['occasions', 'last_date', 'net_amount_home', 'customer_id'],
    'monetary': ['net_amount_home', 'occasions', 'last_date', 'customer_id'],
} %}
{%- set groups = {
    'recency': ['last_date'],
    'frequency': ['occasions', 'last_date'],
    'monetary': ['floor(net_amount_home)'],
} %}

with

customers as (

    select * from {{ ref('dim_customer') }}

),

groups as (

    select * from {{ ref('int_customers__groups') }}

),

histories as (

    select
        customer_id,
        cohort,
        market,
        until_date,
        x,
        t_x,
        t,
        mean_spend_home,
        is_in_cycle
    from {{ ref('int_customers__histories') }}
    where basis = 'value'

),

scores_of_fits as (

    select * from {{ source('estimates', 'customer_scores') }}
    where basis = 'value'

),

buyers as (

    select
        customer_id,
        last_date,
        occasions,
        net_amount_home
    from {{ ref('int_customers__totals') }}
    where occasions > 0

),
{%- for score, order in orders.items() %}

{{ score }}_ends as (

    {{ ends_of_fifths('buyers', order, groups[score]) }}

),
{%- endfor %}

ranked as (

    select
        scores_of_fits.customer_id,
        row_number() over (
            order by
                scores_of_fits.discounted_home * groups.value_part desc,
                scores_of_fits.expected_occasions desc,
                scores_of_fits.customer_id asc
        ) as value_rank,
        cast(ntile(10) over (
            order by
                scores_of_fits.discounted_home * groups.value_part desc,
                scores_of_fits.expected_occasions desc,
                scores_of_fits.customer_id asc
        ) as bigint) as value_decile
    from scores_of_fits
    inner join histories
        on scores_of_fits.customer_id = histories.customer_id
    inner join groups
        on histories.market = groups.market
        and histories.cohort = groups.cohort
    where scores_of_fits.discounted_home is not null

),

final as (

    select
        ---------- keys
        customers.customer_id,
        groups.group_number,

        ---------- attributes
        customers.segment,
        customers.kind,
        customers.acquired_on,
        customers.acquired_through,
        customers.is_inferred,

        ---------- purchases
        totals.first_date,
        totals.last_date,
        coalesce(totals.occasions, 0) as occasions,
        coalesce(totals.return_lines, 0) as return_lines,
        coalesce(totals.returned_amount_home, 0) as returned_amount_home,
        coalesce(totals.units, 0) as units,
        coalesce(totals.units_returned, 0) as units_returned,
        coalesce(totals.net_amount_home, 0) as net_amount_home,
        totals.margin_home,

        ---------- scores
        {%- for score, order in orders.items() %}
        case when totals.occasions > 0 then {{ fifth_of('totals', score ~ '_ends', order) }} end
            as {{ score }}_score,
        {%- endfor %}

        ---------- history, as the models of buying see it
        histories.x,
        histories.t_x,
        histories.t,
        histories.is_in_cycle,

        ---------- what is to be expected of the customer over the horizon
        coalesce({{ p_alive('groups', 'histories') }}, scores_of_fits.p_alive) as p_alive,
        scores_of_fits.p_alive_low,
        scores_of_fits.p_alive_high,
        scores_of_fits.expected_occasions,
        scores_of_fits.expected_occasions_low,
        scores_of_fits.expected_occasions_high,
        -- Gamma-Gamma: between the mean of all customers and the customer's own
        case
            when groups.spend_is_identified and scores_of_fits.expected_occasions is not null
                then groups.p * (
                    groups.gamma
                    + case
                        when histories.mean_spend_home > 0
                            then histories.x * histories.mean_spend_home
                        else 0
                    end
                ) / (
                    groups.p * case when histories.mean_spend_home > 0 then histories.x else 0 end
                    + groups.q - 1
                )
        end as expected_spend_home,
        {%- for worth in ['expected', 'discounted'] %}
        {%- for end in ['', '_low', '_high'] %}
        scores_of_fits.{{ worth }}{{ end }}_home * groups.value_part
            as {{ worth }}{{ end }}_value_home,
        {%- endfor %}
        {%- endfor %}
        ranked.value_rank,
        ranked.value_decile,
        case
            when scores_of_fits.expected_occasions * 10 >= 1
                then {{ days_after(
                    'histories.until_date',
                    'cast(ceil(groups.horizon_weeks * 7 / scores_of_fits.expected_occasions)'
                    ~ ' as integer)'
                ) }}
        end as next_purchase_by
    from customers
    left join {{ ref('int_customers__totals') }} as totals
        on customers.customer_id = totals.customer_id
    {%- for score in orders %}
    cross join {{ score }}_ends
    {%- endfor %}
    left join histories
        on customers.customer_id = histories.customer_id
    left join scores_of_fits
        on customers.customer_id = scores_of_fits.customer_id
    left join ranked
        on customers.customer_id = ranked.customer_id
    -- no cohort's name is empty
    inner join groups
        on customers.market = groups.market
        and coalesce(histories.cohort, '') = coalesce(groups.cohort, '')

)

select * from final

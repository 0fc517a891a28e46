"""Prices and quantities of a delivery's products, each against its own in the delivery before it.

No honest change makes most products of a source several times as dear at once, or gives their
quantities the look of their prices. Compared is what is in one currency and at most a year or so
apart; in a first load the deliveries of the run stand for each other's past.
"""

from typing import TYPE_CHECKING, Any

from ingest.company import Source
from ingest.profile import NO_QUANTITY, PRICED
from ingest.sql import named_rows
from orchestration.gates.expectations import Range

if TYPE_CHECKING:
    import duckdb

# three quarters of the products are at least as far from before
_TIMES_BEFORE = 4
_SURELY_TIMES_BEFORE = 6
_ENOUGH_ITEMS = 10
# of fewer products prices may well jump by chance, but hardly as far
_TIMES_BEFORE_OF_FEW = 20
_FEW_ITEMS = 5
_ENOUGH_ROWS = 50
# a product tells where its price, or its quantity, is not about what its price was
_ENOUGH_TELLING = 20
_SOME_TELLING = 10
_SWAPPED_PCT = 50
_PERHAPS_SWAPPED_PCT = 35
_DAYS_BETWEEN = 400

_MEASURES = """
with all_deliveries as (
    select delivery_id, path, superseded_by, run_id = $run_id as is_new
    from audit.deliveries where source = $source and entity = $entity
),
items as (
    select profiles.delivery_id, item, currency, superseded_by is null as is_current,
        max(seen_at) as seen_at, sum(rows) as rows,
        sum(log_price) / sum(rows) as price, sum(log_quantity) / sum(rows) as quantity
    from audit.item_profiles as profiles
    inner join all_deliveries using (delivery_id)
    where superseded_by is null
        or superseded_by in (select delivery_id from all_deliveries where is_new)
    group by profiles.delivery_id, item, currency, superseded_by
),
beside as (
    select *, coalesce(lag(items) over of_item, lead(items) over of_item) as other
    from items
    window of_item as (partition by item, currency order by seen_at, is_current, delivery_id)
),
changes as (
    select beside.delivery_id, others.path,
        others.superseded_by is not null as is_replaced,
        beside.rows, other.rows as rows_before,
        beside.price - other.price as price,
        abs(beside.price - other.price) as price_off,
        abs(beside.quantity - other.quantity) as quantity_off,
        abs(beside.quantity - other.price) as quantity_off_price,
        abs(beside.price - other.quantity) as price_off_quantity
    from beside
    inner join all_deliveries as own using (delivery_id)
    inner join all_deliveries as others on beside.other.delivery_id = others.delivery_id
    where own.is_new and own.superseded_by is null
        and abs(date_diff('day', beside.seen_at, other.seen_at)) <= $days_between
        and (others.superseded_by is null or others.superseded_by = beside.delivery_id)
),
of_deliveries as (
    select delivery_id, mode(path) as compared_with,
        exp(median(price)) as price_against_before,
        exp(greatest(quantile_cont(price, 0.25), -quantile_cont(price, 0.75))) as times_before,
        count(*) as items_seen_before,
        least(sum(rows), sum(rows_before)) as rows_compared,
        count(*) filter (greatest(price_off, quantity_off_price) > ln(2)) as telling,
        100.0 * count(*) filter (
            price_off > greatest(ln(2), price_off_quantity)
            and quantity_off_price < least(ln(2), quantity_off)
        ) as swapped,
        -- what comes under the same name may be the correction of what was wrong
        bool_or(is_replaced) as is_replaced
    from changes group by delivery_id
),
judged as (
    select *,
        not is_replaced and times_before > case
            when items_seen_before >= $enough then $surely
            when items_seen_before >= $few or rows_compared >= $enough_rows then $times_of_few
        end as is_surely_another_price,
        not is_replaced and telling >= $telling and swapped / telling > $swapped
            as is_surely_swapped
    from of_deliveries
)
select
    all_deliveries.delivery_id, items_seen_before, compared_with, price_against_before,
    case when is_surely_another_price then times_before end as times_the_price_before,
    case when is_surely_another_price is not true
        and (items_seen_before >= $few or times_before > $times_of_few) then times_before end
        as perhaps_times_the_price_before,
    case when is_surely_swapped then swapped / telling end as swapped_pct,
    case when is_surely_swapped is not true and telling >= $some_telling
        then swapped / telling end as perhaps_swapped_pct
from all_deliveries
left join judged using (delivery_id)
where is_new
"""


def measures(
    connection: "duckdb.DuckDBPyConnection", source: Source, run_id: str
) -> dict[str, dict[str, Any]]:
    """By delivery of this run, how its products differ from before."""
    if source.entity not in PRICED:
        return {}
    cursor = connection.execute(
        _MEASURES,
        {
            "source": source.name,
            "entity": source.entity,
            "run_id": run_id,
            "days_between": _DAYS_BETWEEN,
            "enough": _ENOUGH_ITEMS,
            "surely": _SURELY_TIMES_BEFORE,
            "few": _FEW_ITEMS,
            "times_of_few": _TIMES_BEFORE_OF_FEW,
            "enough_rows": _ENOUGH_ROWS,
            "telling": _ENOUGH_TELLING,
            "some_telling": _SOME_TELLING,
            "swapped": _SWAPPED_PCT,
        },
    )
    return {row.pop("delivery_id"): row for row in named_rows(cursor)}


def ranges(source: Source) -> list[Range]:
    """What is expected of them."""
    if source.entity not in PRICED:
        return []
    dearer = (
        "no three quarters of the products {} times as dear or as cheap as in the delivery before "
        "(compared_with): is the decimal mark right in both, and are they in the same unit?"
    )
    swapped = (
        "quantities that do not look like the prices before (compared_with): are the two columns "
        "in their places?"
    )
    priced = "{path} has {price_against_before:.3g} times the prices of {compared_with}"
    placed = (
        " % of the products of {path} have the quantity that was their price in {compared_with}"
    )
    surely, perhaps = dearer.format(_SURELY_TIMES_BEFORE), dearer.format(_TIMES_BEFORE)
    prices = [
        Range("times_the_price_before", None, _SURELY_TIMES_BEFORE, surely, told=priced),
        Range("perhaps_times_the_price_before", None, _TIMES_BEFORE, perhaps, "warn", told=priced),
    ]
    quantities = [
        Range("swapped_pct", None, _SWAPPED_PCT, swapped, told="{swapped_pct:.0f}" + placed),
        Range(
            "perhaps_swapped_pct", None, _PERHAPS_SWAPPED_PCT, swapped, "warn",
            told="{perhaps_swapped_pct:.0f}" + placed,
        ),
    ]  # fmt: skip
    return prices if NO_QUANTITY in PRICED[source.entity] else prices + quantities

"""What must be true of a run's deliveries, judged on what was measured while they were loaded.

One frame a source, one row a delivery. `usual` is the median of the source's own earlier
deliveries, of money the extreme of them; with fewer than five nothing is usual yet. Bounds
against the usual are wide: they are there for the truncated file and the decimal point in the
wrong place, and a quiet day or a correction of three lines must pass.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ingest.company import Company, Source
from ingest.profile import BROKEN_TEXT
from ingest.specification import ENTITIES
from ingest.sql import named_rows, quoted
from ingest.stage import DUPLICATE_RULE, PERIODS
from orchestration.gates import items
from orchestration.gates.expectations import Frame, Range

if TYPE_CHECKING:
    import duckdb

_ENOUGH_HISTORY = 5
_TIMES_THE_USUAL = 100
# of the values of a column that is filled in half of the rows or more, nearly none are left
_VALUES_GONE_PCT = 90
_HALF_PCT = 50
# one of two values may well be missing, as where nothing was returned
_YES_OR_NO = 2
# how many orders or lines there were says of none that it is missing
_COUNTERS = ["order_id", "line_id"]
# shares of a handful of rows say nothing
_ROWS_WITH_SHARES = 50
# the earliest end of a day is only known after some weeks of them
_ENOUGH_DAYS = 20
_HOURS_EARLY = 1
# of the rows that the same file had before
_LEAST_PART = 0.75
_DAY = 86400
_ENDED_EARLY = Range(
    "hours_ended_early", None, _HOURS_EARLY,
    "a last row at the hour at which every day so far had some: is the file whole?", "warn",
    told="{path} ends {hours_ended_early:.1f} hours before any day so far: is it whole?",
)  # fmt: skip
_LARGEST = 1e15

_MEASURES = """
with all_deliveries as (
    select * from audit.deliveries where source = $source and entity = $entity
),
delivered as (
    select * from all_deliveries where run_id = $run_id
),
-- lines that the source asks to have set aside are no fault of the delivery
repeated as (
    select delivery_id, count(*) as rows from quarantine.rows
    where rule = $duplicate and delivery_id in (select delivery_id from delivered)
    group by delivery_id
),
profiles as (
    select profile.*, profile.delivery_id in (select delivery_id from delivered) as is_new
    from audit.delivery_profiles as profile
    where profile.source = $source and profile.entity = $entity
),
usual as (
    select count(*) as deliveries, median(rows_delivered) as rows_delivered,
        min(rows_delivered) as fewest_rows,
        max(abs(amount_delivered) / rows_delivered)
            filter (rows_delivered >= $with_shares) as amount_per_row
    from all_deliveries
    where rows_delivered > 0 and delivery_id not in (select delivery_id from delivered)
),
usual_values as (
    select column_name, median(value) filter (metric = 'null_pct') as null_pct,
        case when count(distinct value) filter (metric = 'distinct_count') = 1
            and min(value) filter (metric = 'distinct_count') > $yes_or_no
            and count(*) filter (metric = 'distinct_count') >= $enough
            and column_name not in (select unnest($counters))
            then max(value) filter (metric = 'distinct_count') end as distinct_values
    from profiles where not is_new group by column_name
),
replaced as (
    select superseded_by as delivery_id, arg_max(rows_delivered, fetched_at) as rows_delivered
    from all_deliveries where superseded_by is not null group by superseded_by
),
-- of those that hold one day each
ends as (
    select delivery_id, is_new, max(value) filter (metric = 'max') as ends_at
    from profiles where column_name = $period group by delivery_id, is_new
    having floor(min(value) filter (metric = 'min') / $day)
        = floor(max(value) filter (metric = 'max') / $day)
),
usual_end as (
    select min(ends_at % $day) as earliest, count(*) as days from ends where not is_new
),
of_columns as (
    select profiles.delivery_id,
        max(value) filter (metric = 'null_pct' and column_name in (select unnest($required)))
            as null_pct_of_required,
        min(value) filter (metric = 'distinct_count' and column_name in (select unnest($required)))
            as distinct_values_of_required,
        max(100 * (value - null_pct) / (100 - null_pct))
            filter (metric = 'null_pct' and null_pct <= $half) as values_gone_pct,
        arg_max(column_name, (value - null_pct) / (100 - null_pct))
            filter (metric = 'null_pct' and null_pct <= $half) as column_with_most_values_gone,
        max(distinct_values - value) filter (metric = 'distinct_count') as steady_values_missing,
        arg_max(column_name, distinct_values - value) filter (metric = 'distinct_count')
            as column_with_steady_values,
        max(value) filter (metric = 'broken_texts') as broken_texts,
        arg_max(column_name, value) filter (metric = 'broken_texts') as column_with_broken_texts,
        min(value) filter (metric = 'min' and column_name in (select unnest($not_negative)))
            as lowest_not_negative,
        max(abs(value)) filter (
            metric in ('min', 'max') and column_name in (select unnest($amounts))
        ) as largest_amount
    from profiles
    left join usual_values using (column_name)
    where is_new
    group by profiles.delivery_id
)
select
    delivered.delivery_id,
    delivered.path,
    delivered.rows_delivered,
    case when usual.deliveries >= $enough then delivered.rows_delivered / usual.rows_delivered end
        as rows_against_usual,
    100.0 * (delivered.rows_quarantined - coalesce(repeated.rows, 0))
        / nullif(delivered.rows_delivered, 0) as rejected_pct,
    delivered.amount_delivered,
    case when usual.deliveries >= $enough and delivered.rows_delivered >= $with_shares
        then abs(delivered.amount_delivered) / delivered.rows_delivered
            / nullif(usual.amount_per_row, 0) end as amount_per_row_against_usual,
    of_columns.null_pct_of_required,
    case when delivered.rows_loaded > 0 then of_columns.distinct_values_of_required end
        as distinct_values_of_required,
    case when usual.deliveries >= $enough and delivered.rows_delivered >= $with_shares
        then of_columns.values_gone_pct end as values_gone_pct,
    of_columns.column_with_most_values_gone,
    case when usual.deliveries >= $enough
        then delivered.rows_delivered / usual.fewest_rows end as rows_against_fewest,
    delivered.rows_delivered / nullif(replaced.rows_delivered, 0) as rows_against_replaced,
    case when usual_end.days >= $enough_days and delivered.rows_delivered >= $with_shares
        then (usual_end.earliest - ends.ends_at % $day) / 3600 end as hours_ended_early,
    of_columns.broken_texts,
    of_columns.column_with_broken_texts,
    case when delivered.rows_delivered >= $with_shares
        then of_columns.steady_values_missing end as steady_values_missing,
    of_columns.column_with_steady_values,
    of_columns.lowest_not_negative,
    of_columns.largest_amount
from delivered
cross join usual
cross join usual_end
left join of_columns using (delivery_id)
left join repeated using (delivery_id)
left join replaced using (delivery_id)
left join ends using (delivery_id)
order by delivered.delivery_id
"""
# yen stand beside pounds in the files of one source: what is in a currency of its own is compared
# with nothing
_IN_NEW_CURRENCY = """
select distinct _delivery_id
from raw.{entity}
where _delivery_id in (select unnest($judged)) and currency not in (
    select currency from raw.{entity}
    where currency is not null and _delivery_id in (
        select delivery_id from audit.deliveries
        where source = $source and delivery_id not in (select unnest($judged))
    )
)
"""
_BROKEN_TEXT = """
select regexp_extract({column}, $pattern)
from raw.{entity} where _delivery_id = $delivery_id and regexp_matches({column}, $broken) limit 1
"""
_MISSING_VALUE = """
select min({column}) from raw.{entity}
where _delivery_id in (select delivery_id from audit.deliveries where source = $source)
    and {column} not in (
        select {column} from raw.{entity}
        where _delivery_id = $delivery_id and {column} is not null
    )
"""
_LATE = """
select epoch(now()::timestamp - max(fetched_at)) / epoch(cast($every as interval)) as intervals_late
from audit.deliveries where source = $source
"""


def frames(connection: "duckdb.DuckDBPyConnection", company: Company, run_id: str) -> list[Frame]:
    """One frame for each source that this run loaded deliveries of, then one for late sources."""
    found = [_frame(connection, source, run_id) for source in company.sources]
    return [frame for frame in found if frame.rows] + freshness(connection, company)


def _frame(connection: "duckdb.DuckDBPyConnection", source: Source, run_id: str) -> Frame:
    columns = ENTITIES[source.entity].columns
    rows = _rows(
        connection,
        _MEASURES,
        {
            "source": source.name,
            "entity": source.entity,
            "run_id": run_id,
            "required": [column.name for column in columns if column.required],
            "not_negative": [column.name for column in columns if _is_price(column.name)],
            "duplicate": DUPLICATE_RULE,
            "half": _HALF_PCT,
            "yes_or_no": _YES_OR_NO,
            "counters": _COUNTERS,
            "amounts": [column.name for column in columns if column.is_amount],
            "enough": _ENOUGH_HISTORY,
            "with_shares": _ROWS_WITH_SHARES,
            "enough_days": _ENOUGH_DAYS,
            "period": _period(source),
            "day": _DAY,
        },
    )
    if any((row["amount_per_row_against_usual"] or 0) > _TIMES_THE_USUAL for row in rows):
        _spare_new_currencies(connection, source, rows)
    compared = items.measures(connection, source, run_id) if rows else {}
    rows = [
        row
        | _broken_text(connection, source, row)
        | _missing_value(connection, source, row)
        | compared.get(row["delivery_id"], {})
        for row in rows
    ]
    return Frame(
        f"delivery.{source.name}", f"raw.{source.entity}", "delivery_id", rows, _ranges(source)
    )


def _period(source: Source) -> str | None:
    """The time by which a source cuts its files; None where it sends no whole periods."""
    period = PERIODS.get(source.entity)
    if period is None or source.kind != "file" or source.replaces:
        return None
    return period if ENTITIES[source.entity].column(period).type == "TIMESTAMP" else None


def _spare_new_currencies(
    connection: "duckdb.DuckDBPyConnection", source: Source, rows: Sequence[dict[str, Any]]
) -> None:
    """Compare no amount of those rows whose currency no other delivery of the source has."""
    found = connection.execute(
        _IN_NEW_CURRENCY.format(entity=source.entity),
        {"source": source.name, "judged": [row["delivery_id"] for row in rows]},
    ).fetchall()
    for row in rows:
        if (row["delivery_id"],) in found:
            row["amount_per_row_against_usual"] = None


def _broken_text(
    connection: "duckdb.DuckDBPyConnection", source: Source, row: Mapping[str, Any]
) -> dict[str, str | None]:
    """One of the broken texts that a delivery was measured to hold, where it names no person."""
    name = row["column_with_broken_texts"]
    if name is None or ENTITIES[source.entity].column(name).personal:
        return {"broken_text": None}
    found = connection.execute(
        _BROKEN_TEXT.format(entity=source.entity, column=quoted(name)),
        {
            "delivery_id": row["delivery_id"],
            "broken": BROKEN_TEXT,
            "pattern": rf"\S{{0,20}}(?:{BROKEN_TEXT})\S{{0,20}}",
        },
    ).fetchone()
    return {"broken_text": found[0] if found else None}


def _missing_value(
    connection: "duckdb.DuckDBPyConnection", source: Source, row: Mapping[str, Any]
) -> dict[str, str]:
    """One of the values that earlier deliveries had and this one lacks, if it names no person."""
    name = row["column_with_steady_values"]
    is_missing = (row["steady_values_missing"] or 0) > 0
    if not is_missing or ENTITIES[source.entity].column(name).personal:
        return {"missing_value": ""}
    found = connection.execute(
        _MISSING_VALUE.format(entity=source.entity, column=quoted(name)),
        {"source": source.name, "delivery_id": row["delivery_id"]},
    ).fetchone()
    return {"missing_value": f", such as {found[0]!r}" if found and found[0] else ""}


def _is_price(column: str) -> bool:
    # a unit price may be negative on an adjustment: that is a rule of rows
    return "price" in column and column != "unit_price"


def _ranges(source: Source) -> list[Range]:
    usual = _TIMES_THE_USUAL
    limit = source.quarantine_limit_pct
    # what replaces single orders may be as small as one of them
    fewest = None if source.replaces else 1 / usual
    return [
        Range("rows_delivered", 1, None, "rows at all", "warn", told="{path} holds no rows"),
        Range("rows_against_usual", fewest, usual, f"rows within {usual} times the usual"),
        Range("rejected_pct", 0, limit, f"at most {limit:g} % of the rows set aside"),
        Range("amount_delivered", -_LARGEST, _LARGEST, "a total within reason"),
        Range(
            "amount_per_row_against_usual", None, usual,
            f"an amount a row of at most {usual} times the usual: is the decimal mark right?",
        ),
        Range("null_pct_of_required", 0, 0, "no null in a required column"),
        Range("distinct_values_of_required", 1, None, "a value in every required column"),
        Range(
            "values_gone_pct", None, _VALUES_GONE_PCT,
            f"no column without {_VALUES_GONE_PCT} % of the values that it usually holds",
        ),
        Range(
            "rows_against_fewest", 0 if source.replaces else 0.5, None,
            "half as many rows as the smallest delivery so far: is the file whole?", "warn",
            told="{path} has {rows_against_fewest:.0%} of the rows of the smallest delivery so "
            "far: is it whole?",
        ),
        Range(
            "steady_values_missing", None, 0,
            "as many markets, outlets and the like as every delivery so far: is one missing?",
            "warn",
            told="{path} has {steady_values_missing:.0f} fewer values of "
            "{column_with_steady_values} than every delivery so far{missing_value}",
        ),
        Range(
            "rows_against_replaced", _LEAST_PART, None,
            f"at least {_LEAST_PART:.0%} of the rows that the same file had: is it whole?", "warn",
            told="{path} has {rows_against_replaced:.0%} of the rows that it had before: "
            "is it whole?",
        ),
        *([_ENDED_EARLY] if _period(source) else []),
        Range(
            "broken_texts", None, 0,
            "no text that was read or written in a wrong encoding (GrÃ¶ÃŸe) or has lost letters "
            "(\N{REPLACEMENT CHARACTER})", "warn",
            told="{path}: texts of {column_with_broken_texts} in a wrong encoding, or with letters "
            "lost: {broken_texts:.0f}; is `encoding` right?",
        ),
        *items.ranges(source),
        Range("lowest_not_negative", 0, None, "no negative price"),
        Range("largest_amount", 0, _LARGEST, "amounts within reason"),
    ]  # fmt: skip


def freshness(connection: "duckdb.DuckDBPyConnection", company: Company) -> list[Frame]:
    """How late each source is that says when to expect it; a late one warns, and stops nothing.

    What was delivered is no less true for the rest being late.
    """
    rows = [
        {"source": source.name, **row}
        for source in company.sources
        if source.expect_every
        for row in _rows(connection, _LATE, {"source": source.name, "every": source.expect_every})
    ]
    late = Range(
        "intervals_late", None, 1, "a delivery within `expect_every`", "warn",
        told="the last delivery of {source} is {intervals_late:.1f} times `expect_every` ago",
    )  # fmt: skip
    return [Frame("freshness", "audit.deliveries", "source", rows, [late])] if rows else []


def _rows(
    connection: "duckdb.DuckDBPyConnection", sql: str, values: dict[str, Any]
) -> list[dict[str, Any]]:
    cursor = connection.execute(sql, values)
    return named_rows(cursor)

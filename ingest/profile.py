"""What a delivery looks like, column by column: for the checks on its history.

Metrics of `audit.delivery_profiles`: null_pct (0-100), distinct_count (approximate, within some
two per cent), and of numbers, dates (days since 1970) and timestamps (seconds since 1970) min and
max; of numbers sum; of free texts broken_texts, where there are any. The rows that were loaded
count; those set aside are counted beside them.
"""

import duckdb

from ingest.company import Source
from ingest.readers import PART
from ingest.specification import Column
from ingest.sql import literal, quoted
from ingest.stage import PERIODS, Stage

_NUMBERS = ("DECIMAL", "DOUBLE", "BIGINT")
NO_QUANTITY = "cast(null as double)"
# an entity's priced things: what a row is about, what one costs, and how many they are
PRICED = {
    "sales": (
        "case when {line_kind} = 'product' then {product_id} end", "{unit_price}", "{quantity}",
    ),
    "products": ("{product_id}", "{list_price}", NO_QUANTITY),
    "competitor_prices": (
        "{competitor} || ' ' || {market} || ' ' "
        "|| coalesce({url}, {gtin}, {mpn}, {product_id}, {title})",
        "{price}",
        NO_QUANTITY,
    ),
}  # fmt: skip
_ROWS_OF_ITEMS = 250_000
_METRICS = ("null_pct", "distinct_count", "min", "max", "sum", "broken_texts")
# the second byte of a letter in UTF-8 as Latin-1 and Windows-1252 show it, but for spaces, quotes
# and dashes, which may well stand after a capital
_SECOND = (
    r"[\x{80}-\x{9f}\x{a1}-\x{ba}\x{bc}-\x{bf}\x{20ac}\x{201a}\x{192}\x{201e}\x{2020}-\x{2022}"
    r"\x{2c6}\x{2030}\x{160}\x{2039}\x{152}\x{17d}\x{2dc}\x{161}\x{203a}\x{153}\x{17e}\x{178}]"
)
BROKEN_TEXT = (
    rf"[ÂÃÄÅ]{_SECOND}|â[\x{{20ac}}\x{{201a}}\x{{201e}}\x{{80}}-\x{{84}}]"
    rf"|(?:[ÎÏÐÑØÙ]{_SECOND}){{2}}|\x{{fffd}}"
)
"""A regular expression for UTF-8 that was read in a single-byte encoding, and for lost letters."""


def write(connection: duckdb.DuckDBPyConnection, source: Source, stage: Stage) -> None:
    """Measure the mapped columns of a stage in one aggregation, a set a delivery.

    Where the parts of a delivery are in several stages, the first stage's are replaced by none:
    each stage adds its own rows, and readers take the sum or the extreme of them.

    Args:
        connection: The candidate.
        source: The source.
        stage: The stage.
    """
    if not stage.staged or not any(rows.read for rows in stage.rows):
        return
    aggregates = ", ".join(
        f"{_aggregate(metric, stage.entity.column(name))} as {quoted(f'{name}|{metric}')}"
        for name in stage.staged
        for metric in _METRICS
    )
    number, names = _numbered(stage)
    connection.execute(
        f"""
        insert into audit.delivery_profiles
        with measured as (
            select {number} as number, {aggregates}
            from {stage.table} as staged where staged._rule is null group by all
        )
        select
            delivery_id, {literal(source.name)}, {literal(source.entity)},
            split_part(item, '|', 1), split_part(item, '|', 2), value
        from (unpivot measured on columns(* exclude number) into name item value value)
        inner join {names} using (number)
        where isfinite(value)
        """
    )


def write_items(connection: duckdb.DuckDBPyConnection, source: Source, stage: Stage) -> None:
    """Note prices and quantities of each product of a delivery, which a later one is compared with.

    They are sums of logarithms, so that no outlier rules a mean. Of a large stage only each second,
    third or later row counts.

    Args:
        connection: The candidate.
        source: The source.
        stage: The stage.
    """
    if source.entity not in PRICED or not any(rows.read for rows in stage.rows):
        return
    columns = {name: stage.column_sql(name) for name in stage.entity.column_names}
    item, price, quantity = (each.format_map(columns) for each in PRICED[source.entity])
    seen_at = columns.get(PERIODS.get(source.entity, ""), "deliveries.fetched_at")
    number, names = _numbered(stage)
    every = 1 + sum(rows.read for rows in stage.rows) // _ROWS_OF_ITEMS
    connection.execute(
        f"""
        insert into audit.item_profiles
        select
            delivery_id, {literal(source.name)}, {literal(source.entity)}, {item} as item,
            {columns["currency"]}, max({seen_at}), count(*), sum(ln({price})),
            sum(ln(abs({quantity})))
        from {stage.table} as staged
        inner join {names} on {number} = deliveries.number
        where staged._rule is null and staged.rowid % {every} = 0
            and item is not null and {price} > 0 and {quantity} is distinct from 0
        group by all
        """
    )


def keep_latest_items(connection: duckdb.DuckDBPyConnection, source: Source, run_id: str) -> None:
    """Forget what a source's products cost before this run, but for the last time of each."""
    if source.entity not in PRICED:
        return
    connection.execute(
        f"""
        with before as (
            select
                items.rowid as row, items.item, items.currency, items.seen_at, items.delivery_id,
                deliveries.superseded_by
            from audit.item_profiles as items
            inner join audit.deliveries as deliveries using (delivery_id)
            where items.source = {literal(source.name)} and deliveries.run_id <> {literal(run_id)}
        )
        delete from audit.item_profiles
        where rowid in (select row from before) and rowid not in (
            select arg_max(row, (seen_at, delivery_id))
            from before where superseded_by is null group by item, currency
        )
        """
    )


def _numbered(stage: Stage) -> tuple[str, str]:
    """SQL of the number of a row's delivery, and of a table that gives the delivery by it."""
    deliveries: dict[str, int] = {}
    numbers = [
        deliveries.setdefault(part.delivery.delivery_id, number)
        for number, part in enumerate(stage.group.parts)
    ]
    # where each part is a delivery, its number is what costs least to group by
    number = f"staged.{PART}"
    if len(deliveries) < len(numbers):
        number = f"{literal(numbers)}[cast({number} as bigint) + 1]"
    names = ", ".join(
        f"({first}, {literal(name)}, {literal(stage.group.parts[first].delivery.fetched_at)})"
        for name, first in deliveries.items()
    )
    return number, f"(values {names}) as deliveries(number, delivery_id, fetched_at)"


def _aggregate(metric: str, described: Column) -> str:
    column, kind = quoted(described.name), described.type
    if metric == "null_pct":
        return f"cast(100.0 * (count(*) - count({column})) / nullif(count(*), 0) as double)"
    if metric == "distinct_count":
        is_text = kind in ("VARCHAR", "BOOLEAN")
        return f"cast({f'approx_count_distinct({column})' if is_text else 'null'} as double)"
    if metric == "broken_texts":
        return f"cast({_broken(described)} as double)"
    is_number = kind.startswith(_NUMBERS)
    if metric == "sum":
        return f"cast(sum({column}) as double)" if is_number else "cast(null as double)"
    extreme = f"{metric}({column})"
    if is_number:
        return f"cast({extreme} as double)"
    if kind in ("DATE", "TIMESTAMP"):
        per_unit = 86400 if kind == "DATE" else 1
        return f"cast(epoch({extreme}) / {per_unit} as double)"
    return "cast(null as double)"


def _broken(described: Column) -> str:
    """How many texts are broken; null where none is. Only those beyond ASCII are looked into."""
    if described.type != "VARCHAR" or described.accepted or described.codes:
        return "null"
    text = quoted(described.name)
    matches = f"cast(regexp_matches({text}, {literal(BROKEN_TEXT)}) as integer)"
    return f"nullif(sum(case when strlen({text}) <> length({text}) then {matches} end), 0)"

"""What a delivery looks like, column by column: for the checks on its history.

Metrics of `audit.delivery_profiles`: null_pct (0-100), distinct_count (approximate, within some
two per cent), and of numbers, dates (days since 1970) and timestamps (seconds since 1970) min and
max; of numbers sum. The rows that were loaded count; those set aside are counted beside them.
"""

import duckdb

from ingest.company import Source
from ingest.readers import PART
from ingest.sql import literal, quoted
from ingest.stage import Stage

_NUMBERS = ("DECIMAL", "DOUBLE", "BIGINT")
_METRICS = ("null_pct", "distinct_count", "min", "max", "sum")


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
        f"{_aggregate(metric, name, kind)} as {quoted(f'{name}|{metric}')}"
        for name, kind in ((name, stage.entity.column(name).type) for name in stage.staged)
        for metric in _METRICS
    )
    deliveries: dict[str, int] = {}
    numbers = [
        deliveries.setdefault(part.delivery.delivery_id, number)
        for number, part in enumerate(stage.group.parts)
    ]
    # where each part is a delivery, its number is what costs least to group by
    number = f"staged.{PART}"
    if len(deliveries) < len(numbers):
        number = f"{literal(numbers)}[cast({number} as bigint) + 1]"
    names = ", ".join(f"({first}, {literal(name)})" for name, first in deliveries.items())
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
        inner join (values {names}) as deliveries(number, delivery_id) using (number)
        where isfinite(value)
        """
    )


def _aggregate(metric: str, name: str, kind: str) -> str:
    column = quoted(name)
    if metric == "null_pct":
        return f"cast(100.0 * (count(*) - count({column})) / nullif(count(*), 0) as double)"
    if metric == "distinct_count":
        is_text = kind in ("VARCHAR", "BOOLEAN")
        return f"cast({f'approx_count_distinct({column})' if is_text else 'null'} as double)"
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

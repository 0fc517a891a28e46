"""What is in quarantine: rows that broke a rule, and rows whose currency has no rate.

Read from a published version; both kinds have the same columns.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb

from ingest.company import Company
from ingest.home import Home
from ingest.sql import named_rows
from orchestration import versions
from orchestration.candidate import connect_read_only

_TABLES = ("quarantine.rows", "quarantine.without_rate")


@dataclass(frozen=True)
class Group:
    """Rows that broke one rule; `reason` is that of one of them, out of so many `reasons`.

    `amount` is what the lines of sales among them come to in `currency`; None where not readable.
    """

    source: str
    entity: str
    rule: str
    reason: str
    reasons: int
    rows: int
    amount: Decimal | None
    currency: str | None


def groups(connection: duckdb.DuckDBPyConnection) -> list[Group]:
    """Return how many rows are set aside, by source, rule and currency; the most first."""
    rows = connection.execute(
        f"""
        select
            source, entity, rule, min(reason), count(distinct reason), count(*),
            sum(amount_local), currency
        from ({_all(connection)})
        group by source, entity, rule, currency
        order by count(*) desc, source, rule, currency
        """
    ).fetchall()
    return [Group(*row) for row in rows]


def count(home: Home) -> int:
    """Return how many rows are set aside in the current version; 0 where nothing is published."""
    if versions.current_version(home) is None:
        return 0
    with closing(connect_read_only(versions.resolve(home))) as connection:
        return sum(group.rows for group in groups(connection))


def waiting_for_rates(connection: duckdb.DuckDBPyConnection, company: Company) -> list[str]:
    """Return sentences on sources of sales of which too many rows have no exchange rate."""
    found = connection.execute(
        f"""
        with loaded as (
            select source, sum(rows_loaded) as rows from audit.deliveries
            where superseded_by is null group by source
        )
        select
            source, sum(waiting.rows), any_value(loaded.rows),
            string_agg(waiting.currency, ', ' order by waiting.rows desc)
        from (
            select source, coalesce(currency, 'no currency') as currency, count(*) as rows
            from ({_all(connection)})
            where entity = 'sales' and rule = 'without_rate' group by all
        ) as waiting
        inner join loaded using (source)
        group by source order by source
        """
    ).fetchall()
    limits = {source.name: source.quarantine_limit_pct for source in company.sources}
    return [
        f"{source}: {waiting:,} of {loaded:,} rows of sales ({100 * waiting / loaded:.1f} %) count "
        f"in no figure, for their days have no exchange rate ({currencies}): deliver rates of "
        "fx_rates for them; `tradewind quarantine list` shows which"
        for source, waiting, loaded, currencies in found
        if 100 * waiting > limits.get(source, 0) * loaded
    ]


def rows(
    connection: duckdb.DuckDBPyConnection,
    source: str | None = None,
    rule: str | None = None,
    limit: int | None = 20,
) -> list[dict[str, Any]]:
    """Return rows set aside as they were received, with their place and what was wrong."""
    conditions = [("source = ?", source), ("rule = ?", rule)]
    chosen = [(text, value) for text, value in conditions if value is not None]
    condition = " and ".join(text for text, _ in chosen) or "true"
    cursor = connection.execute(
        f"""
        select rows.*, deliveries.path
        from ({_all(connection)}) as rows
        left join audit.deliveries as deliveries on rows.delivery_id = deliveries.delivery_id
        where {condition.replace("source", "rows.source")}
        order by rows.source, deliveries.path, rows.row_number
        limit {"null" if limit is None else limit}
        """,
        [value for _, value in chosen],
    )
    return named_rows(cursor)


def _all(connection: duckdb.DuckDBPyConnection) -> str:
    """Return a query for the rows of both tables that count; a version may lack the second."""
    found = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_schema = 'quarantine'"
    ).fetchall()
    present: Sequence[str] = [name for name in _TABLES if (name,) in found]
    both = " union all by name ".join(f"select * from {name}" for name in present)
    return (
        f"select * from ({both}) where delivery_id not in "
        "(select delivery_id from audit.deliveries where superseded_by is not null)"
    )

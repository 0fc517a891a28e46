"""Rows that were set aside: what they are, and how they get another chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb

from ingest.company import Company
from ingest.home import Home
from ingest.landing import Progress
from ingest.load import LoadResult, load_source
from ingest.sql import literal

_SUPERSEDED = "select delivery_id from audit.deliveries where superseded_by is not null"


@dataclass(frozen=True)
class Group:
    """Quarantined rows of one source that broke the same rule.

    Attributes:
        source: The source.
        entity: The entity that they were to fill.
        rule: The rule.
        rows: How many.
        deliveries: Over how many deliveries.
        amount_local: What they add up to, by currency; only of readable sales lines.
        reason: Why, of one of them.
        first_landed_at: When the first of them was fetched, UTC.
        last_landed_at: When the last of them was fetched, UTC.
    """

    source: str
    entity: str
    rule: str
    rows: int
    deliveries: int
    amount_local: dict[str, Decimal]
    reason: str
    first_landed_at: datetime
    last_landed_at: datetime


def list_groups(connection: duckdb.DuckDBPyConnection) -> list[Group]:
    """Quarantined rows of the deliveries that count, by source and rule, the most first."""
    rows = connection.execute(
        f"""
        with amounts as (
            select source, entity, rule, currency, sum(amount_local) as amount
            from quarantine.rows
            where delivery_id not in ({_SUPERSEDED}) and amount_local is not null
            group by source, entity, rule, currency
        ),
        by_rule as (
            select
                source, entity, rule,
                map(list(coalesce(currency, '')), list(amount)) as amounts
            from amounts group by source, entity, rule
        )
        select
            source, entity, rule, count(*), count(distinct delivery_id),
            any_value(by_rule.amounts), min(reason), min(landed_at), max(landed_at)
        from quarantine.rows
        left join by_rule using (source, entity, rule)
        where delivery_id not in ({_SUPERSEDED})
        group by source, entity, rule
        order by count(*) desc, source, rule
        """
    ).fetchall()
    return [
        Group(
            source=row[0],
            entity=row[1],
            rule=row[2],
            rows=row[3],
            deliveries=row[4],
            amount_local=dict(row[5] or {}),
            reason=row[6],
            first_landed_at=row[7],
            last_landed_at=row[8],
        )
        for row in rows
    ]


def show(
    connection: duckdb.DuckDBPyConnection,
    source: str | None = None,
    rule: str | None = None,
    delivery_id: str | None = None,
    limit: int = 20,
) -> list[dict[str, Any]]:
    """Quarantined rows with all that is known of them, in the order of their files.

    Args:
        connection: The warehouse.
        source: Only of this source.
        rule: Only those that broke this rule.
        delivery_id: Only of this delivery.
        limit: How many at most.
    """
    wanted = {"source": source, "rule": rule, "delivery_id": delivery_id}
    conditions = "".join(
        f" and rows.{name} = {literal(value)}"
        for name, value in wanted.items()
        if value is not None
    )
    cursor = connection.execute(
        f"""
        select rows.*, deliveries.path
        from quarantine.rows as rows
        left join audit.deliveries as deliveries using (delivery_id, source, entity)
        where deliveries.superseded_by is null{conditions}
        order by rows.source, deliveries.path, rows.row_number
        limit {int(limit)}
        """
    )
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def replay(
    connection: duckdb.DuckDBPyConnection,
    company: Company,
    home: Home,
    run_id: str,
    source: str | None = None,
    progress: Progress | None = None,
) -> list[LoadResult]:
    """Load the deliveries anew that have quarantined rows, with the mapping as it is now.

    The result is that of a clean load: a delivery is removed and loaded whole.

    Args:
        connection: The candidate, after `prepare`.
        company: The company, as mended.
        home: Where the deliveries were landed.
        run_id: The run.
        source: Only of this source.
        progress: As of `load_source`.

    Raises:
        DeliveryRefused: A delivery cannot be taken; nothing of its source was changed.
    """
    names = _sources_with_rows(connection, company, source)
    connection.execute(
        "update audit.deliveries set mapping_sha256 = null "
        f"where superseded_by is null and source in (select unnest({literal(names)}::varchar[])) "
        "and delivery_id in (select delivery_id from quarantine.rows)"
    )
    return [
        load_source(connection, company.source(name), company, home, run_id, progress)
        for name in names
    ]


def _sources_with_rows(
    connection: duckdb.DuckDBPyConnection, company: Company, only: str | None
) -> Sequence[str]:
    rows = connection.execute("select distinct source from quarantine.rows").fetchall()
    held = {str(row[0]) for row in rows}
    return [s.name for s in company.sources if s.name in held and only in (None, s.name)]

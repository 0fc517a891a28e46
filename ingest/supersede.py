"""Which rows of a source still count: a later delivery takes the place of an earlier one.

A newer content at the same path takes the place of the older one whole. Where a source `replaces`
by some columns, or its entity has a natural key, the rows with the same key in the last delivery
count, and those of all others are marked with it. What is last is a matter of names, not of when
something was landed, so that the order of landing makes no difference.

Where a source `replaces`, rows in quarantine replace too: a delivery that sends an order again has
withdrawn the earlier one, also when no line of the new one can be taken yet.
"""

from collections.abc import Sequence

import duckdb

from ingest import pending_months, raw_tables
from ingest.company import Source
from ingest.landing import Delivery, natural_key
from ingest.specification import ENTITIES
from ingest.sql import literal, quoted


def replaced_columns(source: Source) -> tuple[str, ...]:
    """The canonical columns by which a later delivery replaces rows of an earlier one."""
    return source.replaces_columns or ENTITIES[source.entity].key


def ranked(source: Source, deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Deliveries of a source from first to last."""

    def key(delivery: Delivery) -> object:
        by_name = (natural_key(delivery.path), delivery.fetched_at, delivery.sha256)
        if source.delivery_order == "modified_at":
            modified = delivery.modified_at or delivery.fetched_at
            return (modified.timestamp(), *by_name)
        return by_name

    return sorted(deliveries, key=key)  # type: ignore[arg-type]


def apply(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    deliveries: Sequence[Delivery],
    loaded: Sequence[Delivery],
) -> None:
    """Mark the rows that no longer count, and unmark those that do again.

    Args:
        connection: The candidate, in a transaction.
        source: The source.
        deliveries: All that was ever landed of it.
        loaded: Those of them that were just loaded or superseded: only keys in them can change.
    """
    table = raw_tables.stored(source.entity)
    order = ranked(source, deliveries)
    values = ", ".join(
        f"({literal(d.delivery_id)}, {rank}, cast({literal(d.superseded_by)} as varchar))"
        for rank, d in enumerate(order)
    )
    connection.execute(
        f"create or replace temp table _ranks as from (values {values}) as t(id, rank, successor)"
    )
    # a column that no row fills tells no rows apart
    held = raw_tables.columns(connection, source.entity)
    columns = [name for name in replaced_columns(source) if name in held]
    queries = [_by_path(table, loaded)]
    if columns and len(order) > 1:
        refused = _refused(connection, source, columns)
        queries.append(_by_key(table, columns, loaded, len(order) == len(loaded), refused))
    for query in queries:
        if query:
            _mark(connection, source, table, query)
    connection.execute("drop table _ranks")


def _mark(connection: duckdb.DuckDBPyConnection, source: Source, table: str, query: str) -> None:
    """Write what `query` (row, successor) finds, and note what that touches."""
    connection.execute(f"create or replace temp table _marks as {query}")
    row = connection.execute("select count(*) from _marks").fetchone()
    if row and row[0]:
        marked = "rowid in (select row from _marks)"
        pending_months.note_rows(connection, source.entity, table, marked)
        connection.execute(
            f"update {table} set _superseded_by = _marks.successor from _marks "
            f"where {table}.rowid = _marks.row"
        )
    connection.execute("drop table _marks")


def _by_path(table: str, loaded: Sequence[Delivery]) -> str:
    """Rows of deliveries whose path shows something else now."""
    gone = [delivery for delivery in loaded if delivery.superseded_by]
    if not gone:
        return ""
    listed = ", ".join(f"'{delivery.delivery_id}'" for delivery in gone)
    return f"""
        select {table}.rowid as row, _ranks.successor
        from {table}
        inner join _ranks on {table}._delivery_id = _ranks.id
        where {table}._delivery_id in ({listed})
            and _superseded_by is distinct from _ranks.successor
    """


def _refused(connection: duckdb.DuckDBPyConnection, source: Source, columns: Sequence[str]) -> str:
    """A query for the keys in quarantine (the key, delivery) that replace; none of half a key."""
    types = {name: ENTITIES[source.entity].column(name).type for name in columns}
    key = ", ".join(
        f"try_cast(mapped_row ->> {literal(name)} as {kind}) as {quoted(name)}"
        for name, kind in types.items()
    )
    known = " and ".join(f"{quoted(name)} is not null" for name in columns)
    wanted = literal(source.name) if source.replaces_columns else "null"
    return (
        f"select * from (select {key}, delivery_id as _delivery_id from quarantine.rows "
        f"where source = {wanted}) where {known}"
    )


def _by_key(
    table: str, columns: Sequence[str], loaded: Sequence[Delivery], every: bool, refused: str
) -> str:
    """Rows whose key stands in several deliveries, and whose mark is not what it should be."""
    key = ", ".join(quoted(column) for column in columns)
    joined = " and ".join(
        f"candidates.{quoted(c)} is not distinct from {{0}}.{quoted(c)}" for c in columns
    )
    listed = ", ".join(f"'{delivery.delivery_id}'" for delivery in loaded)
    touched = (
        f"select {key} from {table} where _delivery_id in ({listed}) "
        f"union select {key} from refused where _delivery_id in ({listed})"
    )
    narrowed = (
        "" if every else (f"where exists (select 1 from touched where {joined.format('touched')})")
    )
    return f"""
        with refused as ({refused}),
        touched as ({touched}),
        keyed as (
            select {key}, _delivery_id, rowid as row, _superseded_by from {table}
            union all
            select {key}, _delivery_id, null, null from refused
        ),
        candidates as (
            select {key}, row, _ranks.rank, _ranks.id, _superseded_by
            from keyed as candidates
            inner join _ranks on candidates._delivery_id = _ranks.id and _ranks.successor is null
            {narrowed}
        ),
        winners as (
            select {key}, max(rank) as rank
            from candidates group by all
            having min(rank) < max(rank) or count(_superseded_by) > 0
        )
        select
            candidates.row,
            case when candidates.rank < winners.rank then last.id end as successor
        from candidates
        inner join winners on {joined.format("winners")}
        inner join _ranks as last on winners.rank = last.rank
        where candidates.row is not null and candidates._superseded_by is distinct from
            case when candidates.rank < winners.rank then last.id end
    """

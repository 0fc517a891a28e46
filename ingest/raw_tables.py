"""The raw layer: `raw.<entity>` shows every canonical column, `stored.<entity>` holds those in use.

A column that no source fills takes neither space nor time: the view shows its default. What is the
same for all rows of a delivery stands once, in `audit.deliveries`.
"""

from collections.abc import Iterable

import duckdb

from ingest.specification import ENTITIES, LINEAGE_COLUMNS, Column
from ingest.sql import literal, quoted


def source_of(delivery_id: str) -> str:
    """SQL of the source of a delivery, which is named `<source>-<12 digits>`."""
    return f"left({delivery_id}, length({delivery_id}) - 13)"


def stored(entity: str) -> str:
    """The table that holds the rows of an entity; everyone but loading reads `raw.<entity>`."""
    return f"stored.{entity}"


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables and views of all entities that are not there yet."""
    connection.execute("create schema if not exists raw; create schema if not exists stored")
    lineage = ", ".join(f"{name} {kind}" for name, kind in LINEAGE_COLUMNS.items())
    for entity in ENTITIES:
        connection.execute(f"create table if not exists {stored(entity)} ({lineage})")
        _show(connection, entity)


def hold(connection: duckdb.DuckDBPyConnection, entity: str, names: Iterable[str]) -> None:
    """Make room for columns of an entity; rows that are there get their default."""
    held = set(columns(connection, entity))
    new = [column for column in ENTITIES[entity].columns if column.name in set(names) - held]
    for column in new:
        connection.execute(
            f"alter table {stored(entity)} add column {quoted(column.name)} {column.type} "
            f"{'' if column.compressed else 'using compression uncompressed '}"
            f"default {literal(column.default)}"
        )
        # the default is for the rows of before only
        connection.execute(
            f"alter table {stored(entity)} alter column {quoted(column.name)} drop default"
        )
    if new:
        _show(connection, entity)


def columns(connection: duckdb.DuckDBPyConnection, entity: str) -> list[str]:
    """The canonical columns of an entity that its table holds."""
    rows = connection.execute(
        f"select name from pragma_table_info({literal(stored(entity))})"
    ).fetchall()
    return [name for (name,) in rows if name not in LINEAGE_COLUMNS]


def _show(connection: duckdb.DuckDBPyConnection, entity: str) -> None:
    held = set(columns(connection, entity))
    shown = [_shown(column, held) for column in ENTITIES[entity].columns]
    listed = ", ".join([*shown, f"{source_of('_delivery_id')} as _source", *LINEAGE_COLUMNS])
    connection.execute(
        f"create or replace view raw.{entity} as select {listed} from {stored(entity)}"
    )


def _shown(column: Column, held: set[str]) -> str:
    if column.name in held:
        return quoted(column.name)
    return f"cast({literal(column.default)} as {column.type}) as {quoted(column.name)}"

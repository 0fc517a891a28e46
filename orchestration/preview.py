"""What a person wants to see of a table unopened: its size, its columns and its first rows."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ingest.specification import ENTITIES

if TYPE_CHECKING:
    import duckdb

PREVIEW_ROWS = 5
# a view is counted by running it. Those of these schemas read one table, or a few rows of another,
# and are always worth it; others join, and above this many raw rows that is no longer free
_CHEAP_SCHEMAS = ("raw", "staging", "core", "marts")
_VIEWS_UP_TO_RAW_ROWS = 100_000
_PERSONAL = {
    column.name for entity in ENTITIES.values() for column in entity.columns if column.personal
}


def describe(
    connection: "duckdb.DuckDBPyConnection", tables: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Row count, column types and a Markdown preview of each `schema.table` with something to show.

    Columns with personal data show no values. Views that join are left out where the raw layer is
    large.
    """
    wanted = list(tables)
    if not wanted:
        return {}
    kinds = _relations(connection)
    small = _raw_rows(connection) <= _VIEWS_UP_TO_RAW_ROWS
    return {
        table: _describe(connection, table)
        for table in wanted
        if kinds.get(table) == "BASE TABLE"
        or (table in kinds and (small or table.partition(".")[0] in _CHEAP_SCHEMAS))
    }


def _describe(connection: "duckdb.DuckDBPyConnection", table: str) -> dict[str, Any]:
    [(count,)] = connection.execute(f"select count(*) from {table}").fetchall()
    cursor = connection.execute(f"select * from {table} limit {PREVIEW_ROWS}")
    names = [column[0] for column in cursor.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    types = {column[0]: str(column[1]).lower() for column in cursor.description or []}
    return {"row_count": count, "types": types, "preview": markdown(rows, names)}


def markdown(rows: Iterable[Mapping[str, Any]], names: list[str]) -> str:
    """A Markdown table; personal values are masked, long ones cut."""
    lines = [_line(names), _line(["---"] * len(names))]
    lines += [_line([_cell(name, row.get(name)) for name in names]) for row in rows]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    text = "•••" if name in _PERSONAL else str(value)
    return text[:60].replace("|", "\\|").replace("\n", " ")


def _relations(connection: "duckdb.DuckDBPyConnection") -> dict[str, str]:
    rows = connection.execute(
        "select table_schema || '.' || table_name, table_type from information_schema.tables "
        "where table_catalog = current_database()"
    ).fetchall()
    return dict(rows)


def _raw_rows(connection: "duckdb.DuckDBPyConnection") -> int:
    [(rows,)] = connection.execute(
        "select coalesce(sum(estimated_size), 0) from duckdb_tables() where schema_name = 'stored'"
    ).fetchall()
    return int(rows)

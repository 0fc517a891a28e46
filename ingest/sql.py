"""Values in SQL text, and rows by the names of their columns.

A statement with parameters makes DuckDB import pandas if it is installed, which takes longer than
most runs in which nothing is new. So values are written into the text, quoted.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

Value = str | int | float | bool | Decimal | date | datetime | None


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Value | Sequence[Value]) -> str:
    """A value, or a list of values, as an SQL literal. Times are taken as they are, in UTC."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, datetime):
        return f"timestamp '{value.replace(tzinfo=None).isoformat(' ')}'"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    if isinstance(value, bool | int | float | Decimal):
        return str(value).lower()
    return "[" + ", ".join(literal(item) for item in value) + "]"


def named_rows(found: "duckdb.DuckDBPyConnection") -> list[dict[str, Any]]:
    """The rows that a query has found, each by the names of its columns."""
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def filled(sql: str, *values: Value | Sequence[Value]) -> str:
    """A statement with each question mark replaced by the literal of a value, in order."""
    parts = sql.split("?")
    if len(parts) != len(values) + 1:
        raise ValueError(f"{len(parts) - 1} places for {len(values)} values in {sql!r}")
    return "".join(
        part + (literal(values[number]) if number < len(values) else "")
        for number, part in enumerate(parts)
    )

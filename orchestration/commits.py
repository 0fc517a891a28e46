"""Lets dbt's other threads sleep while one of them commits.

A commit may write down what has changed since the last checkpoint, and no other transaction that
writes begins meanwhile. Its query would take one of DuckDB's threads to wait with, and Python's
client asks without a pause whether it may go on: the commit had half the processors.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager


@contextmanager
def alone() -> Iterator[None]:
    """While this lasts, what dbt asks DuckDB waits until nothing is being committed."""
    asked = DuckDBConnectionManager.add_query
    committing = Lock()

    def add_query(manager: DuckDBConnectionManager, sql: str, *more: Any, **named: Any) -> Any:
        with committing:
            if sql == "COMMIT":
                return asked(manager, sql, *more, **named)
        return asked(manager, sql, *more, **named)

    DuckDBConnectionManager.add_query = add_query  # type: ignore[method-assign]
    try:
        yield
    finally:
        DuckDBConnectionManager.add_query = asked  # type: ignore[method-assign]

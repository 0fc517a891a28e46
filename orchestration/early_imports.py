"""Imports what later stages need, beside the loading: DuckDB's threads leave Python's idle."""

import importlib
import threading
from contextlib import suppress

_NEEDED = (
    "great_expectations",
    "great_expectations.expectations",
    "dbt.cli.main",
    "dbt.task.build",
    "dbt.adapters.duckdb.impl",
)


def start() -> None:
    """Begin to import, in the background; whoever needs a module meanwhile waits for it."""
    threading.Thread(target=_import_all, name="early-imports", daemon=True).start()


def _import_all() -> None:
    for name in _NEEDED:
        # whoever needs it imports it again, and is told what is wrong with it
        with suppress(Exception):
            importlib.import_module(name)

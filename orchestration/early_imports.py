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
_begun: list[threading.Thread] = []


def start() -> None:
    """Begin to import, in the background."""
    thread = threading.Thread(target=_import_all, name="early-imports", daemon=True)
    _begun.append(thread)
    thread.start()


def wait() -> None:
    """Let all that was begun be imported.

    Two threads that import modules of one package by other ways may wait for each other, which
    Python ends by giving one of them a module that is half made.
    """
    for thread in _begun:
        thread.join()


def _import_all() -> None:
    for name in _NEEDED:
        # whoever needs it imports it again, and is told what is wrong with it
        with suppress(Exception):
            importlib.import_module(name)

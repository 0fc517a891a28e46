"""Ends what a run does in a thread of its own, where the run itself ends early."""

import ctypes
import threading
from collections.abc import Callable
from contextlib import suppress

import duckdb

_BETWEEN_INTERRUPTS_S = 0.05


def stop(
    thread: threading.Thread, connection: Callable[[], duckdb.DuckDBPyConnection | None]
) -> None:
    """End a thread's work, and wait until it has ended: seconds of a fit, hours of a query.

    Python code ends by SystemExit at its next step, which leaves blocks as any exception does.

    Args:
        thread: What has to end; one that is not running is left alone.
        connection: What the thread asks DuckDB by, once it has it.
    """
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
        )
    while thread.is_alive():
        # an interrupt ends one query, and another may follow
        with suppress(duckdb.Error):
            asked = connection()
            if asked is not None:
                asked.interrupt()
        thread.join(_BETWEEN_INTERRUPTS_S)

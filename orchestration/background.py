"""What a run does in a thread of its own, and how that ends where the run itself ends early."""

import ctypes
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TypeVar

import duckdb

_BETWEEN_INTERRUPTS_S = 0.05

Found = TypeVar("Found")
Connection = duckdb.DuckDBPyConnection


@contextmanager
def beside(
    connect: Callable[[], AbstractContextManager[Connection]],
    work: Callable[[Connection], Found],
) -> Iterator[Callable[[], Found]]:
    """Let DuckDB work while a block of Python runs; neither goes on after the block's end.

    Args:
        connect: Opens the connection that the work is done by.
        work: What to do by it.

    Yields:
        A function that waits for what was found, and raises what went wrong.
    """
    outcome: Future[Found] = Future()
    opened: list[Connection] = []

    def run() -> None:
        try:
            with connect() as connection:
                opened.append(connection)
                outcome.set_result(work(connection))
        except BaseException as error:
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="beside", daemon=True)
    thread.start()
    try:
        yield outcome.result
        thread.join()
    except BaseException:
        stop(thread, lambda: opened[0] if opened else None)
        raise


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

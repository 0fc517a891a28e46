"""What a run does in a thread of its own, and how that ends where the run itself ends early."""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol, TypeVar

import duckdb

_BETWEEN_INTERRUPTS_S = 0.05
_BELOW_OTHERS = 10

Found = TypeVar("Found")
Connection = duckdb.DuckDBPyConnection


class Interruptible(Protocol):
    """What runs queries that can be ended, such as a connection."""

    def interrupt(self) -> None:
        """End the query that is running; harmless where none is."""


@contextmanager
def meanwhile(
    work: Callable[[], Found], asked: Callable[[], Interruptible | None]
) -> Iterator[Callable[[], Found]]:
    """Let some work go on while a block of Python runs; neither goes on after the block's end.

    Args:
        work: What to do.
        asked: What the work asks DuckDB by, once it does.

    Yields:
        A function that waits for what was found, and raises what went wrong.
    """
    outcome: Future[Found] = Future()

    def run() -> None:
        # what stops it may come while it fails; nobody asks for the outcome then
        with suppress(SystemExit):
            try:
                outcome.set_result(work())
            except BaseException as error:
                outcome.set_exception(error)

    thread = threading.Thread(target=run, name="meanwhile", daemon=True)
    thread.start()
    try:
        yield outcome.result
        thread.join()
    except BaseException:
        stop(thread, asked)
        raise


@contextmanager
def beside(
    connect: Callable[[], AbstractContextManager[Connection]],
    work: Callable[[Connection], Found],
) -> Iterator[Callable[[], Found]]:
    """Let DuckDB work :func:`meanwhile`.

    Args:
        connect: Opens the connection that the work is done by.
        work: What to do by it.
    """
    opened: list[Connection] = []

    def run() -> Found:
        give_way()
        with connect() as connection:
            opened.append(connection)
            return work(connection)

    with meanwhile(run, lambda: opened[0] if opened else None) as found:
        yield found


def give_way() -> None:
    """Let the thread that began this one go first: Python's work, which everything waits for."""
    # only Linux knows of a thread's own priority
    with suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _BELOW_OTHERS)


def stop(thread: threading.Thread, asked: Callable[[], Interruptible | None]) -> None:
    """End a thread's work, and wait until it has ended: seconds of a fit, hours of a query.

    Python code ends by SystemExit at its next step, which leaves blocks as any exception does.

    Args:
        thread: What has to end; one that is not running is left alone.
        asked: What the thread asks DuckDB by, once it has it.
    """
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
        )
    while thread.is_alive():
        # an interrupt ends one query, and another may follow
        with suppress(duckdb.Error):
            queries = asked()
            if queries is not None:
                queries.interrupt()
        thread.join(_BETWEEN_INTERRUPTS_S)

"""Work in a thread of its own ends when it is told to."""

import os
import sys
import threading
import time
from contextlib import suppress

import duckdb
import pytest

from orchestration.background import beside, stop

ENDLESS = "select count(*) from range(1000000) as a, range(1000000) as b"


def test_what_python_does_ends_and_leaves_its_blocks() -> None:
    left: list[str] = []
    begun = threading.Event()

    def work() -> None:
        try:
            while True:
                begun.set()
                time.sleep(0.01)
        except SystemExit:
            left.append("block")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    begun.wait()
    stop(thread, lambda: None)
    assert not thread.is_alive() and left == ["block"]


def test_what_duckdb_does_ends() -> None:
    with duckdb.connect() as connection:
        begun = threading.Event()

        def work() -> None:
            begun.set()
            with suppress(SystemExit), suppress(duckdb.InterruptException):
                connection.execute(ENDLESS)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        begun.wait()
        stop(thread, lambda: connection)
        assert not thread.is_alive()


def test_what_never_began_or_has_ended_is_left_alone() -> None:
    thread = threading.Thread(target=lambda: None)
    stop(thread, lambda: None)
    thread.start()
    thread.join()
    stop(thread, lambda: None)


def test_what_is_done_beside_is_found_and_closed_at_the_end() -> None:
    opened: list[duckdb.DuckDBPyConnection] = []

    def work(connection: duckdb.DuckDBPyConnection) -> list[tuple[int]]:
        opened.append(connection)
        return connection.execute("select 42").fetchall()

    with beside(duckdb.connect, work) as found:
        pass
    assert found() == [(42,)]
    with pytest.raises(duckdb.ConnectionException, match="closed"):
        opened[0].execute("select 1")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_what_is_done_beside_gives_way() -> None:
    def priority(_: object = None) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = priority()
    with beside(duckdb.connect, priority) as found:
        assert found() > before
    assert priority() == before


def test_what_goes_wrong_beside_is_told_to_who_asks() -> None:
    with (
        beside(duckdb.connect, lambda connection: connection.execute("from nowhere")) as found,
        pytest.raises(duckdb.CatalogException, match="nowhere"),
    ):
        found()


def test_what_is_done_beside_ends_with_a_block_that_fails() -> None:
    begun = threading.Event()

    def work(connection: duckdb.DuckDBPyConnection) -> None:
        begun.set()
        connection.execute(ENDLESS)

    with pytest.raises(ValueError, match="in the block"), beside(duckdb.connect, work):
        begun.wait()
        raise ValueError("in the block")
    assert not [thread for thread in threading.enumerate() if thread.name == "beside"]

"""Work in a thread of its own ends when it is told to."""

import threading
import time
from contextlib import suppress

import duckdb

from orchestration.background import stop


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
                connection.execute("select count(*) from range(1000000) as a, range(1000000) as b")

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

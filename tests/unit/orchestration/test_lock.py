"""One writer at a time, and a lock that a killed process cannot leave behind."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ingest.errors import Busy
from ingest.home import Home
from orchestration.lock import Owner, owner, writer_lock

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from ingest.home import Home
from orchestration.lock import writer_lock
with writer_lock(Home(Path(sys.argv[1]))):
    child = subprocess.Popen(["sleep", "30"])
    print(child.pid, flush=True)
    time.sleep(30)
"""


def hold(home: Home) -> tuple[subprocess.Popen[str], int]:
    """Start a process that holds the lock; return it and the process that it started itself."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home.root)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_the_owner_is_named_while_it_lasts(home: Home) -> None:
    with writer_lock(home):
        held_by = owner(home)
        assert held_by is not None
        assert held_by.pid == os.getpid()
        assert held_by.command
    assert owner(home) is None


def test_a_thread_may_enter_again(home: Home) -> None:
    with writer_lock(home), writer_lock(home, wait=False):
        assert owner(home) is not None
    assert owner(home) is None


def test_another_process_is_refused_and_told_for_whom(home: Home) -> None:
    process, child = hold(home)
    try:
        with pytest.raises(Busy, match=f"process {process.pid}"), writer_lock(home, wait=False):
            pass
    finally:
        process.kill()
        process.wait()
        os.kill(child, signal.SIGKILL)


def test_one_that_took_the_lock_this_moment_is_named_all_the_same(home: Home) -> None:
    """Taking the lock and writing who took it are two steps; a second run may come between."""
    home.lock_file.parent.mkdir(parents=True, exist_ok=True)
    with home.lock_file.open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        text = json.dumps({"pid": 4711, "started_at": "2024-01-01", "command": "tradewind run"})
        writes = threading.Timer(0.1, home.lock_file.write_text, [text])
        writes.start()
        with pytest.raises(Busy, match="process 4711"), writer_lock(home, wait=False):
            pass
        writes.join()


def test_the_lock_dies_with_its_process_though_a_child_lives_on(home: Home) -> None:
    process, child = hold(home)
    process.kill()
    process.wait()
    try:
        os.kill(child, 0)
        with writer_lock(home, wait=False):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_forked_child_does_not_keep_the_lock(home: Home) -> None:
    with writer_lock(home):
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
    try:
        with writer_lock(home, wait=False):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_waiting_says_for_whom_and_then_goes_on(home: Home) -> None:
    process, child = hold(home)
    told: list[Owner | None] = []
    threading.Timer(0.5, process.kill).start()
    try:
        with writer_lock(home, on_wait=told.append):
            assert [each.pid for each in told if each] == [process.pid]
    finally:
        process.wait()
        os.kill(child, signal.SIGKILL)


def test_threads_of_one_process_exclude_each_other(home: Home) -> None:
    order: list[str] = []

    def second() -> None:
        with writer_lock(home):
            order.append("second")

    with writer_lock(home):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(timeout=5)
    assert order == ["first", "second"]


def test_a_damaged_lock_file_stops_nobody(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.lock_file.write_text("{ half")
    with writer_lock(home, wait=False):
        pass

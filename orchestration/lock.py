"""One writer at a time, by a lock that dies with its process.

The kernel holds the lock (``flock``), so a killed process cannot leave it behind. The file's text
only says who holds it, for messages; whoever reads it must not conclude anything from it.
"""

import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.errors import Busy
from ingest.home import Home


@dataclass(frozen=True)
class Owner:
    """Who holds the lock: process id, UTC time it began, and the program with its verb."""

    pid: int
    started_at: str
    command: str


class _ProcessLock:
    """This process's hold on one lock file: re-entrant for a thread, exclusive between threads."""

    def __init__(self) -> None:
        self.threads = threading.RLock()
        self.depth = 0
        self.handle: int | None = None


_READS = 50
_BETWEEN_READS_S = 0.01

_held: dict[Path, _ProcessLock] = {}
_held_guard = threading.Lock()


@contextmanager
def writer_lock(
    home: Home, wait: bool = True, on_wait: Callable[[Owner | None], None] | None = None
) -> Iterator[None]:
    """Hold the right to write into ``home``; a thread that holds it already may enter again.

    Args:
        home: the state folder; its ``lock_file`` is created if absent and never removed.
        wait: wait for the other writer to end; otherwise refuse at once.
        on_wait: called once, before waiting, with the present owner (None where unreadable).

    Raises:
        Busy: another writer holds the lock and ``wait`` is false.
    """
    path = home.lock_file.absolute()
    with _held_guard:
        lock = _held.setdefault(path, _ProcessLock())
    _enter_thread(lock, path, wait, on_wait)
    try:
        if lock.depth == 0:
            lock.handle = _acquire(path, wait, on_wait)
        lock.depth += 1
        try:
            yield
        finally:
            lock.depth -= 1
            if lock.depth == 0:
                _release(lock)
    finally:
        lock.threads.release()


def owner(home: Home) -> Owner | None:
    """Return who wrote into the lock file last; they may have ended since."""
    return _read_owner(home.lock_file)


def _enter_thread(
    lock: _ProcessLock, path: Path, wait: bool, on_wait: Callable[[Owner | None], None] | None
) -> None:
    if lock.threads.acquire(blocking=False):
        return
    if not wait:
        raise _busy(path)
    if on_wait is not None:
        on_wait(_read_owner(path))
    lock.threads.acquire()


def _acquire(path: Path, wait: bool, on_wait: Callable[[Owner | None], None] | None) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    # O_CLOEXEC (Python's default) keeps the handle, and with it the lock, from programs we start
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _flock(handle, path, wait, on_wait)
        _write_owner(handle)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _flock(
    handle: int, path: Path, wait: bool, on_wait: Callable[[Owner | None], None] | None
) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        if not wait:
            raise _busy(path) from error
        if on_wait is not None:
            on_wait(_read_new_owner(path))
        fcntl.flock(handle, fcntl.LOCK_EX)


def _release(lock: _ProcessLock) -> None:
    if lock.handle is not None:
        os.ftruncate(lock.handle, 0)
        # a child that was forked this moment may still share the handle: closing is not enough
        fcntl.flock(lock.handle, fcntl.LOCK_UN)
        os.close(lock.handle)
        lock.handle = None


def _write_owner(handle: int) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    # the verb alone: what follows may be the name of a person
    text = json.dumps(asdict(Owner(os.getpid(), now, " ".join(sys.argv[:2]))))
    os.ftruncate(handle, 0)
    os.pwrite(handle, text.encode(), 0)


def _read_owner(path: Path) -> Owner | None:
    try:
        return Owner(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _read_new_owner(path: Path) -> Owner | None:
    """Give one that took the lock this moment the time to write who it is."""
    for _ in range(_READS):
        if (found := _read_owner(path)) is not None:
            return found
        time.sleep(_BETWEEN_READS_S)
    return None


def _busy(path: Path) -> Busy:
    by = _read_new_owner(path)
    who = "another process" if by is None else f"process {by.pid} since {by.started_at}"
    return Busy(
        what=f"another run is writing: {who}" + ("" if by is None else f" ({by.command})"),
        where=str(path),
        expected="one writer at a time",
        next_step="wait until it has ended, or end it; its lock ends with it",
    )


def _forget_in_child() -> None:
    """A forked child shares the handle; closing it there leaves the parent's lock as it is."""
    for lock in _held.values():
        if lock.handle is not None:
            os.close(lock.handle)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)

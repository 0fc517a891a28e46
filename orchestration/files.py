"""Small file operations that are safe against a kill: whole or absent, never half.

Belongs here: atomic writes, links, copies, digests. Does not: any knowledge of warehouses.
"""

import errno
import fcntl
import json
import mmap
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from blake3 import blake3

from ingest.durable import sync
from ingest.errors import TradewindError

# Linux' ioctl that makes a file share another file's blocks (btrfs, XFS, bcachefs)
_FICLONE = 0x40049409
_CHUNK = 1 << 28
_DISK_FULL = ("No space left on device", "Disk quota exceeded", "database or disk is full")
# what SQLite says of a full disk as well, where it shares memory with others
_DISK_ERROR = "disk I/O error"
# what was written is taken back before anyone looks how much is free
_ROOM = 1 << 26
# no file system that a warehouse lies on tells times more coarsely
_TICK_S = 0.02
_hashed: dict[tuple[int, ...], str] = {}
_CANNOT_CLONE = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS}


class DiskFull(TradewindError):
    """The disk has no room for what was to be written; nothing half written is left behind."""

    exit_code = 2


def disk_full(where: Path, needed_bytes: int | None = None) -> DiskFull:
    """Return the error that says how much room is missing at ``where``, and what to do."""
    free = shutil.disk_usage(_existing(where)).free
    room = f": {_megabytes(free)} free, {_megabytes(needed_bytes)} needed" if needed_bytes else ""
    return DiskFull(
        what=f"the disk is full{room}",
        where=str(where),
        expected="room for one more copy of the warehouse",
        next_step="free some space or set TRADEWIND_HOME to a larger disk, then run again; "
        "readers keep the last published version",
    )


@contextmanager
def full_disk_explained(where: Path) -> Iterator[None]:
    """Turn 'no space left', whoever met with it, into :class:`DiskFull`."""
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFull) or not is_full_disk(error, where):
            raise
        raise disk_full(where) from error


def is_full_disk(error: BaseException | None, where: Path) -> bool:
    """Say whether an error, or what it came from, means that the disk at ``where`` is full.

    The system has an error number for it; DuckDB, SQLite and dbt only say it, if they do.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(words in str(error) for words in _DISK_FULL):
            return True
        if _DISK_ERROR in str(error) and shutil.disk_usage(_existing(where)).free < _ROOM:
            return True
        error = error.__cause__ or error.__context__
    return False


def require_space(where: Path, needed_bytes: int) -> None:
    """Raise :class:`DiskFull` where fewer than ``needed_bytes`` are free."""
    if shutil.disk_usage(_existing(where)).free < needed_bytes:
        raise disk_full(where, needed_bytes)


def clone(source: Path, target: Path) -> None:
    """Copy a file whole, sharing its blocks where the file system can.

    The copy is made under a temporary name and renamed, so that ``target`` is never half.

    Raises:
        DiskFull: there is no room; no half copy is left.
    """
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        with full_disk_explained(target.parent):
            if not _share_blocks(source, partial):
                require_space(target.parent, source.stat().st_size)
                _copy_bytes(source, partial)
            os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _share_blocks(source: Path, target: Path) -> bool:
    with source.open("rb") as reading, target.open("wb") as writing:
        try:
            fcntl.ioctl(writing.fileno(), _FICLONE, reading.fileno())
        except OSError as error:
            if error.errno not in _CANNOT_CLONE:
                raise
            return False
    return True


def _copy_bytes(source: Path, target: Path) -> None:
    """Copy inside the kernel; where it cannot (an old kernel), by reads and writes."""
    with source.open("rb") as reading, target.open("wb") as writing:
        try:
            # blocks that are asked for at once need not be looked for page by page
            os.posix_fallocate(writing.fileno(), 0, source.stat().st_size)
            while os.copy_file_range(reading.fileno(), writing.fileno(), _CHUNK):
                pass
        except (AttributeError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _CANNOT_CLONE:
                raise
            reading.seek(0)
            writing.seek(0)
            writing.truncate()
            shutil.copyfileobj(reading, writing, 1 << 22)


def digest(path: Path) -> str:
    """Return the BLAKE3 of a file's bytes, in hex, as `b3sum` prints it."""
    read = blake3()
    with path.open("rb") as file:
        size = path.stat().st_size
        # few and large parts: after each it waits for whatever else is Python's work
        for begin in range(0, size, _CHUNK):
            length = min(_CHUNK, size - begin)
            with mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=begin) as part:
                read.update(part)
    return read.hexdigest()


def digest_once(path: Path) -> str:
    """The same, without reading a file again that this process has read and nobody touched since.

    Every write moves a file's time of change, which no program can set. What was written in the
    tick of the clock in which the reading begins would be missed, so that this is waited for.
    """
    state = state_of(path)
    if state not in _hashed:
        time.sleep(max(0.0, _TICK_S - max(0.0, time.time() - state[-1] / 1e9)))
        _hashed[state] = digest(path)
    return _hashed[state]


def state_of(path: Path) -> tuple[int, ...]:
    """What differs once anybody has written to a file."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON file whole or not at all, and onto the disk before it is named."""
    partial = path.with_name(path.name + ".partial")
    with full_disk_explained(path.parent):
        with partial.open("w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, default=str)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)


def swap_link(link: Path, target: Path) -> None:
    """Point ``link`` at ``target``, relatively, in one step that no reader can fall into."""
    partial = link.with_name(f".{link.name}.partial")
    with suppress(FileNotFoundError):
        partial.unlink()
    partial.symlink_to(os.path.relpath(target, link.parent))
    os.replace(partial, link)
    sync(link.parent)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"

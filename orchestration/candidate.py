"""The candidate: the copy of the current version on which a run builds.

Readers never open it. It becomes a version by :mod:`orchestration.publish`, or is kept aside for
inspection. Its ``candidate.json`` is written last, so a folder without one is a killed run's.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingest.errors import TradewindError
from ingest.home import Home
from orchestration.files import (
    clone,
    full_disk_explained,
    remove,
    require_space,
    write_json,
)
from orchestration.storage import STORAGE_VERSION, set_for_writing
from orchestration.versions import current_version, database_of, repair

KEPT_CANDIDATES = 2
_COMPACT_ABOVE_FREE = 0.4
_COMPACT_ABOVE_BYTES = 64 << 20


class UnknownCandidate(TradewindError):
    """There is no complete candidate of that run."""

    exit_code = 2


@dataclass(frozen=True)
class Candidate:
    """One run's copy. ``base_version`` is what it was cloned from (None: made empty)."""

    home: Home
    run_id: str
    base_version: str | None
    opened_at: str

    @property
    def folder(self) -> Path:
        """The candidate's own folder."""
        return self.home.candidates / self.run_id

    @property
    def database(self) -> Path:
        """The database; its stem is always ``warehouse``, so its catalog's name is constant."""
        return self.folder / "warehouse.duckdb"

    @property
    def write_ahead_log(self) -> Path:
        """What DuckDB has not checkpointed yet; absent in a judged candidate."""
        return self.folder / "warehouse.duckdb.wal"

    @property
    def record(self) -> Path:
        """The file that makes the candidate complete."""
        return self.folder / "candidate.json"

    @property
    def verdict(self) -> Path:
        """The judgement of exactly this content; see :mod:`orchestration.verdict`."""
        return self.folder / "verdict.json"


def open_candidate(home: Home, run_id: str) -> Candidate:
    """Return the run's candidate: the present one, or a new copy of the current version.

    Call it under the writer's lock. What killed runs left behind is cleaned first.

    Raises:
        DiskFull: there is no room for the copy; no half copy is left.
    """
    repair(home)
    present = find(home, run_id)
    if present is not None:
        return present
    keep_last(home)
    base = current_version(home)
    opened = datetime.now(UTC).isoformat(timespec="microseconds")
    candidate = Candidate(home, run_id, base, opened)
    remove(candidate.folder)
    candidate.folder.mkdir(parents=True)
    try:
        _fill(candidate, base)
        write_json(candidate.record, {"base_version": base, "opened_at": opened})
    except BaseException:
        remove(candidate.folder)
        raise
    return candidate


def find(home: Home, run_id: str) -> Candidate | None:
    """Return the complete candidate of a run, or None."""
    return _read(home, home.candidates / run_id)


def load(home: Home, run_id: str) -> Candidate:
    """Return the complete candidate of a run.

    Raises:
        UnknownCandidate: there is none.
    """
    candidate = find(home, run_id)
    if candidate is None:
        raise UnknownCandidate(
            what=f"run {run_id} has no candidate",
            where=str(home.candidates),
            expected="a candidate that the run opened and nobody removed",
            next_step="run again: `tradewind run`",
        )
    return candidate


def candidates(home: Home) -> list[Candidate]:
    """Return all complete candidates, the newest first."""
    found = [_read(home, folder) for folder in home.candidates.glob("*")]
    complete = [candidate for candidate in found if candidate is not None]
    return sorted(complete, key=lambda candidate: candidate.opened_at, reverse=True)


def keep_last(home: Home, count: int = KEPT_CANDIDATES) -> None:
    """Remove all but the newest ``count`` candidates, and what killed runs left of theirs."""
    kept = {candidate.folder for candidate in candidates(home)[:count]}
    for folder in home.candidates.glob("*"):
        if folder not in kept:
            remove(folder)


def free_share(database: Path) -> tuple[float, int]:
    """Return which share of a database file is free blocks, and how many bytes that is."""
    with connect_memory() as connection:
        connection.execute(f"attach {quoted(database)} as measured (read_only)")
        row = connection.execute(
            "select block_size, total_blocks, free_blocks from pragma_database_size() "
            "where database_name = 'measured'"
        ).fetchall()[0]
    block_size, total, free = row
    return (free / total if total else 0.0), free * block_size


@contextmanager
def connect_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to an empty in-memory database, to attach files to."""
    connection = duckdb.connect()
    try:
        yield connection
    finally:
        connection.close()


def connect_read_only(database: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection that can read this file and nothing else, nor change any setting."""
    connection = duckdb.connect(str(database), read_only=True)
    try:
        lock_down(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def lock_down(connection: duckdb.DuckDBPyConnection, writable: Sequence[Path] = ()) -> None:
    """Forbid a connection all files but its own (and ``writable``), for good."""
    if writable:
        paths = ", ".join(quoted(path) for path in writable)
        connection.execute(f"set allowed_paths = [{paths}]")
    connection.execute("set python_enable_replacements = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def quoted(path: Path) -> str:
    """Return a path as an SQL string literal."""
    return "'" + str(path).replace("'", "''") + "'"


def _fill(candidate: Candidate, base: str | None) -> None:
    if base is None:
        write_database(candidate.database)
        return
    source = database_of(candidate.home, base)
    share, free = free_share(source)
    if share > _COMPACT_ABOVE_FREE and free > _COMPACT_ABOVE_BYTES:
        require_space(candidate.folder, source.stat().st_size - free)
        write_database(candidate.database, source)
    else:
        clone(source, candidate.database)
        # published versions are read-only files; the copy is for writing
        candidate.database.chmod(0o644)


def write_database(database: Path, source: Path | None = None) -> None:
    """Make a database file, empty or as a compact copy of ``source``, whole or not at all."""
    partial = database.with_name(database.name + ".partial")
    remove(partial)
    with full_disk_explained(database.parent), connect_memory() as connection:
        set_for_writing(connection)
        connection.execute(
            f"attach {quoted(partial)} as made (storage_version '{STORAGE_VERSION}')"
        )
        if source is not None:
            connection.execute(f"attach {quoted(source)} as original (read_only)")
            connection.execute("copy from database original to made")
        connection.execute("checkpoint made")
        connection.execute("detach made")
    partial.replace(database)


def _read(home: Home, folder: Path) -> Candidate | None:
    try:
        record = json.loads((folder / "candidate.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    candidate = Candidate(home, folder.name, record["base_version"], record["opened_at"])
    return candidate if candidate.database.exists() else None

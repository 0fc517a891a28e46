"""Published versions: which there are, which one readers see, and the way back.

A version is ``versions/<version>.duckdb`` with ``<version>.json`` (its record) beside it. Readers
only ever open the link ``warehouse.duckdb``. A ``<version>.pending`` file marks a version that is
on its way in: it exists from before the database is moved until after the link was swapped.
"""

import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ingest.errors import TradewindError
from ingest.home import Home
from orchestration.files import remove, swap_link
from orchestration.lock import writer_lock

VERSION_FORMAT = "%Y%m%dT%H%M%S%f"


class UnknownVersion(TradewindError):
    """The named version was never published, or was pruned since."""

    exit_code = 2


@dataclass(frozen=True)
class Version:
    """One published version. ``size`` in bytes; ``rows`` are those of ``core.fct_sales``."""

    version: str
    published_at: str
    run_id: str
    size: int
    rows: int | None
    is_current: bool
    headline: list[dict[str, Any]]
    path: Path


def current_version(home: Home) -> str | None:
    """Return the version that readers see, or None before the first publication."""
    try:
        return Path(os.readlink(home.warehouse)).stem
    except FileNotFoundError:
        return None


def database_of(home: Home, version: str) -> Path:
    """Return the path of a version's database file."""
    return home.versions / f"{version}.duckdb"


def record_of(home: Home, version: str) -> Path:
    """Return the path of a version's record (run, verdict, digest, headline figures)."""
    return home.versions / f"{version}.json"


def marker_of(home: Home, version: str) -> Path:
    """Return the path that exists only while a version is being moved in."""
    return home.versions / f"{version}.pending"


def stamp_of(database: Path) -> dict[str, int]:
    """Return what changes about a file when it is written to: its size and its last change, ns."""
    found = database.stat()
    return {"bytes": found.st_size, "modified_ns": found.st_mtime_ns}


def is_as_published(home: Home, version: str | None) -> bool:
    """Say whether nobody has written to a version since; not where that cannot be told."""
    if version is None or not database_of(home, version).exists():
        return False
    return read_record(home, version).get("file") == stamp_of(database_of(home, version))


def version_names(home: Home) -> list[str]:
    """Return the names of all kept versions, oldest first."""
    return sorted(path.stem for path in home.versions.glob("*.duckdb"))


def versions(home: Home) -> list[Version]:
    """Return all kept versions, newest first; the one on its way in is left out."""
    names = [name for name in version_names(home) if not _is_arriving(home, name)]
    return [_describe(home, name) for name in reversed(names)]


def next_version(home: Home, now: datetime) -> str:
    """Return a name later than every kept version's, even where the clock went backwards."""
    latest = max([*version_names(home), current_version(home) or ""])
    name = now.strftime(VERSION_FORMAT)
    if name > latest:
        return name
    after = datetime.strptime(latest, VERSION_FORMAT) + timedelta(microseconds=1)
    return after.strftime(VERSION_FORMAT)


def rollback(home: Home, version: str | None = None) -> Version:
    """Let readers see an earlier version again; only links are swapped.

    Args:
        home: the state folder.
        version: the version to show; None for the newest one older than the current.

    Raises:
        UnknownVersion: there is no such version, or none older than the current.
    """
    with writer_lock(home):
        repair(home)
        chosen = version or previous_version(home)
        if chosen not in version_names(home):
            raise _unknown(home, chosen)
        point_at(home, chosen)
    return _describe(home, chosen)


def point_at(home: Home, version: str) -> None:
    """Swap the reader's link, then the Parquet link, to a version that is in place."""
    swap_link(home.warehouse, database_of(home, version))
    point_parquet_at(home, version)


def point_parquet_at(home: Home, version: str) -> None:
    """Swap ``parquet/current``; without an export of that version, there is no link."""
    link = home.parquet / "current"
    folder = home.parquet / version
    if folder.is_dir():
        swap_link(link, folder)
    else:
        link.unlink(missing_ok=True)


def prune(home: Home, keep: int) -> list[str]:
    """Remove all versions but the last ``keep``; never the current one. Return their names.

    Readers that have a removed version open keep it until they close it.
    """
    if keep < 1:
        raise ValueError("at least one version is kept")
    current = current_version(home)
    gone = [name for name in version_names(home)[:-keep] if name != current]
    for name in gone:
        _remove(home, name)
    return gone


def repair(home: Home) -> None:
    """Undo or finish what a killed publication left behind; call it under the writer's lock."""
    current = current_version(home)
    for marker in home.versions.glob("*.pending"):
        if marker.stem == current:
            point_parquet_at(home, current)
            marker.unlink()
        else:
            _remove(home, marker.stem)
    for leftover in (*home.versions.glob("*.partial*"), *home.root.glob(".*.partial")):
        remove(leftover)
    _remove_orphans(home)
    if current is not None and _parquet_current(home) != current:
        point_parquet_at(home, current)


def _remove_orphans(home: Home) -> None:
    kept = set(version_names(home))
    for record in home.versions.glob("*.json"):
        if record.stem not in kept:
            record.unlink()
    for folder in home.parquet.glob("*"):
        if folder.name not in kept and folder.name != "current":
            remove(folder)


def _remove(home: Home, version: str) -> None:
    """Remove the database before its marker, so that a kill in between is repaired as well."""
    database = database_of(home, version)
    for path in (
        database,
        Path(f"{database}.wal"),
        record_of(home, version),
        home.parquet / version,
        marker_of(home, version),
    ):
        remove(path)


def _parquet_current(home: Home) -> str | None:
    link = home.parquet / "current"
    return Path(os.readlink(link)).name if link.is_symlink() else None


def _is_arriving(home: Home, version: str) -> bool:
    return marker_of(home, version).exists() and version != current_version(home)


def _describe(home: Home, version: str) -> Version:
    record = read_record(home, version)
    path = database_of(home, version)
    return Version(
        version=version,
        published_at=record.get("published_at", ""),
        run_id=record.get("run_id", ""),
        size=path.stat().st_size,
        rows=record.get("rows"),
        is_current=version == current_version(home),
        headline=record.get("headline", []),
        path=path,
    )


def read_record(home: Home, version: str) -> dict[str, Any]:
    """Return a version's record; empty where it was lost (the database itself is unaffected)."""
    try:
        content: dict[str, Any] = json.loads(record_of(home, version).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content


def resolve(home: Home, version: str | None = None) -> Path:
    """Return the database file of a version, or of the current one.

    Raises:
        UnknownVersion: there is no such version, or nothing was published yet.
    """
    chosen = version or current_version(home)
    if chosen is None or not database_of(home, chosen).exists():
        raise _unknown(home, chosen)
    return database_of(home, chosen)


def previous_version(home: Home, version: str | None = None) -> str:
    """Return the newest kept version that is older than ``version``, or than the current one.

    Raises:
        UnknownVersion: there is none.
    """
    reference = version or current_version(home)
    if reference is None:
        raise _unknown(home, None)
    names = version_names(home)
    older = [name for name in names if name < reference]
    if not older:
        raise UnknownVersion(
            what=f"there is no version before {reference}",
            where=str(home.versions),
            expected="a kept version older than it",
            next_step="`tradewind versions` lists those that are kept",
        )
    return older[-1]


def _unknown(home: Home, version: str | None) -> UnknownVersion:
    kept = ", ".join(reversed(version_names(home))) or "none yet"
    return UnknownVersion(
        what="nothing is published yet" if version is None else f"there is no version {version}",
        where=str(home.versions),
        expected=f"one of the kept versions: {kept}",
        next_step="`tradewind run` publishes a version; `tradewind versions` lists those kept",
    )

"""A person taken out of every other file of the state, by what kind of file it is.

Belongs here: Parquet exports, SQLite databases, pages, logs and caches. Does not: landed files,
which the company's mapping tells apart, and warehouses.
"""

import gzip
import json
import os
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from ingest.durable import sync
from ingest.errors import TradewindError
from ingest.forgotten import People
from ingest.home import Home
from ingest.landing import FORGOTTEN, MANIFEST
from ingest.sql import literal, quoted
from orchestration.candidate import connect_memory
from orchestration.files import remove
from orchestration.forget.warehouse import Scrubber

_BUSY_SECONDS = 10
_HEAD = 16


def others(home: Home) -> Iterator[Path]:
    """Every file of the state but what was landed and versions; links lead to others of them."""
    for folder, names, files in os.walk(home.root):
        place = Path(folder)
        if place in (home.versions, home.root / "work"):
            names.clear()
            continue
        if home.landing in place.parent.parents:
            # dated folders of what was landed, pages of rivals that all the world can read
            continue
        for name in files:
            path = place / name
            if path.is_file() and not path.is_symlink() and not _is_ours(home, path):
                yield path


def _is_ours(home: Home, path: Path) -> bool:
    """Files that hold no names, or whose names must stay as they are."""
    if path.parent.parent == home.landing and path.name == MANIFEST:
        return True
    return path in (home.lock_file, home.root / FORGOTTEN)


def kind_of(path: Path) -> str:
    """What a file is by its first bytes: duckdb, sqlite, parquet, or text or binary."""
    with path.open("rb") as opened:
        head = opened.read(_HEAD)
    if head[8:12] == b"DUCK":
        return "duckdb"
    if head.startswith(b"SQLite format 3\0"):
        return "sqlite"
    return "parquet" if head.startswith(b"PAR1") else "other"


def holds(path: Path, scrubber: Scrubber) -> bool:
    """Whether a person stands in a Parquet file, an SQLite database or any other file."""
    kind = kind_of(path)
    if kind == "parquet":
        return _in_parquet(path, scrubber, None)
    if kind == "sqlite":
        return _in_sqlite(path, scrubber.person.long)
    return scrubber.person.long.is_named(_text(path))


def scrub(path: Path, scrubber: Scrubber) -> None:
    """Take a person out of a file, in one step; a cache that holds one is removed.

    Raises:
        TradewindError: The file is in use.
    """
    kind = kind_of(path)
    if kind == "parquet":
        _in_parquet(path, scrubber, path.with_name(f".{path.name}.partial"))
    elif kind == "sqlite":
        _scrub_sqlite(path, scrubber.person.long)
    elif b"\0" in path.read_bytes():
        # packed by dbt or Python, which make it again
        remove(path)
    else:
        _write(path, _without(scrubber.person.long, _text(path)))


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(text.encode("utf-8", "surrogateescape"))
    partial.chmod(path.stat().st_mode)
    sync(partial)
    os.replace(partial, path)


def _without(known: People, text: str) -> str:
    """A text without the names; in JSON none but its texts change, for numbers count rows."""
    if text[:1] in ("{", "["):
        with suppress(ValueError):
            return json.dumps(known.without_in_json(json.loads(text)))
    return known.without(text)


def names(path: Path, person: People) -> bool:
    """Whether a name stands in what a file holds, unpacked where it is packed."""
    known = person.long
    return bool(known.names) and any(known.is_named(text) for text in _contents(path))


def _contents(path: Path) -> Iterator[str]:
    yield _text(path)
    if path.suffix == ".gz" or path.name.endswith(".tgz"):
        with gzip.open(path) as opened:
            yield opened.read().decode("utf-8", "surrogateescape")
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield archive.read(name).decode("utf-8", "surrogateescape")
    elif kind_of(path) == "parquet":
        with connect_memory() as connection:
            query = f"select cast(t as varchar) from read_parquet({literal(str(path))}) as t"
            for (row,) in connection.execute(query).fetchall():
                yield row


# ---------------------------------------------------------------- Parquet


def _in_parquet(path: Path, scrubber: Scrubber, target: Path | None) -> bool:
    """Whether a person is in an export; with a target, it takes the place of the export."""
    with connect_memory() as connection:
        name, rows = f"marts.{quoted(path.stem)}", f"read_parquet({literal(str(path))})"
        columns = [row[0] for row in connection.execute(f"describe from {rows}").fetchall()]
        if not scrubber.may_be_in(connection, rows, columns):
            return False
        connection.execute("create schema marts")
        connection.execute(f"create table {name} as from {rows}")
        table = replace(scrubber, renamed={})
        if target is None:
            return bool(table.count(connection).rows)
        table.scrub(connection)
        options = "format parquet, compression zstd"
        connection.execute(f"copy {name} to {literal(str(target))} ({options})")
    sync(target)
    os.replace(target, path)
    return True


# ---------------------------------------------------------------- SQLite


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return connection


def _columns(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    for (table,) in tables:
        for row in connection.execute(f"pragma table_info({quoted(table)})").fetchall():
            yield quoted(table), quoted(row[1])


def _in_sqlite(path: Path, known: People) -> bool:
    if not known.names:
        return False
    # free pages keep what was deleted
    files = (path, Path(f"{path}-wal"), Path(f"{path}-journal"))
    if any(known.is_named(_text(file)) for file in files if file.exists()):
        return True
    with closing(_opened(path)) as connection:
        _teach(connection, known)
        return any(
            connection.execute(f"select 1 from {t} where named({c}) limit 1").fetchone()
            for t, c in _columns(connection)
        )


def _scrub_sqlite(path: Path, known: People) -> None:
    try:
        with closing(_opened(path)) as connection:
            _teach(connection, known)
            connection.execute("pragma secure_delete = on")
            connection.execute("begin immediate")
            for table, column in list(_columns(connection)):
                connection.execute(
                    f"update {table} set {column} = without({column}) where named({column})"
                )
            connection.execute("commit")
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.OperationalError as error:
        raise TradewindError(
            f"Dagster's history cannot be changed: {error}",
            str(path),
            "that no `tradewind ui` or `dagster` has it open",
            "end it and forget the person again; what was done already stays done",
        ) from error


def _teach(connection: sqlite3.Connection, known: People) -> None:
    def as_text(value: object) -> str | None:
        if isinstance(value, bytes):
            return value.decode("utf-8", "surrogateescape")
        return value if isinstance(value, str) else None

    def named(value: object) -> bool:
        return known.is_named(as_text(value) or "")

    def without(value: object) -> str | bytes:
        text = _without(known, as_text(value) or "")
        return text.encode("utf-8", "surrogateescape") if isinstance(value, bytes) else text

    connection.create_function("named", 1, named)
    connection.create_function("without", 1, without)

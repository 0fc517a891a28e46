"""Parquet files of the marts, one folder a version, for readers that do not speak DuckDB."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ingest.durable import sync
from ingest.home import Home
from orchestration.candidate import Candidate, connect_memory, quoted
from orchestration.files import full_disk_explained, remove, state_of

_MARTS = """
select table_name from information_schema.tables
where table_catalog = current_database() and table_schema = 'marts'
order by table_name
"""


@dataclass(frozen=True)
class Exported:
    """The folder where a run wrote the marts of its candidate, and how it left each file."""

    folder: Path
    left: Mapping[str, tuple[int, ...]]

    @property
    def is_untouched(self) -> bool:
        """Whether the folder holds these files, and nobody has written to any since."""
        return self.folder.exists() and _states(self.folder) == self.left


def export_early(connection: duckdb.DuckDBPyConnection, candidate: Candidate) -> Exported:
    """Write every mart that a candidate holds to a folder beside it, for its own run to publish.

    Only the run that wrote it may use it, and only for marts that it does not change afterwards.

    Args:
        connection: The candidate, open.
        candidate: Whose marts these are.

    Raises:
        DiskFull: there is no room.
    """
    folder = candidate.folder / "parquet"
    remove(folder)
    folder.mkdir()
    _write(connection, folder)
    return Exported(folder, _states(folder))


def export_marts(
    home: Home, database: Path, version: str, exported: Exported | None = None
) -> list[Path]:
    """Let every mart of ``database`` stand in ``parquet/<version>/<mart>.parquet``, all or none.

    An empty mart gives an empty file with the right columns.

    Args:
        home: Where the folder is.
        database: The warehouse.
        version: Its version.
        exported: Where its marts were written already: moved, if as they were left.

    Raises:
        DiskFull: there is no room; the half export is removed.
    """
    folder = home.parquet / version
    if exported is not None and exported.is_untouched:
        home.parquet.mkdir(parents=True, exist_ok=True)
        _move(exported.folder, folder)
    else:
        _export(home, database, folder)
    return sorted(folder.glob("*.parquet"))


def _export(home: Home, database: Path, folder: Path) -> None:
    partial = home.parquet / f".{folder.name}.partial"
    remove(partial)
    partial.mkdir(parents=True)
    try:
        with connect_memory() as connection:
            connection.execute(f"attach {quoted(database)} as exported (read_only)")
            connection.execute("use exported")
            _write(connection, partial)
        _move(partial, folder)
    finally:
        remove(partial)


def _states(folder: Path) -> dict[str, tuple[int, ...]]:
    return {file.name: state_of(file) for file in folder.iterdir()}


def _move(written: Path, folder: Path) -> None:
    sync(written)
    written.replace(folder)
    sync(folder.parent)


def _write(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    names = [name for (name,) in connection.execute(_MARTS).fetchall()]
    with full_disk_explained(folder.parent):
        for name in names:
            target = folder / f"{name}.parquet"
            connection.execute(
                f'copy marts."{name}" to {quoted(target)} '
                "(format parquet, compression zstd, compression_level 1)"
            )
            sync(target)

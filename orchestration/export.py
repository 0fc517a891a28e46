"""Parquet files of the marts, one folder a version, for readers that do not speak DuckDB."""

from pathlib import Path

from ingest.home import Home
from orchestration.candidate import connect_memory, quoted
from orchestration.files import full_disk_explained, remove, sync

_MARTS = """
select table_name from information_schema.tables
where table_catalog = 'exported' and table_schema = 'marts'
order by table_name
"""


def export_marts(home: Home, database: Path, version: str) -> list[Path]:
    """Write every mart of ``database`` to ``parquet/<version>/<mart>.parquet``, all or none.

    An empty mart gives an empty file with the right columns.

    Raises:
        DiskFull: there is no room; the half export is removed.
    """
    folder = home.parquet / version
    partial = home.parquet / f".{version}.partial"
    remove(partial)
    partial.mkdir(parents=True)
    try:
        with full_disk_explained(home.parquet):
            names = _write(database, partial)
        sync(partial)
        partial.replace(folder)
        sync(home.parquet)
    finally:
        remove(partial)
    return [folder / f"{name}.parquet" for name in names]


def _write(database: Path, folder: Path) -> list[str]:
    with connect_memory() as connection:
        connection.execute(f"attach {quoted(database)} as exported (read_only)")
        connection.execute("use exported")
        names = [name for (name,) in connection.execute(_MARTS).fetchall()]
        for name in names:
            target = folder / f"{name}.parquet"
            connection.execute(
                f'copy exported.marts."{name}" to {quoted(target)} '
                "(format parquet, compression zstd, compression_level 1)"
            )
            sync(target)
    return names

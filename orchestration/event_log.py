"""Dagster's event log with its connections kept open while a run lasts.

Dagster's own opens and closes a SQLite database several times for each of a run's hundreds of
events, which costs more CPU than the events themselves. The files are the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.pool import StaticPool

_BUSY_SECONDS = 5


class KeptOpenEventLog(SqliteEventLogStorage):
    """The event log of one process that writes one run; `dispose` closes it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._kept: dict[str, Connection] = {}
        self._columns: dict[str, bool] = {}
        self._tables: set[str] = set()
        super().__init__(*arguments, **options)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "KeptOpenEventLog":
        """Dagster's way to make a storage from its configuration."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if shard not in self._kept:
            # creates the file and its tables where they are missing
            with super()._connect(shard):
                pass
            self._kept[shard] = self._open(shard)
        connection = self._kept[shard]
        with self._db_lock, connection.begin():
            yield connection

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        # asked anew for every event by reading the schema, which nothing changes meanwhile
        if column_name not in self._columns:
            found = super()._has_asset_key_col_on_connection(conn, column_name)
            self._columns[column_name] = found
        return self._columns[column_name]

    def has_table(self, table_name: str) -> bool:
        """Whether a table is there; asked for every check through an engine made for it."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _open(self, shard: str) -> Connection:
        engine = create_engine(
            self.conn_string_for_shard(shard),
            poolclass=StaticPool,
            connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        )
        connection = engine.connect()
        # the log of a run is no treasure: a crash of the machine may lose its last moments
        connection.exec_driver_sql("pragma synchronous = off")
        connection.commit()
        return connection

    def dispose(self) -> None:
        """Close everything that was kept open."""
        for connection in self._kept.values():
            connection.close()
            connection.engine.dispose()
        self._kept.clear()
        super().dispose()

"""Postgres, MySQL, MariaDB and SQLite by way of DuckDB's extensions, read only.

Everything is asked in the database's own SQL (`postgres_query` and its like), so that conditions
and sums are worked out where the rows are, within one transaction and so on one snapshot. The
extensions come with the environment; nothing is downloaded.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote

import duckdb

from ingest.company import Company, Source
from ingest.database_settings import DatabaseSettings
from ingest.errors import SourceUnreachable, TradewindError
from ingest.remote import load_extension
from ingest.sql import literal, quoted

_EXTENSIONS = {"postgres": "postgres", "mysql": "mysql", "mariadb": "mysql", "sqlite": "sqlite"}
_SETTINGS = {
    # a number in a tinyint(1) is no truth value; a timestamp is shown in the session's time zone
    "mysql": ("mysql_tinyint1_as_boolean = false", "mysql_session_time_zone = '+00:00'"),
}
_SECONDS_TO_CONNECT = 10
_SECRETS = (
    re.compile(r"(?:password|passwd)\s*=\s*(?:'([^']*)'|(\S+))", re.IGNORECASE),
    re.compile(r"://[^/@\s:]*:([^@\s]+)@()"),
)
_REFUSALS = (
    "syntax error",
    "SQL syntax",
    "no such",
    "incomplete input",
    "Unknown column",
    "Duplicate column",
    "doesn't exist",
    "does not exist",
    "Invalid dsn",
)
_TABLES = {
    "postgres": "select table_schema as s, table_name as t from information_schema.tables "
    "where table_schema not in ('pg_catalog', 'information_schema')",
    "mysql": "select table_schema as s, table_name as t from information_schema.tables "
    "where table_schema not in ('information_schema', 'mysql', 'performance_schema', 'sys')",
    "sqlite": "select 'main' as s, name as t from sqlite_master where type in ('table', 'view')",
}


@dataclass(frozen=True)
class Column:
    """A column of what is read.

    Attributes:
        name: Its name at the source.
        type: Its type as it lands.
        asked: SQL of the source that gives it.
        taken: SQL of DuckDB that makes the landed value of what comes.
    """

    name: str
    type: str
    asked: str
    taken: str


@dataclass(frozen=True)
class Reader:
    """An open transaction on one source's database.

    Attributes:
        connection: A DuckDB of its own, to which the database is attached as `source`.
        source: The source.
        settings: Its settings.
        engine: postgres, mysql or sqlite.
    """

    connection: duckdb.DuckDBPyConnection
    source: Source
    settings: DatabaseSettings
    engine: str

    @property
    def where(self) -> str:
        """The source, for messages."""
        return f"source {self.source.name}: {self.settings.table or 'query'}"

    def named(self, name: str) -> str:
        """A name in the source's own quotes."""
        if self.engine == "mysql":
            return "`" + name.replace("`", "``") + "`"
        return quoted(name)

    @property
    def relation(self) -> str:
        """What is read, to stand after `from`."""
        if self.settings.query:
            # the line break ends a comment that the query may end with
            return f"({self.settings.query.strip().rstrip(';')}\n) as tradewind_rows"
        parts = str(self.settings.table).split(".")
        return ".".join(map(self.named, parts)) + " as tradewind_rows"

    def asked(self, sql: str, is_all: bool = False) -> str:
        """A query of the source, to stand after DuckDB's `from`.

        Args:
            sql: The query.
            is_all: Whether no other query has to see the same moment. The rows of MySQL stream only
                then: those of its transactions are held until all have come.
        """
        more = ", stream_results => false" if self.engine == "mysql" and not is_all else ""
        return f"{self.engine}_query('source', {literal(sql)}{more})"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query in the source's SQL."""
        return self.connection.execute(f"from {self.asked(sql)}").fetchall()

    def value(self, sql: str) -> Any:
        """The only value of a query in the source's SQL."""
        return self.rows(sql)[0][0]

    def columns(self) -> list[Column]:
        """The columns of what is read, each in a form that loses nothing on its way.

        Raises:
            TradewindError: There is no such table; the near ones are named.
        """
        self._check_table()
        empty = f"select * from {self.relation} limit 0"
        described = self.connection.execute(f"describe from {self.asked(empty)}").fetchall()
        found = [(str(row[0]), str(row[1])) for row in described]
        if self.engine == "postgres":
            return self._postgres_columns(found)
        if self.engine == "sqlite":
            return self._sqlite_columns([name for name, _ in found])
        return self._mysql_columns(found)

    def _postgres_columns(self, found: Sequence[tuple[str, str]]) -> list[Column]:
        """A numeric without a scale would come as a double: it comes as text instead."""
        types = self._told_of(found, "cast(pg_typeof({}) as text)")
        columns = []
        for (name, kind), own in zip(found, types, strict=True):
            asked = self.named(name)
            if own in ("numeric", "numeric[]") and kind.startswith("DOUBLE"):
                kind = kind.replace("DOUBLE", "VARCHAR")
                text = own.replace("numeric", "text")
                asked = f"cast({asked} as {text}) as {asked}"
            columns.append(Column(name, kind, asked, quoted(name)))
        return columns

    def _mysql_columns(self, found: Sequence[tuple[str, str]]) -> list[Column]:
        """Texts of a binary collation would come as bytes, long decimals as doubles."""
        charsets = self._told_of(found, "charset({})")
        decimals = self._mysql_decimals()
        columns = []
        for (name, kind), charset in zip(found, charsets, strict=True):
            asked = self.named(name)
            if kind == "BLOB" and charset not in (None, "binary"):
                kind, asked = "VARCHAR", f"convert({asked} using utf8mb4) as {asked}"
            elif kind == "DOUBLE" and name in decimals:
                kind, asked = "VARCHAR", f"cast({asked} as char) as {asked}"
            columns.append(Column(name, kind, asked, quoted(name)))
        return columns

    def _told_of(self, found: Sequence[tuple[str, str]], expression: str) -> tuple[Any, ...]:
        """What an expression of the source says of each column, also where there is no row."""
        listed = ", ".join(
            f"{expression.format('tradewind_rows.' + self.named(name))} as c{number}"
            for number, (name, _) in enumerate(found)
        )
        return self.rows(
            f"select {listed} from (select 1 as one) as one left join {self.relation} on false"
        )[0]

    def _mysql_decimals(self) -> set[str]:
        """Columns of a table that are decimals. What a query makes of them does not tell."""
        if not self.settings.table:
            return set()
        *schema, table = self.settings.table.split(".")
        within = literal(schema[0]) if schema else "database()"
        found = self.rows(
            "select column_name as c from information_schema.columns where data_type = 'decimal' "
            f"and table_name = {literal(table)} and table_schema = {within}"
        )
        return {str(row[0]) for row in found}

    def _sqlite_columns(self, names: Sequence[str]) -> list[Column]:
        """SQLite's types belong to values: they come as text, and columns of blobs as blobs."""
        blobs: set[str] = set()
        if self.settings.table:
            name = literal(self.settings.table.split(".")[-1])
            listed = self.rows(f"select name, type from pragma_table_info({name})")
            blobs = {str(row[0]) for row in listed if "BLOB" in str(row[1]).upper()}
        return [self._sqlite_column(name, name in blobs) for name in names]

    def _sqlite_column(self, name: str, is_blob: bool) -> Column:
        value = self.named(name)
        if is_blob:
            # hex() of nothing is an empty text
            hexed = f"hex(cast({value} as blob))"
            asked = f"case when {value} is not null then {hexed} end as {value}"
            return Column(name, "BLOB", asked, f"unhex({quoted(name)}) as {quoted(name)}")
        asked = (
            f"case typeof({value}) when 'blob' then hex({value}) when 'real' then "
            f"case when cast(cast({value} as text) as real) = {value} then cast({value} as text) "
            f"else printf('%!.17g', {value}) end else cast({value} as text) end as {value}"
        )
        return Column(name, "VARCHAR", asked, quoted(name))

    def _check_table(self) -> None:
        if not self.settings.table:
            return
        tables = self.rows(_TABLES[self.engine])
        known = {f"{schema}.{table}" for schema, table in tables}
        plain = {str(table) for _, table in tables}
        if self.settings.table in known | plain:
            return
        raise self.unknown("table", self.settings.table, sorted(known | plain))

    def check_columns(self, columns: Sequence[Column]) -> None:
        """Refuse a cursor or key that is no column; the near ones are named."""
        names = [column.name for column in columns]
        for name in [*filter(None, [self.settings.cursor]), *self.settings.key]:
            if name not in names:
                raise self.unknown("column", name, names)

    def unknown(self, what: str, name: str, known: Sequence[str]) -> TradewindError:
        """The error for a name that the database does not have."""
        by_small = {each.lower(): each for each in known}
        near = [by_small[n] for n in get_close_matches(name.lower(), list(by_small), 3, 0.5)]
        return TradewindError(
            f"the database has no {what} {name!r}",
            self.where,
            f"one of {', '.join(near or known[:10])}" if known else f"a {what} to read",
            f"correct `database:` of the source{'; did you mean ' + near[0] + '?' if near else ''}",
        )


@contextmanager
def opened(source: Source, company: Company) -> Iterator[Reader]:
    """A database in one read-only transaction, so that all that is read is of one moment.

    Raises:
        SourceUnreachable: It does not answer, or stops answering.
        TradewindError: It answers that what is asked cannot be read.
    """
    settings = source.database
    assert settings is not None, "a source of kind database has its settings"
    engine = _EXTENSIONS[settings.engine]
    connection = duckdb.connect()
    try:
        load_extension(connection, engine)
        for setting in _SETTINGS.get(engine, ()):
            connection.execute(f"set {setting}")
        target = _target(settings, company)
        try:
            connection.execute(f"attach {literal(target)} as source (type {engine}, read_only)")
            # its progress bar would go to the output of whoever calls
            connection.execute("set enable_progress_bar = false")
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("begin")
            yield Reader(connection, source, settings, engine)
        except duckdb.Error as error:
            raise _explained(source, settings, error) from None
    finally:
        connection.close()


def _target(settings: DatabaseSettings, company: Company) -> str:
    target = settings.target
    if settings.engine == "sqlite":
        return str(company.path.absolute().parent / target)
    if settings.engine == "postgres" and "connect_timeout" not in target:
        limit = f"connect_timeout={_SECONDS_TO_CONNECT}"
        if "://" in target:
            return target + ("&" if "?" in target else "?") + limit
        return f"{target} {limit}"
    return target


def _explained(source: Source, settings: DatabaseSettings, error: duckdb.Error) -> TradewindError:
    """An error of DuckDB's without the secrets that it may repeat."""
    where = f"source {source.name}: {settings.table or 'query'}"
    said = masked(str(error).split("\n\n")[0].replace("\n", " "), settings)
    asked = isinstance(error, duckdb.BinderException | duckdb.CatalogException)
    if asked or any(words in said for words in _REFUSALS):
        return TradewindError(
            f"the database refuses what is asked: {said}",
            where,
            "a table or query that the database can read",
            "correct `table:` or `query:` of the source",
        )
    return SourceUnreachable(
        f"the database {settings.connection} could not be read: {said}",
        where,
        "a database that answers, with a user who may read",
        "check that the server runs, the variable with the connection string and the network, "
        "then run again",
    )


def masked(text: str, settings: DatabaseSettings) -> str:
    """A text without the connection string and the password in it."""
    target = settings.target
    if settings.engine == "sqlite":
        return text
    secrets = [
        found for secret in _SECRETS for m in secret.finditer(target) for found in m.groups()
    ]
    for held in [target, *filter(None, secrets), *(unquote(s) for s in secrets if s)]:
        text = text.replace(held, settings.connection)
    return text

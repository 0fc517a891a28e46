"""Sources in a database: `kind: database`. What is read lands as Parquet files, as any delivery.

A reading takes all rows from the last landed cursor value less the look-back on, equal values
included, and lands those that have not been landed as they are now. A large reading is landed in
stretches by the cursor, so that a killed one goes on where it stopped. What was read last follows
from the landed files alone: there is no other state to lose.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.database_engines import Column, Reader, opened
from ingest.errors import TradewindError
from ingest.expressions import SourceColumn
from ingest.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

    from ingest.company import Company, Source

Without = Callable[["duckdb.DuckDBPyConnection", str, Sequence[SourceColumn]], str]

STRETCH_ROWS = 1_000_000
"""Rows landed at a time: what a killed reading loses at most."""

SAMPLE_ROWS = 1_000
_FEW_KEYS = 1_000
_FAR = "'9000-01-01'"
_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "U",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
)

_PLAIN_TEXTS = ("VARCHAR", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DECIMAL", "DATE", "UUID")
"""Types whose values every database knows by the text that DuckDB writes for them."""


@dataclass(frozen=True)
class Landed:
    """A live delivery of the source: its name in the manifest and its file."""

    path: str
    file: Path


@dataclass(frozen=True)
class Written:
    """A file to be landed under a name."""

    path: str
    file: Path


def read(
    source: "Source",
    company: "Company",
    landed: Sequence[Landed],
    folder: Path,
    without: "Without | None" = None,
) -> Iterator[Written]:
    """Read what is new of a source, one stretch after the other, in one snapshot.

    Args:
        source: A source of kind database.
        company: Its company.
        landed: What is landed of it and live, from first to last.
        folder: Where files are written; each is to be taken before the next is asked for.
        without: Makes of a query over all columns one without the people who are forgotten.

    Raises:
        SourceUnreachable: The database does not answer.
        TradewindError: There is no such table or column, or the cursor cannot be one.
    """
    with opened(source, company) as reader:
        columns = _columns(reader)
        if reader.settings.cursor is None and reader.settings.removes:
            yield _whole(reader, columns, folder, without)
            return
        reading = _Reading(reader, columns, tuple(landed), folder, without)
        yield from reading.new_rows()
        if reader.settings.removes:
            yield from reading.without_removed()


def has_more(source: "Source", company: "Company", landed: Sequence[Landed]) -> bool:
    """Whether the cursor has moved on since the last reading, or nothing was ever read.

    Without a cursor only a reading can tell: then it is False once something was landed.
    """
    if not landed:
        return True
    with opened(source, company) as reader:
        columns = _columns(reader)
        if reader.settings.cursor is None:
            return False
        mark = _Reading(reader, columns, tuple(landed), Path()).mark(look_back=False)
        if mark is None:
            return True
        name = reader.named(reader.settings.cursor)
        later = f"select count(*) from {reader.relation} where {name} > {mark}"
        # a count of SQLite comes as text
        return int(reader.value(later)) > 0


def sample(source: "Source", company: "Company", folder: Path) -> Path:
    """Write some rows of a source to a Parquet file, for looking at them."""
    with opened(source, company) as reader:
        file = folder / f"{os.getpid()}-{source.name}-sample.parquet"
        _write(reader, _select(reader, _columns(reader), "", f"limit {SAMPLE_ROWS}"), file)
    return file


def _columns(reader: Reader) -> list[Column]:
    columns = reader.columns()
    reader.check_columns(columns)
    return [_as_cursor(reader, c) if c.name == reader.settings.cursor else c for c in columns]


def _as_cursor(reader: Reader, column: Column) -> Column:
    """The cursor with a type by which DuckDB orders it as the database does."""
    kind = column.type
    if reader.engine == "sqlite":
        kind = _sqlite_kind(reader, column)
        name = quoted(column.name)
        return Column(column.name, kind, column.asked, f"cast({name} as {kind}) as {name}")
    if reader.engine == "postgres" and kind == "VARCHAR" and "cast(" in column.asked:
        kind = "DECIMAL(38,9)"
        name = quoted(column.name)
        return Column(column.name, kind, column.asked, f"cast({name} as {kind}) as {name}")
    if not kind.startswith((*_NUMBERS, "DATE", "TIMESTAMP")):
        raise _no_cursor(reader, f"is of type {kind}")
    return column


def _sqlite_kind(reader: Reader, column: Column) -> str:
    name = reader.named(column.name)
    found = reader.rows(
        f"select distinct typeof({name}) as t from {reader.relation} where {name} is not null"
    )
    types = {str(row[0]) for row in found}
    if not types:
        # nothing tells yet what it will hold, but what is looked back by
        return "BIGINT" if reader.settings.look_back.strip().isdigit() else "VARCHAR"
    if types <= {"integer"}:
        return "BIGINT"
    if types <= {"integer", "real"}:
        return "DOUBLE"
    if types == {"text"}:
        return "VARCHAR"
    raise _no_cursor(reader, f"holds {' and '.join(sorted(types))}")


def _no_cursor(reader: Reader, what: str) -> TradewindError:
    return TradewindError(
        f"the cursor {reader.settings.cursor} {what}",
        reader.where,
        "a column of numbers or of times that grows with every new or changed row",
        "choose another `cursor:`, or leave it out to read everything each time",
    )


def _select(
    reader: Reader,
    columns: Sequence[Column],
    condition: str,
    rest: str = "",
    is_all: bool = False,
) -> str:
    """A query of DuckDB's for the landed form of the rows that meet a condition of the source."""
    asked = ", ".join(column.asked for column in columns)
    where = f" where {condition}" if condition else ""
    taken = ", ".join(column.taken for column in columns)
    query = f"select {asked} from {reader.relation}{where} {rest}"
    return f"select {taken} from {reader.asked(query, is_all)}"


def _write(reader: Reader, query: str, file: Path) -> None:
    """Row by row through DuckDB, never as a whole in memory, in the order in which they come."""
    reader.connection.execute(f"copy ({query}) to {literal(str(file))} (format parquet)")


def _without(reader: Reader, columns: Sequence[Column], query: str, without: Without | None) -> str:
    """A query over all columns as it lands."""
    if without is None:
        return query
    listed = [SourceColumn(column.name, column.type) for column in columns]
    return without(reader.connection, query, listed)


def _whole(
    reader: Reader, columns: Sequence[Column], folder: Path, without: Without | None
) -> Written:
    file = folder / f"{os.getpid()}-whole.parquet"
    query = _select(reader, columns, "", is_all=True)
    _write(reader, _without(reader, columns, query, without), file)
    return Written(f"database:{reader.source.name}/whole.parquet", file)


@dataclass(frozen=True)
class _Reading:
    """One reading of one source, with what is landed of it."""

    reader: Reader
    columns: list[Column]
    landed: tuple[Landed, ...]
    folder: Path
    without: Without | None = None

    @property
    def _cursor(self) -> Column | None:
        found = [c for c in self.columns if c.name == self.reader.settings.cursor]
        return found[0] if found else None

    def new_rows(self) -> Iterator[Written]:
        """Files of the rows that are not landed as they are now."""
        number = max((_number(landed.path) for landed in self.landed), default=0)
        mark = self.mark() if self.landed else None
        stretches = list(self._stretches(mark))
        for condition in stretches:
            file = self.folder / f"{os.getpid()}-stretch.parquet"
            query = self._query(condition)
            _write(self.reader, self._not_landed(query, mark) if self.landed else query, file)
            if self._has_rows(file) and (self.landed or len(stretches) > 1):
                file = self._with_their_groups(file)
            if self._has_rows(file) or (not self.landed and not number):
                number += 1
                yield Written(self._path(number), file)

    def _query(self, condition: str) -> str:
        query = _select(self.reader, self.columns, condition)
        return _without(self.reader, self.columns, query, self.without)

    def _path(self, number: int) -> str:
        return f"database:{self.reader.source.name}/{number:06d}.parquet"

    def _has_rows(self, file: Path) -> bool:
        found = self.reader.connection.execute(f"select count(*) from {_files([file])}").fetchall()
        return bool(found[0][0])

    def mark(self, look_back: bool = True) -> str | None:
        """The last landed cursor value, less the look-back, as a literal of the source's SQL."""
        cursor = self._cursor
        if cursor is None or cursor.name not in self._landed_columns():
            return None
        name = f"try_cast({quoted(cursor.name)} as {cursor.type})"
        files = _files([landed.file for landed in self.landed])
        # an end of time is no time at which anything was read
        finite = f"{name} < {_FAR}" if cursor.type.startswith(("DATE", "TIMESTAMP")) else "true"
        back = self._less_look_back("last", cursor) if look_back else "cast(last as varchar)"
        query = (
            f"select cast(last as varchar), {back} "
            f"from (select max({name}) filter (where {finite}) as last from {files})"
        )
        last, value = self.reader.connection.execute(query).fetchall()[0]
        if last is None:
            return None
        if value is None:
            raise _no_cursor(self.reader, f"holds {last!r}, which is no time to look back from")
        return str(value) if cursor.type.startswith(_NUMBERS) else literal(str(value))

    def _less_look_back(self, last: str, cursor: Column) -> str:
        text = self.reader.settings.look_back.strip()
        is_number = cursor.type.startswith(_NUMBERS)
        if text.isdigit() and (is_number or int(text) == 0):
            return f"cast({last} - {text} as varchar)" if is_number else f"cast({last} as varchar)"
        if text.isdigit() or is_number:
            raise TradewindError(
                f"look_back {text} of the cursor {cursor.name}, which is of type {cursor.type}",
                self.reader.where,
                "a number for a cursor of numbers, and a span such as 1 hour for one of times",
                "correct `look_back:` of the source",
            )
        span = f"interval {literal(text)}"
        if cursor.type == "VARCHAR":
            return f"strftime(try_cast({last} as timestamp) - {span}, '%Y-%m-%d %H:%M:%S')"
        return f"cast({last} - {span} as varchar)"

    def _stretches(self, mark: str | None) -> Iterator[str]:
        """Conditions that divide the rows to read; one where they are few."""
        cursor = self._cursor
        if cursor is None:
            yield ""
            return
        name = self.reader.named(cursor.name)
        base = f"({name} >= {mark} or {name} is null)" if mark else ""
        where = f"where {name} >= {mark}" if mark else f"where {name} is not null"
        bounds = self.reader.rows(
            f"select distinct {self._bound(cursor)} as bound, {name} as place from (select {name}, "
            f"row_number() over (order by {name}) as place_number from {self.reader.relation} "
            f"{where}) as numbered where place_number % {STRETCH_ROWS} = 0 order by 2"
        )
        before = ""
        for bound, _ in bounds:
            value = str(bound) if cursor.type.startswith(_NUMBERS) else literal(str(bound))
            upper = f"{name} <= {value}" if before else f"({name} <= {value} or {name} is null)"
            yield " and ".join(filter(None, [before or base, upper]))
            before = f"{name} > {value}"
        yield before or base

    def _bound(self, cursor: Column) -> str:
        name = self.reader.named(cursor.name)
        return f"cast({name} as char)" if self.reader.engine == "mysql" else f"cast({name} as text)"

    def _landed_columns(self) -> set[str]:
        files = _files([landed.file for landed in self.landed])
        rows = self.reader.connection.execute(f"describe from {files}").fetchall()
        return {str(row[0]) for row in rows}

    def _not_landed(self, query: str, mark: str | None) -> str:
        """The rows of a query that no landed file holds as they are, counted one by one."""
        known = self._landed_columns()
        listed = ", ".join(
            f"try_cast({quoted(c.name)} as {c.type})"
            if c.name in known
            else f"cast(null as {c.type})"
            for c in self.columns
        )
        cursor = self._cursor
        if cursor is not None and mark is not None:
            name = f"try_cast({quoted(cursor.name)} as {cursor.type})"
            files = _files([landed.file for landed in self.landed])
            newer = f"where {name} >= {mark} or {name} is null"
            return f"{query} except all select {listed} from {files} {newer}"
        return f"{query} except all select {listed} from {self._last_versions(known)}"

    def _last_versions(self, known: set[str]) -> str:
        """The landed rows; of rows with one key those that landed last."""
        files = [landed.file for landed in self.landed]
        key = [name for name in self.reader.settings.key if name in known]
        if not key:
            return _files(files)
        listed = ", ".join(map(quoted, key))
        order = f"list_position({literal([str(file) for file in files])}, filename)"
        return (
            f"(from {_files(files, filename=True)} "
            f"qualify dense_rank() over (partition by {listed} order by {order} desc) = 1)"
        )

    def _with_their_groups(self, file: Path) -> Path:
        """The new rows with all rows of the same keys, where a key names more than one row.

        A delivery that replaces an order has to hold all its lines, changed or not; one that
        replaces nothing would double them.
        """
        key = self.reader.settings.key
        if not key or not self.reader.source.replaces or not self._names_groups():
            return file
        listed = ", ".join(quoted(name) for name in key)
        keys = f"select distinct {listed} from {_files([file])}"
        condition = self._named_keys(keys) if len(key) == 1 else ""
        query = self._query(condition)
        same = " and ".join(f"r.{quoted(n)} is not distinct from k.{quoted(n)}" for n in key)
        target = file.with_name(f"{os.getpid()}-groups.parquet")
        _write(
            self.reader, f"select r.* from ({query}) as r semi join ({keys}) as k on {same}", target
        )
        return target

    def _named_keys(self, keys: str) -> str:
        """A condition of the source for a few keys of one column; empty where none can be told."""
        connection, name = self.reader.connection, self.reader.settings.key[0]
        column = next(column for column in self.columns if column.name == name)
        found = connection.execute(
            f"select cast({quoted(name)} as varchar) from ({keys}) limit {_FEW_KEYS + 1}"
        ).fetchall()
        is_plain = column.type.startswith(_PLAIN_TEXTS)
        if not is_plain or len(found) > _FEW_KEYS or any(text is None for (text,) in found):
            return ""
        # SQLite compares no number with a text: it has to show the key as it lands
        is_lite = self.reader.engine == "sqlite"
        shown = column.asked.rsplit(" as ", 1)[0] if is_lite else self.reader.named(name)
        return f"{shown} in ({', '.join(literal(text) for (text,) in found)})"

    def _names_groups(self) -> bool:
        """Whether some key stands more than once in the database."""
        listed = ", ".join(map(self.reader.named, self.reader.settings.key))
        return bool(
            self.reader.rows(
                f"select 1 as one from {self.reader.relation} group by {listed} "
                "having count(*) > 1 limit 1"
            )
        )

    def without_removed(self) -> Iterator[Written]:
        """Landed files anew without the rows whose key the database no longer has."""
        key = self.reader.settings.key
        if not self.landed:
            return
        columns = [column for column in self.columns if column.name in key]
        same = " and ".join(
            f"landed.{quoted(c.name)} is not distinct from held.{quoted(c.name)}" for c in columns
        )
        connection = self.reader.connection
        connection.execute(
            f"create or replace temp table held as {_select(self.reader, columns, '')}"
        )
        for number, landed in enumerate(self.landed):
            kept = f"from {_files([landed.file])} as landed anti join held on ({same})"
            gone = kept.replace("anti join", "semi join")
            rows = connection.execute(
                f"select (select count(*) from {_files([landed.file])}), (select count(*) {gone})"
            ).fetchall()[0]
            if rows[0] != rows[1]:
                file = self.folder / f"{os.getpid()}-kept{number}.parquet"
                _write(self.reader, f"select landed.* {gone}", file)
                yield Written(landed.path, file)


def _number(path: str) -> int:
    """Of a stretch, as its path says; files that hold the same may share one and leave gaps."""
    return int(Path(path).stem) if Path(path).stem.isdigit() else 0


def _files(files: Sequence[Path], filename: bool = False) -> str:
    named = ", filename = true" if filename else ""
    return f"read_parquet({literal([str(f) for f in files])}, union_by_name = true{named})"

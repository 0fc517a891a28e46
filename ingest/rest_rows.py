"""From landed pages to rows: DuckDB reads the files, a few at a time, and none stands in Python.

A row is a record, each of its keys a column of text as in a file of JSON, and `fields` are columns
of their own. What landed before as it is now is left out.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path as File
from types import TracebackType

import duckdb

from ingest.errors import DeliveryRefused
from ingest.rest_paths import Path
from ingest.rest_settings import RestSettings
from ingest.sql import literal, quoted

_PART_BYTES = 4 << 20, 16 << 20
# of what came before: little is left to do at the end, and there are not too many parts
_PART_SHARE = 1 / 16
Without = Callable[[File, File], bool]
"""Writes a file of rows to a second one without the people who are forgotten, where one is in it;
whether one was."""
_PAGE, _PLACE, _INNER = "_tradewind_page", "_tradewind_place", "_tradewind_inner"
_OWN = (_PAGE, _PLACE, _INNER)
_IN_ORDER = f" order by {', '.join(_OWN)}"


@dataclass(frozen=True)
class PageFile:
    """A landed page: its number in the capture, its file, and its bytes (0 if it is blank)."""

    number: int
    file: File
    bytes: int


class Rows:
    """The rows of one capture, kept in Parquet files until it is whole.

    Args:
        where: The source, for messages.
        settings: Its settings.
        folder: For files that go with the process.
        without: Takes the people out who are forgotten; None where nobody is.
    """

    def __init__(
        self, where: str, settings: RestSettings, folder: File, without: Without | None = None
    ) -> None:
        self._where = where
        self._settings = settings
        self._folder = folder
        self._without = without
        self._parts: list[File] = []
        self._cleaned: list[File] = []
        # one thread beside: the connection is never used by two at once
        self._beside = ThreadPoolExecutor(1)
        self._writing: list[Future[None]] = []
        self._waiting: list[PageFile] = []
        self._waiting_bytes = self._begun_bytes = 0
        self._columns: dict[str, str] = {}
        self._number = 0
        self._connection = duckdb.connect(
            config={"temp_directory": str(folder / f"{os.getpid()}-spill"), "memory_limit": "2GB"}
        )
        self._connection.execute("set enable_progress_bar = false")
        self._connection.execute("set threads = 1")
        self._connection.execute("set TimeZone = 'UTC'")

    def __enter__(self) -> "Rows":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._beside.shutdown(cancel_futures=True)
        self._connection.close()
        self.forget()

    def forget(self) -> None:
        """Let go of all pages: the capture is begun anew."""
        wait(self._writing)
        self._writing = []
        for part in (*self._parts, *self._cleaned):
            part.unlink(missing_ok=True)
        self._cleaned = []
        self._parts, self._waiting = [], []
        self._waiting_bytes = self._begun_bytes = 0

    # ---------------------------------------------------------------- pages in

    def add(self, page: PageFile, columns: Iterable[str]) -> None:
        """Take a page in; `columns` are the keys that records have had so far."""
        self._name(columns)
        if page.bytes:
            self._waiting.append(page)
            self._waiting_bytes += page.bytes
        least, most = _PART_BYTES
        if self._waiting_bytes >= min(max(least, self._begun_bytes * _PART_SHARE), most):
            self._begin_part()

    def _name(self, columns: Iterable[str]) -> None:
        """Give each key a column: names that differ in case only are told apart by a number."""
        new = [key for key in (*self._settings.fields, *columns) if key not in self._columns]
        if not new:
            return
        taken = {name.lower() for name in self._columns.values()}
        for key in new:
            if key in self._columns or not key:
                continue
            name, number = key, 1
            while name.lower() in taken:
                name, number = f"{key}_{number}", number + 1
            taken.add(name.lower())
            self._columns[key] = name

    def _begin_part(self) -> None:
        """Have the pages that wait written to a file while others come."""
        if self._waiting:
            pages, self._waiting = self._waiting, []
            self._begun_bytes += self._waiting_bytes
            self._waiting_bytes = 0
            self._parts.append(self._new_file("part"))
            query = self._query(pages)
            # parts are written in order and stay so: what is read of them need not be sorted
            query = f"from ({query}) {_IN_ORDER}"
            self._writing.append(self._beside.submit(self._write_part, query, self._parts[-1]))

    def _finish_parts(self) -> None:
        self._begin_part()
        writing, self._writing = self._writing, []
        for each in writing:
            each.result()
        # nothing is left to do beside it
        self._connection.execute("reset threads")

    def _write_part(self, query: str, part: File) -> None:
        try:
            self._copy(query, part, "compression uncompressed")
        except duckdb.Error as error:
            raise DeliveryRefused(
                f"the pages cannot be read as {self._settings.format}: "
                f"{str(error).splitlines()[0]}",
                self._where,
                f"bodies of {self._settings.format}, all of one shape",
                "set `format:`, `delimiter:` and `encoding:` of the source to what the server "
                "sends",
            ) from None

    def _new_file(self, what: str) -> File:
        self._number += 1
        return self._folder / f"{os.getpid()}-{what}{self._number}.parquet"

    def _copy(self, query: str, file: File, how: str = "compression snappy") -> None:
        self._connection.execute(f"copy ({query}) to {literal(str(file))} (format parquet, {how})")

    def _query(self, pages: Sequence[PageFile]) -> str:
        kind = self._settings.format
        if kind == "json":
            return self._json_query(self._documents(pages))
        each = self._csv_page if kind == "csv" else self._lines_page
        return " union all by name ".join(f"({each(page)})" for page in pages)

    def _documents(self, pages: Sequence[PageFile]) -> str:
        """Page number and content: a body that came twice is read for each time."""
        listed = ", ".join(f"({page.number}, {literal(str(page.file))})" for page in pages)
        files = literal(sorted({str(page.file) for page in pages}))
        # a byte order mark is no part of JSON
        content = "if(starts_with(t.content, chr(65279)), t.content[2:], t.content)"
        return (
            f"select p.number as {_PAGE}, {content} as e from read_text({files}) as t "
            f"inner join (values {listed}) as p(number, file) on t.filename = p.file"
        )

    def _csv_page(self, page: PageFile) -> str:
        delimiter = literal(self._settings.delimiter or ",")
        return (
            f"select *, {page.number} as {_PAGE}, row_number() over () as {_PLACE}, "
            f"cast([] as bigint[]) as {_INNER} "
            f"from read_csv({literal(str(page.file))}, all_varchar = true, header = true, "
            f"delim = {delimiter}, quote = '\"', escape = '\"', comment = '', "
            f"encoding = {literal(self._settings.encoding)}, nullstr = '')"
        )

    def _lines_page(self, page: PageFile) -> str:
        lines = (
            f"select {page.number} as {_PAGE}, row_number() over () as {_PLACE}, "
            f"cast([] as bigint[]) as {_INNER}, json as record "
            f"from read_json_objects({literal(str(page.file))}, format = 'newline_delimited')"
        )
        return self._with_columns(lines, Path.of("[]"))

    def _json_query(self, documents: str) -> str:
        """Take lists apart level by level; what stands above a record goes along as values."""
        records = Path.of(self._settings.records)
        query, carried, places = documents, "", ""
        for level, keys in enumerate(records.levels[:-1]):
            fields = self._fields_at(level)
            found = f"json_extract(e, {literal(_json_path(keys) + '[*]')}) as found"
            values = f", {_values('e', fields.values())} as v{level}" if fields else ""
            query = f"select *, {found}{values} from ({query})"
            carried += f", v{level}" if fields else ""
            query = (
                f"select {_PAGE}, unnest(found) as e, generate_subscripts(found, 1) as p{level}"
                f"{places}{carried} from ({query})"
            )
            places += f", p{level}"
        record = f"json_extract(e, {literal(_json_path(records.levels[-1]))})"
        inner = ", ".join(f"p{level}" for level in range(1, len(records.levels) - 1))
        query = (
            f"select {_PAGE}, p0 as {_PLACE}, cast([{inner}] as bigint[]) as {_INNER}, "
            f"{record if records.levels[-1] else 'e'} as record{carried} from ({query})"
        )
        return self._with_columns(query, records)

    def _fields_at(self, level: int) -> dict[str, str]:
        """Fields that stand above the records, as pointers from the level that they stand at."""
        found = {}
        for name, text in self._settings.fields.items():
            path = Path.of(text)
            if not path.is_relative and len(path.levels) - 1 == level:
                found[self._columns[name]] = _pointer(path.levels[-1])
        return found

    def _with_columns(self, query: str, records: Path) -> str:
        """The columns of the rows, all taken out of a record at once."""
        own = {
            name: _pointer(self._steps_in_record(key, records))
            for key, name in self._columns.items()
            if self._is_in_record(key, records)
        }
        listed = [f"r[{number}] as {quoted(name)}" for number, name in enumerate(own, 1)]
        for level in range(len(records.levels) - 1):
            names = enumerate(self._fields_at(level), 1)
            listed += [f"v{level}[{number}] as {quoted(name)}" for number, name in names]
        taken = _values("record", own.values()) if own else "null"
        columns = ", ".join(listed) or "record ->> '$' as value"
        return f"select {', '.join(_OWN)}, {columns} from (select *, {taken} as r from ({query}))"

    def _is_in_record(self, key: str, records: Path) -> bool:
        path = Path.of(self._settings.fields.get(key, ".record"))
        return path.is_relative or len(path.levels) == len(records.levels)

    def _steps_in_record(self, key: str, records: Path) -> tuple[str, ...]:
        text = self._settings.fields.get(key)
        if text is None:
            return (key,)
        path = Path.of(text)
        skipped = 0 if path.is_relative else len(records.levels[-1])
        return path.levels[-1][skipped:]

    # ---------------------------------------------------------------- rows out

    def count(self, since: int) -> int:
        """Rows on the pages from a number on."""
        self._finish_parts()
        if not self._parts:
            return 0
        return int(self._connection.execute(f"select count(*) {self._all(since)}").fetchall()[0][0])

    def _all(self, since: int) -> str:
        files = literal([str(part) for part in self._parts])
        return f"from read_parquet({files}, union_by_name = true) where {_PAGE} >= {since}"

    def new_rows(self, since: int, landed: Sequence[File], has_duplicates: bool) -> File | None:
        """A file of the rows that have not landed as they are now; None where there is none.

        Args:
            since: The number of the first page that counts.
            landed: What has landed and is live, from first to last.
            has_duplicates: Whether a record came more than once: then the last one counts.
        """
        if not self.count(since):
            return None
        come = self._come(since, has_duplicates)
        if not landed:
            return self._written(come) if self._has(come) else None
        names, held = self._names(), self._held(landed)
        self._connection.execute(f"create or replace temp table come as {come}")
        mine = f"select {_texts(names, set(names))} from come"
        theirs = f"select {_texts(names, held)} from ({self._landed(landed, held)})"
        new = f"{mine} except all {theirs}"
        if not self._settings.key:
            return self._written(f"{new}") if self._has(new) else None
        # a record that has lost a row has changed as well
        changed = f"({new}) union all ({theirs} except all {mine})"
        keys = ", ".join(map(quoted, self._settings.key))
        query = f"select * from come semi join ({changed}) as changed using ({keys})"
        return self._written(query) if self._has(query) else None

    def whole(self, since: int, landed: Sequence[File], has_duplicates: bool) -> File | None:
        """A file of all rows, where they are not those that have landed; None where they are."""
        if not self.count(since):
            return self._none_left(landed)
        come = self._come(since, has_duplicates)
        if landed:
            names, held = self._names(), self._held(landed)
            self._connection.execute(f"create or replace temp table come as {come}")
            mine = f"select {_texts(names, set(names))} from come"
            theirs = f"select {_texts(names, held)} from {_files(landed)}"
            different = f"({mine} except all {theirs}) union all ({theirs} except all {mine})"
            if held <= set(names) and not self._has(different):
                return None
            come = "from come"
        return self._written(come)

    def _none_left(self, landed: Sequence[File]) -> File | None:
        """All rows have gone: a file of none, if there were any."""
        if not landed or not self._has(f"from {_files(landed)}"):
            return None
        return self._written(f"from {_files(landed)} limit 0")

    def _written(self, query: str) -> File:
        names = ", ".join(map(quoted, self._described(query)))
        file = self._new_file("rows")
        self._copy(f"select {names} from ({query})", file)
        return file

    def _has(self, query: str) -> bool:
        return bool(self._connection.execute(f"select 1 from ({query}) limit 1").fetchall())

    def _described(self, query: str) -> list[str]:
        rows = self._connection.execute(f"describe {query}").fetchall()
        return [str(row[0]) for row in rows if row[0] not in _OWN]

    def _names(self) -> list[str]:
        return self._described(f"select * {self._all(0)}")

    def _held(self, landed: Sequence[File]) -> set[str]:
        return set(self._described(f"from {_files(landed)}"))

    def _come(self, since: int, has_duplicates: bool) -> str:
        """The rows that came, in their order; of a record that came twice those that came last."""
        query = f"select * {self._all(since)}"
        if has_duplicates:
            keys = ", ".join(map(quoted, self._settings.key))
            query += f" qualify dense_rank() over (partition by {keys} order by {_PAGE} desc) = 1"
            query += _IN_ORDER
        return query if self._without is None else f"from {_files([self._redacted(query)])}"

    def _redacted(self, query: str) -> File:
        """The rows as they land: what has landed lacks the forgotten, and is compared with them."""
        assert self._without is not None, "only where somebody is forgotten"
        file, target = self._written(query), self._new_file("without")
        self._cleaned.append(target)
        if self._without(file, target):
            file.unlink()
        else:
            file.replace(target)
        return target

    def _landed(self, landed: Sequence[File], held: set[str]) -> str:
        """Landed rows that may be those that came; of rows with one key those that landed last."""
        key = [name for name in self._settings.key if name in held]
        if len(key) < len(self._settings.key) or not key:
            return f"from {_files(landed)}"
        listed = ", ".join(map(quoted, key))
        order = f"list_position({literal([str(file) for file in landed])}, filename)"
        return (
            f"from {_files(landed, filename=True)} "
            f"semi join (select {listed} from come) as wanted using ({listed}) "
            f"qualify dense_rank() over (partition by {listed} order by {order} desc) = 1"
        )


def _files(files: Sequence[File], filename: bool = False) -> str:
    named = ", filename = true" if filename else ""
    return f"read_parquet({literal([str(f) for f in files])}, union_by_name = true{named})"


def _texts(names: Sequence[str], held: set[str]) -> str:
    return ", ".join(
        quoted(name) if name in held else f"cast(null as varchar) as {quoted(name)}"
        for name in names
    )


def _values(record: str, pointers: Iterable[str]) -> str:
    """All of some places in a JSON value as a list of texts: it is read once."""
    listed = ", ".join(map(literal, pointers))
    return f"json_extract_string({record}, [{listed}])"


def _pointer(keys: Sequence[str | None]) -> str:
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def _json_path(keys: Sequence[str]) -> str:
    return "$" + "".join(f'."{key}"' for key in keys)

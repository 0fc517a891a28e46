"""What DuckDB does not say of a workbook: which cells are numbers.

A workbook is an archive of XML. Its cells are told by patterns over whole stretches of bytes, for a
parser that makes an object of each would take many times as long as reading the sheet.
"""

import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import IO

MARK = "\ue000"
"""Stands before each number in a sheet with marked numbers; no text begins with it."""

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


def with_marked_numbers(path: Path, folder: Path) -> Path:
    """A copy of a workbook in which `MARK` stands before each number of a cell.

    Raises:
        zipfile.BadZipFile: It is no workbook that can be unpacked.
    """
    try:
        return _changed(path, folder, _NUMBER, rb"\1" + MARK.encode())
    except (EOFError, RuntimeError, zlib.error) as error:
        raise zipfile.BadZipFile(str(error)) from error


def with_plain_numbers(path: Path, folder: Path) -> Path:
    """A copy of a workbook that DuckDB wrote, marked texts turned back into numbers."""
    return _changed(path, folder, _MARKED_TEXT, rb"><v>\1</v>")


def _changed(path: Path, folder: Path, cell: re.Pattern[bytes], change: bytes) -> Path:
    target = folder / f"changed-{next(_numbers)}.xlsx"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as out:
        for info in archive.infolist():
            with archive.open(info) as opened, out.open(info.filename, "w") as written:
                if not _SHEETS.fullmatch(info.filename):
                    shutil.copyfileobj(opened, written, _CHUNK)
                    continue
                for rows in _whole_rows(opened):
                    written.write(cell.sub(change, rows))
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

"""What is told of a workbook past DuckDB's own reader."""

import zipfile
from pathlib import Path

import openpyxl
import pytest

from ingest.workbooks import (
    FIRST_DAY,
    FIRST_DAY_OF_1904,
    MARK,
    as_first_written,
    first_day,
    prepared,
    sheet_names,
)

# as programs write a cell: with a style, a formula, a type, a prefix, on a line of its own
NUMBERS = [
    b'<c r="A1"><v>1.5</v></c>',
    b'<c r="A1" s="3" t="n"><v>-1.5</v></c>',
    b'<c r="A1"><f>SUM(B1:B2)</f><v>2</v></c>',
    b'<c r="A1"><f t="shared" si="0"/><v>2</v></c>',
    b"<x:c r='A1' s='1'>\n <x:v>1E-7</x:v></x:c>",
]
TEXTS = [
    b'<c r="A1" t="s"><v>12</v></c>',
    b'<c r="A1" s="1" t="str"><f>A2</f><v>12</v></c>',
    b'<c r="A1" t="inlineStr"><is><t>1.5</t></is></c>',
    b'<c r="A1" t="b"><v>1</v></c>',
    b'<c r="A1" s="1"/><c r="B1" t="s"><v>3</v></c>',
    b'<cols><col min="1" max="2"/></cols>',
]


def _sheet(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("cell", [*NUMBERS, *TEXTS])
def test_numbers_are_marked_and_nothing_else(tmp_path: Path, cell: bytes) -> None:
    book = tmp_path / "a.xlsx"
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"<row>" + cell + b"</row>")
    marked = _sheet(prepared(book, tmp_path, True, 0))
    assert marked.count(MARK.encode()) == (cell in NUMBERS)
    assert marked.replace(MARK.encode(), b"") == b"<row>" + cell + b"</row>"


def test_the_first_rows_are_left_out(tmp_path: Path) -> None:
    rows = [b"<row r='1'/>", b'<row spans="1:2" r="2"><c r="A2"/>\n</row>', b'<row r="3"></row>']
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"".join([*rows, b'<row r="13"></row>']))
    left = [_sheet(prepared(tmp_path / "a.xlsx", tmp_path, False, count)) for count in (1, 2, 3)]
    assert left == [b"".join([*rows[count:], b'<row r="13"></row>']) for count in (1, 2, 3)]


def test_marked_texts_become_numbers_again(tmp_path: Path) -> None:
    book = tmp_path / "a.xlsx"
    with zipfile.ZipFile(book, "w") as archive:
        cells = f'<c r="A1" t="inlineStr"><is><t>{MARK}1.5</t></is></c><c r="B1" t="inlineStr">'
        archive.writestr("xl/worksheets/sheet1.xml", f"{cells}<is><t>1.5</t></is></c>")
    assert _sheet(as_first_written(book, tmp_path, FIRST_DAY)).startswith(
        b'<c r="A1"><v>1.5</v></c><c'
    )


def test_numbers_are_marked_from_the_first_row_to_the_last(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for number in range(9_000):
        book.active.append([number, f"text {number}", number / 7, str(number), None, "x" * 200])
    book.save(tmp_path / "a.xlsx")
    sheet = _sheet(prepared(tmp_path / "a.xlsx", tmp_path, True, 0))
    assert sheet.count(MARK.encode()) == 18_000


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ('<workbookPr date1904="1"/>', FIRST_DAY_OF_1904),
        ("<x:workbookPr defaultThemeVersion='1' date1904 = 'true'>", FIRST_DAY_OF_1904),
        ('<workbookPr date1904="0"/>', FIRST_DAY),
        ('<workbookPr/><note date1904="1"/>', FIRST_DAY),
        ("", FIRST_DAY),
    ],
)
def test_the_first_day_of_a_workbook(tmp_path: Path, settings: str, expected: str) -> None:
    book = tmp_path / "a.xlsx"
    sheets = "<sheets><sheet sheetId='1' name='A &amp; B'/><sheet name=\"C\" r:id='2'/></sheets>"
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("xl/workbook.xml", f"<workbook>{settings}{sheets}</workbook>")
    assert first_day(book) == expected
    assert sheet_names(book) == ["A & B", "C"]


def test_what_is_written_anew_counts_its_days_as_before(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "a.xlsx")
    written = as_first_written(tmp_path / "a.xlsx", tmp_path, FIRST_DAY_OF_1904)
    assert first_day(written) == FIRST_DAY_OF_1904
    assert first_day(as_first_written(tmp_path / "a.xlsx", tmp_path, FIRST_DAY)) == FIRST_DAY

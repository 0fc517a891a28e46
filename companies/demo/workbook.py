"""Writes a workbook (xlsx) of one sheet, the same bytes for the same rows."""

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_KINDS = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_ALWAYS = (1980, 1, 1, 0, 0, 0)

_PARTS = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_KINDS}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_KINDS}.worksheet+xml"/>'
        "</Types>"
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        '<sheet name="{sheet}" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
}


def write_workbook(
    path: Path, sheet: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Write a sheet with the names of its columns in the first row.

    Args:
        path: Where to write.
        sheet: The sheet's name.
        columns: The names.
        rows: The cells: numbers stand as numbers, other values as text, None and "" as nothing.
    """
    lines = [_row(number, cells) for number, cells in enumerate([columns, *rows], start=1)]
    parts = {
        **_PARTS,
        "xl/workbook.xml": _PARTS["xl/workbook.xml"].format(sheet=escape(sheet)),
        "xl/worksheets/sheet1.xml": (
            f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'
        ),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as book:
        for name, text in parts.items():
            entry = zipfile.ZipInfo(name, _ALWAYS)
            entry.compress_type = zipfile.ZIP_DEFLATED
            book.writestr(entry, _HEAD + text)


def _row(number: int, cells: Sequence[object]) -> str:
    shown = "".join(_cell(place, number, value) for place, value in enumerate(cells))
    return f'<row r="{number}">{shown}</row>'


def _cell(place: int, row: int, value: object) -> str:
    """One cell of the first 26 columns."""
    if value is None or value == "":
        return ""
    at = f'r="{chr(ord("A") + place)}{row}"'
    if isinstance(value, int | float):
        return f"<c {at}><v>{value!r}</v></c>"
    return f'<c {at} t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'

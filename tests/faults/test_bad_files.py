"""Files that are not what they should be: refused with a message that says what to do."""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import openpyxl
import pytest

from tests.faults.conftest import Shop
from tests.integration.conftest import ORDER_COLUMNS

pytestmark = pytest.mark.xdist_group("faults")


def _lines(name: str) -> list[str]:
    """Twenty good order lines of one day, told apart by the name."""
    return [f"{name}-{n},2024-02-01 10:00:00,GB,Café,P1,1,7.00,GBP" for n in range(20)]


def _text(name: str) -> bytes:
    return ("\n".join([ORDER_COLUMNS, *_lines(name)]) + "\n").encode()


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


def _good(name: str, folder: Path) -> bytes:
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
    Fault("cut.csv", lambda content: content[:-25], ("1 of 20 rows (5.00 %) are bad",)),
    Fault("latin.csv", lambda content: content.decode().encode("latin-1"), ("utf-8", "encoding")),
    Fault("wide.csv", lambda content: content.decode().encode("utf-16"), ("utf-16", "zero bytes")),
    Fault("shifted.csv", _shifted, ("20 of 20 rows", "Expected Number of Columns: 8 Found: 9")),
    Fault("swapped.csv", _shifted_in_width, ("20 of 20 rows", "'GB', expected a date and time")),
]
STEPS = ([*NOT_WHOLE], *([fault] for fault in UNREADABLE))
ALL = [*NOT_WHOLE, *UNREADABLE]


def test_each_is_refused_with_the_reason_and_all_are_published_once_mended(
    shop: Shop, tmp_path: Path
) -> None:
    before, version = shop.content(), shop.version
    for faults in STEPS:
        for fault in faults:
            shop.write(f"orders/{fault.file}", fault.spoil(_good(fault.file, tmp_path)))
        _assert_refused(shop, faults)
        assert (shop.version, shop.content()) == (version, before), faults
        for fault in faults:
            shop.write(f"orders/{fault.file}", _good(fault.file, tmp_path))

    shop.write("orders/header.csv", ORDER_COLUMNS + "\n")
    ended = shop.published()
    assert "orders/header.csv holds no rows" in ended.output
    expected = {line.split(",")[0] for fault in ALL for line in _lines(fault.file)}
    orders = [row[0] for row in _orders(shop)]
    assert expected < set(orders)
    assert len(orders) == len(set(orders)) == 6 + 20 * len(ALL)
    assert shop.leftovers() == []


def _assert_refused(shop: Shop, faults: list[Fault]) -> None:
    ended = shop.run()
    assert ended.code == 1, ended.output
    assert "Traceback" not in ended.output
    for fault in faults:
        for said in ("source orders", "next step:", f"orders/{fault.file}", *fault.says):
            assert said in ended.output, ended.output


def _orders(shop: Shop) -> list[tuple[str]]:
    with duckdb.connect(str(shop.home.warehouse), read_only=True) as connection:
        rows: list[tuple[str]] = connection.execute(
            "select order_id from core.fct_sales"
        ).fetchall()
        return rows

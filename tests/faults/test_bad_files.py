"""Files that are not what they should be: refused with a message that says what to do."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from tests.faults.conftest import Shop
from tests.integration.conftest import ORDER_COLUMNS, TINY

pytestmark = pytest.mark.xdist_group("faults")

# the default limit of one bad row in a hundred, and files of more than one kind
STRICT = TINY.replace("    quarantine_limit_pct: 40\n", "").replace(
    "path: orders/*.csv\n", "path: [orders/*.csv, orders/*.csv.gz, orders/*.parquet]\n"
)


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


def _good(name: str, folder: Path) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(_text(name))
    return _parquet(name, folder) if name.endswith(".parquet") else _text(name)


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


# the first one comes alone: nothing else is new then
FAULTS = [
    Fault("empty.csv", lambda content: b"", ("is empty (0 bytes)", "send or export")),
    Fault("cut.csv.gz", _cut, ("is not a whole file", "gzip", "send or export")),
    Fault("cut.parquet", _cut, ("is not a whole file", "Parquet", "send or export")),
    Fault("cut.csv", lambda content: content[:-25], ("1 of 20 rows (5.00 %) are bad",)),
    Fault("latin.csv", lambda content: content.decode().encode("latin-1"), ("utf-8", "encoding")),
    Fault("wide.csv", lambda content: content.decode().encode("utf-16"), ("utf-16", "zero bytes")),
    Fault("shifted.csv", _shifted, ("20 of 20 rows", "column")),
    Fault("swapped.csv", _shifted_in_width, ("20 of 20 rows", "ordered_at")),
]


def test_each_is_refused_with_the_reason_and_all_are_published_once_mended(
    shop: Shop, tmp_path: Path
) -> None:
    shop.write("company.yml", STRICT)
    shop.published()
    before, version = shop.content(), shop.version
    for fault in FAULTS:
        good = _good(fault.file, tmp_path)
        shop.write(f"orders/{fault.file}", fault.spoil(good))
        ended = shop.run()
        assert ended.code == 1, f"{fault.file}\n{ended.output}"
        for said in (f"orders/{fault.file}", "where:", "expected:", "next step:", *fault.says):
            assert said in ended.output, f"{fault.file}: {said}\n{ended.output}"
        assert "Traceback" not in ended.output
        assert (shop.version, shop.content()) == (version, before), fault.file
        shop.write(f"orders/{fault.file}", good)

    shop.write("orders/header.csv", ORDER_COLUMNS + "\n")
    ended = shop.published()
    assert "orders/header.csv holds no rows" in ended.output
    added = {row[0] for row in _orders(shop)}
    assert added >= {line.split(",")[0] for fault in FAULTS for line in _lines(fault.file)}
    assert len(_orders(shop)) == 6 + 20 * len(FAULTS)
    assert shop.leftovers() == []


def _orders(shop: Shop) -> list[tuple[str]]:
    with duckdb.connect(str(shop.home.warehouse), read_only=True) as connection:
        rows: list[tuple[str]] = connection.execute(
            "select order_id from core.fct_sales"
        ).fetchall()
        return rows

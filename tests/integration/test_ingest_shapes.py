"""Files as they come: quotes left open, mixed line endings, odd names of columns and members."""

import csv
import gzip
import io
import json
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from ingest import drift, forgotten, landing
from ingest.errors import CompanyFileError, DeliveryRefused
from tests.integration.workbench import COLUMNS, HEADER, Workbench, line

LOOSE = "quarantine_limit_pct: 100"
WIDE = "quarantine_limit_pct: 100\nheader: false\ncolumn_names: [order, when]"


def _record(**values: object) -> dict[str, object]:
    return {**dict(zip(HEADER.split(","), line().split(","), strict=True)), **values}


def _orders(bench: Workbench) -> list[object]:
    rows = bench.rows("select order_id from raw.sales order by _delivery_id, _row_number")
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    "swallowed",
    [
        [line("5", customer='"open'), *(line(str(n)) for n in range(3))],
        [line("5", customer='"open'), line("6"), line("7", customer='closed"x')],
        [line("5", customer='"open'), line("6"), line("7", when='"2024-01-01')],
    ],
    ids=["to the end", "to another one", "to another one that gives too many columns"],
)
def test_a_quote_that_takes_in_other_lines_refuses_the_delivery(
    tmp_path: Path, swallowed: list[str]
) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("a.csv", *(line(str(n)) for n in range(500)), *swallowed)
    with pytest.raises(DeliveryRefused, match="quote that opens on line 502") as refused:
        bench.run()
    assert "data/a.csv" in str(refused.value.where)
    assert bench.raw() == []


@pytest.mark.parametrize("endings", [("\r\n", "\n"), ("\n", "\r\n"), ("\n", "\r")])
def test_line_endings_may_differ_within_a_file(tmp_path: Path, endings: tuple[str, str]) -> None:
    bench = Workbench.of(tmp_path)
    first, second = endings
    text = HEADER + first + line("1", customer="Süß") + first + line("2") + second
    bench.write("a.csv", (text + line("3") + second).encode())
    assert bench.run().rows_loaded == 3
    assert bench.rows("select order_id, _row_number from raw.sales order by 2") == [
        ("1", 1), ("2", 2), ("3", 3),
    ]  # fmt: skip
    assert bench.value("select customer_id from raw.sales where order_id = '1'") == "Süß"


@pytest.mark.parametrize("name", ["file_index", "filename", "_part", "_rule", "rowid"])
def test_columns_may_have_any_name(tmp_path: Path, name: str) -> None:
    bench = Workbench.of(tmp_path, "", COLUMNS + f"\nchannel: {name}", path="data/*")
    bench.put("a.csv", line("1") + ",7", header=f"{HEADER},{name}")
    bench.put("b.csv", line("2") + ",8", header=f"{HEADER},{name}")
    for number in (3, 4):
        file = tmp_path / "data" / f"{number}.parquet"
        duckdb.sql(
            f"""copy (select '{number}' as "order", '2024-01-01' as "when", 'DE' as country,
            'c' as customer, 'p' as product, 1 as qty, 2.5 as price, {number} as "{name}")
            to '{file}'"""
        )
    bench.run()
    assert bench.rows("select order_id, channel from raw.sales order by 1") == [
        ("1", "7"), ("2", "8"), ("3", "3"), ("4", "4"),
    ]  # fmt: skip


TITLE = "sep=;", "", 'Orders of "March"'


def test_lines_above_the_header_are_skipped_and_counted(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, f"skip_lines: 3\n{LOOSE}")
    rows = [line("1"), line("2", qty="two"), "3,short", line("4")]
    for name, delimiter in [("a.csv", ","), ("b.csv", ";")]:
        text = "\r\n".join([*TITLE, *(r.replace(",", delimiter) for r in [HEADER, *rows])])
        bench.write(name, f"{text}\r\n".encode())
    result = bench.run()
    assert (result.rows_delivered, result.rows_loaded) == (8, 4)
    assert bench.rows("select _row_number from raw.sales where order_id = '4'") == [(4,), (4,)]
    assert bench.rows("select distinct row_number from quarantine.rows order by 1") == [(2,), (3,)]
    bench = Workbench.of(tmp_path / "strict", "skip_lines: 3")
    bench.write("a.csv", "\n".join([*TITLE, HEADER, line("1"), "2,short", ""]).encode())
    with pytest.raises(DeliveryRefused, match="line 6: "):
        bench.run()


def test_lines_above_the_header_of_a_sheet_are_skipped(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "skip_lines: 3", path="data/*.xlsx")
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in [["Orders"], [], ["of", "March"], HEADER.split(","), line("7").split(",")]:
        book.active.append(row)
    book.save(bench.write("a.xlsx", b""))
    bench.run()
    assert _orders(bench) == ["7"]


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_what_is_left_of_a_file_without_a_person_is_read_as_the_file_was(
    tmp_path: Path, name: str
) -> None:
    bench = Workbench.of(tmp_path, "skip_lines: 2\ndecimal: ','\nthousands: '.'", path="data/*")
    book = openpyxl.Workbook()
    assert book.active is not None
    rows = [["by Ann Other"], [], HEADER.split(",")]
    for number, customer in enumerate(["Ann Other", "Bob"]):
        price = 1.125 if name == "a.xlsx" else "1,125"
        rows.append([number, "2024-01-02", "Germany", customer, "p", 2, price])  # type: ignore[list-item]
    for row in rows:
        book.active.append(row)
    out = io.StringIO()
    csv.writer(out, delimiter=";").writerows(rows)
    if name == "a.csv":
        bench.write(name, out.getvalue().encode())
    else:
        book.save(bench.write(name, b""))
    forgotten.remember(bench.home, forgotten.person(bench.home, "Ann Other"), {})
    bench.run()
    found = bench.rows("select order_id, customer_id, unit_price from raw.sales order by 1")
    assert found == [("0", None, Decimal("1.1250")), ("1", "Bob", Decimal("1.1250"))]
    [landed] = landing.manifest(bench.home)
    assert b"Ann" not in (bench.home.landing / landed.landed_path).read_bytes()


def test_no_lines_of_json_are_skipped(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "skip_lines: 1", path="data/*")
    bench.write("a.json", json.dumps([_record()]).encode())
    with pytest.raises(DeliveryRefused, match="no lines can be skipped"):
        bench.run()
    with pytest.raises(CompanyFileError, match="skip_lines of json"):
        bench.describe("skip_lines: 1\nformat: json")


@pytest.mark.parametrize(
    ("options", "header", "hint"),
    [
        ("", "Orders of March", "set `skip_lines:`"),
        ("delimiter: '|'", HEADER.replace(",", ";"), "set `delimiter:`"),
    ],
)
def test_what_to_do_is_told_where_no_column_is_found(
    tmp_path: Path, options: str, header: str, hint: str
) -> None:
    bench = Workbench.of(tmp_path, options)
    bench.put("a.csv", header=header)
    with pytest.raises(DeliveryRefused, match="missing column") as refused:
        bench.run()
    assert hint in str(refused.value.next_step)


def _twins(folder: Path, name: str) -> bytes:
    """A file whose columns `price` and `Price`, `order` and `ORDER` differ in capitals only."""
    names = [*HEADER.split(","), "ORDER", "Price"]
    row = [*line("1", price="1.50").split(","), "2", "7.25"]
    record = dict(zip(names, row, strict=True))
    if name.endswith(".csv"):
        return f"{','.join(names)}\n{','.join(row)}\n".encode()
    if name.endswith(".json"):
        return json.dumps([record]).encode()
    if name.endswith(".xlsx"):
        book = openpyxl.Workbook()
        assert book.active is not None
        book.active.append(names)
        book.active.append(row)
        book.save(folder / name)
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([record]), folder / name)
    return (folder / name).read_bytes()


@pytest.mark.parametrize("ending", ["csv", "json", "xlsx", "parquet"])
@pytest.mark.parametrize(
    ("column", "price"),
    [("price", "1.5000"), ("Price", "7.2500"), ("Price * 1", "7.2500"), ("price * 1", "1.5000")],
)
def test_of_columns_that_differ_in_capitals_the_very_name_counts(
    tmp_path: Path, ending: str, column: str, price: str
) -> None:
    columns = COLUMNS.replace("unit_price: price", f"unit_price: {json.dumps(column)}")
    bench = Workbench.of(tmp_path, "", columns, path="data/*")
    bench.write(f"a.{ending}", _twins(tmp_path, f"a.{ending}"))
    bench.run()
    assert bench.rows("select order_id, unit_price::varchar from raw.sales") == [("1", price)]


@pytest.mark.parametrize("ending", ["csv", "json", "xlsx", "parquet"])
def test_a_bad_row_shows_both_of_two_columns_that_differ_in_capitals(
    tmp_path: Path, ending: str
) -> None:
    columns = COLUMNS.replace("unit_price: price", "unit_price: customer")
    bench = Workbench.of(tmp_path, "quarantine_limit_pct: 100", columns, path="data/*")
    bench.write(f"a.{ending}", _twins(tmp_path, f"a.{ending}"))
    bench.run()
    [(raw,)] = bench.rows("select raw_row from quarantine.rows")
    row = json.loads(raw)
    assert (row["price"], row["Price"], row["order"], row["ORDER"]) == ("1.50", "7.25", "1", "2")


def test_a_broken_record_is_told_by_its_own_line(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, path="data/*")
    bench.write("a.jsonl", f"{json.dumps(_record())}\n[1]\n".encode())
    with pytest.raises(DeliveryRefused, match="line 2: not a JSON object"):
        bench.run()


def test_a_reason_names_a_column_as_the_file_does(tmp_path: Path) -> None:
    columns = COLUMNS.replace("unit_price: price", "unit_price: -1 * cast(Price as decimal(9, 2))")
    bench = Workbench.of(tmp_path, "quarantine_limit_pct: 100", columns, path="data/*")
    bench.write("a.json", _twins(tmp_path, "a.json"))
    bench.run()
    assert "(Price is '7.25')" in str(bench.value("select reason from quarantine.rows"))


def test_a_record_keeps_what_is_read_of_it_without_its_person(tmp_path: Path) -> None:
    columns = COLUMNS.replace("unit_price: price", "unit_price: Price")
    bench = Workbench.of(tmp_path, "", columns, path="data/*")
    bench.write("a.json", _twins(tmp_path, "a.json"))
    forgotten.remember(bench.home, forgotten.person(bench.home, "c1"), {})
    bench.run()
    found = bench.rows("select customer_id, unit_price::varchar from raw.sales")
    assert found == [(None, "7.2500")]


def test_a_name_that_fits_two_columns_but_for_capitals_fits_none(tmp_path: Path) -> None:
    columns = COLUMNS.replace("unit_price: price", "unit_price: PRICE")
    bench = Workbench.of(tmp_path, "", columns, path="data/*")
    bench.write("a.csv", _twins(tmp_path, "a.csv"))
    with pytest.raises(DeliveryRefused, match="missing column: 'PRICE'"):
        bench.run()


def test_a_column_whose_own_name_ends_in_a_number_is_no_twin(tmp_path: Path) -> None:
    columns = COLUMNS.replace("unit_price: price", "unit_price: PRICE")
    bench = Workbench.of(tmp_path, "", columns, path="data/*")
    names = [*HEADER.split(","), "PRICE_1"]
    record = dict(zip(names, [*line("1").split(","), "9"], strict=True))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([record]), tmp_path / "data/a.parquet")
    bench.run()
    assert bench.value("select unit_price::varchar from raw.sales") == "1.5000"


def test_a_wide_file_is_looked_at_some_columns_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Workbench.of(tmp_path)
    more = [f"more {number}" for number in range(120)]
    bench.put("a.csv", ",".join([line("1"), *"7" * 120]), header=",".join([HEADER, *more]))
    measure, measured = drift._measure, list[int]()

    def noted(connection: Any, marks: Any, group: Any, columns: Any) -> Any:
        measured.append(len(columns))
        return measure(connection, marks, group, columns)

    monkeypatch.setattr(drift, "_measure", noted)
    found = drift.check(bench.source, bench.company, bench.home)
    assert found.error is None
    assert (max(measured), sum(measured)) == (50, 120 + len(HEADER.split(",")))


def test_a_very_long_value_is_read(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("a.csv", line("1", customer="x" * 200_000))
    bench.run()
    assert bench.value("select length(customer_id) from raw.sales") == 200_000


def test_a_blank_first_line_is_named(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.write("a.csv", f"\n{HEADER}\n{line()}\n".encode())
    with pytest.raises(DeliveryRefused, match="begins with a blank line"):
        bench.run()


def test_names_of_columns_must_fit_a_file_without_a_header(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, WIDE, "customer_id: order\n", entity="customers")
    bench.write("a.csv", b"1,2,3\n")
    with pytest.raises(DeliveryRefused, match="3 columns, and column_names has 2"):
        bench.run()


def _zip(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_every_member_of_an_archive_is_read_once(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "", path="data/*")
    one, two, three, four = (f"{HEADER}\n{line(str(n))}\n".encode() for n in (1, 2, 3, 4))
    bench.write("a.zip", _zip(("x.csv", one), ("x.csv", two), ("Y.CSV.GZ", gzip.compress(three))))
    bench.write("B.CSV.GZ", gzip.compress(four))
    bench.run()
    assert sorted(map(str, _orders(bench))) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_json_in_another_encoding(tmp_path: Path, name: str) -> None:
    bench = Workbench.of(tmp_path, "encoding: latin-1", path="data/*")
    text = json.dumps(_record(customer="Süß"), ensure_ascii=False)
    bench.write(name, text.encode("latin-1"))
    bench.run()
    assert bench.value("select customer_id from raw.sales") == "Süß"


@pytest.mark.parametrize(
    ("options", "content"),
    [("", b"[]"), ("records: data.items", b'{"data": {"items": []}}')],
)
def test_a_list_without_records_is_an_empty_delivery(
    tmp_path: Path, options: str, content: bytes
) -> None:
    bench = Workbench.of(tmp_path, options, path="data/*")
    bench.write("a.json", content)
    result = bench.run()
    assert (result.rows_delivered, result.warnings) == (0, ["data/a.json holds no rows"])
    assert bench.value("select rows_delivered from audit.deliveries") == 0
    assert bench.run().deliveries == []


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_what_is_no_json_object_is_quarantined_as_it_was(tmp_path: Path, name: str) -> None:
    bench = Workbench.of(tmp_path, LOOSE, path="data/*")
    lines = [json.dumps(_record()), "[1]", '"x"', "5"]
    listed = "\n".join(lines) if name == "a.jsonl" else f"[{','.join(lines)}]"
    bench.write(name, listed.encode())
    assert bench.run().rows_loaded == 1
    assert bench.rows("select row_number, reason, raw_row->>'line' from quarantine.rows") == [
        (2, "not a JSON object", "[1]"),
        (3, "not a JSON object", '"x"'),
        (4, "not a JSON object", "5"),
    ]


@pytest.mark.parametrize("content", [b"[1, 2]", b"{}", b" \n"])
def test_a_file_without_any_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    bench = Workbench.of(tmp_path, path="data/*")
    bench.write("a.json", content)
    with pytest.raises(DeliveryRefused, match="no JSON object"):
        bench.run()


def test_a_key_without_a_name_is_left_out(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, path="data/*")
    bench.write("a.json", json.dumps([{"": 1, **_record()}]).encode())
    assert bench.run().rows_loaded == 1

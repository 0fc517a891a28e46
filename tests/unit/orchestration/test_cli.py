"""The command line: formats, exit codes, and errors that say what to do."""

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from ingest.errors import CompanyFileError, GateRefused, Problem, SourceUnreachable
from ingest.home import Home
from orchestration import versions
from orchestration.cli import main
from orchestration.cli.place import Place
from orchestration.cli.running import table_to_look_at
from tests.unit.orchestration.conftest import Publish

VERBS = {"ask", 
    "run", "plan", "sql", "explain", "versions", "rollback", "diff", "forget",
    "quarantine", "matches", "sources", "doctor", "reparse", "ui", "report",
    "parse-page", "parse-price",
}  # fmt: skip


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(part) for part in arguments])


def test_every_verb_of_the_design_is_there() -> None:
    assert set(main.commands) == VERBS
    for verb in VERBS:
        assert call(verb, "--help").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [["nosuchverb"], ["sql"], ["sql", "select 1", "--format", "xml"], ["explain", "mart_numbers"]],
)
def test_wrong_use_ends_with_2(arguments: list[str]) -> None:
    assert call(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GateRefused("a check failed", "marts", "that it passes", "mend it"), 1),
        (CompanyFileError(Path("c.yml"), [Problem(3, "sources", "x", "y", "z")]), 2),
        (SourceUnreachable("no answer", "shop", "an answer", "wait"), 3),
    ],
)
def test_each_error_has_its_exit_code_and_says_what_to_do(
    home: Home, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def fail(place: Place) -> None:
        raise error

    monkeypatch.setattr(Place, "company", fail)
    shown = call("plan", "--home", home.root)
    assert shown.exit_code == code
    assert "Traceback" not in shown.output
    assert "next step:" in shown.stderr
    machine = call("plan", "--home", home.root, "--json")
    assert machine.exit_code == code
    parts = json.loads(machine.stderr)["error"]
    assert parts["exit_code"] == code
    assert parts["next_step"]


def test_ctrl_c_ends_without_a_traceback(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(place: Place) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Place, "company", interrupt)
    stopped = call("plan", "--home", home.root)
    assert stopped.exit_code == 130
    assert "unchanged" in stopped.stderr


def test_before_the_first_publication_everything_says_so(home: Home) -> None:
    asked = call("sql", "select 1", "--home", home.root)
    assert asked.exit_code == 2
    assert "nothing is published yet" in asked.stderr
    assert "tradewind run" in asked.stderr
    assert call("versions", "--home", home.root).exit_code == 0
    assert call("report", "--home", home.root).exit_code == 2
    assert call("rollback", "--home", home.root).exit_code == 2


def test_the_first_query_to_try_has_an_answer() -> None:
    connection = duckdb.connect()
    connection.execute(
        """
        create schema marts;
        create table marts.mart_market_share__market_category_period (period_start date);
        create table marts.mart_sales__market_product_month as select date '2025-01-01' as month;
        create table marts.mart_price_position__product_market_day (price_date date);
        """
    )
    assert table_to_look_at(connection) == "marts.mart_sales__market_product_month"
    connection.execute(
        """
        delete from marts.mart_sales__market_product_month;
        create schema core;
        create table core.fct_competitor_prices as select 9.99 as price;
        """
    )
    assert table_to_look_at(connection) == "core.fct_competitor_prices"


def test_json_and_csv_keep_every_digit(home: Home, publish_rows: Publish) -> None:
    publish_rows(2)
    query = (
        "select i, amount_home, cast('0.1' as decimal(38, 18)) as exact, null as nothing, "
        "true as flag, 'a, b' as words, [1.50, 2] as list from marts.mart_numbers order by i"
    )
    answer = call("sql", query, "--format", "json", "--home", home.root)
    assert '"exact": 0.100000000000000000' in answer.output
    assert [row["i"] for row in json.loads(answer.output)] == [0, 1]
    rows = list(
        csv.DictReader(
            call("sql", query, "--format", "csv", "--home", home.root).output.splitlines()
        )
    )
    assert rows[1]["amount_home"] == "1.0000"
    assert (rows[0]["nothing"], rows[0]["flag"], rows[0]["words"]) == ("", "true", "a, b")
    assert rows[0]["list"] == "[1.50, 2.00]"


def test_the_functions_of_mappings_can_be_asked(home: Home, publish_rows: Publish) -> None:
    publish_rows(1)
    query = "select parse_price('1.234,56 €') as amount, currency_code('1.234,56 €') as code"
    answer = call("sql", query, "--format", "json", "--home", home.root)
    assert json.loads(answer.output) == [{"amount": 1234.56, "code": "EUR"}]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["1.234,56 €"], '{"amount": 1234.56, "currency": "€"}'),
        (["12.3400", "--beside", "Price in GBP"], '{"amount": 12.3400, "currency": "GBP"}'),
        (["nothing"], '{"amount": null, "currency": null}'),
        (["--", "-5 kr"], '{"amount": -5, "currency": "kr"}'),
    ],
)
def test_a_price_is_printed_as_json(arguments: list[str], shown: str) -> None:
    assert call("parse-price", *arguments).output == f"{shown}\n"


PAGE = (
    '<title>Kettle</title><h1>Kettle</h1><script type="application/ld+json">{"@type": "Product",'
    '"name": "Kettle", "offers": {"price": 24.99, "priceCurrency": "GBP"}}</script>'
)
OBSERVED = [
    "price", "list_price", "currency", "availability", "sku", "gtin", "mpn", "brand", "title",
    "seller", "pack_quantity", "pack_unit", "method", "suspicious", "reason",
]  # fmt: skip


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_stored_page_is_printed_as_json(tmp_path: Path, packed: bool) -> None:
    file = tmp_path / "page.html.gz"
    file.write_bytes(gzip.compress(PAGE.encode()) if packed else PAGE.encode())
    answer = call("parse-page", file, "--url", "https://shop.example.com/p/1", "--market", "GB")
    found = json.loads(answer.output)
    assert list(found) == OBSERVED
    assert (found["price"], found["currency"], found["gtin"]) == (24.99, "GBP", None)


def test_a_page_that_cannot_be_read_ends_with_2(tmp_path: Path) -> None:
    cut = tmp_path / "cut.html.gz"
    cut.write_bytes(gzip.compress(PAGE.encode())[:-12])
    url = ["--url", "https://shop.example.com/p/1"]
    for file in (tmp_path / "nowhere.html", tmp_path, cut):
        shown = call("parse-page", file, *url)
        assert (shown.exit_code, "next step:" in shown.stderr) == (2, True)
    cut.write_bytes(PAGE.encode())
    assert call("parse-page", cut, "--url", "shop").exit_code == 2
    assert call("parse-page", cut, *url, "--market", "gb").exit_code == 2


def test_an_empty_answer_is_valid_in_every_format(home: Home, publish_rows: Publish) -> None:
    publish_rows(2)
    query = "from marts.mart_empty"
    assert json.loads(call("sql", query, "--format", "json", "--home", home.root).output) == []
    assert call("sql", query, "--format", "csv", "--home", home.root).output == "market,share_pct\n"
    assert "market" in call("sql", query, "--home", home.root).output


def test_parquet_goes_to_a_file_and_nowhere_else(
    home: Home, publish_rows: Publish, tmp_path: Path
) -> None:
    publish_rows(3)
    target = tmp_path / "out.parquet"
    query = "from marts.mart_numbers"
    done = call("sql", query, "--format", "parquet", "-o", target, "--home", home.root)
    assert done.exit_code == 0, done.stderr
    assert duckdb.sql(f"select count(*) from '{target}'").fetchall() == [(3,)]
    assert call("sql", query, "--format", "parquet", "--home", home.root).exit_code == 2


@pytest.mark.parametrize(
    "query",
    [
        "create table marts.mine (a int)",
        "delete from marts.mart_numbers",
        "copy marts.mart_numbers to '{folder}/stolen.csv'",
        "select * from read_csv('/etc/hostname')",
        "attach '{folder}/other.duckdb'",
        "set enable_external_access = true",
        "from marts.nosuch",
        "selec 1",
    ],
)
def test_sql_can_read_the_warehouse_and_nothing_else(
    home: Home, publish_rows: Publish, tmp_path: Path, query: str
) -> None:
    publish_rows(1)
    refused = call("sql", query.format(folder=tmp_path), "--home", home.root)
    assert refused.exit_code == 2
    assert "Traceback" not in refused.output
    assert not list(tmp_path.glob("stolen.csv"))


def test_versions_and_rollback(home: Home, publish_rows: Publish) -> None:
    first, second = publish_rows(1), publish_rows(2)
    listed = json.loads(call("versions", "--home", home.root, "--json").output)
    assert [each["version"] for each in listed] == [second.version, first.version]
    assert [each["is_current"] for each in listed] == [True, False]
    assert second.version in call("versions", "--home", home.root).output
    assert call("rollback", "--home", home.root).exit_code == 0
    assert versions.current_version(home) == first.version
    assert call("rollback", "20010101T000000000000", "--home", home.root).exit_code == 2


def test_there_is_nothing_to_go_back_to_before_the_first_version(home: Home) -> None:
    answer = call("rollback", "--home", home.root)
    assert answer.exit_code == 2
    assert "nothing is published yet" in answer.output


def test_the_newest_report_is_found(home: Home) -> None:
    for name, age in (("old", 100), ("new", 10)):
        page = home.reports / name / "data_docs" / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text("x")
        os.utime(page, (1e9 - age, 1e9 - age))
    assert call("report", "--home", home.root).output.strip().endswith("new/data_docs/index.html")


def test_the_home_and_the_company_may_come_from_the_environment(
    home: Home, publish_rows: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_rows(4)
    monkeypatch.setenv("TRADEWIND_HOME", str(home.root))
    answer = call("sql", "select count(*) as n from marts.mart_numbers", "--format", "csv")
    assert answer.output == "n\n4\n"


def test_a_reader_that_leaves_early_is_no_error(home: Home, publish_rows: Publish) -> None:
    publish_rows(1)
    program = "from orchestration.cli import main; main()"
    asked = subprocess.Popen(
        [sys.executable, "-c", program, "sql", "from range(3000000)", "--format", "csv",
         "--home", str(home.root)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert asked.stdout is not None
    asked.stdout.readline()
    asked.stdout.close()
    assert asked.stderr is not None
    assert asked.stderr.read() == b""
    assert asked.wait() == 0


def test_asking_imports_nothing_heavy() -> None:
    program = (
        "import sys; from orchestration.cli import main; "
        "print([m for m in ('dagster', 'dbt', 'pandas', 'numpy', 'pydantic', 'rich', 'yaml', "
        "'great_expectations') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_process_ends_without_looking_for_cycles() -> None:
    """What is frozen is not looked through; handlers run in the reverse order."""
    program = (
        "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0)); "
        "from orchestration.cli import main; main(['--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "True"


BUSY_AND_INTERRUPTED = """
import multiprocessing, threading, time
import duckdb
from orchestration.cli import app

def ask():
    duckdb.connect().execute(
        "select count(*) from range(100000) a, range(30000) b where a.range * b.range % 7 = 1"
    ).fetchall()

def interrupted(group, context):
    raise {error}

lock = multiprocessing.get_context("spawn").RLock()
threading.Thread(target=ask, daemon=True).start()
time.sleep(0.3)
app.Tradewind.invoke = interrupted
app.main()
"""


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "RuntimeError('Query interrupted')"])
def test_ctrl_c_ends_with_130_whatever_duckdb_is_doing_meanwhile(error: str) -> None:
    program = BUSY_AND_INTERRUPTED.format(error=error)
    ended = subprocess.run(
        [sys.executable, "-c", program, "versions"], capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr.strip()) == (
        130,
        "Stopped. What readers see is unchanged; run again to go on.",
    )

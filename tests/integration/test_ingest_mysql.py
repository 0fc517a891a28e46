"""Sources in MariaDB, on a server of its own where one is installed; skipped elsewhere."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest import database, landing
from ingest.errors import SourceUnreachable, TradewindError
from ingest.remote import load_extension
from tests.integration.test_ingest_database import MAPPING, Shop

Run = Callable[[str], Any]
_SECONDS_TO_START = 30
LINES = """
    engine: mariadb
    connection: ${SHOP_DB}
    table: order_lines
    cursor: changed
    key: id
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MariaDB on a free port, whose clocks stand in another time zone; its address."""
    found = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if None in found:
        pytest.skip("no MariaDB server is installed here (Debian: mariadb-server-core)")
    folder = tmp_path_factory.mktemp("mariadb")
    base = Path(str(found[0])).parents[1]
    common = ["--no-defaults", f"--basedir={base}", f"--datadir={folder}/data", "--user=root"]
    subprocess.run(
        [str(found[1]), *common, "--auth-root-authentication-method=normal", "--force"],
        check=True, capture_output=True,
    )  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [str(found[0]), *common, f"--socket={folder}/sock", f"--port={port}",
         "--bind-address=127.0.0.1", "--default-time-zone=-05:00"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"host=127.0.0.1 port={port} user=root"
    _wait_for(address)
    _sql(address, "create database shop")
    yield f"{address} database=shop"
    process.terminate()
    process.wait()


def _sql(address: str, sql: str) -> None:
    connection = duckdb.connect()
    load_extension(connection, "mysql")
    connection.execute("set mysql_session_time_zone = '+00:00'")
    connection.execute(f"attach '{address}' as shop (type mysql)")
    connection.execute("call mysql_execute('shop', $sql)", {"sql": sql})
    connection.close()


def _wait_for(address: str) -> None:
    ends = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            return _sql(address, "do 1")
        except duckdb.Error:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


@pytest.fixture
def maria(server: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run SQL on the server, whose address is in SHOP_DB; it has an empty table of lines."""
    monkeypatch.setenv("SHOP_DB", server)
    _sql(server, "drop table if exists order_lines")
    _sql(
        server,
        "create table order_lines (id int primary key auto_increment, o varchar(20), "
        "l varchar(20), at datetime, p varchar(20), q int, price decimal(10, 2), "
        "changed timestamp(6) null)",
    )
    return lambda sql: _sql(server, sql)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A company without a database yet."""
    return Shop(tmp_path, duckdb.connect(), None)  # type: ignore[arg-type]


def add(run: Run, o: str, q: int, changed: str) -> None:
    """Add a line."""
    run(
        "insert into order_lines (o, l, at, p, q, price, changed) values "
        f"('{o}', 'a', '2024-01-02 10:00:00', 'p1', {q}, 1.5, '{changed}')"
    )


def test_rows_are_followed_and_removed(
    shop: Shop, maria: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STRETCH_ROWS", 2)
    shop.describe(LINES + "    deletes: remove\n", replaces="order_id")
    for number in range(5):
        add(maria, str(number), number, f"2024-01-02 1{number}:00")
    assert [row[0] for row in shop.run()] == ["0", "1", "2", "3", "4"]
    assert shop.land() == []
    maria("update order_lines set q = 9, changed = '2024-01-02 15:00' where o = '1'")
    maria("delete from order_lines where o in ('0', '4')")
    assert [row[::2] for row in shop.run()] == [("1", 9), ("2", 2), ("3", 3)]


def test_all_stretches_show_the_same_moment(
    shop: Shop, maria: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STRETCH_ROWS", 2)
    shop.describe(LINES)
    for number in range(5):
        add(maria, str(number), number, f"2024-01-02 1{number}:00")
    (folder := shop.folder / "read").mkdir()
    seen = []
    for written in database.read(shop.company.sources[0], shop.company, [], folder):
        seen += duckdb.sql(f"select o, q from '{written.file}'").fetchall()
        maria("update order_lines set q = 100")
        add(maria, "later", 100, "2024-01-02 20:00")
    assert sorted(seen) == [(str(number), number) for number in range(5)]


def test_types_come_through(shop: Shop, maria: Run) -> None:
    maria("drop table if exists kinds")
    maria(
        "create table kinds (x varchar(9) collate utf8mb4_bin, n decimal(65, 30), "
        "m decimal(30, 10), u bigint unsigned, t tinyint(1), b bit(1), j json, y blob, "
        "ts timestamp(3) null, d datetime(6), f double)"
    )
    maria(
        "insert into kinds values ('hé😀', 12345678901234567890.123456789012345678901234567890, "
        "1.0000000001, 18446744073709551615, 3, b'1', '{\"k\": 1}', x'00ff', "
        "'2024-01-02 03:04:05.678', '2024-01-02 03:04:05.123456', 0.30000000000000004)"
    )
    maria("insert into kinds (x) values (null)")
    shop.describe("engine: mysql\nconnection: ${SHOP_DB}\ntable: kinds", order_id="x")
    shop.land()
    file = shop.home.landing / landing.manifest(shop.home, "shop")[0].landed_path
    query = f"select x, n, m::varchar, u, t, b, j, y, ts::varchar, d::varchar, f from '{file}'"
    assert duckdb.sql(query).fetchall() == [
        ("hé😀", "12345678901234567890.123456789012345678901234567890", "1.0000000001",
         18446744073709551615, 3, True, '{"k": 1}', b"\x00\xff", "2024-01-02 03:04:05.678",
         "2024-01-02 03:04:05.123456", 0.30000000000000004),
        (None,) * 11,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "asked", ["table: nowhere", "query: select nothing from order_lines", "query: selct 1"]
)
def test_what_the_database_refuses_is_no_missing_server(shop: Shop, maria: Run, asked: str) -> None:
    shop.describe(f"engine: mysql\nconnection: ${{SHOP_DB}}\n{asked}")
    with pytest.raises(TradewindError) as found:
        shop.land()
    assert not isinstance(found.value, SourceUnreachable)


def test_a_table_of_another_database_is_found(shop: Shop, maria: Run) -> None:
    maria("create database if not exists archive")
    maria("create or replace table archive.old_lines as select 1 as o")
    shop.describe(
        "engine: mysql\nconnection: ${SHOP_DB}\ntable: archive.old_lines",
        **dict.fromkeys(MAPPING, "o"),
    )
    assert len(shop.land()) == 1
    assert os.listdir(shop.home.landing / "shop")

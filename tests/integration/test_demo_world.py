"""The demo world answers as what it stands for would, and is gone with its last visitor."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import pytest

from companies.demo import catalogue as cat
from companies.demo.catalogue import HOST
from companies.demo.days import clock, pass_day, set_clock, today
from companies.demo.generate import DATA, begin_anew
from companies.demo.servers import WorldUnavailable, visit
from companies.demo.servers.http import Handler, Server
from companies.demo.servers.orders import Limiter
from companies.demo.servers.world import World
from ingest.errors import SourceUnreachable
from orchestration import demo
from tests.conftest import ROOT

# fixed ports: one worker runs them
pytestmark = pytest.mark.xdist_group("demo_world")
PORT = 27910


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    begin_anew()
    return Path(shutil.copytree(DATA, tmp_path_factory.mktemp("world") / "data"))


@pytest.fixture
def world(folder: Path) -> Iterator[World]:
    running = World(folder, PORT)
    yield running
    running.close()


def _get(
    connection: HTTPConnection, path: str, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection.request("GET", path, headers={n.replace("_", "-"): v for n, v in headers.items()})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def _is_free(port: int, within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)):
                return True
        time.sleep(0.05)
    return False


# ---------------------------------------------------------------- the order interface


def test_every_order_is_on_some_page_once_in_spite_of_bad_moments(world: World) -> None:
    connection = HTTPConnection(HOST, PORT)
    statuses: Counter[int] = Counter()
    ids: list[str] = []
    cursor, times = "", []
    while cursor is not None:
        path = f"/v1/orders?limit=1000&cursor={quote(cursor)}"
        status, headers, body = _get(connection, path)
        statuses[status] += 1
        if status == 429:
            time.sleep(float(headers["Retry-After"]))
        if status != 200:
            assert "error" in json.loads(body)
            continue
        told = json.loads(body)
        ids += [order["id"] for order in told["orders"]]
        times += [order["updated_at"] for order in told["orders"]]
        cursor = told["next_cursor"]
    assert statuses[429] >= 1
    assert statuses[500] >= 1
    assert len(ids) == len(set(ids)) == told["total"] > 40_000
    assert times == sorted(times)


def test_orders_are_asked_for_by_the_time_of_their_last_change(world: World) -> None:
    connection = HTTPConnection(HOST, PORT)
    _, _, body = _get(connection, "/v1/orders?limit=3&updated_since=2026-09-30T00:00:00Z")
    told = json.loads(body)
    assert len(told["orders"]) == 3
    assert 3 < told["total"] < 300
    assert all(order["updated_at"] >= "2026-09-30" for order in told["orders"])
    assert all(order["lines"] for order in told["orders"])
    assert _get(connection, "/v1/orders?cursor=nonsense")[0] == 400
    assert _get(connection, "/v1/orders?limit=many")[0] == 400
    assert _get(connection, "/v2/orders")[0] == 404


def test_too_many_requests_in_a_second_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    limiter = Limiter()
    refused = [limiter.status() == 429 for _ in range(60)]
    # the twentieth is a bad moment, and does not count
    assert [number for number, each in enumerate(refused, 1) if each] == [20, *range(52, 61)]
    now = 2.0
    assert limiter.status() == 200


# ---------------------------------------------------------------- the shops


def test_a_shop_has_rules_a_sitemap_and_pages_that_may_be_asked_for_again(world: World) -> None:
    halden = HTTPConnection(HOST, PORT + 2)
    assert b"Disallow: /intern/" in _get(halden, "/robots.txt")[2]
    sitemap = _get(halden, "/sitemap.xml")[2].decode()
    assert sitemap.count("<loc>") == cat.SHOP_OFFERS
    assert sitemap.count("/intern/") == cat.FORBIDDEN[1]
    path = sitemap.split("/p/")[1].split("<")[0]
    status, headers, body = _get(halden, f"/p/{path}")
    assert status == 200
    assert b"itemprop='price'" in body
    assert _get(halden, f"/p/{path}", If_None_Match=headers["ETag"])[0] == 304
    assert _get(halden, f"/intern/{path}")[0] == 404
    assert _get(halden, "/p/nothing")[0] == 404


# ---------------------------------------------------------------- days


def test_a_day_brings_orders_files_and_other_pages(world: World, folder: Path) -> None:
    connection, shop = HTTPConnection(HOST, PORT), HTTPConnection(HOST, PORT + 1)
    before = _total(connection)
    pages = _pages(shop)
    for _ in range(6):
        pass_day(folder)
    assert today(folder) == cat.DAYS + 5
    assert clock(folder) == "2026-10-06T21:00:00+00:00"
    assert before < _total(connection) < before + 1_000
    assert _pages(shop) != pages
    arrived = {path.name for path in folder.rglob("*2026-10*")}
    assert arrived >= {
        "auftraege_2026-10.csv", "us_export_2026-10-01.csv", "us_export_2026-10-06.csv",
        "prices_2026-10-06.parquet", "customers_2026-10-06.csv",
    }  # fmt: skip


def test_the_world_ends_where_the_exchange_rates_do(folder: Path) -> None:
    set_clock(folder, cat.HORIZON - 1)
    assert pass_day(folder) is None
    assert clock(folder).startswith("2026-10-30")


def _total(connection: HTTPConnection) -> int:
    status, _, body = _get(connection, "/v1/orders?limit=1")
    assert status == 200
    return int(json.loads(body)["total"])


def _pages(shop: HTTPConnection) -> list[bytes]:
    listed = _get(shop, "/sitemap.xml")[2].decode().split("<loc>")[1:]
    paths = [each.split("<")[0].split(f":{PORT + 1}")[1] for each in listed]
    return [_get(shop, path)[2] for path in paths]


# ---------------------------------------------------------------- how long it lasts


def test_it_lasts_as_long_as_somebody_is_there(folder: Path) -> None:
    with ExitStack() as first:
        first.enter_context(visit(folder, PORT + 10))
        with visit(folder, PORT + 10):
            # the first of the two goes, and the world stays for the other
            first.close()
            time.sleep(1.0)
            assert _get(HTTPConnection(HOST, PORT + 10), "/v1/orders?limit=1")[0] == 200
    assert _is_free(PORT + 10)


def test_it_ends_with_a_visitor_that_was_killed(folder: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from companies.demo.servers import visit\n"
        f"with visit(Path({str(folder)!r}), {PORT + 10}): print('up', flush=True); time.sleep(60)"
    )
    visitor = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
    assert visitor.stdout is not None
    assert visitor.stdout.readline() == b"up\n"
    visitor.kill()
    visitor.communicate()
    assert _is_free(PORT + 10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_make_demo_lets_days_pass_until_it_is_ended(folder: Path, number: signal.Signals) -> None:
    set_clock(folder, cat.DAYS - 1)
    command = [sys.executable, "-m", "companies.demo.servers.world", "--folder", str(folder)]
    process = subprocess.Popen(
        [*command, "--port", str(PORT + 10), "--day-seconds", "0.2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        # as in the background of a shell
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    while "2026-10-02" not in said:
        line = process.stdout.readline()
        assert line, process.stderr
        said += line
    second = subprocess.run(
        [*command, "--port", str(PORT + 10)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    process.send_signal(number)
    rest, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert errors == ""
    for told in ("It is 2026-09-30", f"http://127.0.0.1:{PORT + 10}/v1/orders", "make ui"):
        assert told in said
    assert "goes on where it stopped" in rest
    assert _is_free(PORT + 10)
    assert today(folder) >= cat.DAYS + 1
    assert second.returncode == 1
    assert "are taken" in second.stderr


def test_another_program_at_its_ports_is_told(folder: Path) -> None:
    class Other(Handler):
        def answer(self, path: str, query: dict[str, str]) -> None:
            self.send(200, b"something else")

    server = Server(PORT + 20, Other)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        with pytest.raises(WorldUnavailable, match=r"27930 to 27934.*no demo world"):  # noqa: SIM117
            with visit(folder, PORT + 20):
                pass
    finally:
        server.shutdown()
        server.server_close()


def test_a_run_tells_what_to_do_where_the_ports_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken() -> None:
        raise WorldUnavailable("ports 1 to 5 hold another program")

    monkeypatch.setattr("companies.demo.servers.visit", taken)
    with pytest.raises(SourceUnreachable, match="ports 1 to 5") as raised:  # noqa: SIM117
        with demo.world_of(demo.COMPANY):
            pass
    assert "end the program" in raised.value.next_step


def test_another_company_pays_nothing_for_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from orchestration.demo import prepare, world_of\n"
        f"place = Path({str(tmp_path / 'company.yml')!r}); prepare(place)\n"
        "with world_of(place): assert not [n for n in sys.modules if n.startswith('companies')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

"""Product pages from local shops: read politely, landed whole or told, and never read twice."""

import gzip
import itertools
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest

from bench import shop as faulty
from ingest import crawl, drift, landing, load, observations, web
from ingest.company import Company, load_company
from ingest.errors import CompanyFileError, DeliveryRefused, SourceUnreachable
from ingest.home import Home
from ingest.page_log import Page, PageLog
from ingest.page_urls import sitemap_entries
from orchestration.doctor import examine
from orchestration.reparse import reparse
from tests.integration.certificates import self_signed

Answer = tuple[int, dict[str, str], bytes]
HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass
class Shop:
    """A local shop: answers by path, and every request that came."""

    answers: dict[str, Answer | Callable[[dict[str, str]], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], float]] = field(default_factory=list)
    url: str = ""

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked if path != "/robots.txt"]

    def sells(self, path: str, price: str = "9.50", **headers: str) -> None:
        body = f"<html><title>Lamp</title><b class='price'>EUR {price}</b></html>".encode()
        self.answers[path] = (200, {**HTML, **headers}, body)


@contextmanager
def serving(shop: Shop, context: ssl.SSLContext | None = None) -> Iterator[Shop]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            shop.asked.append((self.path, headers, time.monotonic()))
            found = shop.answers.get(self.path, (404, HTML, b"not here"))
            status, told, body = found(headers) if callable(found) else found
            self.send_response(status)
            for name, value in told.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if status == 304 else body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    shop.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def shop() -> Iterator[Shop]:
    with serving(Shop()) as running:
        yield running


@dataclass
class Reader:
    """A company that reads pages."""

    folder: Path
    company: Company = None  # type: ignore[assignment]

    def wants(self, **pages: Any) -> "Reader":
        settings = {"contact": "prices@example.com", "delay": 0, "allow_private_addresses": True}
        source = {
            "name": "rivals",
            "entity": "competitor_prices",
            "kind": "shop_pages",
            "pages": {**settings, **pages},
        }
        text = {"company": "Test", "home_market": "DE", "reporting_currency": "EUR",
                "sources": [source]}  # fmt: skip
        (self.folder / "company.yml").write_text(json.dumps(text))
        self.company = load_company(self.folder / "company.yml")
        return self

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    @property
    def log(self) -> PageLog:
        return PageLog(self.home.landing, "rivals")

    def capture(self) -> crawl.Report:
        return crawl.capture(self.company.sources[0], self.company, self.home)

    def is_due(self, later: timedelta = timedelta()) -> bool:
        now = datetime.now(UTC) + later
        return crawl.is_due(self.company.sources[0], self.company, self.home, now)

    def pages(self) -> list[Page]:
        ends = ("done", "stopped", "sitemap")
        found = [page for part in self.log.parts() for page in self.log.read(part)]
        return [page for page in found if page.outcome not in ends]

    def outcomes(self) -> dict[str, tuple[str, str | None]]:
        """Outcome and reason of each path, the last if it was asked for more than once."""
        return {"/" + p.url.split("/", 3)[3]: (p.outcome, p.reason) for p in self.pages()}

    def next_pass(self) -> None:
        """As if what was read had been read two days ago."""
        for part in self.log.parts():
            earlier = part.pass_id.replace(part.pass_id[:8], "20200101")
            file = self.log.file(part)
            file.rename(file.with_name(f"{earlier}-{part.part_id}.jsonl"))


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def test_a_page_is_landed_as_it_was_sent(shop: Shop, reader: Reader) -> None:
    shop.sells("/p/1")
    report = reader.wants(urls=[f"{shop.url}/p/1#top", f"{shop.url}/p/1"]).capture()

    assert dict(report.outcomes) == {"landed": 1}
    (page,) = reader.pages()
    assert reader.log.load(page) == shop.answers["/p/1"][2]  # type: ignore[index]
    assert gzip.decompress((reader.home.landing / str(page.stored)).read_bytes())
    assert str(page.sha256) in str(page.stored)
    agent = shop.asked[-1][1]["user-agent"]
    assert agent.startswith("Tradewind/") and "prices@example.com" in agent


def test_a_finished_pass_asks_nobody_again(shop: Shop, reader: Reader) -> None:
    shop.sells("/p/1")
    reader.wants(urls=[f"{shop.url}/p/1", f"{shop.url}/gone"])
    assert reader.is_due()
    reader.capture()
    asked = len(shop.asked)

    assert not reader.is_due()
    assert reader.capture().outcomes == {"landed": 1, "gone": 1}
    assert len(shop.asked) == asked and len(reader.log.parts()) == 1
    assert reader.outcomes()["/gone"] == ("gone", "status 404")
    assert not reader.is_due(timedelta(hours=21))
    assert reader.is_due(timedelta(hours=23)), "a schedule that comes a little early is on time"


def test_shops_of_another_time_are_read_by_its_clock(shop: Shop, reader: Reader) -> None:
    """A pass is due, and a page seen, at the time that the file tells; never twice at one."""
    clock = reader.folder / "clock.txt"
    clock.write_text("2031-05-01T21:00:00+02:00\n")
    shop.sells("/p/1")
    source = reader.wants(urls=[f"{shop.url}/p/1"], clock="clock.txt").company.sources[0]
    for moment in (None, "2031-05-01 23:00:00", "2031-05-02 19:00:00", "2031-05-03T19:00:00Z"):
        if moment is not None:
            assert not crawl.is_due(source, reader.company, reader.home)
            reader.capture()
            clock.write_text(moment)
        if moment != "2031-05-01 23:00:00":
            assert crawl.is_due(source, reader.company, reader.home)
            reader.capture()
    assert [(page.outcome, page.fetched_at) for page in reader.pages()] == [
        ("landed", "2031-05-01T19:00:00+00:00"),
        ("unchanged", "2031-05-02T19:00:00+00:00"),
        ("unchanged", "2031-05-03T19:00:00+00:00"),
    ]


def test_a_still_clock_keeps_the_parts_of_a_pass_apart(shop: Shop, reader: Reader) -> None:
    (reader.folder / "clock.txt").write_text("2031-05-01T21:00:00Z")
    reader.wants(urls=[f"{shop.url}/p/1"], clock="clock.txt")
    shop.sells("/p/1")
    reader.capture()
    shop.sells("/p/2")
    reader.wants(urls=[f"{shop.url}/p/{n}" for n in (1, 2)], clock="clock.txt").capture()
    assert reader.outcomes() == {"/p/1": ("landed", None), "/p/2": ("landed", None)}
    first, second = reader.log.parts()
    assert first.pass_id == second.pass_id and first.part_id < second.part_id


@pytest.mark.parametrize("written", [None, "tomorrow"])
def test_a_clock_that_tells_no_time_is_told(reader: Reader, written: str | None) -> None:
    if written is not None:
        (reader.folder / "clock.txt").write_text(written)
    reader.wants(urls=["http://127.0.0.1:9/p"], clock="clock.txt")
    with pytest.raises(SourceUnreachable, match="tells no time") as raised:
        reader.capture()
    assert "2026-09-30T21:00:00" in raised.value.expected


def test_an_unchanged_page_is_seen_again_without_being_sent(shop: Shop, reader: Reader) -> None:
    body = b"<html><b>EUR 9.50</b></html>"

    def conditional(headers: dict[str, str]) -> Answer:
        told = {**HTML, "ETag": '"a1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        same = headers.get("if-none-match") == '"a1"'
        same &= headers.get("if-modified-since") == "Mon, 01 Jan 2024 00:00:00 GMT"
        return (304 if same else 200), told, body

    shop.answers["/p/1"] = conditional
    reader.wants(urls=[f"{shop.url}/p/1"]).capture()
    reader.next_pass()
    reader.capture()

    first, second = reader.pages()
    assert (first.outcome, second.outcome, second.status) == ("landed", "unchanged", 304)
    assert first.sha256 == second.sha256 and first.fetched_at < second.fetched_at
    assert reader.log.load(second) == body


def test_robots_are_obeyed_with_their_pauses(shop: Shop, reader: Reader) -> None:
    ours = b"User-agent: tradewind\nDisallow: /private\nCrawl-delay: 0.3\n\n"
    rules = ours + b"User-agent: *\nDisallow: /\n"
    shop.answers["/robots.txt"] = (200, {}, rules)
    shop.sells("/p/1")
    shop.sells("/p/2")
    shop.answers["/p/3"] = (302, {"Location": "/private/3"}, b"")
    reader.wants(urls=[f"{shop.url}{path}" for path in ("/p/1", "/p/2", "/p/3", "/private/4")])
    reader.capture()

    assert {path: outcome for path, (outcome, _) in reader.outcomes().items()} == {
        "/p/1": "landed", "/p/2": "landed", "/p/3": "refused", "/private/4": "refused",
    }  # fmt: skip
    assert not [path for path in shop.paths() if path.startswith("/private")]
    times = [at for _, _, at in shop.asked]
    assert min(b - a for a, b in itertools.pairwise(times)) >= 0.29


@pytest.mark.parametrize("status", [500, 429])
def test_a_host_whose_robots_cannot_be_read_is_left_alone(
    shop: Shop, reader: Reader, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.answers["/robots.txt"] = (status, {}, b"")
    shop.sells("/p/1")
    report = reader.wants(urls=[f"{shop.url}/p/1"], attempts=1).capture()

    assert report.reached_nothing
    assert list(report.stopped.values()) == [f"robots.txt could not be read: status {status}"]
    assert shop.paths() == []
    assert reader.capture().reached_nothing and len(shop.asked) == 1, "it is left alone for a while"
    monkeypatch.setattr(crawl, "AGAIN_AFTER", timedelta())
    shop.answers["/robots.txt"] = (404, {}, b"")
    assert dict(reader.capture().outcomes) == {"landed": 1}


def test_a_stopped_pass_is_gone_on_with(shop: Shop, reader: Reader) -> None:
    for number in range(6):
        shop.sells(f"/p/{number}")
    reader.wants(urls=[f"{shop.url}/p/{number}" for number in range(6)])
    reader.capture()
    (part,) = reader.log.parts()
    lines = reader.log.file(part).read_bytes().split(b"\n")
    # as a process leaves it that was killed while it wrote the line of its fourth page
    kept = [line for line in lines if line][:3]
    reader.log.file(part).write_bytes(b"\n".join(kept) + b'\n{"url": "http://127')
    shop.asked.clear()

    assert reader.is_due()
    reader.capture()
    assert shop.paths() == ["/p/3", "/p/4", "/p/5"]
    assert len({page.url for page in reader.pages()}) == len(reader.pages()) == 6
    assert len(reader.log.passes()) == 1 and len(reader.log.parts()) == 2


def test_a_killed_process_loses_no_page(shop: Shop, reader: Reader) -> None:
    for number in range(12):
        shop.sells(f"/p/{number}")
    reader.wants(urls=[f"{shop.url}/p/{number}" for number in range(12)], delay=0.05)
    script = (
        "import sys; from pathlib import Path; from ingest import crawl\n"
        "from ingest.company import load_company; from ingest.home import Home\n"
        "company = load_company(Path(sys.argv[1]))\n"
        "crawl.capture(company.sources[0], company, Home(Path(sys.argv[2])))"
    )
    files = [str(reader.folder / "company.yml"), str(reader.home.root)]
    process = subprocess.Popen([sys.executable, "-c", script, *files])
    try:
        deadline = time.monotonic() + 20
        while len(shop.paths()) < 5 and time.monotonic() < deadline:
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait()
    landed = {page.url for page in reader.pages()}
    assert 3 <= len(landed) < 12

    shop.asked.clear()
    reader.wants(urls=[f"{shop.url}/p/{number}" for number in range(12)]).capture()
    assert not {shop.url + path for path in shop.paths()} & landed, "nothing is read twice"
    assert len({page.url for page in reader.pages()}) == len(reader.pages()) == 12
    assert all(reader.log.load(page) for page in reader.pages())


def test_a_slow_host_is_asked_again_after_its_own_pause(
    shop: Shop, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(crawl._Host, "_pause", lambda _, seconds: pauses.append(seconds))
    shop.answers["/p/1"] = (503, {}, b"")
    reader.wants(urls=[f"{shop.url}/p/1"], delay=100, attempts=3).capture()
    assert reader.outcomes()["/p/1"] == ("failed", "status 503")
    assert max(pauses) == 120, "not so long that it ends the reading"


def test_a_failed_page_is_asked_for_again_by_a_later_run(
    shop: Shop, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sells("/p/1")
    shop.answers["/p/2"] = (503, {}, b"")
    reader.wants(urls=[f"{shop.url}/p/1", f"{shop.url}/p/2"], attempts=2).capture()
    assert reader.outcomes()["/p/2"] == ("failed", "status 503")
    assert shop.paths() == ["/p/1", "/p/2", "/p/2"]
    assert not reader.is_due(), "it does not start a run of its own"

    shop.sells("/p/2")
    report = reader.capture()
    assert shop.paths() == ["/p/1", "/p/2", "/p/2"], "it is left alone for a while"
    assert dict(report.outcomes) == {"landed": 1, "failed": 1}, "and still told"
    monkeypatch.setattr(crawl, "AGAIN_AFTER", timedelta())
    reader.capture()
    assert reader.outcomes()["/p/2"] == ("landed", None)
    assert shop.paths().count("/p/1") == 1


def test_a_budget_goes_round_all_pages(shop: Shop, reader: Reader) -> None:
    for number in range(4):
        shop.sells(f"/p/{number}")
    reader.wants(urls=[f"{shop.url}/p/{number}" for number in range(4)], max_pages=2)
    report = reader.capture()
    assert list(report.stopped.values()) == ["max_pages of 2 is used up; 2 addresses are left"]
    assert not report.reached_nothing and not reader.is_due()
    reader.next_pass()
    reader.capture()
    assert shop.paths() == ["/p/0", "/p/1", "/p/2", "/p/3"]


def test_bytes_and_minutes_are_budgeted(shop: Shop, reader: Reader) -> None:
    shop.sells("/p/1")
    shop.sells("/p/2")
    urls = [f"{shop.url}/p/1", f"{shop.url}/p/2"]
    (why,) = reader.wants(urls=urls, max_bytes=60).capture().stopped.values()
    assert why == "max_bytes of 60 is used up; 1 addresses are left"
    shop.answers["/robots.txt"] = (200, {}, b"User-agent: *\nCrawl-delay: 9000\n")
    reader.next_pass()
    began = time.monotonic()
    (why,) = reader.wants(urls=urls, max_minutes=0.01).capture().stopped.values()
    assert why.startswith("max_minutes of 0.01") and time.monotonic() - began < 2


def test_a_host_in_a_storm_is_left_alone(shop: Shop, reader: Reader) -> None:
    urls = [f"{shop.url}/p/{number}" for number in range(30)]
    shop.answers.update({f"/p/{number}": (502, {}, b"") for number in range(30)})
    report = reader.wants(urls=urls, attempts=1).capture()
    assert len(shop.paths()) == 10 and report.reached_nothing
    (why,) = report.stopped.values()
    assert why == "10 pages in a row failed, the last: status 502"


def test_a_long_retry_after_ends_the_reading(shop: Shop, reader: Reader) -> None:
    shop.answers["/p/1"] = (429, {"Retry-After": "86400"}, b"")
    (why,) = reader.wants(urls=[f"{shop.url}/p/1"]).capture().stopped.values()
    assert why == "it asks to come back in 86400 s" and shop.paths() == ["/p/1"]


def test_sitemaps_are_read_through_their_index(shop: Shop, reader: Reader) -> None:
    def listed(name: str, tag: str, *locations: str) -> bytes:
        inner = "".join(f"<{tag}><loc>{each}</loc></{tag}>" for each in locations)
        return f'<?xml version="1.0"?><{name} xmlns="http://www.sitemaps.org/x">{inner}</{name}>'.encode()

    url = shop.url
    index = listed("sitemapindex", "sitemap", f"{url}/a.xml.gz", f"{url}/b.txt", f"{url}/index.xml")
    pages = [f"{url}/p/1", f"{url}/about", "http://elsewhere.example/p/9", "file:///p/etc"]
    shop.answers["/index.xml"] = (200, {}, index)
    shop.answers["/a.xml.gz"] = (200, {}, gzip.compress(listed("urlset", "url", *pages)))
    shop.answers["/b.txt"] = (200, {}, f"{url}/p/2\n{url}/p/1\n".encode())
    for number in (1, 2):
        shop.sells(f"/p/{number}")
    reader.wants(sitemaps=f"{url}/index.xml", include="/p/*").capture()

    assert shop.paths() == ["/index.xml", "/a.xml.gz", "/b.txt", "/p/1", "/p/2"]
    assert not reader.is_due()


def test_a_sitemap_reads_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("http://stolen.example/")
    body = (
        f'<!DOCTYPE u [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]><urlset><url><loc>&x;</loc>'
        "</url><url><loc>http://a.example/1</loc></url>"
    ).encode()
    assert sitemap_entries(body) == (["http://a.example/1"], [])


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://user:pass@127.0.0.1/", "it redirects to what is no address of a page"),
        ("/p/1", "it redirects in a circle"),
        ("http://elsewhere.example/", "it redirects off the host, to http://elsewhere.example"),
        ("http://169.254.169.254/", "it redirects off the host, to http://169.254.169.254"),
        ("file:///etc/passwd", "it redirects to what is no address of a page"),
        ("//[::1", "it redirects to an address that cannot be read"),
    ],
)
def test_redirects_are_checked_hop_by_hop(
    shop: Shop, reader: Reader, location: str, reason: str
) -> None:
    shop.answers["/p/1"] = (301, {"Location": location}, b"")
    reader.wants(urls=[f"{shop.url}/p/1"]).capture()
    assert reader.outcomes()["/p/1"] == ("refused", reason)


def test_a_redirect_within_the_host_is_followed(shop: Shop, reader: Reader) -> None:
    shop.answers["/p/1"] = (308, {"Location": "/p/one"}, b"")
    shop.sells("/p/one")
    reader.wants(urls=[f"{shop.url}/p/1"]).capture()
    (page,) = reader.pages()
    assert page.outcome == "landed" and page.final_url == f"{shop.url}/p/one"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f000001", "127.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"],
)
def test_private_addresses_are_refused(shop: Shop, reader: Reader, host: str) -> None:
    shop.sells("/p/1")
    port = shop.url.rsplit(":", 1)[1]
    reader.wants(urls=[f"http://{host}:{port}/p/1"], allow_private_addresses=False)
    report = reader.capture()
    (why,) = report.stopped.values()
    assert "an address that is not public" in why and report.reached_nothing
    assert shop.asked == []


def test_a_name_is_judged_by_where_it_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("10.0.0.5", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with web.Client("t") as client, pytest.raises(web.AddressRefused, match=r"10\.0\.0\.5"):
        client.get("http://shop.example/p/1")


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1", "fe80::1%eth0", "fc00::1",
     "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "255.255.255.255", "fec0::1",
     "192.0.0.8"],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not web.is_public(address)
    assert web.is_public("93.184.216.34") and web.is_public("2606:2800:220:1::1")


def test_an_invalid_certificate_is_refused(tmp_path: Path, reader: Reader) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    with serving(Shop(), context) as secure:
        (why,) = reader.wants(urls=[f"{secure.url}/p/1"]).capture().stopped.values()
    assert why == "robots.txt could not be read: its certificate is not valid"


def test_what_is_no_whole_page_is_not_landed(shop: Shop, reader: Reader) -> None:
    shop.answers["/image"] = (200, {"Content-Type": "image/png"}, b"\x89PNG")
    shop.answers["/empty"] = (200, HTML, b" \n")
    shop.answers["/brotli"] = (200, {**HTML, "Content-Encoding": "br"}, b"xx")
    shop.answers["/no"] = (403, HTML, b"no")
    paths = ("/image", "/empty", "/brotli", "/no")
    reader.wants(urls=[shop.url + path for path in paths], attempts=1).capture()
    assert reader.outcomes() == {
        "/image": ("refused", "it is no page but image/png"),
        "/empty": ("failed", "it is empty"),
        "/brotli": ("refused", "its encoding 'br' was not asked for"),
        "/no": ("refused", "status 403"),
    }


@dataclass(frozen=True)
class Seen:
    """What a parser says of a page."""

    price: Decimal | None
    list_price: Decimal | None
    suspicious: bool
    reason: str | None
    currency: str | None = "EUR"
    availability: str = "in_stock"
    title: str | None = "Lamp"
    method: str | None = "selector"
    pack_quantity: int | None = None
    sku: str | None = None
    gtin: str | None = None
    mpn: str | None = None
    brand: str | None = None
    seller: str | None = None
    pack_unit: str | None = None


class Parser:
    """A parser of the test's own pages; its second version also reads the price before."""

    PARSER_VERSION = "1"

    def parse_page(
        self,
        body: bytes,
        url: str,
        market: str | None = None,
        selectors: Mapping[str, str] | None = None,
    ) -> Seen:
        found = [Decimal(text) for text in re.findall(r"EUR ([\d.]+)", body.decode())]
        before = found[1] if len(found) > 1 and self.PARSER_VERSION == "2" else None
        reason = "two prices" if b"doubt" in body else None if found else "a block page"
        return Seen(next(iter(found), None), before, b"doubt" in body, reason)


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> Parser:
    """The parser in use."""
    used = Parser()
    monkeypatch.setitem(sys.modules, "ingest.pages", used)
    return used


def loaded(reader: Reader) -> list[tuple[Any, ...]]:
    """Land and load in a warehouse of its own; the observations that count."""
    (source,) = reader.company.sources
    connection = duckdb.connect()
    load.prepare(connection, reader.company)
    landing.land(source, reader.company, reader.home)
    load.load_source(connection, source, reader.company, reader.home, "run-1")
    return connection.execute(
        "select url, competitor, market, price::varchar, currency, list_price::varchar, price_kind,"
        " tax_included, availability, evidence_sha256, suspicion, method from raw.competitor_prices"
        " where _superseded_by is null order by observed_at"
    ).fetchall()


def test_pages_reach_the_warehouse_and_can_be_parsed_again(
    shop: Shop, reader: Reader, parser: Parser
) -> None:
    shop.sells("/p/1", "9.50 instead of EUR 12.00")
    shop.sells("/p/2", "3.25 in doubt")
    shop.answers["/blocked"] = (200, HTML, b"<html>are you a robot?</html>")
    host = shop.url.removeprefix("http://")
    known = {host: {"competitor": "Rival", "market": "AT", "tax_included": True}}
    urls = [shop.url + path for path in ("/p/1", "/p/2", "/blocked")]
    reader.wants(urls=urls, hosts=known)
    source = reader.company.sources[0]

    first = loaded(reader)
    assert [row[:9] for row in first] == [
        (urls[0], "Rival", "AT", "9.5000", "EUR", None, "regular", True, "in_stock"),
        (urls[1], "Rival", "AT", "3.2500", "EUR", None, "regular", True, "in_stock"),
    ]
    assert [row[10:] for row in first] == [(None, "selector"), ("two prices", "selector")]
    evidence = {page.sha256: page for page in reader.pages()}
    assert {row[9] for row in first} < set(evidence)
    assert observations.unpriced(source, reader.home) == {"a block page": 1}
    assert landing.scan(source, reader.company, reader.home) == []
    assert drift.check(source, reader.company, reader.home).fails is False

    parser.PARSER_VERSION = "2"  # type: ignore[misc]
    assert reparse(reader.company, reader.home, [source], lambda _: None) == 1
    again = loaded(reader)
    assert [(row[3], row[5], row[6]) for row in again] == [
        ("9.5000", "12.0000", "promotional"), ("3.2500", None, "regular"),
    ]  # fmt: skip
    assert reparse(reader.company, reader.home, [source], lambda _: None) == 0
    (reader.home.landing / "rivals" / landing.MANIFEST).unlink()
    assert loaded(reader) == again, "a clean parse gives the same"
    assert shop.paths() == ["/p/1", "/p/2", "/blocked"], "nobody was asked again"


def test_a_changed_page_on_disk_is_told(shop: Shop, reader: Reader, parser: Parser) -> None:
    shop.sells("/p/1")
    reader.wants(urls=[f"{shop.url}/p/1"]).capture()
    (page,) = reader.pages()
    file = reader.home.landing / str(page.stored)
    file.write_bytes(gzip.compress(b"EUR 1.00"))
    with pytest.raises(DeliveryRefused, match="is not what was landed"):
        loaded(reader)


def test_no_page_at_all_is_a_source_that_was_not_reached(reader: Reader, parser: Parser) -> None:
    reader.wants(urls="http://127.0.0.1:9/p/1", attempts=1)
    with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1:9: robots\.txt could not be read"):
        loaded(reader)


def test_the_doctor_reads_one_page_of_a_host(shop: Shop, reader: Reader, parser: Parser) -> None:
    for number in range(3):
        shop.sells(f"/p/{number}")
    reader.wants(urls=[f"{shop.url}/p/{number}" for number in range(3)])
    (found,) = examine(reader.company).sources
    assert (found.problems, found.files, found.rows, found.mapped) == ([], 3, 1, 1)
    assert shop.paths() == ["/p/0"] and not reader.home.landing.exists()

    shop.answers["/p/0"] = (200, HTML, b"<html>are you a robot?</html>")
    (found,) = examine(reader.company).sources
    assert "no price was found on the pages: a block page" in found.problems[0]


def test_addresses_come_from_the_table_of_matches(shop: Shop, reader: Reader) -> None:
    shop.sells("/p/1")
    host = shop.url.removeprefix("http://")
    reader.home.root.mkdir()
    with duckdb.connect(str(reader.home.warehouse)) as connection:
        load.prepare(connection, reader.wants(from_matches=True).company)
        connection.execute(
            "create or replace view raw.product_matches as select * from (values "
            f"('{shop.url}/p/1', 'exact'), ('{shop.url}/p/2', 'rejected'), "
            "('http://10.0.0.1/p/3', 'exact'), ('4006381333931', 'exact')"
            ") as t(competitor_key, kind), (select null as _superseded_by)"
        )
    reader.wants(from_matches=True, hosts={host: {}}).capture()
    assert shop.paths() == ["/p/1"]


def test_every_fault_ends_in_a_whole_page_or_a_reason(reader: Reader) -> None:
    """The soak of `python -m bench.pages`, with every fault twice."""
    plan = faulty.Shop(60, seed=4, share=0)
    kinds = [*faulty.PASSING, *faulty.LASTING]
    for number, fault in enumerate(kinds):
        plan.faults[f"/p/{2 * number}"] = (fault, 1)
        if fault not in ("drip", "endless_header"):
            plan.faults[f"/p/{2 * number + 1}"] = (fault, 9)
    with faulty.serving(plan):
        urls = [plan.url(path) for path in plan.paths]
        reader.wants(urls=urls, page_seconds=0.4, attempts=2).capture()

    outcomes = reader.outcomes()
    for path in plan.paths:
        outcome, reason = outcomes[path]
        assert outcome in plan.expected(path, 2), (path, plan.faults.get(path), reason)
        assert (reason is None) == (outcome == "landed")
    landed = [page for page in reader.pages() if page.outcome == "landed"]
    assert len(landed) > 30 and len(reader.pages()) == 60
    for page in landed:
        assert reader.log.load(page) == faulty.page("/" + page.url.split("/", 3)[3])


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        ({"contact": "nobody"}, "'nobody'"),
        ({"urls": ["ftp://a.example/"]}, "'ftp://a.example/'"),
        ({"urls": ["https://me:geheim@a.example/"]}, "an address with a name or password"),
        ({"urls": []}, "no addresses"),
        ({"every": "soon"}, "'soon'"),
        ({"dealy": 3}, "the unknown key 'dealy'"),
        ({"hosts": {"a.example": {"market": "UK"}}}, "'UK', which is no country code"),
        ({"hosts": {"a.example": {"markte": "DE"}}}, "the unknown key 'markte'"),
    ],
)
def test_wrong_settings_are_told(reader: Reader, pages: dict[str, Any], found: str) -> None:
    with pytest.raises(CompanyFileError) as error:
        reader.wants(**{"urls": ["https://a.example/"], **pages})
    assert found in str(error.value) and "geheim" not in str(error.value)


def test_what_does_not_belong_to_pages_is_told(reader: Reader) -> None:
    reader.wants(urls=["https://a.example/"])
    file = reader.folder / "company.yml"
    text = json.loads(file.read_text())
    text["sources"][0] |= {"entity": "sales", "path": "x.csv", "columns": {"price": "price * 2"}}
    file.write_text(json.dumps(text))
    with pytest.raises(CompanyFileError) as error:
        load_company(file)
    assert "entity competitor_prices" in str(error.value) and "no path" in str(error.value)

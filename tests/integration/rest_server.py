"""An API on loopback that answers as a test says, and a company that reads it."""

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import duckdb
import yaml

from ingest import landing, load
from ingest.company import Company, load_company
from ingest.home import Home
from tests.conftest import FEW_ROWS

Answer = tuple[int, dict[str, str], bytes]
JSON = {"Content-Type": "application/json"}
MAPPING = {
    "order_id": "id",
    "ordered_at": "at",
    "market": "'DE'",
    "product_id": "sku",
    "quantity": "quantity",
    "unit_price": "price",
    "currency": "'EUR'",
}


@dataclass(frozen=True)
class Asked:
    """One request that came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass
class Api:
    """A local API: `answer` is asked for each request."""

    answer: Callable[[Asked], Answer] = lambda asked: (404, {}, b"")
    asked: list[Asked] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    url: str = ""

    @property
    def queries(self) -> list[dict[str, str]]:
        """The parameters of all requests."""
        return [dict(each.query) for each in self.asked]


def told(content: Any, status: int = 200, **headers: str) -> Answer:
    """An answer of JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {**JSON, **named}, json.dumps(content).encode()


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    """The API on a free port, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # one write an answer: the second of two small ones would wait for the first to be heard of
        wbufsize = 1 << 20

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            size = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), headers,
                          self.rfile.read(size))  # fmt: skip
            api.asked.append(asked)
            status, named, body = api.answer(asked)
            self.send_response(status)
            for name, value in named.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Shop:
    """A company with one source behind an API, and a warehouse in memory."""

    folder: Path
    api: Api
    company: Company = None  # type: ignore[assignment]
    connection: duckdb.DuckDBPyConnection = field(
        default_factory=lambda: duckdb.connect(config=FEW_ROWS)
    )

    def describe(self, rest: Mapping[str, Any], **source: Any) -> "Shop":
        """Write the company file anew."""
        defaults = {"base_url": self.api.url, "path": "orders", "backoff": 0}
        entry = {"name": "shop", "entity": "sales", "kind": "rest", "columns": MAPPING,
                 "rest": {**defaults, **rest}, **source}  # fmt: skip
        settings = {"company": "Test", "home_market": "DE", "reporting_currency": "EUR",
                    "sources": [entry]}  # fmt: skip
        file = self.folder / "company.yml"
        file.write_text(yaml.safe_dump(settings, sort_keys=False))
        self.company = load_company(file)
        return self

    @property
    def home(self) -> Home:
        """Where it lands."""
        return Home(self.folder / "home")

    @property
    def source(self) -> Any:
        """Its only source."""
        return self.company.sources[0]

    def land(self) -> list[landing.Delivery]:
        """Land what is new."""
        return landing.land(self.source, self.company, self.home)

    def is_new(self) -> bool:
        """Whether a run would find anything new."""
        return bool(landing.scan(self.source, self.company, self.home))

    def landed(self) -> list[str]:
        """Land; `id quantity` of all rows that are live, in order."""
        self.land()
        live = [d for d in landing.manifest(self.home, "shop") if not d.superseded_by]
        files = [str(self.home.landing / delivery.landed_path) for delivery in live]
        if not files:
            return []
        rows = duckdb.sql(
            f"select id || ' ' || quantity from read_parquet({files}, union_by_name = true) "
            "order by cast(id as integer), 1"
        )
        return [row[0] for row in rows.fetchall()]

    def run(self) -> list[str]:
        """Land and load; `order quantity` of all rows that count, in order."""
        self.land()
        load.prepare(self.connection, self.company)
        load.load_source(self.connection, self.source, self.company, self.home, "run-1")
        rows = self.connection.execute(
            f"select order_id || ' ' || cast(quantity as integer) from raw.{self.source.entity} "
            "where _superseded_by is null order by cast(order_id as integer), 1"
        ).fetchall()
        return [row[0] for row in rows]


def order(number: int, quantity: int = 1, updated: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    """One order of one line."""
    return {"id": number, "at": "2026-01-01T10:00:00Z", "sku": f"S{number}", "quantity": quantity,
            "price": "2.50", "updated_at": updated}  # fmt: skip


def basic(name: str, password: str) -> str:
    """The header of basic authentication."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()

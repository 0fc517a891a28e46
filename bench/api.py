"""An API on loopback with pages of orders, whose answers go wrong where the plan says so."""

import gzip
import json
import random
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import ThreadingHTTPServer
from multiprocessing import get_context
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.faults import FaultyHandler

PASSING = ("drop", "drip", "too_long", "too_short", "storm", "bad_gzip", "cut_gzip", "silence",
           "garbage", "limited", "no_json", "endless_header")  # fmt: skip
"""Faults that the same request may not meet again."""
LASTING = ("circle", "off_host", "larger")
"""Faults that stay: the reading ends there, and tells why."""
_BOMB = gzip.compress(b"0" * (48 << 20), 1)


def record(number: int) -> dict[str, Any]:
    """One order line, some 250 bytes of JSON."""
    return {
        "id": number, "order": number // 3, "placed_at": f"2026-01-{number % 28 + 1:02d}T10:00:00Z",
        "updated_at": f"2026-02-{number % 28 + 1:02d}T10:00:00Z", "status": "paid",
        "customer": {"id": f"C{number % 9973}", "country": "DE"}, "sku": f"SKU-{number % 500}",
        "quantity": number % 7 + 1, "unit_price": f"{5 + number % 95}.50", "currency": "EUR",
    }  # fmt: skip


class Plan:
    """What an API holds, and which of its pages goes wrong how, and how often.

    Args:
        pages, size: Its pages, and the records of each.
        share: Share of the pages at which something goes wrong.
        seed: Of the plan.
        lasting: Faults that stay, by page.
        latency_s: Seconds before an answer begins, as on the way to a server and back.
        is_prepared: Whether pages are made before they are asked for; an API makes them then.
    """

    def __init__(
        self, pages: int, size: int, share: float = 0.0, seed: int = 1,
        lasting: dict[int, str] | None = None, is_prepared: bool = False,
        latency_s: float = 0.0,
    ) -> None:  # fmt: skip
        chance = random.Random(seed)
        self.pages, self.size = pages, size
        self.asked: Counter[int] = Counter()
        self.lasting = lasting or {}
        self.faults = {
            page: (chance.choice(PASSING), chance.choice([1, 1, 2, 3]))
            for page in range(pages)
            if chance.random() < share
        }
        self.is_prepared, self.latency_s = is_prepared, latency_s
        self.bodies: dict[int, bytes] = {}

    def body(self, page: int) -> bytes:
        """The true page."""
        first = page * self.size
        held = [record(number) for number in range(first, first + self.size)]
        following = f"p{page + 1}" if page + 1 < self.pages else None
        meta = {"next": following, "total": self.pages * self.size}
        return json.dumps({"data": held, "meta": meta}).encode()

    def prepare(self) -> None:
        """Make all pages, so that none is made while it is waited for."""
        if self.is_prepared:
            self.bodies = {page: self.body(page) for page in range(self.pages)}


@contextmanager
def elsewhere(plan: Plan, context: tuple[str, str] | None = None) -> Iterator[str]:
    """The API in a process of its own, for what it needs is not to be measured; its address."""
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_serve, args=(plan, there, context), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("end")
        process.join()


def _serve(plan: Plan, pipe: Any, context: tuple[str, str] | None) -> None:
    plan.prepare()
    with ExitStack() as stack:
        pipe.send(stack.enter_context(serving(plan, context)))
        pipe.recv()


@contextmanager
def serving(plan: Plan, certificate: tuple[str, str] | None = None) -> Iterator[str]:
    """The API on a free port, until the end of the block; its address."""

    class Handler(_Handler):
        held = plan

    server = _Quiet(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    scheme = "http" if certificate is None else "https"
    try:
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Say nothing: who hung up had its reasons."""


class _Handler(FaultyHandler):
    held: Plan
    content_type = "application/json"
    bomb = _BOMB
    wbufsize = 1 << 20

    def do_GET(self) -> None:
        """Answer, well or badly."""
        plan = self.held
        asked = parse_qs(urlsplit(self.path).query)
        page = int(asked.get("after", ["p0"])[0][1:])
        body = plan.bodies.get(page) or plan.body(page)
        plan.asked[page] += 1
        time.sleep(plan.latency_s)
        fault, times = plan.faults.get(page, ("", 0))
        if page in plan.lasting:
            self.badly(plan.lasting[page], body)
        elif plan.asked[page] <= times:
            self.badly(fault, body)
        else:
            # in several shapes where anything goes wrong at all
            self.well(body, page if plan.faults else 0)

    def _limited(self, body: bytes) -> None:
        self.answer(429, b'{"error": "slow down"}', "Retry-After: 0")

    def _no_json(self, body: bytes) -> None:
        self.answer(200, b"<html>Please wait</html>")

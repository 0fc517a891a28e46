"""An API on loopback with pages of orders, whose answers go wrong where the plan says so."""

import gzip
import json
import random
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

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


class _Handler(BaseHTTPRequestHandler):
    held: Plan
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 20

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

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
            getattr(self, f"_{plan.lasting[page]}")(body)
        elif plan.asked[page] <= times:
            getattr(self, f"_{fault}")(body)
        else:
            self._well(page, body)

    def _well(self, page: int, body: bytes) -> None:
        """Plain, packed or in chunks, by turns, where anything goes wrong at all."""
        turn = page % 3 if self.held.faults else 0
        if turn == 0:
            self._answer(200, body)
        elif turn == 1:
            self._answer(200, gzip.compress(body, 1), "Content-Encoding: gzip")
        else:
            self._start(200, "Transfer-Encoding: chunked")
            for at in range(0, len(body), 4000):
                part = body[at : at + 4000]
                self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

    def _start(self, status: int, *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", *headers]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode())

    def _answer(self, status: int, body: bytes, *headers: str) -> None:
        self._start(status, f"Content-Length: {len(body)}", *headers)
        self.wfile.write(body)

    def _end(self) -> None:
        self.close_connection = True

    def _drop(self, body: bytes) -> None:
        self._start(200, f"Content-Length: {len(body)}")
        self.wfile.write(body[: len(body) // 2])
        self._end()

    def _drip(self, body: bytes) -> None:
        self._start(200, f"Content-Length: {len(body)}")
        self._slowly(body)

    def _endless_header(self, body: bytes) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self._slowly(b"x" * 1000)

    def _slowly(self, body: bytes) -> None:
        self._end()
        try:
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                self.wfile.flush()
                time.sleep(0.02)
        except OSError:
            return

    def _too_long(self, body: bytes) -> None:
        self._start(200, f"Content-Length: {len(body) + 50}")
        self.wfile.write(body)
        self._end()

    def _too_short(self, body: bytes) -> None:
        self._start(200, f"Content-Length: {len(body) - 50}")
        self.wfile.write(body)
        self._end()

    def _storm(self, body: bytes) -> None:
        self._answer(random.choice([500, 502, 503, 504]), b"out of order")

    def _limited(self, body: bytes) -> None:
        self._answer(429, b'{"error": "slow down"}', "Retry-After: 0")

    def _no_json(self, body: bytes) -> None:
        self._answer(200, b"<html>Please wait</html>")

    def _bad_gzip(self, body: bytes) -> None:
        packed = bytearray(gzip.compress(body))
        packed[len(packed) // 2] ^= 0xFF
        self._answer(200, bytes(packed), "Content-Encoding: gzip")

    def _cut_gzip(self, body: bytes) -> None:
        packed = gzip.compress(body)
        self._answer(200, packed[: len(packed) // 2], "Content-Encoding: gzip")

    def _silence(self, body: bytes) -> None:
        self._end()

    def _garbage(self, body: bytes) -> None:
        self.wfile.write(b"\x00\x01 hello\r\n\r\n")
        self._end()

    def _circle(self, body: bytes) -> None:
        self._answer(302, b"", f"Location: {self.path}")

    def _off_host(self, body: bytes) -> None:
        self._answer(302, b"", "Location: https://elsewhere.example/orders")

    def _larger(self, body: bytes) -> None:
        self._answer(200, _BOMB, "Content-Encoding: gzip")

"""A shop on loopback whose answers go wrong in every way that a capture has to bear."""

import gzip
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PASSING = ("drop", "drip", "too_long", "too_short", "storm", "bad_gzip", "cut_gzip", "silence",
           "garbage", "endless_header")  # fmt: skip
"""Faults that the same request may not meet again."""
LASTING = ("circle", "off_host", "inward", "larger")
"""Faults that stay, and are told at once."""


def page(path: str) -> bytes:
    """The true page of a path: as long as product pages are, and different for each."""
    number = int(path.rsplit("/", 1)[1])
    price = f"{5 + number % 995}.{number % 100:02d}"
    filler = "".join(f"<li>{number * 31 + line}</li>" for line in range(400))
    return (
        f"<html><head><title>Item {number}</title>"
        '<script type="application/ld+json">{"@context": "https://schema.org", "@type": "Product",'
        f'"name": "Item {number}", "sku": "S{number}", "offers": {{"@type": "Offer", "price": '
        f'"{price}", "priceCurrency": "EUR", "availability": "https://schema.org/InStock"}}}}'
        f"</script></head><body><h1>Item {number}</h1><ul>{filler}</ul></body></html>"
    ).encode()


class Shop:
    """The plan of a shop: which page goes wrong how, and how often.

    Args:
        pages: Number of pages.
        seed: Of the plan.
        share: Share of the pages at which something goes wrong.
    """

    def __init__(self, pages: int, seed: int, share: float) -> None:
        chance = random.Random(seed)
        self.paths = [f"/p/{number}" for number in range(pages)]
        self.asked: Counter[str] = Counter()
        self.faults: dict[str, tuple[str, int]] = {}
        self.port = 0
        for path in self.paths:
            if chance.random() < share:
                fault = chance.choice([*PASSING, *LASTING])
                self.faults[path] = (fault, chance.choice([1, 1, 1, 2, 9]))

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def expected(self, path: str, attempts: int) -> tuple[str, ...]:
        """The outcomes that a page may have."""
        fault, times = self.faults.get(path, ("", 0))
        if fault in LASTING:
            return ("refused",)
        return ("landed",) if times < attempts else ("failed",)


@contextmanager
def serving(shop: Shop) -> Iterator[Shop]:
    """The shop on a free port, until the end of the block."""

    class Handler(_Handler):
        plan = shop

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shop.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()


_BOMB = gzip.compress(b"0" * (24 << 20), 1)


class _Handler(BaseHTTPRequestHandler):
    plan: Shop
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer, well or badly."""
        path = self.path
        if path not in self.plan.paths:
            self._answer(404, b"nothing here")
            return
        self.plan.asked[path] += 1
        fault, times = self.plan.faults.get(path, ("", 0))
        if fault in LASTING or (fault and self.plan.asked[path] <= times):
            getattr(self, f"_{fault}")(page(path))
        else:
            self._well(page(path))

    def _well(self, body: bytes) -> None:
        """Plain, packed or in chunks, by turns."""
        turn = len(body) % 3
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
        lines = [f"HTTP/1.1 {status} X", "Content-Type: text/html; charset=utf-8", *headers]
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
                time.sleep(0.02)
        except OSError:
            return

    def _too_long(self, body: bytes) -> None:
        self._start(200, f"Content-Length: {len(body) + 50}")
        self.wfile.write(body)
        self._end()

    def _too_short(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 X\r\nContent-Type: text/html\r\nContent-Length: {len(body) - 50}"
        self.wfile.write(head.encode() + b"\r\n\r\n" + body)
        self._end()

    def _storm(self, body: bytes) -> None:
        self._answer(random.choice([500, 502, 503]), b"out of order")

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
        self._answer(302, b"", "Location: https://elsewhere.example/p/1")

    def _inward(self, body: bytes) -> None:
        self._answer(302, b"", "Location: http://169.254.169.254/latest/meta-data/")

    def _larger(self, body: bytes) -> None:
        self._answer(200, _BOMB, "Content-Encoding: gzip")

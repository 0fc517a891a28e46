"""A shop on loopback whose answers go wrong in every way that a capture has to bear."""

import gzip
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

from bench.faults import FaultyHandler

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


class _Handler(FaultyHandler):
    plan: Shop
    content_type = "text/html; charset=utf-8"
    bomb = _BOMB

    def do_GET(self) -> None:
        """Answer, well or badly."""
        path = self.path
        if path not in self.plan.paths:
            self.answer(404, b"nothing here")
            return
        self.plan.asked[path] += 1
        fault, times = self.plan.faults.get(path, ("", 0))
        if fault in LASTING or (fault and self.plan.asked[path] <= times):
            self.badly(fault, page(path))
        else:
            self.well(page(path), len(page(path)))

    def _inward(self, body: bytes) -> None:
        self.answer(302, b"", "Location: http://169.254.169.254/latest/meta-data/")

"""The rivals' shops: robots.txt, a sitemap and a page a product, as it is on the day."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from companies.demo.catalogue import FORBIDDEN, HOST, Shop, page_path
from companies.demo.days import today
from companies.demo.servers.http import Handler
from companies.demo.servers.pages import CAPTCHA, Offer, page
from companies.demo.store_names import STORE

_OFFER = """
select title, brand, category, gtin, sku, price, list_price, is_promo, in_stock, state
from pages where shop = ? and slug = ? and day = ?
"""
_SLUGS = "select slug, state from pages where shop = ? and day = ? order by slug"


class ShopHandler(Handler):
    """Answers for one shop; made by `handler_for`."""

    folder: Path
    shop: Shop

    def answer(self, path: str, query: dict[str, str]) -> None:
        """One of the three kinds of page."""
        if path == "/robots.txt":
            self.send(200, _robots(self.shop).encode(), "text/plain; charset=utf-8")
        elif path == "/sitemap.xml":
            self.send(200, self._sitemap().encode(), "application/xml")
        else:
            self._page(path)

    def _page(self, path: str) -> None:
        slug = path.rpartition("/")[2]
        rows = self._rows(_OFFER, [self.shop.name, slug, today(self.folder)])
        if not rows or path != page_path(slug, rows[0][-1] == "forbidden"):
            self.send(404, b"<html><title>Not found</title><h1>Not found</h1></html>")
            return
        *cells, state = rows[0]
        body = (CAPTCHA if state == "blocked" else page(self.shop, Offer(*cells))).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == tag:
            self.send(304, b"", ETag=tag)
        else:
            self.send(200, body, ETag=tag)

    def _sitemap(self) -> str:
        at = f"http://{HOST}:{self.server.server_address[1]}"
        found = self._rows(_SLUGS, [self.shop.name, today(self.folder)])
        locations = "".join(
            f"<url><loc>{at}{page_path(str(slug), state == 'forbidden')}</loc></url>"
            for slug, state in found
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{locations}</urlset>'
        )

    def _rows(self, sql: str, values: list[object]) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self.folder / STORE}?mode=ro", uri=True)) as opened:
            return opened.execute(sql, values).fetchall()


def _robots(shop: Shop) -> str:
    if shop.name != FORBIDDEN[0]:
        return "User-agent: *\nAllow: /\n"
    return f"User-agent: *\nDisallow: {page_path('', True)}\nCrawl-delay: 0.02\n"


def handler_for(folder: Path, shop: Shop) -> type[ShopHandler]:
    """The handler for a shop of the world of a folder."""
    return type("ShopOf", (ShopHandler,), {"folder": folder, "shop": shop})

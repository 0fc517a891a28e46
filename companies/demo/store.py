"""What the living part of the world stands in: two SQLite files.

See `store_names` for what each is.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from companies.demo import catalogue as cat
from companies.demo.files import Arrival, money, title_of
from companies.demo.market import calendar_text
from companies.demo.mishaps import GB, SE
from companies.demo.store_names import STORE, SWEDISH
from companies.demo.world import World

_SPELLINGS = ("United Kingdom", "United Kingdom", "UK", "GB", "Great Britain")
_ORDERS_SE = """
create table ordrar (
    ordernummer text not null, skapad text not null, uppdaterad text not null, kund text,
    artikelnummer text, antal integer, pris real, rabatt real
)
"""
_WORLD = """
create table orders (
    updated_at text not null, order_id text not null, seen integer not null,
    until integer not null, body text not null, primary key (updated_at, order_id)
) without rowid;
create index shown on orders (updated_at, order_id, seen, until);
create table swedish_lines (day integer not null, line text not null);
create table arrivals (day integer not null, path text not null, content blob not null);
create table pages (
    shop text not null, slug text not null, day integer not null, title text not null,
    brand text not null, category text not null, gtin text not null, sku text not null,
    price integer not null, list_price integer not null,
    is_promo integer not null, in_stock integer not null, state text not null,
    primary key (shop, slug, day)
) without rowid;
"""


def write_store(
    folder: Path, named: pd.DataFrame, world: World, pages: pd.DataFrame, later: Iterable[Arrival]
) -> None:
    """Write both files.

    Args:
        folder: Where to write.
        named: All order lines, with the names of `files.with_names`.
        world: The world.
        pages: What the shops show, of `shops.shop_days`.
        later: Files of the days that pass.
    """
    swedish = list(_swedish_lines(named[named["market"] == SE]))
    with closing(sqlite3.connect(folder / SWEDISH)) as connection, connection:
        connection.execute(_ORDERS_SE)
        add_swedish(connection, [line for day, line in swedish if day < cat.DAYS])
    with closing(sqlite3.connect(folder / STORE)) as connection, connection:
        connection.executescript(_WORLD)
        connection.executemany(
            "insert into orders values (?, ?, ?, ?, ?)", home_orders(named[named["market"] == GB])
        )
        connection.executemany(
            "insert into swedish_lines values (?, ?)",
            [(day, json.dumps(line)) for day, line in swedish if day >= cat.DAYS],
        )
        connection.executemany(
            "insert into arrivals values (?, ?, ?)",
            sorted((each.day, each.path, each.content) for each in later),
        )
        connection.executemany(
            f"insert into pages values ({', '.join('?' * 13)})", _pages(pages, world)
        )


def add_swedish(connection: sqlite3.Connection, lines: Iterable[Sequence[object]]) -> None:
    """Enter order lines in the Swedish shop's database."""
    connection.executemany("insert into ordrar values (?, ?, ?, ?, ?, ?, ?, ?)", lines)


def _swedish_lines(rows: pd.DataFrame) -> Iterator[tuple[int, tuple[object, ...]]]:
    """In kronor; a price that is missing is null."""
    stamp = rows["iso_day"] + " " + rows["time"]
    cells = zip(
        rows["day"].tolist(),
        rows["order_id"],
        stamp,
        rows["customer_id"],
        rows["sku"],
        rows["quantity"].tolist(),
        rows["price"].tolist(),
        rows["discount"].tolist(),
        rows["price_text"],
        strict=True,
    )
    for day, order, at, customer, sku, quantity, price, discount, text in cells:
        cost = None if text else price / 100
        yield day, (order, at, at, customer, sku, quantity, cost, discount / 100)


def home_orders(rows: pd.DataFrame) -> Iterator[tuple[str, str, int, int, str]]:
    """The orders of the home shop as its interface shows them, one row a version of an order.

    Yields:
        updated_at, order_id, the day from which it is seen, the day from which it is not, JSON.
    """
    rows = rows.sort_values(["order_id", "seen"], kind="stable")
    days = np.array(calendar_text(), dtype=object)
    # who comes late, or is changed, has the time of the day on which that is seen
    updated = days[rows["seen"]] + "T" + rows["time"] + "Z"
    cost = _unit_costs()[rows["product"]]
    price = [
        text or value for text, value in zip(rows["price_text"], money(rows["price"]), strict=True)
    ]
    cells = zip(
        rows["order_id"], updated, rows["seen"].tolist(), rows["until"].tolist(),
        rows["iso_day"] + "T" + rows["time"], rows["customer_id"], rows["country_text"],
        rows["order"].tolist(), rows["channel"], rows["sku"], rows["quantity"].tolist(), price,
        money(rows["discount"]), money(rows["tax"]), money(cost), rows["promotion_code"],
        strict=True,
    )  # fmt: skip
    for (order_id, at, seen, until), lines in groupby(cells, key=lambda cell: cell[:4]):
        held = list(lines)
        _, _, _, _, ordered_at, customer, country, number, channel, *_ = held[0]
        body = {
            "id": order_id,
            "created_at": ordered_at,
            "updated_at": at,
            "customer_id": customer or None,
            "ship_to": {"country": country or _SPELLINGS[number % 5]},
            "channel": channel,
            "lines": [_line(*line[9:]) for line in held],
        }
        yield at, order_id, seen, until, json.dumps(body, separators=(",", ":"))


def _line(
    sku: str, quantity: int, price: str, discount: str, vat: str, cost: str, promotion: str
) -> dict[str, object]:
    return {
        "sku": sku or None,
        "quantity": quantity,
        "unit_price": price,
        "discount": discount,
        "vat": vat,
        "unit_cost": cost,
        "promo_code": promotion or None,
    }


def _unit_costs() -> np.ndarray:
    """In hundredths of a pound by product; the last is that of what is in no list."""
    return np.array([product.unit_cost for product in cat.products()] + [450])


def _pages(pages: pd.DataFrame, world: World) -> Iterator[tuple[object, ...]]:
    for row in pages.itertuples():
        product = world.products[row.product]
        brand = product.brand if cat.RIVALS[row.rival] == cat.RESELLER else cat.RIVALS[row.rival]
        title = title_of(row.rival, product, row.pack)
        yield (
            row.shop, row.slug, row.day, title, brand, product.category, row.gtin, row.sku,
            row.price, row.list_price, int(row.is_promo), int(row.in_stock), row.state,
        )  # fmt: skip

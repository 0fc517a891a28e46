"""A company of six order lines, so that a whole run costs seconds."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from ingest.company import Company, load_company
from ingest.home import Home
from tests.integration.small import SmallCompany

TINY = """\
company: Tiny
home_market: GB
reporting_currency: GBP
own_firms: [Tiny]
time_zone: Europe/London
sources:
  - name: orders
    entity: sales
    kind: file
    path: orders/*.csv
    quarantine_limit_pct: 40
    columns: {order_id: order_id, ordered_at: ordered_at, market: market, customer_id: customer_id,
      product_id: product_id, quantity: quantity, unit_price: unit_price, currency: currency}
  - name: rates
    entity: fx_rates
    kind: file
    path: rates.csv
    columns: {rate_date: day, currency: currency, per_eur: rate}
  - name: market_sizes
    entity: market_sales
    kind: file
    path: market.csv
    columns: {period_start: month, period: "'month'", market: market, category: "'tools'",
      units: units, value: value, currency: "'GBP'"}
  - name: catalogue
    entity: products
    kind: file
    path: products.csv
    columns: {product_id: sku, name: name, category: "'tools'", unit_cost: cost, currency: "'GBP'"}
"""
ORDER_COLUMNS = "order_id,ordered_at,market,customer_id,product_id,quantity,unit_price,currency"
# net 15 x 10.50 in GBP-land (21 units of lines 2, 4, 6: 12 units) and the rest in euros
ORDERS = [
    f"A{n},2024-01-{n:02d} 10:00:00,{market},C{n % 3},P{n % 2},{n},10.50,{currency}"
    for n in range(1, 7)
    for market, currency in [("GB", "GBP") if n % 2 == 0 else ("DE", "EUR")]
]


@dataclass
class Tiny:
    """The tiny company on disk, with its home."""

    folder: Path
    home: Home

    @property
    def company(self) -> Company:
        """The company file as it is now."""
        return load_company(self.folder / "company.yml")

    def write(self, name: str, *lines: str) -> None:
        """Write one of its files."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def orders(self, day: str, *lines: str) -> None:
        """Write a file of order lines."""
        self.write(f"orders/{day}.csv", ORDER_COLUMNS, *lines)

    def copy(self, folder: Path) -> "Tiny":
        """The same files and home in a folder of their own."""
        copied = shutil.copytree(self.folder.parent, folder / "copy", symlinks=True)
        return Tiny(copied / "company", Home(copied / "home"))

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Query what is published."""
        with duckdb.connect(str(self.home.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def write_tiny(folder: Path) -> Tiny:
    """Write the tiny company's files; its home is empty."""
    tiny = Tiny(folder / "company", Home(folder / "home"))
    tiny.write("company.yml", TINY)
    tiny.orders("2024-01", *ORDERS)
    tiny.write("rates.csv", "day,currency,rate", "2023-12-31,GBP,0.86", "2024-01-02,GBP,0.87")
    tiny.write(
        "market.csv", "month,market,units,value",
        "2024-01-01,GB,100,1000", "2024-01-01,DE,200,2000",
    )  # fmt: skip
    tiny.write("products.csv", "sku,name,cost", "P0,Hammer,4.00", "P1,Saw,5.00")
    return tiny


@pytest.fixture(scope="session")
def make_tiny(parsed_project: Path) -> Callable[[Path], Tiny]:
    """Makes the tiny company in a folder."""

    def make(folder: Path) -> Tiny:
        tiny = write_tiny(folder)
        shutil.copytree(parsed_project, tiny.home.dbt)
        return tiny

    return make


@pytest.fixture
def tiny(tmp_path: Path, make_tiny: Callable[[Path], Tiny]) -> Tiny:
    """The tiny company in a folder of the test's own."""
    return make_tiny(tmp_path)


@pytest.fixture
def small(tmp_path: Path, parsed_project: Path) -> SmallCompany:
    """A company without rows; the compiled models are shared by the session."""
    home = Home(tmp_path)
    home.dbt.symlink_to(parsed_project)
    return SmallCompany(home)

"""A company of one source in a temporary folder, for the tests of ingest."""

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ingest import landing, load
from ingest.company import Company, load_company
from ingest.home import Home
from ingest.load import LoadResult
from tests.conftest import FEW_ROWS

HEADER = "order,when,country,customer,product,qty,price"
COLUMNS = """
order_id: order
ordered_at: when
market: country_code(country)
customer_id: customer
product_id: product
quantity: qty
unit_price: price
currency: "'GBP'"
"""


@dataclass
class Workbench:
    """A folder with a company file, its data and its home, and a warehouse in memory."""

    folder: Path
    connection: duckdb.DuckDBPyConnection
    company: Company

    @classmethod
    def of(
        cls,
        folder: Path,
        options: str = "",
        columns: str = COLUMNS,
        path: str = "data/*.csv",
        entity: str = "sales",
    ) -> "Workbench":
        """A workbench whose source `shop` has these options and this mapping."""
        (folder / "data").mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(config=FEW_ROWS)
        bench = cls(folder, connection, None)  # type: ignore[arg-type]
        bench.describe(options, columns, path, entity)
        return bench

    def describe(
        self, options: str = "", columns: str = COLUMNS, path: str = "data/*.csv",
        entity: str = "sales",
    ) -> None:  # fmt: skip
        """Write the company file anew."""
        shape = (
            ""
            if options.find("layouts:") >= 0 or not columns
            else ("columns:\n" + textwrap.indent(columns.strip(), "  "))
        )
        source = f"entity: {entity}\nkind: file\npath: '{path}'\n{options.strip()}\n{shape}"
        text = (
            "company: Test\nhome_market: GB\nreporting_currency: GBP\nsources:\n  - name: shop\n"
            + textwrap.indent(source, "    ")
            + "\n"
        )
        file = self.folder / "company.yml"
        file.write_text(text)
        self.company = load_company(file)

    @property
    def home(self) -> Home:
        """The state folder."""
        return Home(self.folder / "home")

    @property
    def source(self) -> Any:
        """The one source."""
        return self.company.sources[0]

    def put(self, name: str, *lines: str, header: str = HEADER) -> Path:
        """Write a CSV file of the source."""
        return self.write(name, ("\n".join([header, *lines]) + "\n").encode())

    def write(self, name: str, content: bytes) -> Path:
        """Write a file of the source."""
        path = self.folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def land(self) -> list[landing.Delivery]:
        """Land what is new."""
        return landing.land(self.source, self.company, self.home)

    def run(self) -> LoadResult:
        """Land and load."""
        self.land()
        return self.load()

    def load(self) -> LoadResult:
        """Load what is pending."""
        load.prepare(self.connection, self.company)
        return load.load_source(self.connection, self.source, self.company, self.home, "run-1")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """A query's rows."""
        return self.connection.execute(sql).fetchall()

    def value(self, sql: str) -> Any:
        """A query's only value."""
        return self.rows(sql)[0][0]

    def raw(self, entity: str = "sales") -> list[tuple[Any, ...]]:
        """All raw rows without the time of landing, in an order of their own."""
        return self.rows(f"select * from raw.{entity} order by all")


def line(order: str = "1", **values: str) -> str:
    """A good order line, with some values replaced."""
    row = {
        "order": order, "when": "2024-01-02 10:00:00", "country": "Germany", "customer": "c1",
        "product": "p1", "qty": "2", "price": "1.50",
    }  # fmt: skip
    row.update(values)
    return ",".join(row.values())

"""An incremental build ends where a full one would, whatever was delivered or taken away."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import duckdb
import pytest

from ingest.landing import land
from ingest.load import load_source, prepare
from orchestration import dbt_runner
from orchestration.gates.results import BUILT_MONTHS
from tests.conftest import FEW_ROWS
from tests.integration.conftest import ORDER_COLUMNS, ORDERS, TINY, Tiny
from tests.integration.small import make_some

pytestmark = pytest.mark.xdist_group("small")
INCREMENTAL = [
    "int_sales__product_months",
    "int_sales__product_days",
    "int_customers__days",
    "int_customers__months",
    "int_customers__categories",
    "int_customers__concentrations",
    "int_customers__flows",
    "int_customers__cohorts",
    "int_customers__totals",
]
BY_MONTH = [
    "fct_sales",
    "int_customers__concentrations",
    "int_customers__days",
    "int_customers__months",
    "int_sales__product_days",
    "int_sales__product_months",
]
BUILT_UPON = [
    "dim_customer",
    "int_customers__categories",
    "int_customers__switches",
    "int_customers__totals",
    "int_sales__baskets",
]
MARTS = ["mart_switching__product", "mart_basket__product_pair"]
COMPARED = [
    "core.fct_sales",
    "core.dim_customer",
    "intermediate.int_customers__histories",
    *(f"marts.{name}" for name in MARTS),
    *(f"intermediate.{name}" for name in INCREMENTAL),
]


def _first(tiny: Tiny) -> None:
    tiny.orders("2024-02", "B1,2024-02-10 10:00:00,DE,C1,P1,3,10.50,EUR")
    tiny.orders("2024-03", "D1,2024-03-10 10:00:00,DE,C1,P0,3,10.50,USD",
                "D2,2024-03-11 10:00:00,DE,C9,P1,-1,10.50,EUR")  # fmt: skip


def _new_and_late(tiny: Tiny) -> None:
    tiny.orders("2024-04", "E1,2024-04-01 00:00:00,US,C1,P0,1,7.25,EUR")
    tiny.orders("2023-12", "Z1,2023-12-31 23:59:59,DE,C2,P0,2,5.00,EUR")


def _corrected(tiny: Tiny) -> None:
    """One order of January is gone, one has moved to February; March has none any more."""
    tiny.orders("2024-01", *ORDERS[1:], "A1,2024-02-01 10:00:00,DE,C1,P1,1,10.50,EUR")
    tiny.orders("2024-03")


def _deleted_cost(tiny: Tiny) -> None:
    tiny.write("products.csv", "sku,name,cost", "P0,Hammer,", "P1,Saw,5.00")


def _changed_rate(tiny: Tiny) -> None:
    tiny.write("rates.csv", "day,currency,rate", "2023-12-31,GBP,0.86", "2024-01-02,GBP,0.80")


_PEOPLE = """\
  - name: people
    entity: customers
    kind: file
    path: customers.csv
    columns: {customer_id: id, market: market, kind: kind, segment: segment}
"""


class _History:
    """Two years of orders by random customers, a file a day, that can be changed afterwards."""

    def __init__(self, tiny: Tiny) -> None:
        self.tiny, self.random = tiny, Random(7)
        self.categories = {f"P{n}": f"kind {n % 3}" for n in range(5)}
        self.limit_baskets(3)
        self.tiny.orders("2024-01")
        self.days: dict[int, list[str]] = {}
        self.sell(*self.random.sample(range(700), 60))
        self.tell_products()
        self.tell_customers()

    def limit_baskets(self, products: int) -> None:
        """Let baskets hold so many products at most."""
        company = TINY.replace("category: \"'tools'\", unit", "category: kind, unit") + _PEOPLE
        baskets = f"baskets: {{minimum_orders: 2, largest_order: {products}}}\n"
        self.tiny.write("company.yml", company + baskets)

    def sell(self, *numbers: int) -> None:
        """Write, or write anew, the orders of some days; a few orders have lines on several."""
        draw = self.random
        for number in numbers:
            day = date(2023, 1, 1) + timedelta(number)
            self._write(number, [
                f"{draw.choice([f'O{number}-{line // 3}', f'S{draw.randrange(30)}'])},"
                f"{day} 10:00:00,{draw.choice(['GB', 'DE'])},"
                f"C{draw.randrange(draw.choice([9, 300]))},{draw.choice(list(self.categories))},"
                f"{draw.choice([-1, 1, 2])},10.50,{draw.choice(['GBP', 'EUR'])}"
                for line in range(9)
            ])  # fmt: skip

    def withdraw(self, numbers: Callable[[int], bool]) -> None:
        """Take the orders of some days back."""
        for number in filter(numbers, list(self.days)):
            self._write(number, [])

    def leave_out(self, customer: str) -> None:
        """Take the orders of one customer back."""
        for number, lines in self.days.items():
            self._write(number, [line for line in lines if f",{customer}," not in line])

    def tell_products(self, costs: str = "", **categories: str) -> None:
        """Write the products, some with another category or new; one costs more now."""
        self.categories.update(categories)
        rows = [
            f"{product},Thing,{5 if product == costs else 4}.00,{kind}"
            for product, kind in self.categories.items()
        ]
        self.tiny.write("products.csv", "sku,name,cost,kind", *rows)

    def tell_customers(self, **rows: str) -> None:
        """Write what is known of the first fifty customers, some otherwise or not at all."""
        known = {f"C{n}": "GB,business,large" for n in range(50)} | rows
        lines = [f"{customer},{row}" for customer, row in known.items() if row]
        self.tiny.write("customers.csv", "id,market,kind,segment", *lines)

    def _write(self, number: int, lines: list[str]) -> None:
        self.days[number] = lines
        self.tiny.orders(f"{number:03d}", *lines)


def _build(tiny: Tiny) -> list[str]:
    """Load what is new and build upon what is there; return the months that were built anew."""
    return _load_and_build(tiny)[0]


def _load_and_build(tiny: Tiny) -> tuple[list[str], list[str]]:
    """The same, and the models that were not built whole."""
    database = tiny.home.root / "warehouse.duckdb"
    company = tiny.company
    for source in company.sources:
        land(source, company, tiny.home)
    with duckdb.connect(str(database)) as connection:
        connection.execute("create schema if not exists audit")
        prepare(connection, company)
        connection.execute(f"{BUILT_MONTHS}; delete from audit.built_months")
        for source in company.sources:
            load_source(connection, source, company, tiny.home, "run-1")
        months = connection.execute(
            "select distinct month::varchar from audit.pending_months order by 1"
        ).fetchall()
    selected = [f"+{name}" for name in [*INCREMENTAL, *MARTS, "int_customers__histories"]]
    results = dbt_runner.build(
        tiny.home, database, selected, ["resource_type:test"], engine_config=FEW_ROWS
    )
    assert {result.status for result in results} == {"success"}
    with duckdb.connect(str(database)) as connection:
        for (table,) in connection.execute(
            "select table_name from duckdb_tables() where starts_with(table_name, 'pending_')"
        ).fetchall():
            connection.execute(f"delete from audit.{table}")
    upon = [
        result.unique_id.rpartition(".")[2]
        for result in results
        if set(re.findall(r"pending_customers|replaced_order_lines", result.compiled_sql or ""))
    ]
    return [month for (month,) in months], upon


@pytest.fixture(scope="module")
def first(make_tiny: Callable[[Path], Tiny], tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The first deliveries, built. Not to be changed: tests work on copies."""
    tiny = make_tiny(tmp_path_factory.mktemp("first"))
    _first(tiny)
    _build(tiny)
    return tiny


@pytest.fixture
def built(first: Tiny, tmp_path: Path) -> Tiny:
    """The first deliveries, built."""
    return first.copy(tmp_path)


def _noted(tiny: Tiny) -> set[tuple[str | None, ...]]:
    """The months, per table that is tested by months, that the last build noted as built."""
    with duckdb.connect(str(tiny.home.root / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "select split_part(table_name, '.', 2) as name, list(month::varchar order by month) "
            "from audit.built_months group by name order by name"
        ).fetchall()
    assert [name for name, _ in rows] == BY_MONTH
    return {tuple(months) for _, months in rows}


def _differing(tiny: Tiny) -> list[str]:
    with duckdb.connect(config=FEW_ROWS) as connection:
        connection.execute(f"attach '{tiny.home.root / 'warehouse.duckdb'}' as built (read_only)")
        inputs = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_catalog = 'built' and table_schema in ('raw', 'audit')"
        ).fetchall()
        for schema, table in inputs:
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"create table {schema}.{table} as from built.{schema}.{table}")
        make_some(connection, tiny.home, COMPARED)
        return [name for name in COMPARED if _differ(connection, name)]


def _differ(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    both = (
        f"from {table} except all from built.{table}",
        f"from built.{table} except all from {table}",
    )
    return any(connection.execute(query).fetchall() for query in both)


def test_an_incremental_build_ends_where_a_full_one_would(built: Tiny) -> None:
    assert _noted(built) == {(None,)}
    steps: list[tuple[Callable[[Tiny], None], set[str]]] = [
        (_new_and_late, {"2023-12-01", "2024-04-01"}),
        (_corrected, {"2024-01-01", "2024-02-01", "2024-03-01"}),
        (_deleted_cost, {"2023-12-01", "2024-01-01", "2024-03-01", "2024-04-01"}),
    ]
    for step, months in steps:
        step(built)
        assert (step.__name__, set(_build(built))) == (step.__name__, months)
        assert (step.__name__, _noted(built)) == (step.__name__, {tuple(sorted(months))})
        assert (step.__name__, _differing(built)) == (step.__name__, [])
    _changed_rate(built)
    assert {"2024-01-01", "2024-04-01"} < set(_build(built))
    assert _differing(built) == []


def test_what_is_built_upon_ends_where_a_full_build_would(tiny: Tiny) -> None:
    history = _History(tiny)
    _build(tiny)
    of_customers = BUILT_UPON[:4]
    steps: list[tuple[Callable[[], None], list[str]]] = [
        (lambda: history.sell(700), BUILT_UPON),
        (lambda: history.sell(730, 650, 3), BUILT_UPON),
        (lambda: history.sell(733), BUILT_UPON),
        (lambda: history.leave_out("C1"), BUILT_UPON),
        (lambda: history.tell_products(P9="kind 0"), BUILT_UPON),
        (lambda: history.tell_products(costs="P1"), BUILT_UPON),
        (
            lambda: history.tell_customers(
                C2="GB,consumer,large",
                C3="US,business,large",
                C4="GB,business,small",
                C5="",
                C6=",business,large",
                C999="US,consumer,small",
            ),
            BUILT_UPON,
        ),
        # a product becomes frequent
        (lambda: history.sell(699, 728, 729), of_customers),
        (lambda: history.sell(720), BUILT_UPON),
        (lambda: history.limit_baskets(2), of_customers),
        (lambda: history.withdraw(lambda number: number > 690), BUILT_UPON),
        (lambda: history.tell_products(P1="KIND 0", P2="kind 3"), BUILT_UPON[::4]),
        (lambda: _changed_rate(tiny), BUILT_UPON),
        # too few weeks are left to hold any out
        (lambda: history.withdraw(lambda number: number > 300), BUILT_UPON[::2]),
    ]
    for number, (step, built_upon) in enumerate(steps):
        step()
        upon = _load_and_build(tiny)[1]
        assert (number, sorted(upon)) == (number, built_upon)
        assert (number, _differing(tiny)) == (number, [])


@pytest.mark.parametrize("erased_on", ["2024-01-01", "2024-01-03"])
def test_cohorts_are_built_whole_where_somebody_was_forgotten(built: Tiny, erased_on: str) -> None:
    cohorts = "intermediate.int_customers__cohorts"
    database = str(built.home.root / "warehouse.duckdb")
    with duckdb.connect(database) as connection:
        connection.execute("create table audit.runs as select date '2024-01-02' as judged_at")
        connection.execute(f"create table audit.erasures as select date '{erased_on}' as erased_at")
        connection.execute(f"update {cohorts} set customers_retained = 99")
    built.orders("2024-04", "E1,2024-04-01 00:00:00,US,C1,P0,1,7.25,EUR")
    _build(built)
    with duckdb.connect(database) as connection:
        kept = connection.execute(f"from {cohorts} where customers_retained = 99").fetchall()
    assert bool(kept) == (erased_on == "2024-01-01")


def _held(tiny: Tiny) -> set[str]:
    """The columns that are stored of the lines."""
    with duckdb.connect(str(tiny.home.root / "warehouse.duckdb")) as connection:
        rows = connection.execute("describe stored.fct_sales").fetchall()
    return {name for name, *_ in rows}


def test_a_fact_stores_a_column_once_a_delivery_fills_it(tiny: Tiny) -> None:
    before, rest = TINY.split("    columns: ", 1)
    columns, after = rest.split("  - name: rates", 1)
    more = columns.strip("}\n") + ", channel: shop, line_kind: kind, discount_amount: discount}"
    layouts = f"    layouts:\n      - columns: {more}\n      - columns: {columns}"
    tiny.write("company.yml", f"{before}{layouts}  - name: rates{after}")
    _first(tiny)
    _build(tiny)
    held = _held(tiny)
    of_discounts = {"discount_local", "discount_home", "gross_amount_local", "gross_amount_home"}
    assert not held & {"channel", "line_kind", "tax_home", "margin_home", *of_discounts}
    tiny.write("orders/2024-05.csv", f"{ORDER_COLUMNS},shop,kind,discount",
               "F1,2024-05-01 10:00:00,DE,C1,P1,3,10.50,EUR,web,freight,1.50")  # fmt: skip
    _build(tiny)
    assert _held(tiny) - held == {"channel", "line_kind", *of_discounts}
    assert tiny.rows(
        "select gross_amount_local, net_amount_local, margin_home = net_amount_home - cost_home "
        "from core.fct_sales where order_id = 'F1'"
    ) == [(Decimal("31.5"), Decimal(30), None)]
    assert _differing(tiny) == []
    _new_and_late(tiny)
    _build(tiny)
    assert _differing(tiny) == []


@pytest.mark.parametrize(
    "before",
    [
        "create table lines as from core.fct_sales; drop view core.fct_sales; "
        "create table core.fct_sales as from lines; drop table lines",
        "create or replace view core.fct_sales as from stored.fct_sales",
    ],
)
def test_a_fact_is_built_anew_unless_a_view_shows_all_its_columns(built: Tiny, before: str) -> None:
    with duckdb.connect(str(built.home.root / "warehouse.duckdb")) as connection:
        connection.execute(before)
    _new_and_late(built)
    _build(built)
    assert _differing(built) == []

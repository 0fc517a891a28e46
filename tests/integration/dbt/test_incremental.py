"""An incremental build ends where a full one would, whatever was delivered or taken away."""

from collections.abc import Callable

import duckdb
import pytest

from ingest.landing import land
from ingest.load import load_source, prepare
from orchestration import dbt_runner
from tests.integration.conftest import ORDERS, Tiny
from tests.integration.small import make_tables

pytestmark = pytest.mark.xdist_group("small")
INCREMENTAL = [
    "int_sales__product_months",
    "int_sales__product_days",
    "int_customers__days",
    "int_customers__months",
    "int_customers__concentrations",
    "int_customers__flows",
]
COMPARED = ["core.fct_sales", *(f"intermediate.{name}" for name in INCREMENTAL)]


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


def _build(tiny: Tiny) -> list[str]:
    """Load what is new and build upon what is there; return the months that were built anew."""
    database = tiny.home.root / "warehouse.duckdb"
    company = tiny.company
    for source in company.sources:
        land(source, company, tiny.home)
    with duckdb.connect(str(database)) as connection:
        connection.execute("create schema if not exists audit")
        prepare(connection, company)
        for source in company.sources:
            load_source(connection, source, company, tiny.home, "run-1")
        months = connection.execute(
            "select distinct month::varchar from audit.pending_months order by 1"
        ).fetchall()
    selected = [f"+{name}" for name in INCREMENTAL]
    built = dbt_runner.build(tiny.home, database, selected, ["resource_type:test"])
    assert {result.status for result in built.results} == {"success"}
    with duckdb.connect(str(database)) as connection:
        connection.execute("delete from audit.pending_months")
    return [month for (month,) in months]


def _differing(tiny: Tiny) -> list[str]:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{tiny.home.root / 'warehouse.duckdb'}' as built (read_only)")
        inputs = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_catalog = 'built' and table_schema in ('raw', 'audit')"
        ).fetchall()
        for schema, table in inputs:
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"create table {schema}.{table} as from built.{schema}.{table}")
        make_tables(connection, tiny.home)
        return [name for name in COMPARED if _differ(connection, name)]


def _differ(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    both = (
        f"from {table} except all from built.{table}",
        f"from built.{table} except all from {table}",
    )
    return any(connection.execute(query).fetchall() for query in both)


def test_an_incremental_build_ends_where_a_full_one_would(tiny: Tiny) -> None:
    _first(tiny)
    _build(tiny)
    steps: list[tuple[Callable[[Tiny], None], set[str]]] = [
        (_new_and_late, {"2023-12-01", "2024-04-01"}),
        (_corrected, {"2024-01-01", "2024-02-01", "2024-03-01"}),
        (_deleted_cost, {"2023-12-01", "2024-01-01", "2024-03-01", "2024-04-01"}),
    ]
    for step, months in steps:
        step(tiny)
        assert (step.__name__, set(_build(tiny))) == (step.__name__, months)
        assert (step.__name__, _differing(tiny)) == (step.__name__, [])
    _changed_rate(tiny)
    assert {"2024-01-01", "2024-04-01"} < set(_build(tiny))
    assert _differing(tiny) == []

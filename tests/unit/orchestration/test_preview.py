"""What a person sees of a table: its size and first rows, where they cost next to nothing."""

import duckdb
import pytest

from ingest.raw_tables import create, hold
from orchestration import preview


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> duckdb.DuckDBPyConnection:
    """A warehouse whose two customers are more rows than views are counted for."""
    monkeypatch.setattr(preview, "_VIEWS_UP_TO_RAW_ROWS", 1)
    connection = duckdb.connect()
    create(connection)
    hold(connection, "customers", ["customer_id", "segment"])
    connection.execute("insert into stored.customers (customer_id, segment) values "
                       "('c1', 'student'), ('c2', 'trade')")  # fmt: skip
    connection.execute(
        "create schema staging; create schema intermediate; create schema core; "
        "create schema marts; create view core.dim_customer as from stored.customers; "
        "create view marts.mart_customers as from stored.customers; "
        "create view staging.stg_customers as select distinct * from raw.customers; "
        "create view intermediate.pairs as select one.* from raw.customers as one, raw.customers"
    )
    return connection


def test_raw_tables_are_shown_however_large(large: duckdb.DuckDBPyConnection) -> None:
    shown = preview.describe(large, ["raw.customers"])["raw.customers"]
    assert shown["row_count"] == 2
    assert "student" in shown["preview"] and "| customer_id |" in shown["preview"]


def test_personal_values_are_masked(large: duckdb.DuckDBPyConnection) -> None:
    assert "c1" not in preview.describe(large, ["raw.customers"])["raw.customers"]["preview"]


def test_what_people_open_is_shown_and_steps_that_join_are_left_out_of_a_large_warehouse(
    large: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    cheap = {"staging.stg_customers": 2, "core.dim_customer": 2, "marts.mart_customers": 2}
    tables = [*cheap, "intermediate.pairs", "staging.absent"]
    shown = preview.describe(large, tables)
    assert {table: one["row_count"] for table, one in shown.items()} == cheap
    monkeypatch.setattr(preview, "_VIEWS_UP_TO_RAW_ROWS", 2)
    assert preview.describe(large, tables)["intermediate.pairs"]["row_count"] == 4

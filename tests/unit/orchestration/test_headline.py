"""What the notes beside headline figures say, on hand-made warehouses."""

from collections.abc import Iterator

import duckdb
import pytest

from orchestration.headline import headline


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """A company at home in GB, without any rows."""
    with duckdb.connect() as connection:
        connection.execute(
            """
            create schema core; create schema raw; create schema audit; create schema quarantine;
            create table raw.company as select 'GBP' as reporting_currency, 'GB' as home_market;
            create table core.fct_sales (order_date date, is_domestic boolean,
                net_amount_home decimal(18, 4), delivery_id varchar);
            create table audit.deliveries (delivery_id varchar, source varchar);
            create table quarantine.without_rate (entity varchar, rule varchar, mapped_row json);
            """
        )
        yield connection


def notes(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return {figure.key: figure.note for figure in headline(connection)}


def sell(connection: duckdb.DuckDBPyConnection, source: str, day: str, domestic: bool) -> None:
    connection.execute("insert into core.fct_sales values (?, ?, 10, ?)", [day, domestic, source])
    connection.execute("insert into audit.deliveries values (?, ?)", [source, source])


def test_sources_that_end_before_the_window_are_named(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """France ends seven days before the shop; the old shop ended before the window began."""
    sell(warehouse, "shop", "2025-08-31", True)
    sell(warehouse, "old_shop", "2024-03-31", False)
    sell(warehouse, "fr", "2025-08-24", False)
    sell(warehouse, "de", "2025-06-30", False)
    sell(warehouse, "br", "2025-06-30", False)
    sell(warehouse, "jp", "2025-07-31", False)
    found = notes(warehouse)
    assert found["revenue_domestic"] == ""
    assert found["revenue_foreign"] == "br, de end on 2025-06-30; jp ends on 2025-07-31"
    for source in ("at", "be"):
        sell(warehouse, source, "2025-06-30", False)
    assert notes(warehouse)["revenue_foreign"].startswith("4 sources end on 2025-06-30; jp")


def test_a_source_that_sells_at_home_and_abroad_ends_with_either(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    sell(warehouse, "shop", "2025-08-31", True)
    sell(warehouse, "shop", "2025-05-31", False)
    assert notes(warehouse)["revenue_foreign"] == ""


def test_lines_that_wait_for_a_rate_are_told_where_nothing_else_is_there(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert notes(warehouse)["revenue_domestic"] == "no domestic sales"
    warehouse.execute(
        """
        insert into quarantine.without_rate values
        ('sales', 'without_rate', '{"market": "GB"}'),
        ('sales', 'without_rate', '{"market": "DE"}'),
        ('sales', 'without_rate', '{"market": "DE"}'),
        ('market_sales', 'without_rate', '{"market": "DE"}')
        """
    )
    found = notes(warehouse)
    assert found["revenue_domestic"] == "1 line waits for an exchange rate"
    assert found["revenue_foreign"] == "2 lines wait for an exchange rate"
    assert found["returning_customers"] == "3 lines wait for an exchange rate"

"""The reconciliations between layers find what is missing, and pass on what is whole or empty.

Their SQL is rendered as dbt would, with table names in place of the references, and run on
tables of a few rows.
"""

from pathlib import Path
from types import SimpleNamespace

import duckdb
import jinja2
import pytest

DBT_PROJECT = Path(__file__).parents[3] / "dbt_project"
FOLDER = DBT_PROJECT / "tests" / "reconciliation"

TABLES = """
create table sales (
    _delivery_id varchar, ordered_at timestamp, currency varchar, quantity decimal(18, 4),
    unit_price decimal(18, 4), discount_amount decimal(18, 4), is_return boolean,
    _superseded_by varchar
);
create table fct_sales (
    delivery_id varchar, order_month date, market varchar, currency varchar, line_kind varchar,
    customer_id varchar, quantity decimal(18, 4), net_amount_local decimal(18, 4),
    net_amount_home decimal(18, 4), margin_home decimal(18, 4)
);
create table quarantine_without_rate (
    entity varchar, source varchar, period_month date, currency varchar,
    amount_local decimal(18, 4)
);
create table int_sales__product_months (
    market varchar, order_month date, currency varchar, lines bigint, units decimal(38, 4),
    net_amount_local decimal(38, 4), net_amount_home decimal(38, 4), margin_home decimal(38, 4)
);
create table mart_sales__market_product_month as from int_sales__product_months;
create table int_customers__days (lines bigint);
create table mart_customer_value__customer (net_revenue_home decimal(38, 4));
create table fct_market_sales (
    period_start date, period varchar, market varchar, category varchar, firm varchar,
    publisher varchar, sample_of varchar, units decimal(18, 4), value_home decimal(18, 4)
);
create table mart_market_share__market_category_firm_period as from fct_market_sales;
"""
# two lines of 10.00 and 5.00 USD at 0.80, the second returned; a third of 7.00 in XXX, ISO
# 4217's code of no currency, which has no rate; and one that a later delivery replaced
WHOLE = """
insert into sales values
    ('shop-0123456789ab', '2024-01-05', 'USD', 2, 5, null, false, null),
    ('shop-0123456789ab', '2024-01-06', 'USD', 1, 6, 1, true, null),
    ('shop-0123456789ab', '2024-01-07', 'XXX', 1, 7, 0, false, null),
    ('shop-0123456789ab', '2024-01-07', 'USD', 1, 99, 0, false, 'later');
insert into fct_sales values
    ('shop-0123456789ab', '2024-01-01', 'US', 'USD', 'product', 'C1', 2, 10, 8, 3),
    ('shop-0123456789ab', '2024-01-01', 'US', 'USD', 'product', null, -1, -5, -4, null);
insert into quarantine_without_rate values ('sales', 'shop', '2024-01-01', 'XXX', 7);
insert into int_sales__product_months values ('US', '2024-01-01', 'USD', 2, 1, 5, 4, 3);
insert into mart_sales__market_product_month from int_sales__product_months;
insert into int_customers__days values (1);
insert into mart_customer_value__customer values (8);
insert into fct_market_sales values
    ('2024-01-01', 'year', 'US', 'Lamps ', 'Acme', null, null, 100, 1000);
insert into mart_market_share__market_category_firm_period values
    ('2024-01-01', 'year', 'US', 'lamps', 'ACME', null, null, 100, 1000);
"""
RAW_TO_CORE = "assert_sales_reconcile_raw_to_core"
CORE_TO_MART = "assert_sales_reconcile_core_to_mart"
CUSTOMERS = "assert_customers_reconcile_core_to_mart"
MARKET_DATA = "assert_market_data_reconciles_core_to_mart"
FAULTS = [
    (RAW_TO_CORE, "delete from fct_sales where quantity < 0"),
    (RAW_TO_CORE, "update fct_sales set net_amount_local = 10.01 where quantity > 0"),
    (RAW_TO_CORE, "update fct_sales set currency = 'EUR' where quantity > 0"),
    (RAW_TO_CORE, "update fct_sales set order_month = '2024-02-01' where quantity > 0"),
    (RAW_TO_CORE, "update fct_sales set delivery_id = 'web-0123456789ab' where quantity > 0"),
    (RAW_TO_CORE, "delete from quarantine_without_rate"),
    (RAW_TO_CORE, "update sales set _superseded_by = null"),
    (CORE_TO_MART, "delete from mart_sales__market_product_month"),
    (CORE_TO_MART, "update mart_sales__market_product_month set net_amount_home = 4.01"),
    (CORE_TO_MART, "update mart_sales__market_product_month set margin_home = null"),
    (CORE_TO_MART, "update mart_sales__market_product_month set units = 2"),
    (CORE_TO_MART, "update int_sales__product_months set net_amount_local = 5.01"),
    (CORE_TO_MART, "update int_sales__product_months set currency = 'EUR'"),
    (CORE_TO_MART, "insert into mart_sales__market_product_month values "
                   "('DE', '2024-01-01', 'EUR', 1, 0, 0, 0, 0)"),
    (CUSTOMERS, "delete from mart_customer_value__customer"),
    (CUSTOMERS, "update mart_customer_value__customer set net_revenue_home = 8.01"),
    (CUSTOMERS, "insert into int_customers__days values (1)"),
    (MARKET_DATA, "update mart_market_share__market_category_firm_period set units = 99"),
    (MARKET_DATA, "update mart_market_share__market_category_firm_period set value_home = 1000.01"),
    (MARKET_DATA, "delete from mart_market_share__market_category_firm_period"),
]  # fmt: skip
TESTS = sorted(path.stem for path in FOLDER.glob("*.sql"))


def render(name: str) -> str:
    """The SQL of a singular test, its references being the bare names of the tables."""
    macros = [(DBT_PROJECT / "macros" / file).read_text() for file in ("dates.sql", "keys.sql")]
    environment = jinja2.Environment(autoescape=False)
    environment.globals.update(
        ref=lambda model: model,
        source=lambda _, table: table,
        # all months were built
        is_tested=lambda tables, moment="": "true",
        dbt=SimpleNamespace(type_string=lambda: "varchar"),
    )
    template = "".join([*macros, (FOLDER / f"{name}.sql").read_text()])
    return environment.from_string(template).render()


def failures(name: str, *statements: str) -> int:
    """How many rows the test finds after the statements were run on empty tables."""
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        for statement in statements:
            connection.execute(statement)
        return len(connection.execute(render(name)).fetchall())


@pytest.mark.parametrize("name", TESTS)
def test_passes_on_what_is_whole(name: str) -> None:
    assert failures(name, WHOLE) == 0


@pytest.mark.parametrize("name", TESTS)
def test_passes_on_empty_tables(name: str) -> None:
    assert failures(name) == 0


@pytest.mark.parametrize(("name", "fault"), FAULTS)
def test_finds_the_fault(name: str, fault: str) -> None:
    assert failures(name, WHOLE, fault) > 0


def test_every_reconciliation_has_a_fault_to_find() -> None:
    assert {name for name, _ in FAULTS} == set(TESTS)

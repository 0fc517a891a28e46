"""Every data test of the dbt project fails on the fault that it is there for.

The tests' own SQL runs on the tables of a small company: all pass, then one table is spoilt, in a
transaction that is taken back, and the test must find it.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.home import Home
from orchestration import dbt_runner
from orchestration.gates.dbt_tests import owner_of
from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
RELATIONS = """
select table_schema || '.' || table_name from information_schema.tables
where table_catalog = 'published' and table_schema <> 'main'
"""
# what breaks the tests that state a condition of their own, by their names or the names' beginning
FAULTS = {
    "assert_customers_reconcile": "delete from marts.mart_customer_value__customer",
    "assert_market_data_reconciles": "update {table} set units = units + 1",
    "assert_sales_reconcile_core": "delete from marts.mart_sales__market_product_month",
    "assert_sales_reconcile_raw": "delete from core.fct_sales where quantity > 1",
    "basket_counts": "update {table} set orders = 1",
    "cohort_retention": "update {table} set customers_retained = 99",
    "cohort_revenue": "update {table} set revenue_home = revenue_home + 0.01",
    "concentration_revenue": "update {table} set net_returns_home = net_returns_home - 0.01",
    "concentration_shares": "update {table} set top_1_share_pct = 0",
    "customer_flow_": "update {table} set change_home = 99, new_home = new_home + 0.01",
    "customer_scores_only": "update {table} set occasions = 0",
    "customer_estimates_lie": "update {table} set p_alive = 2, p_alive_low = 0, p_alive_high = 1",
    "customer_value_is": "update {table} set value_reason = null",
    "customer_value_matches": "update {table} set net_revenue_home = net_revenue_home + 0.01",
    "explained_null_mart_cust": "update {table} set share_of_requirements_reason = null",
    "explained_null_mart_market_str": "update {table} set share_of_growth_reason = null",
    "export_revenue_is": "update {table} set revenue_home = revenue_home + 0.01",
    "firm_share_interval": "update {table} set interval_reason = 'because'",
    "histories_are": "update {table} set t = t_x - 1",
    "fct_competitor_prices_are": "update {table} set fx_rate = 0",
    "fct_market_sales_has": "update {table} set value_home = null",
    "fct_sales_is_whole": "update {table} set net_amount_local = net_amount_local + 0.01",
    "fct_sales_is_whole_and": "update {table} set margin_home = margin_home + 0.01",
    "rates_are_quoted": "update {table} set quote_date = rate_date + 1",
    "keeps_every_line": "delete from {table} where quantity > 1",
    "market_share_interval": "update {table} set interval_reason = 'because'",
    "market_share_is_ours": "update {table} set value_share_pct = value_share_pct + 1",
    "market_share_market_equals": "delete from {table}",
    "needs_change": "update {table} set change_home = change_home + 0.01",
    "needs_share": "update {table} set share_of_wallet_reason = null",
    "no_gap_dim_date": "delete from {table} where date_day = '2024-06-15'",
    "days_not_found": "update {table} set not_found_days = 9",
    "price_changes_begin": "update {table} set last_seen_on = changed_on",
    "price_moves_are": "update {table} set first_moves = first_moves + 1",
    "price_gap_to_lowest": "update {table} set gap_to_lowest_home = 99",
    "price_gap_to_median": "update {table} set gap_to_median_home = 99",
    "price_index_is_ours": "update {table} set our_basket_home = 9999",
    "price_index_lies_within": "update {table} set price_index_low = 9999",
    "price_of_rivals": "update {table} set rival_lowest_home = null",
    "price_position_is_in_order": "update {table} set rival_lowest_home = 999",
    "price_volume_mix_adds_up": "update {table} set fx_effect_home = fx_effect_home + 0.01",
    "price_volume_mix_is_the_sum": "update {table} set price_effect_home = 99",
    "price_volume_mix_net_change": "update {table} set net_change_home = 99",
    "price_volume_mix_of_one": "update {table} set new_effect_home = 99, sold_in = 'both'",
    "price_volume_mix_of_products": "update {table} set mix_effect_home = mix_effect_home + 0.01",
    "share_change_is_ours": "update {table} set own_growth_pp = own_growth_pp + 1",
    "share_contribution": "update {table} set contribution_pp = contribution_pp + 1",
    "restatement_is": "update {table} set market_value_change_home = 99",
    "sales_local_amounts": "update {table} set is_multi_currency = true",
    "sales_margin_is_net": "update {table} set margin_home = margin_home + 0.01",
    "sales_net_is_gross": "update {table} set net_amount_local = net_amount_local + 0.01",
    "source_adds_up_": "update {table} set rows_dropped = rows_dropped + 1",
    "validation_is_of": "update {table} set actual_occasions = actual_occasions + 1",
    "switching_": "update {table} set change_home = 99, new_buyers_home = new_buyers_home + 0.01",
    "sums_match_": "delete from {table}",
}


@pytest.fixture(scope="module")
def compiled(parsed_project: Path) -> dict[str, tuple[Mapping[str, Any], str]]:
    """The node and the SQL of every data test, by its name."""
    prepared = dbt_runner.prepare(Home(parsed_project.parent))
    nodes = prepared.manifest()
    return {nodes["nodes"][key]["name"]: (nodes["nodes"][key] | {"root": nodes}, text)
            for key, text in prepared.compiled("test").items()}  # fmt: skip


@pytest.fixture(scope="module")
def warehouse(
    tmp_path_factory: pytest.TempPathFactory, parsed_project: Path
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A company with a row of every kind that a test is about."""
    home = Home(tmp_path_factory.mktemp("data-tests"))
    home.dbt.symlink_to(parsed_project)
    small = SmallCompany(home)
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "lamps", "unit_cost": 2,
                           "list_price": 9, "map_price": 8, "currency": "GBP",
                           "launched_on": "2024-01-05"})  # fmt: skip
    small.has("customers", {"customer_id": "C1", "market": "GB"})
    small.has("fx_rates", {"rate_date": "2024-01-01", "currency": "EUR", "per_reporting_unit": 1.2})
    small.has("sales", *({"order_id": f"O{n}", "quantity": n} for n in (1, 2, 3)), unit_price=9,
              ordered_at="2024-01-05 10:00:00", market="GB", product_id="L1", currency="GBP",
              customer_id="C1", discount_amount=1, channel="web", outlet="Shop")  # fmt: skip
    small.has("sales", *({"order_id": f"T{day}", "ordered_at": f"{day} 09:00:00"} for day in
              ("2024-01-04", "2024-01-12")), quantity=1, unit_price=9, market="GB",
              product_id="L1", currency="GBP", customer_id="C1", channel="web")  # fmt: skip
    small.settings["baskets"] = {"minimum_orders": 1}
    small.settings["customer_value"] = {"calibration_end": "2024-01-05"}
    small.has("sales", {"order_id": "O1", "quantity": 1, "unit_price": 2, "currency": "GBP",
              "ordered_at": "2024-01-05 10:00:00", "market": "GB", "product_id": "L2",
              "customer_id": "C1"})  # fmt: skip
    small.has("sales", {"order_id": "O4", "quantity": 1, "unit_price": 5, "currency": "CHF",
              "ordered_at": "2024-01-05 10:00:00", "market": "GB", "product_id": "L1"})  # fmt: skip
    small.has("sales", {"order_id": "O5", "quantity": 2, "unit_price": 9, "currency": "GBP",
              "ordered_at": "2024-02-05 10:00:00", "market": "GB", "product_id": "L1"})  # fmt: skip
    small.has("competitor_prices", {"observed_at": "2024-01-05 10:00:00", "price": 8},
              {"observed_at": "2024-01-06 10:00:00", "price": 7}, competitor="Rival", market="GB",
              currency="EUR", product_id="L1", availability="in_stock", title="Light")  # fmt: skip
    small.has("product_matches", {"product_id": "L1", "competitor": "Rival",
              "competitor_key": "Light", "kind": "exact"})  # fmt: skip
    small.has("market_sales", *({"firm": firm, "period_start": f"2024-0{month}-01"}
              for firm in (None, "Rival") for month in (1, 2)), period="month", market="GB",
              category="lamps", units=50, value=500, currency="GBP")  # fmt: skip
    small.has("market_sales", *({"edition": each, "published_on": f"2024-02-0{each}", "value": 500}
              for each in "12"), period="month", period_start="2024-01-01", market="GB", units=50,
              category="chairs", currency="GBP")  # fmt: skip
    small.has("promotions", {"promotion_id": "S1", "starts_on": "2024-01-01",
              "ends_on": "2024-01-31"})  # fmt: skip
    small.has("plans", {"plan_version": "B", "period_start": "2024-01-01", "period": "year",
              "market": "GB"})  # fmt: skip
    small.has("terms", {"market": "GB", "component": "cash", "valid_from": "2024-01-01",
              "percent": 2})  # fmt: skip
    small.has("reviews", {"reviewed_at": "2024-01-01", "rating": 4, "rating_scale": 5,
              "body": "Hard to read the display"})  # fmt: skip
    small.has("market_context", {"market": "GB", "period_start": "2024-01-01", "population": 9})
    small.has("events", {"occurred_on": "2024-01-01", "market": "GB", "headline": "Law"})
    small.has("initiatives", {"initiative_id": "I", "name": "x", "owner": "y",
              "due_on": "2024-01-01", "status": "planned"})  # fmt: skip
    small.publish()
    with duckdb.connect() as connection:
        connection.execute(f"attach '{home.warehouse}' as published (read_only)")
        # a view cannot be spoilt
        for (table,) in connection.execute(RELATIONS).fetchall():
            connection.execute(f"create schema if not exists {table.partition('.')[0]}")
            connection.execute(f"create table {table} as from published.{table}")
        yield connection


def faults_of(test: Mapping[str, Any], table: str) -> list[str]:
    """What the test must find, as statements; each of them alone."""
    named = [fault for name, fault in FAULTS.items() if test["name"].startswith(name)]
    return [fault.format(table=table) for fault in named] + _of_kind(test, table)


def _of_kind(test: Mapping[str, Any], table: str) -> list[str]:
    kind = (test.get("test_metadata") or {}).get("name")
    given = test["test_metadata"]["kwargs"] if kind else {}
    column = given.get("column_name")
    if kind in {"unique", "unique_combination"}:
        return [f"insert into {table} from {table} limit 1"]
    if kind == "not_null":
        return [f"update {table} set {column} = null"]
    if kind in {"accepted_values", "relationships", "refers_to"}:
        return [f"update {table} set {column} = 'nonsense'"]
    if kind == "not_empty_when_source_has_rows":
        return [f"delete from {table}"]
    if kind == "between":
        return [
            f"update {table} set {name} = {bound} {sign} 1"
            for name, ends in given["ranges"].items()
            for bound, sign in zip(ends, "-+", strict=True)
            if bound is not None
        ]
    if kind == "holds":
        needed = re.findall(r"(?:^|and\s+)(\w+) is not null", given["condition"])
        return [f"update {table} set {name} = null" for name in needed]
    return []


def test_all_pass_on_a_whole_warehouse_and_each_fails_on_its_fault(
    compiled: dict[str, tuple[Mapping[str, Any], str]], warehouse: duckdb.DuckDBPyConnection
) -> None:
    blind = []
    for name, (node, sql) in compiled.items():
        assert (name, warehouse.execute(sql).fetchall()[:1]) == (name, [])
        table = owner_of(node["root"], node)
        faults = faults_of(node, table)
        assert faults, f"{name}: say here what it fails on"
        blind += [(name, fault) for fault in faults if not _is_seen(warehouse, fault, sql)]
    assert not blind


def _is_seen(connection: duckdb.DuckDBPyConnection, fault: str, sql: str) -> bool:
    connection.execute("begin")
    try:
        connection.execute(fault)
        return bool(connection.execute(sql).fetchall())
    finally:
        connection.execute("rollback")

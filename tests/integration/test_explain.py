"""Any figure can be followed back: each cell is computed again from the rows behind it."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal

import pytest

from ingest.home import Home
from orchestration.explain import CannotExplain, Explainer, lineage
from orchestration.headline import read_headline
from orchestration.versions import current_version, read_record
from tests.conftest import Published, tradewind
from tests.integration.test_demo_published import NOT_TOLD

TABLES = lineage().tables


@pytest.fixture(scope="module")
def explainer(demo_warehouse: Published) -> Iterator[Explainer]:
    with Explainer(Home(demo_warehouse.home)).opened() as opened:
        yield opened


def test_every_mart_can_be_explained(demo_warehouse: Published) -> None:
    marts = demo_warehouse.rows(
        "select 'marts.' || table_name from information_schema.tables where table_schema = 'marts'"
    )
    assert {name for (name,) in marts} <= set(TABLES)


# a mart of which the demo has no rows has no cell to explain
TOLD = [table for table in TABLES if table.removeprefix("marts.") not in NOT_TOLD]


@pytest.mark.parametrize("table", TOLD)
def test_every_column_is_computed_again_to_the_same_value(
    demo_warehouse: Published, explainer: Explainer, table: str
) -> None:
    keys = TABLES[table]["keys"]
    columns = [row[0] for row in demo_warehouse.rows(f"describe {table}") if row[0] not in keys]
    filled = " + ".join(f"({column} is not null)::int" for column in columns)
    # the fullest row, so that as few cells as possible are null on both sides
    rows = demo_warehouse.rows(
        f"select {', '.join(keys)} from {table} order by {filled} desc, {', '.join(keys)} limit 1"
    )
    where = " and ".join(f"{key} = '{value}'" for key, value in zip(keys, rows[0], strict=True))
    found = [explainer.cell(table, where, column, sample=1) for column in columns]
    differing = [(each.column, each.value, each.recomputed) for each in found if not each.is_equal]
    assert not differing
    assert all(each.run_id and each.published_at for each in found)


def test_the_rows_listed_add_up_to_the_cell(
    demo_warehouse: Published, explainer: Explainer
) -> None:
    mart = "mart_sales__market_product_month"
    market, product, month = demo_warehouse.rows(
        f"select market, product_id, order_month from marts.{mart} "
        "where not is_domestic order by net_amount_home desc limit 1"
    )[0]
    where = f"market = '{market}' and product_id = '{product}' and order_month = '{month}'"
    found = explainer.cell(mart, where, "net_amount_home", sample=None)
    (fact,) = found.facts
    assert len(fact.rows) == fact.count == found.raw_rows
    assert sum((row["net_amount_home"] for row in fact.rows), Decimal(0)) == found.value
    for row in fact.rows:
        raw = row["raw"]
        gross = Decimal(str(raw["quantity"])) * Decimal(str(raw["unit_price"]))
        local = gross - Decimal(str(raw.get("discount_amount", 0)))
        assert abs(local - row["net_amount_local"]) < Decimal("0.0001")
        assert row["path"]
    entities = {used.entity for used in found.deliveries}
    assert {"sales", "fx_rates"} <= entities
    assert sum(used.rows for used in found.deliveries if used.entity == "sales") == fact.count
    assert found.checks.of_this_table
    assert found.checks.passed > 0
    warned = {row["check_name"] for row in found.checks.failed if row["severity"] == "warn"}
    assert "row_rule.unit_price_type" in warned
    assert len(warned) == len(found.checks.failed)


def test_names_are_told_apart_as_sql_does(demo_warehouse: Published, explainer: Explainer) -> None:
    mart = "mart_sales__market_product_month"
    [(month,)] = demo_warehouse.rows(
        f"select max(order_month) from marts.{mart} where market = 'GB' and product_id = 'NS-0024'"
    )
    where = f"market = 'GB' and product_id = 'NS-0024' and order_month = '{month}'"
    found = explainer.cell(mart.upper(), where, "Net_Amount_Home", sample=1)
    assert (found.column, found.is_equal) == ("net_amount_home", True)
    assert found.value is not None


def test_an_ambiguous_or_unknown_cell_is_refused(explainer: Explainer) -> None:
    mart = "mart_customer_value__customer"
    with pytest.raises(CannotExplain, match="more than one row fits"):
        explainer.cell(mart, "true", "units")
    with pytest.raises(CannotExplain, match="no row fits"):
        explainer.cell(mart, "customer_id = 'nobody'", "units")
    with pytest.raises(CannotExplain, match="cannot be explained"):
        explainer.cell("nosuch", "true", "units")
    with pytest.raises(CannotExplain) as caught:
        explainer.cell(mart, "true", "nosuch")
    assert "units" in str(caught.value)


def test_the_command_prints_the_way_back(demo_warehouse: Published) -> None:
    customer = demo_warehouse.value(
        "select customer_id from marts.mart_customer_value__customer "
        "order by occasions desc, customer_id limit 1"
    )
    arguments = ["explain", "mart_customer_value__customer", "--where"]
    arguments += [f"customer_id = '{customer}'", "--column", "net_revenue_home"]
    shown = tradewind(*arguments, "--home", demo_warehouse.home)
    assert shown.returncode == 0, shown.stderr
    assert "equal" in shown.stdout
    machine = tradewind(*arguments, "--home", demo_warehouse.home, "--json", "--all")
    answer = json.loads(machine.stdout)
    assert answer["is_equal"]
    assert len(answer["facts"][0]["rows"]) == answer["raw_rows"]


def test_headline_figures_are_all_known(demo_warehouse: Published) -> None:
    shown = tradewind("versions", "--home", demo_warehouse.home, "--json")
    (version,) = json.loads(shown.stdout)
    figures = {figure["key"]: figure for figure in version["headline"]}
    assert list(figures) == [
        "revenue_domestic", "revenue_foreign", "value_share", "price_index", "returning_customers",
    ]  # fmt: skip
    assert all(figure["value"] is not None and figure["period"] for figure in figures.values())
    assert figures["revenue_domestic"]["unit"] == "GBP"


def test_the_record_tells_what_the_published_file_says(demo_warehouse: Published) -> None:
    """The run read it before its verdict, so as not to open the file once more."""
    home = Home(demo_warehouse.home)
    published = current_version(home)
    assert published is not None
    record, headline = read_record(home, published), read_headline(demo_warehouse.warehouse)
    assert record["rows"] == headline.rows
    # a sum of doubles depends in its last digits on which thread was first
    assert record["headline"] == [
        asdict(figure) | {"value": pytest.approx(figure.value)} for figure in headline.figures
    ]


def test_the_demo_is_healthy(demo_warehouse: Published) -> None:
    done = tradewind("doctor", "--company", demo_warehouse.company, "--home", demo_warehouse.home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the first row becomes" in done.stdout

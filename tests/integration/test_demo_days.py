"""Three days pass in the demo world, and a run brings them: their truth, and only what is new."""

import json
import shutil
from collections.abc import Iterator
from decimal import Decimal

import pytest

from companies.demo.days import pass_day
from companies.demo.generate import DATA
from companies.demo.servers import visit
from tests.conftest import DEMO_COMPANY, Published, publish, tradewind
from tests.integration.demo_truth import assert_prices_are_true, true_on

pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture(scope="module")
def later(
    demo_warehouse: Published, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Published]:
    """A copy of the demo and of its home, three days after what is published."""
    folder = tmp_path_factory.mktemp("three_days")
    shutil.copy(DEMO_COMPANY, folder)
    shutil.copytree(DATA, folder / "data")
    shutil.copytree(demo_warehouse.home, folder / "home", symlinks=True)
    for _ in range(3):
        pass_day(folder / "data")
    with visit(folder / "data"):
        yield publish(folder / DEMO_COMPANY.name, folder / "home")


def test_revenue_of_the_new_days_is_true_to_the_cent(later: Published) -> None:
    found = later.rows(
        """
        select market, order_month::varchar, sum(lines)::bigint, sum(net_amount_local)
        from marts.mart_sales__market_product_month
        where order_month >= '2026-09-01' group by all
        """
    )
    expected = {
        (row["market"], row["month"]): (row["lines"], Decimal(row["net_local"]))
        for row in true_on(later.company.parent / "data", "2026-10-03")["revenue"]
    }
    assert {(market, month): (lines, net) for market, month, lines, net in found} == expected
    assert ("GB", "2026-10-01") in expected


def test_an_order_that_was_changed_counts_as_it_is_now(later: Published) -> None:
    """It came twice through the interface; the later version took the place of the first."""
    rows = later.rows(
        """
        select order_id, count(distinct _delivery_id),
            count(distinct _delivery_id) filter (where _superseded_by is null)
        from raw.sales where _source = 'shop_orders'
        group by order_id having count(distinct _delivery_id) > 1
        """
    )
    assert all(row[1:] == (2, 1) for row in rows)


def test_prices_are_those_of_each_evening_that_was_looked_at(later: Published) -> None:
    seen = later.rows(
        "select distinct observed_date::varchar from core.fct_competitor_prices "
        "where source = 'rival_pages' order by 1"
    )
    # nobody looked on the two days between
    assert [day for (day,) in seen] == ["2026-09-30", "2026-10-03"]
    assert_prices_are_true(later, later.company.parent / "data", "2026-10-03")


def test_cost_follows_what_is_new(later: Published) -> None:
    """Only what came is loaded, and nothing of it is left for the next run."""
    loaded = later.rows(
        """
        select source, sum(rows_loaded)::bigint from audit.deliveries
        where run_id = (select run_id from audit.runs order by judged_at desc limit 1)
            and source in ('shop_orders', 'orders_de', 'orders_us', 'orders_se', 'orders_jp')
        group by all
        """
    )
    new = sum(
        row["lines"]
        for row in true_on(later.company.parent / "data", "2026-10-03")["revenue"]
        if row["month"] == "2026-10-01"
    )
    assert new <= sum(rows for _, rows in loaded) < 1.2 * new
    again = tradewind("run", "--company", later.company, "--home", later.home)
    assert again.returncode == 0, again.stderr
    assert "Nothing is new" in again.stdout


def test_nothing_is_new_on_the_same_evening(later: Published) -> None:
    planned = tradewind("plan", "--company", later.company, "--home", later.home, "--json")
    new = {each["source"]: each["new_files"] for each in json.loads(planned.stdout)["sources"]}
    assert {"shop_orders", "orders_se", "rival_pages"} <= set(new)
    assert not any(new.values()), new

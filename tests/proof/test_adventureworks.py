"""AdventureWorks: two channels in one warehouse, in dollars and not converted twice."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Published

INTERNET, RESELLER = Decimal("29358677.2207"), Decimal("80450596.9823")
INTERNET_COST, RESELLER_COST = Decimal("17277793.5757"), Decimal("79980114.3790")


# one worker runs these tests: the warehouse is published once, and nobody waits for it
pytestmark = pytest.mark.xdist_group("adventureworks")


@pytest.fixture(scope="module")
def published(publish_example: Callable[[str], Published]) -> Published:
    return publish_example("adventureworks")


def _by_channel(published: Published, measures: str) -> dict[str, tuple[object, ...]]:
    rows = published.rows(f"select channel, {measures} from core.fct_sales group by all")
    return {row[0]: row[1:] for row in rows}


def test_sales_by_channel(published: Published) -> None:
    found = _by_channel(published, "count(*), sum(net_amount_home), sum(net_amount_local)")
    assert found == {
        "internet": (60_398, INTERNET, INTERNET),
        "reseller": (60_855, RESELLER, RESELLER),
    }
    assert published.value("select count(*) from quarantine.rows") == 0


def test_amounts_are_dollars_already(published: Published) -> None:
    assert published.rows("select distinct currency, fx_rate from core.fct_sales") == [("USD", 1)]
    # Canada's, which CurrencyKey calls Canadian dollars
    canada = published.value(
        "select sum(net_amount_home) from core.fct_sales where market = 'CA' "
        "and channel = 'reseller'"
    )
    assert canada == Decimal("14377925.5965")


def test_margin_comes_from_cost(published: Published) -> None:
    found = _by_channel(published, "sum(cost_home), sum(margin_home)")
    assert found == {
        "internet": (INTERNET_COST, INTERNET - INTERNET_COST),
        "reseller": (RESELLER_COST, RESELLER - RESELLER_COST),
    }


def test_discount_is_what_was_not_charged(published: Published) -> None:
    found = _by_channel(published, "sum(discount_home)")
    assert found == {"internet": (0,), "reseller": (Decimal("80978104.8707") - RESELLER,)}
    charged_in_full = published.value(
        "select count(*) from core.fct_sales where channel = 'internet' and discount_home = 0 "
        "and promotion_id <> '1'"
    )
    assert charged_in_full == 2_151


def test_mart_adds_up_by_category(published: Published) -> None:
    (total,) = published.rows(
        "select sum(net_amount_home), sum(cost_home), sum(margin_home) "
        "from marts.mart_sales__market_product_month"
    )
    assert total == (
        INTERNET + RESELLER,
        INTERNET_COST + RESELLER_COST,
        INTERNET + RESELLER - INTERNET_COST - RESELLER_COST,
    )
    categories = {
        row[0]
        for row in published.rows(
            "select distinct products.category from core.fct_sales as sales "
            "inner join core.dim_product as products on sales.product_id = products.product_id"
        )
    }
    assert categories == {"Bikes", "Components", "Clothing", "Accessories"}


def test_customers_of_both_kinds(published: Published) -> None:
    kinds = dict(
        published.rows(
            """
        select customers.kind, count(distinct sales.customer_id)
        from core.fct_sales as sales
        inner join core.dim_customer as customers on sales.customer_id = customers.customer_id
        group by all
        """
        )
    )
    assert kinds == {"consumer": 18_484, "business": 635}
    assert published.value("select count(*) from core.dim_customer where is_inferred") == 0


def test_quotas_are_the_plan(published: Published) -> None:
    assert published.value("select sum(revenue) from staging.stg_plans") == 95_714_000
    quarters = published.rows(
        "select min(period_start)::varchar, max(period_start)::varchar, count(*) "
        "from staging.stg_plans"
    )
    assert quarters == [("2011-01-01", "2013-10-01", 163)]


def test_the_export_mart_by_territory_is_in_dollars(published: Published, data: Path) -> None:
    """Revenue and cost of each country against the files themselves, joined to the territories."""
    folder = data / "adventureworks"
    expected = duckdb.sql(
        f"""
        with sales as (
            select SalesTerritoryKey, SalesAmount, TotalProductCost, Freight
            from '{folder}/FactInternetSales.parquet'
            union all
            select SalesTerritoryKey, SalesAmount, TotalProductCost, Freight
            from '{folder}/FactResellerSales.parquet'
        )
        select SalesTerritoryCountry, sum(SalesAmount), sum(TotalProductCost), sum(Freight)
        from sales inner join '{folder}/DimSalesTerritory.parquet' using (SalesTerritoryKey)
        group by all
        """
    ).fetchall()
    names = dict(published.rows("select name, market from core.dim_market"))
    names |= {"United States": "US", "United Kingdom": "GB"}
    found = {
        row[0]: [float(each) for each in row[1:]]
        for row in published.rows(
            "select market, sum(revenue_home), sum(cost_home), sum(freight_home), "
            "sum(landed_margin_home) from marts.mart_export__market_month group by market"
        )
    }
    assert {names[row[0]] for row in expected} == set(found)
    for name, revenue, cost, freight in expected:
        wanted = [float(revenue), float(cost), float(freight)]
        assert found[names[name]][:3] == pytest.approx(wanted, abs=0.5)
        assert found[names[name]][3] == pytest.approx(wanted[0] - wanted[1] - wanted[2], abs=1.5)
    odd = published.value(
        "select count(*) from marts.mart_export__market_month "
        "where is_domestic <> (market = 'US') or fx_effect_year_home <> 0"
    )
    assert odd == 0


def test_distribution_over_resellers_is_what_the_file_says(
    published: Published, data: Path
) -> None:
    """Resellers of each bicycle part and month, and those that bought anything in twelve months."""
    expected = duckdb.sql(
        f"""
        with lines as (
            select date_trunc('month', OrderDate)::date as month, SalesTerritoryCountry as country,
                ProductKey as product, ResellerKey as reseller, SalesAmount as amount
            from '{data}/adventureworks/FactResellerSales.parquet'
            inner join '{data}/adventureworks/DimSalesTerritory.parquet' using (SalesTerritoryKey)
        )
        select month, country, product::varchar, count(distinct reseller), sum(amount)::double, (
            select count(distinct years.reseller) from lines as years
            where years.country = lines.country and years.month <= lines.month
                and years.month > lines.month - interval 12 month
        )
        from lines group by month, country, product
        """
    ).fetchall()
    names = {"United States": "US", "United Kingdom": "GB"}
    names |= dict(published.rows("select name, market from core.dim_market"))
    found = {
        row[:3]: row[3:]
        for row in published.rows(
            "select month_start, market, product_id, outlets_selling, value_home, outlets, "
            "numeric_distribution_pct, weighted_distribution_pct "
            "from marts.mart_distribution__product_market_month"
        )
    }
    assert len(found) == len(expected) > 1_000
    for month, country, product, selling, amount, outlets in expected:
        row = found[month, names[country], product]
        assert (row[0], row[2]) == (selling, outlets)
        assert float(row[1]) == pytest.approx(amount, abs=0.01)
        assert row[3] == pytest.approx(100 * selling / outlets)
        assert 0 < row[4] <= 100.000001

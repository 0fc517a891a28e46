"""Small companies whose figures were worked out by hand: the whole way from rows to marts."""

from decimal import Decimal
from typing import Any

import pytest

from orchestration.explain import CannotExplain, Explainer
from orchestration.gates import reconciliation
from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
SHARES = "marts.mart_market_share__market_category_period"
FIRMS = "marts.mart_market_share__market_category_firm_period"


def sale(day: str, quantity: float, price: float, **more: Any) -> dict[str, Any]:
    return {
        "order_id": f"{day}/{quantity}", "ordered_at": f"{day} 12:00:00", "market": "DE",
        "product_id": "L1", "quantity": quantity, "unit_price": price, "currency": "GBP", **more,
    }  # fmt: skip


def test_a_fiscal_quarter_is_converted_and_held_against_our_sales_of_its_months(
    small: SmallCompany,
) -> None:
    """February to April at 2 dollars a pound for 28 + 31 days and at 4 for 30: on average
    (59 * 0.5 + 30 * 0.25) / 89 = 37 / 89 pounds, so 24,030 dollars are 9,990 pounds. Ours are
    4 and 6 lamps at 99.90, a share of 10 %; the sale of May is not in it. The quarter before is
    in pounds and needs no rate: 500 of 10,000, so the share rose by 5 points."""
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "lamps"})
    small.has("fx_rates", {"rate_date": "2023-02-01", "per_reporting_unit": 2},
              {"rate_date": "2023-04-01", "per_reporting_unit": 4}, currency="USD")  # fmt: skip
    small.has("sales", sale("2022-11-30", 5, 100), sale("2023-02-01", 4, 99.9),
              sale("2023-04-30", 6, 99.9), sale("2023-05-01", 9, 100))  # fmt: skip
    small.has("market_sales", {"period_start": "2022-11-01", "value": 10000, "currency": "GBP"},
              {"period_start": "2023-02-01", "value": 24030, "currency": "USD"},
              period="quarter", market="DE", category="lamps")  # fmt: skip
    earlier, later = (
        small.build(SHARES)
        .execute(
            f"select period_start::varchar, own_units, market_value_home, value_share_pct, "
            f"value_share_change_pp from {SHARES} order by 1"
        )
        .fetchall()
    )
    assert earlier == ("2022-11-01", 5, 10000, pytest.approx(5), None)
    assert later == ("2023-02-01", 10, 9990, pytest.approx(10), pytest.approx(5))


def test_figures_of_several_publishers_stay_apart_and_the_latest_counts(
    small: SmallCompany,
) -> None:
    """Two publishers without editions: A's total of 100 is newer than B's of 90, wherever they
    stand in the file; B's firms still tell the structure: Acme 45 and Others 45 of 100."""
    small.has("market_sales", {"units": 100, "publisher": "A", "published_on": "2024-03-01"},
              {"units": 90, "publisher": "B", "published_on": "2024-02-01"},
              {"firm": "Acme", "units": 45, "publisher": "B", "published_on": "2024-02-01"},
              {"firm": "others ", "units": 45, "publisher": "B", "published_on": "2024-02-01"},
              period_start="2024-01-01", period="month", market="DE", category="lamps")  # fmt: skip
    connection = small.build(SHARES, FIRMS)
    rows = connection.execute(
        f"select market_units, publisher, named_firms, hhi_volume from {SHARES} "
        "where period = 'month'"
    ).fetchall()
    assert rows == [(100, "A", 1, pytest.approx(45.0**2))]
    firms = connection.execute(
        f"select firm, volume_share_pct, is_remainder from {FIRMS} where period = 'month' "
        "order by firm"
    ).fetchall()
    assert firms == [("Acme", pytest.approx(45), False), ("others", pytest.approx(45), True)]


def test_a_currency_without_any_rate_is_set_aside_with_the_reason(small: SmallCompany) -> None:
    """Two quotes: the line of the day before the first has no rate, a Sunday takes Friday's, and a
    currency that nobody quotes has none on any day."""
    small.settings["reporting_currency"] = "USD"
    small.has("fx_rates", {"rate_date": "2024-03-01", "per_eur": 1.25, "currency": "USD"},
              {"rate_date": "2024-03-01", "per_eur": 0.8, "currency": "GBP"})  # fmt: skip
    small.has("sales", sale("2024-02-29", 1, 100), sale("2024-03-03", 1, 100),
              sale("2024-03-03", 2, 100, currency="CHF"),
              sale("2024-02-29", 3, 100, currency="USD"))  # fmt: skip
    connection = small.build()
    kept = connection.execute(
        "select quantity, net_amount_home, fx_rate_date::varchar from core.fct_sales order by 1"
    ).fetchall()
    assert kept == [(1, Decimal("156.25"), "2024-03-01"), (3, 300, "2024-02-29")]
    aside = connection.execute(
        "select currency, amount_local, reason from quarantine.without_rate order by 1"
    ).fetchall()
    assert [row[:2] for row in aside] == [("CHF", 200), ("GBP", 100)]
    assert all(f"no exchange rate for {row[0]}" in row[2] for row in aside)


def test_a_sale_too_large_in_the_reporting_currency_is_set_aside(small: SmallCompany) -> None:
    """A pound is worth 25,000 dong. A hundred pieces at 99,999,999 are too many of them, sold or
    returned; the tax of another line alone is; the rest of that day is converted."""
    small.settings["reporting_currency"] = "VND"
    small.has("fx_rates", {"rate_date": "2024-03-01", "per_reporting_unit": 0.00004,
                           "currency": "GBP"})  # fmt: skip
    small.has("sales", sale("2024-03-01", 100, 99_999_999),
              sale("2024-03-01", -100, 99_999_999),
              sale("2024-03-01", 1, 5, tax_amount=3_000_000_000),
              sale("2024-03-01", 2, 5, unit_cost=2_500_000_000))  # fmt: skip
    connection = small.build()
    kept = connection.execute("select quantity, net_amount_home, cost_home from core.fct_sales")
    assert kept.fetchall() == [(2, 250_000, None)]
    aside = connection.execute(
        "select rule, amount_local, currency, reason from quarantine.without_rate order by 2"
    ).fetchall()
    amount = 9_999_999_900
    assert [row[:3] for row in aside] == [
        ("amount_too_large", size, "GBP") for size in (-amount, 5, amount)
    ]
    assert all("come to fifty million million or more" in row[3] for row in aside)
    assert all(check.is_passed for check in reconciliation.layers(connection))


def test_products_and_customers_that_only_sales_know_are_inferred(small: SmallCompany) -> None:
    small.has("products", {"product_id": "L1", "name": "Lamp"})
    small.has("customers", {"customer_id": "C1", "market": "DE"})
    small.has("sales", sale("2024-01-01", 1, 10, customer_id="C1"),
              sale("2024-01-02", 1, 10, customer_id="C2", product_id="X9"))  # fmt: skip
    connection = small.build("core.dim_product", "core.dim_customer")
    for table, key, inferred in [
        ("product", "product_id", "X9"),
        ("customer", "customer_id", "C2"),
    ]:
        rows = connection.execute(f"select {key}, is_inferred from core.dim_{table}").fetchall()
        assert len(rows) == 2
        assert [name for name, is_inferred in rows if is_inferred] == [inferred]


def test_amounts_at_the_edge_of_their_types_do_not_stop_the_build(small: SmallCompany) -> None:
    """A product's cost that fits one unit and not a million is no known cost of a million."""
    small.has("products", {"product_id": "L1", "name": "Lamp", "unit_cost": 9_999_999_999,
                           "currency": "GBP"})  # fmt: skip
    small.has("sales", sale("2024-01-01", 1, 9_999_999_999), sale("2024-01-02", 1_000_000, 1))
    rows = (
        small.build()
        .execute("select quantity, cost_home from core.fct_sales order by 1")
        .fetchall()
    )
    assert rows == [(1, 9_999_999_999), (1_000_000, None)]


@pytest.mark.parametrize("column", ["value_share_pct", "market_value_home", "own_units"])
def test_a_category_spelled_otherwise_in_another_market_is_explained(
    small: SmallCompany, column: str
) -> None:
    """The spelling shown comes from the other market; so do quotes in what is asked for."""
    small.has("products", {"product_id": "C1", "name": "Chair", "category": "chairs"})
    small.has("sales", sale("2024-01-05", 2, 5, product_id="C1"))
    small.has("market_sales", {"market": "DE", "category": "kid's lamps"},
              {"market": "FR", "category": "Kid's lamps"}, period_start="2024-01-01",
              period="month", units=10, value=100, currency="GBP")  # fmt: skip
    with Explainer(small.publish()).opened() as explainer:
        with pytest.raises(CannotExplain, match="category = 'Kid''s lamps'"):
            explainer.cell(SHARES, "true", column)
        found = explainer.cell(SHARES, "period = 'month' and market = 'DE'", column)
    assert found.key["category"] == "Kid's lamps"
    assert (found.is_equal, found.recomputed) == (True, found.value)
    assert found.value is not None


def test_the_cost_of_a_product_is_charged_where_goods_move(small: SmallCompany) -> None:
    """A voucher of 3 for a lamp that costs 2 is no second lamp; its own cost of 0 is taken."""
    small.has("products", {"product_id": "L1", "name": "Lamp", "unit_cost": 2, "currency": "GBP"})
    small.has("sales", sale("2024-03-01", 1, 10), sale("2024-03-02", -1, 3, line_kind="voucher"),
              sale("2024-03-03", -1, 3, line_kind="adjustment", unit_cost=0))  # fmt: skip
    found = small.build("core.fct_sales").execute(
        "select line_kind, cost_home, margin_home from core.fct_sales order by order_date"
    )
    assert found.fetchall() == [("product", 2, 8), ("voucher", None, None), ("adjustment", 0, -3)]


@pytest.mark.parametrize("amounts", [(0.1, 0.2, 0.3), (0.3, 0.2, 0.1)])
def test_growth_at_constant_rates_does_not_depend_on_the_order_of_lines(
    small: SmallCompany, amounts: tuple[float, ...]
) -> None:
    """Doubles add up to 0.6 in the one order and to a little more in the other."""
    small.has("fx_rates", {"currency": "EUR"}, {"currency": "USD"}, rate_date="2024-01-01",
              per_reporting_unit=1)  # fmt: skip
    small.has("sales", sale("2024-01-05", 1, 0.5), *(
        sale(f"2024-02-{4 + place:02d}", 1, amount, currency=currency)
        for place, (amount, currency) in enumerate(zip(amounts, ("GBP", "EUR", "USD"), strict=True))
    ), sale("2024-02-01", 1, 1, product_id="L2"))  # fmt: skip
    found = small.build("marts.mart_sales__market_product_month").execute(
        "select net_growth_constant_month_pct from marts.mart_sales__market_product_month "
        "where order_month = date '2024-02-01' and product_id = 'L1'"
    )
    assert found.fetchall() == [(100 * (0.6 / 0.5 - 1),)]


def test_a_category_is_spelt_alike_in_the_marts_of_the_market_and_of_our_sales(
    small: SmallCompany,
) -> None:
    """The market data says TEA and our products Tea; nobody sells Cocoa but others."""
    small.has("products", {"product_id": "L1", "name": "Assam", "category": "Tea"})
    small.has("sales", sale("2024-03-01", 1, 10))
    small.has("market_sales", {"category": "TEA"}, {"category": "TEA", "firm": "Acme"},
              {"category": " tea", "outlet": "S1", "firm": "Acme", "product": "Darjeeling"},
              {"category": "COCOA"}, period_start="2024-03-01", period="month", market="DE",
              units=100, value=100, currency="GBP", publisher="P")  # fmt: skip
    connection = small.build()
    for mart, categories in ((SHARES, ["COCOA", "Tea"]), (FIRMS, ["Tea"])):
        found = connection.execute(f"select distinct category from {mart} order by 1").fetchall()
        assert [category for (category,) in found] == categories
    joined = connection.execute(
        f"select share.value_share_pct from {SHARES} as share "
        "inner join marts.mart_sales__market_product_month as sales "
        "on share.market = sales.market and share.category = sales.category "
        "and share.period = 'month' and share.period_start = sales.order_month"
    )
    assert joined.fetchall() == [(10,)]
    distribution = "select category from marts.mart_distribution__product_market_month"
    assert connection.execute(distribution).fetchall() == [("Tea",)]

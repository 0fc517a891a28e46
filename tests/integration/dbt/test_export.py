"""Markets side by side, worked out by hand."""

from typing import Any

import pytest

from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
EXPORT = "marts.mart_export__market_month"


def sale(number: int, day: str, market: str, quantity: float, price: float, **more: Any) -> Any:
    return {"order_id": str(number), "ordered_at": f"{day} 12:00:00", "market": market,
            "product_id": "L1", "quantity": quantity, "unit_price": price, "currency": "GBP",
            **more}  # fmt: skip


def rows(small: SmallCompany, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    return (
        small.build(EXPORT)
        .execute(f"select {columns} from {EXPORT} where {where} order by order_month, market")
        .fetchall()
    )


def test_landed_margin_prices_and_customers(small: SmallCompany) -> None:
    """Germany: 10 at 12 that cost 5 each, 8 of freight and 4 of duty: 120 - 50 - 12 = 58 of 120.
    At home the lamp is 10, so the price level is 120. Of 120, A bought 60, B 40 and C 20."""
    costs = {"unit_cost": 5, "freight_amount": 4, "duty_amount": 2}
    small.has("sales", sale(1, "2024-01-03", "GB", 4, 10, unit_cost=5),
              sale(2, "2024-01-04", "DE", 5, 12, customer_id="A", **costs),
              sale(3, "2024-01-05", "DE", 5, 12, customer_id="B", **costs),
              sale(4, "2024-01-06", "DE", 0, 12, customer_id="D"))  # fmt: skip
    found = rows(
        small,
        "market, is_domestic, revenue_home, landed_margin_home, landed_margin_pct, "
        "price_level_index, customers, largest_customer_pct, part_of_revenue_pct",
    )
    assert [row[:4] for row in found] == [("DE", False, 120, 58), ("GB", True, 40, 20)]
    assert [list(row[4:]) for row in found] == [
        [pytest.approx(each) if each is not None else None for each in wanted]
        for wanted in ([5800 / 120, 120, 2, 50, 75], [50, 100, 0, None, 25])
    ]


def test_growth_is_at_constant_currency_and_a_month_without_sales_has_a_row(
    small: SmallCompany,
) -> None:
    """100 dollars at 0.50 in January, nothing in February when France buys; 120 at 0.40 a year
    on, of which -12 pounds are rates' work. February 2024, a month that our sales do not reach the
    end of, is in no growth over twelve months."""
    small.has("fx_rates", {"rate_date": "2023-01-01", "per_reporting_unit": 2},
              {"rate_date": "2024-01-01", "per_reporting_unit": 2.5}, currency="USD")  # fmt: skip
    small.has("sales", sale(1, "2023-01-05", "US", 1, 100, currency="USD"),
              sale(2, "2023-02-05", "FR", 1, 5),
              sale(3, "2024-01-05", "US", 1, 120, currency="USD"),
              sale(4, "2024-02-05", "US", 1, 9_999, currency="USD"))  # fmt: skip
    found = rows(small, "order_month::varchar, revenue_home, growth_constant_year_pct, "
                 "fx_effect_year_home, growth_constant_12_months_pct, growth_months",
                 "market = 'US'")  # fmt: skip
    assert [row[:2] for row in found[:3]] == [
        ("2023-01-01", 50), ("2023-02-01", 0), ("2024-01-01", 48),
    ]  # fmt: skip
    assert found[0][4:] == (None, 0)
    assert found[2][2:] == (pytest.approx(20), -12, pytest.approx(20), 1)
    assert found[3][4:] == (pytest.approx(20), 1)


@pytest.mark.parametrize(
    ("weights", "ranks"),
    [
        ({}, {"DE": 1, "FR": 3, "GB": 2}),
        ({"size": -1, "growth": 0, "share": 0, "price_level": 0, "margin": 0},
         {"DE": 3, "FR": 1, "GB": 2}),
    ],
)  # fmt: skip
def test_markets_are_ranked_by_what_the_company_weighs(
    small: SmallCompany, weights: dict[str, float], ranks: dict[str, int]
) -> None:
    """Revenue stands in for size: Germany 300, Britain 200, France 100; prices are 15, 10, 5.
    The unknown market has a row and no rank."""
    small.settings["attractiveness"] = weights
    small.has("sales", sale(1, "2024-01-03", "DE", 20, 15), sale(2, "2024-01-03", "GB", 20, 10),
              sale(3, "2024-01-03", "FR", 20, 5), sale(4, "2024-01-03", "ZZ", 1, 1))  # fmt: skip
    found = rows(small, "market, attractiveness_rank, size_basis, size_score, growth_score")
    assert {row[0]: row[1] for row in found} == {**ranks, "ZZ": None}
    assert {row[2] for row in found} == {"own revenue"}
    assert {row[0]: row[3] for row in found if row[0] != "ZZ"} == {"DE": 100, "GB": 50, "FR": 0}
    assert {row[4] for row in found} == {None}


def measured(market: str, start: str, period: str, value: float) -> dict[str, Any]:
    return {"market": market, "period_start": start, "period": period, "value": value}


def test_a_market_is_as_large_as_it_was_last_measured(small: SmallCompany) -> None:
    """We sell lamps for 10 a month in 2023 and January 2024, in France in January only, though it
    was measured before: 12 times 500. Germany is measured by the year, 2,400 in 2023, Japan by
    quarters, 4 times 300; of Sweden three months are known, at 100 each, of Italy 2021 alone."""
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "lamps"})
    months = [f"2023-{month:02d}" for month in range(1, 13)] + ["2024-01"]
    for month in months:
        bought = ["DE", "JP", "SE", "IT"] + ["FR"] * (month == "2024-01")
        small.has("sales", *[sale(1, f"{month}-05", market, 1, 10) for market in bought])
        small.has("market_sales", measured("FR", f"{month}-01", "month", 500))
    small.has("market_sales", measured("DE", "2023-01-01", "year", 2_400),
              measured("IT", "2021-01-01", "year", 9_999),
              *[measured("JP", f"2023-{month}-01", "quarter", 300)
                for month in ("01", "04", "07", "10")],
              *[measured("SE", f"2023-{month}-01", "month", 100) for month in (10, 11, 12)],
              )  # fmt: skip
    for row in small.rows["market_sales"]:
        row.update(category="lamps", currency="GBP")
    found = rows(small, "market, size_home, size_basis, size_months, share_of_market_pct",
                 "order_month = '2024-01-01'")  # fmt: skip
    assert found == [
        ("DE", 2_400, "market", 12, pytest.approx(100 * 120 / 2_400)),
        ("FR", 6_000, "market", 12, pytest.approx(100 * 10 / 6_000)),
        ("IT", None, None, None, None),
        ("JP", 1_200, "market", 12, pytest.approx(100 * 120 / 1_200)),
        ("SE", 1_200, "market", 3, pytest.approx(100 * 30 / 300)),
    ]

"""Numeric and weighted distribution and velocity, worked out by hand."""

from datetime import date
from typing import Any

import pytest

from orchestration.questions import create, query
from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
MART = "marts.mart_distribution__product_market_month"
COLUMNS = (
    "product_id, basis, outlets_selling, outlets, universe_size, numeric_distribution_pct, "
    "weighted_distribution_pct, weighted_by, units, value_home, units_per_outlet, units_per_point"
)
PANEL = {"period_start": "2024-01-01", "period": "month", "market": "DE", "category": "lamps",
         "currency": "GBP", "publisher": "Panel", "edition": "1",
         "published_on": "2024-02-01"}  # fmt: skip


def shop(outlet: str, product: str | None, value: float, **more: Any) -> dict[str, Any]:
    firm = {"L1": "Us", "Lamp ": "Us", "Glow": "Rival"}.get(product or "")
    return {"outlet": outlet, "product": product, "firm": firm, "value": value,
            "units": value / 10, **more}  # fmt: skip


def test_distribution_by_a_panel_and_by_our_own_sales(small: SmallCompany) -> None:
    """Four shops in the panel sell lamps for 1,000, 600, 300 and 100, of which S names its products
    only; T sells chairs alone. L1 is in A and B (1,600 of 2,000 = 80 %) with 160 and, under its
    name, 40: 20 units, 10 an outlet, 0.25 a point. Glow is in C and S, and has a row of nothing in
    A: 400 of 2,000. An older panel of the same month does not count.

    Of chairs the panel knows no product. By our sales X and Y bought them in January, X for 90, Y
    for 10, Z eleven months before for 100, and W a year before. Y sent its own back.
    """
    small.settings["own_firms"] = ["us"]
    small.has("products", {"product_id": "L1", "name": "lamp", "category": "lamps"},
              {"product_id": "C1", "name": "Chair", "category": "chairs"},
              {"product_id": "C2", "name": "Stool", "category": "chairs"})  # fmt: skip
    small.has(
        "market_sales", shop("A", None, 1_000), shop("B", None, 600), shop("C", None, 300),
        shop("S", "Glow", 100), shop("A", "L1", 160), shop("b ", "Lamp ", 40),
        shop("C", "Glow", 50), shop("a", "Glow", 0),
        shop("T", None, 70, category="chairs"),
        shop("D", "L1", 500, publisher="Old", published_on="2024-01-31"), **PANEL,
    )  # fmt: skip
    sold = {"X": ("2024-01-05", "C1", 90), "Y": ("2024-01-06", "C1", 10), "Z": ("2023-02-06", "C1",
            100), "W": ("2023-01-06", "C1", 100), None: ("2024-01-06", "C1", 77)}  # fmt: skip
    small.has("sales", *({"order_id": f"{n}", "ordered_at": day, "product_id": product,
              "unit_price": price, "outlet": outlet, "quantity": 1}
              for n, (outlet, (day, product, price)) in enumerate(sold.items())),
              {"order_id": "9", "ordered_at": "2024-01-20", "product_id": "C1", "unit_price": 10,
               "outlet": "y", "quantity": -1},
              {"order_id": "10", "ordered_at": "2024-01-20", "product_id": "C2", "unit_price": 20,
               "outlet": "Y", "quantity": 2},
              {"order_id": "11", "ordered_at": "2024-01-20", "product_id": "L1", "unit_price": 5,
               "outlet": "X", "quantity": 1},
              market="DE", currency="GBP")  # fmt: skip
    connection = small.build()
    rows = connection.execute(
        f"select {COLUMNS} from {MART} where month_start = '2024-01-01' order by basis, product_id"
    ).fetchall()
    close = [tuple(pytest.approx(x) if isinstance(x, float) else x for x in row) for row in rows]
    own = "our category value of 12 months"
    assert close == [
        ("Glow", "market data", 2, 5, None, 40.0, 20.0, "category value", 15, 150, 7.5, 0.75),
        ("L1", "market data", 2, 5, None, 40.0, 80.0, "category value", 20, 200, 10.0, 0.25),
        # X 90, Y 40, Z 100
        ("C1", "own sales", 1, 3, None, 100 / 3, 9_000 / 230, own, 1, 90, 1.0, 230 / 9_000),
        ("C2", "own sales", 1, 3, None, 100 / 3, 4_000 / 230, own, 2, 40, 2.0, 460 / 4_000),
    ]
    create(connection)
    asked = connection.execute(query("where_are_we_sold", ["de", "category=LAMPS"])).fetchall()
    assert [row[4] for row in asked] == ["L1", "Glow"]
    assert asked[0][1] == date(2024, 1, 1)


def test_a_sample_estimates_and_a_missing_value_weighs_by_units(small: SmallCompany) -> None:
    """Two of four sampled shops of 40 sell it; one shop's value is not known."""
    sampled = [shop(name, None, 100 * n, sample_of="outlets", universe_size=40)
               for n, name in enumerate("ABCD", start=1)]  # fmt: skip
    sampled[3]["value"] = None
    small.has("market_sales", *sampled, *(shop(name, "Glow", 10, sample_of="outlets",
              universe_size=40) for name in "CD"), **PANEL)  # fmt: skip
    found = small.build(MART).execute(
        f"select outlets, universe_size, numeric_distribution_pct, weighted_distribution_pct, "
        f"weighted_by, is_own from {MART}"
    )
    assert found.fetchall() == [(4, 40, 50.0, pytest.approx(70), "category units", False)]

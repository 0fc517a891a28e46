"""Prices of a small company from rows to marts: what was worked out by hand, and what wrong matches
may do to it."""

from pathlib import Path
from typing import Any

import pytest

from ingest.home import Home
from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
INDEX = "marts.mart_price_index__market_category_week"
POSITION = "marts.mart_price_position__product_market_day"


def seen(day: str, price: float, **more: Any) -> dict[str, Any]:
    return {
        "observed_at": f"{day} 09:00:00", "competitor": "R1", "market": "GB", "price": price,
        "currency": "GBP", "title": "Light", "availability": "in_stock", **more,
    }  # fmt: skip


def shop(folder: Path, dbt: Path) -> SmallCompany:
    """Three lamps at 100, 50 and 20, of which 10, 20 and 5 were sold in the first week of 2024."""
    folder.mkdir()
    home = Home(folder)
    home.dbt.symlink_to(dbt)
    small = SmallCompany(home)
    for name, price, units in [("A", 100, 10), ("B", 50, 20), ("C", 20, 5)]:
        small.has("products", {"product_id": name, "name": name, "category": "lamps",
                  "list_price": price, "currency": "GBP"})  # fmt: skip
        small.has("sales", {"order_id": name, "ordered_at": "2024-01-03 12:00:00", "market": "GB",
                  "product_id": name, "quantity": units, "unit_price": price,
                  "currency": "GBP"})  # fmt: skip
    return small


def test_the_clean_index_lies_within_the_bounds_that_wrong_matches_leave(
    tmp_path: Path, parsed_project: Path
) -> None:
    """Clean: R1 asks 80 for A and 60 for B: 2,000 / (800 + 1,200) = 100. Wrong matches make B out
    of a 10, A out of a 120, and C, which nobody sells, out of a 5 and a 90."""
    indices = []
    for name in ("clean", "spoilt"):
        small = shop(tmp_path / name, parsed_project)
        for title, product, price in [("a", "A", 80), ("b", "B", 60)]:
            small.has("competitor_prices", seen("2024-01-03", price, title=title))
            small.has("product_matches", {"product_id": product, "competitor": "R1",
                      "competitor_key": title, "confidence": 0.95})  # fmt: skip
        wrong = [("w1", "B", 10), ("w2", "A", 120), ("w3", "C", 5), ("w4", "C", 90)]
        for title, product, price in wrong if name == "spoilt" else []:
            small.has("competitor_prices", seen("2024-01-03", price, title=title))
            small.has("product_matches", {"product_id": product, "competitor": "R1",
                      "competitor_key": title, "confidence": 0.4})  # fmt: skip
        (row,) = (
            small.build(INDEX)
            .execute(
                f"select price_index, price_index_low, price_index_high from {INDEX} "
                "where competitor = 'all' and week_start = '2024-01-01'"
            )
            .fetchall()
        )
        indices.append(row)
    clean, spoilt = indices
    assert clean == pytest.approx((100, 100, 100))
    # lowest: A at (80 + 120) / 2, B at 60, C at 90; highest: A at 80, B at 35, C at 5
    assert spoilt == pytest.approx(
        (100 * 2100 / (1000 + 700 + 237.5), 100 * 2100 / (1000 + 1200 + 450),
         100 * 2100 / (800 + 700 + 25))
    )  # fmt: skip


def test_prices_are_carried_for_their_days_and_never_past_stock_out_or_not_found(
    small: SmallCompany,
) -> None:
    """Carried for two days: what was seen on the 1st stands until the 3rd. R2 was out of stock and
    R3 not found on the 2nd, so that on the 3rd R4 and R1 are left, and on the 4th nobody but R4."""
    small.settings["pricing"] = {"carry_days": 2}
    small.has("products", {"product_id": "A", "name": "A", "list_price": 10, "currency": "GBP"})
    days = [("R1", "01", "in_stock"), ("R2", "01", "in_stock"), ("R3", "01", "in_stock"),
            ("R2", "02", "out_of_stock"), ("R3", "02", "not_found"), ("R4", "03", "in_stock"),
            ("R4", "04", "in_stock")]  # fmt: skip
    for rival, day, state in days:
        small.has("competitor_prices", seen(f"2024-01-{day}", 10, competitor=rival, product_id="A",
                  availability=state))  # fmt: skip
    rows = small.build(POSITION).execute(
        f"select price_date::varchar, in_stock_offers from {POSITION} order by 1"
    )
    assert rows.fetchall() == [
        ("2024-01-01", 3), ("2024-01-02", 1), ("2024-01-03", 2), ("2024-01-04", 1),
    ]  # fmt: skip


def test_prices_are_not_carried_past_their_match(small: SmallCompany) -> None:
    """Four offers at 8 for A, seen on the 1st. R1's match ended on the 5th; R2 was seen for 20
    then, as B's, and R3 in a pack of two. R4's match ended too, but its source says itself that it
    is A's. On the 6th R4's 8, R3's 10 and R5's 12 stand."""
    small.has("products", {"product_id": "A", "list_price": 10}, {"product_id": "B"},
              name="Any", currency="GBP")  # fmt: skip
    for rival in ("R1", "R2", "R3", "R4"):
        given = {"product_id": "A"} if rival == "R4" else {}
        small.has("competitor_prices", seen("2024-02-01", 8, competitor=rival, **given))
        small.has("product_matches", {"competitor": rival, "product_id": "A",
                  "competitor_key": "Light", "valid_to": "2024-02-05"})  # fmt: skip
    for rival, product, pack in [("R2", "B", 1), ("R3", "A", 2)]:
        small.has("competitor_prices", seen("2024-02-05", 20, competitor=rival))
        small.has("product_matches", {"competitor": rival, "product_id": product,
                  "competitor_key": "Light", "valid_from": "2024-02-05",
                  "pack_coefficient": pack})  # fmt: skip
    small.has("competitor_prices", seen("2024-02-06", 12, competitor="R5", product_id="A"))
    rows = small.build(POSITION).execute(
        "select matched_offers, rival_lowest_home, rival_median_home, rival_highest_home "
        f"from {POSITION} where product_id = 'A' and price_date = '2024-02-06'"
    )
    assert rows.fetchall() == [(3, 8, 10, 12)]


def test_tax_packs_and_currencies_are_equalised(small: SmallCompany) -> None:
    """Two for 57.60 dollars with 20 % tax, at two dollars a pound: 57.60 / 2 / 2 / 1.2 = 12."""
    small.settings["pricing"] = {"vat_pct": {"GB": 20}}
    small.has("fx_rates", {"rate_date": "2024-01-01", "currency": "USD", "per_reporting_unit": 2})
    small.has("products", {"product_id": "A", "name": "A", "list_price": 15, "currency": "GBP"})
    small.has("competitor_prices", seen("2024-01-03", 57.6, currency="USD", tax_included=True))
    small.has("product_matches", {"product_id": "A", "competitor": "R1", "competitor_key": "Light",
              "pack_coefficient": 2})  # fmt: skip
    (row,) = (
        small.build(INDEX)
        .execute(
            f"select price_index, weights_basis, coverage_pct from {INDEX} "
            "where competitor = 'R1' and week_start = '2024-01-01'"
        )
        .fetchall()
    )
    assert row == (pytest.approx(125), "equal", None)


def test_each_basket_has_its_own_basis_of_weights(small: SmallCompany) -> None:
    """In the week only B sold, which R2 has; of A, which R1 has at our price, 4 weeks before. C,
    which R3 has, never sold."""
    for product, rival in [("A", "R1"), ("B", "R2"), ("C", "R3")]:
        small.has("products", {"product_id": product, "name": product, "category": "lamps",
                  "list_price": 10, "currency": "GBP"})  # fmt: skip
        small.has("competitor_prices", seen("2024-02-06", 10, competitor=rival, product_id=product))
    small.has("sales", {"order_id": "A", "ordered_at": "2024-01-10", "product_id": "A"},
              {"order_id": "B", "ordered_at": "2024-02-06", "product_id": "B"},
              quantity=4, unit_price=10, market="GB", currency="GBP")  # fmt: skip
    rows = small.build(INDEX).execute(
        f"select competitor, weights_basis, weight_total, price_index, coverage_pct from {INDEX} "
        "where week_start = '2024-02-05' order by 1"
    )
    assert rows.fetchall() == [
        ("R1", "units of 13 weeks", 4, 100, 50), ("R2", "units of the week", 4, 100, 100),
        ("R3", "equal", 1, 100, None), ("all", "units of the week", 4, 100, 100),
    ]  # fmt: skip

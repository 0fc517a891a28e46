"""Launches against earlier ones, and what they take from our other products."""

import pytest

from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")


def test_the_curve_is_of_the_category_first_and_chance_does_not_add_up(small: SmallCompany) -> None:
    """A lamp sold 90 in its first week, a chair 10. The second chair's 20 are twice the first's;
    the table, alone of its kind, sells 80 against the 40 of all three.

    Of chairs 10 were sold in each of the eight weeks before the second, the first chair's among
    them, then 4 and 16 stools in turn, while desks stood still. Over two weeks nothing is missing,
    over three 6 of the chair's 20."""
    launched = {"L": ("lamps", "2024-01-01", 90), "C": ("chairs", "2024-01-08", 10),
                "D": ("chairs", "2024-03-04", 20), "T": ("tables", "2024-03-25", 80)}  # fmt: skip
    for name, (category, day, units) in launched.items():
        small.has("products", {"product_id": name, "name": name, "category": category,
                  "launched_on": day})  # fmt: skip
        small.has("sales", {"order_id": name, "ordered_at": day, "product_id": name,
                  "quantity": units})  # fmt: skip
    small.has("products", {"product_id": "S", "name": "Stool", "category": "chairs"},
              {"product_id": "E", "name": "Desk", "category": "desks"})  # fmt: skip
    weeks = [f"2024-01-{day:02d}" for day in (8, 15, 22, 29)]
    weeks += [f"2024-02-{day:02d}" for day in (5, 12, 19, 26)]
    sold = [*((week, 10) for week in weeks[1:]), ("2023-12-31", 10), ("2024-03-04", 4),
            ("2024-03-11", 16), ("2024-03-18", 4), ("2024-03-31", 1)]  # fmt: skip
    for number, (day, units) in enumerate(sold):
        for product, quantity in [("S", units), ("E", 10)]:
            small.has("sales", {"order_id": f"{product}{number}", "ordered_at": day,
                      "product_id": product, "quantity": quantity})  # fmt: skip
    small.has("sales", {"order_id": "E", "ordered_at": "2024-01-08", "product_id": "E",
              "quantity": 10})  # fmt: skip
    for row in small.rows["sales"]:
        row |= {"market": "GB", "currency": "GBP", "unit_price": 1}
    rows = (
        small.build()
        .execute(
            "select product_id, launch_week, earlier_launches, curve_of, curve_index, "
            "cannibalised_units_to_date from marts.mart_launch__product_week order by 1, 2"
        )
        .fetchall()
    )
    found = {row[:2]: row[2:] for row in rows}
    assert found["L", 0][:2] == (0, None)
    assert found["C", 0][:3] == (1, "all launches", pytest.approx(100 * 10 / 90))
    assert found["D", 0][:3] == (1, "launches of the category", pytest.approx(200))
    assert found["T", 0][:3] == (3, "all launches", pytest.approx(200))
    taken = [found["D", week][3] for week in range(3)]
    assert taken == [pytest.approx(6, abs=0.1), pytest.approx(0, abs=0.1),
                     pytest.approx(6, abs=0.1)]  # fmt: skip

"""Launches against earlier ones, and what they take from our other products."""

import pytest

from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
LAUNCHES = "marts.mart_launch__product_week"


def test_the_curve_is_of_the_category_first_and_chance_does_not_add_up(small: SmallCompany) -> None:
    """A lamp sold for 90 in its first week, a chair for 10 and one for 20. The table, alone of its
    kind, sells for 40 as these do in the mean, twice as many pieces at half the price. The third
    chair's 30 are held against all four launches, the fourth's 50 against the three chairs. When
    the third comes back, the chairs have earned nothing in two weeks: no index then.

    Of chairs 10 were sold in each of the eight weeks before the second, the first chair's among
    them, then 4 and 16 stools in turn, while desks stood still. Over two weeks nothing is missing,
    over three 6 of the chair's 20."""
    launched = {"L": ("lamps", "2024-01-01", 90, 1), "C": ("chairs", "2024-01-08", 10, 1),
                "D": ("chairs", "2024-03-04", 20, 1), "T": ("tables", "2024-03-25", 80, 0.5),
                "F": ("chairs", "2024-04-01", 30, 1),
                "G": ("chairs", "2024-04-08", 2, 25)}  # fmt: skip
    for name, (category, day, units, price) in launched.items():
        small.has("products", {"product_id": name, "name": name, "category": category,
                  "launched_on": day})  # fmt: skip
        small.has("sales", {"order_id": name, "ordered_at": day, "product_id": name,
                  "quantity": units, "unit_price": price})  # fmt: skip
    small.has("sales", {"order_id": "back", "ordered_at": "2024-04-08", "product_id": "F",
              "quantity": -60})  # fmt: skip
    small.has("products", {"product_id": "S", "name": "Stool", "category": "chairs"},
              {"product_id": "E", "name": "Desk", "category": "desks"})  # fmt: skip
    weeks = [f"2024-01-{day:02d}" for day in (8, 15, 22, 29)]
    weeks += [f"2024-02-{day:02d}" for day in (5, 12, 19, 26)]
    sold = [*((week, 10) for week in weeks[1:]), ("2023-12-31", 10), ("2024-03-04", 4),
            ("2024-03-11", 16), ("2024-03-18", 4), ("2024-04-21", 1)]  # fmt: skip
    for number, (day, units) in enumerate(sold):
        for product, quantity in [("S", units), ("E", 10)]:
            small.has("sales", {"order_id": f"{product}{number}", "ordered_at": day,
                      "product_id": product, "quantity": quantity})  # fmt: skip
    small.has("sales", {"order_id": "E", "ordered_at": "2024-01-08", "product_id": "E",
              "quantity": 10})  # fmt: skip
    for row in small.rows["sales"]:
        row |= {"market": "GB", "currency": "GBP", "unit_price": row.get("unit_price", 1)}
    rows = (
        small.build(LAUNCHES)
        .execute(
            "select product_id, launch_week, earlier_launches, curve_of, curve_index, "
            f"cannibalised_units_to_date from {LAUNCHES} order by 1, 2"
        )
        .fetchall()
    )
    found = {row[:2]: row[2:] for row in rows}
    assert found["L", 0][:3] == (0, "too few earlier launches", None)
    assert found["D", 0][:3] == (2, "too few earlier launches", None)
    assert found["T", 0][:3] == (3, "all launches", pytest.approx(100))
    assert found["F", 0][:3] == (4, "all launches", pytest.approx(75))
    assert found["G", 0][:3] == (3, "launches of the category", pytest.approx(250))
    assert found["G", 1][:3] == (3, "launches of the category", None)
    taken = [found["D", week][3] for week in range(3)]
    assert taken == [pytest.approx(6, abs=0.1), pytest.approx(0, abs=0.1),
                     pytest.approx(6, abs=0.1)]  # fmt: skip


def test_what_a_launch_took_is_unknown_without_a_baseline_and_never_below_none(
    small: SmallCompany,
) -> None:
    """A lamp sold for four weeks before one is launched leaves nothing to expect. Of a chair six
    were sold before its launch and came back after it, and no stools were sold any more: it took
    none of them."""
    small.has("products",
              {"product_id": "L", "category": "lamps", "launched_on": "2023-12-04"},
              {"product_id": "O", "category": "lamps"},
              {"product_id": "C", "category": "chairs", "launched_on": "2024-02-05"},
              {"product_id": "S", "category": "stools"}, {"product_id": "T", "category": "chairs"},
              name="Any")  # fmt: skip
    sold = [("O", "2023-11-06", 9), ("L", "2023-12-04", 3), ("T", "2024-01-08", 80),
            ("C", "2024-02-01", 6), ("C", "2024-02-06", -6), ("S", "2024-02-12", 1)]  # fmt: skip
    for number, (product, day, units) in enumerate(sold):
        small.has("sales", {"order_id": number, "ordered_at": day, "product_id": product,
                  "quantity": units, "unit_price": 10, "market": "GB",
                  "currency": "GBP"})  # fmt: skip
    rows = small.build(LAUNCHES).execute(
        "select product_id, units_to_date, expected_rest_units is null, cannibalised_units_to_date "
        f"from {LAUNCHES} where launch_week = 0 order by 1"
    )
    assert rows.fetchall() == [("C", -6, False, 0), ("L", 3, True, None)]

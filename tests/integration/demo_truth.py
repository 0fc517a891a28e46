"""What is true on an evening of the demo world, and comparisons with it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.conftest import Published


def true_on(data: Path, day: str) -> dict[str, Any]:
    """Revenue by market and month, and what each page of the rivals' shops shows."""
    days = json.loads((data / "truth_days.json").read_text())
    return dict(days[day])


def assert_prices_are_true(published: Published, data: Path, day: str) -> None:
    """Each page that is shown is in core with its product; blocked and forbidden ones are not."""
    expected = {
        (page["competitor"], page["market"], page["key"], page["product_id"]): (
            Decimal(page["price"]),
            None if page["list_price"] is None else Decimal(page["list_price"]),
            "regular" if page["list_price"] is None else "promotional",
            page["availability"],
        )
        for page in true_on(data, day)["prices"]
        if page["state"] == "shown"
    }
    found = published.rows(
        f"""
        select competitor, market, mpn, product_id, price_local, list_price_local, price_kind,
            availability
        from core.fct_competitor_prices
        where source = 'rival_pages' and observed_date = '{day}'
        """
    )
    assert {row[:4]: row[4:] for row in found} == expected
    assert len(found) == len(expected) > 80

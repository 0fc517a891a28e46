"""What rivals have and what we have, worked out by hand."""

from typing import Any

import pytest

from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
GAP = "marts.mart_assortment_gap__market_category"
SEEN: dict[str, Any] = {"competitor": "Rival", "market": "DE", "price": 10, "currency": "GBP"}


def gap(small: SmallCompany) -> tuple[Any, ...]:
    """Sums over all brands and tiers: theirs only, ours only, both, new, gone."""
    sums = ", ".join(
        f"sum({name})::int"
        for name in ("theirs_only", "ours_only", "both_sides", "theirs_new", "theirs_gone")
    )
    rows: list[tuple[Any, ...]] = small.build(GAP).execute(f"select {sums} from {GAP}").fetchall()
    return rows[0]


def test_articles_are_told_apart_by_the_product_where_nothing_else_is_told(
    small: SmallCompany,
) -> None:
    """A feed that names nothing but our numbers, and no list of products."""
    small.has("competitor_prices", *[{"product_id": f"P{number}"} for number in range(3)],
              observed_at="2024-01-05 09:00:00", **SEEN)  # fmt: skip
    assert gap(small) == (0, 0, 3, 0, 0)


def test_what_we_have_no_more_is_theirs_only(small: SmallCompany) -> None:
    """Of our three lamps the rival has the one that we gave up and one that we sell; a fourth that
    it had was gone 28 days before the last look, and a fifth came in the days before it."""
    small.has("products", {"product_id": "P0", "retired_on": "2024-01-01"}, {"product_id": "P1"},
              {"product_id": "P2"}, name="Lamp", launched_on="2020-01-01")  # fmt: skip
    for day in ("2024-01-05", "2024-03-01"):
        small.has("competitor_prices", {"product_id": "P0"}, {"product_id": "P1"},
                  observed_at=f"{day} 09:00:00", **SEEN)  # fmt: skip
    small.has("competitor_prices", {"title": "Gone", "observed_at": "2024-01-05 09:00:00"},
              {"title": "New", "observed_at": "2024-03-01 09:00:00"}, **SEEN)  # fmt: skip
    assert gap(small) == (2, 1, 1, 1, 1)

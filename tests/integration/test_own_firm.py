"""The check that our own firm is in a market that is the sum of firms."""

from typing import Any

import pytest

from orchestration.gates import own_firm
from orchestration.gates.results import CheckResult
from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
READ = (
    "marts.mart_market_share__market_category_period",
    "marts.mart_market_share__market_category_firm_period",
)


def judged(small: SmallCompany, *firms: dict[str, Any], **sold: Any) -> CheckResult:
    """The result where a market of lamps in Britain is told by some rows."""
    small.settings["own_firms"] = ["Northstar"]
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "Lamps"})
    line = {"order_id": "O1", "ordered_at": "2024-01-05 10:00:00", "market": "GB", "quantity": 2}
    small.has("sales", {**line, **sold}, unit_price=9, product_id="L1", currency="GBP")
    small.has("market_sales", *firms, period_start="2024-01-01", period="month", market="GB",
              category="lamps", units=50, value=500, currency="GBP")  # fmt: skip
    (result,) = own_firm.result(small.build(*READ))
    assert (result.severity, result.blocks) == ("warn", False)
    return result


def test_a_market_of_rivals_is_told(small: SmallCompany) -> None:
    result = judged(small, {"firm": "Acme"}, {"firm": "Borealis"})
    assert not result.is_passed
    assert result.observed == (
        "GB, Lamps: the market is the sum of 2 firms and none of them is ours, in 1 month from "
        "2024-01-01 to 2024-01-01; our share is overstated"
    )
    [row] = result.sample
    assert (row["own_value_home"], row["market_value_home"]) == (18, 1000)


@pytest.mark.parametrize("firm", ["northstar ", "Others", None])
def test_one_with_us_with_others_or_of_the_whole_is_sound(
    small: SmallCompany, firm: str | None
) -> None:
    assert judged(small, {"firm": "Acme"}, {"firm": firm}).is_passed


def test_one_that_we_do_not_sell_in_is_sound(small: SmallCompany) -> None:
    assert judged(small, {"firm": "Acme"}, market="DE").is_passed


def test_nothing_is_said_before_the_shares_are_built(small: SmallCompany) -> None:
    small.has("products", {"product_id": "L1", "name": "Lamp"})
    connection = small.build(*READ)
    connection.execute(f"drop table {READ[1]}")
    assert own_firm.result(connection) == []

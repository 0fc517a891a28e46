"""The check that finds totals among their own parts: where it warns, and where it does not."""

import random

import pytest

from orchestration.gates import double_counts
from orchestration.gates.results import CheckResult
from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
RANDOM = random.Random(4)
VALUES = [[round(RANDOM.uniform(100, 900), 2) for _ in range(4)] for _ in range(8)]


def judged(small: SmallCompany) -> CheckResult:
    (result,) = double_counts.result(
        small.build("core.fct_market_sales", "intermediate.int_market__rows_that_count")
    )
    assert (result.table, result.kind, result.severity, result.blocks) == (
        "core.fct_market_sales", "reconciliation", "warn", False,
    )  # fmt: skip
    return result


def with_figures(small: SmallCompany, name: str, total: bool) -> SmallCompany:
    """Four categories, firms or products over eight months in euros; with the sum of two or not."""
    small.has(
        "fx_rates", {"rate_date": "2024-01-01", "currency": "EUR", "per_reporting_unit": 1.17}
    )
    for month, values in enumerate(VALUES, start=1):
        named = dict(zip("abcd", values, strict=True))
        if total:
            named["all of b and d"] = round(values[1] + values[3], 2)
        small.has("market_sales", *({"category": "lamps", name: each, "value": value}
                  for each, value in named.items()), period_start=f"2024-{month:02d}-01",
                  period="month", market="DE", currency="EUR")  # fmt: skip
    return small


@pytest.mark.parametrize("name", ["category", "firm", "product"])
def test_a_total_beside_its_parts_is_told(small: SmallCompany, name: str) -> None:
    result = judged(with_figures(small, name, total=True))
    assert not result.is_passed
    assert [(row["total"], row["is_the_sum_of"]) for row in result.sample] == [
        ("all of b and d", ["b", "d"])
    ]
    assert "'all of b and d' = 'b' + 'd' in all 8 months" in result.observed


def test_parts_alone_and_a_market_without_figures_are_sound(small: SmallCompany) -> None:
    result = judged(with_figures(small, "category", total=False))
    assert result.is_passed
    assert result.observed == "none is"


def test_the_market_s_own_total_is_no_double_count(small: SmallCompany) -> None:
    """It stands at another level, and the firms in it are not added to it."""
    with_figures(small, "firm", total=False)
    for month, values in enumerate(VALUES, start=1):
        small.has("market_sales", {"period_start": f"2024-{month:02d}-01", "value": sum(values)},
                  category="lamps", period="month", market="DE", currency="EUR")  # fmt: skip
    assert judged(small).is_passed


def test_a_total_of_very_many_is_told_too(small: SmallCompany) -> None:
    """Thirty categories and their sum: the smallest eleven stand together."""
    for month in range(1, 8):
        values = {f"c{n:02d}": round(RANDOM.uniform(0.8, 1.2) * 100 * (n + 1), 2)
                  for n in range(30)}  # fmt: skip
        values["total"] = round(sum(values.values()), 2)
        small.has("market_sales", *({"category": name, "value": value, "units": None}
                  for name, value in values.items()), period_start=f"2024-{month:02d}-01",
                  period="month", market="GB", currency="GBP")  # fmt: skip
    (found,) = judged(small).sample
    assert found["total"] == "total"
    assert len(found["is_the_sum_of"]) == 19
    assert "all smaller ones" in found["is_the_sum_of"]

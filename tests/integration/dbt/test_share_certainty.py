"""A share of a sampled market is projected, and its interval covers the truth as it says."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from ingest.home import Home
from orchestration.questions import create
from orchestration.replay import project_models
from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
SHARES = "marts.mart_market_share__market_category_period"
INTERVALS = "intermediate.int_market__share_intervals"
PANEL, KEPT, DRAWS = 300, 60, 400
TABLES = """
create schema intermediate;
create table intermediate.int_market__period_blocks as
select 'month' as period, date '2024-01-01' as period_start, 'DE' as market,
    draw::varchar as category_key, 'month' as block_period, date '2024-01-01' as block_start
from (select distinct draw from drawn);
create table intermediate.int_market__period_totals as
select period, period_start, market, category_key, 'outlets' as sample_of,
    $universe::double as universe_size, 'whole market' as market_basis
from intermediate.int_market__period_blocks;
create table intermediate.int_market__rows_that_count as
select 'month' as period, date '2024-01-01' as period_start, 'DE' as market,
    draw::varchar as category_key, level, outlet as sampled_unit, level = 'firm' as is_own,
    amount::decimal(28, 4) as units_sampled, null::decimal(28, 4) as value_sampled_home
from drawn
"""


def panel(rng: np.random.Generator, spread: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """What each outlet of a market sells in all and of ours: few are large, ours vary widely."""
    whole = rng.lognormal(5, spread, PANEL)
    return whole, whole * rng.beta(3, 7, PANEL)


def intervals(sql: str, drawn: Any, universe: int | None) -> list[tuple[Any, ...]]:
    """The intervals of samples: `drawn` has draw, outlet, level and amount."""
    with duckdb.connect() as connection:
        connection.register("drawn", drawn)
        for statement in TABLES.split(";"):
            given = {"universe": universe} if "$universe" in statement else None
            connection.execute(statement, given)
        return connection.execute(f"select is_share, low, estimate, high from ({sql})").fetchall()


def draws(whole: np.ndarray, ours: np.ndarray, *, with_ours: bool) -> Any:
    """Samples that each leave most outlets of the panel out, as rows."""
    import pandas as pd

    rng = np.random.default_rng(11)
    kept = np.concatenate([rng.choice(PANEL, KEPT, replace=False) for _ in range(DRAWS)])
    base = {"draw": np.repeat(np.arange(DRAWS), KEPT), "outlet": [f"shop {n}" for n in kept]}
    rows = [pd.DataFrame({**base, "level": "whole market", "amount": whole[kept]})]
    if with_ours:
        rows.append(pd.DataFrame({**base, "level": "firm", "amount": ours[kept]}))
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def sql(parsed_project: Path) -> str:
    """The model, as dbt compiles it."""
    return project_models(Home(parsed_project.parent))[INTERVALS].sql or ""


def test_outlets_that_sold_nothing_leave_no_interval(sql: str) -> None:
    """A share of nothing is unknown, not between none and all of it."""
    import pandas as pd

    levels = ("whole market", "firm")
    rows = [(1, f"shop {n}", level, 0.0) for n in range(6) for level in levels]
    drawn = pd.DataFrame(rows, columns=["draw", "outlet", "level", "amount"])
    assert intervals(sql, drawn, 300) == [(True, None, None, None)]


@pytest.mark.parametrize(("with_ours", "spread"), [(True, 0.9), (True, 0.6), (False, 0.5)])
def test_the_interval_covers_the_truth_as_often_as_it_says(
    sql: str, with_ours: bool, spread: float
) -> None:
    """400 times 60 of 300 outlets; the truth is that of all 300. With ours in the sample the share,
    without it the mean of an outlet, which our own sales are held against."""
    whole, ours = panel(np.random.default_rng(3), spread)
    truth = ours.sum() / whole.sum() if with_ours else whole.mean()
    found = intervals(sql, draws(whole, ours, with_ours=with_ours), PANEL)
    assert len(found) == DRAWS
    assert all(is_share == with_ours for is_share, *_ in found)
    covered = sum(low <= truth <= high for _, low, _, high in found) / DRAWS
    assert 0.93 <= covered <= 0.97


def test_the_same_sample_gives_the_same_interval_and_a_census_none(sql: str) -> None:
    whole, ours = panel(np.random.default_rng(3))
    sample = draws(whole, ours, with_ours=True)
    sample = sample[sample["draw"] == 0]
    (first,) = intervals(sql, sample, PANEL)
    (again,) = intervals(sql, sample.sample(frac=1, random_state=1), PANEL)
    assert again == pytest.approx(first, rel=1e-9)
    (unknown,) = intervals(sql, sample, None)
    assert unknown[3] - unknown[1] > first[3] - first[1]
    (census,) = intervals(sql, sample, KEPT)
    assert census[1] == census[2] == census[3]


def shop(number: int, firm: str | None, value: float, **more: Any) -> dict[str, Any]:
    return {"outlet": f"shop {number}", "firm": firm, "value": value, "units": value / 10,
            "sample_of": "outlets", **more}  # fmt: skip


SAME = {"period_start": "2024-01-01", "period": "month", "market": "DE", "category": "lamps",
        "currency": "GBP", "publisher": "Panel", "edition": "1"}  # fmt: skip


def test_a_sample_is_projected_and_says_what_it_covers(small: SmallCompany) -> None:
    """Six of 60 shops sell 100 to 600 each, 2,100 in all; ours are a tenth and a half of a tenth in
    turn. So the market is 21,000; our share is (10 + 10 + 30 + 20 + 50 + 30) / 2,100."""
    small.settings["own_firms"] = ["Us"]
    for number in range(1, 7):
        small.has("market_sales", shop(number, None, 100 * number, universe_size=60),
                  shop(number, "Us", 10 * number / (1 if number % 2 else 2), universe_size=60),
                  **SAME)  # fmt: skip
    connection = small.build(SHARES, "marts.mart_market_share__market_category_firm_period")
    row = connection.execute(
        f"select market_value_home, value_share_pct, value_share_low_pct, value_share_high_pct, "
        f"volume_share_low_pct, interval_method, sample_size, universe_size, own_source, "
        f"market_covers from {SHARES} where period = 'month'"
    ).fetchall()[0]
    assert row[0] == 21_000
    assert row[1] == pytest.approx(100 * 150 / 2_100)
    assert row[2] < row[1] < row[3]
    assert row[4] == pytest.approx(row[2])
    assert row[5:9] == ("cluster bootstrap over outlets", 6, 60, "market data")
    assert row[9] == ("whole market; 1 firms named; 6 of 60 outlets; all products; "
                      "1 of 1 months; Panel edition 1")  # fmt: skip
    firms = connection.execute(
        "select value_home from marts.mart_market_share__market_category_firm_period "
        "where period = 'month'"
    ).fetchall()
    assert firms == [(1_500,)]


@pytest.mark.parametrize(
    ("shops", "more", "method", "reason"),
    [
        (4, {"universe_size": 60}, "none", "fewer than 5 outlets"),
        (6, {}, "none", "universe_size is not known"),
        (6, {"universe_size": 6}, "census", None),
        (6, {"sample_of": None}, "census", None),
    ],
)
def test_where_there_is_no_interval_the_mart_says_why(
    small: SmallCompany, shops: int, more: dict[str, Any], method: str, reason: str | None
) -> None:
    """Our sales are in no shop of the panel, so they are held against the projected market."""
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "lamps"})
    small.has("sales", {"order_id": "1", "ordered_at": "2024-01-05", "currency": "GBP",
              "market": "DE", "product_id": "L1", "quantity": 1, "unit_price": 30})  # fmt: skip
    for number in range(1, shops + 1):
        small.has("market_sales", shop(number, None, 100 * number, **more), **SAME)
    rows = (
        small.build(SHARES)
        .execute(
            f"select interval_method, interval_reason, value_share_low_pct, value_share_pct "
            f"from {SHARES} where period = 'month'"
        )
        .fetchall()
    )
    assert rows[0][0] == method
    assert (rows[0][1] is None) if reason is None else (reason in rows[0][1])
    assert rows[0][2] is None
    assert (rows[0][3] is None) == (more == {})


def test_our_sales_against_a_projected_market_have_an_interval(small: SmallCompany) -> None:
    """Ten shops of 100 that sell 90 to 99 each: a market of 9,450, of which 945 are ours."""
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "lamps"})
    small.has("sales", {"order_id": "1", "ordered_at": "2024-01-05", "currency": "GBP",
              "market": "DE", "product_id": "L1", "quantity": 1, "unit_price": 945})  # fmt: skip
    for number in range(10):
        small.has("market_sales", shop(number, None, 90 + number, universe_size=100), **SAME)
    rows = (
        small.build(SHARES)
        .execute(f"select value_share_pct, value_share_low_pct, value_share_high_pct from {SHARES} "
                 "where period = 'month'")
        .fetchall()
    )  # fmt: skip
    share, low, high = rows[0]
    assert share == pytest.approx(10)
    assert 9 < low < 10 < high < 11


def test_a_quarter_has_the_range_of_its_months(small: SmallCompany) -> None:
    """Of 100 a month 10 are ours. January is published as 80 to 120, the other months plainly, so
    the quarter is 280 to 320; of April only a range is known, which still bounds the share."""
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "lamps"})
    ranges = {1: (100, 80, 120), 2: (100, None, None), 3: (100, None, None), 4: (None, 50, 200)}
    for month, (value, low, high) in ranges.items():
        small.has("sales", {"order_id": "1", "ordered_at": f"2024-0{month}-05", "currency": "GBP",
                  "market": "DE", "product_id": "L1", "quantity": 1, "unit_price": 10})  # fmt: skip
        small.has("market_sales", {**SAME, "period_start": f"2024-0{month}-01", "value": value,
                  "value_low": low, "value_high": high})  # fmt: skip
    connection = small.build()
    create(connection)
    shares = connection.execute(
        "select interval_method, value_share_pct, value_share_low_pct, value_share_high_pct "
        f"from {SHARES} where period = 'quarter' order by period_start"
    ).fetchall()
    assert shares == [
        ("published range", 10, pytest.approx(3000 / 320), pytest.approx(3000 / 280)),
        ("published range", None, pytest.approx(1000 / 200), pytest.approx(1000 / 50)),
    ]
    assert connection.execute(
        "select value_share_pct, value_share_low_pct, value_share_high_pct "
        "from ask.market_share() where period = 'month'"
    ).fetchall() == [(None, 5, 20)]

"""Who makes up a market and what moved our share, worked out by hand."""

from typing import Any

import pytest

from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
STRUCTURE = "marts.mart_market_structure__market_category_period"
SHARES = "marts.mart_market_share__market_category_period"
DRIVERS = "marts.mart_share_drivers__market_category_month"
SAME = {"period": "month", "market": "GB", "category": "lamps", "currency": "GBP"}


def figure(month: int, firm: str | None, value: float, **more: Any) -> dict[str, Any]:
    start = f"{2023 + month // 12}-{month % 12 + 1:02d}-01"
    return {"period_start": start, "firm": firm, "value": value, **SAME, **more}


def rows(small: SmallCompany, columns: str, table: str, where: str) -> list[tuple[Any, ...]]:
    return small.build(table).execute(f"select {columns} from {table} where {where}").fetchall()


def test_leaders_entrants_exits_and_makers(small: SmallCompany) -> None:
    """Of 1,000: A 400 (British), B 250 (French), Us 200, C 100 (French), others 50. A month before
    C was not there and D was, with 10; Z had a row of zero."""
    small.settings["own_firms"] = ["Us"]
    small.has("market_sales", figure(0, "A", 400), figure(0, "D", 10), figure(0, "Us", 200),
              figure(0, "B", 200), figure(1, None, 1000), figure(1, "A", 400, origin="GB"),
              figure(1, "B", 250, origin="FR"), figure(1, "Us", 200), figure(1, "Z", 0),
              figure(1, "C", 100, origin="FR"), figure(1, "Others", 50))  # fmt: skip
    found = rows(
        small,
        "named_firms, cr3_value_pct, cr4_value_pct, leader_firm, leader_share_pct, second_firm, "
        "firms_entered, entrants, firms_exited, exits, domestic_makers_value_share_pct, "
        "foreign_makers_value_share_pct",
        STRUCTURE, "period = 'month' and period_start = '2023-02-01'",
    )  # fmt: skip
    close = [pytest.approx(each) if isinstance(each, float) else each for each in found[0]]
    assert close == [5, 85.0, 95.0, "A", 40.0, "B", 1, "C", 1, "D", 60.0, 35.0]


@pytest.mark.parametrize(
    ("market", "ours", "cell", "share_of_growth", "reason"),
    [
        (1200, 500, "star", 50, None),
        (1200, 150, "question mark", -125, None),
        (1050, 500, "cash cow", 200, None),
        (1050, 150, "dog", -500, None),
        (1000, 500, "cash cow", None, "the market stands still"),
        (1000.4, 500, "cash cow", None, "the market stands still"),
        (900, 150, "dog", None, "the market shrinks"),
    ],
)
def test_growth_and_the_cells(
    small: SmallCompany, market: float, ours: int, cell: str, share_of_growth: int | None,
    reason: str | None,
) -> None:  # fmt: skip
    """A year before the market was 1,000 and ours 400; the rival has 300 of it now."""
    small.settings["own_firms"] = ["Us"]
    small.has("market_sales", figure(0, None, 1000), figure(0, "Us", 400), figure(12, None, market),
              figure(12, "Us", ours), figure(12, "A", 300))  # fmt: skip
    found = rows(
        small, "growth_share_cell, share_of_growth_pct, share_of_growth_reason", STRUCTURE,
        "period = 'month' and period_start = '2024-01-01'",
    )  # fmt: skip
    wanted = None if share_of_growth is None else pytest.approx(share_of_growth)
    assert found == [(cell, wanted, reason)]


def test_thresholds_come_from_the_company_file(small: SmallCompany) -> None:
    small.settings |= {"own_firms": ["Us"],
                       "growth_share": {"market_growth_pct": 30, "relative_share": 2}}  # fmt: skip
    small.has("market_sales", figure(0, None, 1000), figure(12, None, 1200), figure(12, "Us", 500),
              figure(12, "A", 300))  # fmt: skip
    found = rows(
        small,
        "growth_share_cell",
        STRUCTURE,
        "period = 'month' and market_growth_pct is not null",
    )
    assert found == [("dog",)]


def test_penetration_requirements_and_usage_multiply_to_the_share(small: SmallCompany) -> None:
    """40 of 200 buyers buy ours for 300; they spend 900 on the category, of 3,000 in all: 20 % x
    33.3 % x (22.5 / 15 = 1.5) = 10 %. A million people: 40 buyers are 0.004 %."""
    small.settings["own_firms"] = ["Us"]
    small.has("market_context", {"market": "GB", "period_start": "2022-01-01",
              "population": 1_000_000})  # fmt: skip
    small.has("market_sales", figure(0, None, 3000, buyers=200),
              figure(0, "Us", 300, buyers=40, buyers_category_value=900))  # fmt: skip
    connection = small.build(STRUCTURE, SHARES)
    found = connection.execute(
        f"select penetration_pct, penetration_share_pct, share_of_requirements_pct, "
        f"heavy_usage_index from {STRUCTURE} where period = 'month'"
    ).fetchall()
    assert found == [(pytest.approx(0.004), pytest.approx(20), pytest.approx(100 / 3), 1.5)]
    _, reach, requirements, usage = found[0]
    share = connection.execute(
        f"select value_share_pct from {SHARES} where period = 'month'"
    ).fetchall()[0][0]
    assert reach * requirements * usage / 100 == pytest.approx(share)


def test_development_indices_are_per_head(small: SmallCompany) -> None:
    """Britain: 600 for 3 heads, ours 60; Germany: 400 for 7, ours 140. All: 100 and 20 a head, so
    Britain's category index is 200 and the brand's 100; Germany's 57.14 and 100."""
    small.settings["own_firms"] = ["Us"]
    small.has("market_context", {"market": "GB", "population": 3},
              {"market": "DE", "population": 7}, period_start="2023-01-01")  # fmt: skip
    small.has("market_sales", figure(0, None, 600), figure(0, "Us", 60),
              figure(0, None, 400, market="DE"), figure(0, "Us", 140, market="DE"))  # fmt: skip
    found = rows(
        small, "market, category_development_index, brand_development_index", STRUCTURE,
        "period = 'month' order by 1",
    )  # fmt: skip
    assert found == [("DE", pytest.approx(400 / 7), pytest.approx(100)),
                     ("GB", pytest.approx(200), pytest.approx(100))]  # fmt: skip


def test_what_moved_our_share_adds_up(small: SmallCompany) -> None:
    """Lamps in Britain: 100 of 400 become 180 of 480, rivals stand still: 25 -> 37.5 is all ours.
    Chairs in Britain and lamps in Germany move the mix; the last has no figure before."""
    small.settings["own_firms"] = ["Us"]
    figures = [("GB", "lamps", 0, 100, 400), ("GB", "lamps", 1, 180, 480),
               ("GB", "chairs", 0, 10, 200), ("GB", "chairs", 1, 0, 900),
               ("DE", "lamps", 0, 0, 50), ("DE", "lamps", 1, 20, 20),
               ("FR", "lamps", 1, 20, 70)]  # fmt: skip
    for market, category, month, ours, whole in figures:
        more = {"market": market, "category": category, "units": None}
        small.has("market_sales", figure(month, None, whole, **more),
                  figure(month, "Us", ours, **more))  # fmt: skip
    found = rows(
        small,
        "market || category, share_change_pp, own_growth_pp, rivals_growth_pp, contribution_pp, "
        "contribution_own_growth_pp + contribution_rivals_growth_pp + contribution_category_mix_pp "
        "+ contribution_market_mix_pp, total_share_change_pp",
        DRIVERS, "compared_with = 'month before' and measure = 'value' order by 1",
    )  # fmt: skip
    assert [row[0] for row in found] == ["DElamps", "GBchairs", "GBlamps"]
    total = 100 * (200 / 1400 - 110 / 650)
    assert sum(row[4] for row in found) == pytest.approx(total)
    for row in found:
        assert row[1] == pytest.approx(row[2] + row[3])
        assert row[4] == pytest.approx(row[5])
        assert row[6] == pytest.approx(total)
    assert found[2][1:4] == (pytest.approx(12.5), pytest.approx(12.5), pytest.approx(0, abs=1e-9))


def test_a_part_of_a_year_is_not_compared_with_a_year(small: SmallCompany) -> None:
    """A flat market of 1,000 a month, ours 100, to June of the second year: that year's half is no
    fall by half, its quarters stand as they stood. B, which sold in December, has not gone."""
    small.settings["own_firms"] = ["Us"]
    small.has("market_context", {"market": "GB", "period_start": "2022-01-01", "population": 10})
    for month in range(18):
        small.has("market_sales", figure(month, None, 1000), figure(month, "Us", 100))
    small.has("market_sales", figure(11, "B", 5))
    columns = "market_growth_pct, own_growth_pct, growth_share_cell, share_of_growth_reason, " \
              "category_development_index, firms_exited"  # fmt: skip
    connection = small.build(STRUCTURE)
    found = connection.execute(
        f"select {columns} from {STRUCTURE} where period = 'year' order by period_start"
    ).fetchall()
    assert found[1] == (None, None, None, "a period is covered in part only", None, None)
    assert found[0][4] == pytest.approx(100)
    quarter = connection.execute(
        f"select {columns}, population from {STRUCTURE} "
        f"where period = 'quarter' and period_start = '2024-01-01'"
    ).fetchall()
    assert quarter == [(0, 0, None, "the market stands still", pytest.approx(100), 1, 10)]


def test_a_share_of_a_part_of_a_year_is_no_change(small: SmallCompany) -> None:
    """Two years of 1,000; our sales are of three months of the first and of the second's first."""
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "lamps"})
    small.has("sales", *({"order_id": day, "ordered_at": f"{day} 12:00:00", "market": "GB",
              "product_id": "L1", "quantity": 1, "unit_price": 10, "currency": "GBP"}
              for day in ("2023-10-03", "2023-11-03", "2023-12-03", "2024-01-03")))  # fmt: skip
    small.has("market_sales", figure(0, None, 1000, period="year"),
              figure(12, None, 1000, period="year"))  # fmt: skip
    found = rows(
        small, "own_coverage_pct, value_share_pct, value_share_change_pp, "
        "value_share_change_year_pp", SHARES, "true order by period_start",
    )  # fmt: skip
    assert found == [(25, pytest.approx(3), None, None),
                     (pytest.approx(100 / 12), pytest.approx(1), None, None)]  # fmt: skip


@pytest.mark.parametrize(
    ("origins", "shares"),
    [(("GB", "GB"), (50, 0)), (("FR", "FR"), (0, 50)), (("GB", None), (30, None))],
)
def test_no_foreign_makers_are_none_where_all_origins_are_known(
    small: SmallCompany, origins: tuple[str | None, ...], shares: tuple[int | None, ...]
) -> None:
    """A has 30 and B 20 of a market of 100, with others 50."""
    small.has("market_sales", figure(0, None, 100), figure(0, "A", 30, origin=origins[0]),
              figure(0, "B", 20, origin=origins[1]), figure(0, "Others", 50))  # fmt: skip
    found = rows(
        small, "domestic_makers_value_share_pct, foreign_makers_value_share_pct, "
        "foreign_makers_volume_share_pct", STRUCTURE, "period = 'month'",
    )  # fmt: skip
    assert found == [(*shares, None)]

"""Berry, Levinsohn and Pakes (1995), Table I: shares of the American car market, 1971 to 1990."""

import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.home import Home
from tests.conftest import Published
from tests.integration.small import SmallCompany

ORIGINS = ("US", "JP", "EU")
ALL_YEARS = (0.790, 0.161, 0.049)
# units by origin, and models, as printed
BY_YEAR = {1971: ((0.866, 0.057, 0.077), 92), 1990: ((0.682, 0.276, 0.043), 131)}


# one worker runs these tests: the warehouse is published once, and nobody waits for it
pytestmark = pytest.mark.xdist_group("us_autos")


@pytest.fixture(scope="module")
def published(publish_example: Callable[[str], Published]) -> Published:
    return publish_example("us_autos")


@pytest.fixture(scope="module")
def model_years(data: Path) -> list[dict[str, str]]:
    with (data / "us_autos" / "autos_model_year.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _by_origin(published: Published, condition: str = "true") -> list[float]:
    units = dict(
        published.rows(
            f"select origin, sum(units) from core.fct_market_sales where {condition} group by all"
        )
    )
    assert set(units) == set(ORIGINS)
    return [float(units[origin] / sum(units.values())) for origin in ORIGINS]


def test_all_model_years_are_there(published: Published) -> None:
    assert published.value("select count(*) from core.fct_market_sales") == 2_217
    for year, (_, models) in BY_YEAR.items():
        assert (
            published.value(
                f"select count(*) from core.fct_market_sales where year(period_start) = {year}"
            )
            == models
        )


def test_unit_shares_by_origin(published: Published) -> None:
    assert _by_origin(published) == pytest.approx(ALL_YEARS, abs=0.0005)
    for year, (shares, _) in BY_YEAR.items():
        found = _by_origin(published, f"year(period_start) = {year}")
        assert found == pytest.approx(shares, abs=0.0005)


def test_every_year_agrees_with_the_share_of_households(
    published: Published, model_years: list[dict[str, str]]
) -> None:
    """`share_of_households` comes from another copy of the data (pyblp's)."""
    shares: dict[tuple[int, str], float] = defaultdict(float)
    for row in model_years:
        shares[int(row["year"]), row["region"]] += float(row["share_of_households"])
    for year in range(1971, 1991):
        total = sum(shares[year, origin] for origin in ORIGINS)
        expected = [shares[year, origin] / total for origin in ORIGINS]
        found = _by_origin(published, f"year(period_start) = {year}")
        assert found == pytest.approx(expected, abs=1e-6)


def test_shares_of_the_big_three(published: Published) -> None:
    units = dict(
        published.rows(
            """
        select firm, sum(units) from marts.mart_market_share__market_category_firm_period
        where period = 'year' group by all
        """
        )
    )
    total = sum(units.values())
    assert len(units) == 26
    found = [float(100 * units[firm] / total) for firm in ("General Motors", "Ford", "Chrysler")]
    assert found == pytest.approx([43.6, 22.0, 11.5], abs=0.05)


def test_our_share_is_general_motors(
    published: Published, model_years: list[dict[str, str]]
) -> None:
    units: dict[int, list[int]] = {year: [0, 0] for year in range(1971, 1991)}
    for row in model_years:
        units[int(row["year"])][1] += int(row["sales"])
        units[int(row["year"])][0] += int(row["sales"]) * (row["fid"] == "19")
    found = published.rows(
        """
        select year(period_start), own_units, market_units, volume_share_pct
        from marts.mart_market_share__market_category_period
        where period = 'year' order by 1
        """
    )
    assert [row[0] for row in found] == list(units)
    for year, own, market, share in found:
        assert [int(own), int(market)] == units[year]
        assert float(share) == pytest.approx(100 * units[year][0] / units[year][1])


def test_concentration_by_year(published: Published, model_years: list[dict[str, str]]) -> None:
    """HHI over firms, worked out here from the file: the sum of squared percentage shares."""
    units: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    value: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in model_years:
        units[int(row["year"])][row["fid"]] += int(row["sales"])
        value[int(row["year"])][row["fid"]] += int(row["sales"]) * int(row["price"])
    found = published.rows(
        """
        select year(period_start), hhi_volume, hhi_value
        from marts.mart_market_share__market_category_period where period = 'year' order by 1
        """
    )
    assert len(found) == 20
    for year, by_volume, by_value in found:
        assert float(by_volume) == pytest.approx(_hhi(units[year]), rel=1e-6)
        assert float(by_value) == pytest.approx(_hhi(value[year]), rel=1e-6)


def _hhi(amounts: dict[str, int]) -> float:
    total = sum(amounts.values())
    return sum((100 * amount / total) ** 2 for amount in amounts.values())


def test_years_are_not_spread_over_months(published: Published) -> None:
    assert published.rows(
        "select distinct period from marts.mart_market_share__market_category_period"
    ) == [("year",)]


def test_structure_is_what_pandas_makes_of_the_file(published: Published, data: Path) -> None:
    """Concentration, firms that came and went, growth and cells, from the raw file alone."""
    pd = pytest.importorskip("pandas")
    raw = pd.read_csv(data / "us_autos" / "autos_model_year.csv")
    raw["value"] = raw["price"] * raw["sales"]
    found = published.rows(
        """
        select year(period_start), hhi_volume, hhi_value, cr3_value_pct, cr4_value_pct,
            cr4_volume_pct, leader_share_pct, firms_entered, firms_exited, market_growth_pct,
            relative_share, growth_share_cell, domestic_makers_volume_share_pct, named_firms
        from marts.mart_market_structure__market_category_period where period = 'year' order by 1
        """
    )
    assert [row[0] for row in found] == list(range(1971, 1991))
    before, size_before = None, None
    for year, *row in found:
        cars = raw[raw["year"] == year]
        value, units = cars.groupby("fid")["value"].sum(), cars.groupby("fid")["sales"].sum()
        by_value = (100 * value / value.sum()).sort_values(ascending=False)
        by_units = (100 * units / units.sum()).sort_values(ascending=False)
        domestic = 100 * cars.loc[cars["region"] == "US", "sales"].sum() / units.sum()
        assert row[:6] == pytest.approx(
            [(by_units**2).sum(), (by_value**2).sum(), by_value[:3].sum(), by_value[:4].sum(),
             by_units[:4].sum(), by_value.iloc[0]], rel=1e-6,
        )  # fmt: skip
        assert row[11] == pytest.approx(domestic, rel=1e-6)
        assert row[12] == len(value)
        firms = set(value.index)
        relative = by_value[19] / by_value.drop(19).max()
        assert row[9] == pytest.approx(relative, rel=1e-6)
        if before is None:
            assert row[6:9] == [None, None, None]
        else:
            growth = 100 * (value.sum() / size_before - 1)
            assert row[6:8] == [len(firms - before), len(before - firms)]
            assert row[8] == pytest.approx(growth, rel=1e-6)
            strong = relative >= 1
            names = ("star", "question mark") if growth >= 10 else ("cash cow", "dog")
            assert row[10] == names[0 if strong else 1]
        before, size_before = firms, value.sum()


def test_price_volume_and_mix_from_1979_to_1980(
    data: Path, parsed_project: Path, tmp_path: Path
) -> None:
    """General Motors' cars as its sales: each cause against what pandas makes of the file."""
    pd = pytest.importorskip("pandas")
    raw = pd.read_csv(data / "us_autos" / "autos_model_year.csv")
    cars = raw[(raw["fid"] == 19) & raw["year"].isin([1979, 1980])]
    home = Home(tmp_path)
    home.dbt.symlink_to(parsed_project)
    small = SmallCompany(home, {"home_market": "US", "reporting_currency": "USD"}).has(
        "sales",
        *({"order_id": str(n), "ordered_at": f"{car.year}-01-01", "product_id": car.name_,
           "quantity": int(car.sales), "unit_price": float(car.price)}
          for n, car in enumerate(cars.rename(columns={"name": "name_"}).itertuples())),
        market="US", currency="USD",
    )  # fmt: skip
    (row,) = small.build().execute(
        "select revenue_change_home, price_effect_home, volume_effect_home, mix_effect_home, "
        "new_effect_home, lost_effect_home, fx_effect_home "
        "from marts.mart_price_volume_mix__market_category_month "
        "where compared_with = 'year before'"
    ).fetchall()  # fmt: skip
    assert sum(row[1:]) == row[0]
    sums = cars.assign(value=cars["price"] * cars["sales"]).groupby(["name", "year"])
    table = sums[["sales", "value"]].sum().unstack()
    both = table.dropna()
    q0, q1 = both["sales"][1979], both["sales"][1980]
    r0, r1 = both["value"][1979], both["value"][1980]
    volume = r0.sum() * (q1.sum() / q0.sum() - 1)
    at_old_prices = (r0 / q0 * q1).sum()
    expected = [
        r1.sum() - at_old_prices, volume, at_old_prices - r0.sum() - volume,
        table["value"][1980][table["value"][1979].isna()].sum(),
        -table["value"][1979][table["value"][1980].isna()].sum(), 0,
    ]  # fmt: skip
    assert [float(each) for each in row[1:]] == pytest.approx(expected, abs=0.01)
    assert float(row[0]) == pytest.approx(
        cars.assign(v=cars["price"] * cars["sales"]).groupby("year")["v"].sum().diff()[1980]
    )

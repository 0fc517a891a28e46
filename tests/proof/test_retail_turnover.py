"""Australian retail turnover: a market whose groups and industries stand in one column."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ingest.company import load_company
from ingest.home import Home
from orchestration.gates import double_counts
from tests.conftest import Published
from tests.integration.small import load_raw, make_tables
from tests.proof.conftest import EXAMPLES

pytestmark = pytest.mark.xdist_group("retail_turnover")
GROUPS = (
    "Cafes, restaurants and takeaway food services",
    "Clothing, footwear and personal accessory retailing",
    "Department stores",
    "Food retailing",
    "Household goods retailing",
    "Other retailing",
)


@pytest.fixture(scope="module")
def published(publish_example: Callable[[str], Published]) -> Published:
    return publish_example("retail_turnover")


def test_the_six_groups_are_the_market(published: Published, data: Path) -> None:
    """Every month and group against the file; and the whole of it, in millions of dollars."""
    pd = pytest.importorskip("pandas")
    raw = pd.read_csv(data / "retail_turnover" / "aus_retail_turnover.csv")
    assert published.value("select count(*) from core.fct_market_sales") == len(raw) == 64_532
    picked = raw[raw["Industry"].isin(GROUPS)]
    expected = picked.groupby(["Industry", "Month"])["Turnover"].sum()
    found = published.rows(
        "select category, period_start::varchar, market_value_home "
        "from marts.mart_market_share__market_category_period where period = 'month'"
    )
    assert len(found) == len(expected)
    for category, month, value in found:
        assert float(value) == pytest.approx(1e6 * expected[category, month], abs=1)
    assert float(sum(row[2] for row in found)) == pytest.approx(1e6 * 5_867_692.2, abs=1_000)
    december = published.value(
        "select market_value_home from marts.mart_industry_timeline__market_month "
        "where month_start = '2018-12-01'"
    )
    assert float(december) == pytest.approx(34_149_200_000, abs=1)


def test_groups_that_hold_their_industries_are_no_double_count(published: Published) -> None:
    checks = published.rows(
        "select severity, is_passed from audit.checks "
        "where check_name = 'no_figure_is_the_sum_of_others'"
    )
    assert checks == [("warn", True)]


def test_a_file_that_adds_up_groups_and_industries_is_warned(
    published: Published, tmp_path: Path
) -> None:
    """The same rows with the column as it stands. Three groups are told; of two others the small
    states publish the group without its industries, so that these add up to less."""
    text = (EXAMPLES / "retail_turnover" / "company.yml").read_text("utf-8")
    begin, end = text.index("      category:"), text.index("      origin:")
    file = tmp_path / "company.yml"
    file.write_text(text[:begin] + "      category: Industry\n" + text[end:], "utf-8")
    home = Home(tmp_path / "home")
    home.versions.mkdir(parents=True)
    home.dbt.symlink_to(Home(published.home).dbt)
    company = load_company(file)
    with duckdb.connect(str(home.versions / "20240101T000000000000.duckdb")) as connection:
        load_raw(connection, company, home)
        make_tables(connection, home)
        (result,) = double_counts.result(connection)
    assert (result.severity, result.is_passed, result.failing_rows) == ("warn", False, 3)
    assert [row["total"] for row in result.sample] == [GROUPS[0], GROUPS[1], GROUPS[4]]
    assert result.observed == (
        "AU, categories: 'Cafes, restaurants and takeaway food services' = 'Cafes, restaurants and "
        "catering services' + 'Takeaway food services' in all 441 months, and 2 more like it; what "
        "adds them up counts them twice"
    )

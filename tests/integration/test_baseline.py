"""What the benchmark is held against computes the same figures: each column of each mart agrees."""

from pathlib import Path

import duckdb
import pytest

from bench import baseline
from bench.data import write_company
from tests.conftest import Published, publish

pytestmark = pytest.mark.xdist_group("baseline")

# ours, the baseline's, and the key
MARTS = [
    ("mart_sales__market_product_month", "mart_sales", ["order_month", "market", "product_id"]),
    ("mart_market_share__market_category_period", "mart_market",
     ["period", "period_start", "market", "category"]),
    ("mart_market_share__market_category_firm_period", "mart_market_firm",
     ["period", "period_start", "market", "category", "firm"]),
    ("mart_customer_value__customer", "mart_customer", ["customer_id"]),
]  # fmt: skip
# we value them only where there are sales to compare with
VALUED_FOR_COMPARISON = {"net_at_previous_month_rate_home", "net_at_year_before_rate_home"}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    # enough lines that every category sells in every market and month
    folder = tmp_path_factory.mktemp("baseline")
    company = write_company(folder / "company", 40_000)
    published: Published = publish(company, folder / "home")
    baseline.main(folder / "company", folder / "baseline.duckdb")
    connection = duckdb.connect()
    for name, file in (("ours", published.warehouse), ("baseline", folder / "baseline.duckdb")):
        connection.execute(f"attach '{Path(file)}' as {name} (read_only)")
    return connection


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in connection.execute(f"describe {table}").fetchall()]


@pytest.mark.parametrize(("mart", "table", "key"), MARTS)
def test_every_column_of_the_baseline_agrees(
    both: duckdb.DuckDBPyConnection, mart: str, table: str, key: list[str]
) -> None:
    theirs = set(_columns(both, f"baseline.main.{table}")) - set(key) - VALUED_FOR_COMPARISON
    shared = [name for name in _columns(both, f"ours.marts.{mart}") if name in theirs]
    assert len(shared) >= 4
    found = f"ours.marts.{mart} as ours full join baseline.main.{table} as theirs using "
    for name in shared:
        mine, other = (
            f"try_cast(cast({s}.{name} as varchar) as double)" for s in ("ours", "theirs")
        )
        different = both.execute(
            f"select {', '.join(key)}, ours.{name}, theirs.{name} from {found} ({', '.join(key)}) "
            f"where ours.{name} is distinct from theirs.{name} and not coalesce("
            f"abs({mine} - {other}) <= 0.001 + 1e-9 * abs({mine}), false) limit 3"
        ).fetchall()
        assert different == [], name

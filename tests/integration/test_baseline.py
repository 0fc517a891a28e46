"""What the benchmark is held against computes the same figures: each column of each mart agrees."""

import shutil
from pathlib import Path

import duckdb
import pytest

from bench import baseline
from bench.data import write_company
from ingest.company import load_company
from ingest.home import Home
from tests.integration.small import load_raw, make_tables

pytestmark = pytest.mark.xdist_group("baseline")

# ours, the baseline's, and the key
MARTS = [
    ("mart_sales__market_product_month", "mart_sales", ["order_month", "market", "product_id"]),
    ("mart_market_share__market_category_period", "mart_market",
     ["period", "period_start", "market", "category"]),
    ("mart_market_share__market_category_firm_period", "mart_market_firm",
     ["period", "period_start", "market", "category", "firm"]),
    ("mart_customer_value__customer", "mart_customer", ["customer_id"]),
    ("mart_customer_class__validation", "mart_validation", ["market", "group_name"]),
    ("mart_cohort__month", "mart_cohort", ["market", "cohort_month", "order_month"]),
    ("mart_customer_concentration__market_month", "mart_concentration", ["market", "order_month"]),
    ("mart_customer_flow__market_month", "mart_flow", ["market", "order_month", "compared_with"]),
    ("mart_basket__product_pair", "mart_basket", ["product_id", "other_product_id"]),
    ("mart_switching__product", "mart_switching", ["product_id"]),
    ("mart_needs__market_segment", "mart_needs", ["market", "category"]),
    ("mart_price_volume_mix__market_product_month", "mart_price_volume_mix",
     ["order_month", "market", "product_id", "compared_with"]),
    ("mart_price_volume_mix__market_category_month", "mart_price_volume_mix_category",
     ["order_month", "market", "category", "compared_with"]),
    ("mart_market_structure__market_category_period", "mart_market_structure",
     ["period", "period_start", "market", "category"]),
    ("mart_share_drivers__market_category_month", "mart_share_drivers",
     ["period_start", "market", "category", "compared_with", "measure"]),
    ("mart_export__market_month", "mart_export", ["order_month", "market"]),
    ("mart_industry_timeline__market_month", "mart_industry_timeline", ["market", "month_start"]),
]  # fmt: skip

# what the made lines have none of: pairs that are often bought together, an order that is too large
# for a basket, a customer in two markets on one day, one who only sent back, one who sent back more
# than was bought in a month, and a month that the market data does not reach
_MORE_LINES = """
    select
        'pair ' || n as order_id, date '2026-02-01' + n::integer as ordered_at, 'GB' as market,
        'K' || n % 9 as customer_id, unnest(['P0001', 'P0002', if(n % 2 = 0, 'P0013', 'P0001')])
            as product_id, 2 as quantity, 9.99 as unit_price, 'GBP' as currency
    from range(60) as orders (n)
    union all
    select 'large', '2026-03-03', 'GB', 'K1', 'P' || lpad(n::varchar, 4, '0'), 1, 5, 'GBP'
    from range(31) as products (n)
    union all
    values
        ('abroad', '2025-05-05', 'DE', 'K2', 'P0003', 1, 20, 'EUR'),
        ('at home', '2025-05-05', 'GB', 'K2', 'P0003', 3, 25, 'GBP'),
        ('back at home', '2025-05-05', 'GB', 'K3', 'P0003', -1, 25, 'GBP'),
        ('back abroad', '2025-05-05', 'DE', 'K3', 'P0003', 2, 20, 'EUR'),
        ('only back', '2025-06-06', 'US', 'K10', 'P0004', -2, 30, 'USD'),
        ('bought', '2025-06-06', 'SE', 'K11', 'P0004', 1, 300, 'SEK'),
        ('more back', '2025-07-07', 'SE', 'K11', 'P0004', -1, 310, 'SEK'),
        ('a little', '2025-07-08', 'SE', 'K11', 'P0004', 1, 100, 'SEK'),
        ('late', '2026-10-02', 'GB', 'K1', 'P0005', 1, 40, 'GBP'),
        ('late abroad', '2026-10-02', 'DE', 'K2', 'P0005', 1, 40, 'EUR'),
        ('late overseas', '2026-10-02', 'US', 'K12', 'P0005', 1, 40, 'USD'),
        ('late in the north', '2026-10-02', 'SE', 'K11', 'P0005', 1, 400, 'SEK')
"""


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, parsed_project: Path
) -> duckdb.DuckDBPyConnection:
    # enough lines that every category sells in every market and month
    folder = tmp_path_factory.mktemp("baseline")
    company = write_company(folder / "company", 20_000)
    _put_in_one_file(folder / "company" / "orders")
    home = Home(folder / "home")
    home.root.mkdir()
    home.dbt.symlink_to(parsed_project)
    with duckdb.connect(str(home.warehouse)) as ours:
        load_raw(ours, load_company(company), home)
        make_tables(ours, home)
    baseline.main(folder / "company", folder / "baseline.duckdb")
    connection = duckdb.connect()
    for name, file in (("ours", home.warehouse), ("baseline", folder / "baseline.duckdb")):
        connection.execute(f"attach '{Path(file)}' as {name} (read_only)")
    return connection


def _put_in_one_file(orders: Path) -> None:
    """Put the lines of all days into one file, which is landed in a fraction of the time."""
    daily = orders.rename(orders.with_name("daily"))
    (orders / "all").mkdir(parents=True)
    lines = f"from read_csv('{daily}/*/*.csv', hive_partitioning = false)"
    duckdb.execute(f"copy ({lines} union all {_MORE_LINES}) to '{orders}/all/lines.csv'")
    shutil.rmtree(daily)


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"describe {table}").fetchall()}


@pytest.mark.parametrize(("mart", "table", "key"), MARTS)
def test_every_column_of_the_baseline_agrees(
    both: duckdb.DuckDBPyConnection, mart: str, table: str, key: list[str]
) -> None:
    ours = _columns(both, f"ours.marts.{mart}")
    shared = [name for name in _columns(both, f"baseline.main.{table}") if name in ours]
    assert len(shared) >= len(key) + 4
    found = f"ours.marts.{mart} as ours full join baseline.main.{table} as theirs"
    for name in sorted(set(shared) - set(key)):
        # decimals, counts and texts to the last digit
        close = "1e-9 * greatest(abs(ours.{0}), 1)" if ours[name] == "DOUBLE" else "-1"
        different = both.execute(
            f"select {', '.join(key)}, ours.{name}, theirs.{name} "
            f"from {found} using ({', '.join(key)}) "
            f"where ours.{name} is distinct from theirs.{name} and not coalesce(abs("
            f"try_cast(ours.{name} as double) - try_cast(theirs.{name} as double)"
            f") <= {close.format(name)}, false) limit 3"
        ).fetchall()
        assert different == [], name


def test_the_baseline_has_every_mart_that_the_run_fills(both: duckdb.DuckDBPyConnection) -> None:
    tables = both.execute(
        "select table_name from duckdb_tables() where database_name = 'ours' "
        "and schema_name = 'marts' and estimated_size > 0"
    ).fetchall()
    assert {mart for (mart,) in tables} == {mart for mart, _, _ in MARTS}

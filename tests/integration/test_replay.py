"""Replay after the cause was mended gives what a clean load of the same files gives.

The company has rows of each kind that wait: a quantity that the mapping cannot read, one of them
the correction of an order that was delivered before; a currency without any rate; and one whose
last rate is too old to be carried.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from ingest.home import Home
from orchestration import pipeline
from orchestration.cli import main
from orchestration.versions import current_version
from tests.conftest import FEW_ROWS
from tests.integration.conftest import ORDERS, TINY, Tiny
from tests.integration.small import load_raw, make_tables

pytestmark = pytest.mark.xdist_group("orchestration")

COMPANY = TINY.replace(
    "path: orders/*.csv\n", "path: orders/*.csv\n    replaces: order_id\n"
).replace("path: rates.csv", "path: rates*.csv")
SHORT_CARRY = COMPANY.replace("own_firms:", "max_rate_carry_days: 20\nown_firms:")
READS_PIECES = ("quantity: quantity", "quantity: \"replace(quantity, ' pcs', '')\"")
RATES = ["day,currency,rate", "2023-12-31,GBP,0.86", "2024-01-02,GBP,0.87", "2024-01-02,DKK,7.45"]
FAULTY = {
    "quantity_type": 2,  # A7, and the correction of A2
    "without_rate": 2,  # A8 in dollars, and B1 in crowns
}
# what may differ: when it was landed and loaded, and by which run
_OF_THE_RUN = {"_landed_at", "landed_at", "fetched_at", "loaded_at", "run_id", "landed_path"}
_TABLES = """
select table_schema || '.' || table_name, list(column_name)
from information_schema.columns
where table_schema in ('raw', 'quarantine', 'intermediate', 'core', 'marts')
    or (table_schema, table_name) in (('audit', 'deliveries'), ('audit', 'delivery_profiles'))
group by all order by all
"""


@pytest.fixture(scope="module")
def faulty_home(
    make_tiny: Callable[[Path], Tiny], tmp_path_factory: pytest.TempPathFactory
) -> Tiny:
    """The company published with its waiting rows. Not to be changed: tests work on copies."""
    tiny = make_tiny(tmp_path_factory.mktemp("faulty"))
    tiny.write("company.yml", SHORT_CARRY)
    tiny.write("rates.csv", *RATES)
    tiny.orders("2024-01", *ORDERS,
                "A7,2024-01-07 10:00:00,GB,C1,P1,2 pcs,10.50,GBP",
                "A8,2024-01-07 10:00:00,DE,C2,P0,1,8.00,USD")  # fmt: skip
    tiny.orders("2024-02", "A2,2024-02-02 10:00:00,GB,C2,P0,3 pcs,10.50,GBP",
                "B1,2024-02-10 10:00:00,DE,C1,P0,2,30.00,DKK",
                "B2,2024-02-10 10:00:00,GB,C1,P0,1,7.00,GBP")  # fmt: skip
    assert pipeline.run(tiny.company, tiny.home, threads=1).status == "published"
    return tiny


@pytest.fixture
def faulty(faulty_home: Tiny, tmp_path: Path) -> Tiny:
    """The company published with its waiting rows."""
    return faulty_home.copy(tmp_path)


def _waiting(tiny: Tiny) -> dict[Any, Any]:
    """Rows in quarantine by rule."""
    return dict(
        tiny.rows(
            "select rule, count(*) from (select rule from quarantine.rows "
            "union all select rule from quarantine.without_rate) group by rule"
        )
    )


def _content(tiny: Tiny) -> dict[str, Any]:
    """Every row of every table that loading and building fill, in an order of its own."""
    with duckdb.connect(str(tiny.home.warehouse), read_only=True) as connection:
        return {
            table: connection.execute(
                f"select {', '.join(sorted(set(columns) - _OF_THE_RUN))} from {table} order by all"
            ).fetchall()
            for table, columns in connection.execute(_TABLES).fetchall()
        }


def _assert_as_clean(mended: Tiny, folder: Path) -> None:
    """Compare a home with all tables made at once of the same files with the same company file."""
    home = Home(folder)
    home.dbt.parent.mkdir()
    home.dbt.symlink_to(mended.home.dbt)
    with duckdb.connect(str(home.warehouse), config=FEW_ROWS) as connection:
        load_raw(connection, mended.company, home)
        make_tables(connection, home, mended.company.customer_value)
    mended_content, clean_content = _content(mended), _content(Tiny(mended.folder, home))
    assert set(mended_content) == set(clean_content)
    assert {"core.fct_sales", "raw.sales", "quarantine.rows"} < set(clean_content)
    different = [table for table in clean_content if mended_content[table] != clean_content[table]]
    assert different == []


def test_a_mended_mapping_gives_what_a_clean_load_gives(faulty: Tiny, tmp_path: Path) -> None:
    assert _waiting(faulty) == FAULTY
    before = current_version(faulty.home)
    faulty.write("company.yml", SHORT_CARRY.replace(*READS_PIECES))
    result = pipeline.run(faulty.company, faulty.home, replay=True, threads=1)
    assert (result.status, result.exit_code) == ("published", 0)
    assert result.version == current_version(faulty.home) != before
    assert _waiting(faulty) == {"without_rate": 2}
    # the correction counts now, and not what it corrects
    assert faulty.rows("select quantity from core.fct_sales where order_id = 'A2'") == [(3,)]
    _assert_as_clean(faulty, tmp_path / "clean")


def test_every_waiting_row_is_shown(faulty: Tiny) -> None:
    place = ["--company", str(faulty.folder / "company.yml"), "--home", str(faulty.home.root)]
    shown = CliRunner().invoke(main, ["quarantine", "show", *place]).stdout
    assert '"quantity":"2 pcs"' in shown
    assert "no exchange rate for USD in the month from 2024-01-01, nor one before it" in shown
    assert '"order_id":"A8"' in shown
    assert "None" not in shown
    unknown = CliRunner().invoke(main, ["quarantine", "show", "--source", "nosuch", *place])
    assert unknown.exit_code == 2
    assert "there is no source 'nosuch'" in unknown.output
    assert "expected: one of " in unknown.output


def test_an_added_rate_and_a_longer_carry_give_what_a_clean_load_gives(
    faulty: Tiny, tmp_path: Path
) -> None:
    faulty.write("rates-late.csv", "day,currency,rate", "2024-01-02,USD,1.10")
    faulty.write("company.yml", COMPANY)
    result = pipeline.run(faulty.company, faulty.home, replay=True, threads=1)
    assert (result.status, result.exit_code) == ("published", 0)
    assert _waiting(faulty) == {"quantity_type": 2}
    converted = "select order_id from core.fct_sales where currency in ('USD', 'DKK') order by all"
    assert faulty.rows(converted) == [("A8",), ("B1",)]
    _assert_as_clean(faulty, tmp_path / "clean")


def test_nothing_to_replay_is_said_and_is_no_error(tmp_path: Path, tiny: Tiny) -> None:
    place = ["--company", str(tiny.folder / "company.yml"), "--home", str(tiny.home.root)]
    unpublished = CliRunner().invoke(main, ["quarantine", "replay", *place])
    assert (unpublished.exit_code, current_version(tiny.home)) == (0, None)
    assert "Nothing is published yet, so nothing is in quarantine" in unpublished.stdout

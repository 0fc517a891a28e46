"""UCI Online Retail through its company file alone: the published totals, to the penny."""

import random
import re
import shutil
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from ingest import landing, load
from ingest.company import Company, load_company
from ingest.home import Home
from tests.conftest import ROOT, Published, publish
from tests.integration.small import load_raw, make_tables
from tests.proof.conftest import EXAMPLES

EXAMPLE = EXAMPLES / "online_retail" / "company.yml"
LINES, INVOICES, CUSTOMERS = 541_909, 25_900, 4_372
NET, NET_UK = Decimal("9747747.934"), Decimal("8187806.364")
CONTENT = "select * from raw.sales where _superseded_by is null"


# one worker runs these tests: the warehouse is published once, and nobody waits for it
pytestmark = pytest.mark.xdist_group("online_retail")


@pytest.fixture(scope="module")
def published(publish_example: Callable[[str], Published]) -> Published:
    return publish_example("online_retail")


def _company_of_days(folder: Path) -> Path:
    """The example's company file, reading a folder of daily files instead of the archive."""
    text = EXAMPLE.read_text(encoding="utf-8")
    lines = [
        "    path: days/*.csv" if line.strip().startswith("path:") else line
        for line in text.splitlines()
        if not line.strip().startswith("members:")
    ]
    (folder / "days").mkdir(parents=True)
    company = folder / "company.yml"
    company.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return company


def _arrive(company: Path, days: Sequence[Path]) -> None:
    for day in days:
        shutil.copy(day, company.parent / "days" / day.name)


def test_every_line_is_in_core(published: Published) -> None:
    (found,) = published.rows(
        """
        select count(*), count(distinct order_id), count(distinct customer_id),
            sum(net_amount_home)
        from core.fct_sales
        """
    )
    assert found == (LINES, INVOICES, CUSTOMERS, NET)
    assert published.value("select count(*) from quarantine.rows") == 0
    assert published.value("select count(*) from quarantine.without_rate") == 0


def test_domestic_is_the_united_kingdom(published: Published) -> None:
    domestic = published.rows(
        "select is_domestic, sum(net_amount_home) from core.fct_sales group by all order by all"
    )
    assert domestic == [(False, NET - NET_UK), (True, NET_UK)]
    assert published.rows("select distinct market from core.fct_sales where is_domestic") == [
        ("GB",)
    ]


def test_countries_as_people_write_them(published: Published) -> None:
    found = dict(
        published.rows(
            """
        select market, sum(net_amount_home) from core.fct_sales
        where market in ('IE', 'ZA', 'US', 'DE') group by all
        """
        )
    )
    assert found["IE"] == Decimal("263276.82")  # EIRE
    assert found["ZA"] == Decimal("1002.31")  # RSA
    assert found["DE"] == Decimal("221698.21")
    unknown = published.value(  # European Community and Unspecified
        "select count(*) from core.fct_sales where market = 'ZZ'"
    )
    assert unknown == 61 + 446


def test_services_and_bookings_are_not_products(published: Published) -> None:
    found = {
        kind: (lines, net)
        for kind, lines, net in published.rows(
            "select line_kind, count(*), sum(net_amount_home) from core.fct_sales group by all"
        )
    }
    assert found["freight"] == (1256 + 710 + 144, Decimal("279462.12"))
    assert found["fee"] == (37 + 34 + 16, Decimal("-236629.569"))
    assert found["adjustment"] == (572 + 77 + 63 + 3, Decimal("-88479.31"))
    assert found["voucher"] == (10 + 9 + 8 + 4 + 3, Decimal("685.81"))
    assert sum(net for _, net in found.values()) == NET


def test_returns_and_repeated_lines_are_kept(published: Published) -> None:
    assert (
        published.value(
            "select count(*) from core.fct_sales where order_id like 'C%' and quantity < 0"
        )
        == 9_288
    )
    assert (
        published.value("select count(*) from core.fct_sales where quantity < 0") == 9_288 + 1_336
    )
    assert published.value("select count(*) from core.fct_sales where unit_price = 0") == 2_515


def test_marts_add_up_to_core(published: Published) -> None:
    assert (
        published.value("select sum(net_amount_home) from marts.mart_sales__market_product_month")
        == NET
    )
    assert published.value("select count(*) from marts.mart_customer_value__customer") == CUSTOMERS


def test_no_model_of_customers_is_identified(published: Published) -> None:
    """A year of a wholesaler's customers does not tell when one is gone: said so, nothing made up;
    what is left is the mean of the customers of the same market."""
    fits = published.rows(
        "select model, bool_or(is_identified), bool_or(is_chosen), count(reason), max(customers) "
        "from audit.fits where cohort = 'all' and model <> 'gamma_gamma' group by all order by all"
    )
    assert [(model, *flags) for model, *flags, _, _ in fits] == [
        (model, False, False) for model in ("bg_nbd", "mbg_nbd", "pareto_nbd")
    ]
    assert {reasons for *_, reasons, _ in fits} == {4}
    (found,) = published.rows(
        """
        select count(*) filter (x is not null), count(p_alive), count(clv_home), count(clv_rank),
            count(*) filter (x is not null and value_reason like 'not identified: bg_nbd: %'),
            count(cohort_mean_occasions), count(fit_id)
        from marts.mart_customer_value__customer
        """
    )
    assert found == (fits[0][4], 0, 0, 0, fits[0][4], fits[0][4], 0)
    classes = published.rows(
        "select distinct customer_class from marts.mart_customer_value__customer"
    )
    assert {name for (name,) in classes} == {"prospect", "one-time buyer", "repeat buyer"}


@pytest.mark.xdist_group("online_retail_loads")
def test_days_in_any_order_and_twice_load_the_same(
    online_retail_days: list[Path], tmp_path: Path
) -> None:
    """All 305 days: at once; and shuffled, first one by one, then many, some delivered again."""
    at_once = _company_of_days(tmp_path / "at_once")
    _arrive(at_once, online_retail_days)
    shuffled = random.Random(1).sample(online_retail_days, len(online_retail_days))
    in_parts = _company_of_days(tmp_path / "in_parts")
    homes = [Home(at_once.parent / "home"), Home(in_parts.parent / "home")]
    _load(load_company(at_once), homes[0])
    ends = [*range(1, 25), 120, 200, len(shuffled)]
    for start, end in zip([0, *ends], ends, strict=False):
        _arrive(in_parts, shuffled[start:end])
        _arrive(in_parts, shuffled[:start][::10])
        _load(load_company(in_parts), homes[1])
    with duckdb.connect() as connection:
        for name, home in zip(("a", "b"), homes, strict=True):
            connection.execute(f"attach '{home.root / 'warehouse.duckdb'}' as {name} (read_only)")
        total = connection.execute(
            "select count(*), sum(quantity * unit_price) from a.raw.sales"
        ).fetchall()
        assert total == [(LINES, NET)]
        first, second = (CONTENT.replace("raw.", f"{name}.raw.") for name in ("a", "b"))
        difference = f"(({first} except all {second}) union all ({second} except all {first}))"
        assert connection.execute(f"select * from {difference} limit 3").fetchall() == []


def _load(company: Company, home: Home) -> None:
    (source,) = company.sources
    home.root.mkdir(parents=True, exist_ok=True)
    landing.land(source, company, home)
    with duckdb.connect(str(home.root / "warehouse.duckdb")) as connection:
        load.prepare(connection, company)
        load.load_source(connection, source, company, home, run_id="proof")


@pytest.mark.xdist_group("online_retail_runs")
def test_runs_day_by_day_in_any_order_and_twice_publish_the_same_marts(
    online_retail_days: list[Path], parsed_project: Path, tmp_path: Path
) -> None:
    """Twelve days with two turns of the month: published in two runs, and made at once."""
    days = online_retail_days[20:26] + online_retail_days[44:50]
    shuffled = random.Random(2).sample(days, len(days))
    in_parts = _company_of_days(tmp_path / "in_parts")
    home = Home(tmp_path / "in_parts" / "home")
    shutil.copytree(parsed_project, home.dbt)
    for number in (5, 12):
        _arrive(in_parts, shuffled[:number])
        found = publish(in_parts, home.root)
    at_once = _company_of_days(tmp_path / "at_once")
    _arrive(at_once, days)
    company, other = load_company(at_once), Home(tmp_path / "at_once" / "home")
    other.root.mkdir()
    other.dbt.symlink_to(parsed_project)
    with duckdb.connect(str(other.warehouse)) as connection:
        load_raw(connection, company, other)
        make_tables(connection, other, company.customer_value)
    expected = Published(at_once, other.root, "")
    assert _marts(found) == _marts(expected)


def _marts(published: Published) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all marts in one order."""
    with duckdb.connect(str(published.warehouse), read_only=True) as connection:
        names = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'marts'"
        ).fetchall()
        assert names
        return {
            name: connection.execute(f"from marts.{name} order by all").fetchall()
            for (name,) in names
        }


def test_the_export_mart_loses_nothing_and_ranks_the_markets(published: Published) -> None:
    (total,) = published.rows(
        "select sum(revenue_home), count(distinct market) from marts.mart_export__market_month"
    )
    assert total[0] == NET
    assert total[1] == published.value("select count(distinct market) from core.fct_sales")
    ranks = dict(
        published.rows(
            "select market, attractiveness_rank from marts.mart_export__market_month "
            "where order_month = '2011-12-01'"
        )
    )
    assert ranks.pop("ZZ") is None
    assert ranks["IE"] >= 1
    assert ranks["DE"] >= 1
    assert None not in ranks.values()
    (largest,) = published.rows(
        "select market, size_score from marts.mart_export__market_month "
        "where order_month = '2011-12-01' order by size_score desc nulls last limit 1"
    )
    assert largest == ("GB", 100)


def test_price_volume_and_mix_lose_nothing(published: Published) -> None:
    """Each month against the one before: the changes of all months add up to the last month's
    revenue less the first's."""
    first, last = published.rows(
        "select sum(net_amount_home) from core.fct_sales where line_kind = 'product' "
        "and order_month in ('2010-12-01', '2011-12-01') group by order_month order by order_month"
    )
    changes = published.rows(
        "select sum(revenue_change_home), sum(price_effect_home + volume_effect_home + "
        "mix_effect_home + new_effect_home + lost_effect_home + fx_effect_home) "
        "from marts.mart_price_volume_mix__market_category_month "
        "where compared_with = 'month before'"
    )
    assert changes == [(last[0] - first[0], last[0] - first[0])]


def test_the_steps_of_onboarding_end_as_it_says(
    tmp_path: Path, online_retail_days: list[Path]
) -> None:
    """The first mapping sets two bad debts aside, the second takes them too."""
    page = (ROOT / "docs/onboarding.md").read_text(encoding="utf-8")
    first, line_kind, *_ = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    company, day = tmp_path / "company.yml", online_retail_days[0].with_name("2011-08-12.csv")
    (tmp_path / "orders").mkdir()
    shutil.copy(day, tmp_path / "orders")
    set_aside = []
    for text in (first, first + line_kind):
        company.write_text(text, encoding="utf-8")
        source, home = load_company(company).sources[0], Home(tmp_path / "home")
        with duckdb.connect() as connection:
            load.prepare(connection, load_company(company))
            landing.land(source, load_company(company), home)
            loaded = load.load_source(connection, source, load_company(company), home, "run")
        set_aside.append((loaded.rows_quarantined, len(loaded.refused)))
    assert set_aside == [(2, 0), (0, 0)]

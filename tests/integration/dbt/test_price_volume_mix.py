"""What moved revenue: the causes add up to the change for any history, and mean what they say."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.home import Home
from orchestration.replay import project_models
from tests.conftest import FEW_ROWS
from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
PRODUCTS = "marts.mart_price_volume_mix__market_product_month"
CATEGORIES = "marts.mart_price_volume_mix__market_category_month"
MODELS = (
    "intermediate.int_products__categories",
    "intermediate.int_price_volume_mix__plans",
    "intermediate.int_price_volume_mix__compared",
    PRODUCTS,
    CATEGORIES,
)
EFFECTS = [f"{name}_effect_home" for name in ("price", "volume", "mix", "new", "lost", "fx")]
# one rate a month, so that what exchange rates did is known without the models
RATES = {"GBP": [1.0] * 14, "EUR": [0.8 + n / 50 for n in range(14)], "USD": [0.5, 0.75] * 7}
MONTHS = [f"{2023 + n // 12}-{n % 12 + 1:02d}-01" for n in range(14)]
TABLES = """
create schema raw; create schema core; create schema staging; create schema intermediate;
create schema marts;
create table raw.company as select 'GB' as home_market, 'GBP' as reporting_currency;
create table core.dim_product (product_id varchar, name varchar, category varchar);
insert into core.dim_product values
    ('A', 'a', 'lamps'), ('B', 'b', ' Lamps'), ('C', 'c', 'chairs'), ('D', 'd', null);
create table staging.stg_plans (plan_version varchar, product_id varchar, period varchar,
    market varchar, category varchar, currency varchar, units decimal(18, 4),
    revenue decimal(18, 4), period_start date, approved_on date);
create table intermediate.int_rates__currency_days (currency varchar, rate_date date,
    rate_to_home double);
create table intermediate.int_rates__currency_periods (currency varchar, period varchar,
    period_start date, rate_to_home double);
create table intermediate.int_sales__product_months (order_month date, market varchar,
    product_id varchar, line_kind varchar, currency varchar, lines bigint, units decimal(38, 4),
    net_amount_local decimal(38, 4), net_amount_home decimal(38, 4));
"""
PLACES = 4
amounts = st.decimals(-9_999_999, 9_999_999, places=PLACES)
line = st.tuples(
    st.integers(0, 13),
    st.sampled_from(["GB", "DE"]),
    st.sampled_from(["A", "B", "C", "D"]),
    st.sampled_from(["product", "product", "product", "freight"]),
    st.sampled_from(sorted(RATES)),
    st.one_of(st.just(Decimal(0)), st.decimals(-500, 500, places=2)),
    st.one_of(st.just(Decimal(0)), amounts),
)
planned = st.tuples(
    st.integers(0, 13),
    st.sampled_from(["GB", "DE"]),
    st.sampled_from(
        [("A", None), ("C", "chairs"), (None, "lamps"), (None, "stools"), (None, None)]
    ),
    st.sampled_from(sorted(RATES)),
    st.decimals(0, 500, places=2),
    st.decimals(0, 9_999, places=2),
)


@pytest.fixture(scope="module")
def models(parsed_project: Path) -> dict[str, str]:
    """The SQL of the models, as dbt compiles it."""
    found = project_models(Home(parsed_project.parent))
    return {name: found[name].sql or "" for name in MODELS}


@pytest.fixture(scope="module")
def warehouse(models: dict[str, str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables that the models read, and the models as views."""
    with duckdb.connect(config=FEW_ROWS) as connection:
        connection.execute(TABLES)
        connection.executemany(
            "insert into intermediate.int_rates__currency_periods values (?, 'month', ?, ?)",
            [(name, MONTHS[n], rate) for name, rates in RATES.items()
             for n, rate in enumerate(rates)],
        )  # fmt: skip
        for name in MODELS:
            connection.execute(f"create view {name} as {models[name]}")
        yield connection


def bridges(
    connection: duckdb.DuckDBPyConnection, lines: Iterable[Any], plans: Iterable[Any] = ()
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of both marts for a history."""
    connection.execute("begin")
    try:
        for month, market, product, kind, currency, units, net in lines:
            home = round(Decimal(str(RATES[currency][month])) * net, PLACES)
            connection.execute(
                "insert into intermediate.int_sales__product_months values "
                "(?, ?, ?, ?, ?, 1, ?, ?, ?)",
                [MONTHS[month], market, product, kind, currency,
                 units if kind == "product" else 0, net, home],
            )  # fmt: skip
        for month, market, (product, category), currency, units, revenue in plans:
            connection.execute(
                "insert into staging.stg_plans values ('B', ?, 'month', ?, ?, ?, ?, ?, ?, null)",
                [product, market, category, currency, units, revenue, MONTHS[month]],
            )
        return tuple(_rows(connection, table) for table in (PRODUCTS, CATEGORIES))  # type: ignore[return-value]
    finally:
        connection.execute("rollback")


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, Any]]:
    cursor = connection.execute(f"select * replace (order_month::varchar as order_month) "
                                f"from {table}")  # fmt: skip
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@settings(max_examples=60)
@given(lines=st.lists(line, max_size=40), plans=st.lists(planned, max_size=6))
def test_the_causes_add_up_to_the_change_of_every_row(
    warehouse: duckdb.DuckDBPyConnection, lines: list[Any], plans: list[Any]
) -> None:
    products, categories = bridges(warehouse, lines, plans)
    for row in products + categories:
        causes = [row[name] for name in EFFECTS]
        assert None not in causes
        assert sum(causes) == row["revenue_change_home"]
        assert row["revenue_change_home"] == row["revenue_home"] - row["revenue_compared_home"]
    sums: dict[Any, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in products:
        key = tuple(row[name] for name in ("order_month", "market", "category", "compared_with"))
        for name in [*EFFECTS, "revenue_home", "other_lines_change_home"]:
            sums[key][name] += row[name]
    assert len(categories) == len(sums)
    for row in categories:
        key = tuple(row[name] for name in ("order_month", "market", "category", "compared_with"))
        assert all(row[name] == total for name, total in sums[key].items())


@settings(max_examples=60)
@given(lines=st.lists(line, max_size=40))
def test_what_was_sold_in_one_period_only_is_new_or_lost_and_rates_are_told_apart(
    warehouse: duckdb.DuckDBPyConnection, lines: list[Any]
) -> None:
    """Against sums made here: presence, both revenues, (rate1 - rate0) x local revenue1."""
    products, _ = bridges(warehouse, lines)
    home: dict[Any, Decimal] = defaultdict(Decimal)
    local: dict[Any, Decimal] = defaultdict(Decimal)
    for month, market, product, kind, currency, _, net in lines:
        if kind == "product":
            rate = Decimal(str(RATES[currency][month]))
            home[MONTHS[month], market, product] += round(rate * net, PLACES)
            local[MONTHS[month], market, product, currency] += net
    seen = set()
    for row in products:
        now = (row["order_month"], row["market"], row["product_id"])
        then = (str(row["compared_month"]), row["market"], row["product_id"])
        assert (row["revenue_home"], row["revenue_compared_home"]) == (
            home.get(now, 0), home.get(then, 0),
        )  # fmt: skip
        if (now in home) != (then in home):
            assert row["price_effect_home"] == row["volume_effect_home"] == 0
            assert row["mix_effect_home"] == 0
            assert row["new_effect_home" if now not in home else "lost_effect_home"] == 0
        rates = [
            float(local.get((*now, name), 0))
            * (RATES[name][MONTHS.index(now[0])] - RATES[name][MONTHS.index(then[0])])
            for name in RATES
        ]
        # home amounts are rounded to four places, which a small local amount turns into a rate
        # that is a little off
        assert float(row["fx_effect_home"]) == pytest.approx(
            sum(rates), abs=0.02 + 1e-6 * _size(local, now) * _size(local, then)
        )
        seen.add((row["compared_with"], *now))
    months = [month for month, *_ in lines]
    for month, market, product, kind, *_ in lines:
        if kind == "product" and month > min(months):
            assert ("month before", MONTHS[month], market, product) in seen


def _size(local: dict[Any, Decimal], key: tuple[str, str, str]) -> float:
    return max([1.0, *(abs(float(local.get((*key, name), 0))) for name in RATES)])


def test_a_bridge_worked_out_by_hand(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Lamps in Germany, in euros at 0.80 and then 0.82 pounds. A: 10 at 5 euros become 30 at 6;
    B: 10 at 15 become 10 at 15. Units 20 -> 40, so at constant mix both would double: volume is
    200 euros x 0.8 = 160. A took 30 where 20 would be its part, B 10 for 20: mix is
    (10 x 5 - 10 x 15) x 0.8 = -80. Price: 30 x 1 x 0.8 = 24. Rates: 330 x 0.02 = 6.60.
    C (chairs): 70 euros new, at 0.80: 56 and 1.40 of rates. D: 7 pounds lost."""
    lines = [
        (0, "DE", "A", "product", "EUR", 10, Decimal(50)),
        (0, "DE", "B", "product", "EUR", 10, Decimal(150)),
        (0, "DE", "D", "product", "GBP", 1, Decimal(7)),
        (1, "DE", "A", "product", "EUR", 30, Decimal(180)),
        (1, "DE", "B", "product", "EUR", 10, Decimal(150)),
        (1, "DE", "B", "freight", "EUR", 0, Decimal(10)),
        (1, "DE", "C", "product", "EUR", 2, Decimal(70)),
    ]
    _, categories = bridges(warehouse, lines)
    found = {row["category"]: [float(row[name]) for name in EFFECTS] for row in categories}
    assert found == {
        "Lamps": [24, 160, -80, 0, 0, pytest.approx(6.6)],
        "chairs": [0, 0, 0, 56, 0, pytest.approx(1.4)],
        "Uncategorised": [0, 0, 0, 0, -7, 0],
    }
    (lamps,) = [row for row in categories if row["category"] == "Lamps"]
    assert lamps["net_change_home"] == lamps["revenue_change_home"] + Decimal("8.2")
    assert lamps["growth_constant_pct"] == pytest.approx(100 * 104 / 160)


def test_a_plan_is_compared_at_the_level_that_it_has(warehouse: duckdb.DuckDBPyConnection) -> None:
    """In January lamps are planned as a whole (20 units, 200 pounds), chairs product by product;
    Uncategorised D is sold and was in no plan. Sold: A 10 for 120, B 20 for 210, C none."""
    lines = [
        (0, "DE", "A", "product", "GBP", 10, Decimal(120)),
        (0, "DE", "B", "product", "GBP", 20, Decimal(210)),
        (0, "DE", "D", "product", "GBP", 1, Decimal(7)),
    ]
    plans = [
        (0, "DE", (None, "lamps"), "GBP", 20, 200),
        (0, "DE", ("C", "chairs"), "GBP", 4, 40),
        (0, "DE", (None, None), "GBP", 99, 999),
    ]
    products, _ = bridges(warehouse, lines, plans)
    found = {(row["category"], row["product_id"]): [float(row[name]) for name in EFFECTS]
             for row in products if row["compared_with"] == "plan"}  # fmt: skip
    assert found == {
        ("Lamps", "(whole category)"): [30, 100, 0, 0, 0, 0],
        ("chairs", "C"): [0, 0, 0, 0, -40, 0],
        ("Uncategorised", "D"): [0, 0, 0, 7, 0, 0],
    }


def test_of_several_plans_the_last_approved_counts_at_the_rate_of_its_day(
    small: SmallCompany,
) -> None:
    """1 lamp for 100 dollars is planned when a dollar is worth 0.50; sold are 2 for 200 dollars at
    0.40, that is 80 pounds: 50 of volume and 200 x (0.40 - 0.50) = -20 of rates."""
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "lamps"})
    small.has("fx_rates", {"rate_date": "2024-01-10", "per_reporting_unit": 2},
              {"rate_date": "2024-03-01", "per_reporting_unit": 2.5}, currency="USD")  # fmt: skip
    small.has("sales", {"order_id": "1", "ordered_at": "2024-01-05", "currency": "GBP"},
              {"order_id": "2", "ordered_at": "2024-03-05", "currency": "USD"}, market="US",
              product_id="L1", quantity=2, unit_price=100)  # fmt: skip
    small.has("plans", {"plan_version": "budget", "units": 1, "approved_on": "2024-01-10"},
              {"plan_version": "an older budget", "units": 9, "approved_on": "2023-11-10"},
              period_start="2024-03-01", period="month", market="US", category="lamps",
              revenue=100, currency="USD")  # fmt: skip
    connection = small.build(CATEGORIES)
    found = connection.execute(
        f"select {', '.join(EFFECTS)}, revenue_change_home from {CATEGORIES} "
        "where compared_with = 'plan'"
    ).fetchall()
    assert found == [(0, 50, 0, 0, 0, -20, 30)]

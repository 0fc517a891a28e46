"""Every gate on rows that it must refuse, and on none: a check that cannot fail checks nothing."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.company import load_company
from ingest.load import prepare
from ingest.raw_tables import hold
from orchestration.dbt_runner import NodeResult
from orchestration.gates import deliveries, marts, reconciliation, row_rules
from orchestration.gates.dbt_tests import judge_tests
from orchestration.gates.expectations import Frame, Range, Session
from orchestration.gates.judgement import completeness
from orchestration.gates.results import (
    BUILT_MONTHS,
    CheckResult,
    of_run,
    prepare_audit,
    record,
)
from tests.integration.conftest import TINY

pytestmark = pytest.mark.xdist_group("gates")
RUN = "run-now"
SALES = ("order_id", "ordered_at", "market", "product_id", "quantity", "unit_price", "currency")


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The raw and audit layer of the tiny company, and core and marts with one sale of 10.00."""
    (tmp_path / "company.yml").write_text(TINY, encoding="utf-8")
    connection = duckdb.connect()
    prepare(connection, load_company(tmp_path / "company.yml"))
    prepare_audit(connection)
    hold(connection, "sales", SALES)
    connection.execute(
        """
        create schema core; create schema intermediate; create schema marts;
        create table core.fct_sales as
        select 'd-new' as delivery_id, date '2024-01-01' as order_month, 'GBP' as currency, 'C1' as
            customer_id, 10.0000::decimal(18, 4) as net_amount_local,
            10.0000::decimal(18, 4) as net_amount_home;
        create table core.fct_market_sales (firm varchar);
        create table intermediate.int_sales__product_months as
        select order_month, 'GB' as market, 'P1' as product_id, currency, 1::hugeint as lines,
            net_amount_local, net_amount_home from core.fct_sales;
        create table marts.mart_sales__market_product_month as
        select * from intermediate.int_sales__product_months;
        create table marts.mart_customer_value__customer as
        select 'C1' as customer_id, 10.0000::decimal(38, 4) as net_revenue_home;
        create table marts.mart_market_share__market_category_period (
            period_start date, period varchar, market varchar, category varchar,
            value_share_pct double, our_price_home decimal(18, 4));
        create table quarantine.without_rate (source varchar, entity varchar, period_month date,
            currency varchar, amount_local decimal(18, 4));
        insert into stored.sales (order_id, ordered_at, market, product_id, quantity, unit_price,
            currency, _delivery_id, _row_number)
        values ('A1', timestamp '2024-01-05 10:00', 'GB', 'P1', 2, 5, 'GBP', 'd-new', 1);
        """
    )
    _deliver(connection, "d-new", RUN)
    yield connection
    connection.close()


def _deliver(
    connection: duckdb.DuckDBPyConnection, delivery: str, run: str, rows: int = 1, **changed: Any
) -> None:
    values: dict[str, Any] = {
        "delivery_id": delivery, "source": "orders", "entity": "sales", "path": f"{delivery}.csv",
        "rows_delivered": rows, "rows_loaded": rows, "rows_quarantined": 0, "rows_dropped": 0,
        "amount_delivered": 10 * rows, "run_id": run, "fetched_at": "2024-01-06", **changed,
    }  # fmt: skip
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(
        f"insert into audit.deliveries ({names}) values ({marks})", list(values.values())
    )


def _profile(
    connection: duckdb.DuckDBPyConnection, delivery: str, column: str, metric: str, value: float
) -> None:
    connection.execute(
        "insert into audit.delivery_profiles values (?, 'orders', 'sales', ?, ?, ?)",
        [delivery, column, metric, value],
    )


def _failed(results: list[CheckResult]) -> set[str]:
    return {result.name.split(".")[-1] for result in results if not result.is_passed}


# ---------------------------------------------------------------- reconciliation


def test_reconciliations_pass_where_nothing_is_lost(warehouse: duckdb.DuckDBPyConnection) -> None:
    results = [*reconciliation.delivered(warehouse, ("sales",)), *reconciliation.layers(warehouse)]
    assert len(results) == 6
    assert _failed(results) == set()


@pytest.mark.parametrize(
    ("fault", "caught"),
    [
        (
            "update audit.deliveries set rows_dropped = 1",
            {"delivered_is_loaded_quarantined_or_dropped"},
        ),
        (
            "delete from stored.sales",
            {"loaded_and_quarantined_rows_are_there", "raw_is_core_or_without_rate"},
        ),
        (
            "insert into quarantine.rows (entity, delivery_id) values ('sales', 'd-gone')",
            {"loaded_and_quarantined_rows_are_there"},
        ),
        (
            "update stored.sales set unit_price = 5.005",
            {"loaded_and_quarantined_rows_are_there", "raw_is_core_or_without_rate"},
        ),
        ("update stored.sales set currency = 'EUR'", {"raw_is_core_or_without_rate"}),
        (
            "update core.fct_sales set delivery_id = 'other-0123456789ab'",
            {"raw_is_core_or_without_rate"},
        ),
        (
            "insert into quarantine.without_rate values "
            "('orders', 'sales', date '2024-01-01', 'GBP', 0)",
            {"raw_is_core_or_without_rate"},
        ),
        (
            "update intermediate.int_sales__product_months set net_amount_home = 9.99",
            {"core_is_product_months", "core_is_mart"},
        ),
        (
            "update marts.mart_sales__market_product_month set net_amount_local = 10.01",
            {"core_is_mart"},
        ),
        ("update marts.mart_customer_value__customer set net_revenue_home = 0", {"core_is_mart"}),
        ("delete from marts.mart_customer_value__customer", {"core_is_mart"}),
    ],
)
def test_reconciliations_see_a_cent(
    warehouse: duckdb.DuckDBPyConnection, fault: str, caught: set[str]
) -> None:
    warehouse.execute(fault)
    results = [*reconciliation.delivered(warehouse, ("sales",)), *reconciliation.layers(warehouse)]
    assert _failed(results) == caught
    assert all(
        one.blocks and one.sample and one.failing_rows for one in results if not one.is_passed
    )


def test_superseded_rows_do_not_count(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute(
        "insert into stored.sales by name select * replace ('d-old' as _delivery_id, "
        "'d-new' as _superseded_by) from stored.sales"
    )
    _deliver(warehouse, "d-old", "run-before")
    assert _failed(reconciliation.layers(warehouse)) == set()


# ---------------------------------------------------------------- deliveries


def _history(connection: duckdb.DuckDBPyConnection) -> None:
    for number in range(5):
        _deliver(connection, f"d-{number}", "run-before", rows=1000)
        connection.execute(
            "insert into stored.sales by name select * replace (? as _delivery_id) "
            "from stored.sales where _delivery_id = 'd-new'",
            [f"d-{number}"],
        )
        _profile(connection, f"d-{number}", "customer_id", "null_pct", 30)
        _profile(connection, f"d-{number}", "promotion_id", "null_pct", 80)
        _profile(connection, f"d-{number}", "market", "distinct_count", 4)


@pytest.mark.parametrize(
    ("changes", "profile", "caught"),
    [
        ({"rows": 900}, (), set()),
        ({"rows": 9}, (), {"rows_against_usual"}),
        ({"rows": 200_000, "amount_delivered": 1}, (), {"rows_against_usual"}),
        ({"rows": 900, "rows_quarantined": 500}, (), {"rejected_pct"}),
        ({"rows": 900, "amount_delivered": 900_001 * 10}, (), {"amount_per_row_against_usual"}),
        ({"rows": 900, "amount_delivered": 10**16}, (),
         {"amount_per_row_against_usual", "amount_delivered"}),
        ({"rows": 900}, ("order_id", "null_pct", 0.1), {"null_pct_of_required"}),
        ({"rows": 900}, ("market", "distinct_count", 0), {"distinct_values_of_required"}),
        ({"rows": 900}, ("customer_id", "null_pct", 100), {"values_gone_pct"}),
        # rarely filled: a day without it says nothing
        ({"rows": 900}, ("promotion_id", "null_pct", 100), set()),
        ({"rows": 900}, ("list_price", "min", -1), {"lowest_not_negative"}),
        ({"rows": 900}, ("tax_amount", "max", 1e16), {"largest_amount"}),
    ],
)  # fmt: skip
def test_delivery_suites_know_the_usual(
    warehouse: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    changes: dict[str, Any],
    profile: tuple[str, str, float] | tuple[()],
    caught: set[str],
) -> None:
    warehouse.execute("delete from audit.deliveries")
    _history(warehouse)
    _deliver(warehouse, "d-new", RUN, **changes)
    _profile(warehouse, "d-new", "channel", "null_pct", 0)
    if profile:
        _profile(warehouse, "d-new", *profile)
    frames = deliveries.frames(warehouse, load_company(tmp_path / "company.yml"), RUN)
    results = [one for one in Session().judge(frames) if one.blocks]
    assert _failed(results) == caught
    assert all(one.sample for one in results)


@pytest.mark.parametrize(("rule", "caught"), [("exact_duplicate", set()), ("x", {"rejected_pct"})])
def test_lines_that_are_set_aside_as_duplicates_are_no_fault_of_a_delivery(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, rule: str, caught: set[str]
) -> None:
    warehouse.execute("delete from audit.deliveries")
    _deliver(warehouse, "d-new", RUN, rows=900, rows_quarantined=500)
    _profile(warehouse, "d-new", "channel", "null_pct", 0)
    warehouse.execute(
        "insert into quarantine.rows by name "
        "select 'd-new' as delivery_id, ? as rule from range(300)",
        [rule],
    )
    frames = deliveries.frames(warehouse, load_company(tmp_path / "company.yml"), RUN)
    assert _failed([one for one in Session().judge(frames) if one.blocks]) == caught


def test_another_currency_is_compared_with_nothing(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    warehouse.execute("delete from audit.deliveries")
    _history(warehouse)
    _items(warehouse, "d-4", 4, [2.95] * 30, [12] * 30)
    _deliver(warehouse, "d-new", RUN, rows=900, amount_delivered=900 * 10 * 190)
    _items(warehouse, "d-new", 5, [2.95 * 190] * 30, [12] * 30, currency="JPY")
    warehouse.execute("update stored.sales set currency = 'JPY' where _delivery_id = 'd-new'")
    company = load_company(tmp_path / "company.yml")
    assert _failed(Session().judge(deliveries.frames(warehouse, company, RUN))) == set()
    # and from then on yen are usual
    warehouse.execute("update audit.deliveries set run_id = 'run-before'")
    _deliver(warehouse, "d-next", RUN, rows=900, amount_delivered=900 * 10 * 180)
    _items(warehouse, "d-next", 6, [2.95 * 180] * 30, [12] * 30, currency="JPY")
    assert _failed(Session().judge(deliveries.frames(warehouse, company, RUN))) == set()


def _items(
    connection: duckdb.DuckDBPyConnection,
    delivery: str,
    day: int,
    prices: Sequence[float],
    quantities: Sequence[float],
    currency: str = "GBP",
    rows: int = 1,
) -> None:
    """What each product cost and how much of it was sold, as a load would note it."""
    connection.execute(
        """
        insert into audit.item_profiles
        select $delivery, 'orders', 'sales', 'P' || generate_subscripts($prices, 1), $currency,
            timestamp '2024-01-01' + to_days($day), $rows, $rows * ln(unnest($prices)),
            $rows * ln(unnest($quantities))
        """,
        {"delivery": delivery, "day": day, "currency": currency, "rows": rows,
         "prices": list(map(float, prices)), "quantities": list(map(float, quantities))},
    )  # fmt: skip


PRICES = [2.95 + number / 10 for number in range(30)]
QUANTITIES = [12 + number % 6 for number in range(30)]
TENTH = [price / 10 for price in PRICES]
HUNDREDFOLD = [price * 100 for price in PRICES]


@pytest.mark.parametrize(
    ("prices", "quantities", "caught"),
    [
        (PRICES, QUANTITIES, set()),
        # all at a third, and a few that moved far
        ([price / 3 for price in PRICES], QUANTITIES, set()),
        ([*TENTH[:7], *PRICES[7:]], QUANTITIES, set()),
        (TENTH, QUANTITIES, {"times_the_price_before"}),
        ([*PRICES[:7], *TENTH[7:]], QUANTITIES, {"times_the_price_before"}),
        ([price * 10 for price in PRICES], QUANTITIES, {"times_the_price_before"}),
        ([price / 5 for price in PRICES], QUANTITIES, {"perhaps_times_the_price_before"}),
        # the fewer products, the more may a price jump by chance
        (TENTH[:5], QUANTITIES[:5], {"perhaps_times_the_price_before"}),
        (HUNDREDFOLD[:5], QUANTITIES[:5], {"times_the_price_before"}),
        (TENTH[:4], QUANTITIES[:4], set()),
        (HUNDREDFOLD[:4], QUANTITIES[:4], {"perhaps_times_the_price_before"}),
        (QUANTITIES, PRICES, {"swapped_pct"}),
        (QUANTITIES[:15], PRICES[:15], {"perhaps_swapped_pct"}),
    ],
)
def test_products_are_compared_with_themselves(
    warehouse: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    prices: Sequence[float],
    quantities: Sequence[float],
    caught: set[str],
) -> None:
    warehouse.execute("delete from audit.deliveries")
    _deliver(warehouse, "d-before", "run-before", rows=1000)
    _items(warehouse, "d-before", 0, PRICES, QUANTITIES)
    _deliver(warehouse, "d-new", RUN, rows=900)
    _items(warehouse, "d-new", 1, prices, quantities)
    company = load_company(tmp_path / "company.yml")
    results = Session().judge(deliveries.frames(warehouse, company, RUN))
    assert _failed(results) == caught
    assert {one.blocks for one in results if not one.is_passed} <= {"perhaps" not in str(caught)}
    for one in results:
        told = re.search(r"\bd-new\.csv .*\bd-before\.csv$", one.observed)
        assert one.is_passed or told, one.observed
    # under the name of what was there before it may be the correction
    warehouse.execute(
        "update audit.deliveries set superseded_by = 'd-new' where run_id <> ?", [RUN]
    )
    results = Session().judge(deliveries.frames(warehouse, company, RUN))
    assert _failed(results) == {f"perhaps_{one.removeprefix('perhaps_')}" for one in caught}
    assert not any(one.blocks for one in results)
    # what is years apart tells nothing
    warehouse.execute("update audit.item_profiles set seen_at = seen_at + interval 2 year "
                      "where delivery_id = 'd-new'")  # fmt: skip
    assert _failed(Session().judge(deliveries.frames(warehouse, company, RUN))) == set()


@pytest.mark.parametrize(
    ("rows_before", "caught"),
    [(50, {"times_the_price_before"}), (49, {"perhaps_times_the_price_before"})],
)
def test_one_product_in_many_rows_is_enough(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, rows_before: int, caught: set[str]
) -> None:
    warehouse.execute("delete from audit.deliveries")
    _deliver(warehouse, "d-before", "run-before", rows=rows_before)
    _items(warehouse, "d-before", 0, PRICES[:1], QUANTITIES[:1], rows=rows_before)
    _deliver(warehouse, "d-new", RUN, rows=60)
    _items(warehouse, "d-new", 1, HUNDREDFOLD[:1], QUANTITIES[:1], rows=60)
    company = load_company(tmp_path / "company.yml")
    assert _failed(Session().judge(deliveries.frames(warehouse, company, RUN))) == caught


def test_what_is_loaded_at_once_is_compared_with_each_other(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    warehouse.execute("delete from audit.deliveries")
    company = load_company(tmp_path / "company.yml")
    for day in range(4):
        _deliver(warehouse, f"d-{day}", RUN, rows=100)
        _items(warehouse, f"d-{day}", day, TENTH if day == 2 else PRICES, QUANTITIES)
    results = Session().judge(deliveries.frames(warehouse, company, RUN))
    [found] = [one for one in results if one.blocks]
    assert _failed(results) == {"times_the_price_before"}
    found_in = [
        (row["path"], row["compared_with"], round(row["price_against_before"], 6))
        for row in found.sample
    ]
    assert found_in == [("d-2.csv", "d-1.csv", 0.1), ("d-3.csv", "d-2.csv", 10)]


def test_what_follows_a_correction_is_compared_with_the_correction(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    warehouse.execute("delete from audit.deliveries")
    _deliver(warehouse, "d-wrong", "run-before", rows=100, superseded_by="d-mended")
    _items(warehouse, "d-wrong", 1, TENTH, QUANTITIES)
    for delivery, day in (("d-mended", 1), ("d-next", 2)):
        _deliver(warehouse, delivery, RUN, rows=100)
        _items(warehouse, delivery, day, PRICES, QUANTITIES)
    company = load_company(tmp_path / "company.yml")
    results = Session().judge(deliveries.frames(warehouse, company, RUN))
    [found] = [one for one in results if not one.is_passed]
    assert found.name.endswith(".perhaps_times_the_price_before")
    assert [row["path"] for row in found.sample] == ["d-mended.csv"]


@pytest.mark.parametrize(
    ("rows", "profile", "caught"),
    [
        (450, (), {"rows_against_fewest"}),
        (900, ("channel", "broken_texts", 3), {"broken_texts"}),
        (900, ("market", "distinct_count", 3), {"steady_values_missing"}),
    ],
)
def test_what_may_be_true_and_is_unusual_warns(
    warehouse: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    rows: int,
    profile: tuple[str, str, float] | tuple[()],
    caught: set[str],
) -> None:
    warehouse.execute("delete from audit.deliveries")
    _history(warehouse)
    _deliver(warehouse, "d-new", RUN, rows=rows)
    if profile:
        _profile(warehouse, "d-new", *profile)
    frames = deliveries.frames(warehouse, load_company(tmp_path / "company.yml"), RUN)
    results = Session().judge(frames)
    assert _failed(results) == caught
    assert not any(one.blocks for one in results)


def test_a_value_that_is_missing_is_named_and_numbers_of_lines_are_none(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    warehouse.execute("delete from audit.deliveries")
    _history(warehouse)
    warehouse.execute("update stored.sales set market = 'AT' where _delivery_id = 'd-4'")
    for number in range(5):
        _profile(warehouse, f"d-{number}", "line_id", "distinct_count", 9)
    _deliver(warehouse, "d-new", RUN, rows=900)
    _profile(warehouse, "d-new", "market", "distinct_count", 3)
    _profile(warehouse, "d-new", "line_id", "distinct_count", 4)
    frames = deliveries.frames(warehouse, load_company(tmp_path / "company.yml"), RUN)
    assert [one.observed for one in Session().judge(frames) if not one.is_passed] == [
        "d-new.csv has 1 fewer values of market than every delivery so far, such as 'AT'"
    ]


def test_a_broken_text_is_shown(warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    warehouse.execute("update stored.sales set product_id = 'Stoff GrÃ¶ÃŸe 12'")
    _profile(warehouse, "d-new", "product_id", "broken_texts", 1)
    company = load_company(tmp_path / "company.yml")
    results = Session().judge(deliveries.frames(warehouse, company, RUN))
    [found] = [one for one in results if not one.is_passed]
    assert [row["broken_text"] for row in found.sample] == ["GrÃ¶ÃŸe"]
    assert found.observed == (
        "d-new.csv: texts of product_id in a wrong encoding, or with letters lost: 1; "
        "is `encoding` right?"
    )


def _day(connection: duckdb.DuckDBPyConnection, delivery: str, first: float, last: float) -> None:
    """A delivery of 1000 rows from one hour to another, counted from the first day of 2024."""
    _profile(connection, delivery, "ordered_at", "min", 1_704_067_200 + 3600 * first)
    _profile(connection, delivery, "ordered_at", "max", 1_704_067_200 + 3600 * last)


@pytest.mark.parametrize(
    ("days", "first", "last", "caught"),
    [
        (30, 8, 16.2, set()),
        (30, 8, 15, {"hours_ended_early"}),
        # over night it is another day, and three weeks are needed to know
        (30, 8, 27, set()),
        (15, 8, 12, set()),
    ],
)
def test_a_day_that_ends_early_warns(
    warehouse: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    days: int,
    first: float,
    last: float,
    caught: set[str],
) -> None:
    warehouse.execute("delete from audit.deliveries")
    for day in range(days):
        _deliver(warehouse, f"d-{day}", "run-before", rows=1000)
        _day(warehouse, f"d-{day}", 24 * day + 8, 24 * day + 17 + day % 3)
    _deliver(warehouse, "d-new", RUN, rows=1000)
    _day(warehouse, "d-new", 24 * days + first, 24 * days + last)
    company = load_company(tmp_path / "company.yml")
    results = Session().judge(deliveries.frames(warehouse, company, RUN))
    assert _failed(results) == caught
    assert not any(one.blocks for one in results)
    # where a file grows during its day, its earlier content ended early too
    _deliver(warehouse, "d-grown", "run-before", rows=500, superseded_by="d-0")
    _day(warehouse, "d-grown", 8, 10)
    assert _failed(Session().judge(deliveries.frames(warehouse, company, RUN))) == set()


@pytest.mark.parametrize(
    ("rows", "said"), [(800, []), (700, [" has 70% of the rows that it had before: is it whole?"])]
)
def test_a_file_that_comes_again_with_fewer_rows_warns(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, rows: int, said: list[str]
) -> None:
    warehouse.execute("delete from audit.deliveries")
    _deliver(warehouse, "d-before", "run-before", rows=1000, superseded_by="d-new")
    _deliver(warehouse, "d-new", RUN, rows=rows)
    results = Session().judge(
        deliveries.frames(warehouse, load_company(tmp_path / "company.yml"), RUN)
    )
    warned = [one for one in results if not one.is_passed]
    assert [one.observed.partition(".csv")[2] for one in warned] == said
    assert _failed(results) == ({"rows_against_replaced"} if said else set())
    assert not any(one.blocks for one in warned)


def test_a_suite_that_measured_nothing_fails() -> None:
    nothing = Frame("suite", "marts.m", "mart", [], [Range("row_count", 0, None, "any number")])
    results = Session().judge([nothing])
    assert [one.name for one in results if one.blocks] == ["suite.is_measured"]


def test_an_empty_or_late_delivery_warns(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    warehouse.execute("update audit.deliveries set rows_delivered = 0, rows_loaded = 0")
    text = TINY.replace(
        "quarantine_limit_pct: 40", "quarantine_limit_pct: 40\n    expect_every: 1 day"
    )
    (tmp_path / "company.yml").write_text(text, encoding="utf-8")
    frames = deliveries.frames(warehouse, load_company(tmp_path / "company.yml"), RUN)
    results = Session().judge(frames)
    assert _failed(results) == {"rows_delivered", "intervals_late"}
    told = [one.observed for one in results if not one.is_passed]
    assert "d-new.csv holds no rows" in told[0]
    assert re.fullmatch(r"the last delivery of orders is [\d.]+ times `expect_every` ago", told[1])
    assert not any(result.blocks for result in results)


def test_row_rules_tell_how_many_rows_they_set_aside(warehouse: duckdb.DuckDBPyConnection) -> None:
    kept = row_rules.results(warehouse, RUN)
    assert {result.name for result in kept} >= {"row_rule.market_required"}
    assert all(result.is_passed and result.table == "raw.sales" for result in kept)
    warehouse.execute(
        "insert into quarantine.rows (source, entity, delivery_id, row_number, rule, reason, "
        "raw_row) values ('orders', 'sales', 'd-new', 7, 'price', 'no price', '{\"p\": 1}')"
    )
    [result] = [each for each in row_rules.results(warehouse, RUN) if not each.is_passed]
    assert result.observed == "1 row set aside"
    assert (result.failing_rows, result.blocks, result.expected) == (1, False, "no price")


# ---------------------------------------------------------------- marts

SHARE = "marts.mart_market_share__market_category_period"


@pytest.mark.parametrize(
    ("fault", "caught"),
    [
        ("select 1", set()),
        ("insert into core.fct_market_sales values ('Us')", {"row_count"}),
        (f"insert into {SHARE} values (null, 'month', 'GB', 'tools', 5, 1)", {"rows_without_key"}),
        (f"insert into {SHARE} values (today(), 'month', 'GB', 'tools', 101, 1)",
         {"highest_value_share_pct"}),
        (f"insert into {SHARE} values (today(), 'month', 'GB', 'tools', 5, -0.01)",
         {"lowest_our_price_home"}),
        (f"insert into {SHARE} values (today(), 'month', 'GB', 'tools', 'nan', 1)",
         {"not_numbers"}),
        ("update marts.mart_customer_value__customer set net_revenue_home = 1e16",
         {"largest_total"}),
    ],
)  # fmt: skip
def test_mart_suites_refuse_what_cannot_be(
    warehouse: duckdb.DuckDBPyConnection, fault: str, caught: set[str]
) -> None:
    warehouse.execute("create table core.dim_customer as select 'C1' as customer_id")
    warehouse.execute(fault)
    results = Session().judge(marts.frames(warehouse))
    assert {one.name.split(".")[-1] for one in results if one.blocks} == caught


def test_a_negative_share_warns(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute(f"insert into {SHARE} values (today(), 'month', 'GB', 'tools', -5, 1)")
    results = Session().judge(marts.frames(warehouse))
    assert _failed(results) == {"lowest_value_share_pct"}
    assert not any(result.blocks for result in results)


def test_firms_that_are_more_than_their_market_are_a_warning(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    warehouse.execute(f"alter table {SHARE} add column named_firms_pct double")
    warehouse.execute(f"insert into {SHARE} values (today(), 'month', 'GB', 'tools', 5, 1, 100.4)")
    assert _failed(Session().judge(marts.frames(warehouse))) == set()
    warehouse.execute(f"insert into {SHARE} values (today(), 'month', 'DE', 'tools', 5, 1, 120)")
    frames = marts.frames(warehouse)
    judged = marts.with_failing_rows(warehouse, frames, Session().judge(frames))
    [failed] = [result for result in judged if not result.is_passed]
    assert failed.name.endswith("highest_named_firms_pct") and not failed.blocks
    assert [(row["market"], row["named_firms_pct"]) for row in failed.sample] == [("DE", 120)]


def test_a_refused_mart_shows_the_rows_that_are_wrong(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    warehouse.execute(
        f"insert into {SHARE} values (today(), 'month', 'GB', 'tools', 101, 1), "
        "(today(), 'month', 'DE', 'tools', 5, 1)"
    )
    frames = marts.frames(warehouse)
    judged = marts.with_failing_rows(warehouse, frames, Session().judge(frames))
    [failed] = [result for result in judged if result.blocks]
    assert failed.failing_rows == 1
    [row] = failed.sample
    assert (row["market"], row["value_share_pct"]) == ("GB", 101)


def test_pages_show_the_suites(warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    session = Session()
    assert session.write_pages(tmp_path / "pages") is None
    session.judge(marts.frames(warehouse))
    index = session.write_pages(tmp_path / "pages")
    assert index is not None
    # the index is plain HTML: a reader without scripts and without a network sees it
    rows = re.findall(r'class="(passed|failed)">.*?href="([^"]+)">([^<]+)</a>', index.read_text())
    assert {name for _, _, name in rows} >= {"mart_customer_value__customer"}
    assert all((index.parent / page).exists() for _, page, _ in rows)


def test_pages_reach_for_nothing_outside(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    session = Session()
    session.judge(marts.frames(warehouse))
    session.write_pages(tmp_path)
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 2
    outside = [page.name for page in pages if re.search(r"https?://|<script", page.read_text())]
    assert not outside


def test_pages_tell_which_suite_failed(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    warehouse.execute("delete from marts.mart_sales__market_product_month")
    session = Session()
    results = session.judge(marts.frames(warehouse))
    assert any(result.blocks for result in results)
    index = session.write_pages(tmp_path)
    assert index is not None and 'class="failed">failed</td>' in index.read_text()


# ---------------------------------------------------------------- results and judgement

MART = "mart_sales__market_product_month"
MANIFEST = {
    "nodes": {
        "model.mart": {"resource_type": "model", "schema": "marts", "alias": MART, "name": MART},
        "model.fct": {"resource_type": "model", "schema": "core", "alias": "fct", "name": "fct"},
        "test.unique": {
            "resource_type": "test", "name": "unique_fct", "attached_node": "model.fct",
            "depends_on": {"nodes": ["model.fct"]}, "description": "",
        },
    },
    "sources": {},
}  # fmt: skip
MADE = [
    CheckResult("unique_fct", "core.fct", "dbt_test", True),
    CheckResult(f"{MART}.row_count", f"marts.{MART}", "great_expectations", True),
    CheckResult("core_is_mart", f"marts.{MART}", "reconciliation", True),
]


def test_a_check_that_was_not_made_fails_the_judgement() -> None:
    assert completeness(MANIFEST, ["core.fct"], MADE).is_passed
    for number, missing in enumerate(MADE):
        result = completeness(MANIFEST, ["core.fct"], MADE[:number] + MADE[number + 1 :])
        assert result.blocks and result.failing_rows == 1, missing
    assert completeness(MANIFEST, [], MADE[1:]).is_passed


def test_what_was_loaded_must_be_built() -> None:
    manifest = {
        "nodes": {
            "model.fct": {**MANIFEST["nodes"]["model.fct"], "config": {"materialized": "table"}}
        },
        "sources": {"source.sales": {"schema": "raw", "identifier": "sales"}},
        "child_map": {"source.sales": ["model.fct", "test.unique"], "model.fct": []},
    }
    assert completeness(manifest, ["core.fct"], [], ["sales"]).is_passed
    assert completeness(manifest, [], [], ["products"]).is_passed
    result = completeness(manifest, [], [], ["sales"])
    assert result.blocks and result.sample[0]["table"] == "core.fct"


def test_a_failed_dbt_test_keeps_its_first_rows(warehouse: duckdb.DuckDBPyConnection) -> None:
    failed = NodeResult("test.unique", "fail", 2, "Got 2 results", "select 7 as id, 2 as times")
    judged = judge_tests(warehouse, RUN, MANIFEST, [failed])
    assert "| 7 | 2 |" in judged["test.unique"].sample
    [stored] = of_run(warehouse, RUN)
    assert stored.blocks and stored.sample == [{"id": 7, "times": 2}]


@pytest.mark.parametrize(
    ("months", "told"),
    [
        ([], "0 failing rows in the months that were built (none)"),
        (
            ["2024-03-01", "2023-12-01"],
            "0 failing rows in the months that were built (2, 2023-12 to 2024-03)",
        ),
        (["2024-03-01", None], "0 failing rows"),
    ],
)
def test_a_test_by_month_tells_the_months(
    warehouse: duckdb.DuckDBPyConnection, months: list[str | None], told: str
) -> None:
    by_month = {**MANIFEST["nodes"]["test.unique"], "test_metadata": {"kwargs": {"by_month": "m"}}}
    manifest = {**MANIFEST, "nodes": {**MANIFEST["nodes"], "test.unique": by_month}}
    passed = NodeResult("test.unique", "pass", 0, None, None)
    for listed in (False, True):
        judged = judge_tests(warehouse, RUN, manifest, [passed])
        observed = judged["test.unique"].result.observed
        assert observed == (told if listed else "0 failing rows")
        warehouse.execute(BUILT_MONTHS)
        for month in months:
            warehouse.execute("insert into audit.built_months values ('core.fct', ?)", [month])


def test_a_check_made_again_replaces_its_result(warehouse: duckdb.DuckDBPyConnection) -> None:
    record(warehouse, RUN, [CheckResult("a", "t", "dbt_test", False, sample=[{"it's": 'a "b"'}])])
    record(warehouse, RUN, [CheckResult("a", "t", "dbt_test", True)])
    record(warehouse, RUN, [])
    assert [result.is_passed for result in of_run(warehouse, RUN)] == [True]

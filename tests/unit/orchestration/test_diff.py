"""What moved between two versions, by how much and from which source, on hand-made warehouses."""

import json
from decimal import Decimal

import duckdb
import pytest

from ingest.home import Home
from orchestration import candidate, publish, verdict
from orchestration.cli.show import legible
from orchestration.diff import diff, has_moved
from orchestration.lock import writer_lock
from orchestration.versions import UnknownVersion
from tests.unit.orchestration.test_cli import call

FIRST = """
    ('2024-01-10', true, 'GB', 100, 'd1'), ('2024-01-10', false, 'DE', 40, 'd2')
"""
# ten pounds in the shop a year later: January's sales leave the window of twelve months
SECOND = FIRST + ", ('2025-01-20', true, 'GB', 10, 'd3')"


def _publish(
    home: Home, run_id: str, lines: str, deliveries: str, without_rate: str = "(null)"
) -> str:
    with writer_lock(home):
        opened = candidate.open_candidate(home, run_id)
        connection = duckdb.connect(str(opened.database))
        connection.execute(
            f"""
            create schema if not exists core; create schema if not exists raw;
            create schema if not exists audit; create schema if not exists marts;
            create schema if not exists quarantine;
            create or replace table quarantine.without_rate as
            from (values {without_rate}) as t(delivery_id) where delivery_id is not null;
            create or replace table raw.company as select 'GBP' as reporting_currency;
            create or replace table core.fct_sales as
            select order_date::date as order_date, is_domestic, market,
                net_amount_home::decimal(18, 4) as net_amount_home, delivery_id
            from (values {lines}) as t(
                order_date, is_domestic, market, net_amount_home, delivery_id);
            create or replace table audit.deliveries as
            select *, 'sales' as entity, delivery_id || '.csv' as path, 1 as rows_loaded,
                0 as rows_quarantined, null::varchar as superseded_by
            from (values {deliveries}) as t(delivery_id, source);
            """
        )
        connection.close()
        verdict.write(opened, run_id, True, 1)
        return publish.publish(home, opened).version


@pytest.fixture
def two_versions(home: Home) -> tuple[str, str]:
    first = _publish(home, "run-1", FIRST, "('d1', 'shop'), ('d2', 'german')")
    second = _publish(home, "run-2", SECOND, "('d1', 'shop'), ('d2', 'german'), ('d3', 'shop')")
    return first, second


def test_headline_figures_are_traced_to_their_sources(
    home: Home, two_versions: tuple[str, str]
) -> None:
    found = diff(home)
    assert (found.a, found.b, found.currency) == (*two_versions, "GBP")
    moved = {move.key: move for move in found.headline}
    domestic, foreign = moved["revenue_domestic"], moved["revenue_foreign"]
    assert (domestic.before, domestic.after, domestic.change) == (100, 10, -90)
    assert domestic.sources == {"shop": -90}
    assert (foreign.before, foreign.after) == (40, None)
    assert foreign.sources == {"german": -40}
    assert domestic.period_before != domestic.period_after


def test_the_delivery_behind_it_is_named(home: Home, two_versions: tuple[str, str]) -> None:
    [delivery] = diff(home, *two_versions).deliveries
    assert (delivery.delivery_id, delivery.source, delivery.change) == ("d3", "shop", "new")
    assert (delivery.rows_change, float(delivery.revenue_change_home)) == (1, 10)
    [total] = diff(home).movements
    assert (total.market, total.before, total.after) == ("GB", 100, 110)


def test_lines_that_lost_their_rate_are_told_as_set_aside(home: Home) -> None:
    deliveries = "('d1', 'shop'), ('d2', 'german')"
    _publish(home, "run-1", FIRST, deliveries)
    _publish(home, "run-2", FIRST.splitlines()[1].split(", (")[0], deliveries, "('d2'), ('d2')")
    [delivery] = diff(home).deliveries
    assert (delivery.source, delivery.change) == ("german", "restated")
    assert (delivery.quarantined_change, float(delivery.revenue_change_home)) == (2, -40)


def test_figures_that_differ_by_rounding_alone_did_not_move() -> None:
    """Sums of doubles differ in their last digits from run to run."""
    assert not has_moved(99.8, 99.8 + 2.84e-14)
    assert not has_moved(None, None)
    assert not has_moved(Decimal("0.00"), Decimal("0.00"))
    assert has_moved(99.8, 99.81)
    assert has_moved(0.0, 1e-12)
    assert has_moved(None, 0.0)
    assert has_moved(Decimal("4234936120.0100"), Decimal("4234936120.0200"))


def test_the_command_shows_it_as_a_table_and_as_json(
    home: Home, two_versions: tuple[str, str]
) -> None:
    shown = call("diff", "--home", home.root)
    assert shown.exit_code == 0
    assert "shop -90.00" in shown.output and "before: 12 months to 2024-01-10" in shown.output
    content = json.loads(call("diff", "--home", home.root, "--json").output)
    assert {move["key"] for move in content["headline"]} == {"revenue_domestic", "revenue_foreign"}


def test_a_version_against_itself_moved_nothing(home: Home, two_versions: tuple[str, str]) -> None:
    assert (
        "Nothing moved"
        in call("diff", "--home", home.root, two_versions[1], two_versions[1]).output
    )


def test_an_unknown_version_is_refused(home: Home, two_versions: tuple[str, str]) -> None:
    with pytest.raises(UnknownVersion):
        diff(home, "19990101T000000000000")


def test_a_query_that_does_not_fit_the_tables_is_no_empty_answer(
    home: Home, two_versions: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.diff._DELIVERIES", "select missing from b.audit.deliveries")
    with pytest.raises(duckdb.BinderException):
        diff(home)


def test_what_moved_a_little_is_not_shown_as_zero() -> None:
    assert [legible(value) for value in (None, 0.0, 12.345, -0.0012)] == [None, 0.0, 12.35, -0.001]

"""The daily job in process: it publishes, finds nothing new, and refuses what fails a check."""

import threading
import time
from decimal import Decimal
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from ingest.errors import DeliveryRefused
from orchestration import (
    customer_estimates,
    dbt_runner,
    early_estimates,
    early_loading,
    pipeline,
)
from orchestration.assets import estimates
from orchestration.build import build_defs
from orchestration.candidate import candidates
from orchestration.changes import unpublished
from orchestration.versions import current_version
from orchestration.workspace import Workspace
from tests.integration.conftest import ORDERS, Tiny

pytestmark = pytest.mark.xdist_group("orchestration")


def _run(tiny: Tiny, **options: object) -> pipeline.RunResult:
    return pipeline.run(tiny.company, tiny.home, **options)  # type: ignore[arg-type]


def _materialise(tiny: Tiny, *keys: str) -> dg.ExecuteInProcessResult:
    """What the user interface does when somebody materialises assets by hand."""
    definitions = build_defs(tiny.company, tiny.home)
    selected = [dg.AssetKey(key.split("/")) for key in keys]
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(asset_selection=selected, raise_on_error=False)


def test_a_run_publishes_and_the_next_finds_nothing_new(tiny: Tiny) -> None:
    first = _run(tiny)
    assert (first.status, first.failed_checks, first.exit_code) == ("published", [], 0)
    assert first.version == current_version(tiny.home)
    # (2 + 4 + 6) x 10.50 in pounds
    sql = "select sum(net_amount_home) from core.fct_sales where currency = 'GBP'"
    assert tiny.rows(sql) == [(Decimal("126.0000"),)]
    kinds = dict(tiny.rows("select kind, bool_and(is_passed) from audit.checks group by kind"))
    assert kinds == dict.fromkeys(
        ["dbt_test", "estimate", "great_expectations", "reconciliation", "row_rule"], True
    )
    described = "select count(*) from audit.column_docs where schema_name = 'marts'"
    assert tiny.rows(described)[0][0] > 50
    assert (tiny.home.reports / first.version / "data_docs" / "index.html").exists()

    second = _run(tiny)
    assert (second.status, second.version, second.run_id) == ("nothing_new", first.version, None)
    assert not unpublished(tiny.company, tiny.home)

    # later: two more lines, one without a price, and a source that has gone: the rest goes on
    (tiny.folder / "products.csv").unlink()
    tiny.orders("2024-02", "B1,2024-02-01 10:00:00,GB,C1,P1,1,7.00,GBP",
                "B2,2024-02-01 10:00:00,GB,C1,P1,1,7.00,GBP",
                "B3,2024-02-01 10:00:00,GB,C1,P1,1,,GBP")  # fmt: skip
    third = _run(tiny)
    assert (third.status, third.rows_quarantined, third.exit_code) == ("published", 1, 3)
    assert list(third.unreachable) == ["catalogue"]
    assert tiny.rows("select count(*) from core.fct_sales") == [(8,)]
    assert any("row_rule" in warning for warning in third.warnings)
    runs = tiny.rows("select rows_loaded, is_full_refresh from audit.runs order by started_at")
    assert runs == [(6 + 2 + 2 + 2, True), (2, False)]


def test_what_comes_while_dagster_starts_is_loaded_too(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    real = pipeline._job_run

    def job_run(*arguments: Any) -> Any:
        deadline = time.monotonic() + 60
        while "Loading catalogue" not in said and time.monotonic() < deadline:
            time.sleep(0.01)
        tiny.orders("2024-02", "B1,2024-02-01 10:00:00,GB,C1,P1,1,7.00,GBP")
        return real(*arguments)

    monkeypatch.setattr(pipeline, "_job_run", job_run)
    done = _run(tiny, progress=said.append)
    assert said.index("Loading orders") < said.index("Landing orders")
    [orders] = [source for source in done.sources if source.source == "orders"]
    assert (orders.deliveries, orders.rows_loaded) == (2, len(ORDERS) + 1)
    assert tiny.rows("select count(*) from core.fct_sales") == [(len(ORDERS) + 1,)]
    assert tiny.rows("select count(distinct run_id) from audit.deliveries") == [(1,)]


def test_who_interrupts_a_run_does_not_wait_for_what_is_being_loaded(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load_for_hours(connection: Any, source: Any, *_: Any) -> None:
        asked.append(source.name)
        connection.execute("select count(*) from range(1000000) as a, range(1000000) as b")

    monkeypatch.setattr(early_loading, "load_source", load_for_hours)
    run = early_loading.EarlyLoading(Workspace(tiny.company, tiny.home, "interrupted"))
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), run:
        while not asked:
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert run.wait() == {} and asked == ["orders"]
    assert time.monotonic() - began < 30


def test_customers_are_estimated_beside_the_models_or_else_by_the_step(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[str] = []

    def goes_wrong(connection: Any, *_: Any) -> None:
        connection.execute("insert into estimates.scored_on values ('half of it')")
        raise MemoryError

    def watched(*arguments: Any) -> Any:
        where.append(threading.current_thread().name)
        return customer_estimates.estimate(*arguments)

    monkeypatch.setattr(estimates, "estimate", watched)
    monkeypatch.setattr(early_estimates, "estimate", goes_wrong)
    assert _run(tiny).status == "published"
    scored = tiny.rows("select content from estimates.scored_on")
    assert where == [threading.current_thread().name]
    assert len(scored) == 1 and scored != [("half of it",)]

    monkeypatch.setattr(early_estimates, "estimate", watched)
    tiny.orders("2024-02", "B1,2024-02-01 10:00:00,GB,C1,P1,1,7.00,GBP")
    assert _run(tiny).status == "published"
    assert where[1:] == ["early-estimates"]
    assert tiny.rows("select content from estimates.scored_on") != scored
    checks = "select count(distinct run_id) from audit.checks where kind = 'estimate'"
    assert tiny.rows(checks) == [(2,)]


def test_customers_are_not_estimated_beside_the_models_where_memory_is_short() -> None:
    with duckdb.connect(config={"memory_limit": "100MB"}) as connection:
        connection.execute("create schema intermediate")
        connection.execute(f"create table {customer_estimates.HISTORIES} as from range(110000)")
        assert not early_estimates._has_room(connection)
        connection.execute(f"delete from {customer_estimates.HISTORIES} where range >= 90000")
        assert early_estimates._has_room(connection)


def test_an_interrupt_while_models_are_built_is_no_failed_run(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        # what Dagster makes of Ctrl-C
        raise DagsterExecutionInterruptedError

    monkeypatch.setattr(dbt_runner, "build", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _run(tiny)
    assert current_version(tiny.home) is None


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, DagsterExecutionInterruptedError])
def test_an_interrupt_that_reaches_dbt_is_no_fault_of_the_project(
    interrupt: type[BaseException], tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dbt.cli.main import dbtRunner, dbtRunnerResult

    interrupted = dbtRunnerResult(success=False, exception=interrupt())
    monkeypatch.setattr(dbtRunner, "invoke", lambda *_, **__: interrupted)
    with pytest.raises(interrupt):
        dbt_runner.build(tiny.home, tiny.folder / "warehouse.duckdb")


def test_a_share_over_a_hundred_publishes_nothing(tiny: Tiny) -> None:
    tiny.write("market.csv", "month,market,units,value", "2024-01-01,GB,100,1")
    with pytest.raises(pipeline.RunRefused) as refused:
        _run(tiny)
    result = refused.value.result
    assert (result.status, result.exit_code, result.version) == ("refused", 1, None)
    assert any("value_share_pct" in check for check in result.failed_checks)
    told = str(refused.value)
    assert "highest_value_share_pct: 12600.0; expected value_share_pct at most 100" in told
    for said in (
        "period_start 2024-01-01, period month, market GB, category tools",
        "own_value_home 126.0000, market_value_home 1.0000",
        "reporting_currency GBP",
        "sales_delivered_in GBP",
        "market_delivered_in GBP",
        "thousands",
    ):
        assert said in told
    assert not tiny.home.warehouse.exists()
    [kept] = candidates(tiny.home)
    assert (tiny.home.reports / kept.run_id / "data_docs" / "index.html").exists()


def test_a_refused_delivery_publishes_nothing_and_says_why(tiny: Tiny) -> None:
    tiny.orders("2024-01", *[line.replace("10.50", "many") for line in ORDERS])
    with pytest.raises(DeliveryRefused) as refused:
        _run(tiny)
    assert refused.value.exit_code == 1
    assert "orders" in str(refused.value)
    assert not tiny.home.warehouse.exists()


def test_a_single_asset_can_be_materialised_before_anything_was_published(tiny: Tiny) -> None:
    mart = "marts/mart_sales__market_product_month"
    outcome = _materialise(tiny, mart)
    assert outcome.success
    [event] = [
        event
        for event in outcome.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(mart.split("/"))
    ]
    assert event.materialization.metadata["dagster/row_count"].value == 0
    assert "| order_month |" in event.materialization.metadata["preview"].value
    [column] = [
        column
        for column in event.materialization.metadata["dagster/column_schema"].value.columns
        if column.name == "net_amount_home"
    ]
    assert column.type == "decimal(18,4)" and "reporting currency" in (column.description or "")
    assert current_version(tiny.home) is None


def test_columns_of_raw_tables_are_described(tiny: Tiny) -> None:
    outcome = _materialise(tiny, "sources/orders", "raw/sales")
    event = outcome.get_asset_materialization_events()[-1]
    columns = event.materialization.metadata["dagster/column_schema"].value.columns
    [quantity] = [column for column in columns if column.name == "quantity"]
    assert quantity.type == "decimal(18,4)" and "Units sold" in (quantity.description or "")


def test_a_source_that_was_not_asked_is_not_said_to_have_no_file(tiny: Tiny) -> None:
    outcome = _materialise(tiny, "raw/sales")
    [failed] = outcome.filter_events(lambda event: event.is_step_failure)
    cause = failed.step_failure_data.error.cause
    assert "orders: it was not asked; select its asset as well" in cause.message


@pytest.mark.parametrize("asset", ["estimates/customer_fits", "audit/verdict"])
def test_an_asset_that_others_stand_beside_can_be_materialised_alone(
    tiny: Tiny, asset: str
) -> None:
    outcome = _materialise(tiny, asset)
    assert outcome.success
    [event] = outcome.get_asset_materialization_events()
    assert event.asset_key == dg.AssetKey(asset.split("/"))
    assert current_version(tiny.home) is None


def test_what_was_not_judged_cannot_be_published(tiny: Tiny) -> None:
    alone = _materialise(tiny, "published_warehouse")
    assert alone.success and current_version(tiny.home) is None
    # loaded, and judged without what would have to be built from it
    part = _materialise(tiny, "sources/orders", "raw/sales", "audit/verdict", "published_warehouse")
    assert not part.success and current_version(tiny.home) is None

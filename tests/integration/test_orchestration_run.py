"""The daily job in process: it publishes, finds nothing new, and refuses what fails a check."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from ingest.company import Source
from ingest.errors import DeliveryRefused
from ingest.landing import land, manifest
from orchestration import (
    customer_estimates,
    dbt_runner,
    early_estimates,
    early_loading,
    pipeline,
    workspace,
)
from orchestration.assets import estimates
from orchestration.background import meanwhile
from orchestration.build import build_defs
from orchestration.candidate import candidates
from orchestration.changes import unpublished
from orchestration.gates.results import prepare_audit
from orchestration.memory import OutOfMemory
from orchestration.refusal import of_ended_run
from orchestration.storage import set_for_writing
from orchestration.versions import current_version
from orchestration.workspace import Workspace
from tests.conftest import FEW_ROWS
from tests.integration.conftest import ORDERS, Tiny

pytestmark = pytest.mark.xdist_group("orchestration")
RIVALS = """\
  - name: rivals
    entity: competitor_prices
    kind: file
    path: rivals.csv
    columns: {observed_at: at, competitor: shop, market: "'GB'", product_id: sku, price: price,
      currency: "'GBP'"}
"""


def _run(tiny: Tiny, **options: object) -> pipeline.RunResult:
    return pipeline.run(tiny.company, tiny.home, **FEW_ROWS, **options)  # type: ignore[arg-type]


def _materialise(tiny: Tiny, *keys: str) -> dg.ExecuteInProcessResult:
    """What the user interface does when somebody materialises assets by hand."""
    definitions = build_defs(tiny.company, tiny.home)
    selected = [dg.AssetKey(key.split("/")) for key in keys]
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(asset_selection=selected, raise_on_error=False)


@dataclass(frozen=True)
class Ran:
    """A run of the tiny company: how it ended, what it said, and the threads in which its
    candidate was prepared and its customers were estimated.
    """

    tiny: Tiny
    result: pipeline.RunResult
    said: list[str]
    preparers: list[str]
    estimators: list[str]

    @property
    def scored(self) -> list[tuple[object, ...]]:
        """What customers were last scored on."""
        return self.tiny.rows("select content from estimates.scored_on")


def _ran(tiny: Tiny, patch: pytest.MonkeyPatch, said: list[str], *watched: ModuleType) -> Ran:
    """Run it, and note the threads in which the `estimate` of some modules is called."""
    preparers: list[str] = []
    estimators: list[str] = []

    def prepared(connection: Any) -> None:
        preparers.append(threading.current_thread().name)
        prepare_audit(connection)

    def noted(*arguments: Any) -> Any:
        estimators.append(threading.current_thread().name)
        return customer_estimates.estimate(*arguments)

    patch.setattr(workspace, "prepare_audit", prepared)
    for module in watched:
        patch.setattr(module, "estimate", noted)
    return Ran(tiny, _run(tiny, progress=said.append), said, preparers, estimators)


@pytest.fixture(scope="module")
def first(make_tiny: Callable[[Path], Tiny], tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The first run. A file comes while Dagster starts, and to estimate beside the models fails."""
    tiny = make_tiny(tmp_path_factory.mktemp("first"))
    said: list[str] = []
    real = pipeline._job_run

    def job_run(*arguments: Any) -> Any:
        deadline = time.monotonic() + 60
        while "Loading catalogue" not in said and time.monotonic() < deadline:
            time.sleep(0.01)
        tiny.orders("2024-02", "B1,2024-02-01 10:00:00,GB,C1,P1,1,7.00,GBP")
        return real(*arguments)

    def goes_wrong(connection: Any, *_: Any) -> None:
        connection.execute("insert into estimates.scored_on values ('half of it')")
        raise MemoryError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_job_run", job_run)
        patch.setattr(early_estimates, "estimate", goes_wrong)
        return _ran(tiny, patch, said, estimates)


@pytest.fixture(scope="module")
def later(first: Ran, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The next: three more lines, one without a price, and a source that has gone."""
    tiny = first.tiny.copy(tmp_path_factory.mktemp("later"))
    (tiny.folder / "products.csv").unlink()
    tiny.orders("2024-03", "C1,2024-03-01 10:00:00,GB,C1,P1,1,7.00,GBP",
                "C2,2024-03-01 10:00:00,GB,C1,P1,1,7.00,GBP",
                "C3,2024-03-01 10:00:00,GB,C1,P1,1,,GBP")  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        return _ran(tiny, patch, [], estimates, early_estimates)


def test_a_run_publishes(first: Ran) -> None:
    tiny, result = first.tiny, first.result
    assert (result.status, result.failed_checks, result.exit_code) == ("published", [], 0)
    assert result.version == current_version(tiny.home)
    # (2 + 4 + 6) x 10.50 and 7.00 in pounds
    sql = "select sum(net_amount_home) from core.fct_sales where currency = 'GBP'"
    assert tiny.rows(sql) == [(Decimal("133.0000"),)]
    kinds = dict(tiny.rows("select kind, bool_and(is_passed) from audit.checks group by kind"))
    assert kinds == dict.fromkeys(
        ["dbt_test", "estimate", "great_expectations", "reconciliation", "row_rule"], True
    )
    described = "select count(*) from audit.column_docs where schema_name = 'marts'"
    assert tiny.rows(described)[0][0] > 50
    pages = tiny.home.reports / result.version / "data_docs"
    links = re.findall('href="([^"]+)"', (pages / "index.html").read_text("utf-8"))
    assert {"expectations", "validations"} < {link.partition("/")[0] for link in links}
    assert [link for link in links if not (pages / link).exists()] == []


def test_the_next_finds_nothing_new(first: Ran) -> None:
    second = _run(first.tiny)
    assert (second.status, second.run_id) == ("nothing_new", None)
    assert second.version == first.result.version
    assert not unpublished(first.tiny.company, first.tiny.home)


def test_what_is_new_is_published_though_a_source_has_gone(later: Ran) -> None:
    tiny, result = later.tiny, later.result
    assert (result.status, result.rows_quarantined, result.exit_code) == ("published", 1, 3)
    assert list(result.unreachable) == ["catalogue"]
    assert tiny.rows("select count(*) from core.fct_sales") == [(len(ORDERS) + 3,)]
    assert any("row_rule" in warning for warning in result.warnings)
    runs = tiny.rows("select rows_loaded, is_full_refresh from audit.runs order by started_at")
    assert runs == [(len(ORDERS) + 1 + 2 + 2 + 2, True), (2, False)]


def test_what_was_built_is_no_list_of_the_published(later: Ran) -> None:
    """The next build on it begins with an empty one."""
    lists = "select 1 from duckdb_tables() where table_name = 'built_months'"
    assert later.tiny.rows(lists) == []


def test_a_test_of_the_months_that_were_built_says_so(first: Ran, later: Ran) -> None:
    observed = (
        "select observed from audit.checks where check_name = 'fct_sales_is_whole_and_converted' "
        "or check_name = 'assert_sales_reconcile_raw_to_core' order by checked_at"
    )
    within = ("0 failing rows in the months that were built (1, 2024-03 to 2024-03)",)
    assert first.tiny.rows(observed) == [("0 failing rows",)] * 2
    assert later.tiny.rows(observed) == [("0 failing rows",)] * 2 + [within] * 2


def test_a_version_that_was_written_to_is_tested_whole(first: Ran, tmp_path: Path) -> None:
    tiny = first.tiny.copy(tmp_path)
    published = tiny.home.warehouse.resolve()
    published.chmod(0o644)
    with duckdb.connect(str(published)) as connection:
        # of an order that no new one has to do with
        connection.execute("update stored.fct_sales set order_id = null where order_id = 'A1'")
    tiny.orders("2024-04", "E1,2024-04-01 10:00:00,GB,C1,P1,1,7.00,GBP")
    with pytest.raises(pipeline.RunRefused, match="is_whole_and_converted: 1 failing row"):
        _run(tiny)


def test_what_comes_while_dagster_starts_is_loaded_too(first: Ran) -> None:
    assert first.said.index("Loading orders") < first.said.index("Landing orders")
    [orders] = [source for source in first.result.sources if source.source == "orders"]
    assert (orders.deliveries, orders.rows_loaded) == (2, len(ORDERS) + 1)
    assert first.tiny.rows("select count(*) from core.fct_sales") == [(len(ORDERS) + 1,)]
    assert first.tiny.rows("select count(distinct run_id) from audit.deliveries") == [(1,)]


def test_a_price_sweep_publishes_what_rivals_ask(first: Ran, tmp_path: Path) -> None:
    tiny = first.tiny.copy(tmp_path)
    rivals = (tiny.folder / "company.yml").read_text() + RIVALS
    tiny.write("company.yml", rivals)
    tiny.write("rivals.csv", "at,shop,sku,price", "2024-01-05 10:00:00,Alpha,P1,9.50")
    job = build_defs(tiny.company, tiny.home).resolve_job_def("price_sweep")
    assert job.execute_in_process(raise_on_error=False).success
    assert current_version(tiny.home) != first.result.version
    offers = "select competitor, price_local from core.fct_competitor_prices"
    assert tiny.rows(offers) == [("Alpha", Decimal("9.5000"))]
    assert tiny.rows("select count(*) from core.fct_sales") == [(len(ORDERS) + 1,)]


def test_a_candidate_is_prepared_once_before_anything_is_loaded(first: Ran, later: Ran) -> None:
    assert first.preparers == later.preparers == ["early-loading"]


def test_the_largest_source_is_loaded_first(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Source] = []
    monkeypatch.setattr(early_loading, "load_source", lambda _, source, *__: loaded.append(source))
    for source in tiny.company.sources:
        land(source, tiny.company, tiny.home)
    early_loading.EarlyLoading(Workspace(tiny.company, tiny.home, "ordered")).wait()
    sizes = [sum(d.bytes for d in manifest(tiny.home, source.name)) for source in loaded]
    assert len(sizes) == len(tiny.company.sources) > 1
    assert sizes == sorted(sizes, reverse=True) and loaded != list(tiny.company.sources)


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


def test_a_candidate_stays_open_between_its_connections_until_the_run_closes_it(tiny: Tiny) -> None:
    run = Workspace(tiny.company, tiny.home, "open")

    def is_open() -> bool:
        try:
            duckdb.connect(str(run.candidate.database), read_only=True).close()
        except duckdb.ConnectionException:
            return True
        return False

    with pytest.raises(ZeroDivisionError), run.staying_open():
        run.close()
        with run.connect():
            pass
        assert not is_open()
        raise ZeroDivisionError
    with run.staying_open():
        with run.connect() as connection:
            connection.execute("create table mine as select 1 as n")
        assert is_open() and run.candidate.write_ahead_log.exists()
        run.free_memory()
        assert not is_open()
        with run.connect():
            pass
        assert is_open()
        run.close()
        assert not is_open() and not run.candidate.write_ahead_log.exists()
    with pytest.raises(ZeroDivisionError), run.staying_open(), run.connect():
        raise ZeroDivisionError
    assert not is_open()


def test_what_many_replaced_rows_hold_is_let_go_as_a_run_begins(tiny: Tiny) -> None:
    run = Workspace(tiny.company, tiny.home, "begins")
    with duckdb.connect(str(run.candidate.database)) as connection:
        set_for_writing(connection)
        connection.execute("create table mine as select i from range(491_520) as ids (i)")
        connection.execute("checkpoint; delete from mine where i % 2 = 0")
    held = "select estimated_size from duckdb_tables() where table_name = 'mine'"
    with run.connect() as connection:
        assert connection.execute(held).fetchall() == [(245_760,)]


def test_the_step_estimates_customers_where_that_failed_beside_the_models(first: Ran) -> None:
    assert first.estimators == [threading.current_thread().name]
    assert len(first.scored) == 1 and first.scored != [("half of it",)]


def test_customers_are_estimated_beside_the_models(first: Ran, later: Ran) -> None:
    assert later.estimators == ["early-estimates"]
    assert later.scored != first.scored
    checks = "select count(distinct run_id) from audit.checks where kind = 'estimate'"
    assert later.tiny.rows(checks) == [(2,)]


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


def test_who_interrupts_dbt_does_not_wait_for_its_query(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "select count(*) as date from range(1000000) as a, range(1000000) as b"
    fixed = {"model.tradewind.dim_date": endless}
    monkeypatch.setattr(dbt_runner.Prepared, "fixed_sql", lambda self: fixed)
    database = tiny.folder / "warehouse.duckdb"

    ended: list[Any] = []

    def build() -> None:
        only = (["dim_date"], ["resource_type:test"])
        dbt_runner.build(tiny.home, database, *only, on_result=ended.append)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), meanwhile(build, dbt_runner.Queries):
        while not database.exists():
            time.sleep(0.01)
        time.sleep(5)
        assert not ended
        raise KeyboardInterrupt
    assert time.monotonic() - began < 60
    assert "meanwhile" not in {thread.name for thread in threading.enumerate()}
    # and nothing holds the file
    duckdb.connect(str(database), config={"threads": 1}).close()


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
    # what Dagster's failure sensor tells of its own runs
    assert str(of_ended_run(tiny.home, kept.run_id)) == told


def test_a_refused_delivery_publishes_nothing_and_says_why(tiny: Tiny) -> None:
    tiny.orders("2024-01", *[line.replace("10.50", "many") for line in ORDERS])
    with pytest.raises(DeliveryRefused) as refused:
        _run(tiny)
    assert refused.value.exit_code == 1
    assert "orders" in str(refused.value)
    assert not tiny.home.warehouse.exists()


def test_too_little_memory_publishes_nothing_and_says_what_to_do(tiny: Tiny) -> None:
    with pytest.raises(OutOfMemory, match="--memory-limit"):
        _run(tiny, memory_limit="25MB")
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

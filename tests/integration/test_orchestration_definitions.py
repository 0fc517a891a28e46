"""What Dagster loads: assets, jobs, schedules and sensors of the tiny company."""

import fcntl
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ingest.company import load_company
from ingest.home import Home
from orchestration import sensors
from orchestration.alerts import BY_COMMAND_LINE, tell
from orchestration.build import build_defs
from tests.integration.conftest import TINY, Tiny

pytestmark = pytest.mark.xdist_group("orchestration")


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, parsed_project: Path
) -> tuple[Tiny, dg.Definitions]:
    """The tiny company with its definitions; nothing is run."""
    import shutil

    folder = tmp_path_factory.mktemp("shared")
    tiny = Tiny(folder / "company", Home(folder / "home"))
    tiny.write("company.yml", TINY)
    for name in ("rates.csv", "market.csv", "products.csv"):
        tiny.write(name, "nothing")
    tiny.orders("2024-01")
    shutil.copytree(parsed_project, tiny.home.dbt)
    return tiny, build_defs(tiny.company, tiny.home)


def test_definitions_hold_every_layer_and_all_checks(shared: tuple[Tiny, dg.Definitions]) -> None:
    _, definitions = shared
    dg.Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    groups = {graph.get(key).group_name for key in graph.materializable_asset_keys}
    assert groups >= {"sources", "raw", "staging", "core", "marts", "audit", "published"}
    assert (
        dg.AssetKey(["sources", "orders"]) in graph.get(dg.AssetKey(["raw", "sales"])).parent_keys
    )
    unattached = [key for key in graph.get_all_asset_keys() if not graph.get(key).is_materializable]
    assert unattached == []
    blocking = {key.name for key in graph.asset_check_keys if graph.get(key).blocking}
    assert {"great_expectations", "reconciliation", "candidate_passed"} <= blocking


def test_every_dbt_test_is_an_asset_check(shared: tuple[Tiny, dg.Definitions]) -> None:
    from orchestration import dbt_runner

    tiny, definitions = shared
    manifest = dbt_runner.prepare(tiny.home).manifest()
    tests = {node["name"] for node in manifest["nodes"].values() if node["resource_type"] == "test"}
    shown = {key.name for key in definitions.resolve_asset_graph().asset_check_keys}
    assert tests - shown == set()


def test_jobs_end_in_the_publication(shared: tuple[Tiny, dg.Definitions]) -> None:
    _, definitions = shared
    for name in ("daily_refresh", "price_sweep", "monthly_review"):
        keys = definitions.resolve_job_def(name).asset_layer.selected_asset_keys
        assert dg.AssetKey("published_warehouse") in keys
    swept = definitions.resolve_job_def("price_sweep").asset_layer.selected_asset_keys
    assert dg.AssetKey(["raw", "competitor_prices"]) in swept
    assert dg.AssetKey(["raw", "sales"]) not in swept


def test_schedules_run_in_the_companys_time_zone(shared: tuple[Tiny, dg.Definitions]) -> None:
    _, definitions = shared
    schedule = definitions.resolve_schedule_def("daily_refresh_schedule")
    assert schedule.execution_timezone == "Europe/London"
    assert schedule.cron_schedule == "0 6 * * *"


def test_a_schedule_runs_when_something_is_new(shared: tuple[Tiny, dg.Definitions]) -> None:
    _, definitions = shared
    with dg.DagsterInstance.ephemeral() as instance:
        from datetime import UTC, datetime

        now = datetime(2026, 1, 1, tzinfo=UTC)
        with dg.build_schedule_context(instance, scheduled_execution_time=now) as context:
            daily = definitions.resolve_schedule_def("daily_refresh_schedule")
            assert len(daily.evaluate_tick(context).run_requests or []) == 1


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Knows of no run yet."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def test_the_sensor_starts_one_run_for_the_same_files(
    tmp_path: Path, make_tiny: Callable[[Path], Tiny], instance: dg.DagsterInstance
) -> None:
    tiny = make_tiny(tmp_path)
    sensor = build_defs(tiny.company, tiny.home).resolve_sensor_def("new_deliveries")
    with dg.build_sensor_context(instance) as context:
        first = sensor.evaluate_tick(context)
    assert [request.job_name for request in first.run_requests or []] == ["daily_refresh"]
    with dg.build_sensor_context(instance, cursor=first.cursor) as context:
        again = sensor.evaluate_tick(context)
    assert not again.run_requests and "already" in str(again.skip_message)
    tiny.orders("2024-02", "B1,2024-02-01 10:00:00,GB,C1,P1,1,7.00,GBP")
    with dg.build_sensor_context(instance, cursor=first.cursor) as context:
        assert len(sensor.evaluate_tick(context).run_requests or []) == 1


def test_the_sensor_ends_the_record_of_a_killed_run_of_the_command_line(
    tmp_path: Path, make_tiny: Callable[[Path], Tiny], instance: dg.DagsterInstance
) -> None:
    tiny = make_tiny(tmp_path)
    sensor = build_defs(tiny.company, tiny.home).resolve_sensor_def("new_deliveries")
    begun = dg.DagsterRunStatus.STARTED
    ours = instance.add_run(dg.DagsterRun("daily_refresh", tags=BY_COMMAND_LINE, status=begun))
    dagsters = instance.add_run(dg.DagsterRun("daily_refresh", status=begun))

    def statuses() -> list[str]:
        with dg.build_sensor_context(instance) as context:
            sensor.evaluate_tick(context)
        runs = [instance.get_run_by_id(run.run_id) for run in (ours, dagsters)]
        return [run.status.value for run in runs if run is not None]

    with tiny.home.lock_file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert statuses() == ["STARTED", "STARTED"]
    assert statuses() == ["FAILURE", "STARTED"]


def test_the_sensor_starts_another_run_where_one_failed_before_it_landed(
    tmp_path: Path,
    make_tiny: Callable[[Path], Tiny],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny = make_tiny(tmp_path)
    sensor = build_defs(tiny.company, tiny.home).resolve_sensor_def("new_deliveries")
    cursor, later = None, timedelta()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + later

    monkeypatch.setattr(sensors, "datetime", Clock)

    def tick() -> Any:
        nonlocal cursor
        with dg.build_sensor_context(instance, cursor=cursor) as context:
            found = sensor.evaluate_tick(context)
        cursor = found.cursor
        return found

    def ended(request: Any, status: dg.DagsterRunStatus) -> None:
        run = dg.DagsterRun(request.job_name, tags=dict(request.tags), status=status)
        instance.add_run(run)

    keys = set()
    for attempt in range(sensors.ATTEMPTS):
        (request,) = tick().run_requests
        keys.add(request.run_key)
        ended(request, dg.DagsterRunStatus.FAILURE)
        assert not tick().run_requests
        later += timedelta(minutes=5 * 2**attempt, seconds=1)
    last = tick()
    assert not last.run_requests and "5 runs for these files have failed" in last.skip_message
    # each request has a key of its own: one that was used starts nothing
    assert len(keys) == sensors.ATTEMPTS
    # more files are another matter; what ended well and landed nothing starts no second run
    tiny.orders("2024-02", "B1,2024-02-01 10:00:00,GB,C1,P1,1,7.00,GBP")
    ended(tick().run_requests[0], dg.DagsterRunStatus.SUCCESS)
    later += timedelta(days=1)
    assert not tick().run_requests


def test_a_failed_run_is_told_to_the_webhook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[tuple[str, dict[str, str]]] = []

    class Answer:
        ok = True

    def post(url: str, json: dict[str, str], timeout: float) -> Answer:
        sent.append((url, json))
        return Answer()

    monkeypatch.setattr("requests.post", post)
    monkeypatch.setenv("HOOK", "https://hooks.example/secret")
    file = tmp_path / "company.yml"
    file.write_text(TINY + "alerts: {webhook: '${HOOK}'}\n", encoding="utf-8")
    home = Home(tmp_path)
    assert tell(load_company(file), home, "daily_refresh", "run-1", "a check failed")
    assert sent[0][0] == "https://hooks.example/secret"
    assert sent[0][1]["run_id"] == "run-1"
    assert "secret" not in caplog.text
    log = (tmp_path / "tradewind.log").read_text(encoding="utf-8")
    assert "daily_refresh failed (run run-1): a check failed" in log and "secret" not in log

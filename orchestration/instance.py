"""Dagster's own storage: in the home, without telemetry, one run at a time."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.errors import Busy
from ingest.home import Home
from orchestration.alerts import BY_COMMAND_LINE
from orchestration.lock import writer_lock

if TYPE_CHECKING:
    import dagster as dg

_CONFIG = """\
# written by tradewind at every start; change it in orchestration/instance.py
telemetry:
  enabled: false
nux:
  enabled: false
# runs write to the one warehouse, so they queue up
concurrency:
  runs:
    max_concurrent_runs: 1
run_monitoring:
  enabled: true
"""


def prepare_storage(home: Home) -> Path:
    """Write dagster.yaml where it is missing or differs.

    Returns:
        The folder to use as `DAGSTER_HOME`.
    """
    file = home.dagster / "dagster.yaml"
    home.dagster.mkdir(parents=True, exist_ok=True)
    if not file.exists() or file.read_text(encoding="utf-8") != _CONFIG:
        file.write_text(_CONFIG, encoding="utf-8")
    return home.dagster.absolute()


def open_instance(home: Home) -> "dg.DagsterInstance":
    """The instance that the user interface shows; use it as a context manager."""
    import dagster as dg
    from dagster._core.instance.ref import InstanceRef

    folder = prepare_storage(home)
    log = {
        "module": "orchestration.event_log",
        "class": "KeptOpenEventLog",
        "config": {"base_dir": str(folder / "history" / "runs")},
    }
    # capturing what steps print would take the terminal away from the progress that we show
    no_capture = {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
        "config": {},
    }
    overrides = {"event_log_storage": log, "compute_logs": no_capture}
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides))


def end_dead_runs(home: Home, instance: "dg.DagsterInstance") -> None:
    """Record as failed the runs of the command line that were killed; others wait behind them.

    Such a run holds the writer lock as long as it lives. Dagster watches its own runs itself.
    """
    import dagster as dg
    from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

    begun = dg.RunsFilter(tags=BY_COMMAND_LINE, statuses=IN_PROGRESS_RUN_STATUSES)
    if not instance.get_runs(begun, limit=1):
        return
    with suppress(Busy), writer_lock(home, wait=False):
        for run in instance.get_runs(begun):
            instance.report_run_failed(run, "the process that made this run was ended from outside")

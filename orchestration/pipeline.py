"""One run, from the command line: the same job as Dagster's `daily_refresh`, in this process.

Where nothing is new, neither Dagster nor dbt is imported: such a run costs less than a second.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ingest.company import Company
from ingest.errors import DeliveryRefused, GateRefused, SourceUnreachable, TradewindError
from ingest.home import Home
from ingest.landing import land, manifest
from ingest.matches import KIND
from orchestration import refused_rows
from orchestration.alerts import BY_COMMAND_LINE, tell
from orchestration.candidate import connect_read_only
from orchestration.changes import built_from, is_outdated
from orchestration.dead_objects import collect_rarely
from orchestration.demo import world_of
from orchestration.files import DiskFull, disk_full, full_disk_explained, is_full_disk
from orchestration.interrupts import is_interrupt
from orchestration.lock import Owner, writer_lock
from orchestration.memory import is_out_of_memory, out_of_memory
from orchestration.progress import counter
from orchestration.versions import current_version, repair

if TYPE_CHECKING:
    from orchestration.early_loading import EarlyLoading
    from orchestration.gates.results import CheckResult
    from orchestration.workspace import Workspace

Progress = Callable[[str], None]
JOB = "daily_refresh"
# the terminal shows our stages; Dagster's own log is kept by its instance
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


@dataclass(frozen=True)
class SourceResult:
    """What a run loaded of one source. Rows delivered = loaded + quarantined + dropped."""

    source: str
    deliveries: int
    rows_delivered: int
    rows_loaded: int
    rows_quarantined: int
    rows_dropped: int
    warnings: list[str]


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        run_id: Dagster's id; None where nothing was new.
        version: The version that readers see now; None before the first.
        status: published, nothing_new, nothing_to_replay or refused.
        checks: How many checks were made.
        failed_checks: Those that failed and block, as `table: check`; empty unless refused.
        warnings: Checks that failed and do not block, and what loading noticed.
        sources: What was loaded, by source.
        unreachable: Messages of sources that did not answer; the rest of the run went on.
        seconds: How long it took.
    """

    run_id: str | None
    version: str | None
    status: str
    checks: int = 0
    failed_checks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sources: list[SourceResult] = field(default_factory=list)
    unreachable: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def rows_quarantined(self) -> int:
        """Rows that this run set aside."""
        return sum(source.rows_quarantined for source in self.sources)

    @property
    def exit_code(self) -> int:
        """0 published or nothing to do, 1 refused, 3 a source was unreachable."""
        if self.status == "refused":
            return GateRefused.exit_code
        return SourceUnreachable.exit_code if self.unreachable else 0


class RunRefused(GateRefused):
    """Checks failed, and nothing was published. `result` says how the run ended."""

    def __init__(self, result: RunResult, parts: Mapping[str, str]) -> None:
        super().__init__(**parts)
        self.result = result


def run(
    company: Company,
    home: Home,
    only: str | None = None,
    full_refresh: bool = False,
    replay: bool = False,
    threads: int | None = None,
    memory_limit: str | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Land, load, build, judge and publish; or find that nothing is new.

    A source that cannot be reached does not stop the others: what they delivered is published,
    and the result names it (exit code 3). Another writer is waited for.

    Args:
        company: The company.
        home: Where its state lives.
        only: Land and load this source only; None for all.
        full_refresh: Build every model anew, even where nothing is new.
        replay: Load deliveries with quarantined rows anew, and whole, if there are any.
        threads, memory_limit: Limits for DuckDB; None leaves its own.
        progress: Called with a sentence when a stage begins.

    Raises:
        RunRefused: A check failed.
        DeliveryRefused: A delivery cannot be taken.
        SourceUnreachable: Nothing was ever delivered, so there is nothing to publish.
        TradewindError: Something else that the message tells how to mend.
    """
    began = time.monotonic()
    say = progress or (lambda sentence: None)
    options = {
        "only": only,
        "full_refresh": full_refresh,
        "replay": replay,
        "threads": threads,
        "memory_limit": memory_limit,
    }
    waiting = writer_lock(home, on_wait=lambda owner: say(_waiting(owner)))
    with full_disk_explained(home.root), waiting, world_of(company.path):
        repair(home)
        result = _nothing_to_do(company, home, options, say)
        result = result or _execute(company, home, options, progress)
    return replace(result, seconds=round(time.monotonic() - began, 3))


def _waiting(owner: Owner | None) -> str:
    return "Waiting for another run" + (f" (process {owner.pid})" if owner else "")


def _nothing_to_do(
    company: Company, home: Home, options: Mapping[str, Any], say: Progress
) -> RunResult | None:
    """Land what is new; the result of a run that has nothing to do, or None where it has."""
    if options["replay"] and not refused_rows.count(home):
        return RunResult(None, current_version(home), "nothing_to_replay")
    say("Looking for new deliveries")
    unreachable, refused = _land(company, home, options["only"], say)
    built = built_from(company, home)
    waiting = _chosen(options["only"], built.pending)
    wanted = options["full_refresh"] or options["replay"]
    if wanted or refused or waiting or is_outdated(company, built):
        return None
    return RunResult(None, current_version(home), "nothing_new", unreachable=unreachable)


def _land(
    company: Company, home: Home, only: str | None, say: Progress
) -> tuple[dict[str, str], list[str]]:
    """Land what is new, and return the messages of unreachable sources and the names of refused.

    A refusal is left to the run itself, which finds it again and keeps a record of it.
    """
    unreachable, refused = {}, []
    for name in _chosen(only, [source.name for source in company.sources]):
        try:
            land(company.source(name), company, home, counter(say))
        except SourceUnreachable as error:
            unreachable[name] = str(error)
        except DeliveryRefused:
            refused.append(name)
    return unreachable, refused


def _chosen(only: str | None, names: Iterable[str]) -> list[str]:
    return [name for name in names if only in (None, name)]


def _execute(
    company: Company, home: Home, options: dict[str, Any], progress: Progress | None
) -> RunResult:
    collect_rarely()
    if progress is not None:
        progress("Starting Dagster and dbt")
    run_id = str(uuid.uuid4())
    early = _early_loading(company, home, run_id, options, progress)
    seen: list[Workspace] = []

    def watch(workspace: "Workspace") -> None:
        workspace.progress = progress
        workspace.notes["early_loading"] = early
        seen.append(workspace)

    # looked at before what was loaded early is taken back, which makes room again
    with early or nullcontext(), full_disk_explained(home.root):
        outcome = _job_run(company, home, run_id, options, watch)
    if outcome.success:
        return _published(seen[0])
    if _was_interrupted(outcome, seen):
        raise KeyboardInterrupt
    raise _failed(company, seen[0] if seen else None, outcome)


def _early_loading(
    company: Company,
    home: Home,
    run_id: str,
    options: dict[str, Any],
    progress: Progress | None,
) -> "EarlyLoading | None":
    """Begin to load what has landed; not where it has to be made ready first."""
    if options["replay"]:
        return None
    from orchestration.early_loading import EarlyLoading
    from orchestration.workspace import Workspace

    return EarlyLoading(Workspace(company, home, run_id, progress=progress, **options))


def _job_run(
    company: Company,
    home: Home,
    run_id: str,
    options: dict[str, Any],
    watch: "Callable[[Workspace], None]",
) -> Any:
    """Dagster's job, in this process, to its end."""
    from orchestration.build import build_defs
    from orchestration.instance import end_dead_runs, open_instance

    job = build_defs(company, home, watch=watch).resolve_job_def(JOB)
    with open_instance(home) as instance:
        end_dead_runs(home, instance)
        return job.execute_in_process(
            instance=instance,
            run_id=run_id,
            run_config={"resources": {"workspace": {"config": options}}, "loggers": _QUIET},
            raise_on_error=False,
            tags=BY_COMMAND_LINE,
        )


def _published(workspace: "Workspace") -> RunResult:
    results: list[CheckResult] = workspace.notes["results"]
    result = _result(workspace, results, "published", workspace.notes["version"])
    with closing(connect_read_only(workspace.home.warehouse)) as connection:
        waiting = refused_rows.waiting_for_rates(connection, workspace.company)
    return replace(result, warnings=[*waiting, *result.warnings])


def _result(
    workspace: "Workspace", results: "list[CheckResult]", status: str, version: str | None
) -> RunResult:
    loaded = [
        SourceResult(
            source=one.source,
            deliveries=len(one.deliveries),
            rows_delivered=one.rows_delivered,
            rows_loaded=one.rows_loaded,
            rows_quarantined=one.rows_quarantined,
            rows_dropped=one.rows_dropped,
            warnings=list(one.warnings),
        )
        for one in workspace.notes.get("loaded", [])
    ]
    noticed = [f"{one.source}: {warning}" for one in loaded for warning in one.warnings]
    noticed += _not_read(workspace)
    noticed += [f"{name}: no file lies where its `path:` points" for name in _empty(workspace)]
    warned = [one for one in results if not one.is_passed and not one.blocks]
    return RunResult(
        run_id=workspace.run_id,
        version=version,
        status=status,
        checks=len(results),
        failed_checks=[f"{one.table}: {one.name}" for one in results if one.blocks],
        warnings=noticed + [f"{one.table}: {one.name}: {one.observed}" for one in warned],
        sources=loaded,
        unreachable={
            name: str(error) for name, error in workspace.notes.get("unreachable", {}).items()
        },
    )


def _not_read(workspace: "Workspace") -> list[str]:
    """Sentences about product pages that the last pass did not bring."""
    from ingest.crawl import noticed

    return [
        f"{source.name}: {told}"
        for source in workspace.company.sources
        if source.pages is not None and workspace.reads(source)
        for told in noticed(source, workspace.home)
    ]


def _empty(workspace: "Workspace") -> list[str]:
    """Names of the sources that were reached and never had a file."""
    return [
        source.name
        for source in workspace.company.sources
        if source.kind != KIND
        and source.name not in workspace.notes.get("unreachable", {})
        and workspace.reads(source)
        and not manifest(workspace.home, source.name)
    ]


def _was_interrupted(outcome: Any, seen: "Iterable[Workspace]") -> bool:
    """Whether it was Ctrl-C that ended the run: Dagster takes that for a failure."""
    from dagster._core.events import RunFailureReason

    if any(is_interrupt(error) for each in seen for error in each.notes.get("errors", [])):
        return True
    return any(
        event.is_job_failure
        and event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION
        for event in outcome.all_events
    )


def _failed(company: Company, workspace: "Workspace | None", outcome: Any) -> BaseException:
    """The error that the run ended with, in our words where it is one of ours."""
    if workspace is None:
        return TradewindError(
            what="the run could not start",
            next_step="see the run in `tradewind ui`, or its log above",
        )
    errors = workspace.notes.get("errors", [])
    error: BaseException | None = next(filter(None, map(_ours, errors)), None)
    root = workspace.home.root
    if not isinstance(error, DiskFull) and any(is_full_disk(each, root) for each in errors):
        error = disk_full(root)
    short = next(filter(is_out_of_memory, errors), None)
    if error is None and short is not None:
        error = out_of_memory(str(short))
    error = error or _refusal(workspace) or (errors[0] if errors else _unexplained(workspace))
    tell(company, workspace.home, JOB, workspace.run_id, str(error))
    return error


def _ours(error: BaseException | None) -> TradewindError | None:
    """The error of ours that caused another, if one did."""
    while error is not None and not isinstance(error, TradewindError):
        error = error.__cause__
    return error


def _refusal(workspace: "Workspace") -> RunRefused | None:
    """The refusal that follows from failed checks, with a sample of what failed; None without."""
    if not workspace.has_candidate:
        return None
    from orchestration.gates.results import of_run
    from orchestration.refusal import explained

    with workspace.connect() as connection:
        results = of_run(connection, workspace.run_id)
    if not any(one.blocks for one in results):
        return None
    result = _result(workspace, results, "refused", current_version(workspace.home))
    return RunRefused(result, explained(results, str(workspace.candidate.database)))


def _unexplained(workspace: "Workspace") -> TradewindError:
    return TradewindError(
        what=f"run {workspace.run_id} failed",
        where=str(workspace.home.dagster),
        next_step="see its log in `tradewind ui`",
    )

"""One run, from the command line: the same job as Dagster's `daily_refresh`, in this process.

Where nothing is new, neither Dagster nor dbt is imported: such a run costs less than a second.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ingest.company import Company, Source
from ingest.errors import DeliveryRefused, GateRefused, SourceUnreachable, TradewindError
from ingest.home import Home
from ingest.landing import land
from orchestration.alerts import TOLD, tell
from orchestration.changes import built_from, is_outdated
from orchestration.lock import Owner, writer_lock
from orchestration.versions import current_version

if TYPE_CHECKING:
    from orchestration.gates.results import CheckResult
    from orchestration.workspace import Workspace

Progress = Callable[[str], None]
JOB = "daily_refresh"
_SHOWN = 5
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
        status: published, nothing_new or refused.
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
        """0 published or nothing new, 1 refused, 3 a source was unreachable."""
        if self.status == "refused":
            return GateRefused.exit_code
        return SourceUnreachable.exit_code if self.unreachable else 0


class RunRefused(GateRefused):
    """Checks failed, and nothing was published. `result` says how the run ended."""

    def __init__(self, result: RunResult, details: list[str], where: str) -> None:
        failed = len(result.failed_checks)
        super().__init__(
            what=f"{failed} of {result.checks} checks failed; nothing was published\n"
            + "\n".join(details),
            where=where,
            expected="every blocking check to pass",
            next_step="mend the cause (`tradewind quarantine list`, the mapping, the model) and "
            "run again; readers keep the last version",
        )
        self.result = result


def run(
    company: Company,
    home: Home,
    only: str | None = None,
    full_refresh: bool = False,
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
        threads, memory_limit: Limits for DuckDB; None leaves its own.
        progress: Called with a sentence when a stage begins.

    Raises:
        RunRefused: A check failed.
        DeliveryRefused: A delivery cannot be taken.
        TradewindError: Something else that the message tells how to mend.
    """
    began = time.monotonic()
    say = progress or (lambda sentence: None)
    with writer_lock(home, on_wait=lambda owner: say(_waiting(owner))):
        say("Looking for new deliveries")
        unreachable = _land(company, home, only)
        built = built_from(company, home)
        waiting = built.pending if only is None else {only} & set(built.pending)
        if not (full_refresh or waiting or is_outdated(company, built)):
            result = RunResult(None, current_version(home), "nothing_new", unreachable=unreachable)
        else:
            options = {
                "only": only,
                "full_refresh": full_refresh,
                "threads": threads,
                "memory_limit": memory_limit,
            }
            result = _execute(company, home, options, progress)
    return replace(result, seconds=round(time.monotonic() - began, 3))


def _waiting(owner: Owner | None) -> str:
    return "Waiting for another run" + (f" (process {owner.pid})" if owner else "")


def _land(company: Company, home: Home, only: str | None) -> dict[str, str]:
    """Land what is new, so that what follows knows whether there is anything to do.

    A refusal is left to the run itself, which finds it again and keeps a record of it.
    """
    unreachable = {}
    for source in _chosen(company, only):
        try:
            land(source, company, home)
        except SourceUnreachable as error:
            unreachable[source.name] = str(error)
        except DeliveryRefused:
            continue
    return unreachable


def _chosen(company: Company, only: str | None) -> list[Source]:
    return [company.source(only)] if only else list(company.sources)


def _execute(
    company: Company, home: Home, options: dict[str, Any], progress: Progress | None
) -> RunResult:
    if progress is not None:
        progress("Starting Dagster and dbt")
    from orchestration.build import build_defs
    from orchestration.instance import open_instance

    seen: list[Workspace] = []

    def watch(workspace: "Workspace") -> None:
        workspace.progress = progress
        seen.append(workspace)

    job = build_defs(company, home, watch=watch).resolve_job_def(JOB)
    with open_instance(home) as instance:
        outcome = job.execute_in_process(
            instance=instance,
            run_id=str(uuid.uuid4()),
            run_config={"resources": {"workspace": {"config": options}}, "loggers": _QUIET},
            raise_on_error=False,
            tags={TOLD: "by the command line"},
        )
    if outcome.success:
        return _published(seen[0])
    raise _failed(company, seen[0] if seen else None, outcome)


def _published(workspace: "Workspace") -> RunResult:
    results: list[CheckResult] = workspace.notes["results"]
    return _result(workspace, results, "published", workspace.notes["version"])


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


def _failed(company: Company, workspace: "Workspace | None", outcome: Any) -> BaseException:
    """The error that the run ended with, in our words where it is one of ours."""
    if workspace is None:
        return TradewindError(
            what="the run could not start",
            next_step="see the run in `tradewind ui`, or its log above",
        )
    errors = workspace.notes.get("errors", [])
    error = next(filter(None, map(_ours, errors)), None) or _refusal(workspace)
    error = error or (errors[0] if errors else _unexplained(workspace))
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

    with workspace.connect() as connection:
        results = of_run(connection, workspace.run_id)
    failed = [one for one in results if one.blocks]
    if not failed:
        return None
    result = _result(workspace, results, "refused", current_version(workspace.home))
    details = [_described(one) for one in failed[:_SHOWN]]
    return RunRefused(result, details, str(workspace.candidate.database))


def _described(check: "CheckResult") -> str:
    sample = f"\n    such as {dict(check.sample[0])}" if check.sample else ""
    return f"  {check.table}: {check.name}: {check.observed}; expected {check.expected}{sample}"


def _unexplained(workspace: "Workspace") -> TradewindError:
    return TradewindError(
        what=f"run {workspace.run_id} failed",
        where=str(workspace.home.dagster),
        next_step="see its log in `tradewind ui`",
    )

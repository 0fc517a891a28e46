"""Sensors: a run starts when a new file lands, and somebody is told when a run fails."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from ingest.company import Company
from ingest.home import Home
from orchestration.alerts import TOLD, tell
from orchestration.changes import signature, unlanded
from orchestration.instance import end_dead_runs
from orchestration.jobs import DAILY, PRICE_ENTITIES, PRICES
from orchestration.refusal import of_ended_run

NEW_FILES = "new_deliveries"
FAILED = "run_failed"
# the files that a run was started for
FILES = "tradewind/files"
ATTEMPTS = 5
"""How many runs are started for the same files, where each fails before it has landed them."""
_FIRST_WAIT = timedelta(minutes=5)
_SECONDS = 60


def sensors(company: Company, home: Home, all_jobs: Sequence[Any]) -> list[dg.SensorDefinition]:
    """The sensor for new files, and the one for failed runs."""
    return [_new_deliveries(company, home, all_jobs), _run_failed(company, home)]


def _new_deliveries(company: Company, home: Home, all_jobs: Sequence[Any]) -> dg.SensorDefinition:
    wanted = [job for job in all_jobs if job.name in {DAILY, PRICES}]

    @dg.sensor(
        name=NEW_FILES,
        jobs=wanted,
        minimum_interval_seconds=_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a run when a source has files that were not landed yet.",
    )
    def new_deliveries(
        context: dg.SensorEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        end_dead_runs(home, context.instance)
        found = unlanded(company, home)
        if not found:
            yield dg.SkipReason("no source has a file that was not landed yet")
            return
        seen = signature(found)
        runs = _runs_for(context.instance, seen)
        if seen == context.cursor and (reason := _why_not_again(runs)):
            yield dg.SkipReason(reason)
            return
        context.update_cursor(seen)
        yield dg.RunRequest(
            # a key that was used starts nothing
            run_key=f"{seen}/{len(runs)}" if runs else seen,
            job_name=_job_for(company, {each.source for each in found}),
            tags={FILES: seen},
        )

    return new_deliveries


def _runs_for(instance: dg.DagsterInstance, seen: str) -> Sequence[Any]:
    """The runs that were started for a set of files, the last one first."""
    return instance.get_run_records(dg.RunsFilter(tags={FILES: seen}))


def _why_not_again(runs: Sequence[Any]) -> str | None:
    """Why files that a run was started for, and that have not landed, get no other; else None."""
    if not runs or runs[0].dagster_run.status != dg.DagsterRunStatus.FAILURE:
        return "a run for these files was started already"
    if len(runs) >= ATTEMPTS:
        return f"{len(runs)} runs for these files have failed: see to them, then start one"
    wait = _FIRST_WAIT * 2 ** (len(runs) - 1)
    if datetime.now(UTC) - runs[0].update_timestamp < wait:
        return f"a run for these files failed: another one starts {wait} after it"
    return None


def _job_for(company: Company, sources: set[str]) -> str:
    entities = {company.source(name).entity for name in sources}
    return PRICES if entities <= set(PRICE_ENTITIES) else DAILY


def _run_failed(company: Company, home: Home) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name=FAILED,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Writes a failed run to the log and calls the webhook, if one is configured.",
    )
    def run_failed(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        if TOLD in run.tags:
            return
        refused = of_ended_run(home, run.run_id)
        message = str(refused) if refused else why_it_failed(context)
        context.log.error(message)
        tell(company, home, run.job_name, run.run_id, message)

    return run_failed


def why_it_failed(context: dg.RunFailureSensorContext) -> str:
    """What the failed steps raised: "Steps failed" alone does not say what to do."""
    errors = [event.step_failure_data.error for event in context.get_step_failure_events()]
    raised = [error.cause or error for error in errors if error is not None]
    told = [error.message.strip() for error in raised]
    return "\n".join(told) or context.failure_event.message or "failed"

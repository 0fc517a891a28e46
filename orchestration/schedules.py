"""When the jobs run: in the company's time zone, and only where there is something to do."""

from collections.abc import Callable

import dagster as dg

from ingest.company import Company
from ingest.home import Home
from orchestration.changes import unpublished
from orchestration.jobs import DAILY, MONTHLY, PRICE_ENTITIES, PRICES
from orchestration.versions import versions

CRONS = {DAILY: "0 6 * * *", PRICES: "0 */4 * * *", MONTHLY: "0 7 2 * *"}

Reason = Callable[[dg.ScheduleEvaluationContext], str | None]


def schedules(company: Company, home: Home) -> list[dg.ScheduleDefinition]:
    """A schedule a job; `schedules:` in the company file overrides when."""
    nothing_new: dict[str, Reason] = {
        DAILY: lambda context: _nothing_new(company, home, ()),
        PRICES: lambda context: _nothing_new(company, home, PRICE_ENTITIES),
        MONTHLY: lambda context: _reviewed_already(context, company, home),
    }
    return [_schedule(company, job, reason) for job, reason in nothing_new.items()]


def _schedule(company: Company, job: str, reason: Reason) -> dg.ScheduleDefinition:
    overridden = {str(name): cron for name, cron in company.schedules.items()}

    @dg.schedule(
        name=f"{job}_schedule",
        job_name=job,
        cron_schedule=overridden.get(job, CRONS[job]),
        execution_timezone=company.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def scheduled(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        skipped = reason(context)
        if skipped is not None:
            return dg.SkipReason(skipped)
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())

    return scheduled


def _nothing_new(company: Company, home: Home, entities: tuple[str, ...]) -> str | None:
    if unpublished(company, home, entities):
        return None
    about = f" of {' and '.join(entities)}" if entities else ""
    return f"nothing new{about} since the last published version"


def _reviewed_already(
    context: dg.ScheduleEvaluationContext, company: Company, home: Home
) -> str | None:
    """A review rebuilds everything: in vain where nothing was published since the last."""
    if unpublished(company, home):
        return None
    done = context.instance.get_run_records(
        dg.RunsFilter(job_name=MONTHLY, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1
    )
    published = versions(home)
    if not published:
        return "nothing is published and nothing is delivered yet"
    if done and done[0].dagster_run.run_id == published[0].run_id:
        return "nothing was delivered or published since the last review"
    return None

"""The two gates of a run: after loading, and after building.

The suites are Python's work, so that DuckDB reconciles the layers meanwhile.
"""

from typing import TYPE_CHECKING

from ingest.specification import ENTITIES
from orchestration.background import beside
from orchestration.export import export_early
from orchestration.gates import (
    deliveries,
    double_counts,
    marts,
    own_firm,
    reconciliation,
    row_rules,
)
from orchestration.gates.judgement import refuse
from orchestration.gates.results import CheckResult, record

if TYPE_CHECKING:
    import duckdb

    from orchestration.workspace import Workspace


def judge_deliveries(workspace: "Workspace") -> list[CheckResult]:
    """Judge what this run loaded: row rules, delivery profiles, delivered = raw + quarantined."""
    workspace.say("Judging the deliveries")

    def reconcile(connection: "duckdb.DuckDBPyConnection") -> list[CheckResult]:
        return reconciliation.delivered(connection, tuple(ENTITIES))

    with (
        workspace.connect() as connection,
        beside(workspace.connect, reconcile) as reconciled,
    ):
        frames = deliveries.frames(connection, workspace.company, workspace.run_id)
        results = [
            *row_rules.results(connection, workspace.run_id),
            *workspace.gate_session.judge(frames),
            *reconciled(),
        ]
        record(connection, workspace.run_id, results)
    return _refuse_if_failed(workspace, results)


def judge_marts(workspace: "Workspace") -> list[CheckResult]:
    """Judge what was built: suites on marts, raw = core = marts, what the market is added up from.

    The Parquet files that publishing needs are written beside the suites as well.
    """
    workspace.say("Judging the marts")

    def export(connection: "duckdb.DuckDBPyConnection") -> None:
        workspace.notes["exported"] = export_early(connection, workspace.candidate)

    with workspace.connect() as connection:
        # the suites wait for this: nothing else is asked meanwhile
        frames = marts.frames(connection)
        with (
            beside(workspace.connect, reconciliation.layers) as reconciled,
            beside(workspace.connect, export),
        ):
            judged = workspace.gate_session.judge(frames)
            results = [
                *marts.with_failing_rows(connection, frames, judged),
                *reconciled(),
                *double_counts.result(connection),
                *own_firm.result(connection),
            ]
            record(connection, workspace.run_id, results)
    return _refuse_if_failed(workspace, results)


def _refuse_if_failed(workspace: "Workspace", results: list[CheckResult]) -> list[CheckResult]:
    if any(result.blocks for result in results):
        refuse(workspace)
    return results

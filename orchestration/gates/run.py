"""The two gates of a run: after loading, and after building."""

from typing import TYPE_CHECKING

from ingest.specification import ENTITIES
from orchestration.gates import deliveries, double_counts, marts, reconciliation, row_rules
from orchestration.gates.judgement import refuse
from orchestration.gates.results import CheckResult, record

if TYPE_CHECKING:
    from orchestration.workspace import Workspace


def judge_deliveries(workspace: "Workspace") -> list[CheckResult]:
    """Judge what this run loaded: row rules, delivery profiles, delivered = raw + quarantined."""
    workspace.say("Judging the deliveries")
    with workspace.connect() as connection:
        frames = deliveries.frames(connection, workspace.company, workspace.run_id)
        results = [
            *row_rules.results(connection, workspace.run_id),
            *workspace.gate_session.judge(frames),
            *reconciliation.delivered(connection, tuple(ENTITIES)),
        ]
        record(connection, workspace.run_id, results)
    return _refuse_if_failed(workspace, results)


def judge_marts(workspace: "Workspace") -> list[CheckResult]:
    """Judge what was built: the suites on marts, raw = core = marts, no double counts."""
    workspace.say("Judging the marts")
    with workspace.connect() as connection:
        frames = marts.frames(connection)
        judged = workspace.gate_session.judge(frames)
        results = [
            *marts.with_failing_rows(connection, frames, judged),
            *reconciliation.layers(connection),
            *double_counts.result(connection),
        ]
        record(connection, workspace.run_id, results)
    return _refuse_if_failed(workspace, results)


def _refuse_if_failed(workspace: "Workspace", results: list[CheckResult]) -> list[CheckResult]:
    if any(result.blocks for result in results):
        refuse(workspace)
    return results

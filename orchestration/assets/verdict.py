"""The verdict on a candidate, and the published warehouse: the last two assets of every run."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from orchestration.gates.judgement import judge
from orchestration.publish import publish
from orchestration.reports import keep_for
from orchestration.versions import current_version
from orchestration.workspace import Workspace

VERDICT_KEY = dg.AssetKey(["audit", "verdict"])
PUBLISHED_KEY = dg.AssetKey(["published_warehouse"])
PASSED = "candidate_passed"


def verdict_asset(
    upstream: Iterable[dg.AssetKey], manifest: Mapping[str, Any]
) -> dg.AssetsDefinition:
    """The judgement of exactly what the candidate holds, from all checks of the run."""

    @dg.asset(
        key=VERDICT_KEY,
        deps=list(upstream),
        group_name="audit",
        kinds={"duckdb"},
        owners=["team:analytics"],
        description="Whether the candidate may be published, bound to its content by BLAKE3.",
        check_specs=[
            dg.AssetCheckSpec(
                PASSED,
                asset=VERDICT_KEY,
                blocking=True,
                description="All checks that this content needs were made, and none failed.",
            )
        ],
        required_resource_keys={"workspace"},
    )
    def verdict(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
        workspace: Workspace = context.resources.workspace
        passed, metadata = _judge(workspace, manifest)
        yield dg.MaterializeResult(metadata=metadata)
        yield dg.AssetCheckResult(
            check_name=PASSED,
            passed=passed,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"failed": metadata["failed"]},
        )

    return verdict


def _judge(workspace: Workspace, manifest: Mapping[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Judge the run's candidate; alone in a run, where nothing was built, nothing failed."""
    if not workspace.has_candidate:
        return True, {"judged": "nothing: this run built nothing", "failed": []}
    workspace.say("Judging the candidate")
    judged = judge(workspace, manifest)
    return judged.passed, {
        "checks": judged.checks,
        "failed": judged.failed,
        "blake3": judged.blake3,
        "candidate": dg.MetadataValue.path(str(workspace.candidate.database)),
    }


def published_asset() -> dg.AssetsDefinition:
    """What readers open. Only a candidate with a passing verdict on its content becomes it."""

    @dg.asset(
        key=PUBLISHED_KEY,
        deps=[VERDICT_KEY],
        group_name="published",
        kinds={"duckdb", "parquet"},
        owners=["team:analytics"],
        description="The version that readers see, and its marts as Parquet files.",
        required_resource_keys={"workspace"},
    )
    def published_warehouse(
        context: dg.AssetExecutionContext,
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        return dg.MaterializeResult(metadata=_publish(context.resources.workspace))

    return published_warehouse


def _publish(workspace: Workspace) -> dict[str, Any]:
    """Publish the run's candidate; alone in a run, where nothing was built, there is nothing to.

    Raises:
        GateRefused: the candidate was not judged, failed, or changed since.
    """
    if not workspace.has_candidate:
        version = current_version(workspace.home) or "none yet"
        return {"published": "nothing: this run built nothing", "version": version}
    workspace.say("Publishing")
    done = publish(
        workspace.home,
        workspace.candidate,
        exported=workspace.notes.get("exported"),
        headline=workspace.notes.get("headline"),
    )
    workspace.notes["version"] = done.version
    return {
        "version": done.version,
        "database": dg.MetadataValue.path(str(done.database)),
        "parquet_files": len(done.parquet),
        "report": dg.MetadataValue.path(
            str(keep_for(workspace.home, workspace.run_id, done.version))
        ),
    }

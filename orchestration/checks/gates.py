"""The blocking asset checks of deliveries, of marts and of the way between the layers.

Each step runs a whole gate: single checks can be chosen to be shown, the gate is judged as one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import dagster as dg

from orchestration.gates.double_counts import TABLE as MARKET_FIGURES
from orchestration.gates.reconciliation import reconciled
from orchestration.gates.results import CheckResult
from orchestration.gates.run import judge_deliveries, judge_marts
from orchestration.preview import markdown
from orchestration.workspace import Workspace

Gate = Callable[[Workspace], Sequence[CheckResult]]
_NAMES = {
    "great_expectations": "Great Expectations judges what DuckDB aggregated.",
    "reconciliation": "Nothing is lost, added or counted twice on the way here.",
    "row_rule": "Rows that break a rule are set aside, with the reason.",
}


def delivery_checks(raw_keys: Iterable[dg.AssetKey]) -> dg.AssetChecksDefinition:
    """What was delivered: row rules, profiles against the source's history, nothing lost."""
    kinds = ("row_rule", "great_expectations", "reconciliation")
    specs = [_spec(key, kind) for key in raw_keys for kind in kinds]
    late = _spec(dg.AssetKey(["audit", "deliveries"]), "great_expectations")
    return _gate("judge_deliveries", [*specs, late], judge_deliveries)


def mart_checks(marts: Iterable[dg.AssetKey]) -> dg.AssetChecksDefinition:
    """What readers would see: the suites on marts, and raw = core = marts to the cent."""
    suites = [_spec(key, "great_expectations") for key in marts]
    layers = [
        _spec(dg.AssetKey(table.split(".")), "reconciliation")
        for table in (*reconciled(), MARKET_FIGURES)
    ]
    return _gate("judge_marts", [*suites, *layers], judge_marts)


def _spec(key: dg.AssetKey, kind: str) -> dg.AssetCheckSpec:
    # blocking, as far as the failure is an error: rows that a rule set aside only warn
    return dg.AssetCheckSpec(kind, asset=key, blocking=True, description=_NAMES[kind])


def _gate(name: str, specs: Sequence[dg.AssetCheckSpec], gate: Gate) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=name, specs=specs, can_subset=True, required_resource_keys={"workspace"}
    )
    def judged(context: dg.AssetCheckExecutionContext):  # type: ignore[no-untyped-def]
        results = gate(context.resources.workspace)
        chosen = context.op_execution_context.selected_asset_check_keys
        yield from _as_dagster(results, chosen)

    return judged


def _as_dagster(
    results: Sequence[CheckResult], chosen: Iterable[dg.AssetCheckKey]
) -> Iterator[dg.AssetCheckResult]:
    for key in sorted(chosen, key=lambda each: (each.asset_key, each.name)):
        table = ".".join(key.asset_key.path)
        mine = [each for each in results if (each.table, each.kind) == (table, key.name)]
        failed = [each for each in mine if not each.is_passed]
        blocks = any(each.blocks for each in failed)
        yield dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=not failed,
            severity=dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN,
            description=f"{len(mine)} checks, {len(failed)} failed",
            metadata=_evidence(failed),
        )


def _evidence(failed: Iterable[CheckResult]) -> Mapping[str, dg.MetadataValue]:
    """Expected, observed and the failing rows' sample of each failed check."""
    return {
        each.name.replace(".", "_"): dg.MetadataValue.md(
            f"expected: {each.expected}\n\nobserved: {each.observed}\n\n"
            + (markdown(each.sample, list(each.sample[0])) if each.sample else "")
        )
        for each in failed
    }

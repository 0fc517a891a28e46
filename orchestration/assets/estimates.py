"""What estimators find out about customers, between two layers of models.

The step reads the cells that the intermediate models made, and leaves tables that marts join.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration.assets.sources import owners_of
from orchestration.customer_estimates import READ, Estimated, estimate
from orchestration.gates.results import record
from orchestration.workspace import Workspace

FITS_KEY = dg.AssetKey(["estimates", "customer_fits"])
SCORES_KEY = dg.AssetKey(["estimates", "customer_scores"])
_DESCRIPTIONS = {
    FITS_KEY: "The fits that customers are scored with; every fit ever made is in audit.fits.",
    SCORES_KEY: "Every customer with a purchase: alive or not, and what is to be expected.",
}


def estimate_assets() -> dg.AssetsDefinition:
    """The step that fits the models of customers where they changed, and scores them."""

    @dg.multi_asset(
        name="estimate_customers",
        specs=[
            dg.AssetSpec(
                key,
                skippable=True,
                deps=[dg.AssetKey(list(table.split("."))) for table in READ],
                group_name="estimates",
                kinds={"python", "duckdb"},
                owners=owners_of("analytics"),
                description=description,
            )
            for key, description in _DESCRIPTIONS.items()
        ],
        can_subset=True,
        required_resource_keys={"workspace"},
    )
    def estimate_customers(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
        done = _estimate(context.resources.workspace)
        for key in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=key, metadata=_metadata(done))

    return estimate_customers


def _estimate(workspace: Workspace) -> Estimated:
    """Estimate on what the candidate holds; nothing where the models were never built."""
    early = workspace.notes.pop("early_estimates", None)
    done: Estimated | None = early.wait() if early is not None else None
    with workspace.connect() as connection:
        if done is None:
            done = estimate(
                connection, workspace.company.customer_value, workspace.full_refresh, workspace.say
            )
        record(connection, workspace.run_id, done.checks)
    tables = {".".join(key.path) for key in _DESCRIPTIONS}
    workspace.notes.setdefault("built", set()).update(tables)
    return done


def _metadata(done: Estimated) -> Mapping[str, Any]:
    return {
        "fits_made": done.fits,
        "customers_scored": done.customers,
        "warnings": [check.observed for check in done.checks if not check.is_passed],
    }

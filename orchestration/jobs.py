"""The jobs: which part of the graph they build. All end in the verdict and the publication."""

from typing import Any

import dagster as dg

from ingest.company import Company
from orchestration.assets.raw import raw_key
from orchestration.assets.sources import source_key

DAILY, PRICES, MONTHLY = "daily_refresh", "price_sweep", "monthly_review"
PRICE_ENTITIES = ("competitor_prices", "product_matches")
ERRORS = "errors"
_FULL_REFRESH = {"resources": {"workspace": {"config": {"full_refresh": True}}}}


@dg.failure_hook(name="keep_error", required_resource_keys={"workspace"})
def keep_error(context: dg.HookContext) -> None:
    """Leave the error of a failed step, as it was raised, for whoever started the run."""
    if context.op_exception is not None:
        context.resources.workspace.notes.setdefault(ERRORS, []).append(context.op_exception)


def jobs(company: Company) -> list[Any]:
    """The three jobs of a company."""
    return [_daily_refresh(), _price_sweep(company), _monthly_review()]


def _daily_refresh() -> Any:
    return dg.define_asset_job(
        DAILY,
        selection=dg.AssetSelection.all(),
        hooks={keep_error},
        description="Land everything, build what changed, judge it and publish it.",
    )


def _price_sweep(company: Company) -> Any:
    raw = dg.AssetSelection.assets(*[raw_key(entity) for entity in PRICE_ENTITIES])
    return dg.define_asset_job(
        PRICES,
        selection=raw.downstream() | price_sources(company),
        hooks={keep_error},
        description="Land competitors' prices and bring what hangs on them up to date.",
    )


def price_sources(company: Company) -> dg.AssetSelection:
    """The sources that a price sweep lands."""
    keys = [source_key(each) for each in company.sources if each.entity in PRICE_ENTITIES]
    return dg.AssetSelection.assets(*keys)


def _monthly_review() -> Any:
    return dg.define_asset_job(
        MONTHLY,
        selection=dg.AssetSelection.all(),
        config=_FULL_REFRESH,
        hooks={keep_error},
        description="Everything built anew from the raw layer: no month rests on increments.",
    )

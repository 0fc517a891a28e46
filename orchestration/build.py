"""Puts the parts together: `build_defs` is the one place where the graph is assembled.

Orchestration assembles, it does not compute: assets are in `assets`, checks in `checks`, and
what they do in plain functions.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from ingest.company import Company, load_company
from ingest.home import Home
from orchestration import dbt_runner, demo
from orchestration.assets.estimates import estimate_assets
from orchestration.assets.models import Translator, model_assets
from orchestration.assets.raw import raw_key, raw_tables
from orchestration.assets.sources import source_assets
from orchestration.assets.verdict import published_asset, verdict_asset
from orchestration.checks.gates import delivery_checks, mart_checks
from orchestration.jobs import jobs
from orchestration.resources import Watcher, workspace_resource
from orchestration.schedules import schedules
from orchestration.sensors import sensors


def build_defs(
    company_path: Company | Path | None = None,
    home: Home | Path | None = None,
    *,
    manifest: dict[str, Any] | None = None,
    resources: Mapping[str, Any] | None = None,
    watch: Watcher | None = None,
) -> dg.Definitions:
    """All definitions for one company.

    Args:
        company_path: The company file, or what was read from it; default
            `$TRADEWIND_COMPANY`, else the demo.
        home: Where state lives; default as the command line finds it.
        manifest: The models' manifest; prepared (once for each state of the code) if left out.
        resources: Replace or add resources by key.
        watch: Called with the workspace of each run, as it begins.

    Raises:
        CompanyFileError: The company file is wrong; with every problem in it.
        ModelsFailed: The dbt project cannot be parsed.
    """
    given = company_path or default_company()
    company = given if isinstance(given, Company) else load_company(given)
    state = home if isinstance(home, Home) else Home.for_company(company.path, home)
    return _assemble(
        company,
        state,
        manifest or dbt_runner.prepare(state).manifest(),
        {"workspace": workspace_resource(company, state, watch), **(resources or {})},
    )


def default_company() -> Path:
    """The company file that is meant where none is named."""
    return Path(os.environ.get("TRADEWIND_COMPANY") or demo.COMPANY)


def _assemble(
    company: Company, home: Home, manifest: dict[str, Any], resources: Mapping[str, Any]
) -> dg.Definitions:
    translator = Translator()
    read = [translator.get_asset_key(source) for source in manifest["sources"].values()]
    estimates = estimate_assets()
    raw = raw_tables(company, set(read) - estimates.keys)
    models = model_assets(manifest)
    tables = {key for part in models for key in part.keys}
    marts = sorted(key for key in tables if key.path[0] == "marts")
    delivered = sorted({source.entity for source in company.sources})
    verdict = verdict_asset([*raw.keys, *tables, *estimates.keys], manifest)
    all_jobs = jobs(company)
    return dg.Definitions(
        assets=[*source_assets(company), raw, *models, estimates, verdict, published_asset()],
        asset_checks=[
            delivery_checks([raw_key(entity) for entity in delivered]),
            mart_checks(marts),
        ],
        jobs=all_jobs,
        schedules=schedules(company, home),
        sensors=sensors(company, home, all_jobs),
        resources=dict(resources),
        executor=dg.in_process_executor,
    )

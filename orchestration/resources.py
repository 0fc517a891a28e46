"""Dagster resources: the workspace of a run, which holds the writers' lock while the run lasts.

What to do with it belongs in the assets; what it is made of, in `workspace`.
"""

from collections.abc import Callable, Iterator

import dagster as dg

from ingest.company import Company
from ingest.home import Home
from orchestration.changes import built_from, is_outdated
from orchestration.dead_objects import collect_rarely
from orchestration.demo import world_of
from orchestration.lock import writer_lock
from orchestration.workspace import Workspace

Watcher = Callable[[Workspace], None]

RUN_CONFIG_SCHEMA = {
    "full_refresh": dg.Field(
        bool, default_value=False, description="Build every model anew, incremental ones too."
    ),
    "only": dg.Field(
        dg.Noneable(str), default_value=None, description="Land and load this source only."
    ),
    "replay": dg.Field(
        bool, default_value=False, description="Load deliveries with quarantined rows anew."
    ),
    "threads": dg.Field(dg.Noneable(int), default_value=None, description="DuckDB's threads."),
    "memory_limit": dg.Field(
        dg.Noneable(str), default_value=None, description="DuckDB's memory limit, such as 4GB."
    ),
}


def workspace_resource(
    company: Company, home: Home, watch: Watcher | None = None
) -> dg.ResourceDefinition:
    """The workspace of a run: made under the lock when it begins, unlocked when it ends.

    Args:
        company: The company that is run.
        home: Where its state lives.
        watch: Called with the workspace of each run, as it begins.
    """

    @dg.resource(config_schema=RUN_CONFIG_SCHEMA, description="The candidate of this run.")
    def workspace(init_context: dg.InitResourceContext) -> Iterator[Workspace]:
        collect_rarely()
        with writer_lock(home), world_of(company.path):
            run = Workspace(
                company, home, init_context.run_id or "adhoc", **init_context.resource_config
            )
            # what an older company file or older code built is not built upon
            run.full_refresh |= is_outdated(company, built_from(company, home))
            if watch is not None:
                watch(run)
            with run.staying_open():
                yield run

    return workspace

"""dbt's models and data tests, run by the SQL that they were compiled to before.

The SQL of a model or a test that is not built by months follows from the project alone.
Rendering the Jinja of some hundreds of them again, and that of the materialization around a test,
cost a run more than the queries. Everything else stays dbt's: order, threads, skipping,
thresholds, results and events.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dbt.node_types import NodeType
from dbt.task.build import BuildTask
from dbt.task.run import ModelRunner
from dbt.task.test import TestResultData, TestRunner

from orchestration.gates.dbt_tests import IS_TESTED, is_by_month

# macros that ask the database, or what dbt was asked to do, while a node is compiled
ASKING = frozenset(
    {
        "macro.dbt.run_query",
        "macro.dbt.statement",
        "macro.dbt.should_full_refresh",
        "macro.tradewind.is_incremental",
    }
)


def is_fixed(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Whether the SQL of a node follows from the project alone: no macro that it calls asks."""
    # a generic test names all macros that it might call
    not_called = set[str]() if is_by_month(node) else {IS_TESTED}
    queue, seen = list(node["depends_on"]["macros"]), not_called
    while queue:
        name = queue.pop()
        if name in ASKING:
            return False
        if name not in seen:
            seen.add(name)
            queue += manifest["macros"][name]["depends_on"]["macros"]
    return True


@contextmanager
def used(known: Mapping[str, str]) -> Iterator[None]:
    """While this lasts, `dbt build` runs the nodes whose SQL is known by that.

    Args:
        known: The compiled SQL of models and tests, by dbt's id; the rest is compiled as always.
    """
    before = BuildTask.RUNNER_MAP

    class Model(_KnownModelRunner):
        compiled_sql = known

    class Test(_KnownTestRunner):
        compiled_sql = known

    BuildTask.RUNNER_MAP = {**before, NodeType.Model: Model, NodeType.Test: Test}
    try:
        yield
    finally:
        BuildTask.RUNNER_MAP = before


class _Known:
    """What both kinds of runners share: a node that is compiled already is not compiled again."""

    compiled_sql: Mapping[str, str] = {}
    node: Any

    def compile(self, manifest: Any) -> Any:
        """The node with its SQL."""
        known = self.compiled_sql.get(self.node.unique_id)
        if known is None:
            return super().compile(manifest)  # type: ignore[misc]
        self.node.compiled_code = known
        self.node.compiled = self.node.extra_ctes_injected = True
        return self.node


class _KnownModelRunner(_Known, ModelRunner):
    pass


class _KnownTestRunner(_Known, TestRunner):
    def execute_data_test(self, data_test: Any, manifest: Any) -> Any:
        """Count the failing rows, as dbt's own materialization of tests does."""
        config = data_test.config
        stored = config.store_failures or config.store_failures_as
        if config.limit or stored or data_test.unique_id not in self.compiled_sql:
            return super().execute_data_test(data_test, manifest)
        count = config.fail_calc
        response, table = self.adapter.execute(
            f"select {count} as failures, {count} {config.warn_if} as should_warn,\n"
            f"    {count} {config.error_if} as should_error\n"
            f"from (\n{data_test.compiled_code}\n) as failing",
            fetch=True,
        )
        [(failures, should_warn, should_error)] = [tuple(row) for row in table.rows]
        return TestResultData(
            failures=int(failures or 0),
            should_warn=bool(should_warn),
            should_error=bool(should_error),
            adapter_response=response.to_dict(omit_none=True),
        )

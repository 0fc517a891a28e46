"""dbt's data tests, run by the SQL that they were compiled to before.

A test's SQL follows from the project alone, and there are some hundreds of them: rendering the
Jinja of each again, and that of the materialization around it, cost a run more than the queries.
Everything else stays dbt's: order, threads, skipping, thresholds, results and events.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dbt.node_types import NodeType
from dbt.task.build import BuildTask
from dbt.task.test import TestResultData, TestRunner


@contextmanager
def used(known: Mapping[str, str]) -> Iterator[None]:
    """While this lasts, `dbt build` runs the tests whose SQL is known by that.

    Args:
        known: The compiled SQL of tests, by dbt's id; the rest is compiled as always.
    """
    before = BuildTask.RUNNER_MAP

    class Runner(_KnownTestRunner):
        compiled_sql = known

    BuildTask.RUNNER_MAP = {**before, NodeType.Test: Runner}
    try:
        yield
    finally:
        BuildTask.RUNNER_MAP = before


class _KnownTestRunner(TestRunner):
    compiled_sql: Mapping[str, str] = {}

    def compile(self, manifest: Any) -> Any:
        """The node with its SQL."""
        known = self.compiled_sql.get(self.node.unique_id)
        if known is None:
            return super().compile(manifest)
        self.node.compiled_code = known
        self.node.compiled = self.node.extra_ctes_injected = True
        return self.node

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

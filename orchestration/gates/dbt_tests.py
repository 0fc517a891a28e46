"""dbt's tests as check results, with the rows that made them fail."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.sql import named_rows
from orchestration.dbt_runner import NodeResult
from orchestration.gates.results import SAMPLE_ROWS, CheckResult, record

if TYPE_CHECKING:
    import duckdb

_NOT_RUN = frozenset({"skipped", "no-op"})
# the macro by which a test looks at the months that were built
IS_TESTED = "macro.tradewind.is_tested"


@dataclass(frozen=True)
class Judged:
    """A test's result and, where it failed, the first failing rows as a Markdown table."""

    result: CheckResult
    sample: str


def judge_tests(
    connection: "duckdb.DuckDBPyConnection",
    run_id: str,
    manifest: Mapping[str, Any],
    results: Iterable[NodeResult],
) -> dict[str, Judged]:
    """Write the results of dbt's tests to `audit.checks` and return them by dbt's id."""
    tests = [result for result in results if result.unique_id.startswith("test.")]
    built = _built_months(connection)
    judged = {
        test.unique_id: _judge(connection, manifest, test, built)
        for test in tests
        if test.status not in _NOT_RUN
    }
    record(connection, run_id, [one.result for one in judged.values()])
    return judged


def is_by_month(node: Mapping[str, Any]) -> bool:
    """Whether a node is a test of the months that were built."""
    generic = node.get("test_metadata")
    return "by_month" in generic["kwargs"] if generic else IS_TESTED in node["depends_on"]["macros"]


def expected_tests(manifest: Mapping[str, Any], built: Iterable[str]) -> dict[str, str]:
    """Names of the tests that must have run when some tables (`schema.table`) were built.

    Returns:
        The table that each test belongs to, by the test's name.
    """
    tables = set(built)
    expected: dict[str, str] = {}
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test":
            read = [table_of(manifest, name) for name in node["depends_on"]["nodes"]]
            if tables & set(read):
                expected[node["name"]] = owner_of(manifest, node)
    return expected


def owner_of(manifest: Mapping[str, Any], test: Mapping[str, Any]) -> str:
    """The table that a test is about: what it is written under, else the last that it reads."""
    read = test["depends_on"]["nodes"]
    sources = [name for name in read if name.startswith("source.")]
    if test.get("attached_node"):
        return table_of(manifest, test["attached_node"])
    if sources and test["name"].startswith("source_"):
        return table_of(manifest, sources[0])
    return table_of(manifest, read[-1]) if read else str(test["name"])


def table_of(manifest: Mapping[str, Any], unique_id: str) -> str:
    """`schema.table` of a model, seed or source."""
    node = manifest["nodes"].get(unique_id) or manifest["sources"].get(unique_id)
    if node is None:
        return unique_id
    return f"{node['schema']}.{node.get('alias') or node.get('identifier')}"


def tables_of(manifest: Mapping[str, Any], unique_ids: Iterable[str]) -> list[str]:
    """`schema.table` of the models and seeds among some nodes."""
    return [
        table_of(manifest, unique_id)
        for unique_id in unique_ids
        if unique_id.partition(".")[0] in {"model", "seed"}
    ]


def _judge(
    connection: "duckdb.DuckDBPyConnection",
    manifest: Mapping[str, Any],
    test: NodeResult,
    built: Mapping[str, list[str | None]] | None,
) -> Judged:
    from orchestration.preview import markdown

    node = manifest["nodes"][test.unique_id]
    is_passed = test.status == "pass"
    rows = [] if is_passed else _failing_rows(connection, test)
    result = CheckResult(
        name=node["name"],
        table=owner_of(manifest, node),
        kind="dbt_test",
        is_passed=is_passed,
        severity="warn" if test.status == "warn" else "error",
        observed=_observed(test) + _within(manifest, node, built),
        expected=node["description"],
        failing_rows=test.failures or 0,
        sample=rows,
    )
    return Judged(result, markdown(rows, list(rows[0])) if rows else "")


def _observed(test: NodeResult) -> str:
    """How many rows failed; where the query itself did, what the database said."""
    failing = test.failures or 0
    if test.status == "error" and test.message:
        return test.message
    return f"{failing} failing row{'' if failing == 1 else 's'}"


def _built_months(connection: "duckdb.DuckDBPyConnection") -> dict[str, list[str | None]] | None:
    """The months that were built, by table, None being all; without the list, all is tested."""
    listed = connection.execute(
        "select 1 from duckdb_tables() where schema_name = 'audit' and table_name = 'built_months' "
        "and database_name = current_database()"
    ).fetchall()
    if not listed:
        return None
    rows = connection.execute(
        "select table_name, list(strftime(month, '%Y-%m')) from audit.built_months group by all"
    ).fetchall()
    return dict(rows)


def _within(
    manifest: Mapping[str, Any],
    test: Mapping[str, Any],
    built: Mapping[str, list[str | None]] | None,
) -> str:
    """The months that a test looked at, where those were not all."""
    if built is None or not is_by_month(test):
        return ""
    read = [table_of(manifest, name) for name in test["depends_on"]["nodes"]]
    found = {month for table in read for month in built.get(table, ())}
    if None in found:
        return ""
    months = sorted(month for month in found if month is not None)
    span = f"{len(months)}, {months[0]} to {months[-1]}" if months else "none"
    return f" in the months that were built ({span})"


def _failing_rows(
    connection: "duckdb.DuckDBPyConnection", test: NodeResult
) -> list[dict[str, Any]]:
    """The first rows that the test's own query returns; none where the query itself failed."""
    if test.status == "error" or not test.compiled_sql:
        return []
    cursor = connection.execute(f"select * from ({test.compiled_sql}) limit {SAMPLE_ROWS}")
    return named_rows(cursor)

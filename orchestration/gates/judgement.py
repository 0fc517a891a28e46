"""The judgement on a candidate: were all checks made that its content needs, and did all pass?

A check that was not made counts as failed, so that building part of the graph by hand, or
deselecting a check, cannot publish what was not judged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestration import questions, verdict
from orchestration.background import beside, meanwhile
from orchestration.customer_estimates import ESTIMATED, READ
from orchestration.gates.dbt_tests import expected_tests, table_of
from orchestration.gates.reconciliation import layer_checks
from orchestration.gates.results import CheckResult, of_run, record, write_column_docs
from orchestration.headline import headline_of
from orchestration.reports import data_docs_of

if TYPE_CHECKING:
    import duckdb

    from orchestration.workspace import Workspace

COMPLETE = "all_checks_were_made"


@dataclass(frozen=True)
class Judgement:
    """The outcome. `failed` names the blocking checks that failed, as `table: check`."""

    passed: bool
    checks: int
    failed: list[str]
    blake3: str


def judge(workspace: "Workspace", manifest: Mapping[str, Any]) -> Judgement:
    """Judge the candidate as it is now, and bind the verdict to its content.

    Nothing may be written to the candidate afterwards: it could not be published any more.
    """
    with (
        workspace.connect() as connection,
        beside(workspace.connect, headline_of) as headline,
    ):
        made = of_run(connection, workspace.run_id)
        complete = completeness(
            manifest, workspace.notes.get("built", ()), made, _loaded(workspace)
        )
        record(connection, workspace.run_id, [complete])
        results = [*made, complete]
        workspace.notes["results"] = results
        write_column_docs(connection, manifest)
        questions.create(connection)
        _record_run(connection, workspace, results, _built_with(connection, workspace, manifest))
        workspace.notes["headline"] = headline()
    return _pronounce_and_write_pages(workspace, results)


def _loaded(workspace: "Workspace") -> set[str]:
    """The entities of which this run loaded a delivery."""
    loaded = [one.source for one in workspace.notes.get("loaded", []) if one.deliveries]
    return {workspace.company.source(name).entity for name in loaded}


def refuse(workspace: "Workspace") -> Judgement:
    """Give a candidate with a failed check its verdict at once: no later step will be reached."""
    with workspace.connect() as connection:
        results = of_run(connection, workspace.run_id)
    return _pronounce_and_write_pages(workspace, results)


def _pronounce_and_write_pages(workspace: "Workspace", results: Iterable[CheckResult]) -> Judgement:
    """The verdict; Great Expectations' pages are Python's work while the file is hashed."""

    def write_pages() -> None:
        workspace.gate_session.write_pages(data_docs_of(workspace.home, workspace.run_id))

    with meanwhile(write_pages, lambda: None) as pages_written:
        judgement = pronounce(workspace, results)
        pages_written()
    return judgement


def pronounce(workspace: "Workspace", results: Iterable[CheckResult]) -> Judgement:
    """Write the verdict that follows from some results; no connection may be in use."""
    results = list(results)
    failed = [f"{result.table}: {result.name}" for result in results if result.blocks]
    written = verdict.write(
        workspace.candidate,
        workspace.run_id,
        not failed,
        len(results),
        failed,
        workspace.last_connection(),
    )
    return Judgement(written.passed, written.checks, written.failed, written.blake3)


def completeness(
    manifest: Mapping[str, Any],
    built: Iterable[str],
    made: Iterable[CheckResult],
    loaded: Iterable[str] = (),
) -> CheckResult:
    """Whether every gate has spoken: dbt's tests of what was built, the suites, reconciliations.

    The suites and reconciliations are required of all marts, whatever was built: they compare
    layers, and one that was loaded and not built further must not pass.

    Args:
        manifest: The models' manifest.
        built: Tables (`schema.table`) that the run built.
        made: The checks that it made.
        loaded: Entities of which it loaded something: all that hangs on them must be built.
    """
    made, built = list(made), set(built)
    spoken = {(result.table, result.name) for result in made}
    tests = {result.name for result in made if result.kind == "dbt_test"}
    expected = expected_tests(manifest, built)
    missing = [(table, name) for name, table in expected.items() if name not in tests]
    missing += [check for check in _required(manifest) if check not in spoken]
    unbuilt = _hanging_on(manifest, loaded) - built
    # scores of customers follow their histories, which no model of dbt could tell
    unbuilt |= set() if built.isdisjoint(READ) else ESTIMATED - built
    missing += [(table, "built from what was loaded") for table in sorted(unbuilt)]
    return CheckResult(
        name=COMPLETE,
        table="audit.checks",
        kind="reconciliation",
        is_passed=not missing,
        observed=f"{len(made)} checks made, {len(missing)} missing",
        expected="a result of every check that this content needs",
        failing_rows=len(missing),
        sample=[{"table": table, "check": name} for table, name in missing],
    )


def _hanging_on(manifest: Mapping[str, Any], entities: Iterable[str]) -> set[str]:
    """The tables that are made, at any remove, from the raw tables of some entities."""
    wanted = {f"raw.{entity}" for entity in entities}
    queue = [name for name in manifest["sources"] if table_of(manifest, name) in wanted]
    found: set[str] = set()
    while queue:
        children = set(manifest["child_map"].get(queue.pop(), ())) - found
        children = {name for name in children if name.startswith("model.")}
        found |= children
        queue += children
    return {
        table_of(manifest, name)
        for name in found
        if manifest["nodes"][name]["config"]["materialized"] != "ephemeral"
    }


def _required(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Table and name of the checks without which nothing is published."""
    tables = {
        f"{node['schema']}.{node['alias']}"
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }
    suites = [
        (table, f"{table.removeprefix('marts.')}.row_count")
        for table in sorted(tables)
        if table.startswith("marts.")
    ]
    return suites + [(table, name) for table, name in layer_checks() if table in tables]


def _built_with(
    connection: "duckdb.DuckDBPyConnection", workspace: "Workspace", manifest: Mapping[str, Any]
) -> tuple[str | None, str | None]:
    """Hashes of the company file and the code that all tables are built with.

    A run that built part of the models leaves those of the version it began with: the rest still
    waits to be built anew.
    """
    tables = {
        table_of(manifest, name)
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"
    }
    if tables <= set(workspace.notes.get("built", ())):
        return workspace.company.sha256, workspace.code_sha256
    rows = connection.execute(
        "select company_sha256, code_sha256 from audit.runs order by judged_at desc limit 1"
    ).fetchall()
    return rows[0] if rows else (None, None)


def _record_run(
    connection: "duckdb.DuckDBPyConnection",
    workspace: "Workspace",
    results: list[CheckResult],
    built_with: tuple[str | None, str | None],
) -> None:
    loaded = workspace.notes.get("loaded", [])
    connection.execute(
        "insert into audit.runs values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            workspace.run_id,
            workspace.started_at,
            datetime.now(UTC).replace(tzinfo=None),
            workspace.candidate.base_version,
            *built_with,
            workspace.full_refresh,
            workspace.only,
            sum(len(result.deliveries) for result in loaded),
            sum(result.rows_delivered for result in loaded),
            sum(result.rows_loaded for result in loaded),
            sum(result.rows_quarantined for result in loaded),
            len(results),
            sum(result.blocks for result in results),
        ],
    )

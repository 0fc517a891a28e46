"""Results of checks, and the audit tables that keep them in the warehouse.

Belongs here: the shape of a result, and reading and writing `audit.checks`, `audit.runs` and
`audit.column_docs`. What is checked belongs in the sibling modules.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import duckdb

Kind = Literal["row_rule", "dbt_test", "great_expectations", "reconciliation", "estimate"]
Severity = Literal["error", "warn"]
SAMPLE_ROWS = 5
_UNIT = re.compile(r"\bUnit: ([^:]+)\.$")

_TABLES = """
create schema if not exists audit;
create table if not exists audit.checks (
    run_id varchar, check_name varchar, table_name varchar, kind varchar, severity varchar,
    is_passed boolean, observed varchar, expected varchar, failing_rows bigint, sample json,
    checked_at timestamp
);
create table if not exists audit.runs (
    run_id varchar, started_at timestamp, judged_at timestamp, base_version varchar,
    company_sha256 varchar, code_sha256 varchar, is_full_refresh boolean, only_source varchar,
    deliveries bigint, rows_delivered bigint, rows_loaded bigint, rows_quarantined bigint,
    checks bigint, failed_checks bigint
);
create table if not exists audit.erasures (
    erased_at timestamp, rows_removed bigint, rows_changed bigint, files_redacted bigint
);
create table if not exists audit.column_docs (
    schema_name varchar, table_name varchar, column_name varchar, description varchar, unit varchar
);
"""
# The months that were built on top of a version, all of whose rows passed: dbt's tests look at
# these of these tables, and at all where there is no such list. An empty month means all.
BUILT_MONTHS = "create table if not exists audit.built_months (table_name varchar, month date)"
# what estimators found between two layers of models; see `orchestration.customer_estimates`
ESTIMATES = """
create schema if not exists estimates;
create table if not exists audit.fits (
    fit_id varchar, fitted_at timestamp, model varchar, cohort varchar, parameter varchar,
    value double, std_error double, log_likelihood double, customers bigint, cells bigint,
    is_identified boolean, reason varchar, is_chosen boolean, data_version varchar
);
create table if not exists audit.fit_drift (
    fit_id varchar, previous_fit_id varchar, fitted_at timestamp, model varchar, cohort varchar,
    parameter varchar, value double, previous_value double, previous_std_error double,
    drift_in_std_errors double, is_beyond boolean
);
create table if not exists estimates.customer_fits (
    basis varchar, cohort varchar, fit_id varchar, model varchar, model_version varchar,
    is_identified boolean, reason varchar, choice_reason varchar, spend_fit_id varchar,
    spend_is_identified boolean, spend_reason varchar, spend_warning varchar, r double,
    alpha double, a double, b double, p double, q double, gamma double, until_date date,
    settings varchar, state json
);
create table if not exists estimates.customer_scores (
    basis varchar, customer_id varchar, p_alive double, p_alive_low double, p_alive_high double,
    expected_occasions double, expected_occasions_low double, expected_occasions_high double,
    expected_home double, expected_low_home double, expected_high_home double,
    discounted_home double, discounted_low_home double, discounted_high_home double
);
create table if not exists estimates.fitted_on (
    basis varchar, cohort varchar, acquired_month date, last_month date, x bigint, customers bigint
);
create table if not exists estimates.scored_on (content varchar);
"""
_COLUMNS = (
    "run_id, check_name, table_name, kind, severity, is_passed, observed, expected, "
    "failing_rows, sample, checked_at"
)


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: Unique among the checks of its table.
        table: `schema.table` that it is about.
        kind: Which gate it belongs to.
        is_passed: Whether what was expected was seen.
        severity: A failed `error` keeps the run from being published, a `warn` is shown.
        observed, expected: In words or numbers, for people.
        failing_rows: How many rows (or deliveries, or months) failed.
        sample: The first few of them.
    """

    name: str
    table: str
    kind: Kind
    is_passed: bool
    severity: Severity = "error"
    observed: str = ""
    expected: str = ""
    failing_rows: int = 0
    sample: Sequence[Mapping[str, Any]] = ()

    @property
    def blocks(self) -> bool:
        """Whether this result keeps the candidate from being published."""
        return not self.is_passed and self.severity == "error"


def compared(
    name: str,
    table: str,
    rows: Sequence[Mapping[str, Any]],
    observed: str,
    expected: str,
    severity: Severity = "error",
) -> CheckResult:
    """The result of a reconciliation: passed where no rows were found that fail it."""
    return CheckResult(
        name=name,
        table=table,
        kind="reconciliation",
        is_passed=not rows,
        severity=severity,
        observed=observed,
        expected=expected,
        failing_rows=len(rows),
        sample=rows[:SAMPLE_ROWS],
    )


def prepare_audit(connection: "duckdb.DuckDBPyConnection") -> None:
    """Create the audit tables that are not there yet."""
    connection.execute(_TABLES)
    connection.execute(ESTIMATES)


def record(
    connection: "duckdb.DuckDBPyConnection", run_id: str, results: Iterable[CheckResult]
) -> None:
    """Add results to `audit.checks`; a check that is made again in a run replaces its result."""
    rows = [_as_row(run_id, result) for result in results]
    if not rows:
        return
    # one statement over a JSON document: an insert per row costs a hundred times as much
    connection.execute(
        """
        create or replace temp table recorded as
        select unnest(from_json($rows, '[{"run_id": "VARCHAR", "check_name": "VARCHAR",
            "table_name": "VARCHAR", "kind": "VARCHAR", "severity": "VARCHAR",
            "is_passed": "BOOLEAN", "observed": "VARCHAR", "expected": "VARCHAR",
            "failing_rows": "BIGINT", "sample": "JSON", "checked_at": "TIMESTAMP"}]'),
            recursive := true);
        """,
        {"rows": json.dumps(rows, default=str)},
    )
    connection.execute(
        "delete from audit.checks where (run_id, table_name, check_name) in "
        "(select (run_id, table_name, check_name) from recorded)"
    )
    connection.execute(f"insert into audit.checks select {_COLUMNS} from recorded")
    connection.execute("drop table recorded")


def of_run(connection: "duckdb.DuckDBPyConnection", run_id: str) -> list[CheckResult]:
    """All results of a run, in the order of table and name."""
    rows = connection.execute(
        f"select {_COLUMNS} from audit.checks where run_id = ? order by table_name, check_name",
        [run_id],
    ).fetchall()
    return [_from_row(row) for row in rows]


def write_column_docs(connection: "duckdb.DuckDBPyConnection", manifest: Mapping[str, Any]) -> None:
    """Replace `audit.column_docs` by what the models' YAML says: a row a described column."""
    rows = [row for node in manifest["nodes"].values() for row in _documented(node)]
    connection.execute("delete from audit.column_docs")
    connection.execute(
        """
        insert into audit.column_docs
        select doc.schema_name, doc.table_name, doc.column_name, doc.description, doc.unit
        from (select unnest(from_json($rows, '[{"schema_name": "VARCHAR",
            "table_name": "VARCHAR", "column_name": "VARCHAR", "description": "VARCHAR",
            "unit": "VARCHAR"}]')) as doc)
        """,
        {"rows": json.dumps(rows)},
    )


def _documented(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    if node["resource_type"] not in {"model", "seed"}:
        return []
    return [
        {
            "schema_name": node["schema"],
            "table_name": node["alias"],
            "column_name": column["name"],
            "description": column["description"],
            "unit": unit_of(column["description"]),
        }
        for column in node["columns"].values()
    ]


def unit_of(description: str) -> str | None:
    """The unit that a column's description ends with, as in `Units sold. Unit: pieces.`"""
    found = _UNIT.search(description.rstrip())
    return " ".join(found[1].split()) if found else None


def _as_row(run_id: str, result: CheckResult) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "check_name": result.name,
        "table_name": result.table,
        "kind": result.kind,
        "severity": result.severity,
        "is_passed": result.is_passed,
        "observed": result.observed,
        "expected": result.expected,
        "failing_rows": result.failing_rows,
        "sample": list(result.sample)[:SAMPLE_ROWS],
        "checked_at": datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" "),
    }


def _from_row(row: tuple[Any, ...]) -> CheckResult:
    _, name, table, kind, severity, is_passed, observed, expected, failing, sample, _ = row
    return CheckResult(
        name=name,
        table=table,
        kind=kind,
        is_passed=is_passed,
        severity=severity,
        observed=observed,
        expected=expected,
        failing_rows=failing,
        sample=json.loads(sample),
    )

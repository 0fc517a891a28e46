"""Every generic test of the dbt project on a fixture that it must fail on, one that it must pass,
and an empty table.

One small dbt project holds all the cases, so dbt starts once. A case is a table, the arguments
of the test, and the number of rows that the test must find.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orchestration.gates.results import BUILT_MONTHS

# one worker runs these tests: dbt is started once
pytestmark = pytest.mark.xdist_group("generic_tests")

GENERIC_TESTS = Path(__file__).parents[3] / "dbt_project" / "tests" / "generic"
MACROS = Path(__file__).parents[3] / "dbt_project" / "macros"

PROJECT = {
    "name": "generic_test_cases",
    "profile": "generic_test_cases",
    "version": "1.0",
    "test-paths": ["tests"],
    "model-paths": ["models"],
    "flags": {"send_anonymous_usage_stats": False},
}


@dataclass(frozen=True)
class Case:
    """A table (its columns and rows as SQL), a generic test on it, and the failures to find.

    `built` are the months that were built of a table that is tested by months; None for all.
    """

    name: str
    test: str
    columns: str
    rows: str
    arguments: dict[str, Any]
    failures: int
    built: tuple[str | None, ...] = ()


def cases_of(
    test: str, columns: str, arguments: dict[str, Any], **rows: tuple[str, int]
) -> list[Case]:
    """The named fixtures of one generic test, and the empty table, on which it must pass."""
    named = {**rows, "empty": ("", 0)}
    return [
        Case(f"{test}__{name}", test, columns, values, arguments, failures)
        for name, (values, failures) in named.items()
    ]


UNIQUE = cases_of(
    "unique_combination",
    "a int, b varchar",
    {"columns": ["a", "b"]},
    good=("(1, 'x'), (1, 'y'), (2, 'x')", 0),
    repeated=("(1, 'x'), (1, 'x'), (2, 'x')", 1),
    null_in_key=("(1, null), (2, 'x')", 1),
)
UNIQUE_NULLABLE = [
    Case(
        "unique_combination_nullable__null_allowed_but_not_twice",
        "unique_combination",
        "a int, b varchar",
        "(1, null), (1, null), (2, null)",
        {"columns": ["a", "b"], "nullable": ["b"]},
        1,
    )
]
BETWEEN = cases_of(
    "between",
    "share_pct double, units decimal(18, 4)",
    {"ranges": {"share_pct": [0, 100], "units": [0, None]}},
    good=("(0, 0), (100, 1e9), (null, null)", 0),
    below=("(-0.01, 1), (50, -1)", 2),
    above=("(100.01, 1), (50, 1)", 1),
    not_a_number=("('nan', 1), ('inf', 1), (50, 1)", 2),
)
BETWEEN_OPEN = cases_of(
    "between",
    "growth_pct double",
    {"ranges": {"growth_pct": [None, None]}},
    open_ends=("(-1e12), (1e12), (null)", 0),
    infinite_at_open_ends=("('inf'), ('-inf'), ('nan'), (1)", 3),
)
ADDS_UP = cases_of(
    "adds_up",
    "net decimal(18, 4), gross decimal(18, 4), discount decimal(18, 4)",
    {"total": "net", "plus": ["gross"], "minus": ["discount"]},
    good=("(9.00, 10, 1), (9.004, 10, 1), (null, 10, null)", 0),
    off_by_a_cent=("(9.01, 10, 1), (9, 10, 1)", 1),
    total_missing=("(null, 10, 1)", 1),
    part_missing=("(9, 10, null)", 1),
)
ADDS_UP_ZERO = [
    Case(
        "adds_up_missing_is_zero__counts_nothing_for_a_missing_part",
        "adds_up",
        "net decimal(18, 4), gross decimal(18, 4), discount decimal(18, 4)",
        "(10, 10, null), (null, null, null), (10, 10, 1)",
        {"total": "net", "plus": ["gross"], "minus": ["discount"], "missing_is_zero": True},
        1,
    )
]
NOT_EMPTY = [
    Case("not_empty__source_has_rows", "not_empty_when_source_has_rows", "a int", "",
         {"built_from": "source('cases', 'two_rows')"}, 1),
    Case("not_empty__both_have_rows", "not_empty_when_source_has_rows", "a int", "(1)",
         {"built_from": "source('cases', 'two_rows')"}, 0),
    Case("not_empty__both_empty", "not_empty_when_source_has_rows", "a int", "",
         {"built_from": "source('cases', 'no_rows')"}, 0),
    Case("not_empty__no_row_of_the_kind", "not_empty_when_source_has_rows", "a int", "",
         {"built_from": "source('cases', 'two_rows')", "source_where": "amount > 99"}, 0),
]  # fmt: skip
SUMS_COLUMNS = "kind varchar, paid decimal(18, 4)"
SUMS_ARGUMENTS = {
    "compare_to": "source('cases', 'two_rows')",
    "sums": {"paid": "amount"},
    "group_by": {"kind": "name"},
}
SUMS = [
    Case("sums_match__good", "sums_match", SUMS_COLUMNS, "('x', 4), ('x', 6), ('y', 20)",
         SUMS_ARGUMENTS, 0),
    Case("sums_match__off_by_a_cent", "sums_match", SUMS_COLUMNS, "('x', 10.01), ('y', 20)",
         SUMS_ARGUMENTS, 1),
    Case("sums_match__group_missing", "sums_match", SUMS_COLUMNS, "('x', 10)",
         SUMS_ARGUMENTS, 1),
    Case("sums_match__group_too_many", "sums_match", SUMS_COLUMNS,
         "('x', 10), ('y', 20), (null, 1)", SUMS_ARGUMENTS, 1),
    Case("sums_match__empty_against_rows", "sums_match", SUMS_COLUMNS, "", SUMS_ARGUMENTS, 2),
    Case("sums_match__empty_against_empty", "sums_match", SUMS_COLUMNS, "",
         {**SUMS_ARGUMENTS, "compare_to": "source('cases', 'no_rows')"}, 0),
    Case("sums_match__one_group_of_all", "sums_match", SUMS_COLUMNS, "('z', 30)",
         {"compare_to": "source('cases', 'two_rows')", "sums": {"paid": "amount"}}, 0),
    Case("sums_match__one_group_of_none", "sums_match", SUMS_COLUMNS, "",
         {"compare_to": "source('cases', 'two_rows')", "sums": {"paid": "amount"}}, 1),
    Case("sums_match__filtered", "sums_match", SUMS_COLUMNS, "('x', 10), ('y', 5)",
         {**SUMS_ARGUMENTS, "where": "kind = 'x'", "compare_where": "name = 'x'"}, 0),
]  # fmt: skip
NO_GAP_DAYS = cases_of(
    "no_gap",
    "product varchar, on_date date",
    {"date_column": "on_date", "group_by": ["product"]},
    days_good=(
        "('a', '2024-02-28'), ('a', '2024-02-29'), ('a', '2024-03-01'), ('b', '2024-05-01')", 0,
    ),
    days_gap=("('a', '2024-02-28'), ('a', '2024-03-01'), ('b', '2024-02-29')", 1),
)  # fmt: skip
NO_GAP_MONTHS = cases_of(
    "no_gap",
    "on_date date",
    {"date_column": "on_date", "period": "month"},
    months_good=("('2023-12-01'), ('2024-01-01'), ('2024-02-01')", 0),
    months_gap=("('2023-11-01'), ('2024-01-01'), ('2024-02-01')", 1),
)
EXPLAINED_NULL = cases_of(
    "explained_null",
    "value double, reason varchar",
    {"value": "value", "reason": "reason"},
    good=("(1, null), (null, 'not observed')", 0),
    unexplained=("(null, null), (1, 'known after all'), (1, null)", 2),
)
HOLDS = cases_of(
    "holds",
    "low double, high double",
    {"condition": "low <= high"},
    good=("(1, 2), (2, 2), (null, 1)", 0),
    broken=("(3, 2), (1, 2)", 1),
)
MONTHS = "month date, paid decimal(18, 4)"
MARCH, ALL = ("2024-03-01",), (None, "2024-03-01")


def cases_by_month(test: str, rows: str, failures: int, arguments: dict[str, Any]) -> list[Case]:
    """A table with one failure in March and others before: what was built is tested."""
    by_month = {**arguments, "by_month": "month"}
    built = {"march": (MARCH, 1), "all_months": (ALL, failures), "no_month": ((), 0)}
    return [
        Case(f"{test}__{name}", test, MONTHS, rows, by_month, found, months)
        for name, (months, found) in built.items()
    ]


BY_MONTH = [
    *cases_by_month(
        "holds", "('2024-02-01', -1), ('2024-03-01', 2), ('2024-03-01', -2), ('2024-04-01', -3)", 3,
        {"condition": "paid >= 0"},
    ),
    *cases_by_month(
        "unique_combination", "('2024-02-01', 1), ('2024-02-01', 1), ('2024-03-01', 2),"
        " ('2024-03-01', 2)", 2, {"columns": ["month", "paid"]},
    ),
    *cases_by_month(
        "sums_match", "('2024-02-01', 1), ('2024-03-01', 2), ('2024-05-01', 0)", 2,
        {"compare_to": "source('cases', 'march_alone')", "sums": ["paid"], "group_by": ["month"]},
    ),
    *cases_by_month(
        "refers_to", "('2024-01-01', 7), ('2024-02-01', 8), ('2024-03-01', 9), ('2024-03-01', 1)",
        3, {"column_name": "paid", "to": "source('cases', 'march_alone')", "field": "paid"},
    ),
    Case("refers_to__empty", "refers_to", MONTHS, "", {
        "column_name": "paid", "to": "source('cases', 'march_alone')", "field": "paid",
        "by_month": "month",
    }, 0, ALL),
]  # fmt: skip
CASES = [
    *BY_MONTH, *UNIQUE, *UNIQUE_NULLABLE, *BETWEEN, *BETWEEN_OPEN[:2], *ADDS_UP, *ADDS_UP_ZERO,
    *NOT_EMPTY, *SUMS, *NO_GAP_DAYS, *NO_GAP_MONTHS[:2], *EXPLAINED_NULL, *HOLDS,
]  # fmt: skip


def write_warehouse(path: Path) -> None:
    """One table a case, the tables that some cases compare with, and the months that were built."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table two_rows as select * from (values ('x', 10), ('y', 20)) "
                           "as v(name, amount)")  # fmt: skip
        connection.execute("create table no_rows(name varchar, amount int)")
        connection.execute(
            "create table march_alone as select date '2024-03-01' as month, 1 as paid"
        )
        connection.execute("create schema audit")
        connection.execute(BUILT_MONTHS)
        for case in CASES:
            connection.execute(f'create table "{case.name}"({case.columns})')
            if case.rows:
                connection.execute(f'insert into "{case.name}" values {case.rows}')
            for month in case.built:
                listed = [f"main.{case.name}", month]
                connection.execute("insert into audit.built_months values (?, ?)", listed)


def write_project(folder: Path) -> None:
    """A dbt project whose sources are the cases' tables, each with its one test."""
    shutil.copytree(GENERIC_TESTS, folder / "tests" / "generic")
    shutil.copytree(MACROS, folder / "macros")
    tables: list[dict[str, Any]] = [
        {"name": "two_rows"}, {"name": "no_rows"}, {"name": "march_alone"},
    ]  # fmt: skip
    for case in CASES:
        test = {case.test: {"name": case.name, "arguments": case.arguments}}
        tables.append({"name": case.name, "data_tests": [test]})
    sources = {"version": 2, "sources": [{"name": "cases", "schema": "main", "tables": tables}]}
    output = {"type": "duckdb", "path": str(folder / "cases.duckdb"), "threads": 1}
    profile = {"generic_test_cases": {"target": "dev", "outputs": {"dev": output}}}
    (folder / "models").mkdir()
    (folder / "models" / "_sources.yml").write_text(yaml.safe_dump(sources))
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(PROJECT))
    (folder / "profiles.yml").write_text(yaml.safe_dump(profile))


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int | None]:
    """Failures that dbt found by case; a test that could not run at all has none."""
    folder = tmp_path_factory.mktemp("generic_tests")
    write_project(folder)
    write_warehouse(folder / "cases.duckdb")
    # a process of its own: dbt keeps its file locked, and its state would leak into other tests
    subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--quiet", "test", "--project-dir", str(folder),
         "--profiles-dir", str(folder)],
        capture_output=True, check=False, cwd=folder, env={**os.environ, "DO_NOT_TRACK": "1"},
    )  # fmt: skip
    results = json.loads((folder / "target" / "run_results.json").read_text())["results"]
    return {result["unique_id"].split(".")[2]: result["failures"] for result in results}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_finds_exactly_the_failures(case: Case, failures: dict[str, int | None]) -> None:
    assert failures[case.name] == case.failures


def test_every_generic_test_has_cases_to_fail_and_an_empty_table() -> None:
    for test in (path.stem for path in GENERIC_TESTS.glob("*.sql")):
        own = [case for case in CASES if case.test == test]
        assert any(case.failures for case in own), f"{test} has no fixture that it must fail on"
        assert any(not case.rows for case in own), f"{test} has no empty table"

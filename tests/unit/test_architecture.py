"""Imports point one way: orchestration may use ingest and analytics, never the reverse."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "analytics": {"orchestration", "ingest", "companies", "dagster", "dagster_dbt", "dbt", "tests"},
    "ingest": {"orchestration", "companies", "dagster", "dagster_dbt", "dbt", "tests"},
    "companies": {"orchestration", "dagster", "dagster_dbt", "dbt", "tests"},
    "orchestration": {"tests", "bench"},
}


def imported_packages(source: str) -> set[str]:
    """First parts of every module that ``source`` imports, at the top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_imports_point_one_way(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"{room}/ has no Python files"
    wrong = {
        str(file.relative_to(ROOT)): sorted(imported_packages(file.read_text()) & FORBIDDEN[room])
        for file in files
    }
    assert not {file: names for file, names in wrong.items() if names}


def test_a_wrong_import_is_found() -> None:
    source = "def f():\n    from dagster import asset\n    import dbt.cli\n"
    assert imported_packages(source) & FORBIDDEN["ingest"] == {"dagster", "dbt"}

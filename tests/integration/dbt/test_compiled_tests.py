"""Data tests run by SQL that was compiled once: it must be there, and must not depend on data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.home import Home
from orchestration import dbt_runner

# macros that ask the database, or what dbt is asked to do, while a node is compiled
ASKING = {"macro.dbt.run_query", "macro.dbt.statement", "macro.tradewind.is_incremental"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, parsed_project: Path) -> dbt_runner.Prepared:
    home = Home(tmp_path_factory.mktemp("home"))
    home.dbt.symlink_to(parsed_project)
    return dbt_runner.prepare(home)


def test_every_test_has_its_sql_and_it_names_no_catalog(prepared: dbt_runner.Prepared) -> None:
    nodes = prepared.manifest()["nodes"]
    tests = {name for name, node in nodes.items() if node["resource_type"] == "test"}
    compiled = prepared.compiled_tests()
    assert compiled.keys() == tests
    assert len(tests) > 100
    assert not [name for name, sql in compiled.items() if '"warehouse".' in sql or not sql.strip()]


def test_no_test_asks_the_database_while_it_is_compiled(prepared: dbt_runner.Prepared) -> None:
    manifest = prepared.manifest()
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    assert not [node["name"] for node in tests if ASKING & set(_macros(manifest, node))]
    # the same search finds a model that does ask
    asking = manifest["nodes"]["model.tradewind.fct_sales"]
    assert set(_macros(manifest, asking)) & ASKING


def test_a_failure_is_told_as_dbt_itself_tells_it(
    prepared: dbt_runner.Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = prepared.manifest()["nodes"]
    [test] = [
        node["name"]
        for node in nodes.values()
        if node["name"].startswith("unique_combination_int_rates__currency_days")
    ]
    database = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "create schema intermediate; create table intermediate.int_rates__currency_days as "
            "select * from (values ('EUR', date '2024-01-01'), ('EUR', date '2024-01-01'), "
            "(null, date '2024-01-02')) as rates (currency, rate_date)"
        )
    home = Home(prepared.folder.parents[1])
    known = dbt_runner.build(home, database, [test]).results
    # without any SQL known, dbt's own runner compiles and counts
    monkeypatch.setattr(dbt_runner.Prepared, "compiled_tests", lambda self: {})
    [own] = dbt_runner.build(home, database, [test]).results
    assert (own.status, own.failures) == ("fail", 2)
    assert known == [own]


def _macros(manifest: dict[str, Any], node: dict[str, Any]) -> Iterator[str]:
    """The macros that a node calls, at any remove."""
    queue, seen = list(node["depends_on"]["macros"]), set()
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            yield name
            queue += manifest["macros"][name]["depends_on"]["macros"]

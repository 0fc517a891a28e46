"""Models and tests run by SQL that was compiled once: it must not depend on data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.home import Home
from orchestration import dbt_runner
from orchestration.fingerprints import manifest_fingerprint
from orchestration.meanings_of_tests import NO_MORE

# with others that need the parsed project, so that a worker that could do without does not wait
pytestmark = pytest.mark.xdist_group("small")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, parsed_project: Path) -> dbt_runner.Prepared:
    home = Home(tmp_path_factory.mktemp("home"))
    home.dbt.symlink_to(parsed_project)
    return dbt_runner.prepare(home)


def test_all_but_what_is_built_by_months_has_its_sql(
    prepared: dbt_runner.Prepared,
) -> None:
    nodes = prepared.manifest()["nodes"]
    compiled = prepared.fixed_sql()
    fixed = {
        name
        for name, node in nodes.items()
        if (node["resource_type"] == "test" and not _is_by_month(node))
        or (
            node["resource_type"] == "model"
            and node["config"]["materialized"] not in {"incremental", "ephemeral"}
        )
    }
    # any other test that asked the database while it is compiled would be missing here
    assert {name for name in compiled if nodes[name]["config"]["materialized"] != "ephemeral"} == (
        fixed
    )
    assert "model.tradewind.fct_sales" in nodes and "model.tradewind.fct_sales" not in fixed


def _is_by_month(test: Mapping[str, Any]) -> bool:
    """Whether a test looks at the months that were built."""
    given = (test.get("test_metadata") or {}).get("kwargs") or {}
    return "by_month" in given or test["name"].startswith("assert_sales_reconcile")


def test_every_test_says_what_it_expects(prepared: dbt_runner.Prepared) -> None:
    tests = [
        node for node in prepared.manifest()["nodes"].values() if node["resource_type"] == "test"
    ]
    assert len(tests) > 100
    assert not [node["name"] for node in tests if node["description"] in {"", NO_MORE}]
    assert {node["description"] for node in tests} == {
        node["meta"]["description"] for node in tests
    }


def test_sql_that_is_kept_names_no_catalog(prepared: dbt_runner.Prepared) -> None:
    compiled = prepared.fixed_sql()
    assert not [name for name, sql in compiled.items() if '"warehouse".' in sql or not sql.strip()]


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
    known = dbt_runner.build(home, database, [test])
    # without any SQL known, dbt's own runner compiles and counts
    monkeypatch.setattr(dbt_runner.Prepared, "fixed_sql", lambda self: {})
    [own] = dbt_runner.build(home, database, [test])
    assert (own.status, own.failures) == ("fail", 2)
    assert known == [own]


def test_what_another_version_prepared_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    now = home.dbt / f"manifest-{manifest_fingerprint()[:16]}"
    for folder in (now, home.dbt / "manifest-0123456789abcdef"):
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    monkeypatch.setattr(dbt_runner, "_parse", lambda home, project, into: None)
    monkeypatch.setattr(
        dbt_runner,
        "_keep_compiled",
        lambda home, project, prepared: prepared.compiled_path.write_text("{}"),
    )
    prepared = dbt_runner.prepare(home)
    assert prepared.folder == now and prepared.compiled("model") == {}
    assert list(home.dbt.iterdir()) == [now] and not prepared.manifest_path.exists()

"""A company of a few rows, whose tables are made in a second: loaded by `ingest`, its models run as
compiled SQL, without Dagster and dbt. What it makes is what a full build makes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from ingest.company import Company, CustomerValue, load_company
from ingest.home import Home
from ingest.landing import land
from ingest.load import load_source, prepare
from orchestration.customer_estimates import READ, estimate
from orchestration.gates.results import prepare_audit
from orchestration.replay import Model, project_models
from tests.conftest import FEW_ROWS

SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds"
SETTINGS = {"company": "Small", "home_market": "GB", "reporting_currency": "GBP"}


@dataclass
class SmallCompany:
    """The rows of a company by entity, and its settings."""

    home: Home
    settings: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def has(self, entity: str, *rows: Mapping[str, Any], **same: Any) -> "SmallCompany":
        """Add rows of an entity; `same` is what they have in common."""
        self.rows.setdefault(entity, []).extend({**same, **row} for row in rows)
        return self

    def build(self, *tables: str, database: str = ":memory:") -> duckdb.DuckDBPyConnection:
        """Load the rows and make every table, or some that need no estimates and what they are
        made from; return a connection to the warehouse."""
        connection = duckdb.connect(database, config=FEW_ROWS)
        company = self._load(connection)
        if tables:
            make_some(connection, self.home, tables)
        else:
            make_tables(connection, self.home, company.customer_value)
        return connection

    def publish(self) -> Home:
        """Build, close, and let readers see it."""
        self.home.versions.mkdir(parents=True)
        version = self.home.versions / "20240101T000000000000.duckdb"
        self.build(database=str(version)).close()
        self.home.warehouse.symlink_to(version)
        return self.home

    def _load(self, connection: duckdb.DuckDBPyConnection) -> Company:
        folder = self.home.root / "company"
        folder.mkdir()
        sources = []
        for entity, rows in self.rows.items():
            lines = (json.dumps(row, default=str) for row in rows)
            (folder / f"{entity}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
            columns = {name: name for row in rows for name in row}
            sources.append({"name": entity, "entity": entity, "kind": "file", "columns": columns,
                            "path": f"{entity}.jsonl"})  # fmt: skip
        file = folder / "company.yml"
        # JSON is YAML
        file.write_text(json.dumps({**SETTINGS, **self.settings, "sources": sources}), "utf-8")
        company = load_company(file)
        load_raw(connection, company, self.home)
        return company


def load_raw(connection: duckdb.DuckDBPyConnection, company: Company, home: Home) -> None:
    """Land and load every source of a company into the raw layer that a connection sees."""
    prepare(connection, company)
    prepare_audit(connection)
    for source in company.sources:
        land(source, company, home)
        load_source(connection, source, company, home, "run-1")


def make_tables(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    settings: CustomerValue | None = None,
    names: Iterable[str] = (),
) -> None:
    """Make every table anew from the raw layer that a connection sees, estimates between them;
    or the estimates, some tables, and what they are made from."""
    made = make_some(connection, home, READ)
    estimate(connection, settings or CustomerValue())
    models = _models(home.dbt.resolve())
    for name in names or models:
        _make(connection, models, name, made)


def make_some(connection: duckdb.DuckDBPyConnection, home: Home, names: Iterable[str]) -> set[str]:
    """Make some tables anew and what they are made from, if not from estimates; return all made."""
    prepare_audit(connection)
    connection.execute("create schema if not exists intermediate")
    for seed in SEEDS.glob("*.csv"):
        connection.execute(
            f"create table intermediate.{seed.stem} as "
            f"from read_csv('{seed}', all_varchar = true, nullstr = '?')"
        )
    models = _models(home.dbt.resolve())
    made: set[str] = set()
    for name in names:
        _make(connection, models, name, made)
    return made


@cache
def _models(dbt: Path) -> dict[str, Model]:
    return project_models(Home(dbt.parent))


def _make(
    connection: duckdb.DuckDBPyConnection, models: Mapping[str, Model], name: str, made: set[str]
) -> None:
    if name in made:
        return
    made.add(name)
    model = models[name]
    for parent in model.depends_on:
        _make(connection, models, parent, made)
    if model.sql is not None:
        connection.execute(f"create schema if not exists {name.partition('.')[0]}")
        kind = "view" if name.startswith("staging.") else "table"
        connection.execute(f"create {kind} {name} as {model.sql}")

"""Computes a table again from chosen rows, with the models' own SQL.

Belongs here: running compiled models in a scratch database beside a published version. Which rows
are chosen belongs in `lineage.yml` and `explain`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

import duckdb

from ingest.home import Home
from orchestration import dbt_runner

PUBLISHED = "published"


@dataclass(frozen=True)
class Model:
    """One relation of the project: `schema.table`, its SQL (None for what no model builds)."""

    name: str
    sql: str | None
    depends_on: tuple[str, ...]


class Replay:
    """A scratch database in which some tables hold chosen rows only, and models run on them.

    Args:
        connection: An in-memory database that has the version attached as `published`.
        models: All relations of the project by name.
        reference: Patterns of table names that are taken as they were published.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        models: Mapping[str, Model],
        reference: Sequence[str],
    ) -> None:
        self._connection = connection
        self._models = models
        self._reference = tuple(reference)
        self._made: set[str] = set()

    def compute(self, table: str, given: Sequence[str]) -> None:
        """Make `table` from the tables `given`, which exist already and are complete."""
        self._made = set(given)
        self._make(table, frozenset(given))

    def forget(self, given: Sequence[str]) -> None:
        """Drop what a computation made, and the tables that it was given."""
        for name in self._made | set(given):
            kind = self._kind(name)
            if kind is not None:
                self._connection.execute(f"drop {kind} {name}")
        self._made = set()

    def _make(self, name: str, given: frozenset[str]) -> None:
        if name in self._made:
            return
        self._made.add(name)
        model = self._models[name]
        self._connection.execute(f"create schema if not exists {name.partition('.')[0]}")
        if model.sql is None or not self._rests_on(name, given):
            self._connection.execute(f"create view {name} as select * from {PUBLISHED}.{name}")
            return
        for parent in model.depends_on:
            self._make(parent, given)
        self._connection.execute(f"create table {name} as {model.sql}")

    def _rests_on(self, name: str, given: frozenset[str]) -> bool:
        """Whether any chosen row can reach a table. Reference tables are taken as published."""
        table = name.partition(".")[2]
        if any(fnmatch(table, pattern) for pattern in self._reference):
            return False
        parents = self._models[name].depends_on
        return any(parent in given or self._rests_on(parent, given) for parent in parents)

    def _kind(self, name: str) -> str | None:
        schema, _, table = name.partition(".")
        found = self._connection.execute(
            "select table_type from information_schema.tables "
            "where table_catalog = 'memory' and table_schema = ? and table_name = ?",
            [schema, table],
        ).fetchall()
        return None if not found else "view" if found[0][0] == "VIEW" else "table"


def project_models(home: Home) -> dict[str, Model]:
    """Return all relations of the project with their full SQL.

    Raises:
        ModelsFailed: the project cannot be compiled.
    """
    prepared = dbt_runner.prepare(home)
    return _relations(prepared.manifest(), prepared.compiled("model"))


def _relations(manifest: Mapping[str, Any], compiled: Mapping[str, str]) -> dict[str, Model]:
    nodes = {
        key: node
        for key, node in {**manifest["nodes"], **manifest["sources"]}.items()
        if node["resource_type"] in ("model", "seed", "source")
    }
    names = {
        key: f"{node['schema']}.{node.get('identifier') or node['alias']}"
        for key, node in nodes.items()
    }
    return {
        names[key]: Model(
            names[key],
            compiled.get(key),
            tuple(names[parent] for parent in _parents(key, nodes) if parent in names),
        )
        for key in nodes
    }


def _parents(key: str, nodes: Mapping[str, Any]) -> list[str]:
    """Return the relations a model reads; an ephemeral model stands for its own parents."""
    found: list[str] = []
    for parent in nodes[key].get("depends_on", {}).get("nodes", []):
        config = nodes.get(parent, {}).get("config", {})
        if config.get("materialized") == "ephemeral":
            found += _parents(parent, nodes)
        else:
            found.append(parent)
    return found

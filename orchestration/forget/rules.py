"""Which columns say something about a person, and which rows are about one as a whole.

Both come from the models' YAML (the tag `personal`, the keys that are tested) and from the
canonical entities, so that a new table needs nothing here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ingest.forgotten import PERSONAL
from ingest.specification import ENTITIES
from orchestration.gates.dbt_tests import table_of

TAG = "personal"
# of tables that no model makes: what identifies a person elsewhere does so there
_IDENTIFYING = {
    column for name, entity in ENTITIES.items() for column in PERSONAL[name] & set(entity.key)
}
_KEY_TESTS = {"unique", "unique_combination"}


@dataclass(frozen=True)
class Rules:
    """What the project says of its tables, by `schema.table`.

    Attributes:
        personal: Columns with the tag.
        keys: Columns that identify a row, alone or with others.
        required: Columns that are tested to have a value.
    """

    personal: Mapping[str, set[str]]
    keys: Mapping[str, set[str]]
    required: Mapping[str, set[str]]

    def is_personal(self, table: str, column: str) -> bool:
        """Whether a column says something about a person."""
        return column in self.personal.get(table, _IDENTIFYING)

    def is_key(self, table: str, column: str) -> bool:
        """Whether a row is about whom the column names, and goes with them."""
        is_known = table in self.personal
        return column in self.keys.get(table, () if is_known else _IDENTIFYING)

    def is_required(self, table: str, column: str) -> bool:
        """Whether a row that stays needs a value."""
        return column in self.required.get(table, ())


def of_project(manifest: Mapping[str, Any]) -> Rules:
    """Read the rules from the models' manifest and the specification of the entities."""
    personal = {f"stored.{name}": set(columns) for name, columns in PERSONAL.items()}
    keys = {f"stored.{name}": set(entity.key) for name, entity in ENTITIES.items()}
    required = {f"stored.{name}": set(entity.required) for name, entity in ENTITIES.items()}
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] == "model":
            personal[table_of(manifest, unique_id)] = set(tagged(node))
        elif node["resource_type"] == "test" and node.get("attached_node"):
            test = node.get("test_metadata") or {}
            table = table_of(manifest, node["attached_node"])
            columns = {*(test.get("kwargs", {}).get("columns") or ()), node.get("column_name")}
            if test.get("name") in _KEY_TESTS:
                keys.setdefault(table, set()).update(columns - {None})
            elif test.get("name") == "not_null":
                required.setdefault(table, set()).update(columns - {None})
    for shown, holder in _holders(manifest):
        for said in (personal, keys, required):
            said[holder] = said.get(shown, set())
    return Rules(personal, keys, required)


def _holders(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Models that show what a table holds (dbt_project/macros/stored.sql), and that table."""
    for unique_id, node in manifest["nodes"].items():
        if "filled_by" in node["config"].get("meta", {}):
            yield table_of(manifest, unique_id), f"stored.{node['alias']}"


def tagged(node: Mapping[str, Any]) -> Iterable[str]:
    """The columns of a model that its YAML tags as personal."""
    for name, column in node["columns"].items():
        tags = {*column.get("tags", ()), *column.get("config", {}).get("tags", ())}
        if TAG in tags:
            yield name

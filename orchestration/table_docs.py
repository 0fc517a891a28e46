"""Renders docs/tables.md from the models' YAML: what readers find in the warehouse.

``python -m orchestration.table_docs > docs/tables.md``
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MODELS = Path(__file__).parents[1] / "dbt_project" / "models"
LAYERS = {
    "marts": "The answers",
    "core": "Dimensions and facts",
    "quarantine": "Lines that could not be converted",
}
HEAD = """\
# Tables
What readers find in `warehouse.duckdb`, generated from the models' YAML by `make docs`. The first
sentence of each description is the table's grain. The canonical raw tables are in
[entities.md](entities.md), the formulas in [metrics.md](metrics.md). *Personal* marks what says
something about a person: `tradewind forget` empties or removes it.
"""


def render(models: Path = MODELS) -> str:
    """Return the page for the layers in ``LAYERS``; one section a table, one row a column."""
    parts = [HEAD]
    for layer, title in LAYERS.items():
        parts.append(f"## {title}: `{layer}`\n")
        parts.extend(_section(model) for model in _models(models / layer))
    return "\n".join(parts)


def _models(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.rglob("*.yml")):
        yield from yaml.safe_load(file.read_text(encoding="utf-8")).get("models", [])


def _section(model: dict[str, Any]) -> str:
    name = model.get("config", {}).get("alias", model["name"])
    lines = [f"### {name}", _one_line(model["description"]), "", "| column | type | meaning |"]
    lines.append("| --- | --- | --- |")
    for column in model["columns"]:
        kind = column.get("data_type", "")
        meaning = _one_line(column["description"]) + _personal(column)
        lines.append(f"| `{column['name']}` | {kind} | {meaning} |")
    return "\n".join(lines) + "\n"


def _personal(column: dict[str, Any]) -> str:
    tags = column.get("config", {}).get("tags", [])
    return " *Personal.*" if "personal" in tags else ""


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(render(), end="")

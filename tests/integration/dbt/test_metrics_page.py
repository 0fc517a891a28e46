"""Every column of every mart is on the page of measures, and nothing else claims to be."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "metrics.md").read_text()


def marts() -> dict[str, list[str]]:
    """The columns of each mart, by its name."""
    files = (ROOT / "dbt_project" / "models" / "marts").rglob("_*.yml")
    models = [
        model for file in files for model in yaml.safe_load(file.read_text()).get("models", [])
    ]
    return {
        model["name"]: [column["name"] for column in model["columns"]]
        for model in models
        if model["name"].startswith("mart_")
    }


def test_every_column_of_a_mart_is_explained() -> None:
    explained = set(re.findall(r"`([a-z0-9_]+)`", PAGE))
    missing = [
        f"{mart}.{column}"
        for mart, columns in marts().items()
        for column in columns
        if column not in explained
    ]
    assert not missing


def test_no_column_is_explained_that_no_mart_has() -> None:
    columns = {column for mart in marts().values() for column in mart}
    first_cells = re.findall(r"^\| (`.*?) \|", PAGE, flags=re.MULTILINE)
    named = {name for cell in first_cells for name in re.findall(r"`([a-z0-9_]+)`", cell)}
    assert named
    assert not {name for name in named if not name.startswith("mart_")} - columns


def test_every_column_of_a_mart_has_a_type_in_its_contract() -> None:
    files = (ROOT / "dbt_project" / "models" / "marts").rglob("_*.yml")
    models = [
        model for file in files for model in yaml.safe_load(file.read_text()).get("models", [])
    ]
    untyped = [
        f"{model['name']}.{column['name']}"
        for model in models
        if model["name"].startswith("mart_")
        for column in model["columns"]
        if not column.get("data_type")
    ]
    assert not untyped

"""The documentation keeps up with the product: every name that a user can meet appears in it."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import click
import pytest
import yaml
from pydantic import BaseModel

from ingest.company import Settings
from orchestration import table_docs
from orchestration.cli import main
from orchestration.gates.results import unit_of

ROOT = Path(__file__).parents[2]
PAGES = {page: page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]}
DECISIONS = sorted((ROOT / "docs/decisions").glob("0*.md"))
SHARED_OPTIONS = {"--home", "--company", "--json"}
MARTS = sorted((ROOT / "dbt_project/models/marts").rglob("*.sql"))


def settings_below(annotation: Any) -> set[type[BaseModel]]:
    """A model of settings and all that its fields hold, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = [field.annotation for field in annotation.model_fields.values()]
        return {annotation}.union(*(settings_below(field) for field in fields))
    return set().union(*(settings_below(part) for part in get_args(annotation)))


def test_tables_page_is_up_to_date() -> None:
    assert (ROOT / "docs/tables.md").read_text() == table_docs.render(), "run `make docs`"


@pytest.mark.parametrize("mart", MARTS, ids=lambda path: path.stem)
def test_every_mart_is_in_the_measures(mart: Path) -> None:
    assert mart.stem in (ROOT / "docs/metrics.md").read_text()


@pytest.mark.parametrize(
    "model", sorted(settings_below(Settings), key=lambda model: model.__name__)
)
def test_every_setting_of_the_company_file_is_documented(model: type[BaseModel]) -> None:
    page = (ROOT / "docs/company-file.md").read_text()
    assert unexplained(model.model_fields, page) == []


def test_every_command_and_option_is_documented() -> None:
    found = dict(commands(main))
    assert {"run", "quarantine show", "sources accept"} <= set(found)
    assert undocumented(found, PAGES[ROOT / "README.md"]) == []


def test_every_make_target_is_documented() -> None:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert targets
    assert unexplained(targets, PAGES[ROOT / "README.md"]) == []


def test_what_is_missing_is_found() -> None:
    rows = "| `tradewind run` | does; `--only SOURCE` |\n| `--home DIR`, `--threads` |"
    options = [click.Option(["--only"]), click.Option(["--home"])]
    found = {"run": click.Command("run", params=[*options, click.Option(["--thread"])]),
             "run all": click.Command("all", params=[])}  # fmt: skip
    assert undocumented(found, rows) == ["run --thread", "run all"]
    assert unexplained(["only", "run", "runs"], "`run`, `only_one`, only") == ["only", "runs"]


def unexplained(names: Iterable[str], page: str) -> list[str]:
    """The names that a page does not set in code marks."""
    return [name for name in names if f"`{name}`" not in page]


def commands(group: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """All commands that do something, by what is typed after the program's name."""
    if not isinstance(group, click.Group):
        yield path, group
        return
    for name, command in group.commands.items():
        yield from commands(command, f"{path} {name}".strip())


def undocumented(found: Mapping[str, click.Command], page: str) -> list[str]:
    """Commands without a row of their own in a page, and options that the row does not name."""
    missing = []
    for path, command in found.items():
        row = re.search(rf"^\| `tradewind {path}[ `].*$", page, flags=re.MULTILINE)
        if row is None:
            missing.append(path)
            continue
        options = {name for each in command.params for name in each.opts if name[:2] == "--"}
        named = set(re.findall(r"--[a-z-]+", row.group())) | SHARED_OPTIONS
        missing += [f"{path} {name}" for name in sorted(options - named)]
    return missing


def test_shared_options_are_documented() -> None:
    assert [name for name in SHARED_OPTIONS if f"`{name}" not in PAGES[ROOT / "README.md"]] == []


def test_every_environment_variable_is_documented() -> None:
    sources = [*(ROOT / "ingest").rglob("*.py"), *(ROOT / "orchestration").rglob("*.py")]
    used = {name for file in sources for name in re.findall(r"TRADEWIND_[A-Z_]+", file.read_text())}
    page = (ROOT / "docs/operations.md").read_text()
    assert used
    assert not [name for name in sorted(used) if name not in page]


def test_the_index_of_decisions_is_complete() -> None:
    index = PAGES[ROOT / "docs/decisions/README.md"]
    assert DECISIONS
    assert [page.name for page in DECISIONS if f"]({page.name})" not in index] == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_every_decision_names_tests_that_exist(page: Path) -> None:
    [held_by] = re.findall(r"^\*\*Held by\.\*\* (.*)$", PAGES[page], flags=re.MULTILINE)
    names = re.findall(r"`([^`]+)::([^`]+)`", held_by)
    assert names
    assert [name for file, name in names if name not in (ROOT / file).read_text()] == []


def test_every_direct_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    required = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = [re.split(r"[<>=\[]", requirement)[0] for requirement in required]
    explained = set(re.findall(r"[\w-]+", PAGES[ROOT / "docs/decisions/0007-dependencies.md"]))
    assert names
    assert [name for name in names if name not in explained] == []


@pytest.mark.parametrize("page", sorted(PAGES), ids=lambda page: str(page.name))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGES[page])
    assert not [link for link in links if not (page.parent / link).exists()]


def test_every_model_and_column_is_described() -> None:
    for file in sorted((ROOT / "dbt_project/models").rglob("*.yml")):
        for model in yaml.safe_load(file.read_text()).get("models", []):
            assert model.get("description"), model["name"]
            blank = [c["name"] for c in model.get("columns", []) if not c.get("description")]
            assert not blank, f"{model['name']}: {blank}"


def test_every_number_of_the_marts_has_a_unit() -> None:
    for file in sorted((ROOT / "dbt_project/models/marts").rglob("*.yml")):
        for model in yaml.safe_load(file.read_text()).get("models", []):
            numbers = [
                column for column in model["columns"]
                if re.match("bigint|integer|double|decimal", column.get("data_type", ""))
            ]  # fmt: skip
            bare = [c["name"] for c in numbers if not unit_of(c["description"])]
            assert not bare, f"{model['name']}: {bare}"


def test_the_unit_is_what_the_description_ends_with() -> None:
    assert unit_of("Units sold. Unit: pieces.") == "pieces"
    assert unit_of("Price. Unit: reporting\ncurrency, for one unit of ours.\n") == (
        "reporting currency, for one unit of ours"
    )
    assert unit_of("Unit of measure.") is None

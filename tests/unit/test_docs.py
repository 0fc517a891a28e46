"""The documentation keeps up with the product: every name that a user can meet appears in it."""

import re
from pathlib import Path

import click
import pytest
import yaml

from ingest.company import Company, Source
from orchestration import table_docs
from orchestration.cli import main

ROOT = Path(__file__).parents[2]
PAGES = {page: page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]}
EVERYTHING = "\n".join(PAGES.values())
MARTS = sorted((ROOT / "dbt_project/models/marts").rglob("*.sql"))


def test_tables_page_is_up_to_date() -> None:
    assert (ROOT / "docs/tables.md").read_text() == table_docs.render(), "run `make docs`"


@pytest.mark.parametrize("mart", MARTS, ids=lambda path: path.stem)
def test_every_mart_is_in_the_measures(mart: Path) -> None:
    assert mart.stem in (ROOT / "docs/metrics.md").read_text()


def test_every_setting_of_the_company_file_is_documented() -> None:
    page = (ROOT / "docs/company-file.md").read_text()
    fields = [*Company.model_fields, *Source.model_fields]
    assert not [
        name for name in fields if f"`{name}`" not in page and name not in {"path", "sha256"}
    ]


def test_every_command_and_option_is_documented() -> None:
    assert isinstance(main, click.Group)
    missing = [
        verb
        for verb in main.commands
        if f"`tradewind {verb}" not in EVERYTHING
        and f"`{verb}" not in EVERYTHING
        and f"tradewind {verb}" not in EVERYTHING
    ]
    options = [
        option
        for command in main.commands.values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option not in EVERYTHING and option != "--help"
    ]
    assert not missing
    assert not options


def test_every_make_target_is_documented() -> None:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert targets
    assert not [
        target
        for target in targets
        if f"`{target}`" not in PAGES[ROOT / "README.md"] and f"make {target}" not in EVERYTHING
    ]


def test_every_environment_variable_is_documented() -> None:
    sources = [*(ROOT / "ingest").rglob("*.py"), *(ROOT / "orchestration").rglob("*.py")]
    used = {name for file in sources for name in re.findall(r"TRADEWIND_[A-Z_]+", file.read_text())}
    page = (ROOT / "docs/operations.md").read_text()
    assert used
    assert not [name for name in sorted(used) if name not in page]


def test_every_decision_names_a_test_that_exists() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text()
    files = sorted((ROOT / "docs/decisions").glob("0*.md"))
    assert all(file.name in index for file in files)
    held_by = re.findall(r"`((?:tests|dbt_project|requirements)[^` ]*)`", index)
    assert held_by
    assert not [path for path in held_by if not (ROOT / path).exists()]


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

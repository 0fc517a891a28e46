"""What the README shows is what the product prints today."""

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import Published, tradewind

pytestmark = pytest.mark.xdist_group("demo")
README = (Path(__file__).parents[2] / "README.md").read_text()
EXAMPLES = re.findall(r"```sh\n(\.venv/bin/tradewind .*?)```\n```text\n(.*?)```", README, re.DOTALL)
HEADLINE = re.findall(r"^│ (?:Revenue|Value share|Price index|Returning).*$", README, re.MULTILINE)


def test_the_headline_is_what_a_run_ends_with(demo_warehouse: Published) -> None:
    assert len(HEADLINE) == 5
    assert not [line for line in HEADLINE if line not in demo_warehouse.output]


@pytest.mark.parametrize(("command", "shown"), EXAMPLES, ids=["sql", "explain"])
def test_commands_print_what_is_shown(demo_warehouse: Published, command: str, shown: str) -> None:
    _, *arguments = shlex.split(command.replace("\\\n", ""))
    done = tradewind(*arguments, TRADEWIND_HOME=str(demo_warehouse.home))
    assert done.returncode == 0, done.stderr
    printed = [line.strip() for line in done.stdout.splitlines()]
    assert not [line for line in shown.strip().splitlines() if line.strip() not in printed]

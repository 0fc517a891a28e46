"""The questions of `dbt_project/questions.yml` as table macros in the schema `ask`.

Belongs here: reading them, writing them into a candidate, and asking one. How an answer is shown
belongs in the command line.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ingest.countries import UNKNOWN, country_codes
from ingest.errors import TradewindError
from ingest.sql import literal
from orchestration.fingerprints import PROJECT

if TYPE_CHECKING:
    import duckdb

QUESTIONS = PROJECT / "questions.yml"


class UnknownQuestion(TradewindError):
    """There is no such question, it has no such parameter, or that cannot have such a value."""

    exit_code = 2


def _is_market(value: str) -> bool:
    return value.upper() in {*country_codes(), UNKNOWN}


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_number(value: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", value) is not None


# what the parameters of these names may be; all others are texts
_VALUES: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "market": (_is_market, "an ISO 3166-1 alpha-2 code such as DE, or null for all markets"),
    "month": (_is_date, "a day of the month such as 2026-09-01, or null for the newest"),
    "known_on": (_is_date, "a day such as 2026-03-01, or null for what is known now"),
    **dict.fromkeys(("firms", "products", "customers", "days"), (str.isdecimal, "a whole number")),
    "percent": (_is_number, "a number such as 5 or 2.5"),
    "compared_with": (
        ("month before", "year before", "plan").__contains__,
        "'month before', 'year before' or 'plan'",
    ),
    "measure": (("value", "volume").__contains__, "value or volume"),
}


@dataclass(frozen=True)
class Question:
    """One question. `parameters` maps each to its default as SQL, in the order of asking."""

    name: str
    asks: str
    answer: str
    parameters: Mapping[str, str]
    example: str
    sql: str

    @property
    def signature(self) -> str:
        """The name with its parameters, as it is listed."""
        return f"{self.name}({', '.join(self.parameters)})"


def questions(path: Path = QUESTIONS) -> dict[str, Question]:
    """Return all questions by name, in the order of the file."""
    content: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: _question(name, body) for name, body in content.items()}


def _question(name: str, body: Mapping[str, Any]) -> Question:
    defaults = {
        key: "null" if default is None else str(default)
        for key, default in body["parameters"].items()
    }
    return Question(name, body["asks"], body["answer"], defaults, body["example"], body["sql"])


def create(connection: "duckdb.DuckDBPyConnection") -> list[str]:
    """Write the macros anew and return their names; those whose tables are not built are left out.

    Args:
        connection: The candidate, open for writing.
    """
    import duckdb

    connection.execute("drop schema if exists ask cascade")
    connection.execute("create schema ask")
    created = []
    for question in questions().values():
        parameters = ", ".join(f"{name} := {value}" for name, value in question.parameters.items())
        try:
            connection.execute(
                f"create macro ask.{question.name}({parameters}) as table {question.sql}"
            )
        except duckdb.CatalogException:
            continue
        created.append(question.name)
    return created


def query(name: str, arguments: Sequence[str]) -> str:
    """Return the SQL that asks a question.

    Args:
        name: The question.
        arguments: Values in the order of the parameters, or `name=value`; `null` stands for all.

    Raises:
        UnknownQuestion: There is no such question, it has no such parameter, or that cannot have
            such a value.
    """
    known = questions()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        raise UnknownQuestion(
            what=f"there is no question {name!r}",
            where=f"tradewind ask {name}",
            expected="one of " + ", ".join(near or known),
            next_step="`tradewind ask` lists all questions",
        )
    given = _given(known[name], arguments)
    listed = ", ".join(f"{key} := {literal(value)}" for key, value in given.items())
    return f"from ask.{name}({listed})"


def _given(question: Question, arguments: Sequence[str]) -> dict[str, str | None]:
    names = list(question.parameters)
    given: dict[str, str | None] = {}
    for position, argument in enumerate(arguments):
        key, named, value = argument.partition("=")
        if not named:
            key, value = names[position] if position < len(names) else "", argument
        if key not in names or key in given:
            raise UnknownQuestion(
                what=f"{argument!r} is no parameter of {question.name}",
                where=f"tradewind ask {question.name}",
                expected=question.signature if names else f"{question.name} without parameters",
                next_step=f"ask for instance: {question.example}",
            )
        given[key] = None if value.lower() == "null" else value
        _check(question, key, given[key])
    return given


def _check(question: Question, key: str, value: str | None) -> None:
    is_right, expected = _VALUES.get(key, (None, ""))
    if value is not None and is_right is not None and not is_right(value):
        raise UnknownQuestion(
            what=f"{value!r} is no value for {key}",
            where=f"tradewind ask {question.name}",
            expected=expected,
            next_step=f"ask for instance: {question.example}",
        )

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
    """One question. `parameters` maps each to its default as SQL, in the order of asking; `needs`
    are the entities without which there is no answer."""

    name: str
    asks: str
    answer: str
    parameters: Mapping[str, str]
    needs: Sequence[str]
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
    return Question(
        name, body["asks"], body["answer"], defaults, body["needs"], body["example"], body["sql"]
    )


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
    return _query(name, _given(known[name], arguments))


def _query(name: str, given: Mapping[str, str | None]) -> str:
    listed = ", ".join(f"{key} := {literal(value)}" for key, value in given.items())
    return f"from ask.{name}({listed})"


def why_nothing(
    connection: "duckdb.DuckDBPyConnection", name: str, arguments: Sequence[str]
) -> str | None:
    """Say in one sentence why a question has no rows for an answer; None where it has some.

    Args:
        connection: The published warehouse.
        name: The question.
        arguments: As in `query`.

    Raises:
        UnknownQuestion: It was asked of a category or a source that there is none of.
    """
    question = questions()[name]
    given = _given(question, arguments)
    if _has_rows(connection, _query(name, given)):
        return None
    missing = [one for one in question.needs if not _has_rows(connection, f"from raw.{one}")]
    if missing:
        return (
            f"No rows: the answer is made from {' and '.join(question.needs)}, and no row of "
            f"{' and '.join(missing)} has been delivered; add a source of it to the company file."
        )
    for key, value in given.items():
        if value is not None:
            _refuse_unknown(connection, question, key, value)
            if found := _found_without(connection, question, given, key):
                return f"No rows with {key} {value!r}; there are with {_nearest(value, found)}."
    return (
        "No rows: nothing that was delivered is of this kind; "
        "`tradewind ask how_fresh` shows what was."
    )


def _has_rows(connection: "duckdb.DuckDBPyConnection", query: str) -> bool:
    return connection.execute(f"select 1 {query} limit 1").fetchone() is not None


# all values that a parameter of the name can have
_KNOWN = {
    "category": "select category from core.dim_product union all "
    "select category from core.fct_market_sales",
    "source": "select source from audit.deliveries",
}


def _refuse_unknown(
    connection: "duckdb.DuckDBPyConnection", question: Question, key: str, value: str
) -> None:
    if key not in _KNOWN:
        return
    known = _distinct(connection, key, f"({_KNOWN[key]})")
    if value.lower() not in {each.lower() for each in known}:
        raise UnknownQuestion(
            what=f"there is no {key} {value!r}",
            where=f"tradewind ask {question.name}",
            expected=_nearest(value, known),
            next_step=f"correct the name, or ask for all with {key}=null",
        )


def _found_without(
    connection: "duckdb.DuckDBPyConnection",
    question: Question,
    given: Mapping[str, str | None],
    key: str,
) -> list[str]:
    """Return which values the answer has of a parameter that is left out; none of one not in it."""
    rest = {name: value for name, value in given.items() if name != key}
    asked = _query(question.name, rest).removeprefix("from ")
    columns = {row[0] for row in connection.execute(f"describe from {asked}").fetchall()}
    return _distinct(connection, key, asked) if key in columns else []


def _distinct(connection: "duckdb.DuckDBPyConnection", column: str, table: str) -> list[str]:
    rows = connection.execute(
        f"select distinct {column} from {table} where {column} is not null order by 1"
    )
    return [str(value) for (value,) in rows.fetchall()]


def _nearest(value: str, known: Sequence[str]) -> str:
    """Return the values that one may have been meant for, in words; the first of all if none."""
    by_key = {each.lower(): each for each in known}
    near = difflib.get_close_matches(value.lower(), by_key, n=3, cutoff=0.5)
    listed = [by_key[each] for each in near] or list(known[:5])
    return " or ".join(repr(each) for each in listed)


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

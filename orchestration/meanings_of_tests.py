"""What each of dbt's tests expects, in words: for who reads a refusal, `audit.checks` or the UI.

The words follow from the kind of a test and its arguments, or from the comment that its own SQL
begins with. A description in the YAML comes first.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any

NO_MORE = "no failing rows"
Arguments = Mapping[str, Any]


def describe_tests(manifest: Mapping[str, Any]) -> None:
    """Give every test of a manifest a description, where Dagster and our gates look for one."""
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test":
            said = node.get("description") or meaning(node)
            node["description"] = said
            node["meta"] = {**(node.get("meta") or {}), "description": said}


def meaning(test: Mapping[str, Any]) -> str:
    """What a test expects; of a kind that is not ours, no more than that nothing fails."""
    generic = test.get("test_metadata")
    if generic is None:
        return _comment(test["raw_code"]) or NO_MORE
    said = _KINDS.get(generic["name"])
    return said(generic["kwargs"]) if said else NO_MORE


def _comment(sql: str) -> str:
    lines = takewhile(lambda line: line.startswith("--"), sql.strip().splitlines())
    return " ".join(line.removeprefix("--").strip() for line in lines)


def _identify(given: Arguments) -> str:
    columns = given.get("columns") or [given["column_name"]]
    return f"{_listed(columns)} {'identifies' if len(columns) == 1 else 'identify'} a row"


def _belongs(given: Arguments) -> str:
    return f"every {given['column_name']} is in {_table(given['to'])}"


def _sums_match(given: Arguments) -> str:
    groups = given.get("group_by") or []
    by = f", by {_listed(groups)}" if groups else ""
    return f"the sums of {_listed(given['sums'])} are those of {_table(given['compare_to'])}{by}"


def _between(given: Arguments) -> str:
    return "; ".join(
        f"{column} {_range(low, high)}" for column, (low, high) in given["ranges"].items()
    )


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"from {low} to {high}"
    if low is not None:
        return f"at least {low}"
    return "a finite number" if high is None else f"at most {high}"


def _adds_up(given: Arguments) -> str:
    taken = "".join(f" - {part}" for part in given.get("minus") or [])
    return f"{given['total']} = {' + '.join(given['plus'])}{taken}"


def _one_of(given: Arguments) -> str:
    return f"{given['column_name']} is one of {', '.join(map(str, given['values']))}"


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _table(reference: str) -> str:
    """`dim_market` of `ref('dim_market')`, `raw.company` of `source('raw', 'company')`."""
    return ".".join(re.findall(r"'([^']*)'", reference)) or reference


_KINDS: dict[str, Callable[[Arguments], str]] = {
    "accepted_values": _one_of,
    "adds_up": _adds_up,
    "between": _between,
    "explained_null": lambda given: (
        f"{given['value']} is empty exactly where {given['reason']} says why"
    ),
    "holds": lambda given: f"in every row: {' '.join(given['condition'].split())}",
    "keeps_every_line": lambda given: "every staged line once, here or in quarantine.without_rate",
    "no_gap": lambda given: f"no gap in {given['date_column']}",
    "not_empty_when_source_has_rows": lambda given: (
        f"rows, since {_table(given['built_from'])} has some"
    ),
    "not_null": lambda given: f"{given['column_name']} in every row",
    "refers_to": _belongs,
    "relationships": _belongs,
    "sums_match": _sums_match,
    "unique": _identify,
    "unique_combination": _identify,
}

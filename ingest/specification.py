"""The canonical entities, read once from entities.yml.

Nothing about an entity is written down twice: types, units, keys and rules come from that file,
and so does docs/entities.md (`python -m ingest.specification > docs/entities.md`).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from ingest.errors import TradewindError

LINEAGE_COLUMNS = MappingProxyType(
    {
        "_delivery_id": "VARCHAR",
        "_row_number": "BIGINT",
        "_superseded_by": "VARCHAR",
    }
)
"""Columns that every raw row carries after the canonical ones, with their DuckDB types."""

_TYPES = {
    "text": "VARCHAR",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "money": "DECIMAL(18,4)",
    "quantity": "DECIMAL(18,4)",
    "number": "DOUBLE",
    "integer": "BIGINT",
    "flag": "BOOLEAN",
}
_CODES = {
    "country": ("is_country_code", "an ISO 3166-1 alpha-2 country code such as GB, or ZZ"),
    "currency": ("is_currency_code", "an ISO 4217 currency code such as EUR"),
}
_YEARS, _ANY_YEAR = (1950, 2099), (1000, 9999)
_MONEY_UNIT = "currency"
_COLUMN_KEYS = {
    "type",
    "required",
    "unit",
    "description",
    "codes",
    "accepted",
    "default",
    "any_year",
    "personal",
    "compressed",
}
_ENTITY_KEYS = {"description", "grain", "key", "one_of", "columns", "rules"}


@dataclass(frozen=True)
class Column:
    """A canonical column.

    Attributes:
        name: Its name.
        type: Its DuckDB type.
        required: Whether a row without a value is quarantined.
        unit: Unit of measure; `currency` where it is money in the row's own currency.
        description: What it holds.
        accepted: The values allowed; None where any is.
        default: What a row without a value gets; None where nothing is put in.
        any_year: Whether its days may lie in any year of four digits; else from 1950 to 2099.
        codes: `country` or `currency` where it holds such codes.
        personal: Whether it says something about a person.
        compressed: Whether its table may look for a shorter way to hold it.
    """

    name: str
    type: str
    required: bool = False
    unit: str | None = None
    description: str = ""
    accepted: tuple[str, ...] | None = None
    default: str | None = None
    any_year: bool = False
    codes: str | None = None
    personal: bool = False
    compressed: bool = True

    @property
    def is_amount(self) -> bool:
        """Whether it is an amount of money, which means nothing without a currency."""
        return self.unit == _MONEY_UNIT


@dataclass(frozen=True)
class Rule:
    """What must hold in each row of an entity.

    Attributes:
        name: Its name, unique within the entity.
        sql: A DuckDB condition over the canonical columns: true or null is good. It may use
            `is_country_code`, `is_currency_code` and `is_not_blank` of
            `ingest.functions.register`.
        reason: What was expected, as it is shown beside a quarantined row.
    """

    name: str
    sql: str
    reason: str


@dataclass(frozen=True)
class Entity:
    """A canonical entity.

    Attributes:
        name: Its name, and that of its raw table.
        description: What it is.
        grain: What one row is.
        key: The natural key (values may be null); empty where each row stands for itself.
        columns: All canonical columns, in the order of the raw table.
        rules: Row rules, those that follow from the columns (accepted values, codes, blank
            texts, one-of groups, currencies of amounts) among them. That a required column must
            not be null is not among them: see `required`.
        one_of: Groups of columns of which one at least must be known.
    """

    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    one_of: tuple[tuple[str, ...], ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all canonical columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that no row may lack."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def amounts(self) -> tuple[str, ...]:
        """Names of the columns that are amounts in the row's `currency`."""
        return tuple(column.name for column in self.columns if column.is_amount)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


class SpecificationError(TradewindError):
    """entities.yml contradicts itself: a fault of this software, not of a company file."""


def parse(text: str) -> Mapping[str, Entity]:
    """The entities of a specification, checked for consistency.

    Args:
        text: The YAML text.

    Raises:
        SpecificationError: An unknown key or type, a key or rule over columns that do not exist.
    """
    # compiled loader: a tenth of the time of the one written in Python
    document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return MappingProxyType({name: _entity(name, body) for name, body in document.items()})


@cache
def fingerprint() -> str:
    """SHA-256 of the specification and of what reads the values of a mapping.

    Where it has changed, the same delivery may turn into other rows.
    """
    folder = Path(__file__).parent
    files = (
        "entities.yml",
        "functions.py",
        "country_names.txt",
        "expressions.py",
        "prices.py",
        "currency_signs.py",
    )
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in files)).hexdigest()


def to_markdown() -> str:
    """The specification as the page docs/entities.md."""
    lines = [
        "# Canonical entities",
        "",
        "<!-- Generated from ingest/entities.yml: python -m ingest.specification"
        " > docs/entities.md -->",
        "",
        "Every source of a company file is mapped to one of these. Required columns are in bold;"
        " all others are optional. An entity",
        "with no source leaves its marts empty. A row that breaks a rule, or lacks a required"
        " value, goes to the quarantine with the",
        "reason given here. Amounts are decimal numbers in the `currency` of their own row. Where"
        " only some values are accepted, capitals, spaces,",
        "hyphens and underscores make no difference: `In stock` is taken as `in_stock`. Times with"
        " an offset (`...+02:00`) are turned into UTC;",
        "where only the day counts (type `date`), that is the day as written.",
        "Every raw row also carries `_source`, "
        + ", ".join(f"`{name}`" for name in LINEAGE_COLUMNS)
        + "; the file, its SHA-256 and the time of landing stand in `audit.deliveries`.",
    ]
    for entity in ENTITIES.values():
        lines += ["", *_entity_markdown(entity)]
    return "\n".join(lines) + "\n"


def _entity(name: str, body: dict[str, Any]) -> Entity:
    _refuse_unknown(name, body, _ENTITY_KEYS)
    columns = tuple(_column(name, key, value) for key, value in body["columns"].items())
    one_of = tuple(tuple(group) for group in body.get("one_of", ()))
    entity = Entity(
        name=name,
        description=body["description"],
        grain=body["grain"],
        key=tuple(body["key"]),
        columns=columns,
        one_of=one_of,
        rules=(
            *_implied_rules(columns, one_of),
            *(Rule(name=rule, **text) for rule, text in body.get("rules", {}).items()),
        ),
    )
    _check(entity)
    return entity


def _column(entity: str, name: str, body: dict[str, Any]) -> Column:
    where = f"{entity}.{name}"
    _refuse_unknown(where, body, _COLUMN_KEYS)
    if body.get("type") not in _TYPES:
        raise SpecificationError(
            f"unknown type {body.get('type')!r}", where, f"one of {', '.join(_TYPES)}"
        )
    if body.get("codes") not in (None, *_CODES):
        raise SpecificationError(
            f"unknown codes {body['codes']!r}", where, f"one of {', '.join(_CODES)}"
        )
    accepted = body.get("accepted")
    return Column(
        name=name,
        type=_TYPES[body["type"]],
        required=body.get("required", False),
        unit=_MONEY_UNIT if body["type"] == "money" else body.get("unit"),
        description=body["description"],
        accepted=tuple(accepted) if accepted else None,
        default=body.get("default"),
        any_year=body.get("any_year", False),
        codes=body.get("codes"),
        personal=body.get("personal", False),
        compressed=body.get("compressed", True),
    )


def _implied_rules(
    columns: tuple[Column, ...], one_of: tuple[tuple[str, ...], ...]
) -> Iterator[Rule]:
    """The rules that follow from what is said about the columns."""
    for column in columns:
        yield from _column_rules(column)
    for group in one_of:
        known = " or ".join(f"{name} is not null" for name in group)
        yield Rule(f"{group[0]}_or_alternative", known, f"one of {', '.join(group)} must be given")
    by_name = {column.name: column for column in columns}
    amounts = [column.name for column in columns if column.is_amount]
    if amounts and "currency" in by_name and not by_name["currency"].required:
        missing = " and ".join(f"{name} is null" for name in amounts)
        yield Rule(
            "amounts_have_currency",
            f"currency is not null or ({missing})",
            f"currency must be given beside {', '.join(amounts)}",
        )


def _column_rules(column: Column) -> Iterator[Rule]:
    name = column.name
    if column.codes:
        function, expected = _CODES[column.codes]
        yield Rule(f"{name}_is_{column.codes}", f"{function}({name})", f"{name} must be {expected}")
    elif column.accepted:
        values = ", ".join(f"'{value}'" for value in column.accepted)
        reason = f"{name} must be one of {', '.join(column.accepted)}"
        yield Rule(f"{name}_accepted", f"{name} in ({values})", reason)
    elif column.required and column.type == "VARCHAR":
        yield Rule(f"{name}_not_blank", f"is_not_blank({name})", f"{name} must not be blank")
    elif column.type in ("DATE", "TIMESTAMP"):
        yield _plausible(column)


def _plausible(column: Column) -> Rule:
    """That a day is none of another age, as one is whose year was written with two digits."""
    first, last = _ANY_YEAR if column.any_year else _YEARS
    from_day, to_day = (f"{column.type.lower()} '{year}-01-01'" for year in (first, last + 1))
    return Rule(
        f"{column.name}_plausible",
        f"{column.name} >= {from_day} and {column.name} < {to_day}",
        f"{column.name} must lie between the years {first} and {last}",
    )


def _check(entity: Entity) -> None:
    """That keys, groups and defaults fit the columns."""
    names = set(entity.column_names)
    for group in (entity.key, *entity.one_of):
        _refuse_unknown(entity.name, dict.fromkeys(group), names)
    for column in entity.columns:
        if column.default is not None and column.default not in (column.accepted or ()):
            raise SpecificationError(
                f"the default {column.default!r} is not accepted", f"{entity.name}.{column.name}"
            )
    if entity.amounts and "currency" not in names:
        raise SpecificationError("amounts without a currency column", entity.name)
    rules = [rule.name for rule in entity.rules]
    if len(rules) != len(set(rules)):
        raise SpecificationError("two rules have the same name", entity.name)


def _refuse_unknown(where: str, found: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise SpecificationError(
            f"unknown: {', '.join(unknown)}", where, f"one of {', '.join(sorted(known))}"
        )


def _entity_markdown(entity: Entity) -> Iterator[str]:
    yield f"## `{entity.name}`"
    yield ""
    yield f"{entity.grain} {entity.description}"
    key = ", ".join(f"`{name}`" for name in entity.key)
    yield ""
    if key:
        yield f"Key: {key}. Of several rows with the same key, that of the latest delivery counts."
    else:
        yield "Key: none; every row counts."
    yield ""
    yield "| column | type | unit | what it holds |"
    yield "| --- | --- | --- | --- |"
    for column in entity.columns:
        name = f"**`{column.name}`**" if column.required else f"`{column.name}`"
        yield f"| {name} | {column.type} | {_unit_markdown(column)} | {_description(column)} |"
    if entity.rules:
        yield ""
        yield "| rule | expected | as SQL |"
        yield "| --- | --- | --- |"
        for rule in entity.rules:
            yield f"| `{rule.name}` | {rule.reason} | `{rule.sql}` |"


def _unit_markdown(column: Column) -> str:
    return "money in `currency`" if column.is_amount else column.unit or ""


def _description(column: Column) -> str:
    parts = [column.description]
    if column.codes:
        parts.append(f"Expected: {_CODES[column.codes][1]}.")
    if column.accepted:
        parts.append("Accepted: " + ", ".join(f"`{value}`" for value in column.accepted) + ".")
    if column.default:
        parts.append(f"Default: `{column.default}`.")
    if column.personal:
        parts.append("Personal data.")
    return " ".join(parts)


_TEXT = Path(__file__).with_name("entities.yml").read_text(encoding="utf-8")
ENTITIES: Mapping[str, Entity] = parse(_TEXT)
"""All canonical entities by name."""


if __name__ == "__main__":
    print(to_markdown(), end="")

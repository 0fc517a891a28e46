"""Mapping expressions: from the text in a company file to SQL over a file's own columns.

An expression is one scalar DuckDB expression. It is taken apart into its syntax tree, so that it
cannot be more than that: no statement, subquery, window, aggregate or volatile function gets
through, and it is bound on a connection of its own that can reach no file and no network.

Files of text say nothing of types, so each column starts as text. Where DuckDB does not accept an
expression over text (`Quantity < 0`), the columns in it are tried as numbers, then as timestamps,
changing as few of them as possible. What is chosen depends on the expression alone, never on the
content of a file.
"""

import itertools
import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal

import duckdb

from ingest import functions
from ingest.company import Company, Source
from ingest.errors import CompanyFileError, DeliveryRefused, Problem
from ingest.prices import DECIMAL_MARKS
from ingest.specification import Entity
from ingest.sql import literal, quoted
from ingest.yaml_marks import Location, read

TEXT = "VARCHAR"
_VARIANTS = (TEXT, "DOUBLE", "TIMESTAMP")
_MAX_TRIES = 400
_LOOK_ALIKES = (" \u00a0\u2009\u202f", "'\u2019`")
_SHORTEST_DATE = len("2026-4-1")
_ZONE = r" *(Z|[+-][0-9]{1,2}(:?[0-9]{2})?|[A-Za-z]+(/[A-Za-z_]+)*)$"
_SHORTEST_WITH_OFFSET = len("2026-4-1 0:0:0+02")
_COUNTRY = "country_code"
PRICE_FUNCTION = "parse_price"
_PLAIN_NAME = re.compile(r"[^\W\d][\w .#%/-]*")
_ALIAS = re.compile(r'"[a-z][a-z0-9(), ]*:')
_CASE = re.compile(r"\s*case\b.*\bwhen\b", re.IGNORECASE)
_FORBIDDEN_CLASSES = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "STAR": "a star",
    "PARAMETER": "a parameter",
    "DEFAULT": "a default",
    "POSITIONAL_REFERENCE": "a column by position",
}
_ABOUT_THE_SESSION = ("current_setting", "getvariable", "get_block_size", "version")
_EXPECTED = {
    "DOUBLE": "a number",
    "BIGINT": "a whole number",
    "TIMESTAMP": "a date and time",
    "DATE": "a date",
    "BOOLEAN": "true or false",
}
_TIMES_OF_NOW = (
    "current_localtimestamp", "current_localtime", "current_timestamp", "current_time",
    "localtimestamp", "localtime",
)  # fmt: skip
_IS_VOLATILE = "gives another value at every run"
_CALLED = re.compile(rf"\w+(?=\"?\()|{'|'.join(_TIMES_OF_NOW)}")
_NESTED_MACROS = 2
_NUMBER_IDS = ("INTEGER", "BIGINT", "HUGEINT", "DECIMAL", "DOUBLE", "INTEGER_LITERAL", "UBIGINT")


@dataclass(frozen=True)
class SourceColumn:
    """A column of a file.

    Attributes:
        name: Its name there.
        type: Its DuckDB type; VARCHAR in all files of text.
        tells_numbers: Whether a column beside it, by `number_alias`, says which of its texts are
            numbers in the file, to be taken as they are.
        original: Its name in the file where that differs from another one's in capitals only, for
            to DuckDB they would be the same; else empty.
    """

    name: str
    type: str = TEXT
    tells_numbers: bool = False
    original: str = ""

    @property
    def shown(self) -> str:
        """Its name as it stands in the file."""
        return self.original or self.name


def find_column(name: str, available: Sequence[SourceColumn]) -> SourceColumn | None:
    """The column of a name: the very name, or else the only one that differs in capitals only."""
    for column in available:
        if name in (column.name, column.original):
            return column
    alike = [
        column
        for column in available
        if name.lower() in (column.name.lower(), column.original.lower())
    ]
    return alike[0] if len(alike) == 1 else None


@dataclass(frozen=True)
class Marks:
    """How numbers and dates are written in a source's texts."""

    decimal: str = "."
    thousands: str | None = None
    date_formats: tuple[str, ...] = ()
    first_day: str = ""

    @classmethod
    def of(cls, source: Source, first_day: str = "") -> "Marks":
        """The marks of a source.

        A number where a workbook should hold a date counts the days from `first_day`.
        """
        formats = tuple(source.date_formats)
        return cls(source.decimal, source.thousands, formats, first_day)


@dataclass(frozen=True)
class Mapped:
    """One canonical column of a mapping, ready to run.

    Attributes:
        name: The canonical column.
        text: The expression as written in the company file.
        sql: Over the columns that `variants` makes.
        can_fail: Whether it may fail on a row; it is then to be run as `try({'v': sql})`, which is
            null on a failure.
        type: What `sql` gives, a DuckDB type.
        variants: The source's columns that it reads, as the types that it reads them as.
        lookups: Country codes that it needs.
    """

    name: str
    text: str
    sql: str
    can_fail: bool
    type: str
    variants: tuple["Variant", ...]
    lookups: tuple["Lookup", ...] = ()


@dataclass(frozen=True)
class Lookup:
    """A call of country_code: a join on the name, for a call a row would cost far more.

    Attributes:
        name_sql: The name of a country, over the columns that variants make; null on an error.
    """

    name_sql: str

    @property
    def alias(self) -> str:
        """Name of the column with the code."""
        return f"country:{self.name_sql}"


@dataclass(frozen=True)
class Variant:
    """A column of the source, read as a type, or asked whether it holds a number.

    Attributes:
        column: The column.
        type: As what it is read.
        role: `marked`: as text, its numbers with the marks of the source; `number`: whether the
            value is a number in the file.
    """

    column: SourceColumn
    type: str
    role: Literal["", "marked", "number"] = ""

    @property
    def is_typed(self) -> bool:
        """Whether the column is read as something else than it is, which may fail on a row."""
        return not self.role and self.type != self.column.type

    @property
    def alias(self) -> str:
        """Name of the column as read. Canonical columns have no colon in their names."""
        return f"{self.role or self.type.lower()}:{self.column.name}"

    def sql(self, marks: Marks) -> str:
        """Over the column `source:<name>`; null where the text is not of the type."""
        if self.role == "number":
            return quoted(number_alias(self.column.name))
        name = quoted(source_alias(self.column.name))
        if self.role == "marked" or is_number(self.type):
            name = marked_sql(self.column, name, marks)
        return cast_sql(name, self.column.type, self.type, marks)


@dataclass(frozen=True)
class BoundMapping:
    """A whole mapping bound against the columns of a file."""

    columns: tuple[Mapped, ...]

    @property
    def variants(self) -> tuple[Variant, ...]:
        """All columns as any expression reads them, each once."""
        return tuple(dict.fromkeys(v for mapped in self.columns for v in mapped.variants))

    @property
    def lookups(self) -> tuple[Lookup, ...]:
        """All country codes that any expression needs, each once."""
        return tuple(dict.fromkeys(v for mapped in self.columns for v in mapped.lookups))


@dataclass
class _Parsed:
    """An expression's tree and what was found in it.

    Attributes:
        tree: As DuckDB gives it, with a column in place of each call of country_code.
        references: Name parts of the columns in it, which are parts of the tree.
        countries: Name parts of the columns in place of country_code, and its arguments.
        prices: Calls of parse_price, and the name parts of the columns in the text of each.
    """

    tree: dict[str, Any]
    references: list[list[str]] = field(default_factory=list)
    countries: list[tuple[list[str], Any]] = field(default_factory=list)
    prices: list[tuple[dict[str, Any], list[list[str]]]] = field(default_factory=list)
    compared_with_number: set[str] = field(default_factory=set)
    can_fail: bool = False


class ExpressionError(Exception):
    """An expression cannot be used: what is wrong, and what was expected."""

    def __init__(self, found: str, expected: str, next_step: str, is_syntax: bool = False) -> None:
        super().__init__(found)
        self.found, self.expected, self.next_step = found, expected, next_step
        self.is_syntax = is_syntax


class UnknownColumns(Exception):
    """An expression names columns that the file does not have."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(", ".join(names))
        self.names = tuple(names)


# ---------------------------------------------------------------- SQL text


def source_alias(name: str) -> str:
    """What a column of the source is called while it is mapped."""
    return f"source:{name}"


def number_alias(name: str) -> str:
    """What the column beside it is called that says which values are numbers in the file."""
    return f"number:{name}"


def is_number(type_name: str) -> bool:
    """Whether a DuckDB type is one that texts are read as by the marks of numbers."""
    return type_name in ("DOUBLE", "BIGINT", "INTEGER") or type_name.startswith("DECIMAL")


def marked_sql(column: SourceColumn, sql: str, marks: Marks) -> str:
    """A column as text, the numbers of the file with the decimal mark that its texts have."""
    if not column.tells_numbers or marks.decimal == ".":
        return sql
    number = f"replace({sql}, '.', {literal(marks.decimal)})"
    return f"(case when {quoted(number_alias(column.name))} then {number} else {sql} end)"


def cast_sql(sql: str, from_type: str, to_type: str, marks: Marks) -> str:
    """`sql` as another type; null where a text is not of that type.

    Args:
        sql: An expression.
        from_type: Its type.
        to_type: The type wanted.
        marks: How texts write numbers and dates.
    """
    if from_type == to_type:
        return sql
    if from_type != TEXT:
        return f"try_cast({sql} as {to_type})"
    if to_type == "TIMESTAMP":
        return _timestamp_sql(sql, marks)
    if to_type == "DATE":
        return f"try_cast({_timestamp_sql(sql, marks, in_utc=False)} as date)"
    if to_type == "BOOLEAN":
        return f"try_cast(trim({sql}) as boolean)"
    number = _number_sql(sql, marks)
    if to_type == "DOUBLE" or to_type.startswith("DECIMAL"):
        return f"try_cast({number} as {to_type})"
    is_whole = f"try_cast({number} as double) % 1 = 0"
    return f"(case when {is_whole} then try_cast({number} as {to_type}) end)"


def expected(type_: str, marks: Marks) -> str:
    """What a value of a type looks like, for messages."""
    kind = _EXPECTED.get(type_, "a number" if type_.startswith("DECIMAL") else type_)
    if marks.date_formats and type_ in ("DATE", "TIMESTAMP"):
        kind += " like " + " or ".join(marks.date_formats)
    if kind == "a number" and (marks.decimal, marks.thousands) != (".", None):
        kind += f" with the decimal mark {marks.decimal}"
    return kind


def _timestamp_sql(sql: str, marks: Marks, in_utc: bool = True) -> str:
    """The time in a text. One with an offset is turned into UTC, but where only its day counts:
    that is the day as written."""
    if marks.date_formats:
        parsed = _formatted_sql(f"trim({sql})", marks.date_formats, in_utc)
    else:
        parsed = _iso_sql(sql, in_utc)
    if not marks.first_day:
        return parsed
    # five digits at least, as of all days since 1931, so that a year is no date
    seconds = f"cast(round(cast({sql} as double) * 86400) as bigint)"
    return (
        f"(case when regexp_full_match({sql}, '[1-9][0-9]{{4,5}}([.][0-9]+)?') "
        f"then timestamp '{marks.first_day}' + to_seconds({seconds}) else {parsed} end)"
    )


def _iso_sql(sql: str, in_utc: bool) -> str:
    """A text that DuckDB reads by itself; of words, such as epoch, it takes some for times."""
    zoned = ""
    if in_utc:
        # a cast to TIMESTAMP drops an offset; the way by TIMESTAMPTZ takes eight times as long
        zoned = (
            f"when strlen({sql}) >= {_SHORTEST_WITH_OFFSET} "
            f"and (contains({sql}, '+') or {sql} like '%:%-%') "
            f"then try_cast(try_cast({sql} as timestamptz) as timestamp) "
        )
    plain = f"when strlen({sql}) >= {_SHORTEST_DATE} then try_cast({sql} as timestamp)"
    return f"(case {zoned}{plain} end)"


def _formatted_sql(sql: str, formats: Sequence[str], in_utc: bool) -> str:
    """A text in one of the formats. Years of two digits are tried first, for %Y takes them too."""
    ordered = sorted(formats, key=lambda each: "%y" not in each)
    zoned = [] if in_utc else [each for each in ordered if each.endswith(("%z", "%Z"))]
    parsed = [
        f"try_strptime({text}, {literal(listed)})"
        for text, listed in (
            (sql, [each for each in ordered if each not in zoned]),
            (f"regexp_replace({sql}, '{_ZONE}', '')", [each[:-2].rstrip() for each in zoned]),
        )
        if listed
    ]
    # which DuckDB takes for a time by whatever format
    return f"(case when {sql} <> 'epoch' then coalesce({', '.join(parsed)}) end)"


def _number_sql(sql: str, marks: Marks) -> str:
    """The text with a decimal point and no thousands marks; null where the marks stand wrongly.

    A mark in the wrong place is never guessed at: 1.5 is no number where the dot groups thousands.
    """
    if marks.decimal == "." and not marks.thousands:
        return sql
    decimal, thousands = f"\\x{{{ord(marks.decimal):x}}}", _alike(marks.thousands)
    plain = rf"\s*[-+]?[0-9]*({decimal}[0-9]*)?([eE][-+]?[0-9]+)?\s*"
    pattern = plain
    if thousands:
        mark = "".join(f"\\x{{{ord(character):x}}}" for character in thousands)
        grouped = rf"\s*[-+]?[0-9]{{1,3}}([{mark}][0-9]{{3}})+({decimal}[0-9]*)?\s*"
        pattern = f"({plain}|{grouped})"
    bare = f"translate({sql}, {literal(thousands)}, '')" if thousands else sql
    return (
        f"(case when regexp_full_match({sql}, {literal(pattern)}) "
        f"then replace({bare}, {literal(marks.decimal)}, '.') end)"
    )


def _alike(mark: str | None) -> str:
    """All characters that look like a thousands mark: no one can tell one space from another."""
    return next((marks for marks in _LOOK_ALIKES if mark and mark in marks), mark or "")


# ---------------------------------------------------------------- taking expressions apart


@cache
def _sandbox() -> duckdb.DuckDBPyConnection:
    """A connection on which expressions are checked: it reaches no file and no network."""
    connection = duckdb.connect(config={"threads": 1})
    functions.register(connection)
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


@cache
def _functions() -> Mapping[str, str]:
    """Why a function may not be used, by name; empty text for those that may."""
    rows = (
        _sandbox()
        .execute(
            """
            select
                function_name,
                bool_or(function_type = 'aggregate') and not bool_or(function_type <> 'aggregate'),
                bool_or(function_type = 'scalar' and stability <> 'CONSISTENT'),
                bool_and(schema_name = 'pg_catalog'),
                string_agg(macro_definition, ' ')
            from duckdb_functions()
            where function_type in ('scalar', 'macro', 'aggregate')
            group by function_name
            """
        )
        .fetchall()
    )
    reasons = dict.fromkeys(_TIMES_OF_NOW, _IS_VOLATILE) | {"unnest": "makes many rows of one"}
    for name, is_aggregate, is_volatile, is_catalog, _ in rows:
        reason = _IS_VOLATILE if is_volatile else reasons.get(name, "")
        reason = "tells of the database, not of the row" if is_catalog else reason
        reasons[name] = "needs many rows, not one" if is_aggregate else reason
    reasons |= dict.fromkeys(_ABOUT_THE_SESSION, "tells of the session, not of the row")
    macros = {name: _CALLED.findall(text) for name, *_, text in rows if text}
    for _ in range(_NESTED_MACROS):
        for name, called in macros.items():
            reasons[name] = next(filter(None, [reasons[name], *map(reasons.get, called)]), "")
    return reasons


def _parse(text: str) -> _Parsed:
    statement = f"select\n{text}\n"
    row = _sandbox().execute(f"select json_serialize_sql({literal(statement)})").fetchone()
    answer = json.loads(row[0]) if row else {}
    if answer.get("error"):
        raise ExpressionError(
            f"{text!r}, which DuckDB cannot read: {answer.get('error_message', 'syntax error')}",
            "one SQL expression over the file's own columns",
            "correct the expression",
            is_syntax=True,
        )
    statements = answer["statements"]
    node = statements[0]["node"]
    extra = [
        key
        for key in ("where_clause", "having", "qualify", "group_expressions", "sample")
        if node.get(key)
    ]
    table = (node.get("from_table") or {}).get("type")
    listed = node.get("select_list", ())
    many = len(statements) != 1 or len(listed) != 1 or bool(listed[0]["alias"])
    if many or extra or table != "EMPTY" or node.get("modifiers") or node["cte_map"]["map"]:
        raise ExpressionError(
            f"{text!r}, which is more than one expression",
            "one SQL expression over the file's own columns: no select, from, where or semicolon",
            "leave only the expression; put names with spaces in double quotes",
        )
    parsed = _Parsed(answer)
    _walk(node["select_list"][0], parsed, frozenset())
    parsed.can_fail &= node["select_list"][0]["class"] != "COLUMN_REF"
    return parsed


def _walk(node: Any, parsed: _Parsed, bound: frozenset[str]) -> None:
    """Collect the columns that a tree refers to, and refuse what must not be in it."""
    if isinstance(node, list):
        for child in node:
            _walk(child, parsed, bound)
        return
    if not isinstance(node, dict):
        return
    _refuse(node)
    kind = node.get("class")
    if kind == "COLUMN_REF":
        if node["column_names"][0] not in bound:
            parsed.references.append(node["column_names"])
        return
    if kind == "LAMBDA":
        bound |= _lambda_names(node["lhs"])
    if kind == "COMPARISON" or (kind == "OPERATOR" and node.get("type", "").endswith("IN")):
        parsed.compared_with_number |= _compared_with_number(node)
    parsed.can_fail |= kind in ("CAST", "FUNCTION", "OPERATOR", "COMPARISON", "BETWEEN", "CASE")
    before = len(parsed.references)
    for child in node.values():
        _walk(child, parsed, bound)
    if kind == "FUNCTION":
        _note_function(node, parsed, bound, parsed.references[before:])


def _note_function(
    node: dict[str, Any], parsed: _Parsed, bound: frozenset[str], read: list[list[str]]
) -> None:
    """Collect the calls that are not left to the engine as they stand."""
    name = node["function_name"].lower()
    if name == PRICE_FUNCTION:
        parsed.prices.append((node, read))
    if name == _COUNTRY and not bound:
        _replace_country(node, parsed)


def _replace_country(node: dict[str, Any], parsed: _Parsed) -> None:
    """Put a column in place of a call of country_code."""
    if len(node["children"]) != 1 or node["children"][0]["alias"]:
        raise ExpressionError(
            f"country_code with {len(node['children'])} arguments or a named one",
            "one argument: country_code(name)",
            "leave the name of the country alone in the brackets",
        )
    (argument,) = node["children"]
    if any(_holds(argument, names) for names, _ in parsed.countries):
        raise ExpressionError(
            "country_code within country_code",
            "country_code of a name",
            "leave out the inner or the outer one",
        )
    names = [_COUNTRY]
    parsed.countries.append((names, argument))
    node.clear()
    node.update(_column_node(names))


def _holds(node: Any, names: list[str]) -> bool:
    """Whether a tree holds this very list of name parts."""
    if isinstance(node, dict):
        return node.get("column_names") is names or any(_holds(v, names) for v in node.values())
    return isinstance(node, list) and any(_holds(child, names) for child in node)


def _refuse(node: Mapping[str, Any]) -> None:
    kind = node.get("class")
    if kind in _FORBIDDEN_CLASSES:
        raise ExpressionError(
            f"{_FORBIDDEN_CLASSES[kind]} in an expression",
            "columns of the same row, constants and functions of them",
            "write it without, or prepare the file before it is delivered",
        )
    if kind != "FUNCTION":
        return
    name = node["function_name"].lower()
    reason = _functions().get(name, "is not known")
    if reason:
        close = get_close_matches(name, [n for n, bad in _functions().items() if not bad], 1, 0.8)
        raise ExpressionError(
            f"the function {name}, which {reason}",
            "functions of one row that always give the same answer",
            f"did you mean {close[0]}?" if close else "write it without",
        )
    if name == "age" and len(node["children"]) == 1:
        raise ExpressionError(
            "age of one time, which counts from the day of the run",
            "functions of one row that always give the same answer",
            "give it two times: age(later, earlier)",
        )
    if name == PRICE_FUNCTION:
        _refuse_mark(node["children"][1:])


def _refuse_mark(marks: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a constant by which no price can be read; of others that is known by row only."""
    for mark in marks:
        value = mark.get("value", {}).get("value")
        if mark["class"] == "CONSTANT" and value not in DECIMAL_MARKS:
            raise ExpressionError(
                f"{PRICE_FUNCTION} with the decimal mark {value!r}",
                "a comma or a point",
                f"write {PRICE_FUNCTION}(text, ',') or {PRICE_FUNCTION}(text, '.')",
            )


def _lambda_names(node: Any) -> frozenset[str]:
    if isinstance(node, list):
        return frozenset().union(*(_lambda_names(child) for child in node))
    if not isinstance(node, dict):
        return frozenset()
    if node.get("class") == "COLUMN_REF":
        return frozenset({node["column_names"][0]})
    return frozenset().union(*(_lambda_names(child) for child in node.values()))


def _compared_with_number(node: Mapping[str, Any]) -> set[str]:
    """Columns that stand beside a number in a comparison: text there would compare wrongly."""
    sides = [node.get("left"), node.get("right"), *(node.get("children") or ())]
    if not any(_is_number(side) for side in sides):
        return set()
    return {
        side["column_names"][0]
        for side in sides
        if isinstance(side, dict) and side.get("class") == "COLUMN_REF"
    }


def _is_number(node: Any) -> bool:
    if not isinstance(node, dict) or node.get("class") != "CONSTANT":
        return False
    return node["value"]["type"]["id"] in _NUMBER_IDS and not node["value"]["is_null"]


# ---------------------------------------------------------------- binding


def missing_columns(text: str, available: Sequence[SourceColumn]) -> list[str]:
    """Names that an expression reads and the file does not have, in order of use.

    Raises:
        ExpressionError: It is not one allowed expression.
    """
    try:
        references = _parse(_named(text, available)).references
    except ExpressionError as error:
        is_name = _PLAIN_NAME.fullmatch(text.strip()) and not _CASE.match(text)
        if error.is_syntax and is_name:
            return [text.strip()]
        raise
    names = dict.fromkeys(reference[0] for reference in references)
    return [name for name in names if find_column(name, available) is None]


def _named(text: str, available: Sequence[SourceColumn]) -> str:
    """An expression; in quotes where it is the name of a column and nothing else.

    So a column called `order` or `Unit Price` needs no quotes.
    """
    bare = text.strip()
    column = None if bare.isnumeric() else find_column(bare, available)
    return text if column is None else quoted(column.name)


def bind(name: str, text: str, available: Sequence[SourceColumn], wanted: str = TEXT) -> Mapped:
    """One expression against the columns of a file.

    Args:
        name: The canonical column that it fills.
        text: The expression.
        available: The columns of the file.
        wanted: The type of the canonical column.

    Raises:
        ExpressionError: DuckDB accepts it with no types of its columns.
        UnknownColumns: It reads columns that the file does not have.
    """
    parsed = _parse(_named(text, available))
    by_name = _named_columns(parsed, available)
    columns = list(by_name.values())
    as_numbers = {find_column(name, available) for name in parsed.compared_with_number}
    flags = _tell_numbers(parsed, by_name)
    first_error = ""
    for types in _assignments(columns, as_numbers):
        variants = {c.name: Variant(c, t) for c, t in zip(columns, types, strict=True)}
        try:
            mapped = _bound(name, text, parsed, variants, flags)
            if mapped.type != TEXT or not is_number(wanted):
                return mapped
            # its text is read by the marks, so the numbers of the file are written with them
            return _bound(name, text, parsed, _marked(variants), flags)
        except duckdb.Error as error:
            first_error = first_error or _ALIAS.sub('"', str(error).splitlines()[0])
    raise ExpressionError(
        f"{text!r}, which DuckDB does not accept: {first_error}",
        "an expression that fits its columns as text, numbers or timestamps",
        "correct the expression, or cast its columns in it",
    )


def _named_columns(parsed: _Parsed, available: Sequence[SourceColumn]) -> dict[str, SourceColumn]:
    """The columns that an expression reads, each under its name as it then stands in the tree.

    Raises:
        UnknownColumns: The file does not have them.
    """
    found = {names[0]: find_column(names[0], available) for names in parsed.references}
    unknown = [name for name, column in found.items() if column is None]
    if unknown:
        raise UnknownColumns(unknown)
    columns = {name: column for name, column in found.items() if column is not None}
    for names in parsed.references:
        names[0] = columns[names[0]].name
    return {column.name: column for column in columns.values()}


def _tell_numbers(parsed: _Parsed, by_name: Mapping[str, SourceColumn]) -> list[Variant]:
    """Have parse_price take numbers of the file as they are, where its text is of one column."""
    flags: dict[Variant, None] = {}
    for node, references in parsed.prices:
        columns = {by_name[names[0]] for names in references}
        if [column.tells_numbers for column in columns] == [True]:
            flag = Variant(columns.pop(), "BOOLEAN", "number")
            flags[flag] = None
            node["function_name"] = "tradewind_price"
            node["children"].insert(0, _column_node([flag.alias]))
    return list(flags)


def _column_node(names: list[str]) -> dict[str, Any]:
    return {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "column_names": names}


def _marked(variants: Mapping[str, Variant]) -> dict[str, Variant]:
    return {
        key: replace(each, role="marked")
        if each.column.tells_numbers and each.type == TEXT
        else each
        for key, each in variants.items()
    }


def _bound(
    name: str,
    text: str,
    parsed: _Parsed,
    variants: Mapping[str, Variant],
    flags: Sequence[Variant],
) -> Mapped:
    """An expression over its columns as given types; DuckDB's own error if they do not fit."""
    sql, lookups = _rewrite(parsed, variants, flags)
    columns: list[Variant | Lookup] = [*variants.values(), *flags, *lookups]
    can_fail = parsed.can_fail and bool(variants)
    result = _result_type(sql, columns)
    _try_on_nulls(f"try({{'v': {sql}}})" if can_fail else sql, columns)
    return Mapped(
        name=name,
        text=text,
        sql=sql,
        can_fail=can_fail,
        type=result,
        variants=(*variants.values(), *flags),
        lookups=tuple(lookups),
    )


def _assignments(
    columns: Sequence[SourceColumn], as_numbers: Container[SourceColumn | None]
) -> Iterator[tuple[str, ...]]:
    """Types to try for the columns, fewest changes first, a bounded number of times."""
    choices = [_choices(column, column in as_numbers) for column in columns]
    ranked: Iterable[tuple[int, ...]] = itertools.product(
        *(range(len(choice)) for choice in choices)
    )
    if len(columns) > 5:
        # all alike but for the first choice: the product of many columns has no end
        ranked = [(0,) * len(columns), (1,) * len(columns), (2,) * len(columns)]
    ordered = sorted(ranked, key=lambda ranks: (sum(1 for r in ranks if r), ranks))
    for ranks in itertools.islice(ordered, _MAX_TRIES):
        yield tuple(
            choice[min(rank, len(choice) - 1)] for choice, rank in zip(choices, ranks, strict=True)
        )


def _choices(column: SourceColumn, as_number: bool) -> list[str]:
    if column.type == TEXT and as_number:
        return ["DOUBLE", TEXT, "TIMESTAMP"]
    return [column.type, *(kind for kind in _VARIANTS if kind != column.type)]


def _rewrite(
    parsed: _Parsed, variants: Mapping[str, Variant], flags: Sequence[Variant]
) -> tuple[str, list[Lookup]]:
    """The expression over the aliases of the variants and of the country codes it needs."""
    originals = [list(names) for names in parsed.references]
    try:
        for names in parsed.references:
            names[0] = variants[names[0]].alias
        return _aliased(parsed, [*variants.values(), *flags])
    finally:
        for names, original in zip(parsed.references, originals, strict=True):
            names[0] = original[0]


def _aliased(parsed: _Parsed, variants: Sequence[Variant]) -> tuple[str, list[Lookup]]:
    node = parsed.tree["statements"][0]["node"]
    whole = node["select_list"]
    lookups = []
    try:
        for names, argument in parsed.countries:
            node["select_list"] = [argument]
            argument_sql = _text(parsed.tree)
            _result_type(argument_sql, variants)
            lookups.append(Lookup(f"try(cast({argument_sql} as varchar))"))
            names[0] = lookups[-1].alias
    finally:
        node["select_list"] = whole
    return _text(parsed.tree), lookups


def _text(tree: dict[str, Any]) -> str:
    query = f"select json_deserialize_sql({literal(json.dumps(tree))}::json)"
    row = _sandbox().execute(query).fetchone()
    return "(" + str(row[0] if row else "").removeprefix("SELECT ") + ")"


def _result_type(sql: str, columns: Sequence[Variant | Lookup]) -> str:
    query = f"describe select {sql} as result {_nulls(columns)}"
    row = _sandbox().execute(query).fetchone()
    return str(row[1]) if row else TEXT


def _try_on_nulls(sql: str, columns: Sequence[Variant | Lookup]) -> None:
    """Run what can be bound: constants that cannot be cast and bad patterns only fail then."""
    _sandbox().execute(f"select {sql} {_nulls(columns)}").fetchall()


def _nulls(columns: Sequence[Variant | Lookup]) -> str:
    inputs = ", ".join(
        f"cast(null as {c.type if isinstance(c, Variant) else TEXT}) as {quoted(c.alias)}"
        for c in columns
    )
    return f"from (select {inputs})" if inputs else ""


def compile_mapping(
    source: Source,
    expressions: Mapping[str, str],
    available: Sequence[SourceColumn],
    entity: Entity,
    company: Company,
) -> BoundMapping:
    """All expressions of a layout against the columns of a file.

    Args:
        source: The source, for messages.
        expressions: Canonical column to expression.
        available: The columns of the file.
        entity: The entity that is filled.
        company: Its file, for messages.

    Raises:
        CompanyFileError: An expression cannot be used.
        DeliveryRefused: The file lacks columns that the expressions read.
    """
    mapped = []
    problems = []
    for column in entity.columns:
        if column.name not in expressions:
            continue
        try:
            bound = bind(column.name, expressions[column.name], available, column.type)
            if not bound.variants and not bound.lookups:
                _check_constant(bound, column.type, Marks.of(source))
            mapped.append(bound)
        except ExpressionError as error:
            text = expressions[column.name]
            problems.append(problem(company, source, column.name, text, error))
        except UnknownColumns as error:
            raise missing_error(source, error.names, available) from error
    if problems:
        raise CompanyFileError(company.path, sorted(problems, key=lambda each: each.line))
    return BoundMapping(tuple(mapped))


def bind_errors(
    expressions: Mapping[str, str], available: Sequence[SourceColumn]
) -> dict[str, ExpressionError]:
    """What is wrong with expressions over the columns of a file, by canonical column."""
    errors = {}
    for name, text in expressions.items():
        try:
            missing = missing_columns(text, available)
            if not missing:
                bind(name, text, available)
                continue
            what, step = _nearest(missing, available)
            errors[name] = ExpressionError(what, f"one of the columns {_listed(available)}", step)
        except ExpressionError as error:
            errors[name] = error
    return errors


def _check_constant(mapped: Mapped, type_: str, marks: Marks) -> None:
    """Refuse a constant that is not of its column's type: no row would tell of it."""
    cast = cast_sql("v", mapped.type, type_, marks)
    fits = f"isfinite({cast})" if type_ == "DOUBLE" else f"{cast} is not null"
    empty = "v is null or trim(v) = ''" if mapped.type == TEXT else "v is null"
    query = f"select {empty} or coalesce({fits}, false) from (select {mapped.sql} as v)"
    if _sandbox().execute(query).fetchall() == [(False,)]:
        raise ExpressionError(
            f"{mapped.text!r}, which is the same in every row and does not fit {mapped.name}",
            expected(type_, marks),
            "correct the constant, or name the column of the file that holds the values",
        )


def missing_error(
    source: Source, names: Sequence[str], available: Sequence[SourceColumn], shown: str = ""
) -> DeliveryRefused:
    """The refusal of a file without columns that are needed, with the nearest names."""
    what, next_step = _nearest(names, available)
    return DeliveryRefused(
        what,
        f"source {source.name}" + (f": {shown}" if shown else ""),
        f"the columns that the company file reads; the file has {_listed(available)}",
        next_step,
    )


def _listed(columns: Sequence[SourceColumn]) -> str:
    return ", ".join(column.shown for column in columns)


def _nearest(names: Sequence[str], available: Sequence[SourceColumn]) -> tuple[str, str]:
    """A sentence on missing columns with the nearest names, and what to do about them."""
    known = [column.shown for column in available]
    parts = []
    constant = ""
    for name in names:
        close = get_close_matches(name, known, 1, 0.5)
        if not close and name.isalnum():
            constant = f"; a text that is the same in every row stands in quotes: \"'{name}'\""
        parts.append(f"{name!r} (the nearest is {close[0]!r})" if close else repr(name))
    next_step = "correct the name in the company file, or ask for the export as it was" + constant
    return "missing column: " + ", ".join(parts), next_step


def problem(
    company: Company, source: Source, column: str, text: str, error: ExpressionError
) -> Problem:
    """An expression's fault, at its line of the company file."""
    key = f"sources.{source.name}.columns.{column}"
    line = line_of(company, source, column, text)
    return Problem(line, key, error.found, error.expected, error.next_step)


def line_of(company: Company, source: Source, column: str, text: str) -> int:
    """The line on which a source maps a column to an expression; 1 if the file has gone."""
    if not company.path.exists():
        return 1
    document = read(company.path.read_text(encoding="utf-8"))
    index = [each.name for each in company.sources].index(source.name)
    at = ("sources", index)
    mappings: list[tuple[Location, Mapping[str, str]]] = [((*at, "columns"), source.columns)]
    mappings += [
        ((*at, "layouts", number, "columns"), layout.columns)
        for number, layout in enumerate(source.layouts)
    ]
    for place, columns in mappings:
        if columns.get(column) == text and (*place, column) in document.lines:
            return document.line((*place, column))
    return document.line(at)

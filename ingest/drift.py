"""Schema drift: how the columns of a source's files differ from those that were accepted.

The schema that the first load saw is kept in `landing/<source>/schema.json`, by layout. New,
missing, renamed and retyped columns are told apart, and looked at before anything is built.

A column's kind is what nine in ten values of a sample are; the others are the row rules' concern.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import SequenceMatcher
from pathlib import Path
from typing import Literal

import duckdb

from ingest import database, rest
from ingest.company import Company, Layout, Source
from ingest.errors import DeliveryRefused
from ingest.expressions import (
    TEXT,
    BoundMapping,
    Marks,
    SourceColumn,
    cast_sql,
    compile_mapping,
    marked_sql,
)
from ingest.home import Home
from ingest.landing import Delivery, PendingFile, delivery_id, find_files, manifest, scan
from ingest.layouts import choose_layout, layout_name, layouts, nearest_layout
from ingest.readers import Group, group_parts, open_parts, with_one_line_ending, work_folder
from ingest.refusals import write_json
from ingest.remote import is_remote
from ingest.specification import ENTITIES
from ingest.sql import quoted

FILE = "schema.json"
_SAMPLE_ROWS = 5000
_MEASURED_AT_ONCE = 50
_SAMPLE_FILES = 50
_ALIKE = 0.6
_SHARE = 0.9
_UNKNOWN = "unknown"
_NUMBERS = ("integer", "decimal")
_DATES = ("date", "timestamp")
_KINDS = {
    "integer": "regexp_full_match(trim({text}), '[-+]?[0-9]{{1,18}}')",
    "decimal": "{number} is not null",
    "date": "{moment} is not null and {moment} = date_trunc('day', {moment})",
    "timestamp": "{moment} is not null",
    "boolean": "lower(trim({text})) in ('true', 'false')",
}

Schema = dict[str, str]
"""Kind of each column, in the order of the file."""

What = Literal["new", "missing", "renamed", "retyped"]


@dataclass(frozen=True)
class Change:
    """One difference between the accepted columns and those of a file.

    Attributes:
        what: new, missing, renamed or retyped.
        column: The accepted name, or the new one of a new column.
        before: The accepted kind, or the accepted name of a renamed column.
        after: The kind or name found.
        evidence: Why it is taken for that.
        fails: Whether a load would be refused for it.
        file: Where it was seen.
        layout: Which layout the file was held against.
    """

    what: What
    column: str
    before: str | None
    after: str | None
    evidence: str
    fails: bool
    file: str = ""
    layout: str = ""

    def __str__(self) -> str:
        """One line for people."""
        shown = f"{self.what} column {self.column!r}"
        if self.what == "renamed":
            shown = f"column {self.before!r} renamed to {self.after!r}"
        if self.what == "retyped":
            shown = f"column {self.column!r} was {self.before}, is {self.after}"
        return f"{shown} ({self.evidence})"


@dataclass(frozen=True)
class DriftReport:
    """How the files of a source differ from its accepted schema.

    Attributes:
        source: The source's name.
        changes: All differences.
        files: The files that were looked at.
        has_accepted: Whether a schema was accepted at all.
        error: Why a file could not be held against any layout.
    """

    source: str
    changes: tuple[Change, ...]
    files: tuple[str, ...]
    has_accepted: bool
    error: str | None = None

    @property
    def new(self) -> tuple[Change, ...]:
        """Columns that were not there before."""
        return tuple(change for change in self.changes if change.what == "new")

    @property
    def missing(self) -> tuple[Change, ...]:
        """Columns that are no longer there."""
        return tuple(change for change in self.changes if change.what == "missing")

    @property
    def renamed(self) -> tuple[Change, ...]:
        """Columns that seem to have another name now."""
        return tuple(change for change in self.changes if change.what == "renamed")

    @property
    def retyped(self) -> tuple[Change, ...]:
        """Columns that hold another kind of values now."""
        return tuple(change for change in self.changes if change.what == "retyped")

    @property
    def fails(self) -> bool:
        """Whether a load would be refused."""
        return self.error is not None or any(change.fails for change in self.changes)


@dataclass(frozen=True)
class Use:
    """How a mapping uses the columns of a file.

    Attributes:
        any: Columns that it reads, in lower case.
        typed: Those that it reads as numbers, dates or flags.
    """

    any: frozenset[str]
    typed: frozenset[str]

    @classmethod
    def of(cls, mapping: BoundMapping, entity: str) -> "Use":
        """The use that a bound mapping makes of its columns."""
        read, typed = set(), set()
        for mapped in mapping.columns:
            names = {variant.column.name.lower() for variant in mapped.variants}
            read |= names
            typed |= {v.column.name.lower() for v in mapped.variants if v.is_typed}
            bare = mapped.text.strip().strip('"').lower()
            if bare in names and ENTITIES[entity].column(mapped.name).type != TEXT:
                typed.add(bare)
        return cls(frozenset(read), frozenset(typed))


class ColumnsChanged(DeliveryRefused):
    """No layout fits a file, and the accepted columns tell why.

    Attributes:
        changes: How the file differs from what was accepted of the nearest layout.
    """

    def __init__(
        self,
        source: Source,
        refusal: DeliveryRefused,
        missing: Sequence[str],
        changes: Sequence[Change],
    ) -> None:
        lacked = {name.lower() for name in missing}
        renamed = {each.column.lower() for each in changes if each.what == "renamed"}
        # each column is told once: what has another name now is not said to be missing, too
        told = [] if len(layouts(source)) == 1 and lacked <= renamed else [refusal.what]
        told += [str(each) for each in changes if each.fails and each.what != "missing"]
        parts = (refusal.where, refusal.expected, refusal.next_step)
        super().__init__("; ".join(told), *parts)
        self.changes = tuple(changes)


def check(source: Source, company: Company, home: Home) -> DriftReport:
    """Hold the files that a source shows now against its accepted schema. Changes nothing.

    Raises:
        SourceUnreachable: The source's files cannot be found.
        CompanyFileError: An expression cannot be used.
    """
    changes: list[Change] = []
    seen: list[str] = []
    error = None
    try:
        for name, schema, use, shown in _present(source, company, home, is_held_against=True):
            seen.append(shown)
            known = accepted(home, source, name)
            changes += compare(source, known, schema, use, shown, name)
    except ColumnsChanged as refusal:
        changes += refusal.changes
        error = str(refusal)
    except DeliveryRefused as refusal:
        error = str(refusal)
    unique = {(c.what, c.column, c.after, c.layout): c for c in changes}
    has_accepted = _path(home, source).exists()
    return DriftReport(source.name, tuple(unique.values()), tuple(seen), has_accepted, error)


def accept(source: Source, company: Company, home: Home) -> dict[str, Schema]:
    """Make the columns of the newest files the accepted ones; the schemas, by layout.

    Raises:
        DeliveryRefused: A file cannot be read, or fits no layout.
        SourceUnreachable: The source's files cannot be found.
    """
    schemas = _stored(home, source)
    for name, schema, _, _ in _present(source, company, home, is_held_against=False):
        schemas[name] = schema
    write_json(_path(home, source), schemas)
    return schemas


def record(source: Source, home: Home, schemas: Mapping[str, Schema]) -> None:
    """Accept the schemas of layouts that had none."""
    stored = _stored(home, source)
    new = {name: schema for name, schema in schemas.items() if name not in stored}
    if new:
        write_json(_path(home, source), {**stored, **new})


def accepted(home: Home, source: Source, layout: str) -> Schema | None:
    """The accepted schema of a layout; None before the first load."""
    return _stored(home, source).get(layout)


def fitting_layout(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    company: Company,
    home: Home,
    group: Group,
) -> Layout:
    """The layout that fits a group.

    Raises:
        DeliveryRefused: None fits; it says which columns are new, missing or renamed if it can.
        CompanyFileError: An expression cannot be read.
    """
    shown = group.parts[0].name
    try:
        return choose_layout(source, company, group.columns, shown, group.format)
    except DeliveryRefused as refusal:
        layout, missing = nearest_layout(source, company, group.columns)
        name = layout_name(source, layout)
        use = Use(frozenset(column.lower() for column in missing), frozenset())
        schema = infer(connection, source, group)
        known = accepted(home, source, name)
        changes = compare(source, known, schema, use, shown, name)
        raise ColumnsChanged(source, refusal, missing, changes) from refusal


def enforce(
    source: Source, known: Schema | None, found: Schema, use: Use, shown: str, layout: str
) -> list[str]:
    """Hold a file against the accepted schema.

    Returns:
        Warnings.

    Raises:
        DeliveryRefused: A change that the source's policy, or good sense, does not let through.
    """
    changes = compare(source, known, found, use, shown, layout)
    failing = [change for change in changes if change.fails]
    if failing:
        raise DeliveryRefused(
            "; ".join(str(change) for change in failing),
            f"source {source.name}: {shown}",
            f"the accepted columns of layout {layout}",
            "correct the mapping in the company file or have the file sent as before; "
            f"`tradewind sources check {source.name}` shows all changes, `accept` takes them",
        )
    ignored = ("new",) if source.on_new_column == "ignore" else ()
    return [str(change) for change in changes if change.what not in ignored]


def compare(
    source: Source, known: Schema | None, found: Schema, use: Use, shown: str, layout: str
) -> list[Change]:
    """All differences between an accepted schema and a file's. The order of columns is none."""
    if known is None:
        return []
    before = {name.lower(): name for name in known}
    after = {name.lower(): name for name in found}
    missing = [before[key] for key in before if key not in after]
    new = [after[key] for key in after if key not in before]
    changes: list[Change] = []
    places = _places(known, missing)
    in_place = {place: name for name, place in _places(found, new).items()}
    for old in list(missing):
        match = _renamed(old, new, known, found, in_place.get(places[old]))
        if match:
            name, evidence = match
            missing.remove(old)
            new.remove(name)
            fails = old.lower() in use.any
            changes.append(Change("renamed", old, old, name, evidence, fails, shown, layout))
    for old in missing:
        fails = old.lower() in use.any
        evidence = "the mapping reads it" if fails else "the mapping does not read it"
        changes.append(Change("missing", old, known[old], None, evidence, fails, shown, layout))
    for name in new:
        fails = source.on_new_column == "fail"
        evidence = f"holds values of kind {found[name]}"
        changes.append(Change("new", name, None, found[name], evidence, fails, shown, layout))
    for key in before.keys() & after.keys():
        change = _retyped(before[key], known[before[key]], found[after[key]], use)
        if change:
            changes.append(Change("retyped", *change, shown, layout))
    return changes


def _renamed(
    old: str, new: Sequence[str], known: Schema, found: Schema, in_place: str | None
) -> tuple[str, str] | None:
    """The new column that an accepted one seems to have become, and why."""
    best: tuple[float, str, str] | None = None
    for name in new:
        if not _compatible(known[old], found[name]):
            continue
        alike = SequenceMatcher(None, _plain(old), _plain(name)).ratio()
        same_place = name == in_place
        if alike < _ALIKE and not same_place:
            continue
        parts = [f"names alike {alike:.0%}", f"both {found[name]}"]
        parts += ["same position"] if same_place else []
        score = alike + same_place
        if best is None or score > best[0]:
            best = (score, name, ", ".join(parts))
    return (best[1], best[2]) if best else None


def _places(names: Iterable[str], alone: Collection[str]) -> dict[str, tuple[str, str, int, int]]:
    """Where each column that the other schema lacks stands: between which others, as which of how
    many. What was added elsewhere moves none of them.
    """
    places: dict[str, tuple[str, str, int, int]] = {}
    earlier, between = "", list[str]()
    for name in [*names, ""]:
        if name in alone:
            between.append(name)
            continue
        for number, each in enumerate(between):
            places[each] = (earlier, name.lower(), number, len(between))
        earlier, between = name.lower(), []
    return places


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _compatible(before: str, after: str) -> bool:
    if _UNKNOWN in (before, after) or before == after:
        return True
    return {before, after} <= set(_NUMBERS) or {before, after} <= set(_DATES)


def _retyped(
    name: str, before: str, after: str, use: Use
) -> tuple[str, str, str, str, bool] | None:
    """A change of kind that matters: whole numbers among decimals, or as texts, are none."""
    if before == "text" or _compatible(before, after):
        return None
    fails = name.lower() in use.typed
    evidence = f"no more than half of a sample is {before}"
    if fails:
        evidence += ", as which the mapping reads it"
    return name, before, after, evidence, fails


# ---------------------------------------------------------------- kinds of columns


def infer(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    group: Group,
    known: Schema | None = None,
) -> Schema:
    """The kind of each column of a group, from a sample of its rows.

    Args:
        connection: Any connection that can read the group.
        source: The source: how it writes numbers and dates.
        group: The parts.
        known: The accepted kinds: a column keeps its own while more than half of its values are of
            it. The others are bad values, which their rows are set aside for.
    """
    texts = [column for column in group.columns if column.type == TEXT]
    kinds = {name.lower(): kind for name, kind in (known or {}).items()}
    marks = Marks.of(source, group.first_day)
    counted: dict[str, Sequence[int]] = {}
    # what DuckDB needs for the expressions of one query grows with their square
    for first in range(0, len(texts), _MEASURED_AT_ONCE):
        some = texts[first : first + _MEASURED_AT_ONCE]
        counted |= _measure(connection, marks, group, some)
    measured = {
        name: _kind_of_counts(counts, kinds.get(name.lower())) for name, counts in counted.items()
    }
    return {
        column.name: measured.get(column.name) or _kind_of_type(column.type)
        for column in group.columns
    }


def _measure(
    connection: duckdb.DuckDBPyConnection,
    marks: Marks,
    group: Group,
    columns: Sequence[SourceColumn],
) -> dict[str, Sequence[int]]:
    """How many values each column has in a sample, and how many of them are of each kind."""
    aggregates = []
    for column in columns:
        text = quoted(column.name)
        number = cast_sql(marked_sql(column, text, marks), TEXT, "DOUBLE", marks)
        moment = cast_sql(text, TEXT, "TIMESTAMP", marks)
        aggregates.append(f"count({text})")
        aggregates += [
            f"count_if({sql.format(text=text, number=number, moment=moment)})"
            for sql in _KINDS.values()
        ]
    query = f"select {', '.join(aggregates)} from (from ({group.sample_sql}) limit {_SAMPLE_ROWS})"
    row = connection.execute(query).fetchone() or ()
    width = len(_KINDS) + 1
    return {
        column.name: row[number * width : (number + 1) * width]
        for number, column in enumerate(columns)
    }


def _kind_of_counts(counts: Sequence[int], known: str | None) -> str:
    every, *numbers = counts
    if not every:
        return _UNKNOWN
    of_kind = dict(zip(_KINDS, numbers, strict=True))
    if known is not None and 2 * of_kind.get(known, 0) > every:
        return known
    for kind, number in of_kind.items():
        if number >= _SHARE * every:
            return kind
    return "text"


def _kind_of_type(kind: str) -> str:
    if kind in ("DATE", "BOOLEAN"):
        return kind.lower()
    if kind.startswith("TIMESTAMP"):
        return "timestamp"
    if kind.startswith(("DECIMAL", "DOUBLE", "FLOAT")):
        return "decimal"
    return "integer" if "INT" in kind else "text"


# ---------------------------------------------------------------- what the source shows now


def _present(
    source: Source, company: Company, home: Home, is_held_against: bool
) -> Iterator[tuple[str, Schema, Use, str]]:
    """Layout, schema, use and name of the files that are to be landed, or else of the last one.

    `is_held_against` says whether the accepted kinds count in what a column's kind is.
    """
    connection = duckdb.connect()
    try:
        with work_folder(home) as folder:
            deliveries = _shown_deliveries(source, company, home, folder)
            parts = open_parts(connection, source, deliveries, home, folder)
            for group in group_parts(source, parts):
                shown = group.parts[0].name
                layout = fitting_layout(connection, source, company, home, group)
                entity = ENTITIES[source.entity]
                mapping = compile_mapping(source, layout.columns, group.columns, entity, company)
                name = layout_name(source, layout)
                known = accepted(home, source, name) if is_held_against else None
                schema = _infer_readable(connection, source, group, known, folder)
                yield name, schema, Use.of(mapping, entity.name), shown
    finally:
        connection.close()


def _infer_readable(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    group: Group,
    known: Schema | None,
    folder: Path,
) -> Schema:
    try:
        return infer(connection, source, group, known)
    except duckdb.Error as error:
        mended = with_one_line_ending(source, group, folder, error)
        return infer(connection, source, mended, known)


def _shown_deliveries(source: Source, company: Company, home: Home, folder: Path) -> list[Delivery]:
    if source.kind == "database":
        file = database.sample(source, company, folder)
        name = f"database:{source.name}/sample.parquet"
        return [_unlanded(source, PendingFile(name, str(file), file.stat().st_size, 0))]
    if source.kind == "rest":
        sampled = rest.sample(source, folder)
        if sampled is None:
            return manifest(home, source.name)[-1:]
        name = f"rest:{source.name}/sample.parquet"
        return [_unlanded(source, PendingFile(name, str(sampled), sampled.stat().st_size, 0))]
    if source.kind == "shop_pages":
        # its columns are the parser's own: what was parsed last shows them
        return manifest(home, source.name)[-1:]
    files: Iterable[PendingFile] = scan(source, company, home) or find_files(source, company)[-1:]
    local = [file for file in files if not is_remote(file.location)]
    if not local:
        return manifest(home, source.name)[-1:]
    return [_unlanded(source, file) for file in local[-_SAMPLE_FILES:]]


def _unlanded(source: Source, file: PendingFile) -> Delivery:
    """A file as if it had been landed where it stands."""
    return Delivery(
        delivery_id=delivery_id(source.name, "0" * 64),
        source=source.name,
        path=file.path,
        sha256="0" * 64,
        bytes=file.bytes,
        fetched_at=datetime.now(UTC),
        landed_path=str(Path(file.location).absolute()),
        modified_at=None,
    )


def _stored(home: Home, source: Source) -> dict[str, Schema]:
    path = _path(home, source)
    if not path.exists():
        return {}
    known = {layout_name(source, layout) for layout in layouts(source)}
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {name: dict(schema) for name, schema in stored.items() if name in known}


def _path(home: Home, source: Source) -> Path:
    return home.landing / source.name / FILE

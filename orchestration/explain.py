"""From a cell back to what stands behind it: rows, files, deliveries, run and checks.

The cell is computed again from the rows found, with the models' own SQL and nothing else, so the
rows are shown to be enough. Which rows they are is in `lineage.yml`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import yaml

from ingest.errors import TradewindError
from ingest.home import Home
from ingest.sql import literal, named_rows
from orchestration import versions
from orchestration.candidate import connect_memory, lock_down, quoted
from orchestration.fingerprints import code_fingerprint
from orchestration.replay import PUBLISHED, Model, Replay, project_models

SPECIFICATION = Path(__file__).with_name("lineage.yml")
SAMPLE_ROWS = 10
# doubles are summed in another order on fewer rows; what they print is the same
_RELATIVE_TOLERANCE = 1e-9


class CannotExplain(TradewindError):
    """The table, the column or the row was not named so that it can be explained."""

    exit_code = 2


@dataclass(frozen=True)
class Fact:
    """Rows of one table that a cell was computed from; `rows` may be a sample of `count`.

    Each row carries its delivery id, row number, file, and (in `raw`) the row as it was mapped.
    """

    table: str
    count: int
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class DeliveryUsed:
    """One delivery, and how many of its rows stand behind the cell, themselves or as a rate."""

    delivery_id: str
    source: str
    entity: str
    role: str
    rows: int
    path: str
    sha256: str
    landed_path: str
    run_id: str


@dataclass(frozen=True)
class Checks:
    """Checks of the run that published the version: of the tables on the way to the cell.

    What failed and was published all the same is a warning.
    """

    passed: int
    failed: list[dict[str, Any]]
    of_this_table: list[dict[str, Any]]


@dataclass(frozen=True)
class Explanation:
    """Everything behind one cell. `is_equal`: computing it again gave the same value."""

    version: str
    run_id: str
    published_at: str
    table: str
    column: str
    key: dict[str, Any]
    value: Any
    recomputed: Any
    is_equal: bool
    code_changed: bool
    facts: list[Fact]
    deliveries: list[DeliveryUsed]
    checks: Checks
    raw_rows: int = field(default=0)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Lineage:
    """The content of `lineage.yml`."""

    facts: Mapping[str, Any]
    tables: Mapping[str, Any]
    reference: Sequence[str]


@dataclass
class _Behind:
    """Rows that fit some conditions, and what follows from them; the columns of a cell's row share
    it.

    Attributes:
        row: The row of the cell, computed from them again.
        kept: The table in the scratch database that holds those of each fact; no empty ones.
        facts: The listed rows, by how many were asked for.
        deliveries: What they came with.
    """

    row: dict[str, Any]
    kept: dict[str, str]
    facts: dict[int | None, list[Fact]] = field(default_factory=dict)
    deliveries: list[DeliveryUsed] | None = None


def lineage() -> Lineage:
    """Return the content of `lineage.yml`."""
    return Lineage(**yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8")))


def explain(
    home: Home, table: str, where: str, column: str, sample: int | None = SAMPLE_ROWS
) -> Explanation:
    """Trace one cell of the current version.

    Args:
        home: the state folder.
        table: a mart or a fact, with or without its schema.
        where: an SQL condition that is true for one row of it.
        column: the column.
        sample: how many rows of each fact to return; None for all.

    Raises:
        CannotExplain: there is no such table or column, or not exactly one such row.
        UnknownVersion: nothing is published yet.
        ModelsFailed: the models cannot be compiled.
    """
    with Explainer(home).opened() as explainer:
        return explainer.cell(table, where, column, sample)


class Explainer:
    """Explains cells of the current version; keeps the version open between them."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._file = versions.resolve(home)
        self._lineage = lineage()
        self._models: Mapping[str, Model] = {}
        self._row = ""
        self._behind: dict[str, _Behind] = {}

    @contextmanager
    def opened(self) -> Iterator["Explainer"]:
        """Open the version read-only, with a scratch database beside it."""
        with connect_memory() as connection:
            connection.execute(f"attach {quoted(self._file)} as {PUBLISHED} (read_only)")
            lock_down(connection)
            self._connection = connection
            yield self

    def cell(
        self, table: str, where: str, column: str, sample: int | None = SAMPLE_ROWS
    ) -> Explanation:
        """Explain one cell; arguments and errors as :func:`explain`."""
        name = self._table(table)
        column = self._column(name, column)
        key, value = self._value(name, where, column)
        if not self._models:
            self._models = project_models(self._home)
        behind = self._recompute(name, key, column, value)
        return self._explanation(name, column, key, value, behind, sample)

    # ---------------------------------------------------------------- the cell

    def _table(self, table: str) -> str:
        # SQL does not tell cases of names apart, and --where is SQL
        wanted = table.lower()
        names = [name for name in self._lineage.tables if wanted in (name, name.partition(".")[2])]
        if not names:
            raise CannotExplain(
                what=f"{table} cannot be explained",
                expected="one of " + ", ".join(self._lineage.tables),
                next_step="name a mart or a fact",
            )
        return names[0]

    def _column(self, table: str, column: str) -> str:
        """Return the name as the table has it; one that it has not is left to be refused."""
        names = self._connection.execute(f"describe {PUBLISHED}.{table}").fetchall()
        return next((name for name, *_ in names if name.lower() == column.lower()), column)

    def _value(self, table: str, where: str, column: str) -> tuple[dict[str, Any], Any]:
        """Return the one row's key and the cell's value, and keep the row as table `cell`."""
        keys: list[str] = self._lineage.tables[table]["keys"]
        shown = ", ".join(f'"{key}"' for key in keys)
        try:
            self._connection.execute(
                f"create or replace temp table cell as "
                f"select * from {PUBLISHED}.{table} where ({where})"
            )
            rows = self._rows(f'select {shown}, "{column}" as explained from cell limit 6')
        except duckdb.Error as error:
            raise self._unreadable(table, error) from error
        if len(rows) != 1:
            raise self._ambiguous(table, where, keys, rows)
        value = rows[0].pop("explained")
        return rows[0], value

    def _unreadable(self, table: str, error: duckdb.Error) -> CannotExplain:
        columns = self._connection.execute(f"describe {PUBLISHED}.{table}").fetchall()
        return CannotExplain(
            what=str(error).strip().splitlines()[0],
            where=table,
            expected="columns of it: " + ", ".join(column[0] for column in columns),
            next_step="correct --where or --column",
        )

    def _ambiguous(
        self, table: str, where: str, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> CannotExplain:
        found = "; ".join(
            " and ".join(f"{key} = {literal(str(row[key]))}" for key in keys) for row in rows[:5]
        )
        what = "no row fits" if not rows else "more than one row fits"
        return CannotExplain(
            what=f"{what} {where!r}" + (f", such as: {found}" if rows else ""),
            where=table,
            expected="exactly one row; its key is " + ", ".join(keys),
            next_step="narrow --where to one row" if rows else "see the table with `tradewind sql`",
        )

    # ---------------------------------------------------------------- computing it again

    def _recompute(self, table: str, key: Mapping[str, Any], column: str, value: Any) -> _Behind:
        """Try the alternatives, the narrowest first; return the first that gives the value."""
        patterns = self._lineage.tables[table]["rows"]
        alternatives = next(rows for name, rows in patterns.items() if fnmatch(column, name))
        for conditions in alternatives:
            behind = self._found(table, key, conditions)
            if same(value, behind.row.get(column)):
                break
        return behind

    def _found(self, table: str, key: Mapping[str, Any], conditions: Mapping[str, str]) -> _Behind:
        """Return what stands behind a row by some conditions; found once while the row is asked."""
        row, asked = repr((table, sorted(key.items()))), repr(sorted(conditions.items()))
        if self._row != row:
            self._clear()
            self._row = row
        if asked not in self._behind:
            taken = self._take(table, conditions)
            again = self._replayed(table, taken, key)
            filled = {name: kept for name, kept in taken.items() if self._count(kept)}
            self._behind[asked] = _Behind(again, filled)
        return self._behind[asked]

    def _take(self, table: str, conditions: Mapping[str, str]) -> dict[str, str]:
        """Copy the rows that fit; facts of the same kind that are not named are left empty."""
        kind = "raw." if any(name.startswith("raw.") for name in conditions) else "core."
        possible = [*conditions, *(f for f in self._lineage.facts if kind == "core.")]
        number = len(self._behind)
        taken = {
            name: f"temp.listed_{number}_{name.replace('.', '_')}"
            for name in possible
            if name != table
        }
        self._connection.execute(f"use {PUBLISHED}")
        try:
            for name, kept in taken.items():
                condition = conditions.get(name, "false")
                self._connection.execute(
                    f"create or replace temp table {kept} as "
                    f"select listed.* from {name} as listed, temp.cell as cell where {condition}"
                )
        finally:
            self._connection.execute("use memory")
        return taken

    def _replayed(
        self, table: str, taken: Mapping[str, str], key: Mapping[str, Any]
    ) -> dict[str, Any]:
        for name, kept in taken.items():
            self._connection.execute(f"create schema if not exists {name.partition('.')[0]}")
            self._connection.execute(f"create view {name} as select * from {kept}")
        replay = Replay(self._connection, self._models, self._lineage.reference)
        try:
            replay.compute(table, list(taken))
            condition = " and ".join(f'"{name}" is not distinct from ?' for name in key)
            found = self._rows(f"select * from {table} where {condition}", list(key.values()))
        finally:
            replay.forget(list(taken))
        return found[0] if found else {}

    def _clear(self) -> None:
        for behind in self._behind.values():
            for kept in behind.kept.values():
                self._connection.execute(f"drop table {kept}")
        self._behind.clear()

    # ---------------------------------------------------------------- what stands behind it

    def _facts(self, behind: _Behind, sample: int | None) -> list[Fact]:
        if sample not in behind.facts:
            behind.facts[sample] = [
                self._fact(table, kept, sample) for table, kept in behind.kept.items()
            ]
        return behind.facts[sample]

    def _fact(self, table: str, kept: str, sample: int | None) -> Fact:
        """Return the listed rows, each beside its raw row and its file."""
        entity, prefix, shown = self._origin(table)
        limit = "" if sample is None else f"limit {sample}"
        columns = ", ".join(f"listed.{name}" for name in shown)
        rows = self._rows(
            f"""
            select
                {columns},
                raw_rows._delivery_id as delivery_id,
                raw_rows._row_number as row_number,
                deliveries.path,
                to_json(raw_rows) as raw
            from {kept} as listed
            left join {PUBLISHED}.raw.{entity} as raw_rows
                on listed.{prefix}delivery_id = raw_rows._delivery_id
                and listed.{prefix}row_number = raw_rows._row_number
            left join {PUBLISHED}.audit.deliveries as deliveries
                on raw_rows._delivery_id = deliveries.delivery_id
            order by 1, deliveries.path, raw_rows._row_number
            {limit}
            """
        )
        for row in rows:
            row["raw"] = _without_nulls(json.loads(row["raw"])) if row["raw"] else None
        return Fact(table, self._count(kept), rows)

    def _origin(self, table: str) -> tuple[str, str, list[str]]:
        """Return the raw entity of a fact, the prefix of its lineage columns, and what to show."""
        if table.startswith("raw."):
            return table.partition(".")[2], "_", ["_source"]
        spec = self._lineage.facts[table]
        return spec["raw"], "", spec["show"]

    def _deliveries(self, behind: _Behind) -> list[DeliveryUsed]:
        if behind.deliveries is None:
            behind.deliveries = []
            for table, kept in behind.kept.items():
                entity, prefix, _ = self._origin(table)
                rows = f"select {prefix}delivery_id as delivery_id from {kept}"
                behind.deliveries += self._delivered(rows, entity, "rows")
                behind.deliveries += self._used(table, kept)
        return behind.deliveries

    def _used(self, table: str, kept: str) -> Iterator[DeliveryUsed]:
        """Yield the deliveries of the rates, products and matches that the rows were made with."""
        self._connection.execute(f"use {PUBLISHED}")
        try:
            for entity, condition in self._lineage.facts.get(table, {}).get("used", {}).items():
                rows = (
                    f"select used._delivery_id as delivery_id from raw.{entity} as used "
                    f"where used._superseded_by is null and exists ("
                    f"select 1 from {kept} as listed where {condition})"
                )
                yield from self._delivered(rows, entity, "used with them")
        finally:
            self._connection.execute("use memory")

    def _delivered(self, rows: str, entity: str, role: str) -> list[DeliveryUsed]:
        found = self._rows(
            f"""
            with counted as (
                select delivery_id, count(*) as rows from ({rows}) group by delivery_id
            )
            select
                deliveries.delivery_id, deliveries.source, ? as entity, ? as role, counted.rows,
                deliveries.path, deliveries.sha256, deliveries.landed_path, deliveries.run_id
            from counted
            inner join {PUBLISHED}.audit.deliveries as deliveries
                on counted.delivery_id = deliveries.delivery_id
            order by deliveries.source, deliveries.path
            """,
            [entity, role],
        )
        return [DeliveryUsed(**row) for row in found]

    def _checks(self, table: str, run_id: str, taken: Iterable[str]) -> Checks:
        """Return the checks of the run that judged this version, of the tables on the way."""
        tables = [table, *taken, *self._ancestors(table)]
        rows = self._rows(
            f"""
            select check_name, table_name, kind, severity, is_passed, observed, expected
            from {PUBLISHED}.audit.checks
            where run_id = ? and list_contains(?, table_name)
            order by table_name, check_name
            """,
            [run_id, list(dict.fromkeys(tables))],
        )
        return Checks(
            passed=sum(bool(row["is_passed"]) for row in rows),
            failed=[row for row in rows if not row["is_passed"]],
            of_this_table=[row for row in rows if row["table_name"] == table],
        )

    def _ancestors(self, table: str) -> list[str]:
        parents = self._models[table].depends_on
        return [*parents, *(name for parent in parents for name in self._ancestors(parent))]

    def _explanation(
        self,
        table: str,
        column: str,
        key: dict[str, Any],
        value: Any,
        behind: _Behind,
        sample: int | None,
    ) -> Explanation:
        record = versions.read_record(self._home, self._file.stem)
        run_id = record.get("run_id", "")
        recomputed = behind.row.get(column)
        facts = self._facts(behind, sample)
        return Explanation(
            version=self._file.stem,
            run_id=run_id,
            published_at=record.get("published_at", ""),
            table=table,
            column=column,
            key=key,
            value=value,
            recomputed=recomputed,
            is_equal=same(value, recomputed),
            code_changed=self._code_changed(run_id),
            facts=facts,
            deliveries=self._deliveries(behind),
            checks=self._checks(table, run_id, behind.kept),
            raw_rows=sum(fact.count for fact in facts),
        )

    def _code_changed(self, run_id: str) -> bool:
        rows = self._rows(
            f"select code_sha256 from {PUBLISHED}.audit.runs where run_id = ?", [run_id]
        )
        return bool(rows) and rows[0]["code_sha256"] != self._code_sha256

    @cached_property
    def _code_sha256(self) -> str:
        return code_fingerprint()

    def _count(self, table: str) -> int:
        rows = self._rows(f"select count(*) as rows from {table}")
        return int(rows[0]["rows"])

    def _rows(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        cursor = self._connection.execute(query, parameters)
        return named_rows(cursor)


def same(value: Any, recomputed: Any) -> bool:
    """Say whether two values of a cell are the same; doubles but for the order of their sums."""
    if isinstance(value, float) and isinstance(recomputed, float):
        return abs(value - recomputed) <= _RELATIVE_TOLERANCE * max(1.0, abs(value))
    return bool(value == recomputed)


def _without_nulls(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}

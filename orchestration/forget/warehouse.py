"""A warehouse file without a person: found in any of its tables, written anew and compact.

Deleted rows stay in the free blocks of a DuckDB file, so the tables are copied into a fresh one.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.durable import sync
from ingest.forgotten import PERSONAL, People
from ingest.landing import Delivery
from ingest.sql import filled, literal, quoted
from orchestration.candidate import write_database
from orchestration.files import clone, remove
from orchestration.forget.rules import Rules
from orchestration.gates.results import prepare_audit

if TYPE_CHECKING:
    import duckdb

_IDS = ("delivery_id", "_delivery_id", "superseded_by", "_superseded_by")
# what is written there tells of single rows; no figure is computed from it
_RECORDS = ("audit", "quarantine")
# names of files are the sources' own
_LEFT = ("path", "landed_path", "sha256", *_IDS, "quarantine_id")
_QUARANTINE, _UNREADABLE = "quarantine.rows", "unreadable_line"


@dataclass
class Erased:
    """Rows that go or are changed, by `schema.table`; `own` are those that name the person."""

    removed: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    own: int = 0

    @property
    def rows(self) -> int:
        """How many rows it is."""
        return sum(self.removed.values()) + sum(self.changed.values())


@dataclass
class _Table:
    """One table, and SQL of what is to be done to it.

    Attributes:
        documents: Its columns of JSON.
        is_theirs: True where a personal column holds the person's id.
        removes: True in rows that go.
        changes: Conditions of which one is true in rows that change.
        left: What is left of the columns of such a row.
    """

    name: str
    documents: list[str]
    is_theirs: str = ""
    removes: str = ""
    changes: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scrubber:
    """Takes one person out of warehouse files.

    Attributes:
        person: Who, with all texts that stand for them.
        rules: What the project says of its tables.
        kept: For a source, which keys of a raw row may stay in a row of the person.
        renamed: Redacted deliveries by the ids that they had before.
    """

    person: People
    rules: Rules
    kept: Callable[[str, Sequence[str]], set[str]]
    renamed: Mapping[str, Delivery] = field(default_factory=dict)

    def count(self, connection: "duckdb.DuckDBPyConnection") -> Erased:
        """Count what stands of the person in the tables of a connection."""
        erased = Erased()
        for table in self._tables(connection):
            removed = _count(connection, table.name, table.removes)
            changes = f"({' or '.join(table.changes)})" if table.changes else ""
            if changes and table.removes:
                changes += f" and not ({table.removes})"
            documents = self._documents(connection, table)
            changed = _count(connection, table.name, changes) + len(documents)
            erased.own += _count(connection, table.name, table.is_theirs)
            erased.own += len(documents) if table.name == _QUARANTINE else 0
            if removed:
                erased.removed[table.name] = removed
            if changed:
                erased.changed[table.name] = changed
        return erased

    def rewrite(self, database: Path, files: int, at: datetime) -> Erased:
        """Write a file anew without the person, in one step; who has it open keeps what it was.

        Args:
            database: The file.
            files: How many landed files lack the person now, for the audit.
            at: The time in UTC, for the audit.
        """
        work = database.with_name(f"{database.name}.forgetting.partial")
        log = work.with_name(work.name + ".wal")
        mode = database.stat().st_mode
        try:
            remove(log)
            clone(database, work)
            work.chmod(0o644)
            erased = self._scrub_file(work, files, at)
            write_database(database, work)
            database.chmod(mode)
            sync(database)
            sync(database.parent)
        finally:
            remove(work)
            remove(log)
        return erased

    def _scrub_file(self, file: Path, files: int, at: datetime) -> Erased:
        import duckdb

        connection = duckdb.connect(str(file))
        try:
            erased = self.scrub(connection)
            self._rename(connection)
            prepare_audit(connection)
            removed, changed = sum(erased.removed.values()), sum(erased.changed.values())
            line = filled("(?, ?, ?, ?)", at, removed, changed, files)
            connection.execute(f"insert into audit.erasures values {line}")
            connection.execute("checkpoint")
        finally:
            connection.close()
        return erased

    def scrub(self, connection: "duckdb.DuckDBPyConnection") -> Erased:
        """Take the person out of all tables of a connection."""
        erased = self.count(connection)
        connection.execute(
            "create or replace temp table gone "
            "(id varchar, number bigint, was_loaded boolean, amount decimal(18, 4))"
        )
        for table in list(self._tables(connection)):
            for row, values in self._documents(connection, table):
                if values is None:
                    self._remove_refused(connection, row)
                    continue
                sets = ", ".join(f"{quoted(n)} = {literal(v)}" for n, v in values.items())
                connection.execute(f"update {table.name} set {sets} where rowid = {row}")
            if table.removes:
                self._remove(connection, table)
            if table.changes:
                sets = ", ".join(f"{quoted(n)} = {v}" for n, v in table.left.items())
                where = " or ".join(table.changes)
                connection.execute(f"update {table.name} set {sets} where {where}")
        self._close_up(connection)
        connection.execute("drop table gone")
        return erased

    @staticmethod
    def _remove(connection: "duckdb.DuckDBPyConnection", table: _Table) -> None:
        if table.name.startswith("stored."):
            connection.execute(
                "insert into gone select _delivery_id, _row_number, true, null "
                f"from {table.name} where {table.removes}"
            )
        connection.execute(f"delete from {table.name} where {table.removes}")

    @staticmethod
    def _remove_refused(connection: "duckdb.DuckDBPyConnection", row: int) -> None:
        connection.execute(
            "insert into gone select delivery_id, row_number, false, amount_local "
            f"from {_QUARANTINE} where rowid = {row}"
        )
        connection.execute(f"delete from {_QUARANTINE} where rowid = {row}")

    def _close_up(self, connection: "duckdb.DuckDBPyConnection") -> None:
        """Count and number the rows of deliveries as the redacted files do, where rows are gone."""
        if not _count(connection, "gone", "true"):
            return
        connection.execute(
            """
            update audit.deliveries as d set
                rows_delivered = rows_delivered - lost.loaded - lost.refused,
                rows_loaded = rows_loaded - lost.loaded,
                rows_quarantined = rows_quarantined - lost.refused,
                amount_delivered = amount_delivered - lost.amount
            from (
                select
                    id, count(*) filter (where was_loaded) as loaded,
                    count(*) filter (where not was_loaded) as refused,
                    coalesce(sum(amount), 0) as amount
                from gone group by id
            ) as lost
            where d.delivery_id = lost.id
            """
        )
        for table, prefix in self._numbered(connection):
            number = f"{prefix}row_number"
            more = (
                f", quarantine_id = {prefix}delivery_id || '/' || ({number} - earlier)"
                if table == _QUARANTINE
                else ""
            )
            connection.execute(
                f"""
                update {table} as t set {number} = {number} - earlier{more} from (
                    select t.rowid as row, count(*) as earlier from {table} as t
                    inner join gone
                        on t.{prefix}delivery_id = gone.id and t.{number} > gone.number
                    group by t.rowid
                ) as moved
                where t.rowid = moved.row
                """
            )

    @staticmethod
    def _numbered(connection: "duckdb.DuckDBPyConnection") -> Iterator[tuple[str, str]]:
        """Tables that name rows of deliveries, with what stands before the names."""
        for table, types in _catalog(connection):
            for prefix in ("", "_"):
                if {f"{prefix}delivery_id", f"{prefix}row_number"} <= types.keys():
                    yield table, prefix

    # ------------------------------------------------------------ what is to be done to a table

    def _tables(self, connection: "duckdb.DuckDBPyConnection") -> Iterator[_Table]:
        """The tables in which the person may stand."""
        for name, types in _catalog(connection):
            if self.may_be_in(connection, name, list(types)):
                yield self._table(name, types)

    def may_be_in(
        self, connection: "duckdb.DuckDBPyConnection", relation: str, columns: Sequence[str]
    ) -> bool:
        """Whether one of the names is in any text of a relation, as a word or within another.

        Most tables hold none, and this costs a tenth of looking for words column by column.
        """
        text = f"lower(concat_ws('|', {', '.join(f'{quoted(c)}::varchar' for c in columns)}))"
        holds = " or ".join(f"contains({text}, lower({literal(s)}))" for s in self.person.spellings)
        query = f"select 1 from {relation} where {holds} limit 1"
        return bool(connection.execute(query).fetchall())

    def _table(self, name: str, types: Mapping[str, str]) -> _Table:
        """The conditions under which rows of a table go or change, and what is left of them."""
        table = _Table(name, [column for column, kind in types.items() if kind == "JSON"])
        personal = [column for column in types if self.rules.is_personal(name, column)]
        named = [column for column in personal if types[column] == "VARCHAR"]
        ids = ", ".join(map(literal, self.person.names))
        is_id = {column: f"coalesce({quoted(column)} in ({ids}), false)" for column in named}
        table.is_theirs = " or ".join(is_id.values())
        table.removes = " or ".join(is_id[c] for c in named if self.rules.is_key(name, c))
        if table.is_theirs and not table.removes:
            table.changes.append(table.is_theirs)
            for column in personal:
                self._blank(table, column, is_id.get(column, "false"))
        for column, kind in types.items():
            if column not in _LEFT and column not in table.documents:
                self._swap(table, column, kind)
        return table

    def _blank(self, table: _Table, column: str, is_id: str) -> None:
        """In rows of the person nothing personal is left; a token where a value is needed."""
        condition, left = table.is_theirs, "null"
        if self.rules.is_required(table.name, column):
            condition, left = is_id, literal(self.person.token)
        table.left[column] = f"case when {condition} then {left} else {quoted(column)} end"

    def _swap(self, table: _Table, column: str, kind: str) -> None:
        """In all rows a token stands for names that can mean nothing else."""
        is_record = table.name.partition(".")[0] in _RECORDS
        known = self.person.worded if is_record else self.person.telling
        if not known.names or not kind.startswith(("VARCHAR", "STRUCT", "MAP")):
            return
        text = quoted(column) if kind == "VARCHAR" else f"cast({quoted(column)} as varchar)"
        holds = f"coalesce(regexp_matches({text}, {literal(known.sql_pattern)}), false)"
        table.changes.append(holds)
        if kind == "VARCHAR":
            table.left[column] = known.without_sql(table.left.get(column, quoted(column)))
        else:
            table.left[column] = f"case when {holds} then null else {quoted(column)} end"

    # ------------------------------------------------------------ JSON

    def _documents(
        self, connection: "duckdb.DuckDBPyConnection", table: _Table
    ) -> list[tuple[int, dict[str, str | None] | None]]:
        """Rows whose JSON names the person, by row id, with what is left; None where they go."""
        if not table.documents:
            return []
        texts = [f"cast({quoted(column)} as varchar)" for column in table.documents]
        pattern = literal(self.person.sql_pattern)
        holds = " or ".join(f"coalesce(regexp_matches({t}, {pattern}), false)" for t in texts)
        more = "source, entity, rule, reason" if table.name == _QUARANTINE else "'', '', '', ''"
        rows = connection.execute(
            f"select rowid, {more}, {', '.join(texts)} from {table.name} where {holds}"
        ).fetchall()
        found: list[tuple[int, dict[str, str | None] | None]] = []
        for row, source, entity, rule, reason, *documents in rows:
            parsed = [None if text is None else json.loads(text) for text in documents]
            left = [self.person.without_in_json(value, numbers=True) for value in parsed]
            if left == parsed:
                continue
            values = dict(zip(table.documents, left, strict=True))
            if table.name != _QUARANTINE:
                found.append((row, _as_texts(values)))
            elif rule == _UNREADABLE or self._is_about(entity, parsed):
                found.append((row, None))
            else:
                found.append((row, self._refused(source, entity, values, reason or "")))
        return found

    def _is_about(self, entity: str, documents: Sequence[Any]) -> bool:
        """Whether a quarantined row is about the person as a whole."""
        keys = self.rules.keys.get(f"stored.{entity}", set())
        return any(
            str(value) in self.person.names
            for document in documents
            if isinstance(document, dict)
            for key, value in document.items()
            if key in keys and key in PERSONAL[entity]
        )

    def _refused(
        self, source: str, entity: str, values: Mapping[str, Any], reason: str
    ) -> dict[str, str | None]:
        left = {
            "raw_row": self._raw_row(source, values["raw_row"]),
            "mapped_row": self._mapped_row(entity, values["mapped_row"]),
        }
        return {**_as_texts(left), "reason": self.person.without(reason)}

    def _raw_row(self, source: str, row: Any) -> Any:
        """A quarantined row of the person, as its landed file shows it now."""
        if not isinstance(row, dict):
            return None
        kept = self.kept(source, list(row))
        return {key: value if key in kept else None for key, value in row.items()}

    @staticmethod
    def _mapped_row(entity: str, row: Any) -> Any:
        if not isinstance(row, dict):
            return None
        return {k: None if k in PERSONAL[entity] else v for k, v in row.items()}

    # ------------------------------------------------------------ deliveries

    def _rename(self, connection: "duckdb.DuckDBPyConnection") -> None:
        """Give redacted deliveries the names that landing has for them now."""
        if not self.renamed:
            return
        rows = [
            filled("(?, ?, ?, ?, ?)", old, d.delivery_id, d.sha256, d.bytes, d.landed_path)
            for old, d in self.renamed.items()
        ]
        connection.execute(
            "create or replace temp table renamed as "
            f"from (values {', '.join(rows)}) as t(old, new, sha256, bytes, landed_path)"
        )
        connection.execute(
            "update audit.deliveries as d set sha256 = renamed.sha256, bytes = renamed.bytes, "
            "landed_path = renamed.landed_path from renamed where d.delivery_id = renamed.old"
        )
        connection.execute(
            "update quarantine.rows as q set sha256 = renamed.sha256, "
            "quarantine_id = replace(quarantine_id, old, new) "
            "from renamed where q.delivery_id = renamed.old"
        )
        for table, types in _catalog(connection):
            for column in types.keys() & set(_IDS):
                connection.execute(
                    f"update {table} as t set {column} = renamed.new from renamed "
                    f"where t.{column} = renamed.old"
                )
        connection.execute("drop table renamed")


def _catalog(connection: "duckdb.DuckDBPyConnection") -> list[tuple[str, dict[str, str]]]:
    """All tables that hold rows, with the types of their columns."""
    rows = connection.execute(
        """
        select
            name, list(columns.column_name order by columns.column_index),
            list(columns.data_type order by columns.column_index)
        from duckdb_columns() as columns
        inner join (
            select database_name, table_oid, schema_name || '.' || table_name as name
            from duckdb_tables() where not internal and not temporary and estimated_size > 0
        ) as tables using (database_name, table_oid)
        where database_name = current_database()
        group by name order by name
        """
    ).fetchall()
    return [(name, dict(zip(columns, types, strict=True))) for name, columns, types in rows]


def _as_texts(values: Mapping[str, Any]) -> dict[str, str | None]:
    return {k: None if v is None else json.dumps(v) for k, v in values.items()}


def _count(connection: "duckdb.DuckDBPyConnection", table: str, where: str) -> int:
    if not where:
        return 0
    [(count,)] = connection.execute(f"select count(*) from {table} where {where}").fetchall()
    return int(count)

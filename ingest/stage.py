"""The pass over the files: source columns in, canonical columns and a verdict a row out.

The rows of a group of parts go to a temporary table whose row numbers are those of the files. A
row's verdict is null where it is good. Why a row is bad, and what it looked like, is only worked
out for rows that are.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

import duckdb

from ingest.company import Layout, Source
from ingest.errors import DeliveryRefused
from ingest.expressions import (
    TEXT,
    BoundMapping,
    Mapped,
    Marks,
    cast_sql,
    expected,
    number_alias,
    source_alias,
)
from ingest.landing import cut_off
from ingest.readers import PART, Group, Part, unended_line
from ingest.specification import ENTITIES, Column, Entity, Rule
from ingest.sql import literal, quoted

DROPPED = ""
"""The verdict of an exact duplicate that is left out."""

AMOUNTS = {
    "sales": (
        "try(cast(quantity * unit_price - coalesce(discount_amount, 0) as decimal(18, 4)))",
        "quantity is null or unit_price is null",
    )
}
"""What the lines of an entity add up to in their own currency, and when there is no telling.

The product of two decimals of 18 digits has 18 digits again, eight of them decimals. A wider one
would take a hundred times as long; a line of ten thousand million and more is quarantined instead.
"""

PERIODS = {
    "sales": "ordered_at",
    "competitor_prices": "observed_at",
    "market_sales": "period_start",
    "fx_rates": "rate_date",
    "plans": "period_start",
    "reviews": "reviewed_at",
    "market_context": "period_start",
    "events": "occurred_on",
    "promotions": "starts_on",
}
"""The column that says which month a row of an entity belongs to; other entities have none."""

_TOO_LARGE = " with at most 14 digits before the decimal mark"
_SHOWN_LETTERS = 60
_KEY_TYPE = "tradewind_country_key_type"
DUPLICATE_RULE = "exact_duplicate"
"""The rule that identical lines break where a source has them quarantined."""

# the end of the line before may be part of it
_REJECT = "ltrim(csv_line, chr(10) || chr(13))"
_COLUMNS = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_ALL = 100
_TAKE_ALL = "if the file always ends so, `quarantine_limit_pct: 100` sets the line aside instead"
_CODES_VARIABLE = "tradewind_country_codes"
_numbers = count()


@dataclass
class PartRows:
    """What was read of one part.

    Attributes:
        first: Row of the stage at which it begins.
        read: Rows that were read.
        rejected: Lines that are no rows: (line number in the part, text, reason).
        base: Rows of the same delivery before it.
        amount: What its rows add up to; None where the entity has no amounts.
    """

    first: int = 0
    read: int = 0
    bad: int = 0
    dropped: int = 0
    duplicates: int = 0
    base: int = 0
    amount: Decimal | None = None
    rejected: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """A group of parts, mapped and judged, in a temporary table.

    Attributes:
        connection: The candidate.
        group: What was read.
        layout: By which layout.
        entity: Into which entity.
        table: Name of the temporary table.
        staged: Canonical columns in it.
        constants: SQL of the canonical columns that are the same in all rows.
        rows: What was read of each part.
        mapped: Canonical columns that the layout fills; the others have their defaults.
        lines_above: Lines above the first row of a CSV file; none in other files.
    """

    connection: duckdb.DuckDBPyConnection
    group: Group
    layout: Layout
    entity: Entity
    table: str
    staged: tuple[str, ...]
    constants: dict[str, str]
    rows: list[PartRows]
    mapped: tuple[str, ...]
    lines_above: int

    def column_sql(self, name: str) -> str:
        """A canonical column of the stage."""
        return f"staged.{quoted(name)}" if name in self.staged else self.constants[name]

    def examples(self, part: Part, rows: PartRows) -> str:
        """The commonest reasons for which rows of a part are bad."""
        number = self.group.parts.index(part)
        found = self.connection.execute(
            f"select _reason from {self.table} "
            f"where {PART} = {number} and _rule <> {literal(DROPPED)} "
            "group by _reason order by count(*) desc, _reason limit 3"
        ).fetchall()
        reasons = [str(row[0]) for row in found]
        reasons += [
            f"line {line + self.lines_above}: {reason}" for line, _, reason in rows.rejected[:2]
        ]
        return "; ".join(dict.fromkeys(reasons))


def create_stage(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    group: Group,
    layout: Layout,
    mapping: BoundMapping,
) -> Stage:
    """Read, map and judge the rows of a group.

    Args:
        connection: The candidate.
        source: The source.
        group: What to read.
        layout: The layout that fits it.
        mapping: The layout, bound to the columns of the group.
    """
    entity = ENTITIES[source.entity]
    marks = Marks.of(source, group.first_day)
    table = f"_stage_{next(_numbers)}"
    by_name = {mapped.name: mapped for mapped in mapping.columns}
    staged = tuple(name for name, m in by_name.items() if m.variants or m.lookups)
    constants = {
        column.name: _constant_sql(column, by_name.get(column.name), marks)
        for column in entity.columns
        if column.name not in staged
    }
    stage = Stage(
        connection, group, layout, entity, table, staged, constants,
        [PartRows() for _ in group.parts], tuple(by_name), _lines_above(source, group),
    )  # fmt: skip
    keep_raw = source.duplicates == "quarantine"
    fingerprint = source.duplicates != "keep"
    rules = _open_rules(connection, entity, mapping, constants)
    query = _Query(group, entity, mapping, marks, constants, staged, rules)
    if mapping.lookups:
        _create_country_lookup(connection)
    with _order_kept(connection):
        connection.execute(f"create temp table {table} as {query.sql(keep_raw, fingerprint)}")
    _refuse_open_quotes(stage, source)
    _collect_rejects(stage)
    _refuse_cut_ends(stage, source)
    _number(stage)
    if fingerprint:
        _mark_duplicates(stage, source)
    _count(stage)
    return stage


def mapped_sql(
    connection: duckdb.DuckDBPyConnection, source: Source, group: Group, mapping: BoundMapping
) -> str:
    """A query of what a mapping makes of a group's rows, whatever its rules say of them.

    Its columns are `PART`, the canonical ones, and the source's own by `source_alias`.
    """
    names = tuple(mapped.name for mapped in mapping.columns)
    marks = Marks.of(source, group.first_day)
    if mapping.lookups:
        _create_country_lookup(connection)
    query = _Query(group, ENTITIES[source.entity], mapping, marks, {}, names, ())
    return f"with {query.layers()} select * from canonical"


def _create_country_lookup(connection: duckdb.DuckDBPyConnection) -> None:
    """The keys of country names as an enumeration, and the code of each.

    A cast to an enumeration looks a text up as fast as a join, and unlike it keeps rows in order.
    """
    names = "temp.main.tradewind_country_names"
    connection.execute(f"drop type if exists {_KEY_TYPE}")
    connection.execute(
        f"create temp type {_KEY_TYPE} as enum (select key from {names} order by key)"
    )
    connection.execute(
        f"set variable {_CODES_VARIABLE} = (select list(code order by key) from {names})"
    )


@contextmanager
def _order_kept(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Rows keep the order of the files.

    Joins, which come of rules that look into a list, never turn round; and no operator holds rows
    back to fill its chunk, for a thread would give them out again among those of the next stretch
    that it reads. A subexpression must stay where it is, or a cast would be moved out of its `try`.
    """
    wanted = {
        "disabled_optimizers": "'join_order,build_side_probe_side,common_subexpressions'",
        "preserve_insertion_order": "true",
        "enable_caching_operators": "false",
    }
    before = {
        name: connection.execute(f"select current_setting('{name}')").fetchone() for name in wanted
    }
    for name, value in wanted.items():
        connection.execute(f"set {name} = {value}")
    try:
        yield
    finally:
        for name, row in before.items():
            connection.execute(f"set {name} = {literal(str(row[0] if row else ''))}")


def _constant_sql(column: Column, mapped: Mapped | None, marks: Marks) -> str:
    default = f"cast({literal(column.default)} as {column.type})"
    if mapped is None:
        return default
    value = _accepted_sql(cast_sql(mapped.sql, mapped.type, column.type, marks), column)
    return f"coalesce({value}, {default})" if column.default else f"cast({value} as {column.type})"


def _accepted_sql(value: str, column: Column) -> str:
    """A value as the specification spells it, however the source writes it.

    Capitals, spaces, hyphens and underscores make no difference: `In stock` is `in_stock`. What is
    not in the list stays as it is, for the row rules to find.
    """
    if not column.accepted:
        return value
    listed = ", ".join(literal(each) for each in column.accepted)
    whens = " ".join(
        f"when {literal(each.replace('_', ''))} then {literal(each)}" for each in column.accepted
    )
    bare = f"lower(translate({value}, ' -_\u00a0', ''))"
    # most sources write one of the values as it is, and that costs next to nothing
    spelled = f"case {bare} {whens} else {value} end"
    return f"(case when {value} in ({listed}) then {value} else {spelled} end)"


def _open_rules(
    connection: duckdb.DuckDBPyConnection,
    entity: Entity,
    mapping: BoundMapping,
    constants: Mapping[str, str],
) -> tuple[Rule, ...]:
    """The rules that a row can break. Those over constants alone are settled once for all rows,
    and what country_code gives is a country code."""
    inputs = ", ".join(f"{sql} as {quoted(name)}" for name, sql in constants.items())
    codes = {
        f"{mapped.name}_is_country"
        for mapped in mapping.columns
        if [mapped.sql] == [f"({quoted(lookup.alias)})" for lookup in mapped.lookups]
    }
    rules = []
    for rule in entity.rules:
        if rule.name in codes:
            continue
        if {column.name for column in _read_by(rule, entity)} <= constants.keys():
            row = connection.execute(f"select {rule.sql} from (select {inputs})").fetchone()
            if row and row[0] is not False:
                continue
        rules.append(rule)
    return tuple(rules)


def _read_by(rule: Rule, entity: Entity) -> list[Column]:
    """The columns that a rule is over."""
    words = re.findall(r"\w+", rule.sql)
    return [column for column in entity.columns if column.name in words]


@dataclass(frozen=True)
class _Query:
    """The text of the query that maps and judges."""

    group: Group
    entity: Entity
    mapping: BoundMapping
    marks: Marks
    constants: dict[str, str]
    staged: tuple[str, ...]
    rules: tuple[Rule, ...]

    def sql(self, keep_raw: bool, fingerprint: bool) -> str:
        """The query. Its layers read, type, map, cast and judge; each value is computed once."""
        amount, _ = AMOUNTS.get(self.entity.name, ("", ""))
        amount_sql = f", {amount} as _amount" if amount else ""
        listed = [quoted(name) for name in self.staged]
        listed += [PART, "_amount"] if amount else [PART]
        listed += [
            f"hash({a}) as _hash_a, hash({b}) as _hash_b" for a, b in self._hashed(fingerprint)
        ]
        raw = self._lazily(keep_raw, f"cast({self._raw()} as json)")
        mapped = self._lazily(keep_raw, f"cast({self._mapped()} as json)")
        return f"""
            with {self.layers()},
            amounts as (
                select *{amount_sql} from canonical
            ),
            ruled as (
                select *{self._more(self._rule_columns())} from amounts
            ),
            judged as (
                select *, {self._good()} as _is_good from ruled
            )
            select
                {", ".join(listed)},
                case when not _is_good then {self._rule()} end as _rule,
                case when not _is_good then {self._reason()} end as _reason,
                {raw} as _raw,
                {mapped} as _mapped
            from judged
        """

    def layers(self) -> str:
        """The layers that read, type, map and cast, the last of them `canonical`."""
        return f"""
            source_rows as (
                select {", ".join([*self._source_columns(), PART])} from ({self.group.sql})
            ),
            typed as (
                select *{self._more(self._variants())} from source_rows
            ),
            named as (
                select *{self._more(self._codes())} from typed
            ),
            tried as (
                select *{self._more(self._tried())} from named
            ),
            mapped as (
                select *{self._more(self._results())} from tried
            ),
            canonical as (
                select *{self._more(list(self._canonical()))} from mapped
            )
        """

    @staticmethod
    def _more(items: Sequence[str]) -> str:
        return "".join(f", {item}" for item in items)

    @staticmethod
    def _lazily(always: bool, sql: str) -> str:
        return sql if always else f"case when not _is_good then {sql} end"

    def _hashed(self, wanted: bool) -> Iterator[tuple[str, str]]:
        """Two hashes of a whole line, which together do not coincide by accident."""
        if wanted:
            names = [quoted(source_alias(column.name)) for column in self.group.columns]
            yield ", ".join(names), ", ".join(["'second'", *reversed(names)])

    def _source_columns(self) -> list[str]:
        return [
            f"{quoted(column.name)} as {quoted(source_alias(column.name))}"
            for column in self.group.columns
        ] + [quoted(number_alias(c.name)) for c in self.group.columns if c.tells_numbers]

    def _variants(self) -> list[str]:
        return [f"{v.sql(self.marks)} as {quoted(v.alias)}" for v in self.mapping.variants]

    def _codes(self) -> list[str]:
        """Names of letters and spaces are their own keys; only of others the key is worked out."""
        items = []
        for lookup in self.mapping.lookups:
            name = lookup.name_sql
            spelled = f"try_cast(replace(lower({name}), ' ', '') as {_KEY_TYPE})"
            keyed = f"try_cast(tradewind_country_key({name}) as {_KEY_TYPE})"
            key = f"(case when {spelled} is null then {keyed} else {spelled} end)"
            items.append(
                f"getvariable('{_CODES_VARIABLE}')[enum_code({key}) + 1] as {quoted(lookup.alias)}"
            )
        return items

    def _tried(self) -> list[str]:
        return [
            f"try({{'v': {mapped.sql}}}) as {quoted('tried:' + mapped.name)}"
            for mapped in self._mappings()
            if mapped.can_fail
        ]

    def _results(self) -> list[str]:
        items = []
        for mapped in self._mappings():
            sql = f"{quoted('tried:' + mapped.name)}.v" if mapped.can_fail else mapped.sql
            items.append(f"{sql} as {quoted('result:' + mapped.name)}")
        return items

    def _mappings(self) -> list[Mapped]:
        return [mapped for mapped in self.mapping.columns if mapped.name in self.staged]

    def _canonical(self) -> Iterator[str]:
        for mapped in self._mappings():
            column = self.entity.column(mapped.name)
            result = quoted("result:" + mapped.name)
            value = cast_sql(result, mapped.type, column.type, self.marks)
            value = _accepted_sql(value, column)
            if column.default:
                value = f"coalesce({value}, {literal(column.default)})"
            yield f"{value} as {quoted(mapped.name)}"
        for name, sql in self.constants.items():
            yield f"{sql} as {quoted(name)}"

    def _rule_columns(self) -> list[str]:
        return [f"({rule.sql}) as {quoted('rule:' + rule.name)}" for rule in self.rules]

    def _good(self) -> str:
        """True where nothing is wrong. It may be false where on a second look nothing is, too."""
        checks = [f"{quoted(name)} is not null" for name in self.entity.required]
        for mapped in self._mappings():
            name, result = quoted(mapped.name), quoted("result:" + mapped.name)
            if mapped.can_fail:
                checks.append(f"{quoted('tried:' + mapped.name)} is not null")
            for variant in mapped.variants:
                if variant.is_typed:
                    text = quoted(source_alias(variant.column.name))
                    checks.append(f"({quoted(variant.alias)} is not null or {text} is null)")
            if mapped.name not in self.entity.required and self._is_cast(mapped):
                checks.append(f"({name} is not null or {result} is null)")
        checks += [f"({finite} is not false)" for _, finite in self._finite()]
        checks += [f"({quoted('rule:' + rule.name)} is not false)" for rule in self.rules]
        checks += [f"(_amount is not null or {unknown})" for unknown in self._unknown_amount()]
        return " and ".join(dict.fromkeys(checks)) or "true"

    def _finite(self) -> list[tuple[str, str]]:
        """Columns in which a text such as `inf` would pass for a number."""
        return [
            (mapped.name, f"isfinite({quoted(mapped.name)})")
            for mapped in self._mappings()
            if self.entity.column(mapped.name).type == "DOUBLE"
        ]

    def _unknown_amount(self) -> list[str]:
        return [AMOUNTS[self.entity.name][1]] if self.entity.name in AMOUNTS else []

    def _is_cast(self, mapped: Mapped) -> bool:
        return mapped.type != self.entity.column(mapped.name).type

    def _faults(self) -> Iterator[tuple[str, str, str]]:
        """All that can be wrong with a row: (rule, SQL that is true if so, SQL of the reason)."""
        for mapped in self._mappings():
            yield from self._cast_faults(mapped)
        for name, finite in self._finite():
            yield f"{name}_type", f"{finite} is false", literal(f"{name} must be a finite number")
        for name in self.entity.required:
            readable = self._unreadable(name)
            yield (
                f"{name}_required",
                f"{quoted(name)} is null and not ({readable})",
                f"{literal(f'{name} is required and has no value{self._from(name)}')} "
                f"|| {self._seen(name)}",
            )
        for rule in self.rules:
            broken = f"({quoted('rule:' + rule.name)} is false)"
            yield rule.name, broken, self._rule_reason(rule)
        for unknown in self._unknown_amount():
            yield (
                "amount_in_range",
                f"_amount is null and not ({unknown})",
                literal("quantity times unit_price must be less than ten thousand million"),
            )

    def _rule_reason(self, rule: Rule) -> str:
        """What was expected, and what was found."""
        column, *others = _read_by(rule, self.entity)
        if not others and (column.codes or column.accepted):
            found = f"left({quoted(column.name)}, {_SHOWN_LETTERS})"
            return f"{literal(rule.reason + ', not ')} || '''' || {found} || ''''"
        return (
            f"{literal(rule.reason)} || {self._seen(column.name, *(each.name for each in others))}"
        )

    def _seen(self, *names: str) -> str:
        """SQL of what stands in the source's columns that some canonical ones are made of."""
        columns = dict.fromkeys(
            variant.column
            for mapped in self._mappings()
            if mapped.name in names
            for variant in mapped.variants
        )
        if not columns:
            return literal("")
        parts = []
        for column in columns:
            name = quoted(source_alias(column.name))
            value = f"left(cast({name} as varchar), {_SHOWN_LETTERS})"
            before = literal(f"{column.shown} is '")
            parts.append(f"{before} || {value} || ''''")
        return f"coalesce(' (' || nullif(concat_ws(', ', {', '.join(parts)}), '') || ')', '')"

    def _from(self, name: str) -> str:
        for mapped in self.mapping.columns:
            if mapped.name == name:
                return f": {mapped.text}"
        return ": it is not mapped"

    def _cast_faults(self, mapped: Mapped) -> Iterator[tuple[str, str, str]]:
        rule = f"{mapped.name}_type"
        column = self.entity.column(mapped.name)
        for variant in mapped.variants:
            if variant.is_typed:
                text = quoted(source_alias(variant.column.name))
                yield (
                    rule,
                    self._no_cast(text, variant.column.type, quoted(variant.alias)),
                    self._shown(
                        mapped.name, variant.column.name, text, variant.column.type, variant.type
                    ),
                )
        if mapped.can_fail:
            yield (
                rule,
                f"{quoted('tried:' + mapped.name)} is null",
                f"{literal(f'{mapped.name}: {mapped.text} fails on the values of this row')} "
                f"|| {self._seen(mapped.name)}",
            )
        if self._is_cast(mapped):
            result = quoted("result:" + mapped.name)
            yield (
                rule,
                self._no_cast(result, mapped.type, quoted(mapped.name)),
                self._shown(mapped.name, mapped.text, result, mapped.type, column.type),
            )

    def _unreadable(self, name: str) -> str:
        """True where a column has no value because what is there cannot be read."""
        for mapped in self._mappings():
            if mapped.name == name:
                return " or ".join(sql for _, sql, _ in self._cast_faults(mapped)) or "false"
        return "false"

    @staticmethod
    def _no_cast(value: str, value_type: str, cast: str) -> str:
        blank = f" and trim({value}) <> ''" if value_type == TEXT else ""
        return f"({cast} is null and {value} is not null{blank})"

    def _shown(self, name: str, text: str, value: str, value_type: str, type_: str) -> str:
        """SQL of a sentence that names the column, its value and what was expected."""
        kind = expected(type_, self.marks)
        before, after = literal(f"{name}: {text} is '"), literal(f"', expected {kind}")
        if type_.startswith("DECIMAL"):
            number = cast_sql(value, value_type, "DOUBLE", self.marks)
            after += f" || case when isfinite({number}) then {literal(_TOO_LARGE)} else '' end"
        return f"{before} || left(cast({value} as varchar), 200) || {after}"

    def _rule(self) -> str:
        whens = " ".join(f"when {sql} then {literal(rule)}" for rule, sql, _ in self._faults())
        return f"(case {whens} end)" if whens else "null"

    def _reason(self) -> str:
        items = [f"case when {sql} then {reason} end" for _, sql, reason in self._faults()]
        return f"concat_ws('; ', {', '.join(items)})" if items else "null"

    def _raw(self) -> str:
        pairs = [
            f"{literal(column.shown)}, {quoted(source_alias(column.name))}"
            for column in self.group.columns
        ]
        return f"json_object({', '.join(pairs)})"

    def _mapped(self) -> str:
        names = [mapped.name for mapped in self.mapping.columns]
        pairs = [f"{literal(name)}, {quoted(name)}" for name in names]
        return f"json_object({', '.join(pairs)})"


# ---------------------------------------------------------------- what the pass left behind


def _refuse_open_quotes(stage: Stage, source: Source) -> None:
    """Refuse a part in which a reject runs over lines: how many rows they were is not known."""
    if not stage.group.rejects:
        return
    query = f"""
        select file_id, min(line) from {stage.group.rejects}
        where regexp_matches({_REJECT}, '[\\r\\n][^\\r\\n]')
        group by file_id order by file_id
    """
    for part, line in stage.connection.execute(query).fetchall():
        name = stage.group.parts[part].name
        raise DeliveryRefused(
            f"a quote that opens on line {line} of {name} takes in the lines after it",
            f"source {source.name}: {name}",
            "quotes that are closed on the same line, or around text with line breaks",
            "have the line mended and the file sent again; if the file uses no quotes, set "
            "`quote: ''` of the source",
        )


def _collect_rejects(stage: Stage) -> None:
    """Lines that are no rows, by part."""
    if stage.group.rejects:
        query = f"""
            select file_id, line, any_value({_REJECT}),
                first(error_message order by column_idx, error_message)
            from {stage.group.rejects} group by file_id, line order by file_id, line
        """
        for part, line, text, reason in stage.connection.execute(query).fetchall():
            stage.rows[part].rejected.append(
                (int(line) - stage.lines_above, str(text or ""), str(reason).rstrip("."))
            )
    for number, part in enumerate(stage.group.parts):
        if part.format in ("json", "jsonl"):
            # row numbers of rows that are not yet committed begin at a large number
            query = (
                f"select rowid - (select min(rowid) from {part.table}) + 1, line "
                f"from {part.table} where record is null order by 1"
            )
            rows = stage.connection.execute(query).fetchall()
            stage.rows[number].rejected += [(int(r), str(t), "not a JSON object") for r, t in rows]


def _lines_above(source: Source, group: Group) -> int:
    return source.skip_lines + source.header if group.format == "csv" else 0


def _refuse_cut_ends(stage: Stage, source: Source) -> None:
    """Refuse a part whose last line is no row and has no end: it was cut off in the line."""
    if source.quarantine_limit_pct >= _ALL:
        return
    for part, rows in zip(stage.group.parts, stage.rows, strict=True):
        last = unended_line(part.path) if rows.rejected else ""
        for number, text, reason in rows.rejected:
            if last and text == last and not _has_too_many(reason):
                refused = cut_off(
                    part.name,
                    f"source {source.name}: {part.name}",
                    f"it breaks off in line {number + stage.lines_above}, which has no line end: "
                    f"{reason}",
                )
                refused.next_step = f"{refused.next_step}; {_TAKE_ALL}"
                raise refused


def _has_too_many(reason: str) -> bool:
    """Whether a line is rejected for more columns than there are: then nothing of it is missing."""
    columns = _COLUMNS.match(reason)
    return columns is not None and int(columns[2]) > int(columns[1])


def _number(stage: Stage) -> None:
    """Where each part begins in the stage, and how many rows it has."""
    query = f"select {PART}, min(rowid), count(*), max(rowid) from {stage.table} group by {PART}"
    for part, first, read, last in stage.connection.execute(query).fetchall():
        if last - first + 1 != read:
            raise RuntimeError(f"rows of {stage.group.parts[part].name} came out of order")
        stage.rows[part].first, stage.rows[part].read = int(first), int(read)


def _count(stage: Stage) -> None:
    amount = "sum(_amount)" if stage.entity.name in AMOUNTS else "null"
    query = f"""
        select
            {PART}, count(_rule), count(*) filter (where _rule = {literal(DROPPED)}),
            count(*) filter (where _rule = '{DUPLICATE_RULE}'),
            {amount.replace(")", f") filter (where _rule is distinct from {literal(DROPPED)})")}
        from {stage.table} group by {PART}
    """
    for part, bad, dropped, duplicates, total in stage.connection.execute(query).fetchall():
        rows = stage.rows[part]
        rows.bad, rows.dropped = int(bad) - int(dropped), int(dropped)
        rows.duplicates, rows.amount = int(duplicates), total


def _mark_duplicates(stage: Stage, source: Source) -> None:
    """Give good rows that repeat an earlier line of the same delivery the verdict of that."""
    rule, reason = DROPPED, None
    if source.duplicates == "quarantine":
        rule, reason = DUPLICATE_RULE, "the same line stands earlier in the delivery"
    deliveries = ", ".join(
        f"({number}, {literal(part.delivery.delivery_id)})"
        for number, part in enumerate(stage.group.parts)
    )
    stage.connection.execute(
        f"""
        update {stage.table} set _rule = {literal(rule)}, _reason = {literal(reason)}
        where _rule is null and rowid in (
            select staged.rowid
            from {stage.table} as staged
            inner join (values {deliveries}) as part(number, delivery_id)
                on staged.{PART} = part.number
            inner join (
                select delivery_id, _hash_a, _hash_b, min(staged.rowid) as first
                from {stage.table} as staged
                inner join (values {deliveries}) as part(number, delivery_id)
                    on staged.{PART} = part.number
                group by delivery_id, _hash_a, _hash_b
                having count(*) > 1
            ) as repeated using (delivery_id, _hash_a, _hash_b)
            where staged.rowid > repeated.first
        )
        """
    )

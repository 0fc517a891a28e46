"""From a stage to `raw` and `quarantine`: good rows one way, bad rows the other."""

import duckdb

from ingest import raw_tables
from ingest.company import Source
from ingest.readers import PART
from ingest.sql import literal, quoted
from ingest.stage import AMOUNTS, DROPPED, PERIODS, Stage


def write(connection: duckdb.DuckDBPyConnection, source: Source, stage: Stage) -> None:
    """Write the rows of a stage whose parts are numbered.

    Args:
        connection: The candidate, in a transaction.
        source: The source.
        stage: The stage.
    """
    _write_parts(connection, stage)
    _write_good(connection, stage)
    if any(rows.bad for rows in stage.rows):
        _write_bad(connection, source, stage)
    if any(rows.rejected for rows in stage.rows):
        _write_rejected(connection, source, stage)


def _write_parts(connection: duckdb.DuckDBPyConnection, stage: Stage) -> None:
    """The lineage of each part, and the lines in it that are no rows."""
    values = []
    for number, (part, rows) in enumerate(zip(stage.group.parts, stage.rows, strict=True)):
        delivery = part.delivery
        landed = delivery.fetched_at.replace(tzinfo=None).isoformat(" ")
        values.append(
            f"({number}, {literal(delivery.delivery_id)}, {rows.base - rows.first + 1}, "
            f"{rows.first}, {rows.base}, {rows.read + len(rows.rejected)}, "
            f"timestamp {literal(landed)}, {literal(delivery.sha256)})"
        )
    connection.execute(
        f"""
        create or replace temp table {stage.table}_parts as
        from (values {", ".join(values)})
        as parts(number, delivery_id, shift, first, base, delivered, landed_at, sha256)
        """
    )
    _write_lines(connection, stage)


def _write_lines(connection: duckdb.DuckDBPyConnection, stage: Stage) -> None:
    """Rejected lines with their row numbers.

    A line's number is where it stands in its file, moved where line breaks inside quotes would put
    it beyond the last row. `rows_before` says how many rows were read before it.
    """
    lines = [(number, *line) for number, rows in enumerate(stage.rows) for line in rows.rejected]
    columns = [list(column) for column in zip(*lines, strict=True)] or [[], [], [], []]
    number, line, text, reason = (literal(column) for column in columns)
    connection.execute(
        f"""
        create or replace temp table {stage.table}_lines as
        with lines as (
            select
                unnest({number}::integer[]) as number, unnest({line}::bigint[]) as line,
                unnest({text}::varchar[]) as text, unnest({reason}::varchar[]) as reason
        ),
        ordered as (
            select
                *,
                row_number() over (partition by number order by line, text) - 1 as earlier,
                count(*) over (partition by number) as every
            from lines
        ),
        placed as (
            select
                ordered.*,
                greatest(
                    least(line, parts.delivered - every + earlier + 1), earlier + 1
                ) as position
            from ordered
            inner join {stage.table}_parts as parts using (number)
        )
        select number, text, reason, line, position, position - 1 - earlier as rows_before,
            earlier + 1 as lines_up_to
        from placed
        """
    )


def _row_number(stage: Stage) -> tuple[str, str]:
    """SQL of a row's number in its delivery, and the join that it needs."""
    number = "staged.rowid + parts.shift"
    if not any(rows.rejected for rows in stage.rows):
        return number, ""
    join = f"""
        asof left join (
            select number, rows_before, max(lines_up_to) as lines_up_to
            from {stage.table}_lines group by number, rows_before
        ) as lines
            on staged.{PART} = lines.number
            and staged.rowid - parts.first >= lines.rows_before
    """
    return f"{number} + coalesce(lines.lines_up_to, 0)", join


def _write_good(connection: duckdb.DuckDBPyConnection, stage: Stage) -> None:
    entity = stage.entity.name
    held = raw_tables.columns(connection, entity)
    number, join = _row_number(stage)
    connection.execute(
        f"""
        insert into {raw_tables.stored(entity)}
            ({", ".join(map(quoted, held))}, _delivery_id, _row_number)
        select
            {", ".join(map(stage.column_sql, held))}, parts.delivery_id, {number}
        from {stage.table} as staged
        {_parts_join(stage)}
        {join}
        where staged._rule is null
        """
    )


def _parts_join(stage: Stage) -> str:
    """With one part no join: a constant costs less than a look-up."""
    table = f"{stage.table}_parts"
    if len(stage.rows) == 1:
        return f"cross join {table} as parts"
    return f"inner join {table} as parts on staged.{PART} = parts.number"


def _write_bad(connection: duckdb.DuckDBPyConnection, source: Source, stage: Stage) -> None:
    number, join = _row_number(stage)
    entity = stage.entity.name
    names = stage.entity.column_names
    amount = "staged._amount" if entity in AMOUNTS else "null"
    currency = stage.column_sql("currency") if "currency" in names else "null"
    month = "null"
    if entity in PERIODS:
        month = f"cast(date_trunc('month', {stage.column_sql(PERIODS[entity])}) as date)"
    connection.execute(
        f"""
        insert into quarantine.rows
        select
            parts.delivery_id || '/' || ({number}), {literal(source.name)}, {literal(entity)},
            parts.delivery_id, {number}, staged._rule, staged._reason, staged._raw, staged._mapped,
            {amount}, {currency}, {month}, parts.landed_at, parts.sha256
        from {stage.table} as staged
        {_parts_join(stage)}
        {join}
        where staged._rule <> {literal(DROPPED)}
        """
    )


def _write_rejected(connection: duckdb.DuckDBPyConnection, source: Source, stage: Stage) -> None:
    names = ", ".join(quoted(name) for name in ("line", "text"))
    connection.execute(
        f"""
        insert into quarantine.rows
        select
            parts.delivery_id || '/' || (parts.base + lines.position), {literal(source.name)},
            {literal(stage.entity.name)}, parts.delivery_id, parts.base + lines.position,
            'unreadable_line', lines.reason, json_object('line', lines.text), null,
            null, null, null, parts.landed_at, parts.sha256
        from (select {names}, reason, number, position from {stage.table}_lines) as lines
        inner join {stage.table}_parts as parts using (number)
        """
    )

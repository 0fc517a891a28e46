"""How a warehouse is stored in its file."""

from typing import TYPE_CHECKING

from ingest.sql import literal, quoted

if TYPE_CHECKING:
    import duckdb

# The oldest format that DuckDB 1.0 and 1.1, hence the BI tools of the last two years, can read.
# It costs some compression; every view, macro and comment of ours works in it.
STORAGE_VERSION = "v1.0.0"
# Set by statement: DuckDB leaves some out where they are given as a connection opens.
WRITING_SETTINGS = {
    # to look for what symbols a text column shares takes longer than the few per cent of the file
    # are worth
    "disabled_compression_methods": "fsst",
    # as soon as a few rows were replaced, DuckDB would write those beside them anew at every
    # checkpoint: `drop_replaced_rows` does it for many at once
    "max_vacuum_tasks": "0",
}
_REPLACED_SHARE = 0.25
_REPLACED_ROWS = 2048
_ROW_GROUP = 122_880


def set_for_writing(connection: "duckdb.DuckDBPyConnection") -> None:
    """Let what this connection's database instance writes be stored as above."""
    for name, value in WRITING_SETTINGS.items():
        connection.execute(f"set global {name} = '{value}'")


def drop_replaced_rows(connection: "duckdb.DuckDBPyConnection") -> bool:
    """Write tables anew where over a quarter of what the file holds of one are replaced rows.

    Args:
        connection: The only one to a database to which something was written since its last
            checkpoint: DuckDB would leave it as it is otherwise.

    Returns:
        Whether there was such a table.
    """
    if not any(
        rows <= _ROW_GROUP * (_row_groups(connection, table) - 1)
        for table, rows in _with_many_replaced(connection)
    ):
        return False
    connection.execute("reset global max_vacuum_tasks")
    connection.execute("checkpoint")
    set_for_writing(connection)
    return True


def _with_many_replaced(connection: "duckdb.DuckDBPyConnection") -> list[tuple[str, int]]:
    """The tables, and their rows, of which the file has many more rows than they have."""
    tables = connection.execute(
        "select schema_name, table_name, estimated_size from duckdb_tables() "
        f"where database_name = current_database() and estimated_size > {_REPLACED_ROWS}"
    ).fetchall()
    if not tables:
        return []
    counts = []
    for schema, table, held in tables:
        name = f"{quoted(schema)}.{quoted(table)}"
        counts.append(f"select {literal(name)}, count(*), {held} - count(*) from {name}")
    return connection.execute(
        f"select name, rows from ({' union all '.join(counts)}) as counts (name, rows, replaced) "
        f"where replaced > {_REPLACED_ROWS} and replaced > {_REPLACED_SHARE} * (rows + replaced)"
    ).fetchall()


def _row_groups(connection: "duckdb.DuckDBPyConnection", table: str) -> int:
    """In how many parts the file holds a table; DuckDB drops rows by making fewer of them."""
    return connection.execute(
        f"select count(distinct row_group_id) from pragma_storage_info({literal(table)})"
    ).fetchall()[0][0]

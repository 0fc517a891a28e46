"""How a warehouse is stored in its file."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

# The oldest format that DuckDB 1.0 and 1.1, hence the BI tools of the last two years, can read.
# It costs some compression; every view, macro and comment of ours works in it.
STORAGE_VERSION = "v1.0.0"
# Set by statement: DuckDB leaves this one out where it is given as a connection opens. To look for
# what symbols a text column shares takes longer than the few per cent of the file are worth.
WRITING_SETTINGS = {"disabled_compression_methods": "fsst"}


def set_for_writing(connection: "duckdb.DuckDBPyConnection") -> None:
    """Let what this connection's database instance writes be stored as above."""
    for name, value in WRITING_SETTINGS.items():
        connection.execute(f"set global {name} = '{value}'")

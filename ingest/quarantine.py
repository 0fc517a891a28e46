"""Rows that were set aside get another chance."""

import duckdb

from ingest.company import Source
from ingest.sql import filled


def load_again(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Let the next load of a source take its deliveries with quarantined rows anew, and whole.

    Whole, since a row that is good now may repeat or replace others: so it ends as a clean load.

    Args:
        connection: The candidate, after `load.prepare`.
        source: The source.
    """
    connection.execute(
        filled(
            "update audit.deliveries set mapping_sha256 = null "
            "where source = ? and superseded_by is null "
            "and delivery_id in (select delivery_id from quarantine.rows)",
            source.name,
        )
    )

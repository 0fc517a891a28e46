"""Small hand-made warehouses to publish, ask and roll back."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ingest.home import Home
from orchestration import candidate, publish, verdict
from orchestration.candidate import Candidate
from orchestration.lock import writer_lock
from orchestration.publish import Published

Publish = Callable[[int], Published]


def build(home: Home, run_id: str, rows: int) -> Candidate:
    """A candidate whose one mart holds `rows` rows, and an empty mart beside it."""
    with writer_lock(home):
        opened = candidate.open_candidate(home, run_id)
        connection = duckdb.connect(str(opened.database))
        connection.execute(
            f"""
            create schema if not exists marts;
            create schema if not exists audit;
            create table if not exists audit.pending_months (entity varchar, month date);
            insert into audit.pending_months values ('sales', date '2025-01-01');
            create table if not exists audit.pending_customers (customer_id varchar);
            insert into audit.pending_customers values ('C1');
            create or replace table marts.mart_numbers as
            select i, cast(i as decimal(18, 4)) as amount_home from range({rows}) as t(i);
            create or replace table marts.mart_empty (market varchar, share_pct double);
            """
        )
        connection.close()
    return opened


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def publish_rows(home: Home) -> Publish:
    """Build, judge and publish a warehouse of that many rows."""

    def publish_them(rows: int) -> Published:
        made = build(home, f"run-{rows}", rows)
        verdict.write(made, made.run_id, True, 3)
        return publish.publish(home, made)

    return publish_them

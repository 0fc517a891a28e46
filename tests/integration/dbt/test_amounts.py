"""Amounts of money out of exact sums."""

from pathlib import Path

import duckdb
import jinja2

RATES = Path(__file__).parents[3] / "dbt_project" / "macros" / "rates.sql"


def test_a_sum_becomes_the_amount_that_a_cast_makes_of_it() -> None:
    """Halves of a hundredth of a cent, both signs, and both sides of where 8 bytes end."""
    macro = jinja2.Environment(autoescape=False).from_string(
        RATES.read_text() + "{{ to_amount('total') }}"
    )
    with duckdb.connect() as connection:
        [(sums, differing, empty)] = connection.execute(
            f"""
            with bases as (
                select unnest([0, 1, 17.1234, 999999.9999, 1000000, 123456789.0001, 5e13])
                    ::decimal(38, 12) as base
            ),
            sums as (
                select sign * (base + tail::decimal(38, 12)) as total from bases,
                    (select unnest(['0', '0.00005', '0.00004999999', '0.000099999999']) as tail),
                    (select unnest([1, -1]) as sign)
                union all select null
            )
            select count(*), count(*) filter (
                    ({macro.render()}) is distinct from total::decimal(18, 4)
                ), count(*) filter (({macro.render()}) is null)
            from sums
            """
        ).fetchall()
    assert (sums, differing, empty) == (7 * 4 * 2 + 1, 0, 1)

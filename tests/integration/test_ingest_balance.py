"""What was delivered is what was loaded, quarantined and dropped, for any file."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.workbench import Workbench, line

_GOOD = st.builds(
    lambda order, qty, price: line(order, qty=str(qty), price=str(price)),
    st.sampled_from(["1", "2", "3"]),
    st.integers(-5, 5),
    st.integers(-2, 9),
)
_BAD = st.sampled_from(
    [
        "short",
        line("x", qty="many"),
        line("x", country="Atlantis"),
        line("x") + ",surplus",
        line("", product=""),
        line("x", price="1e30"),
        line("x", qty="99999999", price="99999999"),
        line("x", product='"two\nlines"'),
        line("x", product="\N{LATIN SMALL LETTER E WITH ACUTE}"),
    ]
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    files=st.lists(st.lists(st.one_of(_GOOD, _BAD), max_size=12), min_size=1, max_size=3),
    policy=st.sampled_from(["keep", "drop", "quarantine"]),
)
def test_rows_balance(files: list[list[str]], policy: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Workbench.of(Path(folder), f"duplicates: {policy}\nquarantine_limit_pct: 100")
        for number, lines in enumerate(files):
            bench.put(f"{number}.csv", *lines)
        result = bench.run()
        counted = (
            bench.value("select count(*) from raw.sales"),
            bench.value("select count(*) from quarantine.rows"),
        )
        assert counted == (result.rows_loaded, result.rows_quarantined)
        assert result.rows_delivered == sum(counted) + result.rows_dropped
        distinct = {tuple(lines) for lines in files}
        assert result.rows_delivered == sum(len(lines) for lines in distinct)
        unbalanced = bench.rows(
            "select * from audit.deliveries "
            "where rows_delivered <> rows_loaded + rows_quarantined + rows_dropped"
        )
        assert unbalanced == []
        ids = bench.rows(
            "select _delivery_id, _row_number from raw.sales union all "
            "select delivery_id, row_number from quarantine.rows"
        )
        assert len(set(ids)) == len(ids)
        assert bench.value("select count(*) from quarantine.rows where reason is null") == 0
        amounts = bench.rows(
            """
            select d.amount_delivered, coalesce(r.amount, 0) + coalesce(q.amount, 0)
            from audit.deliveries as d
            left join (
                select _delivery_id as delivery_id, sum(
                    cast(cast(quantity as decimal(28, 4)) * unit_price as decimal(18, 4))
                ) as amount
                from raw.sales group by all
            ) as r using (delivery_id)
            left join (
                select delivery_id, sum(amount_local) as amount from quarantine.rows group by all
            ) as q using (delivery_id)
            where d.amount_delivered is not null
            """
        )
        assert all(delivered == found for delivered, found in amounts)


@pytest.mark.parametrize("lines", [40_000])
def test_rows_keep_their_numbers_in_a_file_read_by_several_threads(
    tmp_path: Path, lines: int
) -> None:
    bench = Workbench.of(tmp_path)
    bench.connection.execute("set threads = 4")
    pad = "x" * 1500
    rows = (
        line(str(n), customer=pad, country="UK" if n % 7 else "Deutschland") for n in range(lines)
    )
    bench.put("a.csv", *rows)
    assert (bench.folder / "data" / "a.csv").stat().st_size > 60_000_000
    assert bench.run().rows_loaded == lines
    wrong = "select count(*) from raw.sales where cast(order_id as bigint) <> _row_number - 1"
    assert bench.value(wrong) == 0

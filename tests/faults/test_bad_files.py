"""Files that are not what they should be: refused with a message that says what to do."""

import duckdb
import pytest

from tests.faults import bad_files
from tests.faults.conftest import Content, Refusal, Shop, Twice

pytestmark = pytest.mark.xdist_group("faults")


@pytest.mark.parametrize("step", range(len(bad_files.STEPS)))
def test_each_is_refused_with_the_reason_and_readers_keep_their_version(
    refusals: list[Refusal], first_day: Shop, step: int
) -> None:
    refused = refusals[step]
    assert refused.ended.code == 1, refused.ended.output
    assert "Traceback" not in refused.ended.output
    for fault in bad_files.STEPS[step]:
        for said in ("source orders", "next step:", f"orders/{fault.file}", *fault.says):
            assert said in refused.ended.output, refused.ended.output
    assert (refused.version, refused.content) == (first_day.version, first_day.content())


def test_all_are_published_once_mended(twice: Twice, both_days: Content) -> None:
    [published] = [ended.output for ended in twice.ended if "Published version" in ended.output]
    assert f"orders/{bad_files.HEADER_ONLY} holds no rows" in published
    lines = [line for fault in bad_files.ALL for line in bad_files.lines_of(fault.file)]
    with duckdb.connect(str(twice.shop.home.warehouse), read_only=True) as connection:
        rows = connection.execute("select order_id from core.fct_sales").fetchall()
    orders = [order for (order,) in rows]
    assert {line.split(",")[0] for line in lines} < set(orders)
    assert len(orders) == len(set(orders)) == 6 + 2 + 20 * len(bad_files.ALL)
    assert twice.shop.leftovers() == []

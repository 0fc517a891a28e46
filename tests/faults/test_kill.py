"""`kill -9` at every stage: readers never notice, and the next ordinary run mends it.

The kills before the swap happen in the fixtures `judged` and `battered`, one after the other in one
home, and after each of them readers are asked what they see.
"""

from pathlib import Path

import pytest

from tests.faults import points
from tests.faults.conftest import Content, Shop, Twice, assert_readers_see, kill, marts_of

pytestmark = pytest.mark.xdist_group("faults")


def test_there_are_at_least_twenty_points() -> None:
    assert len({point.name for point in points.KILLS}) == len(points.KILLS) >= 20


def test_killed_before_the_swap_the_next_run_publishes_all_of_it_and_tidies_up(
    twice: Twice, both_days: Content
) -> None:
    shop = twice.shop
    assert sum("Published version" in ended.output for ended in twice.ended) == 1
    assert shop.content() == both_days
    assert shop.parquet() == marts_of(both_days)
    assert shop.leftovers() == []
    assert len(list(shop.home.candidates.iterdir())) <= 2
    assert "Nothing is new" in shop.published().output


def test_killed_just_before_the_swap_the_old_version_stands_also_when_mended(
    judged: Shop, tmp_path: Path
) -> None:
    shop = judged.copy(tmp_path)
    before, version = shop.content(), shop.version
    kill(shop, points.UNLINKED, stage="publish_judged")
    assert_readers_see(shop, before, version, "killed")
    assert shop.run(stage="mend").code == 0
    assert_readers_see(shop, before, version, "mended")


@pytest.mark.parametrize("point", points.SWAPPED, ids=lambda point: point.name)
def test_killed_after_the_swap_the_new_version_is_whole_and_the_next_run_tidies_up(
    judged: Shop, both_days: Content, tmp_path: Path, point: points.Point
) -> None:
    shop = judged.copy(tmp_path)
    before = shop.version
    kill(shop, point, stage="publish_judged")
    assert shop.version != before
    assert shop.content() == both_days

    ended = shop.published()
    assert "Nothing is new" in ended.output
    assert shop.content() == both_days
    assert shop.parquet() == marts_of(both_days)
    assert shop.leftovers() == []

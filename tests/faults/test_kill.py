"""`kill -9` at every stage: readers never notice, and the next ordinary run mends it."""

import signal
from pathlib import Path

import pytest

from orchestration.lock import writer_lock
from tests.faults import points
from tests.faults.conftest import SECOND_DAY, Content, Shop, Twice

pytestmark = pytest.mark.xdist_group("faults")


def _kill(shop: Shop, point: points.Point, stage: str | None = None) -> None:
    """Run until the point, and see that the run died there and that nothing holds the lock."""
    ended = shop.run(fault=point.name, stage=stage)
    assert ended.code == -signal.SIGKILL, f"not reached: {point.name}\n{ended.output}"
    with writer_lock(shop.home, wait=False):
        pass


def _assert_readers_see(shop: Shop, before: Content, version: str | None, when: str) -> None:
    assert shop.version == version, when
    assert shop.content() == before, when
    assert shop.parquet() == _marts(before), when


def _marts(content: Content) -> Content:
    return {table: rows for table, rows in content.items() if table.startswith("marts.")}


@pytest.fixture(scope="module")
def judged(first_day: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A home killed at each point up to the verdict, one after the other; then judged."""
    shop = first_day.copy(tmp_path_factory.mktemp("killed"))
    shop.orders("2024-02", *SECOND_DAY)
    before, version = shop.content(), shop.version
    for point in (*points.LANDING, *points.CLONING, *points.LOADING, *points.BUILDING):
        _kill(shop, point)
        _assert_readers_see(shop, before, version, point.name)
    for point in points.JUDGING:
        _kill(shop, point, stage="judge")
        _assert_readers_see(shop, before, version, point.name)
        refused = shop.run(stage="publish_judged")
        assert "no candidate was judged" in refused.output, point.name
    assert shop.run(stage="judge").code == 0
    return shop


def test_there_are_at_least_twenty_points() -> None:
    assert len({point.name for point in points.ALL}) == len(points.ALL) >= 20


@pytest.mark.parametrize("point", points.SWAPPED, ids=lambda point: point.name)
def test_killed_after_the_swap_the_new_version_is_whole_and_the_next_run_tidies_up(
    judged: Shop, twice: Twice, tmp_path: Path, point: points.Point
) -> None:
    shop = judged.copy(tmp_path)
    before = shop.version
    _kill(shop, point, stage="publish_judged")
    assert shop.version != before
    assert shop.content() == twice.shop.content()

    ended = shop.published()
    assert "Nothing is new" in ended.output
    assert shop.content() == twice.shop.content()
    assert shop.parquet() == _marts(twice.shop.content())
    assert shop.leftovers() == []


def test_killed_before_the_swap_the_old_version_stands_and_the_next_run_publishes_the_new_one(
    judged: Shop, first_day: Shop, twice: Twice, tmp_path: Path
) -> None:
    before, version = first_day.content(), first_day.version
    shop = judged.copy(tmp_path / "last")
    for point in points.PUBLISHING:
        _kill(shop, point, stage="publish_judged")
        _assert_readers_see(shop, before, version, point.name)
    unlinked, moved = points.MOVING[1], points.MOVING[0]
    other = shop.copy(tmp_path / "other")
    _kill(other, unlinked, stage="publish_judged")
    _assert_readers_see(other, before, version, unlinked.name)
    assert other.run(stage="mend").code == 0
    _assert_readers_see(other, before, version, unlinked.name)
    _kill(shop, moved, stage="publish_judged")
    _assert_readers_see(shop, before, version, moved.name)

    assert "Published version" in shop.published().output
    assert shop.content() == twice.shop.content()
    assert shop.parquet() == _marts(twice.shop.content())
    assert shop.leftovers() == []
    assert len(list(shop.home.candidates.iterdir())) <= 2
    assert "Nothing is new" in shop.published().output

"""A disk without room: the message says so, readers keep their version, and room mends it.

That it is told while cloning, loading and building, and that the next run publishes all the same,
is seen in the fixture `battered`.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.landing import manifest
from orchestration.files import remove
from tests.faults import points
from tests.faults.conftest import (
    Content,
    Shop,
    assert_readers_see,
    kill,
    marts_of,
    tell_full_disk,
)

pytestmark = pytest.mark.xdist_group("faults")


@pytest.fixture
def disk(small_disk: Path | None) -> Iterator[Path]:
    """A folder on the disk that can be filled."""
    if small_disk is None:
        # filling the disk that everything else is on would be no test but a fault
        pytest.skip("this user may not mount a disk")
    folder = small_disk / "one"
    yield folder
    remove(folder)


def test_told_while_landing_and_the_next_run_lands_it(second_day: Shop, disk: Path) -> None:
    shop = second_day.copy(disk)
    before, version = shop.content(), shop.version
    tell_full_disk(shop, points.ROOM_TO_LAND)
    assert_readers_see(shop, before, version, "full")
    [known] = manifest(shop.home, "orders")
    kill(shop, points.LANDING[-1])
    first, second = manifest(shop.home, "orders")
    assert first == known
    for file in (
        shop.home.landing / second.landed_path,
        shop.folder / "company" / "orders" / "2024-02.csv",
    ):
        assert hashlib.sha256(file.read_bytes()).hexdigest() == second.sha256


def test_told_while_publishing_and_what_was_judged_is_published_later(
    judged: Shop, both_days: Content, disk: Path
) -> None:
    shop = judged.copy(disk)
    before, version = shop.content(), shop.version
    for point in points.ROOM_TO_PUBLISH:
        tell_full_disk(shop, point, stage="publish_judged")
        assert_readers_see(shop, before, version, point.name)
    assert shop.run(stage="publish_judged").code == 0
    assert shop.content() == both_days
    assert shop.parquet() == marts_of(both_days)
    assert shop.leftovers() == []

"""A disk without room: the message says so, readers keep their version, and room mends it."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Shop

pytestmark = pytest.mark.xdist_group("faults")


def _mount(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def small_disk(second_day: Shop, tmp_path: Path) -> Iterator[Shop]:
    """The company, its home on a disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mounted = _mount(disk, "-o", "size=200m")
    except FileNotFoundError:
        pytest.skip("there is no program `mount`")
    if mounted.returncode:
        pytest.skip(f"this user may not mount a disk: {mounted.stderr.strip()}")
    try:
        yield second_day.copy(disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _fill(shop: Shop, leave: int) -> Path:
    """Take all room of the disk but so many bytes."""
    filler = shop.folder / "filler"
    with filler.open("wb") as out:
        free = _free(shop) - leave
        while free > 0:
            out.write(b"\0" * min(free, 1 << 20))
            free -= 1 << 20
    return filler


def _free(shop: Shop) -> int:
    return shutil.disk_usage(shop.folder).free


# room for nothing; for landing; for the clone too, and for less than the build
@pytest.mark.parametrize("leave", [0, 60_000, 14_000_000], ids=["landing", "cloning", "building"])
def test_readers_keep_their_version_and_the_next_run_with_room_publishes(
    small_disk: Shop, leave: int
) -> None:
    before, version = small_disk.content(), small_disk.version
    filler = _fill(small_disk, leave)
    ended = small_disk.run()
    assert ended.code > 0 and "the disk is full" in ended.output, ended.output
    assert (small_disk.content(), small_disk.version) == (before, version)
    filler.unlink()
    small_disk.published()
    assert len(small_disk.content()["core.fct_sales"]) == len(before["core.fct_sales"]) + 2
    assert small_disk.leftovers() == []

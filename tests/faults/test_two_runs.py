"""Two runs at once, and readers who are there meanwhile."""

import pytest

from tests.faults.conftest import Twice

pytestmark = pytest.mark.xdist_group("faults")


def test_the_second_run_waits_and_both_end_well(twice: Twice) -> None:
    first, second = twice.ended
    assert (first.code, second.code) == (0, 0), first.output + second.output
    outputs = sorted([first.output, second.output], key=lambda text: "Nothing is new" in text)
    assert "Published version" in outputs[0] and "Waiting for another run" not in outputs[0]
    assert "Waiting for another run (process " in outputs[1]
    assert "Nothing is new" in outputs[1]


def test_one_process_at_a_time_owns_the_lock(twice: Twice) -> None:
    assert len(twice.owners) == len(set(twice.owners)) <= 2
    assert set(twice.owners) <= set(twice.pids)
    assert twice.shop.home.lock_file.read_text() == ""


def test_readers_who_open_it_again_and_again_see_whole_versions_only(twice: Twice) -> None:
    """Each of them compares two tables of what it opened; none ever met an error."""
    assert len(twice.seen) > 100
    assert twice.seen == sorted(twice.seen)
    assert set(twice.seen) <= {6, 188} and twice.seen[0] == 6


def test_a_reader_who_keeps_it_open_keeps_its_version(twice: Twice) -> None:
    assert twice.kept_open == twice.before
    assert twice.shop.content() != twice.before

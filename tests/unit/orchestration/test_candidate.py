"""A candidate is a whole copy of the current version, or not there at all."""

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import duckdb
import pytest

from ingest.home import Home
from orchestration import candidate, files, publish, verdict, versions
from orchestration.files import DiskFull
from tests.unit.orchestration.conftest import Publish, build

Usage = namedtuple("Usage", "total used free")


def test_the_first_one_is_empty_and_old_tools_can_read_it(home: Home) -> None:
    opened = candidate.open_candidate(home, "first")
    assert opened.base_version is None
    assert opened.database.stem == "warehouse"
    # bytes 12 to 20 of a DuckDB file are its storage version: 64 is that of 0.10 to 1.1
    assert opened.database.read_bytes()[12] == 64


def test_a_copy_holds_what_the_version_holds(home: Home, publish_rows: Publish) -> None:
    version = publish_rows(5).version
    opened = candidate.open_candidate(home, "next")
    assert opened.base_version == version
    connection = duckdb.connect(str(opened.database))
    assert connection.execute("select count(*) from marts.mart_numbers").fetchall() == [(5,)]
    connection.close()


def test_the_same_run_gets_the_same_candidate(home: Home) -> None:
    first = build(home, "run", 3)
    assert candidate.open_candidate(home, "run") == first
    connection = duckdb.connect(str(first.database), read_only=True)
    assert connection.execute("select count(*) from marts.mart_numbers").fetchall() == [(3,)]
    connection.close()


def test_leftovers_of_killed_runs_are_cleaned(home: Home) -> None:
    killed = home.candidates / "killed"
    killed.mkdir(parents=True)
    (killed / "warehouse.duckdb").write_text("half")
    candidate.open_candidate(home, "next")
    assert not killed.exists()


def test_only_the_last_candidates_are_kept(home: Home) -> None:
    for number in range(5):
        candidate.open_candidate(home, f"run-{number}")
    kept = sorted(folder.name for folder in home.candidates.iterdir())
    assert kept == ["run-2", "run-3", "run-4"]


def test_no_room_is_found_before_anything_is_copied(
    home: Home, publish_rows: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = publish_rows(5).version
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100, 99, 1))
    monkeypatch.setattr(files, "_share_blocks", lambda source, target: False)
    with pytest.raises(DiskFull, match="the disk is full"):
        candidate.open_candidate(home, "next")
    assert list(home.candidates.iterdir()) == []
    assert versions.current_version(home) == version


def test_a_disk_that_fills_up_while_copying_leaves_no_half_candidate(
    home: Home, publish_rows: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_rows(5)

    def fill_up(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_share_blocks", lambda source, target: False)
    monkeypatch.setattr(files, "_copy_bytes", fill_up)
    with pytest.raises(DiskFull, match="the disk is full"):
        candidate.open_candidate(home, "next")
    assert list(home.candidates.iterdir()) == []


@pytest.mark.parametrize("broken", [None, errno.EINVAL])
def test_a_plain_copy_is_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int | None
) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3_000_000))
    monkeypatch.setattr(files, "_share_blocks", lambda source, target: False)
    if broken is not None:

        def refuse(*arguments: object) -> int:
            raise OSError(broken, "not here")

        monkeypatch.setattr(os, "copy_file_range", refuse)
    files.clone(source, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_a_bloated_version_is_compacted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidate, "_COMPACT_ABOVE_BYTES", 0)
    made = build(home, "bloated", 10)
    connection = duckdb.connect(str(made.database))
    connection.execute("create table filler as select md5(i::varchar) from range(300000) as t(i)")
    connection.execute("checkpoint")
    connection.execute("create table last as select md5(i::varchar) from range(50000) as t(i)")
    connection.execute("checkpoint")
    connection.execute("drop table filler")
    connection.close()
    verdict.write(made, "bloated", True, 1)
    published = publish.publish(home, made)
    share, _ = candidate.free_share(published.database)
    assert share > 0.4
    opened = candidate.open_candidate(home, "compact")
    assert candidate.free_share(opened.database)[0] < 0.2
    assert opened.database.stat().st_size < published.database.stat().st_size / 1.5
    connection = duckdb.connect(str(opened.database), read_only=True)
    assert connection.execute("select count(*) from marts.mart_numbers").fetchall() == [(10,)]
    connection.close()

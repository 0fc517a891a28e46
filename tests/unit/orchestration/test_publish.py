"""Only what was judged is published, in one step, and the way back is a link."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from ingest.errors import GateRefused
from ingest.home import Home
from orchestration import candidate, export, files, publish, verdict, versions
from orchestration.headline import Headline
from orchestration.sole_writer import only_writer
from tests.unit.orchestration.conftest import Publish, build

# forks a copy for each stage and home that it reads, and writes how that ended: to import what is
# killed costs many times what the killed does
KILLED = """
import os, signal, sys
from pathlib import Path
import duckdb
from ingest.home import Home
from orchestration import candidate, export, files, publish, versions

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

def die_after(module, name):
    whole = getattr(module, name)
    def wrapped(*arguments, **options):
        whole(*arguments, **options)
        die()
    setattr(module, name, wrapped)

def publish_until(stage, home):
    module, name, when = stage.split(":")
    target = {"publish": publish, "os": os, "versions": versions, "export": export}[module]
    if when == "before":
        setattr(target, name, die)
    else:
        die_after(target, name)
    publish.publish(home, candidate.candidates(home)[0])

for line in sys.stdin:
    stage, root = line.rstrip().split(" ", 1)
    pid = os.fork()
    if not pid:
        publish_until(stage, Home(Path(root)))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
STAGES = [
    "export:sync:before",
    "export:sync:after",
    "publish:export_marts:before",
    "publish:export_marts:after",
    "publish:write_json:before",
    "publish:write_json:after",
    "os:rename:before",
    "os:rename:after",
    "publish:point_at:before",
    "versions:swap_link:before",
    "versions:swap_link:after",
    "versions:point_parquet_at:before",
    "publish:point_at:after",
    "publish:prune:before",
    "publish:remove:before",
]


def rows_seen(home: Home) -> int:
    connection = duckdb.connect(str(home.warehouse), read_only=True)
    try:
        return int(connection.execute("select count(*) from marts.mart_numbers").fetchall()[0][0])
    finally:
        connection.close()


def test_publishing_shows_the_candidate_and_leaves_nothing_behind(
    home: Home, publish_rows: Publish
) -> None:
    done = publish_rows(5)
    assert rows_seen(home) == 5
    assert versions.current_version(home) == done.version
    assert list(home.candidates.iterdir()) == []
    assert not [path for path in home.root.rglob("*") if path.name.endswith((".wal", ".partial"))]
    assert not home.warehouse.readlink().is_absolute()


def test_marts_are_exported_empty_ones_too(home: Home, publish_rows: Publish) -> None:
    publish_rows(5)
    current = home.parquet / "current"
    query = f"describe select * from '{current}/mart_empty.parquet'"
    assert [row[:2] for row in duckdb.sql(query).fetchall()] == [
        ("market", "VARCHAR"),
        ("share_pct", "DOUBLE"),
    ]
    assert duckdb.sql(f"select count(*) from '{current}/mart_empty.parquet'").fetchall() == [(0,)]
    assert duckdb.sql(f"select count(*) from '{current}/mart_numbers.parquet'").fetchall() == [(5,)]


def test_marts_that_the_run_exported_before_are_moved_in(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build(home, "run", 5)
    with duckdb.connect(str(made.database)) as connection:
        exported = export.export_early(connection, made)
    verdict.write(made, "run", True, 3)
    monkeypatch.setattr(export, "_write", None)
    done = publish.publish(home, made, exported=exported)
    assert [file.name for file in done.parquet] == ["mart_empty.parquet", "mart_numbers.parquet"]
    current = home.parquet / "current"
    assert duckdb.sql(f"select count(*) from '{current}/mart_numbers.parquet'").fetchall() == [(5,)]
    assert list(home.candidates.iterdir()) == []


def test_what_the_run_read_of_it_before_stands_in_the_record(home: Home) -> None:
    made = build(home, "run", 5)
    verdict.write(made, "run", True, 3)
    done = publish.publish(home, made, headline=Headline(7, []))
    record = versions.read_record(home, done.version)
    assert (record["rows"], record["headline"]) == (7, [])


def test_exported_files_that_somebody_wrote_to_are_written_anew(home: Home) -> None:
    made = build(home, "run", 5)
    with duckdb.connect(str(made.database)) as connection:
        exported = export.export_early(connection, made)
        connection.execute(
            f"copy (select 1 as n) to '{exported.folder}/mart_numbers.parquet' (format parquet)"
        )
    verdict.write(made, "run", True, 3)
    publish.publish(home, made, exported=exported)
    current = home.parquet / "current"
    assert duckdb.sql(f"select count(*) from '{current}/mart_numbers.parquet'").fetchall() == [(5,)]


def test_a_verdict_that_the_candidate_itself_contradicts_is_refused(home: Home) -> None:
    made = build(home, "run", 5)
    verdict.write(made, "run", False, 3, ["marts.sales: adds_up"])
    forged = json.loads(made.verdict.read_text()) | {"passed": True, "failed": []}
    made.verdict.write_text(json.dumps(forged))
    with pytest.raises(GateRefused, match="its own record"):
        publish.publish(home, made)
    assert not home.warehouse.exists()


def test_what_is_written_between_two_connections_of_a_run_is_refused(home: Home) -> None:
    made = build(home, "run", 5)
    with only_writer(made), only_writer(made), duckdb.connect(str(made.database)) as connection:
        connection.execute("create table mine (n int)")
    with only_writer(made):
        pass
    with duckdb.connect(str(made.database)) as connection:
        connection.execute("create table of_another (n int)")
    for _ in range(2):
        with pytest.raises(GateRefused, match="something else wrote"), only_writer(made):
            pass


def test_a_passing_verdict_empties_what_is_pending_and_is_in_the_warehouse(
    home: Home, publish_rows: Publish
) -> None:
    publish_rows(5)
    connection = duckdb.connect(str(home.warehouse), read_only=True)
    assert connection.execute("from audit.pending_months").fetchall() == []
    assert connection.execute("from audit.pending_customers").fetchall() == []
    verdicts = connection.execute("select run_id, passed, checks from audit.verdicts").fetchall()
    assert verdicts == [("run-5", True, 3)]
    connection.close()


def test_without_a_verdict_nothing_is_published(home: Home) -> None:
    made = build(home, "run", 5)
    with pytest.raises(GateRefused, match="never judged"):
        publish.publish(home, made)
    with pytest.raises(GateRefused, match="nothing to publish"):
        publish.publish_latest(home)


def test_a_failed_verdict_is_refused_and_the_candidate_kept(
    home: Home, publish_rows: Publish
) -> None:
    publish_rows(5)
    made = build(home, "bad", 6)
    verdict.write(made, "bad", False, 3, ["marts.mart_numbers: too many"])
    with pytest.raises(GateRefused, match="too many"):
        publish.publish_latest(home)
    assert rows_seen(home) == 5
    assert made.database.exists()


def test_a_candidate_changed_after_it_was_judged_is_refused(home: Home) -> None:
    made = build(home, "run", 5)
    verdict.write(made, "run", True, 3)
    connection = duckdb.connect(str(made.database))
    connection.execute("update marts.mart_numbers set amount_home = 0")
    connection.close()
    with pytest.raises(GateRefused, match="changed after it was judged"):
        publish.publish_latest(home)


def test_a_byte_changed_at_once_is_noticed_though_size_and_times_are_as_before(home: Home) -> None:
    made = build(home, "run", 5)
    verdict.write(made, "run", True, 3)
    before = made.database.stat()
    with made.database.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    os.utime(made.database, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(GateRefused, match="changed after it was judged"):
        publish.publish_latest(home)


def test_what_was_judged_in_the_same_process_is_read_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build(home, "run", 5)
    read: list[Path] = []
    real = files.digest

    def digest(path: Path) -> str:
        read.append(path)
        return real(path)

    monkeypatch.setattr(files, "digest", digest)
    verdict.write(made, "run", True, 3)
    published = publish.publish_latest(home)
    assert read == [made.database]
    assert versions.read_record(home, published.version)["verdict"]["blake3"] == real(
        published.database
    )


def test_a_candidate_that_is_still_open_is_refused(home: Home) -> None:
    made = build(home, "run", 5)
    connection = duckdb.connect(str(made.database))
    with pytest.raises(GateRefused, match="still open"):
        verdict.write(made, "run", True, 3)
    connection.close()


def test_a_candidate_of_an_outdated_version_is_refused(home: Home, publish_rows: Publish) -> None:
    publish_rows(1)
    made = build(home, "slow", 2)
    verdict.write(made, "slow", True, 3)
    publish_rows(3)
    with pytest.raises(GateRefused, match="was built on"):
        publish.publish(home, made)


def test_a_verdict_cannot_pass_with_failed_checks(home: Home) -> None:
    with pytest.raises(ValueError, match="has not passed"):
        verdict.write(build(home, "run", 1), "run", True, 3, ["one"])


def test_old_versions_are_pruned_but_never_the_current(home: Home, publish_rows: Publish) -> None:
    names = [publish_rows(rows).version for rows in range(7)]
    assert versions.version_names(home) == names[2:]
    versions.rollback(home, names[2])
    versions.prune(home, 1)
    assert versions.version_names(home) == [names[2], names[6]]
    with pytest.raises(ValueError, match="at least one"):
        versions.prune(home, 0)


def test_rollback_takes_under_a_second_and_moves_the_parquet_too(
    home: Home, publish_rows: Publish
) -> None:
    first, second = publish_rows(1), publish_rows(2)
    began = time.monotonic()
    shown = versions.rollback(home)
    assert time.monotonic() - began < 1
    assert shown.version == first.version
    assert shown.is_current
    assert rows_seen(home) == 1
    assert (home.parquet / "current").resolve().name == first.version
    versions.rollback(home, second.version)
    assert rows_seen(home) == 2


def test_rollback_names_what_there_is(home: Home, publish_rows: Publish) -> None:
    version = publish_rows(1).version
    with pytest.raises(versions.UnknownVersion, match="no version before"):
        versions.rollback(home)
    with pytest.raises(versions.UnknownVersion, match=version):
        versions.rollback(home, "20000101T000000000000")


def test_names_of_versions_rise_even_when_the_clock_goes_back(
    home: Home, publish_rows: Publish
) -> None:
    from datetime import UTC, datetime

    version = publish_rows(1).version
    assert versions.next_version(home, datetime(2001, 1, 1, tzinfo=UTC)) > version


def test_an_open_reader_keeps_its_version(home: Home, publish_rows: Publish) -> None:
    publish_rows(1)
    connection = duckdb.connect(str(home.warehouse), read_only=True)
    for rows in range(2, 9):
        publish_rows(rows)
    assert connection.execute("select count(*) from marts.mart_numbers").fetchall() == [(1,)]
    assert rows_seen(home) == 8
    connection.close()


@pytest.fixture(scope="module")
def publish_until() -> Iterator[Callable[[str, Home], int]]:
    """Publishes in a process that is killed at a stage; how that ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None

    def until(stage: str, home: Home) -> int:
        print(stage, home.root, file=process.stdin, flush=True)
        return int(process.stdout.readline())

    yield until
    process.communicate()


@pytest.mark.parametrize("stage", STAGES)
def test_killed_while_publishing(
    home: Home, publish_rows: Publish, publish_until: Callable[[str, Home], int], stage: str
) -> None:
    publish_rows(1)
    verdict.write(build(home, "killed", 2), "killed", True, 3)
    assert publish_until(stage, home) == -9
    assert rows_seen(home) in (1, 2)
    seen = rows_seen(home)

    candidate.open_candidate(home, "next")
    assert rows_seen(home) == seen
    current = versions.current_version(home)
    assert current is not None
    assert (home.parquet / "current").resolve().name == current
    parts = [*home.root.rglob("*.pending"), *home.root.rglob("*.partial")]
    assert parts == []
    folders = {path.name for path in home.parquet.iterdir()} - {"current"}
    assert folders == set(versions.version_names(home))
    assert {path.stem for path in home.versions.glob("*.json")} == folders

    candidate.keep_last(home, 0)
    publish_rows(3)
    assert rows_seen(home) == 3


def test_readers_in_another_process_never_see_an_error(
    home: Home, publish_rows: Publish, tmp_path: Path
) -> None:
    publish_rows(1)
    stop = tmp_path / "stop"
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(home.warehouse), str(stop)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "reading\n"
    for rows in range(2, 12):
        publish_rows(rows)
        versions.rollback(home)
        versions.rollback(home, versions.version_names(home)[-1])
    stop.touch()
    out, err = reader.communicate(timeout=60)
    assert reader.returncode == 0, err
    assert int(out.split()[0]) > 20
    assert rows_seen(home) == 11


READER = """
import sys, time
from pathlib import Path
import duckdb
path, stop = sys.argv[1], Path(sys.argv[2])
print("reading", flush=True)
count = 0
while not stop.exists():
    connection = duckdb.connect(path, read_only=True)
    rows, top = connection.execute(
        "select count(*), coalesce(max(i), -1) from marts.mart_numbers").fetchall()[0]
    assert rows == top + 1 and rows >= 1, (rows, top)
    connection.close()
    count += 1
    time.sleep(0.005)
print(count)
"""

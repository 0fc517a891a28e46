"""Where a run can be killed or left without room: places in the product's code, named by what has
happened there.

Nothing of this is in the product. A forked copy of the process that runs it has one function
replaced, which ends the process with SIGKILL before, after or in the middle of the real one, or
fills the disk before it.
"""

import fnmatch
import importlib
import os
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Original = Callable[..., Any]


@dataclass(frozen=True)
class Point:
    """One place where something happens to a run.

    Attributes:
        name: What has happened by then.
        target: `module:function`.
        after: Let the function end first.
        nth: Which of its calls; only those count whose last argument is like `about`.
        about: A pattern for the last argument.
        during: Does half of the function's work, before the kill.
    """

    name: str
    target: str
    after: bool = False
    nth: int = 1
    about: str = "*"
    during: Callable[..., Any] | None = None

    def arm(self, fill: Path | None = None) -> None:
        """Replace the function in this process; with `fill`, its disk is filled there, no kill."""
        module_name, name = self.target.split(":")
        module = importlib.import_module(module_name)
        original = getattr(module, name)
        calls = 0

        def replaced(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            if fnmatch.fnmatch(str(arguments[-1]) if arguments else "", self.about):
                calls += 1
                if calls == self.nth and fill is not None:
                    take_all_room(fill)
                elif calls == self.nth:
                    return self._last_call(original, arguments, options)
            return original(*arguments, **options)

        setattr(module, name, replaced)

    def _last_call(self, original: Original, arguments: Any, options: Any) -> Any:
        if self.during is not None:
            return self.during(original, *arguments, **options)
        if self.after:
            original(*arguments, **options)
        return die()


def die() -> None:
    """End this process as `kill -9` does: no handler runs, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)


def take_all_room(folder: Path) -> None:
    """Leave no room on the disk of a folder; the file `filler` in it holds what there was."""
    taken = 0
    with (folder / "filler").open("wb") as out:
        while free := shutil.disk_usage(folder).free:
            # the run's other threads may take some of it first: then nothing is taken here
            with suppress(OSError):
                os.posix_fallocate(out.fileno(), taken, free)
                taken += free


def _half_copied(original: Original, file: Any, partial: Path, where: str) -> None:
    content = Path(file.location).read_bytes()
    partial.write_bytes(content[: len(content) // 2])
    die()


def _half_recorded(original: Original, folder: Path, events: Any) -> None:
    manifest = folder / "manifest.jsonl"
    before = manifest.read_bytes() if manifest.exists() else b""
    original(folder, events)
    written = manifest.read_bytes()[len(before) :]
    manifest.write_bytes(before + written[: len(written) // 2])
    die()


def _half_cloned(original: Original, source: Path, target: Path) -> None:
    content = source.read_bytes()
    target.write_bytes(content[: len(content) // 2])
    die()


def _after_nodes(count: int) -> Callable[..., Any]:
    """Kill when dbt has ended that many models and tests."""

    def during(original: Original, *arguments: Any) -> Any:
        *first, on_result = arguments
        ended = 0

        def counted(event: dict[str, Any]) -> None:
            nonlocal ended
            ended += 1
            on_result(event)
            # two threads may both have counted before one of them looks
            if ended >= count:
                die()

        return original(*first, counted)

    return during


LANDING = [
    Point("the lock was taken", "orchestration.lock:_write_owner", after=True),
    Point("half of a file is copied", "ingest.landing:_copy", during=_half_copied),
    Point("a file is copied and not checked", "ingest.landing:check_whole"),
    Point("a file is checked and not named", "os:replace", about="*/landing/*/20*"),
    Point("a file is named and not recorded", "ingest.landing:_append"),
    Point("half of a delivery is recorded", "ingest.landing:_append", during=_half_recorded),
    Point("a delivery is recorded", "ingest.landing:_append", after=True),
    Point("it is known what is new", "orchestration.pipeline:built_from", after=True),
]
CLONING = [
    Point("Dagster is about to start", "orchestration.instance:open_instance"),
    Point("half of the warehouse is cloned", "orchestration.files:_share_blocks",
          during=_half_cloned),
    Point("the clone is not named", "os:replace", about="*/candidates/*/warehouse.duckdb"),
    Point("the clone is not recorded", "os:replace", about="*/candidate.json"),
    Point("the candidate is complete", "orchestration.candidate:write_json", after=True),
]  # fmt: skip
LOADING = [
    Point("the raw layer is prepared", "ingest.load:prepare", after=True),
    Point("rows are read and not written", "ingest.insert:write"),
    Point("rows are written and not committed", "ingest.pending_months:note_changes", after=True),
    Point("rows are committed", "ingest.drift:record"),
    Point("one source of four is loaded", "orchestration.assets.raw:load_source", nth=2),
    Point("the first suite of deliveries has spoken", "orchestration.gates.run:record",
          after=True),
]  # fmt: skip
BUILDING = [
    Point("dbt is about to start", "orchestration.dbt_runner:_invoke"),
    Point("dbt has ended 20 nodes", "orchestration.dbt_runner:_invoke", during=_after_nodes(20)),
    Point("two marts are exported beside their judgement", "orchestration.export:sync", nth=2,
          after=True),
]  # fmt: skip
# leaves a candidate that the functions of the last stages go on with, at little cost
CHECKED = Point("all checks are made and there is no verdict", "orchestration.verdict:write")
JUDGING = [
    Point("the verdict is in the database only", "orchestration.verdict:_record", after=True),
    Point("the verdict is written and not named", "os:replace", about="*/verdict.json"),
]
PUBLISHING = [
    Point("the export has not begun", "orchestration.publish:export_marts"),
    Point("two marts are exported", "orchestration.export:sync", nth=2, after=True),
    Point("the export is not named", "os:replace", about="*/parquet/20*"),
    Point("the export is complete", "orchestration.publish:export_marts", after=True),
    Point("the version is marked as coming", "orchestration.publish:write_json"),
    Point("the version's record is not named", "os:replace", about="*/versions/*.json"),
    Point("the version is not moved in", "os:rename", about="*/versions/*.duckdb"),
]
# each of these uses the candidate up, so each needs a home of its own
MOVED = Point("the version is moved in", "os:rename", about="*/versions/*.duckdb", after=True)
UNLINKED = Point(
    "the new link is made and not swapped", "os:replace", about="*/home/warehouse.duckdb"
)
SWAPPED = [
    Point("the link is swapped", "os:replace", about="*/home/warehouse.duckdb", after=True),
    Point("the link to the Parquet files is made", "os:replace", about="*/parquet/current"),
    Point("the Parquet files are swapped", "os:replace", about="*/parquet/current", after=True),
    Point("old versions are not pruned", "orchestration.publish:prune"),
    Point("half of an old version is pruned", "orchestration.versions:remove", nth=2, after=True),
    Point("the candidate is not removed", "orchestration.publish:remove"),
]
KILLS = [
    *LANDING, *CLONING, *LOADING, *BUILDING, CHECKED, *JUDGING, *PUBLISHING, MOVED, UNLINKED,
    *SWAPPED,
]  # fmt: skip
# where a run needs room for the first time at each stage
ROOM_TO_LAND = Point("a file is about to be copied", "ingest.landing:_copy")
ROOM_TO_BUILD = [
    Point("Dagster's log is about to be opened", "orchestration.instance:open_instance"),
    Point("the warehouse is about to be cloned", "orchestration.files:_share_blocks"),
    Point("rows are about to be written", "ingest.insert:write"),
    Point("models are about to be built", "orchestration.dbt_runner:_invoke"),
]
ROOM_TO_PUBLISH = [
    Point("marts are about to be exported", "orchestration.publish:export_marts"),
    Point("the version is about to be recorded", "orchestration.publish:write_json"),
]
ALL = [*KILLS, ROOM_TO_LAND, *ROOM_TO_BUILD, *ROOM_TO_PUBLISH]

"""Publishing: a judged candidate becomes the version that readers see, in one step.

Killed at any point, the old version stays readable, and :func:`orchestration.versions.repair`
(called by the next writer) removes or finishes what was begun. The order is therefore: export,
mark as pending, record, move in, swap the links, unmark, prune.
"""

import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.durable import sync
from ingest.errors import GateRefused
from ingest.home import Home
from orchestration.candidate import Candidate, candidates
from orchestration.export import Exported, export_marts
from orchestration.files import full_disk_explained, remove, write_json
from orchestration.headline import Headline, read_headline
from orchestration.lock import writer_lock
from orchestration.verdict import Verdict, require_passed
from orchestration.versions import (
    current_version,
    database_of,
    marker_of,
    next_version,
    point_at,
    prune,
    record_of,
    repair,
    stamp_of,
)

KEPT_VERSIONS = 5


@dataclass(frozen=True)
class Published:
    """What was published: the version, its file, its Parquet files, and versions pruned."""

    version: str
    database: Path
    parquet: list[Path]
    pruned: list[str]


def publish(
    home: Home,
    candidate: Candidate,
    keep: int = KEPT_VERSIONS,
    exported: Exported | None = None,
    headline: Headline | None = None,
) -> Published:
    """Let readers see the candidate, if its verdict passed for exactly its content.

    Args:
        home: Where it is published.
        candidate: What is published.
        keep: How many versions stay.
        exported: The Parquet files of its marts, where this run wrote them before.
        headline: What its record is to tell, where this run read it before.

    Raises:
        GateRefused: no verdict, a failed one, content changed since, or another version was
            published since the candidate was cloned.
        DiskFull: there is no room for the Parquet files; nothing was published.
    """
    with writer_lock(home):
        repair(home)
        _require_base(home, candidate)
        verdict = require_passed(candidate)
        home.versions.mkdir(parents=True, exist_ok=True)
        version = next_version(home, datetime.now(UTC))
        parquet = export_marts(home, candidate.database, version, exported)
        _move_in(home, candidate, version, _record(candidate, verdict, version, headline))
        pruned = prune(home, keep)
        remove(candidate.folder)
    return Published(version, database_of(home, version), parquet, pruned)


def publish_latest(home: Home, keep: int = KEPT_VERSIONS) -> Published:
    """Publish the newest candidate that has a verdict, by the same rules as :func:`publish`.

    Raises:
        GateRefused: there is no judged candidate, or it may not be published.
    """
    judged = [candidate for candidate in candidates(home) if candidate.verdict.exists()]
    if not judged:
        raise GateRefused(
            what="there is nothing to publish: no candidate was judged",
            where=str(home.candidates),
            expected="a candidate with a verdict",
            next_step="`tradewind run` builds, judges and publishes one",
        )
    return publish(home, judged[0], keep)


def _move_in(home: Home, candidate: Candidate, version: str, record: dict[str, object]) -> None:
    database = database_of(home, version)
    sync(candidate.database)
    with full_disk_explained(home.versions):
        marker_of(home, version).touch()
    write_json(record_of(home, version), record)
    # readers that open it for writing would lock each other out, so nobody may
    candidate.database.chmod(0o444)
    os.rename(candidate.database, database)
    sync(home.versions)
    point_at(home, version)
    marker_of(home, version).unlink()


def _record(
    candidate: Candidate, verdict: Verdict, version: str, headline: Headline | None
) -> dict[str, object]:
    headline = headline or read_headline(candidate.database)
    return {
        "version": version,
        "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": candidate.run_id,
        "base_version": candidate.base_version,
        "rows": headline.rows,
        "headline": [asdict(figure) for figure in headline.figures],
        "file": stamp_of(candidate.database),
        "verdict": asdict(verdict),
    }


def _require_base(home: Home, candidate: Candidate) -> None:
    current = current_version(home)
    if candidate.base_version == current:
        return
    raise GateRefused(
        what=f"run {candidate.run_id} is not published: it was built on "
        f"{candidate.base_version or 'nothing'}, and readers see {current or 'nothing'} now",
        where=str(candidate.folder),
        expected="that nothing was published or rolled back while it was built",
        next_step="run again: `tradewind run`",
    )

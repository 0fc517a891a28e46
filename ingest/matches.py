"""Matches that the state itself holds: what the matcher proposed, and what people decided.

Both are folders of small CSV files under `$TRADEWIND_HOME/matches/`, written once each, and land
like any other file: so a decision has its delivery, its row and its time, and reaches
`raw.product_matches` with lineage.
"""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.durable import sync
from ingest.home import Home

if TYPE_CHECKING:
    from ingest.company import Source

KIND = "matches"
PROPOSALS, DECISIONS = "match_proposals", "match_decisions"
COLUMNS = (
    "product_id", "competitor", "competitor_key", "kind", "method", "confidence",
    "pack_coefficient", "reviewed_by", "valid_from", "valid_to",
)  # fmt: skip
_ALSO = ("decided_at", "note")
_numbers = count()


def state_sources() -> list["Source"]:
    """The two sources that a company with `matching:` has besides its own, decisions last."""
    from ingest.company import Source

    common = {
        "entity": "product_matches",
        "kind": "file",
        "path": "-",
        "format": "csv",
        "columns": {name: name for name in COLUMNS},
        "delimiter": ",",
        "on_new_column": "ignore",
        # one odd proposal must not hold up the run: it waits in quarantine
        "quarantine_limit_pct": 100,
    }
    return [
        Source.model_validate({"name": name, **common}).model_copy(update={"kind": KIND})
        for name in (PROPOSALS, DECISIONS)
    ]


def folder(home: Home, name: str) -> Path:
    """Where the files of one of the two stand."""
    return home.root / "matches" / name


def files(home: Home, name: str) -> list[Path]:
    """The files of one of the two, from first to last."""
    return sorted(folder(home, name).glob("*.csv"))


def write(home: Home, name: str, rows: Sequence[Mapping[str, object]]) -> Path:
    """Add rows as one new file, whole or not at all; nothing that is there is ever changed."""
    now = datetime.now(UTC)
    target = folder(home, name) / f"{now:%Y%m%dT%H%M%S%f}-{os.getpid()}-{next(_numbers)}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    out = io.StringIO()
    writer = csv.DictWriter(out, [*COLUMNS, *_ALSO], extrasaction="ignore")
    writer.writeheader()
    writer.writerows({**row, "decided_at": now.isoformat()} for row in rows)
    partial = target.with_suffix(".partial")
    partial.write_text(out.getvalue(), encoding="utf-8")
    sync(partial)
    os.replace(partial, target)
    return target


def decisions(home: Home) -> Iterator[dict[str, str]]:
    """Every decision that was ever taken, from first to last."""
    for file in files(home, DECISIONS):
        with file.open(encoding="utf-8", newline="") as opened:
            yield from csv.DictReader(opened)

"""Between two of a run's steps nobody else may write into its candidate.

What was checked by one connection must be what the verdict, by a later one, is bound to. A run
writes nothing between its steps, so how it left the file is remembered and compared.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import GateRefused
from orchestration.candidate import Candidate
from orchestration.files import state_of

_guard = threading.Lock()
_open: Counter[Path] = Counter()
_left: dict[Path, tuple[int, ...]] = {}


@contextmanager
def only_writer(candidate: Candidate) -> Iterator[None]:
    """Let this process open a candidate; connections of its own may overlap.

    Raises:
        GateRefused: another process wrote to it since this one closed it.
    """
    database = candidate.database
    with _guard:
        if not _open[database]:
            _require_as_left(candidate)
        _open[database] += 1
    try:
        yield
    finally:
        with _guard:
            _open[database] -= 1
            if not _open[database]:
                _left[database] = state_of(database)


def _require_as_left(candidate: Candidate) -> None:
    database = candidate.database
    if database in _left and state_of(database) != _left[database]:
        raise GateRefused(
            what=f"run {candidate.run_id} is not published: something else wrote to its candidate",
            where=str(database),
            expected="that only the run itself writes to what it builds and judges",
            next_step="end what else writes there, then run again: `tradewind run`",
        )

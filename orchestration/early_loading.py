"""Loads what has landed beside the imports of Dagster: DuckDB's threads leave Python's idle.

The step that loads waits for it, and loads what is left: what came meanwhile, or could not be
loaded here and is told there.
"""

import threading
from contextlib import suppress

import duckdb

from ingest.company import Source
from ingest.landing import manifest
from ingest.load import LoadResult, load_source
from ingest.matches import PROPOSALS
from orchestration.background import give_way, stop
from orchestration.workspace import Workspace


class EarlyLoading:
    """The opening of a run's candidate and the loading of its sources, in the background.

    Args:
        workspace: The run's. Who makes this holds the writers' lock until `wait` has ended, and
            opens the candidate no sooner.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._results: dict[str, LoadResult] = {}
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._thread = threading.Thread(target=self._load_all, name="early-loading", daemon=True)
        self._thread.start()

    def __enter__(self) -> "EarlyLoading":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            stop(self._thread, lambda: self._connection)
        self.wait()

    def wait(self) -> dict[str, LoadResult]:
        """What was loaded, by the source's name, once nothing is being loaded any more."""
        self._thread.join()
        return self._results

    @property
    def has_prepared(self) -> bool:
        """Whether the candidate has the tables of a run, so that nobody has to make them again."""
        return self._workspace.is_prepared

    def _load_all(self) -> None:
        run = self._workspace
        give_way()
        # whatever goes wrong here goes wrong in the step as well, where it is told; what stops it
        # is no error
        with suppress(Exception, SystemExit), run.connect() as connection:
            self._connection = connection
            # a small source is Python's work more than DuckDB's, and would wait for the imports
            for source in sorted(run.company.sources, key=self._bytes, reverse=True):
                # proposals are made of what all others brought
                if run.reads(source) and source.name != PROPOSALS:
                    run.say(f"Loading {source.name}")
                    self._results[source.name] = load_source(
                        connection, source, run.company, run.home, run.run_id
                    )

    def _bytes(self, source: Source) -> int:
        return sum(delivery.bytes for delivery in manifest(self._workspace.home, source.name))

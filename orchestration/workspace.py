"""What every step of one run shares: the company, the home, the candidate and how to open it.

Plain Python: Dagster hands it to the assets as the resource `workspace`, tests build it directly.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ingest.company import Company, Source
from ingest.home import Home
from orchestration import candidate as candidates
from orchestration.fingerprints import code_fingerprint
from orchestration.gates.expectations import Session
from orchestration.gates.results import BUILT_MONTHS, prepare_audit
from orchestration.sole_writer import only_writer
from orchestration.storage import drop_replaced_rows, set_for_writing
from orchestration.versions import is_as_published

if TYPE_CHECKING:
    import duckdb

    from orchestration.candidate import Candidate

Progress = Callable[[str], None]


@dataclass
class Workspace:
    """One run's view of the world. Every step of the run gets the same object.

    Attributes:
        company: The company file, checked.
        home: Where state lives.
        run_id: Dagster's id of the run; the candidate's folder carries it.
        full_refresh: Build every model anew, incremental ones included.
        only: The one source to land and load, if the run is limited to it.
        replay: Load deliveries with quarantined rows anew.
        threads, memory_limit: Limits for DuckDB; None leaves its own.
        progress: Called with a short sentence when a stage begins.
        notes: What the steps leave for the summary of the run, by topic.
        started_at: When the run began, UTC.
        is_prepared: Whether the candidate has the tables of a run.
    """

    company: Company
    home: Home
    run_id: str
    full_refresh: bool = False
    only: str | None = None
    replay: bool = False
    threads: int | None = None
    memory_limit: str | None = None
    progress: Progress | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))
    is_prepared: bool = field(default=False, init=False)
    _stays_open: bool = field(default=False, init=False, repr=False)
    _kept: "duckdb.DuckDBPyConnection | None" = field(default=None, init=False, repr=False)
    _keeping: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @cached_property
    def candidate(self) -> "Candidate":
        """The warehouse being built by this run: opened on first use, the same ever after."""
        return candidates.open_candidate(self.home, self.run_id)

    @property
    def has_candidate(self) -> bool:
        """Whether a step of this run opened a candidate."""
        return candidates.find(self.home, self.run_id) is not None

    @cached_property
    def code_sha256(self) -> str:
        """Fingerprint of the code that decides what the figures are."""
        return code_fingerprint()

    @cached_property
    def gate_session(self) -> Session:
        """Great Expectations' validations of this run, so that its pages show them together."""
        return Session()

    @property
    def engine_config(self) -> dict[str, Any]:
        """DuckDB's settings. Whoever opens the candidate in this process must use the same."""
        limits = {"threads": self.threads, "memory_limit": self.memory_limit}
        return {key: value for key, value in limits.items() if value is not None}

    @contextmanager
    def connect(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        """The candidate, open for writing, with the tables of a run prepared."""
        with only_writer(self.candidate):
            connection = self._open()
            try:
                set_for_writing(connection)
                self._prepare(connection)
                self._keep()
                yield connection
            finally:
                connection.close()

    @contextmanager
    def last_connection(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        """The candidate, open for the last time: afterwards its file is all there is of it."""
        with self.connect() as connection:
            yield connection
        self.close()

    @contextmanager
    def staying_open(self) -> Iterator[None]:
        """Keep the candidate open between its connections, once there was one, until `close`.

        A run has some twenty: each would open the file, read its blocks and write it down anew.
        """
        self._stays_open = True
        try:
            yield
        finally:
            self.close()

    def close(self) -> None:
        """Let the candidate's file be all there is of it, for good; no connection may be open."""
        self._stays_open = False
        self.free_memory()

    def free_memory(self) -> None:
        """Let go of what DuckDB holds of the candidate until the next connection; none may be open.

        Some of it, such as what it knows of each block, it does not give up for a query.
        """
        with self._keeping:
            kept, self._kept = self._kept, None
        if kept is None:
            return
        try:
            with only_writer(self.candidate):
                kept.close()
        finally:
            # not left open where something else wrote to it; to close it again does nothing
            kept.close()

    def _open(self) -> "duckdb.DuckDBPyConnection":
        import duckdb

        return duckdb.connect(str(self.candidate.database), config=self.engine_config)

    def _keep(self) -> None:
        with self._keeping:
            if self._stays_open and self._kept is None:
                self._kept = self._open()

    def _prepare(self, connection: "duckdb.DuckDBPyConnection") -> None:
        """Make the tables of a run, once."""
        from ingest.load import prepare

        if self.is_prepared:
            return
        prepare(connection, self.company)
        prepare_audit(connection)
        if is_as_published(self.home, self.candidate.base_version):
            connection.execute(BUILT_MONTHS)
        drop_replaced_rows(connection)
        self.is_prepared = True

    def reads(self, source: Source) -> bool:
        """Whether the run lands and loads a source: it may be limited to another one."""
        return self.only in (None, source.name)

    def say(self, sentence: str) -> None:
        """Tell whoever watches the run what begins now."""
        if self.progress is not None:
            self.progress(sentence)

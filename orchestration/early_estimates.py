"""Estimates as soon as what they read is built, beside the models that do not rest on them.

The step that estimates waits for it, and does it itself where it was not begun, for memory is
short, or went wrong.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import duckdb

from orchestration.background import stop
from orchestration.customer_estimates import HISTORIES, READ, Estimated, estimate
from orchestration.workspace import Workspace

_BUILT = "success"
# what DuckDB holds of a customer's history while it is counted, beside what the models take
_BYTES_A_HISTORY = 500
_PART_OF_MEMORY = 0.5


class EarlyEstimates:
    """The fits and scores of a run's customers, in the background of the models' building.

    Args:
        workspace: The run's. The thread writes no table that dbt does.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._missing = set(READ)
        self._lock = threading.Lock()
        self._done: Estimated | None = None
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._thread = threading.Thread(target=self._estimate, name="early-estimates")

    @property
    def awaits(self) -> list[str]:
        """Names of the models that are read."""
        return [table.rpartition(".")[2] for table in READ]

    def __enter__(self) -> "EarlyEstimates":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.stop()

    def stop(self) -> None:
        """End it, wherever it is, and wait until it has: nothing is open afterwards."""
        stop(self._thread, lambda: self._connection)

    def seen(self, event: Mapping[str, Any]) -> None:
        """Take note of an event of dbt, and begin once all that is read is built.

        dbt tests a model before it builds what rests on it, so that the cells rest on histories
        that passed.
        """
        node = event["data"]["node_info"]
        if node["node_status"] != _BUILT:
            return
        relation = node["node_relation"]
        # dbt's threads tell of their nodes at the same time
        with self._lock:
            self._missing.discard(f"{relation['schema']}.{relation['alias']}")
            if not self._missing and self._thread.ident is None:
                self._thread.start()

    def wait(self) -> Estimated | None:
        """What was done, once it is; None where it was not begun or went wrong."""
        if self._thread.ident is not None:
            try:
                self._thread.join()
            except BaseException:
                self.stop()
                raise
        return self._done

    def _estimate(self) -> None:
        run = self._workspace
        # whatever goes wrong here goes wrong in the step as well, where it is told; what stops it
        # is no error
        with suppress(Exception, SystemExit), run.connect() as connection:
            self._connection = connection
            if not _has_room(connection):
                return
            # all or nothing: the step begins where this one ended
            connection.begin()
            done = estimate(connection, run.company.customer_value, run.full_refresh, run.say)
            connection.commit()
            self._done = done


def _has_room(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether memory allows for more than dbt's models, which take all of it where they must."""
    [(histories, limit)] = connection.execute(
        f"select count(*), parse_formatted_bytes(current_setting('memory_limit')) from {HISTORIES}"
    ).fetchall()
    return bool(histories * _BYTES_A_HISTORY <= limit * _PART_OF_MEMORY)

"""Ctrl-C: how it is told from a failure, and how the process ends after it."""

import atexit
import os
import sys
import threading
from typing import NoReturn

# what DuckDB raises in the place of KeyboardInterrupt, as a RuntimeError
_OF_A_QUERY = "Query interrupted"


def is_interrupt(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is somebody's Ctrl-C."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        if isinstance(error, RuntimeError) and str(error) == _OF_A_QUERY:
            return True
        error = error.__cause__
    return False


def end(code: int) -> NoReturn:
    """End this process with an exit code, whatever its other threads are doing.

    A thread that comes out of DuckDB after Python has gone would abort the process.
    """
    if threading.active_count() > 1:
        # dbt's semaphores are given back, as at any other end
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)

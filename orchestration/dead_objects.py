"""How often Python looks for cycles of dead objects: rarely where there is a run.

Dagster and dbt make millions of objects that stay; to look through them takes seconds and finds
some ten megabytes.
"""

import atexit
import gc

# new objects, and generations of them, after which Python looks
_COLLECTED_AFTER = (1_000_000, 50, 100)


def collect_rarely() -> None:
    """From now on look seldom. Going back to often would begin with looking through all."""
    gc.set_threshold(*_COLLECTED_AFTER)


def end_without_collecting() -> None:
    """Let this process end without looking through all that it still holds."""
    atexit.register(gc.freeze)

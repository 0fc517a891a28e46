"""Whether the process that left something unfinished may still come back to it."""

from pathlib import Path


def is_running(process_id: int | str) -> bool:
    """Say whether there is a process of that number; Linux tells it by a folder."""
    return Path("/proc", str(process_id)).exists()

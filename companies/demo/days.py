"""The demo's own calendar: which day it is there, and what happens when a day passes.

The day stands in `clock.txt` beside the files. Nothing but the standard library is needed.
"""

import json
import os
import sqlite3
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path

from companies.demo import catalogue as cat
from companies.demo.store_names import STORE, SWEDISH

CLOCK = "clock.txt"
_START = date.fromisoformat(cat.START)
_EVENING = "T21:00:00+00:00"


def set_clock(folder: Path, day: int) -> None:
    """Let it be the evening of a day, counted from `catalogue.START`."""
    partial = folder / f".{CLOCK}-{os.getpid()}"
    partial.write_text(f"{date_of(day)}{_EVENING}\n", encoding="utf-8")
    os.replace(partial, folder / CLOCK)


def clock(folder: Path) -> str:
    """The time that it is in a folder's world: ISO 8601, UTC."""
    return (folder / CLOCK).read_text(encoding="utf-8").strip()


def today(folder: Path) -> int:
    """The day that it is, counted from `catalogue.START`."""
    return (datetime.fromisoformat(clock(folder)).date() - _START).days


def date_of(day: int) -> date:
    """The date of a day."""
    return _START + timedelta(days=day)


def pass_day(folder: Path) -> int | None:
    """Let one day pass: files arrive, the Swedish shop sells, pages and the home shop go on.

    Returns:
        The new day; None where the world ends.
    """
    day = today(folder) + 1
    if day >= cat.HORIZON:
        return None
    with closing(sqlite3.connect(f"file:{folder / STORE}?mode=ro", uri=True)) as connection:
        files = connection.execute(
            "select path, content from arrivals where day = ? order by path", [day]
        ).fetchall()
        lines = connection.execute(
            "select line from swedish_lines where day = ? order by rowid", [day]
        ).fetchall()
    for path, content in files:
        partial = folder / f".arriving-{os.getpid()}"
        partial.write_bytes(content)
        os.replace(partial, folder / path)
    with closing(sqlite3.connect(folder / SWEDISH)) as connection, connection:
        connection.executemany(
            "insert into ordrar values (?, ?, ?, ?, ?, ?, ?, ?)",
            [json.loads(line) for (line,) in lines],
        )
    set_clock(folder, day)
    return day

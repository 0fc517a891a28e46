"""Keeps the world up for the time of a run, from whichever process.

A visitor holds a connection. Where no world answers, the first visitor starts one, as a process of
its own: two runs at the same time share it, and it ends when the last connection has gone.
"""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from companies.demo.catalogue import HOST, PORT
from companies.demo.days import clock
from companies.demo.generate import DATA, generator_hash

_ROOT = Path(__file__).parents[3]
_SECONDS_TO_START = 20.0
_SECONDS_TO_WAIT = 120.0


class WorldUnavailable(Exception):
    """Something else, or another world, answers where this one should."""


@contextmanager
def visit(folder: Path = DATA, port: int = PORT) -> Iterator[None]:
    """Be sure that the world of a folder answers, from the beginning of the block to its end.

    Raises:
        WorldUnavailable: Its ports are taken.
    """
    connection = _admitted(folder, port)
    try:
        yield
    finally:
        connection.close()


def _admitted(folder: Path, port: int) -> http.client.HTTPConnection:
    started: subprocess.Popen[bytes] | None = None
    begun = time.monotonic()
    while True:
        connection, told = _knock(port)
        if connection is not None and told == _wanted(folder):
            return connection
        if connection is not None:
            # a world of other files: it goes with its last visitor
            connection.close()
            _check_patience(begun, _SECONDS_TO_WAIT, port, f"another world ({told})")
            time.sleep(0.5)
            continue
        if started is None or started.poll() is not None:
            started = _start(folder, port)
        _check_patience(begun, _SECONDS_TO_START, port, "nothing that answers")
        time.sleep(0.02)


def _wanted(folder: Path) -> dict[str, str]:
    return {"generator": generator_hash(), "clock": clock(folder)}


def _knock(port: int) -> tuple[http.client.HTTPConnection | None, dict[str, Any] | None]:
    """A connection that is counted as a visitor, and what world it is; None where none answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/visit")
        answer = connection.getresponse()
        told = json.loads(answer.read())
    except ConnectionError:
        connection.close()
        return None, None
    except (OSError, http.client.HTTPException, ValueError) as error:
        connection.close()
        raise _taken(port, "a program that is no demo world") from error
    if not isinstance(told, dict) or "generator" not in told:
        connection.close()
        raise _taken(port, "a program that is no demo world")
    return connection, told


def _start(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "companies.demo.servers.world", "--while-visited"]
    return subprocess.Popen(
        [*command, "--folder", str(folder), "--port", str(port)],
        cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def _check_patience(begun: float, seconds: float, port: int, found: str) -> None:
    if time.monotonic() - begun > seconds:
        raise _taken(port, found)


def _taken(port: int, found: str) -> WorldUnavailable:
    return WorldUnavailable(f"ports {port} to {port + 4} of {HOST} hold {found}")

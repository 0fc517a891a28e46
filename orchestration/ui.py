"""Dagster's pages and daemon on this machine: started, watched and stopped as one group.

Belongs here: processes and Dagster's own settings. What Dagster loads is in `definitions`.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import TradewindError
from ingest.home import Home
from orchestration.instance import prepare_storage

WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"
HOST = "127.0.0.1"
_STOP_SECONDS = 20.0
# `dagster dev` advises another program, which does not read workspace.yaml, at every start
_ADVICE = "ignore:Function `dev_command` is superseded"


class NoDagster(TradewindError):
    """Dagster's program is not where this Python keeps its programs."""

    exit_code = 2


def environment(home: Home, company_path: Path) -> dict[str, str]:
    """Return the environment in which Dagster finds this company, this home and our programs."""
    programs = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": programs + os.pathsep + os.environ.get("PATH", ""),
        "DAGSTER_HOME": str(home.dagster.absolute()),
        "PYTHONWARNINGS": ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), _ADVICE])),
        "DAGSTER_DISABLE_TELEMETRY": "true",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "GX_ANALYTICS_ENABLED": "false",
        "TRADEWIND_HOME": str(home.root.absolute()),
        "TRADEWIND_COMPANY": str(company_path.absolute()),
    }


def serve(home: Home, company_path: Path, port: int) -> int:
    """Run Dagster until it ends or this process is told to; return its exit code.

    None of its processes outlives this call: they form one group, which is stopped as a whole.

    Raises:
        NoDagster: it is not installed beside this Python.
    """
    prepare_storage(home)
    settings = environment(home, company_path)
    command = [_program(settings), "dev", "--workspace", str(WORKSPACE)]
    command += ["--host", HOST, "--port", str(port)]
    with _interrupted_by(signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        running = subprocess.Popen(
            command, env=settings, cwd=WORKSPACE.parent, start_new_session=True
        )
        try:
            return running.wait()
        finally:
            stop_group(running)


def stop_group(leader: subprocess.Popen[bytes], patience: float = _STOP_SECONDS) -> None:
    """Ask a process and all that it started to end, and after ``patience`` seconds end them."""
    for number, seconds in ((signal.SIGINT, patience), (signal.SIGKILL, 5.0)):
        if not _signal_group(leader.pid, number):
            return
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and _signal_group(leader.pid, 0):
            leader.poll()
            time.sleep(0.1)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _interrupted_by(*numbers: int) -> Iterator[None]:
    """Let signals end what is under way, ignored ones too, as a job in the background has SIGINT.

    A program that is started meanwhile does not ignore them either.
    """
    previous = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _program(settings: Mapping[str, str]) -> str:
    found = shutil.which("dagster", path=settings["PATH"])
    if found is None:
        raise NoDagster(
            what="the program `dagster` was not found",
            where=settings["PATH"],
            expected="Dagster installed beside this Python",
            next_step="`make setup` installs everything",
        )
    return found

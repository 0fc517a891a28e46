"""Runs a command in a process of its own and reads what the kernel counted for it."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """Wall seconds, CPU seconds (user and system) and peak resident memory in GiB."""

    wall_s: float
    cpu_s: float
    peak_gib: float


def measure(command: Sequence[str], env: Mapping[str, str] | None = None) -> Usage:
    """Run ``command`` to its end; raises CalledProcessError where it fails."""
    # the kernel would go on writing for the command before
    os.sync()
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, **(env or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        print(errors, flush=True)
        raise subprocess.CalledProcessError(process.returncode, command, stderr=errors)
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20)


def fastest(usages: Sequence[Usage]) -> Usage:
    """What a command takes undisturbed, of several runs of it; of memory the most."""
    return Usage(
        min(used.wall_s for used in usages),
        min(used.cpu_s for used in usages),
        max(used.peak_gib for used in usages),
    )

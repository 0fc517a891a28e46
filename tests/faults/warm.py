"""A process that has imported Dagster, dbt and Great Expectations, and forks a copy for each run.

Imports cost many times what a run that is soon to be killed does. The parent never opens a
database and starts no thread, so that forking it is safe; a copy behaves like a new process.

As a program it reads requests, one a line of JSON, and answers each with one line.
"""

import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_HEAVY = (
    "dagster", "dagster_dbt", "great_expectations", "duckdb", "dbt.cli.main", "dbt.task.build",
    "dbt.adapters.duckdb.connections", "dbt.adapters.duckdb.impl", "orchestration.build",
    "orchestration.cli.app", "orchestration.instance", "orchestration.event_log",
    "orchestration.pipeline", "tests.faults.points", "tests.faults.stages",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code (negative: the signal) and what it printed."""

    code: int
    output: str


class Warm:
    """The forking process, as its clients see it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.warm"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True,
        )  # fmt: skip

    def run(self, company: Path, home: Path, **request: Any) -> Ended:
        """Run to the end; see `start`."""
        return self.wait(self.start(company, home, **request))

    def start(
        self,
        company: Path,
        home: Path,
        *,
        arguments: tuple[str, ...] = ("run",),
        stage: str | None = None,
        fault: str | None = None,
        fill: Path | None = None,
    ) -> int:
        """Start a run and return its process id.

        Args:
            company: The company file.
            home: Its home.
            arguments: The verb and its options.
            stage: A function of `stages` to call instead of the command line.
            fault: The name of the point to be killed at.
            fill: A folder whose disk is filled at that point, instead of the kill.
        """
        self._runs += 1
        request = {
            "company": str(company), "home": str(home), "arguments": arguments, "stage": stage,
            "fault": fault, "fill": str(fill) if fill else None,
            "output": str(self._folder / f"run-{self._runs}.txt"),
        }  # fmt: skip
        return int(self._ask(request)["pid"])

    def wait(self, pid: int) -> Ended:
        """Wait for a run that was started."""
        answer = self._ask({"wait": pid})
        output = Path(answer["output"]).read_text(encoding="utf-8", errors="replace")
        return Ended(answer["code"], output)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


# ---------------------------------------------------------------- the program


def serve() -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    # whatever a library prints must not be taken for an answer
    os.dup2(2, 1)
    for name in _HEAVY:
        importlib.import_module(name)
    outputs: dict[int, str] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = _waited(request["wait"], outputs)
        else:
            pid = os.fork()
            if not pid:
                _child(request)
            outputs[pid] = request["output"]
            answer = {"pid": pid}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _waited(pid: int, outputs: Mapping[int, str]) -> dict[str, Any]:
    _, status = os.waitpid(pid, 0)
    _import_also(Path(outputs[pid] + ".modules"))
    return {"code": os.waitstatus_to_exitcode(status), "output": outputs[pid]}


def _import_also(listed: Path) -> None:
    """Import what a run that has ended had to import, so that the next need not."""
    if not listed.exists():
        return
    for name in listed.read_text().split():
        if name not in sys.modules and name.split(".")[0] in {"dagster", "dbt", "orchestration"}:
            with suppress(ImportError):
                importlib.import_module(name)


def _child(request: Mapping[str, Any]) -> None:
    """Do what a request says, in a copy of the process, and end it without Python's goodbye."""
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 70
    try:
        code = _act(request)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path(request["output"] + ".modules").write_text("\n".join(sys.modules))
        os._exit(code)


def _act(request: Mapping[str, Any]) -> int:
    from ingest.company import load_company
    from ingest.home import Home
    from orchestration.cli.app import main
    from tests.faults import points, stages

    for point in points.ALL:
        if point.name == request["fault"]:
            point.arm(Path(request["fill"]) if request["fill"] else None)
    sys.argv = ["tradewind", *request["arguments"]]
    place = ["--company", request["company"], "--home", request["home"]]
    if request["stage"] is None:
        verb, *options = request["arguments"]
        # a hundred tables of a few rows: more threads only wait for each other
        main([verb, *(["--threads", "1"] if verb == "run" else []), *options, *place])
    else:
        company = load_company(Path(request["company"]))
        getattr(stages, request["stage"])(company, Home(Path(request["home"])))
    return 0


if __name__ == "__main__":
    serve()

"""`tradewind ui` leaves no process behind, whichever signal ends it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

# as a job in the background is started: SIGINT is ignored, which a program inherits
_SERVE = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.SIG_IGN)
from ingest.home import Home
from orchestration import ui
ui._program = lambda settings: sys.argv[1]
try:
    ui.serve(Home(Path(sys.argv[2])), Path("company.yml"), 3000)
except KeyboardInterrupt:
    print("ended")
"""
# what Dagster does: a program that starts others, and tidies up when it is interrupted
_DAGSTER = f"""#!{sys.executable}
import os, pathlib, subprocess
home = pathlib.Path(os.environ["TRADEWIND_HOME"])
child = subprocess.Popen(["sleep", "600"])
(home / "child").write_text(str(child.pid))
try:
    child.wait()
except KeyboardInterrupt:
    (home / "tidied").touch()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything_that_was_started(tmp_path: Path, number: signal.Signals) -> None:
    program = tmp_path / "program"
    program.write_text(_DAGSTER)
    program.chmod(0o755)
    command = [sys.executable, "-c", _SERVE, str(program), str(tmp_path)]
    serving = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    child = _wait_for(tmp_path / "child", serving)
    serving.send_signal(number)
    assert serving.communicate()[0] == "ended\n"
    assert (tmp_path / "tidied").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def _wait_for(file: Path, serving: subprocess.Popen[str]) -> int:
    while not (file.exists() and file.read_text()):
        assert serving.poll() is None, "it ended before it was told to"
        time.sleep(0.02)
    return int(file.read_text())

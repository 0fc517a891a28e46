"""What is worked out on arrays leaves the processors to DuckDB."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MULTIPLY = """
import os, orchestration
import numpy as np
square = np.ones((600, 600))
square @ square
print(len(os.listdir('/proc/self/task')))
"""


@pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="only Linux lists a process' threads"
)
def test_matrices_are_multiplied_by_one_thread() -> None:
    env = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", MULTIPLY], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"

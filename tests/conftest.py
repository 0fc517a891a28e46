"""What the tests share: the command line as a process, and the demo published once a session."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import settings

from companies.demo.generate import begin_anew

ROOT = Path(__file__).resolve().parents[1]
TRADEWIND = Path(sys.executable).with_name("tradewind")
DEMO_COMPANY = ROOT / "companies" / "demo" / "company.yml"

# a busy machine is no reason to fail
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@dataclass(frozen=True)
class Published:
    """A home with a published warehouse, and what the run printed."""

    company: Path
    home: Path
    output: str

    @property
    def warehouse(self) -> Path:
        """The file that readers open."""
        return self.home / "warehouse.duckdb"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return a query's rows, over a connection of its own that only reads."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def value(self, sql: str) -> Any:
        """Return a query's only value."""
        (row,) = self.rows(sql)
        (value,) = row
        return value


def tradewind(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process of its own and return what it printed."""
    return subprocess.run(
        [str(TRADEWIND), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def publish(company: Path, home: Path, **environment: str) -> Published:
    """Run a company file to a published warehouse; a refusal fails the test with its message."""
    done = tradewind("run", "--company", company, "--home", home, **environment)
    if done.returncode:
        pytest.fail(f"tradewind run ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return Published(company, home, done.stdout + done.stderr)


@contextmanager
def once(place: Path) -> Iterator[bool]:
    """Yield True for the first of several processes that come here; the others wait, then False.

    The work counts as done only if it did not raise.
    """
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = place / "done"
        yield not done.exists()
        done.touch()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def publish_once(shared_folder: Path) -> Callable[[str, Path], Published]:
    """Publish a company once a session under a name, whichever worker asks first."""

    def published(name: str, company: Path) -> Published:
        place = shared_folder / name
        with once(place) as is_first:
            if is_first:
                (place / "output").write_text(publish(company, place / "home").output)
        return Published(company, place / "home", (place / "output").read_text())

    return published


@pytest.fixture(scope="session")
def demo_warehouse(publish_once: Callable[[str, Path], Published]) -> Published:
    """The demo company, run once a session and shared: tests only read it.

    Tests that use it carry `pytest.mark.xdist_group("demo")`, so that one worker runs them all and
    the others do not wait for its run.
    """
    begin_anew()
    return publish_once("demo", DEMO_COMPANY)

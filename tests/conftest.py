"""What the tests share: the command line as a process, and the demo published once a session."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from hypothesis import settings

from companies.demo.generate import begin_anew
from ingest.home import Home
from orchestration.cli import main
from orchestration.dead_objects import collect_rarely

ROOT = Path(__file__).resolve().parents[1]
TRADEWIND = Path(sys.executable).with_name("tradewind")
DEMO_COMPANY = ROOT / "companies" / "demo" / "company.yml"

# of DuckDB: with tables of a few rows, more threads only wait for each other
FEW_ROWS = {"threads": 1}
# a busy machine is no reason to fail
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# what a worker imports and collects stays: looking through it time and again finds nothing
collect_rarely()


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


def publish(company: Path, home: Path) -> Published:
    """Run a company file to a published warehouse; a refusal fails the test with its message."""
    place = ["--company", str(company), "--home", str(home)]
    # other workers have the other cores; the demo is published as it is anywhere
    done = CliRunner().invoke(main, ["run", "--threads", "1", *place])
    if done.exit_code:
        pytest.fail(f"tradewind run ended with {done.exit_code}:\n{done.output}")
    return Published(company, home, done.output)


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
def parsed_project(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dbt folder of a home, with the manifest prepared: once a session, copied by each worker.

    Homes are spared the parsing by a copy of it; that it works from nothing as well is seen where
    the demo is published.
    """
    from orchestration import dbt_runner

    prepared = Home(shared_folder / "parsed")
    with once(prepared.root) as is_first:
        if is_first:
            dbt_runner.prepare(prepared)
    copy = Home(tmp_path_factory.mktemp("parsed"))
    shutil.copytree(prepared.dbt, copy.dbt)
    return copy.dbt


@pytest.fixture(scope="session")
def demo_warehouse(shared_folder: Path) -> Published:
    """The demo company, run once a session and shared: tests only read it.

    It is run as a user runs it first: as a process of its own, in a home where nothing is. Tests
    that use it carry `pytest.mark.xdist_group("demo")`, so that one worker runs them all and the
    others do not wait for its run.
    """
    place = shared_folder / "demo"
    begin_anew()
    with once(place) as is_first:
        if is_first:
            done = tradewind("run", "--company", DEMO_COMPANY, "--home", place / "home")
            assert done.returncode == 0, done.stdout + done.stderr
            (place / "output").write_text(done.stdout + done.stderr)
    return Published(DEMO_COMPANY, place / "home", (place / "output").read_text())

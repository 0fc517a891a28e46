"""Real data: found beside the checkout or through TRADEWIND_DATA, and published."""

import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.home import Home
from tests.conftest import ROOT, Published, once, publish

DATA = Path(os.environ.get("TRADEWIND_DATA") or ROOT.parent / "shared" / "data")
EXAMPLES = ROOT / "companies" / "examples"


@pytest.fixture(scope="session")
def data(monkeypatch_session: pytest.MonkeyPatch) -> Path:
    """The folder with the real data; tests that need it are skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"the real data are not at {DATA}; set TRADEWIND_DATA to their folder")
    # the company files of the examples read it, in this process and in those started from here
    monkeypatch_session.setenv("TRADEWIND_DATA", str(DATA.resolve()))
    return DATA.resolve()


@pytest.fixture(scope="session")
def monkeypatch_session() -> Iterator[pytest.MonkeyPatch]:
    """A monkeypatch that holds for the whole session."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="session")
def publish_example(
    data: Path, parsed_project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Published]:
    """Publish one of the examples; each is looked at by one module."""

    def published(name: str) -> Published:
        home = tmp_path_factory.mktemp(name)
        shutil.copytree(parsed_project, Home(home).dbt)
        return publish(EXAMPLES / name / "company.yml", home)

    return published


@pytest.fixture(scope="session")
def online_retail_days(data: Path, shared_folder: Path) -> list[Path]:
    """The 305 daily files of Online Retail, unpacked, in the order of their days."""
    folder = shared_folder / "online_retail_days"
    with once(folder) as is_first:
        if is_first:
            with tarfile.open(data / "online_retail" / "by-day.tar.gz") as archive:
                archive.extractall(folder, filter="data")
    return sorted((folder / "by-day").glob("*.csv"))

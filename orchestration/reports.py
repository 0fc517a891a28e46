"""The folders of pages: one a run while it lasts, one a version once it is published."""

from pathlib import Path

from ingest.home import Home
from orchestration.files import remove
from orchestration.versions import version_names

DATA_DOCS = "data_docs"
_KEPT_REFUSED = 2


def data_docs_of(home: Home, run_id: str) -> Path:
    """Where Great Expectations' pages of a run are written."""
    return home.reports / run_id / DATA_DOCS


def keep_for(home: Home, run_id: str, version: str) -> Path:
    """Give a run's pages the name of the version it became, and drop those of gone versions."""
    folder = home.reports / version
    written = home.reports / run_id
    if written.is_dir():
        written.replace(folder)
    prune(home)
    return folder


def prune(home: Home) -> None:
    """Remove pages of versions that are gone, and of all but the last refused runs."""
    kept = set(version_names(home))
    others = [path for path in home.reports.glob("*") if path.is_dir() and path.name not in kept]
    for folder in sorted(others, key=lambda path: path.stat().st_mtime)[:-_KEPT_REFUSED]:
        remove(folder)

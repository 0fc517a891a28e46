"""Where the state of one company lives on disk: `$TRADEWIND_HOME`."""

import os
from dataclasses import dataclass
from pathlib import Path

FOLDER_NAME = ".tradewind"
_PROJECT_MARKS = ("pyproject.toml", ".git")


@dataclass(frozen=True)
class Home:
    """The folder that holds everything that runs leave behind. Nothing in it belongs in git.

    The properties are names only: nothing is created by asking for them.
    """

    root: Path

    @classmethod
    def for_company(cls, company_path: Path, explicit: Path | None = None) -> "Home":
        """The home to use for a company file.

        Args:
            company_path: The company file.
            explicit: The folder given on the command line, if any.

        Returns:
            `explicit`, else `$TRADEWIND_HOME`, else `.tradewind` in the nearest folder above the
            company file that is a project (holds pyproject.toml or .git), else beside the file.
        """
        if explicit is not None:
            return cls(explicit.expanduser().absolute())
        configured = os.environ.get("TRADEWIND_HOME")
        if configured:
            return cls(Path(configured).expanduser().absolute())
        folder = company_path.absolute().parent
        return cls((_project_folder(folder) or folder) / FOLDER_NAME)

    @property
    def landing(self) -> Path:
        """Deliveries as received, and their manifests."""
        return self.root / "landing"

    @property
    def versions(self) -> Path:
        """Published warehouses, one file a version."""
        return self.root / "versions"

    @property
    def warehouse(self) -> Path:
        """The link to the current version: the only name that readers open."""
        return self.root / "warehouse.duckdb"

    @property
    def candidates(self) -> Path:
        """Warehouses being built, or refused and kept aside."""
        return self.root / "candidates"

    @property
    def reports(self) -> Path:
        """One folder a published version."""
        return self.root / "reports"

    @property
    def parquet(self) -> Path:
        """The marts as Parquet files."""
        return self.root / "parquet"

    @property
    def dagster(self) -> Path:
        """Dagster's own storage."""
        return self.root / "dagster"

    @property
    def dbt(self) -> Path:
        """dbt's targets, logs and prepared manifest."""
        return self.root / "dbt"

    @property
    def lock_file(self) -> Path:
        """Held by the one process that may write."""
        return self.root / "lock"


def _project_folder(folder: Path) -> Path | None:
    """The nearest folder at or above `folder` that holds a project, if there is one."""
    for candidate in (folder, *folder.parents):
        if any((candidate / mark).exists() for mark in _PROJECT_MARKS):
            return candidate
    return None

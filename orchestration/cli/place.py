"""Which company and which home a verb works on: options that every verb shares."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingest.errors import TradewindError
from ingest.home import Home
from orchestration import demo, versions
from orchestration.candidate import connect_read_only

if TYPE_CHECKING:
    import duckdb

    from ingest.company import Company, Source


@dataclass(frozen=True)
class Place:
    """A company file and the home that belongs to it."""

    company_path: Path
    home: Home

    def company(self) -> "Company":
        """Return the company file, checked; the demo's data is generated first if absent.

        Raises:
            CompanyFileError: the file is not usable; all its problems at once.
        """
        from ingest.company import load_company

        demo.prepare(self.company_path)
        return load_company(self.company_path)

    def connect(self, version: str | None = None) -> "duckdb.DuckDBPyConnection":
        """Return a read-only connection to a published version, or to the current one.

        Raises:
            UnknownVersion: there is no such version, or nothing is published yet.
        """
        return connect_read_only(versions.resolve(self.home, version))


class UnknownSource(TradewindError):
    """The company file has no such source."""

    exit_code = 2


def source_of(company: "Company", name: str) -> "Source":
    """Return a company's source by name.

    Raises:
        UnknownSource: there is none.
    """
    for source in company.sources:
        if source.name == name:
            return source
    raise UnknownSource(
        what=f"there is no source {name!r}",
        where=str(company.path),
        expected="one of " + ", ".join(source.name for source in company.sources),
        next_step="correct the name",
    )


def at_place(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb --home and --company, and the :class:`Place` they mean as first argument."""

    @click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        help="Where state lives (default: $TRADEWIND_HOME, else .tradewind/ in the project).",
    )
    @click.option(
        "--company",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="TRADEWIND_COMPANY",
        default=demo.COMPANY,
        help="The company file (default: $TRADEWIND_COMPANY, else the embedded demo).",
    )
    @functools.wraps(function)
    def wrapped(*args: Any, home: Path | None, company: Path, **options: Any) -> Any:
        place = Place(company, Home.for_company(company, home))
        return function(place, *args, **options)

    return wrapped


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")

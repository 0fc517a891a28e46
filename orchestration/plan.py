"""What a run would do, found out without doing it: what is new at each source, what is rebuilt."""

from dataclasses import dataclass

from ingest.company import Company, Source
from ingest.errors import SourceUnreachable
from ingest.home import Home
from ingest.landing import PendingFile, scan
from orchestration import changes
from orchestration.versions import current_version


@dataclass(frozen=True)
class SourcePlan:
    """What is new of one source. ``problem`` is the message of a source that does not answer.

    Attributes:
        source, entity: Its names.
        new_files, new_bytes: What would be landed; the first few paths are in ``paths``.
        waiting: Deliveries that are landed and not in the published version.
    """

    source: str
    entity: str
    new_files: int
    new_bytes: int
    paths: list[str]
    waiting: int
    problem: str | None = None


@dataclass(frozen=True)
class Plan:
    """What a run would do. ``everything`` says that all is built anew, and ``reason`` why."""

    company: str
    base_version: str | None
    everything: bool
    reason: str
    sources: list[SourcePlan]

    @property
    def unreachable(self) -> list[str]:
        """Names of the sources that do not answer."""
        return [source.source for source in self.sources if source.problem]

    @property
    def is_empty(self) -> bool:
        """Whether a run would end at once, since nothing is new."""
        new = any(source.new_files or source.waiting for source in self.sources)
        return not (new or self.everything)


def plan(company: Company, home: Home) -> Plan:
    """Return what a run would do now. Nothing is copied, built or locked."""
    built = changes.built_from(company, home)
    base = current_version(home)
    outdated = base is None or changes.is_outdated(company, built)
    reason = "nothing is published yet" if base is None else "the company file or the code changed"
    return Plan(
        company=company.company,
        base_version=base,
        everything=outdated,
        reason=reason if outdated else "",
        sources=[
            _source_plan(source, company, home, built.pending.get(source.name, []))
            for source in company.sources
        ],
    )


def _source_plan(source: Source, company: Company, home: Home, waiting: list[str]) -> SourcePlan:
    problem: str | None = None
    files: list[PendingFile] = []
    try:
        files = scan(source, company, home)
    except SourceUnreachable as error:
        problem = str(error)
    return SourcePlan(
        source=source.name,
        entity=source.entity,
        new_files=len(files),
        new_bytes=sum(file.bytes for file in files),
        paths=[file.path for file in files[:5]],
        waiting=len(waiting),
        problem=problem,
    )

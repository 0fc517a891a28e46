"""What is new since the last published version. Cheap: asked by every schedule, tick and run."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ingest.company import Company, Source
from ingest.errors import SourceUnreachable
from ingest.home import Home
from ingest.landing import manifest, scan
from ingest.load import pending
from orchestration.fingerprints import code_fingerprint


@dataclass(frozen=True)
class NewFile:
    """A file that a source shows and that was not landed yet; times in ns since 1970."""

    source: str
    path: str
    bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Built:
    """What the current version was built from.

    Attributes:
        company_sha256, code_sha256: The company file and the code; None before the first version.
        pending: Ids of deliveries, by source, that are landed and not in it as they should be.
    """

    company_sha256: str | None
    code_sha256: str | None
    pending: dict[str, list[str]]


def unlanded(company: Company, home: Home, entities: Collection[str] = ()) -> list[NewFile]:
    """Files that were not landed yet, of all sources or of those of some entities.

    A source that does not answer has none: the run that lands it says so.
    """
    found: list[NewFile] = []
    for source in _sources(company, entities):
        try:
            files = scan(source, company, home)
        except SourceUnreachable:
            continue
        found += [NewFile(source.name, f.path, f.bytes, f.modified_ns) for f in files]
    return found


def signature(files: Iterable[NewFile]) -> str:
    """A key for a set of files: equal as long as nothing about them changes."""
    lines = sorted(f"{f.source}\0{f.path}\0{f.bytes}\0{f.modified_ns}" for f in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def unpublished(company: Company, home: Home, entities: Collection[str] = ()) -> bool:
    """Whether a run would have anything to do."""
    built = built_from(company, home)
    return (
        is_outdated(company, built)
        or any(source.name in built.pending for source in _sources(company, entities))
        or bool(unlanded(company, home, entities))
    )


def is_outdated(company: Company, built: Built) -> bool:
    """Whether the company file or the code changed since the version was built."""
    return (built.company_sha256, built.code_sha256) != (company.sha256, code_fingerprint())


def built_from(company: Company, home: Home) -> Built:
    """Read what the current version was built from."""
    if not home.warehouse.exists():
        landed = {source.name: manifest(home, source.name) for source in company.sources}
        waiting = {name: [d.delivery_id for d in found] for name, found in landed.items() if found}
        return Built(None, None, waiting)
    import duckdb

    connection = duckdb.connect(str(home.warehouse), read_only=True)
    try:
        waiting = {}
        for delivery in pending(connection, company, home):
            waiting.setdefault(delivery.source, []).append(delivery.delivery_id)
        runs = connection.execute(
            "select company_sha256, code_sha256 from audit.runs order by judged_at desc limit 1"
        ).fetchall()
    finally:
        connection.close()
    company_sha256, code_sha256 = runs[0] if runs else (None, None)
    return Built(company_sha256, code_sha256, waiting)


def _sources(company: Company, entities: Collection[str]) -> list[Source]:
    return [each for each in company.sources if not entities or each.entity in entities]

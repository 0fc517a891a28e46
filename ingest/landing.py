"""Landing: every file of a source is kept once, as it was received.

Bytes go to `landing/<source>/<date>/<sha256>.<ending>` by way of a temporary file, and one line a
delivery goes to `landing/<source>/manifest.jsonl` after the bytes are safe on disk. A file that no
line of the manifest names has not been landed, whatever killed the process in between, and a line
that was cut off in the middle is not counted.

The manifest is a log of what was seen: which content stood at which path, since when. Everything
else follows from it: the content that a path shows now, and which delivery another one superseded.

Where people are forgotten, what is landed of a file is the file without them. The log keeps the
sha256 of what was offered, so that it is known again and never landed as it is.
"""

import glob
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from ingest import matches, remote
from ingest.company import Company, Source
from ingest.durable import sync
from ingest.errors import DeliveryRefused, SourceUnreachable
from ingest.home import Home
from ingest.package import package_file
from ingest.processes import is_running

if TYPE_CHECKING:
    from ingest.database import Landed
    from ingest.observations import Written
    from ingest.redaction import Redactor
    from ingest.rest_rows import Without

MANIFEST = "manifest.jsonl"
FORGOTTEN = "forgotten.json"
PARTIAL = ".partial"
_CHUNK = 4 << 20
_BATCH_FILES = 256
_BATCH_BYTES = 256 << 20
# while one file is read another is hashed; a disk writes what several wait for at once
_FETCHED_AT_ONCE = 2
_SYNCED_AT_ONCE = 8
# two blocks of zeros
_TAR_END = bytes(1024)
_ARCHIVE_ENDINGS = (".gz", ".zip", ".tgz", ".tar")


class Progress(Protocol):
    """Called while files are landed or loaded: what is done, of how much, and the unit."""

    def __call__(self, done: int, total: int, unit: str) -> None: ...


@dataclass(frozen=True)
class Delivery:
    """One content of one source, as landed. Grain: one row a source and sha256.

    Attributes:
        delivery_id: `<source>-<first 12 digits of the sha256>`.
        path: The path or URL where the content stands, the last in natural order if several do.
        bytes: Size of the landed file.
        fetched_at: UTC; when the path came to show this content.
        landed_path: The landed file, relative to the landing folder.
        modified_at: UTC; the file's own time, if the source tells one.
        superseded_by: The delivery that took the place of this one at its path, if one has.
    """

    delivery_id: str
    source: str
    path: str
    sha256: str
    bytes: int
    fetched_at: datetime
    landed_path: str
    modified_at: datetime | None
    superseded_by: str | None = None


@dataclass(frozen=True)
class PendingFile:
    """A file of a source whose present content has not been seen: what `land` would fetch.

    Attributes:
        path: As it will stand in the manifest.
        location: Where to read it: an absolute path or a URL.
        bytes: Its size.
        modified_ns: Its modification time in nanoseconds since 1970; 0 if the source tells none.
        mark: What the source says changes with the content (an ETag); empty if it says nothing.
    """

    path: str
    location: str
    bytes: int
    modified_ns: int
    mark: str = ""


@dataclass(frozen=True)
class _Seen:
    """One line of the manifest: a content that came to stand at a path.

    Attributes:
        offered: Size at the source, where that is not what was landed.
        redacted: How many rows lack the people who are forgotten, or are gone with them.
        formerly: sha256 of what this file was before; the first is that of what was offered.
    """

    path: str
    sha256: str
    bytes: int
    modified_ns: int
    fetched_at: str
    landed_path: str
    mark: str = ""
    offered: int | None = None
    redacted: int = 0
    formerly: list[str] = field(default_factory=list)

    @property
    def shown_bytes(self) -> int:
        """Size at the source."""
        return self.bytes if self.offered is None else self.offered


def scan(source: Source, company: Company, home: Home) -> list[PendingFile]:
    """The files of a source that are new or changed since they were landed. Copies nothing.

    Raises:
        SourceUnreachable: A path without a wildcard does not exist, or a remote does not answer.
    """
    if source.kind == "database":
        return _scan_database(source, company, home)
    if source.kind == "shop_pages":
        return _scan_pages(source, company, home)
    if source.kind == "rest":
        return _scan_rest(source, company, home)
    known = {
        seen.path: (
            seen.bytes if seen.offered is None else seen.offered,
            seen.modified_ns,
            seen.mark,
        )
        for seen in _events(home.landing / source.name)
    }
    return [
        file
        for file in _shown_files(source, company, home)
        if not file.modified_ns or known.get(file.path) != (file.bytes, file.modified_ns, file.mark)
    ]


def land(
    source: Source, company: Company, home: Home, progress: Progress | None = None
) -> list[Delivery]:
    """Fetch what is new of a source.

    Args:
        source: The source.
        company: The company file that it is part of; relative paths start at its folder.
        home: Where to land.
        progress: Told the bytes done and to do.

    Returns:
        The new deliveries, in natural order of their paths.

    Raises:
        SourceUnreachable: A path without a wildcard does not exist, or a remote does not answer.
        DeliveryRefused: A file is empty or cut off. All whole files have been landed by then.
    """
    folder = home.landing / source.name
    _clear_partial(folder)
    known_before = {delivery.delivery_id for delivery in manifest(home, source.name)}
    if source.kind in _READ_BY_QUESTIONS:
        _READ_BY_QUESTIONS[source.kind](source, company, home, progress)
        return [d for d in manifest(home, source.name) if d.delivery_id not in known_before]
    files = scan(source, company, home)
    total = sum(file.bytes for file in files)
    refused: list[DeliveryRefused] = []
    guard = _guard(source, company, home)
    done = 0
    for batch in _batches(files):
        refused += _land_batch(source, folder, batch, guard)
        done += sum(file.bytes for file in batch)
        if progress is not None:
            progress(done, total, "bytes")
    if refused:
        raise _all_refused(source, refused)
    return [d for d in manifest(home, source.name) if d.delivery_id not in known_before]


def manifest(home: Home, source_name: str | None = None) -> list[Delivery]:
    """All that was ever landed, of one source or of all, in natural order of the paths."""
    if source_name is None:
        names = sorted(p.parent.name for p in home.landing.glob(f"*/{MANIFEST}"))
    else:
        names = [source_name]
    return [
        delivery for name in names for delivery in _deliveries(name, _events(home.landing / name))
    ]


def natural_key(text: str) -> Any:
    """Sort key by which `day-2` comes before `day-10`; no two texts have the same one."""
    return _natural_key()(text), text


@cache
def _natural_key() -> Callable[[str], Any]:
    from natsort import natsort_keygen

    return natsort_keygen()


# ---------------------------------------------------------------- sources in a database


def _land_database(source: Source, company: Company, home: Home, progress: Progress | None) -> None:
    """Read what is new of a database and land it stretch by stretch, each as a Parquet file."""
    from ingest import database

    folder = home.landing / source.name
    (folder / PARTIAL).mkdir(parents=True, exist_ok=True)
    guard = _guard(source, company, home)
    without = guard.query if guard is not None else None
    done = 0
    for written in database.read(source, company, _live(source, home), folder / PARTIAL, without):
        file = _local_file(written.path, str(written.file))
        refused = _land_batch(source, folder, [file])
        written.file.unlink()
        if refused:
            raise refused[0]
        done += file.bytes
        if progress is not None:
            progress(done, done, "bytes")


def _scan_database(source: Source, company: Company, home: Home) -> list[PendingFile]:
    """One file without a size where the database has more than was landed."""
    from ingest import database

    if not database.has_more(source, company, _live(source, home)):
        return []
    # the name is another one once something has landed
    seen = len(_events(home.landing / source.name))
    return [PendingFile(f"database:{source.name} after {seen}", "", 0, 0)]


def _live(source: Source, home: Home) -> "list[Landed]":
    """What each path shows; two that show the same content stand for themselves."""
    from ingest.database import Landed

    files = {each.sha256: home.landing / each.landed_path for each in manifest(home, source.name)}
    shown = {event.path: event.sha256 for event in _events(home.landing / source.name)}
    return [Landed(path, files[shown[path]]) for path in sorted(shown, key=natural_key)]


# ---------------------------------------------------------------- sources on the web


def _land_pages(source: Source, company: Company, home: Home, progress: Progress | None) -> None:
    """Fetch the pages that are due, then land what each part of the log says as a Parquet file."""
    from ingest import crawl, observations

    told = None if progress is None else lambda done, total: progress(done, total, "pages")
    report = crawl.capture(source, company, home, told)
    known = {delivery.path for delivery in manifest(home, source.name)}
    land_observations(source, home, observations.write(source, company, home, skip=known))
    if report.reached_nothing:
        raise SourceUnreachable(
            "no page could be read: "
            + "; ".join(f"{host}: {why}" for host, why in report.stopped.items()),
            f"source {source.name}",
            "hosts that answer and let their pages be read",
            "check the addresses and the network; `tradewind sources pages` shows what happened "
            "to each page",
        )


def land_observations(source: Source, home: Home, written: "Iterable[Written]") -> None:
    """Land files of observations under their names, each removed when it is safe.

    Raises:
        DeliveryRefused: A file is not whole.
    """
    folder = home.landing / source.name
    for each in written:
        file = _local_file(each.path, str(each.file))
        refused = _land_batch(source, folder, [replace(file, mark=each.mark)])
        each.file.unlink()
        if refused:
            raise refused[0]


def _scan_pages(source: Source, company: Company, home: Home) -> list[PendingFile]:
    """One file without a size where pages are due, or landed and not parsed. Asks nobody."""
    from ingest import crawl, observations

    parsed = {delivery.path for delivery in manifest(home, source.name)}
    if crawl.is_due(source, company, home) or observations.has_unparsed(source, home, parsed):
        return [PendingFile(f"pages:{source.name} {crawl.waiting_pass(source, home)}", "", 0, 0)]
    return []


# ---------------------------------------------------------------- sources behind an API


def _land_rest(source: Source, company: Company, home: Home, progress: Progress | None) -> None:
    """Read an API, its pages landing on the way, and land the new rows as a Parquet file."""
    from ingest import rest

    folder = home.landing / source.name
    (folder / PARTIAL).mkdir(parents=True, exist_ok=True)
    told = None if progress is None else lambda done, total: progress(done, total, "records")
    landed, named = _live_files(source, home)
    guard = _guard(source, company, home)
    without = _without(guard)
    for written in rest.read(source, home.landing, landed, named, folder / PARTIAL, told, without):
        file = _local_file(written.path, str(written.file))
        refused = _land_batch(source, folder, [file])
        written.file.unlink()
        if refused:
            raise refused[0]
    if guard is not None:
        # pages as received show whom the rows no longer show
        for page in unnamed(source.name, home):
            page.unlink()


def _without(guard: "Redactor | None") -> "Without | None":
    if guard is None:
        return None
    return lambda file, target: guard.redact(file.name, file, target).any


def _scan_rest(source: Source, company: Company, home: Home) -> list[PendingFile]:
    """One file without a size where the API has more than was landed."""
    from ingest import rest
    from ingest.readers import work_folder

    landed, named = _live_files(source, home)
    with work_folder(home) as folder:
        without = _without(_guard(source, company, home))
        has_more = rest.has_more(source, landed, folder, without)
    # the name is another one once something has landed
    return [PendingFile(f"rest:{source.name} after {named}", "", 0, 0)] if has_more else []


def _live_files(source: Source, home: Home) -> "tuple[list[Path], int]":
    """What has landed and counts, from first to last, and how many deliveries there were."""
    known = manifest(home, source.name)
    live = [home.landing / each.landed_path for each in known if not each.superseded_by]
    return live, len(known)


# ---------------------------------------------------------------- which files a source has


def _shown_files(source: Source, company: Company, home: Home) -> list[PendingFile]:
    """The files of a source; those of a source of matches stand in the state itself."""
    if source.kind != matches.KIND:
        return find_files(source, company)
    found = matches.files(home, source.name)
    return [_local_file(f"{source.name}:{file.name}", str(file)) for file in found]


def find_files(source: Source, company: Company) -> list[PendingFile]:
    """Every file that a source shows now, in natural order, landed or not.

    Raises:
        SourceUnreachable: A path without a wildcard does not exist, or a remote does not answer.
    """
    if source.kind == "package":
        location = package_file(str(source.package), f"source {source.name}")
        return [_local_file(f"package:{source.package}/{location.name}", str(location))]
    if source.kind in (matches.KIND, "shop_pages", "rest"):
        return []
    found: dict[str, PendingFile] = {}
    for pattern in source.paths:
        for file in _matches(pattern, source, company):
            # what is in the environment may be secret, and the path goes into tables
            file = replace(file, path=source.masked(file.path)) if "://" in file.path else file
            found.setdefault(file.path, file)
    return sorted(found.values(), key=lambda file: natural_key(file.path))


def _matches(pattern: str, source: Source, company: Company) -> Iterator[PendingFile]:
    where = source.masked(f"source {source.name}: {pattern}")
    if remote.is_remote(pattern):
        for url, size, modified_ns, mark in remote.list_files(pattern, where, source.masked):
            yield PendingFile(url, url, size, modified_ns, mark)
        return
    base = company.path.absolute().parent
    absolute = os.path.join(base, pattern)
    if os.path.isdir(absolute):
        raise SourceUnreachable(
            f"{absolute} is a folder",
            where,
            "a file, or a pattern such as orders/*.csv",
            f"write `path: {pattern.rstrip('/')}/*`, or with the ending of the files",
        )
    names = [absolute] if os.path.exists(absolute) else _glob(absolute, where)
    for name in names:
        if _is_lock_file(name):
            continue
        if os.path.isfile(name) or _is_link_to_nothing(name, where):
            shown = name if os.path.isabs(pattern) else os.path.relpath(name, base)
            yield _local_file(shown.replace(os.sep, "/"), name)


def _is_lock_file(name: str) -> bool:
    """Spreadsheet programs lay these beside a workbook that someone has open."""
    base = os.path.basename(name)
    return base.startswith(("~$", ".~lock."))


def _is_link_to_nothing(name: str, where: str) -> bool:
    """False for what is no file at all; a link that leads nowhere may be a disk that is missing."""
    if os.path.islink(name) and not os.path.exists(name):
        raise SourceUnreachable(
            f"{name} is a link to a file that does not exist",
            where,
            "files, or links to files",
            "bring the file back, or remove the link",
        )
    return False


def _glob(absolute: str, where: str) -> list[str]:
    if not glob.has_magic(absolute):
        raise SourceUnreachable(
            f"{absolute} does not exist",
            where,
            "a file, or a pattern such as orders/*.csv",
            "put the file there, or correct `path:` of the source in the company file",
        )
    # brackets that stand for nothing may be part of a folder's name
    return glob.glob(absolute, recursive=True) or glob.glob(
        absolute.replace("[", "[[]"), recursive=True
    )


def _local_file(shown: str, location: str) -> PendingFile:
    stat = os.stat(location)
    return PendingFile(shown, location, stat.st_size, stat.st_mtime_ns)


# ---------------------------------------------------------------- the manifest


def _events(folder: Path) -> list[_Seen]:
    path = folder / MANIFEST
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    events = []
    for line in lines:
        if not line:
            continue
        try:
            events.append(_Seen(**json.loads(line)))
        except (ValueError, TypeError):
            # a line that a killed process did not finish: what it names is landed again
            continue
    return events


def _append(folder: Path, events: Sequence[_Seen]) -> None:
    """Append lines to the manifest so that each is whole or not there.

    Every write begins a new line, which closes what a killed process may have left half written.
    """
    text = "".join("\n" + json.dumps(vars(event), ensure_ascii=False) for event in events) + "\n"
    with (folder / MANIFEST).open("ab") as out:
        out.write(text.encode())
        out.flush()
        os.fsync(out.fileno())
    sync(folder)


def _deliveries(source_name: str, events: Iterable[_Seen]) -> list[Delivery]:
    """What the log says: one delivery a content, live where some path still shows it."""
    latest: dict[str, _Seen] = {}
    last_seen: dict[str, _Seen] = {}
    for event in events:
        before = latest.get(event.path)
        if before is not None and before.sha256 == event.sha256:
            # touched, not changed: it has stood there since the earlier time
            event = _Seen(**{**vars(event), "fetched_at": before.fetched_at})
        latest[event.path] = event
        last_seen[event.sha256] = event
    standing: dict[str, _Seen] = {}
    for event in sorted(latest.values(), key=lambda seen: natural_key(seen.path)):
        standing[event.sha256] = event
    found = [
        _delivery(source_name, last_seen[sha], standing.get(sha, last_seen[sha]), latest)
        for sha in last_seen
    ]
    return sorted(found, key=lambda d: (natural_key(d.path), d.fetched_at, d.sha256))


def _delivery(source_name: str, landed: _Seen, shown: _Seen, latest: dict[str, _Seen]) -> Delivery:
    now = latest[shown.path]
    modified = shown.modified_ns / 1e9
    return Delivery(
        delivery_id=delivery_id(source_name, shown.sha256),
        source=source_name,
        path=shown.path,
        sha256=shown.sha256,
        bytes=shown.bytes,
        fetched_at=datetime.fromisoformat(shown.fetched_at),
        landed_path=landed.landed_path,
        modified_at=datetime.fromtimestamp(modified, UTC) if modified else None,
        superseded_by=(
            None if now.sha256 == shown.sha256 else delivery_id(source_name, now.sha256)
        ),
    )


def delivery_id(source_name: str, sha256: str) -> str:
    """The name of a delivery: the same content of a source has the same name everywhere."""
    return f"{source_name}-{sha256[:12]}"


# ---------------------------------------------------------------- people who are forgotten


@dataclass(frozen=True)
class Redacted:
    """A landed file, and what is to stand in its place.

    Attributes:
        path: Where it stands at its source.
        before: Its sha256 so far.
        after: That of the file without the people; empty where nothing of it stays.
        landed_before, landed_path: Relative to the landing folder.
        own: How many rows of theirs there are.
        rows: How many rows lack the people, or are gone with them.
        bytes: Size of the new file.
        names: The texts that stood for them.
    """

    path: str
    before: str
    after: str
    landed_before: str
    landed_path: str
    own: int
    rows: int
    bytes: int
    names: frozenset[str]


def redact(
    source_name: str,
    home: Home,
    guard: "Redactor",
    only: Iterable[str] | None = None,
    is_dry: bool = False,
) -> list[Redacted]:
    """Write what a source has landed anew without people, beside it; `replace_landed` swaps it in.

    Args:
        source_name: The source.
        home: Where it was landed.
        guard: What takes the people out.
        only: sha256 of the contents to look at; None for all.
        is_dry: Only find out which rows it would be.
    """
    folder = home.landing / source_name
    _clear_partial(folder)
    landed = {event.sha256: event for event in _events(folder)}
    found = []
    for sha in landed if only is None else only:
        event = landed[sha]
        file = home.landing / event.landed_path
        if not file.exists():
            continue
        (folder / PARTIAL).mkdir(parents=True, exist_ok=True)
        partial = folder / PARTIAL / f"{os.getpid()}-redacted"
        counts = guard.redact(event.path, file, None if is_dry else partial)
        if not counts.any:
            continue
        after, size = sha, event.bytes
        if not is_dry:
            after, size = _hash(partial), partial.stat().st_size
        name = event.landed_path.replace(sha, after)
        if not is_dry:
            _make_durable([(partial, home.landing / name)])
        found.append(
            Redacted(event.path, sha, after, event.landed_path, name, counts.own, counts.rows,
                     size, frozenset(counts.names))
        )  # fmt: skip
    return found


def unread(source_name: str, home: Home, holds: Callable[[Path], bool]) -> list[Redacted]:
    """What was landed of a source that no company file names any more and `holds` is true of.

    No mapping tells its rows apart, and nobody reads them: `replace_landed` removes such a file.
    """
    landed = {event.sha256: event for event in _events(home.landing / source_name)}
    return [
        Redacted(e.path, sha, "", e.landed_path, "", 1, 1, 0, frozenset())
        for sha, e in landed.items()
        if (home.landing / e.landed_path).exists() and holds(home.landing / e.landed_path)
    ]


def unnamed(source_name: str, home: Home) -> list[Path]:
    """Landed files that no line of the log names: pages as received, and what a kill left."""
    folder = home.landing / source_name
    named = {event.landed_path for event in _events(folder)}
    found = sorted(folder.glob("[0-9]*-[0-9]*-[0-9]*/*"))
    return [file for file in found if str(file.relative_to(home.landing)) not in named]


def replace_landed(
    source_name: str,
    home: Home,
    redacted: Iterable[Redacted],
    holds: Callable[[Path], bool] = lambda file: False,
) -> None:
    """Let the log name the redacted files, then remove those that they take the place of.

    Of files that no line names those are removed that were redacted before, so that this can be
    done again after a kill, and those of which `holds` is true.
    """
    folder = home.landing / source_name
    by_sha = {each.before: each for each in redacted}
    gone = {each.before for each in by_sha.values() if not each.after}
    events = [
        _now_redacted(event, by_sha.get(event.sha256))
        for event in _events(folder)
        if event.sha256 not in gone
    ]
    if by_sha:
        partial = folder / f".{MANIFEST}.{os.getpid()}"
        lines = (json.dumps(asdict(event), ensure_ascii=False) + "\n" for event in events)
        partial.write_text("".join(lines), encoding="utf-8")
        _make_durable([(partial, folder / MANIFEST)])
        sync(folder)
        _replace_in_state(source_name, home, events, {each.after for each in by_sha.values()})
    former = {sha for event in events for sha in event.formerly} | gone
    for file in unnamed(source_name, home):
        if file.name.partition(".")[0] in former or holds(file):
            file.unlink()


def _replace_in_state(
    source_name: str, home: Home, events: Sequence[_Seen], redacted: set[str]
) -> None:
    """Where the state itself is the source, it shows what was landed of it."""
    for event in events:
        file = matches.folder(home, source_name) / event.path.removeprefix(f"{source_name}:")
        if event.sha256 in redacted and file.exists():
            partial = file.with_suffix(".partial")
            partial.write_bytes((home.landing / event.landed_path).read_bytes())
            _make_durable([(partial, file)])


def _now_redacted(event: _Seen, redacted: Redacted | None) -> _Seen:
    if redacted is None:
        return event
    return replace(
        event,
        sha256=redacted.after,
        bytes=redacted.bytes,
        landed_path=redacted.landed_path,
        offered=event.shown_bytes,
        redacted=event.redacted + redacted.rows,
        formerly=[*event.formerly, event.sha256],
    )


def keep_out_forgotten(
    source: Source, company: Company, home: Home, deliveries: Iterable[Delivery]
) -> bool:
    """Take the forgotten out of deliveries that were landed before today's mapping knew them.

    Returns:
        Whether one of them stood in any; the deliveries then have other names.
    """
    guard = _guard(source, company, home)
    if guard is None:
        return False
    live = [delivery.sha256 for delivery in deliveries if not delivery.superseded_by]
    found = redact(source.name, home, guard, live)
    if found:
        replace_landed(source.name, home, found)
    return bool(found)


def former_deliveries(home: Home, source_name: str) -> dict[str, Delivery]:
    """The deliveries of a source that were redacted, by the ids that they had before."""
    now = {delivery.sha256: delivery for delivery in manifest(home, source_name)}
    return {
        delivery_id(source_name, sha): now[event.sha256]
        for event in _events(home.landing / source_name)
        for sha in event.formerly
    }


# ---------------------------------------------------------------- copying


def _batches(files: Sequence[PendingFile]) -> Iterator[list[PendingFile]]:
    """Files in groups small enough to lose, and large enough to make few waits for the disk."""
    batch: list[PendingFile] = []
    for file in files:
        batch.append(file)
        if len(batch) == _BATCH_FILES or sum(f.bytes for f in batch) >= _BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _land_batch(
    source: Source, folder: Path, batch: Sequence[PendingFile], guard: "Redactor | None" = None
) -> list[DeliveryRefused]:
    """Copy, make safe, then record. Nothing is recorded before its bytes are on disk."""
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    (folder / PARTIAL).mkdir(parents=True, exist_ok=True)
    (folder / day).mkdir(exist_ok=True)
    known = {sha: event for event in _events(folder) for sha in [event.sha256, *event.formerly]}
    events: list[_Seen] = []
    refused: list[DeliveryRefused] = []
    to_sync: list[tuple[Path, Path]] = []
    partials = [folder / PARTIAL / f"{os.getpid()}-{number}" for number in range(len(batch))]
    for file, partial, fetched in zip(
        batch, partials, _fetch_all(source, batch, partials), strict=True
    ):
        if isinstance(fetched, DeliveryRefused):
            partial.unlink(missing_ok=True)
            refused.append(fetched)
            continue
        sha, size = fetched
        now = datetime.now(UTC).isoformat()
        event = _Seen(file.path, sha, size, file.modified_ns, now, "", file.mark)
        before = known.get(sha)
        if before is not None and (folder.parent / before.landed_path).exists():
            partial.unlink()
            event = _as_landed(event, before)
        else:
            event = _redacted(event, partial, guard)
            event = replace(
                event, landed_path=f"{source.name}/{day}/{event.sha256}{ending(file.path)}"
            )
            to_sync.append((partial, folder.parent / event.landed_path))
            known |= dict.fromkeys([event.sha256, *event.formerly], event)
        events.append(event)
    _make_durable(to_sync)
    sync(folder / day)
    if events:
        _append(folder, events)
    return refused


def _as_landed(event: _Seen, before: _Seen) -> _Seen:
    """A content that was landed before, perhaps without people."""
    return replace(
        event,
        sha256=before.sha256,
        bytes=before.bytes,
        landed_path=before.landed_path,
        offered=None if before.sha256 == event.sha256 else event.bytes,
        redacted=before.redacted,
        formerly=before.formerly,
    )


def _redacted(event: _Seen, partial: Path, guard: "Redactor | None") -> _Seen:
    """The content without people who are forgotten, if one is in it; `partial` then holds that."""
    if guard is None:
        return event
    without = partial.with_name(f"{partial.name}-without")
    counts = guard.redact(event.path, partial, without)
    if not counts.any:
        return event
    os.replace(without, partial)
    return replace(
        event,
        sha256=_hash(partial),
        bytes=partial.stat().st_size,
        offered=event.bytes,
        redacted=counts.rows,
        formerly=[event.sha256],
    )


def _guard(source: Source, company: Company, home: Home) -> "Redactor | None":
    """What keeps the forgotten out; loads nothing where nobody is forgotten."""
    if not (home.root / FORGOTTEN).exists():
        return None
    from ingest.redaction import guard

    return guard(source, company, home)


def _make_durable(files: Sequence[tuple[Path, Path]]) -> None:
    with ThreadPoolExecutor(_SYNCED_AT_ONCE) as pool:
        list(pool.map(sync, (partial for partial, _ in files)))
    for partial, target in files:
        os.replace(partial, target)


def _fetch_all(
    source: Source, files: Sequence[PendingFile], partials: Sequence[Path]
) -> list[tuple[str, int] | DeliveryRefused]:
    """What `_fetch` gives of each file, or why it is refused."""

    def fetch(file: PendingFile, partial: Path) -> tuple[str, int] | DeliveryRefused:
        try:
            return _fetch(source, file, partial)
        except DeliveryRefused as error:
            return error

    # a download is soon interrupted in the main thread alone
    if any(remote.is_remote(file.location) for file in files):
        return [fetch(*each) for each in zip(files, partials, strict=True)]
    with ThreadPoolExecutor(_FETCHED_AT_ONCE) as pool:
        return list(pool.map(fetch, files, partials))


def _fetch(source: Source, file: PendingFile, partial: Path) -> tuple[str, int]:
    """Copy one file to `partial`, and check that it is whole.

    Returns:
        Its sha256 and size.
    """
    where = f"source {source.name}: {file.path}"
    if remote.is_remote(file.location):
        remote.download(file.location, partial, where, source.masked, file.mark)
        sha = _hash(partial)
    else:
        sha = _copy(file, partial, where)
    size = partial.stat().st_size
    check_whole(partial, file.path, where)
    return sha, size


def _copy(file: PendingFile, partial: Path, where: str) -> str:
    digest = hashlib.sha256()
    with _opened(file, where) as opened, partial.open("wb") as out:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
        after = os.fstat(opened.fileno())
    if (after.st_size, after.st_mtime_ns) != (file.bytes, file.modified_ns):
        raise DeliveryRefused(
            f"{file.path} changed while it was read",
            where,
            "a file that nobody is writing to",
            "run again when the file is complete; write to another name and rename when done",
        )
    return digest.hexdigest()


def _opened(file: PendingFile, where: str) -> IO[bytes]:
    try:
        file.path.encode()
        return open(file.location, "rb")
    except UnicodeEncodeError as error:
        raise DeliveryRefused(
            f"the name of {_printable(file.path)} is not UTF-8",
            _printable(where),
            "a file name in UTF-8",
            "rename the file",
        ) from error
    except OSError as error:
        raise DeliveryRefused(
            f"{file.path} cannot be opened: {error.strerror}",
            where,
            "a file that stays where it is and may be read",
            "bring it back or give leave to read it, then run again",
        ) from error


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _hash(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _clear_partial(folder: Path) -> None:
    """Remove what processes that are gone have left half copied or half written."""
    for path in (folder / PARTIAL).glob("*-*"):
        owner = int(path.name.split("-")[0])
        if owner == os.getpid() or not is_running(owner):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    # a small file is written beside the one that it replaces; one of this process may be in use
    for path in folder.glob(".*.*"):
        writer = path.suffix.removeprefix(".")
        if writer.isdigit() and not is_running(writer):
            path.unlink(missing_ok=True)


def ending(path: str) -> str:
    """All endings of a file name that say how to read it: `.csv`, `.csv.gz`, `.tar.gz`."""
    name = path.split("?")[0] if remote.is_remote(path) else path
    suffixes = [s.lower() for s in Path(name).suffixes if len(s) <= 8]
    if suffixes and suffixes[-1] in _ARCHIVE_ENDINGS:
        return "".join(suffixes[-2:])
    return "".join(suffixes[-1:])


# ---------------------------------------------------------------- is it whole?


def check_whole(path: Path, shown: str, where: str) -> None:
    """Refuse a file that is empty or was cut off on its way.

    Raises:
        DeliveryRefused: The file has no bytes, or its format's own end is missing or wrong.
    """
    if path.stat().st_size == 0:
        raise cut_off(shown, where, "it is empty (0 bytes)")
    last = ending(shown)
    reason = None
    if last.endswith((".gz", ".tgz")):
        reason = _gzip_problem(path, is_tar=last.endswith((".tgz", ".tar.gz")))
    elif last.endswith(".tar"):
        reason = _tar_problem(_tail(path, len(_TAR_END)))
    elif last.endswith((".zip", ".xlsx")):
        reason = _zip_problem(path)
    elif last.endswith(".parquet"):
        reason = _parquet_problem(path)
    if reason:
        raise cut_off(shown, where, reason)


def cut_off(shown: str, where: str, reason: str) -> DeliveryRefused:
    """The refusal of a file that was not delivered to its end."""
    return DeliveryRefused(
        f"{shown} is not a whole file: {reason}",
        where,
        "the complete file, as its sender wrote it",
        "send or export the file again to the same place, then run again",
    )


def _gzip_problem(path: Path, is_tar: bool) -> str | None:
    import gzip

    tail = b""
    try:
        with gzip.open(path, "rb") as opened:
            while chunk := opened.read(_CHUNK):
                tail = (tail + chunk)[-len(_TAR_END) :]
    except (EOFError, OSError, zlib.error) as error:
        return f"reading it as gzip fails ({error})"
    return _tar_problem(tail) if is_tar else None


def _tar_problem(tail: bytes) -> str | None:
    """A tar that ends where a member does looks whole but for the end that is missing."""
    return None if tail == _TAR_END else "the end of the tar archive is missing"


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb") as opened:
        opened.seek(max(0, path.stat().st_size - size))
        return opened.read()


def _zip_problem(path: Path) -> str | None:
    import zipfile

    try:
        with zipfile.ZipFile(path) as opened:
            bad = opened.testzip()
    except (zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
        return f"reading it as zip fails ({error})"
    except RuntimeError:
        # a password, or a packing that Python does not know: whole perhaps, and refused when read
        return None
    return f"its member {bad} is damaged" if bad else None


def _parquet_problem(path: Path) -> str | None:
    with path.open("rb") as opened:
        head = opened.read(4)
    if (head, _tail(path, 4)) == (b"PAR1", b"PAR1"):
        return None
    return "it does not begin and end with the mark of a Parquet file"


def _all_refused(source: Source, refused: Sequence[DeliveryRefused]) -> DeliveryRefused:
    if len(refused) == 1:
        return refused[0]
    return DeliveryRefused(
        f"{len(refused)} files were not taken: " + "; ".join(error.what for error in refused),
        f"source {source.name}",
        refused[0].expected,
        refused[0].next_step,
    )


# how sources are landed that show no files
_READ_BY_QUESTIONS = {
    "database": _land_database,
    "shop_pages": _land_pages,
    "rest": _land_rest,
}

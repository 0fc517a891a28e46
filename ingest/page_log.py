"""What was fetched from the web: pages as evidence, and a log of every address that was asked for.

A page stands once, compressed, at `landing/<source>/<date>/<sha256>.html.gz`. The log has one file
a part, which is what one process fetched of one pass over the addresses:
`landing/<source>/pages/<pass>-<part>.jsonl`. A page is on disk before its line is, and a line that
was cut off in the middle is not counted: so a killed process loses one page at most.
"""

import gzip
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.errors import DeliveryRefused

FOLDER = "pages"
STAMP = "%Y%m%dT%H%M%S%f"
SETTLED = ("landed", "unchanged", "gone", "refused")
"""Outcomes after which a page is not asked for again in the same pass."""


@dataclass(frozen=True)
class Page:
    """One line of the log. Grain: one row an address and time at which it was asked for.

    Attributes:
        url: The address, as it was listed; of a host its beginning.
        fetched_at: UTC, ISO 8601.
        outcome: landed, unchanged (304, or the same bytes), gone (404, 410), refused (robots, a
            redirect off the host, a private address, no page), failed (may do better later); of a
            host done, or stopped before its end; of a sitemap `sitemap`.
        reason: Why, where it was not landed.
        status: The HTTP status, if there was an answer.
        sha256: Of the page's bytes, unpacked.
        stored: The page's file, relative to the landing folder.
        sent_bytes: Bytes of the body on the wire.
        final_url: Where redirects ended, if anywhere else.
        etag, last_modified, content_type: The headers.
    """

    url: str
    fetched_at: str
    outcome: str
    reason: str | None = None
    status: int | None = None
    sha256: str | None = None
    stored: str | None = None
    sent_bytes: int = 0
    final_url: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, order=True)
class Part:
    """What one process fetched of one pass; both names are times (UTC) of their beginning."""

    pass_id: str
    part_id: str

    @property
    def name(self) -> str:
        """Its name in paths."""
        return f"{self.pass_id}-{self.part_id}"


class PageLog:
    """The pages of one source. Safe to write to from several threads of one process."""

    def __init__(self, landing: Path, source_name: str) -> None:
        self._landing = landing
        self._source = source_name
        self._folder = landing / source_name / FOLDER
        self._lock = threading.Lock()

    def parts(self) -> list[Part]:
        """All parts, from first to last."""
        names = [file.stem.split("-") for file in self._folder.glob("*-*.jsonl")]
        return sorted(Part(*name) for name in names if len(name) == 2)

    def passes(self) -> list[str]:
        """All passes, from first to last."""
        return sorted({part.pass_id for part in self.parts()})

    def file(self, part: Part) -> Path:
        """The file of a part."""
        return self._folder / f"{part.name}.jsonl"

    def read(self, part: Part) -> Iterator[Page]:
        """The whole lines of a part, from first to last, one at a time."""
        with self.file(part).open("rb") as lines:
            for line in lines:
                try:
                    yield Page(**json.loads(line))
                except (ValueError, TypeError):
                    # empty, or cut off when its process was killed
                    continue

    def read_pass(self, pass_id: str) -> Iterator[Page]:
        """The lines of all parts of a pass."""
        for part in self.parts():
            if part.pass_id == pass_id:
                yield from self.read(part)

    def append(self, part: Part, page: Page) -> None:
        """Add a line, safely on disk when this returns."""
        known = {name: value for name, value in asdict(page).items() if value is not None}
        # every line begins anew, which closes what a killed process may have left half written
        line = "\n" + json.dumps(known, ensure_ascii=False) + "\n"
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self.file(part).open("ab") as out:
                out.write(line.encode("utf-8", "backslashreplace"))
                out.flush()
                os.fsync(out.fileno())

    def store(self, body: bytes) -> tuple[str, str]:
        """Keep a page, safely on disk when this returns.

        Returns:
            Its sha256, and its file relative to the landing folder.
        """
        sha = hashlib.sha256(body).hexdigest()
        name = f"{self._source}/{datetime.now(UTC):%Y-%m-%d}/{sha}.html.gz"
        target = self._landing / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{os.getpid()}-{threading.get_ident()}.partial")
            with partial.open("wb") as out:
                # without a time: the same page is the same file
                out.write(gzip.compress(body, compresslevel=6, mtime=0))
                out.flush()
                os.fsync(out.fileno())
            os.replace(partial, target)
        return sha, name

    def has(self, page: Page) -> bool:
        """Whether the evidence of a line is there."""
        return page.stored is not None and (self._landing / page.stored).exists()

    def load(self, page: Page) -> bytes:
        """The bytes of a page.

        Raises:
            DeliveryRefused: The file has gone, or is not what was landed.
        """
        file = self._landing / str(page.stored)
        try:
            body = gzip.decompress(file.read_bytes())
        except (OSError, EOFError) as error:
            raise _lost(page, file, "cannot be read") from error
        if hashlib.sha256(body).hexdigest() != page.sha256:
            raise _lost(page, file, "is not what was landed")
        return body


def _lost(page: Page, file: Path, what: str) -> DeliveryRefused:
    return DeliveryRefused(
        f"the stored page of {page.url} {what}: {file}",
        str(file),
        "a landing folder that nobody changes",
        "bring the folder back from a copy",
    )

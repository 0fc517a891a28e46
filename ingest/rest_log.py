"""What was read of an API: every page as received, and a log of each capture.

A page stands at `landing/<source>/<date>/<sha256>.json` (or `.jsonl`, `.csv`), a capture at
`landing/<source>/captures/<time>.jsonl`: what was asked for from where on, then a line a page. The
page is written before its line is. A line that was cut off in the middle is not counted, nor is one
whose page is not what it says: so no page has to wait for the disk. A capture becomes a delivery
when it is whole, and is over then.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ingest.rest_client import Page

FOLDER = "captures"
_STAMP = "%Y%m%dT%H%M%S%f"
_KEPT_HEADERS = ("link", "etag", "last-modified", "content-type", "date")


@dataclass(frozen=True)
class Line:
    """A page of a capture.

    Attributes:
        position: What was asked for.
        sha256, stored: Its bytes, and its file relative to the landing folder.
        status: The HTTP status.
        headers: Those that say something about the page, secrets masked.
        fetched_at: UTC, ISO 8601.
    """

    position: Mapping[str, Any]
    sha256: str
    stored: str
    status: int
    headers: Mapping[str, str]
    fetched_at: str


@dataclass(frozen=True)
class Capture:
    """One reading of a source, whole or not.

    Attributes:
        name: The time (UTC) of its beginning, as in paths.
        settings: What was asked for, as a hash.
        mark: From which cursor value on.
        lines: Its pages, from first to last.
        is_over: Whether all that it brought has been delivered.
    """

    name: str
    settings: str
    mark: str | None
    lines: tuple[Line, ...] = ()
    is_over: bool = False

    @property
    def begun(self) -> datetime:
        """When it began."""
        return datetime.strptime(self.name, _STAMP).replace(tzinfo=UTC)


class CaptureLog:
    """The captures of one source.

    Args:
        landing: The landing folder.
        source_name: The source.
        ending: Of the pages' files, with its dot.
        headers: Names (in lower case) of more headers to keep.
    """

    def __init__(
        self, landing: Path, source_name: str, ending: str, headers: tuple[str, ...] = ()
    ) -> None:
        self._landing = landing
        self._source = source_name
        self._folder = landing / source_name / FOLDER
        self._ending = ending
        self._headers = (*_KEPT_HEADERS, *headers)
        self._made = ""
        self._out: tuple[str, IO[bytes]] | None = None

    def last(self) -> Capture | None:
        """The last capture; None where there is none."""
        files = sorted(self._folder.glob("*.jsonl"))
        return self._read(files[-1]) if files else None

    def _read(self, file: Path) -> Capture:
        found: dict[str, Any] = {"settings": "", "mark": None}
        lines: list[Line] = []
        is_over = False
        for text in file.read_bytes().split(b"\n"):
            try:
                told = json.loads(text)
                if "begun" in told:
                    found = {"settings": told["begun"], "mark": told["mark"]}
                elif "over" in told:
                    is_over = True
                else:
                    lines.append(Line(**told))
            except (ValueError, TypeError):
                # empty, or cut off when its process was killed
                continue
        return Capture(file.stem, found["settings"], found["mark"], tuple(lines), is_over)

    def begin(self, settings: str, mark: str | None) -> Capture:
        """A new capture."""
        capture = Capture(datetime.now(UTC).strftime(_STAMP), settings, mark)
        self._append(capture, {"begun": settings, "mark": mark})
        return capture

    def add(self, capture: Capture, position: Mapping[str, Any], page: Page) -> Line:
        """Land a page, then its line."""
        sha, stored = self._store(page.body)
        kept = {name: page.headers[name] for name in self._headers if name in page.headers}
        now = datetime.now(UTC).isoformat()
        line = Line(dict(position), sha, stored, page.status, kept, now)
        self._append(capture, vars(line))
        return line

    def end(self, capture: Capture, deliveries: int) -> None:
        """Say that all that a capture brought has been delivered."""
        self._append(capture, {"over": deliveries})

    def load(self, line: Line) -> bytes | None:
        """The bytes of a page; None where they are not what was landed."""
        try:
            body = self.file(line).read_bytes()
        except OSError:
            return None
        return body if hashlib.sha256(body).hexdigest() == line.sha256 else None

    def file(self, line: Line) -> Path:
        """The file of a page."""
        return self._landing / line.stored

    def _store(self, body: bytes) -> tuple[str, str]:
        sha = hashlib.sha256(body).hexdigest()
        folder = f"{self._source}/{datetime.now(UTC):%Y-%m-%d}"
        if folder != self._made:
            (self._landing / folder).mkdir(parents=True, exist_ok=True)
            self._made = folder
        name = f"{folder}/{sha}{self._ending}"
        target = f"{self._landing}/{name}"
        # a file that was cut off is not what its name says, and is not counted
        try:
            with open(target, "xb", buffering=0) as out:
                _write_all(out, body)
        except FileExistsError:
            if os.stat(target).st_size != len(body):
                Path(target).write_bytes(body)
        return sha, name

    def _append(self, capture: Capture, line: Mapping[str, Any]) -> None:
        """Every line begins anew, which closes what a killed process may have left half written."""
        if self._out is None or self._out[0] != capture.name:
            self.close()
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self._folder / f"{capture.name}.jsonl"
            self._out = capture.name, file.open("ab", buffering=0)
        text = "\n" + json.dumps(line, ensure_ascii=False) + "\n"
        self._out[1].write(text.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Let go of the file that was written to last."""
        if self._out is not None:
            self._out[1].close()
            self._out = None


def _write_all(out: IO[bytes], body: bytes) -> None:
    """Write all of it: the disk may take less at a time."""
    left = memoryview(body)
    while left:
        left = left[out.write(left) :]

"""Sources behind an API: `kind: rest`. Every page lands as received; a whole capture is a delivery.

A capture asks for everything, or for what has changed since the last landed cursor value less the
look-back. Its pages land one by one, so that a killed one goes on at the page after the last one
that landed, and nothing of it is visible until it is whole: then the rows that have not landed as
they are now become one Parquet file, which is landed and loaded as any delivery.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path as File
from typing import TYPE_CHECKING

import duckdb

from ingest.errors import SourceUnreachable, TradewindError
from ingest.rest_client import Api, Glance, Page, Question, Refused, parsed
from ingest.rest_course import Course, Position
from ingest.rest_log import Capture, CaptureLog, Line
from ingest.rest_paths import HEADER, Path
from ingest.rest_rows import PageFile, Rows, Without
from ingest.rest_settings import RestSettings
from ingest.sql import literal, quoted

if TYPE_CHECKING:
    from ingest.company import Source

RESUMED_WITHIN = timedelta(hours=24)
"""How old a capture may be to be gone on with: a server forgets its cursors."""

_ENDINGS = {"json": ".json", "jsonl": ".jsonl", "csv": ".csv"}
_FORGOTTEN = (400, 404, 410, 422)
_FAR = "'9000-01-01'"
_ASKED = {
    "base_url", "path", "params", "headers", "method", "body", "graphql", "pagination", "format",
    "records", "fields", "key", "cursor", "total",
}  # fmt: skip
_TIMES = {"iso": "%Y-%m-%dT%H:%M:%SZ"}
_PER_SECOND = {"epoch": 1, "epoch_ms": 1000}

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Written:
    """A file to be landed under a name."""

    path: str
    file: File


def read(
    source: "Source",
    landing: File,
    landed: Sequence[File],
    numbered: int,
    folder: File,
    told: Told | None = None,
    without: Without | None = None,
) -> Iterator[Written]:
    """Read what is new of a source: its pages land on the way, and its new rows at the end.

    Args:
        source: A source of kind rest.
        landing: The landing folder.
        landed: What is landed of it and live, from first to last.
        numbered: How many names of deliveries it has had.
        folder: Where files are written; each is to be landed before the next is asked for.
        told: Told the records read, and how many the server reports.
        without: Takes the people out who are forgotten: the files are without them.

    Raises:
        SourceUnreachable: The server does not answer, or not with what was asked for.
        TradewindError: The answers are not what the company file says.
    """
    settings = _settings(source)
    log = _log(source, settings, landing)
    with closing(log), Rows(f"source {source.name}", settings, folder, without) as rows:
        capturing = _Capturing(source.name, settings, log, rows, told)
        mark = last_value(source, landed)
        course, capture = capturing.all(mark)
        if settings.removes:
            file = rows.whole(course.begins_at, landed, course.has_duplicates)
            name = f"rest:{source.name}/whole.parquet"
        else:
            file = rows.new_rows(course.begins_at, landed, course.has_duplicates)
            name = f"rest:{source.name}/{numbered + 1:06d}.parquet"
        if file is not None:
            yield Written(name, file)
        log.end(capture, int(file is not None))


def has_more(
    source: "Source", landed: Sequence[File], folder: File, without: Without | None = None
) -> bool:
    """Whether a reading would bring anything: asks until a page shows a row that has not landed.

    Args:
        source: A source of kind rest.
        landed: What is landed of it and live, from first to last.
        folder: For files that go with the process.
        without: Takes the people out who are forgotten.

    Raises:
        SourceUnreachable: The server does not answer.
        TradewindError: The answers are not what the company file says.
    """
    settings = _settings(source)
    mark = last_value(source, landed)
    course = Course(source.name, settings, mark)
    with (
        Api(source.name, settings) as api,
        Rows(source.name, settings, folder, without) as rows,
    ):
        position: Position | None = course.first
        while position is not None:
            asked = position
            page, position = _asked(api, course, asked)
            if page is not None:
                _keep(rows, course, page, folder)
            # after 1, 2, 4, 8 pages: looking at all of them each time would take ever longer
            is_time = position is None or course.pages & (course.pages - 1) == 0
            if is_time and rows.new_rows(course.begins_at, landed, course.has_duplicates):
                return True
        return (
            bool(settings.removes)
            and rows.whole(course.begins_at, landed, course.has_duplicates) is not None
        )


def sample(source: "Source", folder: File) -> File | None:
    """Write the rows of the first page to a Parquet file, to look at; None where it has none."""
    settings = _settings(source)
    course = Course(source.name, settings, settings.start if settings.cursor else None)
    with Api(source.name, settings) as api, Rows(source.name, settings, folder) as rows:
        page, _ = _asked(api, course, course.first)
        if page is None:
            return None
        _keep(rows, course, page, folder)
        return rows.new_rows(0, [], course.has_duplicates)


def _settings(source: "Source") -> RestSettings:
    assert source.rest is not None, "a source of kind rest is checked to have its settings"
    return source.rest


def _log(source: "Source", settings: RestSettings, landing: File) -> CaptureLog:
    paging = settings.pagination
    paths = (settings.total, paging.next, paging.more, paging.pages)
    headers = tuple(str(Path.of(path).header) for path in paths if path and path.startswith(HEADER))
    return CaptureLog(landing, source.name, _ENDINGS[settings.format], headers)


def _asked(
    api: Api, course: Course, position: Position, glance: Glance | None = None
) -> tuple[Page | None, Position | None]:
    """Ask for a page and take it in; the page, if there is one, and where to ask next."""
    try:
        page = api.ask(course.question(position), glance)
    except Refused as refusal:
        if course.ended_early(refusal.status):
            return None, course.end()
        raise
    return page, _next(api, course, position, page)


def _next(api: Api, course: Course, position: Position, page: Page) -> Position | None:
    """Where to ask next; an address of a next page is known to be of the same origin."""
    following = course.feed(position, page)
    return None if following is None else _within_origin(api, course, position, following)


def _within_origin(api: Api, course: Course, position: Position, following: Position) -> Position:
    if "url" not in following:
        return following
    unmasked = api.secrets.unmasked
    at = unmasked(course.question(position).url)
    target = api.checked_next(at, unmasked(following["url"]), "the next page leads")
    return {"url": api.secrets.masked(target)}


def _keep(rows: Rows, course: Course, page: Page, folder: File) -> None:
    """Take a page in that is only looked at."""
    file = folder / f"{os.getpid()}-page{course.pages}"
    file.write_bytes(page.body)
    size = len(page.body) if page.body.strip() else 0
    rows.add(PageFile(course.pages - 1, file, size), course.columns)


# ---------------------------------------------------------------- captures


class _Ahead:
    """Says what to ask after a page that has come and is not parsed yet.

    Attributes:
        guess: The position; None where it cannot be told.
    """

    def __init__(self, api: Api, course: Course, position: Position) -> None:
        self._api, self._course, self._position = api, course, position
        self.guess: Position | None = None

    def __call__(self, page: Page) -> Question | None:
        """The question after a page, as far as it shows it."""
        self.guess = None
        following = self._course.glance(self._position, page)
        if following is None:
            return None
        # an address that leads elsewhere is refused when it is known to be the next one
        with suppress(SourceUnreachable):
            self.guess = _within_origin(self._api, self._course, self._position, following)
        return None if self.guess is None else self._course.question(self.guess)


class _Capturing:
    """The reading of one source, gone on with where one was left."""

    def __init__(
        self, name: str, settings: RestSettings, log: CaptureLog, rows: Rows, told: Told | None
    ) -> None:
        self._name, self._settings, self._log = name, settings, log
        self._rows, self._told = rows, told
        asked = settings.model_dump_json(include=_ASKED)
        self._fingerprint = hashlib.sha256(asked.encode()).hexdigest()

    def all(self, mark: str | None) -> tuple[Course, Capture]:
        """Read to the end; the course that it took, and the capture in the log."""
        left = self._left(mark)
        if left is not None:
            try:
                return self._read(left)
            except Refused as refusal:
                # a server forgets its cursors: from the beginning, once
                if refusal.status not in _FORGOTTEN:
                    raise
                self._rows.forget()
        return self._read(self._log.begin(self._fingerprint, mark))

    def _left(self, mark: str | None) -> Capture | None:
        """The capture that was left half-way and asks for the same."""
        last = self._log.last()
        if last is None or last.is_over or not last.lines:
            return None
        if (last.settings, last.mark) != (self._fingerprint, mark):
            return None
        return last if datetime.now(UTC) - last.begun < RESUMED_WITHIN else None

    def _read(self, capture: Capture) -> tuple[Course, Capture]:
        """One page after the other: each lands while the server makes the next.

        That takes less time than handing it to a thread would; taking it apart is done beside.
        """
        course = Course(self._name, self._settings, capture.mark)
        is_guessing = True
        with Api(self._name, self._settings) as api:
            position = self._replay(api, course, capture)
            while position is not None:
                ahead = _Ahead(api, course, position) if is_guessing else None
                page, following = _asked(api, course, position, ahead)
                # who was wrong once may be so each time
                is_guessing = ahead is not None and ahead.guess in (None, following)
                if following is not None:
                    api.ask_ahead(course.question(following))
                if page is not None:
                    line = self._log.add(capture, position, page)
                    self._take(line, page.body, course)
                position = following
        return course, capture

    def _replay(self, api: Api, course: Course, capture: Capture) -> Position | None:
        """Feed the landed pages again; where to ask next."""
        position: Position | None = course.first
        for line in capture.lines:
            page = self._landed_page(line)
            if page is None or position != line.position:
                break
            position = _next(api, course, line.position, page)
            self._take(line, page.body, course)
        return position

    def _landed_page(self, line: Line) -> Page | None:
        body = self._log.load(line)
        if body is None:
            return None
        is_json = self._settings.format == "json" and body.strip()
        return Page(line.status, line.headers, body, parsed(body) if is_json else None)

    def _take(self, line: Line, body: bytes, course: Course) -> None:
        size = len(body) if body.strip() else 0
        self._rows.add(PageFile(course.pages - 1, self._log.file(line), size), course.columns)
        if self._told is not None:
            self._told(course.records, max(course.total or 0, course.records))


# ---------------------------------------------------------------- from where on


def last_value(source: "Source", files: Sequence[File]) -> str | None:
    """The last landed cursor value, less the look-back, as the server wants it; else `start`.

    Raises:
        TradewindError: The landed values are not what `cursor_format` says.
    """
    settings = _settings(source)
    name = settings.cursor
    if name is None:
        return None
    if not files:
        return settings.start
    connection = duckdb.connect()
    try:
        connection.execute("set TimeZone = 'UTC'")
        held = f"read_parquet({literal([str(file) for file in files])}, union_by_name = true)"
        columns = [row[0] for row in connection.execute(f"describe from {held}").fetchall()]
        if name not in columns:
            raise _no_cursor(source, "is no column of what has landed")
        last, wrong = connection.execute(_last(settings, held)).fetchall()[0]
    finally:
        connection.close()
    if wrong is not None:
        raise _no_cursor(source, f"holds {wrong!r}, which is not {settings.cursor_format}")
    return settings.start if last is None else str(last)


def _last(settings: RestSettings, held: str) -> str:
    """A query for the last value as the server wants it, and one that cannot be read."""
    text = quoted(str(settings.cursor))
    seconds = settings.look_back_seconds
    per_second = _PER_SECOND.get(settings.cursor_format)
    if per_second or settings.cursor_format == "number":
        value = f"try_cast({text} as decimal(38, 6))"
        back = int(settings.look_back) if seconds is None else seconds * (per_second or 1)
        shown = f"cast(cast(floor(max({value})) as hugeint) - {back} as varchar)"
        limited = "true"
    else:
        value = f"try_cast({text} as timestamptz)"
        form = _TIMES.get(settings.cursor_format, settings.cursor_format)
        moment = f"max({value}) filter (where {value} < {_FAR})"
        shown = f"strftime({moment} - to_seconds({seconds or 0}), {literal(form)})"
        limited = f"{text} <> ''"
    return (
        f"select {shown}, min({text}) filter (where {value} is null and {text} is not null "
        f"and {limited}) from {held}"
    )


def _no_cursor(source: "Source", what: str) -> TradewindError:
    return TradewindError(
        f"the cursor {_settings(source).cursor} {what}",
        f"source {source.name}",
        "a column of the records, or one of `fields:`, that grows with every new or changed one",
        "correct `cursor:` and `cursor_format:` of the source",
    )

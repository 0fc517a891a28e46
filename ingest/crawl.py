"""Reading product pages politely: `kind: shop_pages`.

A pass asks for every address once. It begins when the last one began `every` ago, and is gone on
with where a process ended before: the log of pages alone says what is left to do. Hosts are read
side by side, each over one connection, with a pause before every request.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ingest import robots
from ingest.home import Home
from ingest.page_clock import Clock
from ingest.page_log import SETTLED, STAMP, Page, PageLog, Part
from ingest.page_settings import PageSettings, is_address
from ingest.page_urls import (
    SITEMAP_BYTES,
    beginning_of,
    by_host,
    host_of,
    is_wanted,
    listed,
    plain,
    sitemap_entries,
)
from ingest.web import Answer, Client, Limits, WebError, unpack_gzip

if TYPE_CHECKING:
    from ingest.company import Company, Source

_HOSTS_AT_ONCE = 8
_PASSES_LOOKED_AT = 7
# a schedule that comes a little early is on time
_EARLY = 0.9
_REDIRECTS = (301, 302, 303, 307, 308)
_HOPS = 5
_LATER = (408, 425, 429, 500, 502, 503, 504)
_GONE = (404, 410)
_LONGEST_WAIT_S = 120.0
AGAIN_AFTER = timedelta(minutes=10)
"""How long what failed, and a host that stopped, is left alone before a later run tries again."""

_FAILURES_IN_A_ROW = 10
_SITEMAPS = 1000
_SITEMAP_URLS = 500_000
_GZIP = b"\x1f\x8b"
_NO_PAGE = ("image/", "video/", "audio/", "font/", "application/pdf", "application/zip")
_END_OF_PAGE = b"</html"

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Report:
    """What one process fetched of one pass.

    Attributes:
        part: Where it stands in the log; None where nothing was to do.
        outcomes: Pages by outcome.
        stopped: Hosts that were not read to their end, and why.
    """

    part: Part | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)

    @property
    def reached_nothing(self) -> bool:
        """Whether some host stopped and no page of any was seen."""
        seen = sum(self.outcomes.get(name, 0) for name in ("landed", "unchanged", "gone"))
        return bool(self.stopped) and not seen

    @classmethod
    def of(cls, log: PageLog, part: Part) -> "Report":
        """What the log says of a part."""
        outcomes: Counter[str] = Counter()
        stopped: dict[str, str] = {}
        for page in log.read(part):
            if page.outcome == "stopped":
                stopped[host_of(page.url)] = page.reason or ""
            elif page.outcome in (*SETTLED, "failed"):
                outcomes[page.outcome] += 1
        return cls(part, outcomes, stopped)


@dataclass
class _Left:
    """What the log says about a pass: what is left to do of it."""

    part: Part
    settled: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    pages: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)


def is_due(source: "Source", company: "Company", home: Home, now: datetime | None = None) -> bool:
    """Whether a new pass is due, or one is left unfinished. Asks nobody.

    Raises:
        SourceUnreachable: The file of addresses, or the clock's, cannot be read.
    """
    settings = _settings(source)
    log = PageLog(home.landing, source.name)
    left = _left(log, settings, now or Clock.of(source, company).now())
    if not any(part.pass_id == left.part.pass_id for part in log.parts()):
        return True
    hosts = by_host(listed(source, company, home))
    pending = any(
        url not in left.settled and url not in left.failed
        for host, urls in hosts.items()
        if left.pages[host] < settings.max_pages and host not in left.stopped
        for url in urls
    )
    ended = left.done | set(left.stopped)
    return pending or any(host_of(url) not in ended for url in settings.sitemaps)


def waiting_pass(source: "Source", home: Home) -> str:
    """A name for what is due: the same until something of it was read."""
    parts = PageLog(home.landing, source.name).parts()
    return f"after {parts[-1].name}" if parts else "first"


def capture(source: "Source", company: "Company", home: Home, told: Told | None = None) -> Report:
    """Fetch what is due, each page landed before the next is asked for.

    Args:
        source: A source of kind shop_pages.
        company: Its company.
        home: Where to land.
        told: Told the pages done and to do.

    Raises:
        SourceUnreachable: The file of addresses, or the clock's, cannot be read.
    """
    settings = _settings(source)
    log = PageLog(home.landing, source.name)
    clock = Clock.of(source, company)
    now = clock.now()
    left = _left(log, settings, now)
    known = _known(log)
    hosts = by_host([*listed(source, company, home), *left.failed])
    maps = by_host(url for url in settings.sitemaps if host_of(url) not in left.done)
    resting = {url for url, at in left.failed.items() if _is_recent(at, now)} | left.settled
    run = _Capture(settings, log, left, known, _Progress(told), clock)
    work = [
        (host, [url for url in hosts.get(host, []) if url not in resting], maps.get(host, []))
        for host in {**hosts, **maps}
        if not _is_recent(left.stopped.get(host), now)
    ]
    report = run.all(work)
    begun = [part for part in log.parts() if part.pass_id == left.part.pass_id]
    return Report.of(log, begun[-1]) if report is None and begun else report or Report()


def _is_recent(at: str | None, now: datetime) -> bool:
    return at is not None and now - datetime.fromisoformat(at) < AGAIN_AFTER


def _settings(source: "Source") -> PageSettings:
    assert source.pages is not None, "a source of shop_pages is checked to have them"
    return source.pages


def _left(log: PageLog, settings: PageSettings, now: datetime) -> _Left:
    """What is left of the pass that is to be gone on with, or of a new one: everything."""
    stamp = _stamp(log, now)
    passes = log.passes()
    begun = datetime.strptime(passes[-1], STAMP).replace(tzinfo=UTC) if passes else None
    if begun is None or now - begun >= settings.span * _EARLY:
        return _Left(Part(stamp, stamp))
    left = _Left(Part(passes[-1], stamp))
    for page in log.read_pass(passes[-1]):
        _note(left, page)
    return left


def _stamp(log: PageLog, now: datetime) -> str:
    """A name for a part, later than all before it, even where the clock stands still."""
    parts = log.parts()
    if parts:
        last = datetime.strptime(parts[-1].part_id, STAMP).replace(tzinfo=UTC)
        now = max(now, last + timedelta(microseconds=1))
    return now.strftime(STAMP)


def _note(left: _Left, page: Page) -> None:
    host = host_of(page.url)
    left.sent[host] += page.sent_bytes
    if page.outcome == "done":
        left.done.add(host)
        left.stopped.pop(host, None)
    elif page.outcome == "stopped":
        left.stopped[host] = page.fetched_at
    elif page.outcome in SETTLED:
        left.settled.add(page.url)
        left.failed.pop(page.url, None)
        left.pages[host] += 1
    elif page.outcome == "failed":
        left.failed[page.url] = page.fetched_at


def _known(log: PageLog) -> dict[str, Page]:
    """The last page of each address that was landed not long ago."""
    recent = log.passes()[-_PASSES_LOOKED_AT:]
    found: dict[str, Page] = {}
    for part in log.parts():
        if part.pass_id in recent:
            for page in log.read(part):
                if page.outcome in ("landed", "unchanged"):
                    found[page.url] = page
    return found


class _Progress:
    """Adds up over hosts what is done and to do."""

    def __init__(self, told: Told | None) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._done = self._total = 0

    def add(self, done: int = 0, total: int = 0) -> None:
        """Tell of more that is done, or is to do."""
        with self._lock:
            self._done += done
            self._total += total
            if self._told is not None:
                self._told(self._done, self._total)


class _Stopped(Exception):
    """A host is left alone for the rest of this pass, or until the next run."""


@dataclass
class _Capture:
    """One process's share of a pass, over all hosts."""

    settings: PageSettings
    log: PageLog
    left: _Left
    known: Mapping[str, Page]
    progress: _Progress
    clock: Clock
    over: threading.Event = field(default_factory=threading.Event)

    def all(self, work: list[tuple[str, list[str], list[str]]]) -> Report | None:
        """Read every host that has something left, side by side; None where none has."""
        crawls = []
        for host, urls, maps in work:
            due = list(dict.fromkeys(urls))
            if due or maps:
                crawls.append(_Host(self, host, self.longest_ago_first(due), maps))
        if not crawls:
            return None
        with ThreadPoolExecutor(min(_HOSTS_AT_ONCE, len(crawls))) as pool:
            try:
                list(pool.map(_Host.read, crawls))
            except BaseException:
                # one that fails ends all: they stop at their next request
                self.over.set()
                raise
        return Report.of(self.log, self.left.part)

    def longest_ago_first(self, urls: list[str]) -> list[str]:
        """So that a budget too small for all of them goes round."""
        return sorted(urls, key=lambda url: self.known[url].fetched_at if url in self.known else "")


class _Host:
    """The reading of one host: robots, pauses, budget, attempts."""

    def __init__(self, run: _Capture, name: str, urls: list[str], maps: list[str]) -> None:
        self.run, self.name, self.urls, self.maps = run, name, urls, maps
        self.why = ""
        settings = run.settings
        own = settings.host(name).delay
        self._delay = settings.delay if own is None else own
        self._began = time.monotonic()
        self._last = float("-inf")
        self._rules = robots.Robots()
        self._in_a_row = 0
        limits = Limits(silence_s=min(30, settings.page_seconds), total_s=settings.page_seconds)
        self._client = Client(settings.user_agent, settings.allow_private_addresses, limits)
        first = next(iter([*urls, *maps]))
        self._beginning = beginning_of(first)

    def read(self) -> None:
        """Read what is left, page by page, and say in the log how it ended."""
        with self._client:
            try:
                self._rules = self._robots()
                self._delay = max(self._delay, self._rules.delay_s)
                mapped = self._mapped()
                todo = self.run.longest_ago_first(mapped) if mapped else []
                todo = [*self.urls, *todo]
                self.run.progress.add(total=len(todo))
                for number, url in enumerate(todo):
                    self._check_budget(len(todo) - number)
                    self._read_page(url)
                    self.run.progress.add(done=1)
            except _Stopped as stopped:
                self.why = str(stopped)
        self._log(self._line(self._beginning + "/", "stopped" if self.why else "done", self.why))

    # ---------------------------------------------------------------- robots and sitemaps

    def _robots(self) -> robots.Robots:
        """The host's rules: none where it has no file; it is left alone where it cannot tell."""
        url = self._beginning + "/robots.txt"
        try:
            answer = self._asked(url, {}, robots.MAX_BYTES * 4, is_robots=True)
        except WebError as error:
            raise _Stopped(f"robots.txt could not be read: {error.reason}") from error
        if answer.status == 200:
            return robots.parse(answer.body)
        if 400 <= answer.status < 500 and answer.status not in _LATER:
            return robots.Robots()
        raise _Stopped(f"robots.txt could not be read: status {answer.status}")

    def _mapped(self) -> list[str]:
        """The addresses of the host's sitemaps that are to be read and are not listed already."""
        if not self.maps:
            return []
        skip = {*self.urls, *self.run.left.settled}
        found: dict[str, None] = {}
        for location in self._locations():
            if is_wanted(location, self.run.settings) and host_of(location) == self.name:
                url = plain(location)
                if url not in skip:
                    found[url] = None
            if len(found) >= _SITEMAP_URLS:
                break
        return list(found)

    def _locations(self) -> Iterator[str]:
        waiting, seen = [*self.maps], set(self.maps)
        while waiting:
            url = waiting.pop(0)
            pages, indexes = self._sitemap(url)
            yield from pages
            for each in indexes:
                is_new = each not in seen and len(seen) < _SITEMAPS
                if is_new and is_wanted(each, self.run.settings.model_copy(update={"include": []})):
                    seen.add(each)
                    if host_of(each) == self.name:
                        waiting.append(plain(each))

    def _sitemap(self, url: str) -> tuple[list[str], list[str]]:
        try:
            answer = self._asked(url, {}, SITEMAP_BYTES)
            if answer.status != 200:
                raise WebError(f"status {answer.status}")
            body = answer.body
            if body.startswith(_GZIP):
                body = unpack_gzip(body, SITEMAP_BYTES)
        except WebError as error:
            raise _Stopped(f"the sitemap {url} could not be read: {error.reason}") from error
        self._log(self._line(url, "sitemap", None, answer))
        return sitemap_entries(body)

    # ---------------------------------------------------------------- pages

    def _check_budget(self, left: int) -> None:
        """Stop where the pass has had of this host what it may have."""
        settings, pass_so_far = self.run.settings, self.run.left
        minutes = (time.monotonic() - self._began) / 60
        for so_far, limit, what in (
            (pass_so_far.pages[self.name], settings.max_pages, "max_pages"),
            (pass_so_far.sent[self.name], settings.max_bytes, "max_bytes"),
            (minutes, settings.max_minutes, "max_minutes"),
        ):
            if so_far >= limit:
                raise _Stopped(f"{what} of {limit:g} is used up; {left:,} addresses are left")

    def _read_page(self, url: str) -> None:
        known = self.run.known.get(url)
        known = known if known is not None and self.run.log.has(known) else None
        try:
            page = self._judged(url, self._asked(url, _conditions(known)), known)
        except WebError as error:
            outcome = "failed" if error.is_worth_another else "refused"
            page = self._line(url, outcome, error.reason)
        self._log(page)
        self._in_a_row = self._in_a_row + 1 if page.outcome == "failed" else 0
        if self._in_a_row >= _FAILURES_IN_A_ROW:
            raise _Stopped(f"{self._in_a_row} pages in a row failed, the last: {page.reason}")

    def _judged(self, url: str, answer: Answer, known: Page | None) -> Page:
        """What an answer says about a page; a whole page is on disk when this returns."""
        if answer.status == 304 and known is not None:
            return replace(
                known,
                fetched_at=self._now(),
                outcome="unchanged",
                status=304,
                sent_bytes=0,
                reason=None,
            )
        if answer.status in _GONE:
            return self._line(url, "gone", f"status {answer.status}", answer)
        if answer.status != 200:
            outcome = "failed" if answer.status in (*_LATER, 304) else "refused"
            return self._line(url, outcome, f"status {answer.status}", answer)
        reason = _no_whole_page(answer)
        if reason is not None:
            return self._line(url, *reason, answer)
        sha, stored = self.run.log.store(answer.body)
        outcome = "unchanged" if known is not None and known.sha256 == sha else "landed"
        page = self._line(url, outcome, None, answer)
        return replace(page, sha256=sha, stored=stored)

    def _asked(
        self,
        url: str,
        headers: Mapping[str, str],
        max_bytes: int | None = None,
        is_robots: bool = False,
    ) -> Answer:
        """Ask, and ask again after a pause where it may help; redirects are followed.

        Raises:
            WebError: It never came whole, or may not be asked for.
        """
        attempts = self.run.settings.attempts
        for attempt in range(1, attempts + 1):
            try:
                answer = self._followed(url, headers, max_bytes, is_robots)
            except WebError as error:
                if not error.is_worth_another or attempt == attempts:
                    raise
                wait = 0.0
            else:
                if answer.status not in _LATER or attempt == attempts:
                    return answer
                wait = _asked_to_wait(answer)
            backoff = min(self._delay * 2**attempt, max(self._delay, _LONGEST_WAIT_S))
            self._pause(max(wait, backoff))
        raise AssertionError("the last attempt returns or raises")

    def _followed(
        self, url: str, headers: Mapping[str, str], max_bytes: int | None, is_robots: bool
    ) -> Answer:
        """Ask, and follow redirects within the host, every hop held against the same rules."""
        seen: set[str] = set()
        at = url
        while True:
            self._check_hop(url, at, seen, is_robots)
            seen.add(at)
            self._pause_between()
            try:
                answer = self._client.get(at, headers, max_bytes)
            finally:
                self._last = time.monotonic()
            self.run.left.sent[self.name] += answer.sent_bytes
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            try:
                at = urljoin(at, location)
            except ValueError as error:
                raise WebError("it redirects to an address that cannot be read", False) from error

    def _check_hop(self, url: str, at: str, seen: set[str], is_robots: bool) -> None:
        if not is_address(at) and at != url:
            raise WebError("it redirects to what is no address of a page", False)
        host, scheme = host_of(at), urlsplit(at).scheme
        if host != self.name:
            raise WebError(f"it redirects off the host, to {scheme}://{host}", False)
        if urlsplit(url).scheme == "https" and scheme == "http":
            raise WebError("it redirects to an address without encryption", False)
        if at in seen or len(seen) > _HOPS:
            raise WebError("it redirects in a circle", False)
        if not is_robots and not self._rules.allows(at):
            raise WebError("robots.txt asks not to read it", False)

    # ---------------------------------------------------------------- time and log

    def _pause_between(self) -> None:
        self._pause(self._last + self._delay - time.monotonic())

    def _pause(self, seconds: float) -> None:
        """Wait, no longer than the pass may last, and not at all where everything is to end."""
        if seconds > _LONGEST_WAIT_S and seconds > self._delay:
            raise _Stopped(f"it asks to come back in {seconds:.0f} s")
        left = self._began + 60 * self.run.settings.max_minutes - time.monotonic()
        if seconds > max(left, 0):
            raise _Stopped(f"max_minutes of {self.run.settings.max_minutes:g} is used up")
        if self.run.over.wait(max(seconds, 0)):
            raise _Stopped("the reading was ended")

    def _line(
        self, url: str, outcome: str, reason: str | None, answer: Answer | None = None
    ) -> Page:
        if answer is None:
            return Page(url, self._now(), outcome, reason or None)
        headers = answer.headers
        return Page(
            url, self._now(), outcome, reason, answer.status,
            sent_bytes=answer.sent_bytes,
            final_url=None if answer.url == url else answer.url,
            etag=headers.get("etag"),
            last_modified=headers.get("last-modified"),
            content_type=headers.get("content-type"),
        )  # fmt: skip

    def _now(self) -> str:
        return self.run.clock.now().isoformat()

    def _log(self, page: Page) -> None:
        self.run.log.append(self.run.left.part, page)
        if page.outcome in SETTLED:
            self.run.left.pages[self.name] += 1


def _conditions(known: Page | None) -> dict[str, str]:
    """Headers that ask for a page only where it has changed."""
    if known is None:
        return {}
    asked = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in asked.items() if value}


def _no_whole_page(answer: Answer) -> tuple[str, str] | None:
    """Outcome and reason where an answer of status 200 is no whole page."""
    kind = answer.headers.get("content-type", "").lower()
    if kind.startswith(_NO_PAGE):
        return "refused", f"it is no page but {kind.split(';')[0]}"
    if not answer.body.strip():
        return "failed", "it is empty"
    if not answer.is_framed and _END_OF_PAGE not in answer.body[-1024:].lower():
        return "failed", "it may be cut off: neither a length nor an end of the page came"
    return None


def _asked_to_wait(answer: Answer) -> float:
    """Seconds of a Retry-After header: a number or a date; 0 where there is none."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def summary(source: "Source", home: Home) -> Counter[tuple[str, str]]:
    """How many addresses of the last pass ended how, and why; of each its last line counts."""
    log = PageLog(home.landing, source.name)
    passes = log.passes()
    last: dict[str, tuple[str, str]] = {}
    for page in log.read_pass(passes[-1]) if passes else ():
        last[page.url] = (page.outcome, page.reason or "")
    return Counter(ended for ended in last.values() if ended[0] not in ("done", "sitemap"))


def noticed(source: "Source", home: Home) -> list[str]:
    """Sentences about what was not read in the last pass, the most frequent first."""
    return [
        f"{count:,} {'host' if outcome == 'stopped' else 'addresses'} {outcome}: {reason}"
        for (outcome, reason), count in summary(source, home).most_common()
        if outcome not in ("landed", "unchanged")
    ]

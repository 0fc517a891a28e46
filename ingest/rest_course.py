"""Which page of an API comes next, and whether all that came is all there is.

A course is fed with the pages in the order in which they landed, and says what to ask for next. It
looks at nothing else, so that a reading that was killed goes on where it stopped: the landed pages
are fed again.

Rows may move between pages while they are read. By offset each page is asked for with one record
of the page before it, and where that has gone the reading goes back. By page the records are held
against the total that the server reports, or, where it reports none, read until two readings agree.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import orjson

from ingest.errors import SourceUnreachable, TradewindError
from ingest.rest_client import Page, Question, exactly
from ingest.rest_glance import UNTOLD, glanced, looks_good
from ingest.rest_paths import Path
from ingest.rest_settings import CURSOR, RestSettings

Position = Mapping[str, Any]
"""What tells a page from the others: `page`, `offset`, `cursor` or `url`, secrets masked."""

_JUMPS = 100
_STALE_PAGES = 2
_EMPTY_PAGES = 3
_WHOLE_TO = 2.0**63
_NO_POINTER = (None, "", False)
READINGS = 5
"""How often a list that moves is read before the reading ends with an error."""


class Course:
    """The way through the pages of one capture.

    Attributes:
        pages: Pages that were fed.
        records: Distinct records so far, by key where there is one.
        total: What the server last reported; None where it reports none.
        begins_at: Number of the first page that counts: a list from which something went while it
            was read is begun anew.
        has_duplicates: Whether a record came more than once.
        columns: Names of the records' own columns, in the order in which they came.
    """

    def __init__(self, name: str, settings: RestSettings, mark: str | None) -> None:
        self._settings = settings
        self._where = f"source {name}: {settings.address}"
        self._mark = mark
        self._paging = settings.pagination
        self._record = Path.of(settings.records)
        self._inner = Path(self._record.steps[len(self._record.levels[0]) + 1 :])
        self._keys = [_key_path(settings, self._record, name) for name in settings.key]
        self.pages = 0
        self.columns: dict[str, None] = {}
        self._body_bytes = 0
        self._reading = 1
        self._gaps = False
        self._begin()

    def _begin(self) -> None:
        """Forget what came before."""
        self.begins_at = self.pages
        self.records = 0
        self.total: int | None = None
        self._largest = 0
        self.has_duplicates = False
        self._seen: set[int] = set()
        self._begin_reading()

    def _begin_reading(self) -> None:
        self._asked_for: set[str] = set()
        self._sizes: list[int] = []
        self._has_met = self._is_unsure = False
        self._stale = self._jumps = 0
        self._before: list[int] = []

    # ---------------------------------------------------------------- questions

    @property
    def first(self) -> Position:
        """Where a reading begins."""
        kind = self._paging.kind
        if kind in ("page", "offset"):
            default = 1 if kind == "page" else 0
            first = self._paging.first
            return {kind: default if first is None else first}
        return {}

    def question(self, position: Position) -> Question:
        """What to ask for at a position."""
        settings = self._settings
        own: dict[str, Any] = {}
        value = next(iter(position.values()), None)
        if value is not None and "url" not in position:
            own[str(self._paging.param)] = value
        if self._paging.size_param:
            own[self._paging.size_param] = self._paging.size
        is_posted = settings.graphql is not None or settings.body is not None
        method = settings.method or ("POST" if is_posted else "GET")
        url = position.get("url") or self._settings.address
        params = {} if "url" in position else self._with_mark(dict(settings.params))
        if not is_posted:
            params |= {name: str(held) for name, held in own.items() if "url" not in position}
            return Question(url, method, params)
        return Question(url, method, params, self._body(own))

    def _body(self, own: dict[str, Any]) -> Any:
        graphql = self._settings.graphql
        if graphql is not None:
            variables = self._with_mark(_typed(graphql.variables))
            return {"query": graphql.query, "variables": {**variables, **own}}
        body = self._settings.body or {}
        held = json.loads(body[""]) if "" in body else _typed(body)
        return {**self._with_mark(held), **own}

    def _with_mark(self, values: Any) -> Any:
        """Values with the cursor filled in; without one, what would hold it is left out."""
        if isinstance(values, dict):
            return {
                name: self._with_mark(value)
                for name, value in values.items()
                if not (isinstance(value, str) and CURSOR in value and self._mark is None)
            }
        if isinstance(values, list):
            return [self._with_mark(value) for value in values]
        return values.replace(CURSOR, str(self._mark)) if isinstance(values, str) else values

    # ---------------------------------------------------------------- feeding

    def feed(self, position: Position, page: Page) -> Position | None:
        """Take a page in.

        Returns:
            Where to ask next; None where all has been read.

        Raises:
            SourceUnreachable: The pages do not come to an end, or not to what the server reports.
            TradewindError: A page does not hold records where they should be.
        """
        self.pages += 1
        if self.pages > self._settings.max_pages:
            raise self._lost(f"more than {self._settings.max_pages:,} pages came")
        self._body_bytes = len(page.body)
        elements = self.elements(page)
        self._check_whole(page)
        self._note_total(page)
        keys = self._keys_of(page, elements)
        if self._has_jumped(position, keys):
            return self._further_back(position)
        self._note(elements, keys)
        if self._stale >= _STALE_PAGES:
            raise self._lost(
                f"the same records come again and again: the server may not know the parameter "
                f"{self._paging.param}"
            )
        following = self._following(position, page, elements)
        return following if following is not None else self._judge()

    def elements(self, page: Page) -> list[Any]:
        """The records of a page, before those that hold lists are taken apart."""
        if page.status == 204 or not page.body.strip():
            return []
        if self._settings.format != "json":
            return self._lines(page.body.decode(self._settings.encoding, "replace"))
        found = page.content
        for key in self._record.levels[0]:
            if not isinstance(found, dict) or key not in found:
                raise self._no_records()
            found = found[key]
        if found is None:
            return []
        if not isinstance(found, list):
            raise self._no_records()
        return found

    def _check_whole(self, page: Page) -> None:
        """Refuse a page on which a list inside a record was cut off: its rest would be lost."""
        path = self._settings.cut_off
        if path and any(value is True for value in Path.of(path).values(page.content)):
            raise TradewindError(
                f"a list inside a record was cut off: {path} is true",
                self._where,
                "records that hold all their lines",
                "ask for longer lists (a variable or parameter of the request) and fewer records "
                "a page",
            )

    def _lines(self, text: str) -> list[Any]:
        if self._settings.format == "jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        delimiter = self._settings.delimiter or ","
        return list(csv.DictReader(io.StringIO(text.lstrip("\ufeff")), delimiter=delimiter))

    def _no_records(self) -> TradewindError:
        return TradewindError(
            f"the answer has no list of records at {self._settings.records}",
            self._where,
            "a list there",
            "correct `records:` of the source: the keys on the way to the list, joined by dots, "
            "and [] where the list is; `[]` alone where the answer is the list",
        )

    def _note_total(self, page: Page) -> None:
        path = self._settings.total
        found = Path.of(path).value(page.content, page.headers) if path else None
        if found is None:
            return
        try:
            self.total = int(str(found))
        except ValueError:
            raise self._lost(f"the total {str(found)[:40]!r} is no number") from None
        self._largest = max(self._largest, self.total)

    def _keys_of(self, page: Page, elements: list[Any]) -> list[int]:
        """A number for the key of each record: the same key is the same number."""
        if not self._keys:
            return []
        columns = [_each_value(path, elements) for path in self._keys]
        if page.content is not None and any(map(_is_rounded, chain(*columns))):
            exact = self.elements(_exact(page))
            columns = [_each_value(path, exact) for path in self._keys]
        if any(value is None for value in chain(*columns)):
            raise self._unkeyed("a record without it")
        found = [hash(_written(values)) for values in zip(*columns, strict=True)]
        if len(set(found)) < len(found):
            raise self._unkeyed("two records of a page with the same one")
        return found

    def _unkeyed(self, what: str) -> TradewindError:
        key = ", ".join(self._settings.key)
        return TradewindError(
            f"the key {key} names no record: there is {what}",
            self._where,
            "columns that name one record of the list that comes in pages",
            "correct `key:` of the source",
        )

    def _note(self, elements: list[Any], keys: list[int]) -> None:
        """Count records, and see what their columns are."""
        records = [each for each in self._records_of(elements) if type(each) is dict]
        # most pages bring no new name, which is quickly seen
        if not set().union(*records) <= self.columns.keys():
            for record in records:
                self.columns.update(dict.fromkeys(record))
        if not self._keys:
            self.records += len(elements)
            return
        new = [key for key in keys if key not in self._seen]
        self.has_duplicates = self.has_duplicates or len(new) < len(keys)
        self._watch(keys)
        self._seen.update(new)
        self.records = len(self._seen)
        self._stale = self._stale + 1 if keys and keys == self._before else 0
        self._before = keys

    def _records_of(self, elements: list[Any]) -> Iterable[Any]:
        """What becomes rows: the elements themselves, or what stands inside them."""
        if not self._inner.steps:
            return elements
        return (record for element in elements for record in self._inner.values(element))

    def _watch(self, keys: list[int]) -> None:
        """In a second reading: was a record missed between two that were seen before?

        Records that come before all others, or after them, have only just arrived.
        """
        for key in keys if self._reading > 1 else ():
            if key in self._seen:
                self._gaps = self._gaps or self._is_unsure
                self._has_met, self._is_unsure = True, False
            else:
                self._is_unsure = self._has_met

    # ---------------------------------------------------------------- what may follow

    def glance(self, position: Position, page: Page) -> Position | None:
        """Where `feed` will probably say to ask next, from what a page shows before it is parsed.

        Args:
            position: Where the page was asked for.
            page: The page, without its content.

        Returns:
            A position; None where that is not to be told, or nothing may follow.
        """
        paging = self._paging
        if self._settings.format == "json" and not looks_good(page.body, self._settings.throttle):
            return None
        if paging.more and not self._is_said_to_go_on(paging.more, page):
            return None
        if paging.kind in ("page", "offset"):
            return self._glanced_further(position, page)
        if paging.kind == "link":
            value = _next_link(page.headers.get("link", ""))
        else:
            value = glanced(paging.next, page) if paging.next else None
        if value is UNTOLD or value in _NO_POINTER or self._is_known(position, str(value)):
            return None
        return self._pointed_to(value)

    def _is_said_to_go_on(self, path: str, page: Page) -> bool:
        found = glanced(path, page)
        return found is not UNTOLD and found is not None and _is_yes(found)

    def _glanced_further(self, position: Position, page: Page) -> Position | None:
        """The next page or offset, if this page is as full as the one before it."""
        kind = self._paging.kind
        count = self._paging.size or (self._sizes[-1] if self._sizes else 0)
        if not count or not self._is_probably_followed(position, page, count):
            return None
        step = 1 if kind == "page" else max(1, count - 1)
        return {kind: position[kind] + step}

    def _is_probably_followed(self, position: Position, page: Page, count: int) -> bool:
        if self._paging.more:
            return True
        path = self._paging.pages
        if path:
            number = position["page"] - self.first["page"] + 1 if "page" in position else 0
            return number > 0 and number < _number(glanced(path, page))
        if self._settings.total:
            return self.records + count < _number(glanced(self._settings.total, page))
        # an empty page ends the list, and is short
        return 2 * len(page.body) > self._body_bytes

    # ---------------------------------------------------------------- what follows

    def _has_jumped(self, position: Position, keys: list[int]) -> bool:
        """Whether a page by offset does not begin with what was read before it."""
        offset = position.get("offset")
        if offset is None or offset <= self.first["offset"] or not any(self._sizes[-1:]):
            return False
        return bool(keys) and keys[0] not in self._seen

    def _further_back(self, position: Position) -> Position:
        self._jumps += 1
        if self._jumps > _JUMPS:
            raise self._lost("the records move faster than they can be read")
        step = max(1, (self._paging.size or 2) - 1)
        return {"offset": max(self.first["offset"], position["offset"] - step)}

    def _following(self, position: Position, page: Page, elements: list[Any]) -> Position | None:
        kind = self._paging.kind
        count = len(elements)
        self._sizes.append(count)
        if kind == "page":
            return self._next_page(position, page, count)
        if kind == "offset":
            return self._next_offset(position, page, count)
        if kind == "none":
            return None
        more = self._more(page)
        if more is False:
            return None
        value = self._pointer(page, elements)
        if value in _NO_POINTER:
            if more:
                raise self._lost("the answer says that there is more, and not where")
            return None
        name, text = self._pointer_name, str(value)
        if self._is_known(position, text):
            if not count:
                return None
            raise self._lost(f"it leads in a circle: {name} {text[:80]!r} came a second time")
        self._asked_for.add(text)
        return self._pointed_to(value)

    @property
    def _pointer_name(self) -> str:
        return "cursor" if self._paging.kind == "cursor" else "url"

    def _pointed_to(self, value: Any) -> Position:
        name = self._pointer_name
        return {name: value if name == "cursor" else str(value)}

    def _is_known(self, position: Position, text: str) -> bool:
        return text in self._asked_for or text == str(position.get(self._pointer_name))

    def _pointer(self, page: Page, elements: list[Any]) -> Any:
        """The next cursor or address, as the answer gives it."""
        value = self._pointed(page, elements)
        if page.content is None or not _is_rounded(value):
            return value
        exact = _exact(page)
        return self._pointed(exact, self.elements(exact))

    def _pointed(self, page: Page, elements: list[Any]) -> Any:
        paging = self._paging
        if paging.kind == "link":
            return _next_link(page.headers.get("link", ""))
        if paging.next:
            return Path.of(paging.next).value(page.content, page.headers)
        return Path.of(str(paging.last)).value(elements[-1]) if elements else None

    def _more(self, page: Page) -> bool | None:
        path = self._paging.more
        found = Path.of(path).value(page.content, page.headers) if path else None
        return None if found is None else _is_yes(found)

    def _is_end(self, page: Page, number: int, is_empty: bool) -> bool:
        """Whether a page by number or offset is the last one."""
        more = self._more(page)
        if more is not None:
            return not more
        path = self._paging.pages
        pages = Path.of(path).value(page.content, page.headers) if path else None
        if pages is not None:
            return number >= int(str(pages))
        if self.total is not None and self.records >= max(self.total, self._largest):
            return True
        return is_empty and self._ends_after_empty()

    def _ends_after_empty(self) -> bool:
        """Whether nothing is to be expected after an empty page: one may stand in the middle."""
        if self.total is not None and self.records < self.total:
            return len(self._sizes) >= _EMPTY_PAGES and not any(self._sizes[-_EMPTY_PAGES:])
        full = self._paging.size or max(self._sizes)
        return len(self._sizes) == 1 or self._sizes[-2] < full

    def _next_page(self, position: Position, page: Page, count: int) -> Position | None:
        first = self.first["page"]
        if self._is_end(page, position["page"] - first + 1, not count):
            return None
        return {"page": position["page"] + 1}

    def _next_offset(self, position: Position, page: Page, count: int) -> Position | None:
        first, offset = self.first["offset"], position["offset"]
        size = self._paging.size or 1
        overlap = 1 if offset > first else 0
        is_empty = count <= overlap
        if is_empty:
            self._sizes[-1] = 0
        number = (offset - first) // size + 1
        if self._is_end(page, number, is_empty):
            return None
        # one record of this page again, which shows whether the rows have moved
        step = count - 1 if count > 1 else size
        return {"offset": offset + max(1, step)}

    def ended_early(self, status: int) -> bool:
        """Whether a status means that the page before was the last one."""
        return self._paging.end_status == status and self.pages > self.begins_at

    def end(self) -> Position | None:
        """Take in that there is no further page; where to ask next, or None."""
        return self._judge()

    # ---------------------------------------------------------------- is it all?

    def _judge(self) -> Position | None:
        """At the end of a reading: None where all is there, or where to read again."""
        kind, total = self._paging.kind, self.total
        if total is not None:
            if self._is_complete(total):
                return None
            said = f"the server reports {total:,} records, and {self.records:,} came"
            if kind == "none":
                raise self._lost(said)
            return self._again(said, anew=self.records > total or self._largest > total)
        is_moving = kind == "page" and (self._reading > 1 or self._has_several())
        if not is_moving:
            return None
        if self._reading > 1 and not self._gaps:
            return None
        return self._again("the records move between the pages while they are read", anew=False)

    def _has_several(self) -> bool:
        return sum(size > 0 for size in self._sizes) > 1

    def _is_complete(self, total: int) -> bool:
        if self._paging.kind in ("cursor", "offset"):
            # what went while it was read was read, and moved nothing out of sight
            return total <= self.records <= self._largest
        return self.records == total == self._largest

    def _again(self, said: str, anew: bool) -> Position:
        self._reading += 1
        if self._reading > READINGS:
            raise self._lost(f"{said}, {READINGS} times")
        self._gaps = False
        if anew or not self._keys:
            self._begin()
        else:
            self._begin_reading()
            self._largest = 0
        return self.first

    def _lost(self, what: str) -> SourceUnreachable:
        return SourceUnreachable(
            f"the pages could not be read to their end: {what}",
            self._where,
            "pages that come to an end, with as many records as the server reports",
            "correct `pagination:`, `total:` or `key:` of the source, or run again when less "
            "changes",
        )


def _is_yes(found: Any) -> bool:
    return str(found).lower() not in ("false", "0", "no", "")


def _number(found: Any) -> int:
    """A number that was glanced at; 0 where it is none."""
    return int(found) if str(found).isascii() and str(found).isdigit() else 0


def _next_link(header: str) -> str | None:
    from requests.utils import parse_header_links

    for link in parse_header_links(header) if header else ():
        if "next" in str(link.get("rel", "")).lower().split():
            return str(link["url"])
    return None


def _each_value(path: Path, elements: list[Any]) -> list[Any]:
    """The value at a path in each element; most paths are one key."""
    if len(path.steps) != 1 or path.steps[0] is None:
        return [path.value(element) for element in elements]
    name = path.steps[0]
    return [each.get(name) if type(each) is dict else None for each in elements]


def _is_rounded(value: Any) -> bool:
    """Whether a number may have been whole, and of more digits than it has now."""
    return type(value) is float and abs(value) >= _WHOLE_TO


def _exact(page: Page) -> Page:
    return replace(page, content=exactly(page.body))


def _written(values: Any) -> bytes:
    try:
        return orjson.dumps(values)
    except TypeError:
        # a whole number of more than 64 bits, or half a surrogate pair
        return json.dumps(values).encode()


def _key_path(settings: RestSettings, record: Path, name: str) -> Path:
    """Where in an element of the paged list a part of its key stands."""
    inner = tuple(record.levels[1]) if len(record.levels) > 1 else ()
    text = settings.fields.get(name)
    if text is None:
        return Path((*inner, name))
    path = Path.of(text)
    if path.is_relative:
        return Path((*inner, *path.steps))
    return Path(path.steps[len(record.levels[0]) + 1 :])


def _typed(value: Any) -> Any:
    """Plain numbers, true, false and null of a company file as what they are in JSON."""
    if isinstance(value, dict):
        return {name: _typed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if isinstance(value, str) and (value in ("true", "false", "null") or _is_number(value)):
        return json.loads(value)
    return value


def _is_number(text: str) -> bool:
    try:
        return isinstance(json.loads(text), int | float) and text == text.strip()
    except ValueError:
        return False

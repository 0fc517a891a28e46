"""What a source of `kind: rest` says under `rest:`. Settings only: nothing is read here."""

import json
import os
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ingest.rest_paths import HEADER, Path, PathError

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
CURSOR = "{cursor}"
SHORTEST_SECRET = 8
_SPAN = re.compile(r"\s*(\d+)\s*(second|minute|hour|day|week)s?\s*")
_SECRET_NAMES = re.compile(
    r"authorization|token|secret|passw|api[-_]?key|access[-_]?key|signature|credential",
    re.IGNORECASE,
)
_NUMBERS = ("epoch", "epoch_ms", "number")
_FORMATS = ("iso", *_NUMBERS)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}


_Rule = tuple[bool, str, str, str]


def _wrong(found: str, expected: str, next_step: str) -> PydanticCustomError:
    context = {"found": found, "expected": expected, "next_step": next_step}
    return PydanticCustomError("company_file", "{found}", context)


def _with_variables(value: Any) -> Any:
    """The text as written, once it is known that its variables are set."""
    for text in texts(value):
        for variable in VARIABLE.finditer(text):
            if variable[1] not in os.environ:
                raise _wrong(
                    f"{variable[0]}, but the environment variable {variable[1]} is not set",
                    "a variable that is set",
                    f"export {variable[1]}=...",
                )
    return value


def texts(value: Any) -> list[str]:
    """All texts inside lists and mappings."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else []


def _secret(value: Any) -> Any:
    """A secret is written as a variable, and long enough to be told from data."""
    _with_variables(value)
    if not isinstance(value, str):
        return value
    variables = VARIABLE.findall(value)
    if not variables:
        # what it is instead is not shown: it may be the secret
        raise _wrong(
            "a secret that is written out",
            "the name of an environment variable, as ${NAME}",
            "put the secret in a variable and write ${NAME} in its place",
        )
    for name in variables:
        if len(os.environ[name]) < SHORTEST_SECRET:
            raise _wrong(
                f"${{{name}}}, which holds fewer than {SHORTEST_SECRET} characters",
                f"a secret of at least {SHORTEST_SECRET} characters: a shorter one cannot be told "
                "from data, and so could not be kept out of what lands",
                "take a longer one",
            )
    return value


def _public(value: Any) -> Any:
    """Parameters and headers: what is named like a secret stands in a variable."""
    for name, text in value.items() if isinstance(value, dict) else ():
        is_named_so = _SECRET_NAMES.search(str(name)) and isinstance(text, str)
        if is_named_so and CURSOR not in text:
            _secret(text)
    return _with_variables(value)


def _address(value: Any) -> Any:
    _with_variables(value)
    if not isinstance(value, str) or VARIABLE.match(value):
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or re.search(r"\s", value):
        raise _wrong(
            "a text that is no address" if "@" in value else repr(value),
            "an address such as https://api.example.com/v1",
            "write it with https:// (or http:// on your own network)",
        )
    if parts.username or parts.password:
        raise _wrong(
            "a name or password in an address",
            "an address without one",
            "write it under `auth:`, as `{kind: basic, username: ..., password: ${NAME}}`",
        )
    return value


def _path(value: Any) -> Any:
    if isinstance(value, str):
        try:
            Path.of(value)
        except PathError as error:
            raise _wrong(repr(value), str(error), "write for instance `data.orders[]`") from None
    return value


def _record_path(value: Any) -> Any:
    _path(value)
    if isinstance(value, str) and value.startswith(HEADER):
        raise _wrong(repr(value), "a path in the body", "write for instance `data.orders[]`")
    return value


def _span(value: Any) -> Any:
    if isinstance(value, str) and not (_SPAN.fullmatch(value) or value.strip().isdigit()):
        raise _wrong(
            f"{value!r}",
            "a number for a cursor of numbers, or a number and seconds, minutes, hours, days or "
            "weeks for one of times",
            'write for instance "1 hour"',
        )
    return value


def _cursor_format(value: Any) -> Any:
    if isinstance(value, str) and value not in _FORMATS and "%" not in value:
        raise _wrong(
            f"{value!r}",
            f"one of {', '.join(_FORMATS)}, or a format such as %Y-%m-%d",
            "say how the server wants the time",
        )
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _json_text(value: Any) -> Any:
    """A body written as JSON is taken as it is; of keys and values plain numbers are numbers."""
    _public(value)
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _wrong("a text that is no JSON object", "keys with values, or a JSON object", "mend")
    return {"": value}


ResponsePath = Annotated[str, BeforeValidator(_path)]
RecordPath = Annotated[str, BeforeValidator(_record_path)]
Secret = Annotated[str, BeforeValidator(_secret)]
Address = Annotated[str, BeforeValidator(_address)]
Public = Annotated[dict[str, str], BeforeValidator(_public)]
Name = Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AuthSettings(_Model):
    """How requests show who asks.

    Attributes:
        kind: bearer, basic, header or oauth2 (client credentials).
        token: Of bearer.
        username, password: Of basic.
        name, value: Of header: its name and what it holds.
        token_url, client_id, client_secret, scope, params: Of oauth2.
        send: Where oauth2 sends the client's secret: in the form, or as basic authentication.
    """

    kind: Literal["bearer", "basic", "header", "oauth2"]
    token: Secret | None = None
    username: Annotated[str, BeforeValidator(_with_variables)] | None = None
    password: Secret | None = None
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] | None = None
    value: Secret | None = None
    token_url: Address | None = None
    client_id: Annotated[str, BeforeValidator(_with_variables)] | None = None
    client_secret: Secret | None = None
    scope: str | None = None
    params: Public = {}
    send: Literal["form", "basic"] = "form"

    @model_validator(mode="after")
    def _agree(self) -> "AuthSettings":
        needed = {
            "bearer": ("token",),
            "basic": ("username",),
            "header": ("name", "value"),
            "oauth2": ("token_url", "client_id", "client_secret"),
        }
        for key in needed[self.kind]:
            if getattr(self, key) is None:
                raise _wrong(f"auth {self.kind} without {key}", f"the key {key}", f"add `{key}:`")
        if self.kind == "basic" and self.password is None:
            # a name alone is the secret itself
            _secret(self.username)
        return self


class PaginationSettings(_Model):
    """How the next page is asked for.

    Attributes:
        kind: none, page, offset, cursor, link (header `Link`) or next_url.
        param: The parameter that holds the page, offset or cursor.
        first: Number of the first page, or the first offset.
        size, size_param: Records of a page, and the parameter that asks for so many.
        next: Where the answer holds the next cursor or address: a path in the body, or
            `header:Name`.
        last: Field of a page's last record that is the next cursor.
        more: Where the answer says whether there is another page.
        pages: Where the answer says how many pages there are.
        end_status: A status that a page after the last one is answered with.
    """

    kind: Literal["none", "page", "offset", "cursor", "link", "next_url"] = "none"
    param: Name | None = None
    first: Annotated[int, Field(ge=0)] | None = None
    size: Annotated[int, Field(ge=1)] | None = None
    size_param: Name | None = None
    next: ResponsePath | None = None
    last: RecordPath | None = None
    more: ResponsePath | None = None
    pages: ResponsePath | None = None
    end_status: Annotated[int, Field(ge=400, le=499)] | None = None

    @model_validator(mode="after")
    def _agree(self) -> "PaginationSettings":
        if self.kind in ("page", "offset", "cursor") and not self.param:
            raise _wrong(
                f"pagination {self.kind} without param", "the parameter's name", "add `param:`"
            )
        if self.kind == "offset" and not self.size:
            raise _wrong("pagination offset without size", "records of a page", "add `size: 100`")
        if self.kind == "cursor" and bool(self.next) == bool(self.last):
            raise _wrong(
                "both next and last" if self.next else "neither next nor last",
                "one of next and last: where the next cursor stands",
                "add `next: meta.next_cursor`, or `last: id`",
            )
        if self.kind == "next_url" and not self.next:
            raise _wrong("pagination next_url without next", "where it stands", "add `next: next`")
        if self.size_param and not self.size:
            raise _wrong("size_param without size", "records of a page", "add `size: 100`")
        return self


class GraphqlSettings(_Model):
    """A GraphQL query; the cursor and the size of a page are variables of it."""

    query: Name
    variables: Annotated[dict[str, Any], BeforeValidator(_public)] = {}


class ThrottleSettings(_Model):
    """How a body with status 200 says that it was asked too much, and how long to wait.

    Attributes:
        at, value: Where in the body a text equals this when the server throttles.
        needed, available, rate: Where it says what the request needs, what there is, and how much
            is added in a second.
    """

    at: RecordPath
    value: Name
    needed: RecordPath | None = None
    available: RecordPath | None = None
    rate: RecordPath | None = None


class RestSettings(_Model):
    """Which pages of an API are read, what in them is a record, and how it is followed.

    docs/company-file.md has every key.
    """

    base_url: Address
    path: Annotated[str, BeforeValidator(_with_variables)] = ""
    params: Public = {}
    headers: Public = {}
    method: Literal["GET", "POST"] | None = None
    body: Annotated[dict[str, Any], BeforeValidator(_json_text)] | None = None
    graphql: GraphqlSettings | None = None
    auth: AuthSettings | None = None
    pagination: PaginationSettings = PaginationSettings()
    format: Literal["json", "jsonl", "csv"] = "json"
    delimiter: Annotated[str, Field(min_length=1, max_length=4)] | None = None
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-8"
    records: RecordPath = "[]"
    fields: dict[str, RecordPath] = {}
    key: Annotated[list[str], BeforeValidator(_as_list)] = []
    cursor: Name | None = None
    cursor_format: Annotated[str, BeforeValidator(_cursor_format)] = "iso"
    look_back: Annotated[str, BeforeValidator(_span)] = "0"
    start: Name | None = None
    deletes: Literal["keep", "remove"] | None = None
    total: ResponsePath | None = None
    errors: RecordPath | None = None
    throttle: ThrottleSettings | None = None
    cut_off: RecordPath | None = None
    timeout: Annotated[float, Field(gt=0, le=3600)] = 60.0
    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    retry_statuses: list[Annotated[int, Field(ge=400, le=599)]] = [
        408, 425, 429, 500, 502, 503, 504,
    ]  # fmt: skip
    backoff: Annotated[float, Field(ge=0, le=60)] = 0.5
    max_wait: Annotated[float, Field(ge=0, le=3600)] = 120.0
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    max_pages: Annotated[int, Field(ge=1)] = 100_000
    max_page_bytes: Annotated[int, Field(ge=1)] = 100_000_000

    @property
    def address(self) -> str:
        """What is asked: the path below the base."""
        base = self.base_url
        return f"{base.rstrip('/')}/{self.path.lstrip('/')}" if self.path else base

    @model_validator(mode="after")
    def _agree(self) -> "RestSettings":
        """What no single key can tell."""
        for found, expected, next_step in self._disagreements():
            raise _wrong(found, expected, next_step)
        return self

    def _disagreements(self) -> list[tuple[str, str, str]]:
        record = Path.of(self.records)
        rules = [*self._of_requests(), *self._of_cursor(), *self._of_records(record)]
        broken = [(found, expected, step) for holds, found, expected, step in rules if holds]
        return [*broken, *self._wrong_fields(record)]

    def _of_requests(self) -> list[_Rule]:
        kind = self.pagination.kind
        return [
            (
                bool(self.body and self.graphql),
                "both body and graphql", "one of them", "leave one out",
            ),
            (
                self.body is not None and self.method == "GET",
                "a body with method GET", "method POST", "leave one out",
            ),
            (
                kind in ("page", "offset") and not self.key,
                f"pagination {kind} without key",
                "the columns that name a record: rows move between pages while they are read",
                "add `key: id`",
            ),
        ]  # fmt: skip

    def _of_cursor(self) -> list[_Rule]:
        asks_with_cursor = any(CURSOR in text for text in texts(self._asked))
        return [
            (
                bool(self.cursor) and not asks_with_cursor,
                f"cursor {self.cursor}, which no request asks for",
                f"{CURSOR} in a value of params, body or variables",
                f'add for instance `params: {{updated_since: "{CURSOR}"}}`',
            ),
            (
                asks_with_cursor and not self.cursor,
                f"{CURSOR} without cursor", "the column it is taken from", "add `cursor:`",
            ),
            (
                bool(self.cursor) and self.deletes == "remove",
                "deletes: remove with a cursor",
                "deletes: remove of a source that is read whole each time",
                "leave `cursor` out, or `deletes`",
            ),
            (
                self.cursor_format == "number" and bool(_SPAN.fullmatch(self.look_back)),
                f"look_back {self.look_back} of a cursor of numbers",
                "a number", "write for instance `look_back: 100`",
            ),
            (
                self.look_back_seconds is None and self.cursor_format not in _NUMBERS,
                f"look_back {self.look_back} of a cursor of times",
                "a number and its unit", "write for instance `look_back: 1 hour`",
            ),
        ]  # fmt: skip

    def _of_records(self, record: Path) -> list[_Rule]:
        return [
            (
                len(record.levels) < 2 and self.format == "json",
                f"records {self.records}, without a list",
                "[] where the list is", f"write `{self.records}[]`",
            ),
            (
                len(record.levels) > 2 and not self.key,
                "records in lists of other records, without key",
                "the column that names the outer one: they land together",
                "add `key: order_id`, and `fields: {order_id: ...}`",
            ),
            (
                self.format == "csv" and bool(self.fields),
                "fields of a CSV", "columns by the names of its header", "remove `fields`",
            ),
        ]  # fmt: skip

    def _wrong_fields(self, record: Path) -> list[tuple[str, str, str]]:
        """Fields that lead another way than the records, and keys that name no outer record."""
        if self.format != "json":
            return []
        wrong = []
        for name, text in self.fields.items():
            path = Path.of(text)
            lists = len(path.levels) - 1
            leads = path.steps[: len(path.steps) - len(path.levels[-1])]
            if path.is_relative and lists:
                wrong.append(
                    (f"{name}: {text}, with a list", "one value of a record", "leave [] out")
                )
            elif not path.is_relative and record.steps[: len(leads)] != leads:
                expected = f"a way that begins as {self.records} does, or with a dot"
                wrong.append((f"{name}: {text}", expected, "correct it"))
            elif not path.is_relative and lists == len(record.levels) - 1:
                last = record.levels[-1]
                if path.levels[-1][: len(last)] != last:
                    wrong.append((f"{name}: {text}", f"a way through {self.records}", "correct it"))
        for name in self.key if len(record.levels) > 2 else ():
            path = Path.of(self.fields.get(name, "x"))
            if path.is_relative or len(path.levels) != 2:
                wrong.append((f"the key {name}", "one of `fields:` with one [] on its way",
                              f"add `fields: {{{name}: ...}}`"))  # fmt: skip
        return wrong

    @property
    def _asked(self) -> dict[str, Any]:
        """All that a request says of what is wanted."""
        variables = self.graphql.variables if self.graphql else {}
        return {"params": self.params, "body": self.body or {}, "variables": variables}

    @property
    def removes(self) -> bool:
        """Whether rows that have gone are removed; a reading of everything says what is there."""
        return self.deletes == "remove" or (self.deletes is None and self.cursor is None)

    @property
    def look_back_seconds(self) -> int | None:
        """The look-back in seconds; None where it is a plain number other than 0."""
        found = _SPAN.fullmatch(self.look_back)
        if found:
            return int(found[1]) * _SECONDS[found[2]]
        return 0 if int(self.look_back) == 0 else None


def expanded(text: str) -> str:
    """A text with its variables replaced. Secret: not to be shown."""
    return VARIABLE.sub(lambda match: os.environ.get(match[1], ""), text)

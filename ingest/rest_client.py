"""Asking an API of `kind: rest`: authentication, a budget, and retries that end.

What is asked is prepared by requests, how often is urllib3's `Retry`, and each exchange is one of
`ingest.web`, which brings a whole body or says why not: urllib3 itself tries again only before a
body begins, and a body may be cut off, damaged or dripping.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import orjson
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError
from urllib3.util.retry import Retry

from ingest.errors import SourceUnreachable
from ingest.rest_paths import Path
from ingest.rest_secrets import Secrets
from ingest.rest_settings import AuthSettings, RestSettings, expanded
from ingest.web import Answer, Client, Limits, WebError

if TYPE_CHECKING:
    from requests import PreparedRequest

USER_AGENT = "Tradewind/0.1"
_REDIRECTS = (301, 302, 303, 307, 308)
_KEEP_METHOD = (307, 308)
_HOPS = 5
_SAID_CHARACTERS = 300
_MINUTE_S = 60.0
_TOKEN_BYTES = 1 << 20
# a token is given up a little before it ends
_EARLY_S = 30.0
_ACCEPT = {
    "json": "application/json, */*;q=0.1",
    "jsonl": "application/x-ndjson, application/json;q=0.9, */*;q=0.1",
    "csv": "text/csv, */*;q=0.1",
}
MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Question:
    """One request of a source, secrets still as `${NAME}`.

    Attributes:
        url: The address.
        method: GET or POST.
        params: Parameters of the address, beyond those that it has.
        body: What is posted as JSON: keys and values, or a text that is JSON.
    """

    url: str
    method: str = "GET"
    params: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True)
class Page:
    """A whole answer, without any secret.

    Attributes:
        status: The HTTP status.
        headers: By name in lower case.
        body: Its bytes.
        content: What they say, for JSON.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    content: Any = None


Glance = Callable[[Page], Question | None]
"""What to ask next, as far as a page shows it before it is parsed."""


def parsed(body: bytes) -> Any:
    """What JSON says, its whole numbers rounded that need more than 64 bits: see `exactly`.

    Raises:
        ValueError: It is none.
        RecursionError: It is too deep.
    """
    try:
        return orjson.loads(body.removeprefix(MARK))
    except ValueError:
        # NaN, a number beyond all bounds, half a surrogate pair: no JSON, and sent all the same
        return exactly(body)


def exactly(body: bytes) -> Any:
    """What JSON says, every whole number as it stands there; takes twice as long as `parsed`."""
    return json.loads(body.removeprefix(MARK))


class Refused(SourceUnreachable):
    """The server answers, and not with what was asked for.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, status: int, *parts: str) -> None:
        super().__init__(*parts)
        self.status = status


class Api:
    """One source's API: one connection, within its budget.

    Args:
        name: The source's name, for messages.
        settings: Its settings.
    """

    def __init__(self, name: str, settings: RestSettings) -> None:
        self.settings = settings
        self.secrets = Secrets(settings)
        self._where = f"source {name}: {settings.address}"
        limits = Limits(
            silence_s=min(30.0, settings.timeout),
            total_s=settings.timeout,
            max_bytes=settings.max_page_bytes,
        )
        self._client = Client(USER_AGENT, allow_private=True, limits=limits)
        self._asked: deque[float] = deque(maxlen=settings.requests_per_minute)
        self._ahead: tuple[Question, PreparedRequest] | None = None
        self._token = ""
        self._token_ends = float("-inf")

    def __enter__(self) -> "Api":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def ask(self, question: Question, glance: Glance | None = None) -> Page:
        """Ask until a whole answer comes, or no more attempt is left.

        Args:
            question: What to ask for.
            glance: Told the page before it is parsed; what it says is asked ahead meanwhile.

        Raises:
            Refused: The server says no.
            SourceUnreachable: It does not answer, or not in time.
        """
        return self._tried(lambda: self._page(question, glance))

    def ask_ahead(self, question: Question) -> None:
        """Send what `ask` is going to ask next: the server answers while something else is done.

        What would have to wait, and what goes wrong, is left to `ask`. What was sent ahead and is
        not what is asked for then is dropped.
        """
        if self._ahead is not None and self._ahead[0] == question:
            return
        if self._budget_left_s() > 0 or self._is_token_due():
            return
        with suppress(SourceUnreachable, WebError):
            request = self._prepared(question)
            self._asked.append(time.monotonic())
            self._client.send(*_parts(request))
            self._ahead = (question, request)

    # ---------------------------------------------------------------- attempts

    def _tried(self, attempt: "Callable[[], Page]") -> Page:
        settings = self.settings
        policy = Retry(
            total=settings.attempts - 1,
            backoff_factor=settings.backoff,
            backoff_jitter=settings.backoff,
            backoff_max=settings.max_wait or 1,
            retry_after_max=1 << 30,
        )
        while True:
            try:
                return attempt()
            except _Again as again:
                reason, wait = again.reason, again.wait_s(policy)
            try:
                policy = policy.increment(error=HTTPError(reason))
            except MaxRetryError:
                raise self._unreachable(f"{reason}, {settings.attempts} times") from None
            self._pause(max(wait, policy.get_backoff_time()), reason)

    def _pause(self, seconds: float, reason: str) -> None:
        if seconds > self.settings.max_wait:
            raise self._unreachable(
                f"{reason}, and it asks to come back in {seconds:.0f} s, later than max_wait"
            )
        self._wait(max(seconds, 0))

    def _wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def _keep_budget(self) -> None:
        """Wait where the minute that has just passed has had its requests."""
        left = self._budget_left_s()
        if left > 0:
            self._wait(left)
        self._asked.append(time.monotonic())

    def _budget_left_s(self) -> float:
        """Seconds until another request is within the budget."""
        asked = self._asked
        if asked.maxlen is None or len(asked) < asked.maxlen:
            return 0
        return asked[0] + _MINUTE_S - time.monotonic()

    # ---------------------------------------------------------------- one exchange

    def _page(self, question: Question, glance: Glance | None) -> Page:
        answer = self._authorised(question)
        if answer.status in self.settings.retry_statuses:
            raise _Again(f"status {answer.status}{self._said(answer)}", answer=answer)
        if not 200 <= answer.status < 300:
            raise self._refused(answer)
        return self._judged(answer, glance)

    def _authorised(self, question: Question) -> Answer:
        """Ask with what shows who asks; a token that has ended early is asked for anew, once."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == question:
            answer = self._followed(ahead[1], is_sent=True)
        else:
            answer = self._followed(self._prepared(question))
        auth = self.settings.auth
        if answer.status == 401 and auth is not None and auth.kind == "oauth2":
            self._token_ends = float("-inf")
            answer = self._followed(self._prepared(question))
        return answer

    def _prepared(self, question: Question) -> "PreparedRequest":
        from requests import PreparedRequest
        from requests.exceptions import RequestException

        unmasked = self.secrets.unmasked
        body = question.body
        data = None
        if body is not None:
            data = unmasked(body) if isinstance(body, str) else json.dumps(_each(body, unmasked))
        headers = {
            "Accept": _ACCEPT[self.settings.format],
            **({} if data is None else {"Content-Type": "application/json"}),
            **_each(dict(self.settings.headers), expanded),
        }
        # what a session adds, cookies and hooks, takes as long as what is wanted of it
        prepared = PreparedRequest()
        try:
            prepared.prepare_method(question.method)
            prepared.prepare_url(unmasked(question.url), _each(dict(question.params), unmasked))
            prepared.prepare_headers(headers)
            prepared.prepare_body(None if data is None else data.encode(), None)
            self._authorise(prepared)
        except (RequestException, ValueError):
            raise self._unreachable("its address or headers cannot be written as HTTP") from None
        return prepared

    def _authorise(self, request: "PreparedRequest") -> None:
        auth = self.settings.auth
        if auth is None:
            return
        if auth.kind == "basic":
            request.prepare_auth(_pair(auth.username, auth.password))
        elif auth.kind == "header":
            request.headers[str(auth.name)] = expanded(str(auth.value))
        elif auth.kind == "bearer":
            request.headers["Authorization"] = f"Bearer {expanded(str(auth.token))}"
        else:
            request.headers["Authorization"] = f"Bearer {self._valid_token(auth)}"

    def _followed(self, request: "PreparedRequest", is_sent: bool = False) -> Answer:
        """Send, and follow redirects within the origin: elsewhere nothing is sent, least of all
        what shows who asks."""
        seen: set[str] = set()
        method, at, headers, body = _parts(request)
        while True:
            seen.add(at)
            if is_sent:
                answer, is_sent = self._explained(self._client.receive), False
            else:
                answer = self._sent(method, at, headers, body)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            if method != "GET" and answer.status not in _KEEP_METHOD:
                raise self._unreachable(f"it redirects a {method} with status {answer.status}")
            at = self.checked_next(at, location, "it redirects")
            if at in seen or len(seen) > _HOPS:
                raise self._unreachable("it redirects in a circle")

    def _sent(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        self._keep_budget()
        return self._explained(lambda: self._client.ask(method, url, headers, body))

    def _explained(self, exchange: Callable[[], Answer]) -> Answer:
        try:
            return exchange()
        except WebError as error:
            reason = self.secrets.masked(error.reason)
            if not error.is_worth_another:
                raise self._unreachable(reason) from None
        raise _Again(reason)

    def checked_next(self, at: str, location: str, what: str) -> str:
        """An address that an answer leads to, known to be of the origin that was asked.

        Raises:
            SourceUnreachable: It leads elsewhere.
        """
        try:
            target = urljoin(at, location)
            is_same = _origin(target) == _origin(at)
            where = f"{urlsplit(target).scheme}://{urlsplit(target).hostname}"
        except ValueError:
            raise self._unreachable(f"{what} to an address that cannot be read") from None
        if not is_same:
            raise self._unreachable(
                f"{what} to {self.secrets.masked(where)}, another host or scheme than was asked, "
                "which is not to see what shows who asks"
            )
        return target

    # ---------------------------------------------------------------- what an answer says

    def _judged(self, answer: Answer, glance: Glance | None) -> Page:
        body = self.secrets.masked_body(answer.body)
        headers = {name: self.secrets.masked(value) for name, value in answer.headers.items()}
        page = Page(answer.status, headers, body)
        is_json = self.settings.format == "json"
        if not is_json and not answer.is_framed:
            raise _Again("neither a length nor an end came, so that it may be cut off")
        if glance is not None:
            following = glance(page)
            if following is not None:
                self.ask_ahead(following)
        if not is_json:
            return page
        content = None if answer.status == 204 else self._content(answer, body)
        self._check_errors(content, answer)
        return replace(page, content=content)

    def _content(self, answer: Answer, body: bytes) -> Any:
        if not body.strip():
            raise _Again("it is empty")
        try:
            return parsed(body)
        except (ValueError, RecursionError):
            raise _Again(f"it is no JSON{self._said(answer)}") from None

    def _check_errors(self, content: Any, answer: Answer) -> None:
        """Errors that come with status 200, as GraphQL's do."""
        settings = self.settings
        throttle = settings.throttle
        if throttle and throttle.value in map(str, Path.of(throttle.at).values(content)):
            raise _Again("it was asked too much", seconds=self._throttled_s(content))
        path = settings.errors or ("errors" if settings.graphql else None)
        found = Path.of(path).value(content) if path else None
        if found:
            raise self._refused(answer, json.dumps(found, ensure_ascii=False))

    def _throttled_s(self, content: Any) -> float:
        """Seconds until there is again what the request needs."""
        throttle = self.settings.throttle
        assert throttle is not None, "only where it is told apart"
        paths = (throttle.needed, throttle.available, throttle.rate)
        try:
            needed, there, rate = (float(Path.of(str(p)).value(content)) for p in paths)
            return max(0.0, (needed - there) / rate)
        except (TypeError, ValueError, ZeroDivisionError):
            return 1.0

    def _said(self, answer: Answer) -> str:
        """The beginning of what the server says, for a message."""
        text = self.secrets.masked(answer.body.decode("utf-8", "replace"))
        plain = " ".join(text.split())
        return f" ({plain[:_SAID_CHARACTERS]})" if plain else ""

    def _refused(self, answer: Answer, said: str = "") -> Refused:
        told = f" ({self.secrets.masked(said)[:_SAID_CHARACTERS]})" if said else self._said(answer)
        hint = {
            401: "check the variables that `auth:` names",
            403: "check what the key may read",
            404: "correct `base_url:` and `path:` of the source",
        }.get(answer.status, "correct `rest:` of the source")
        return Refused(
            answer.status,
            f"the server refuses with status {answer.status}{told}",
            self._where,
            "an answer with status 200",
            f"{hint}, then run again",
        )

    def _unreachable(self, reason: str) -> SourceUnreachable:
        return SourceUnreachable(
            f"the server could not be read: {self.secrets.masked(reason)}",
            self._where,
            "a server that answers in time",
            "check the address, the network and the server, then run again: what has landed of "
            "this reading stays",
        )

    # ---------------------------------------------------------------- tokens

    def _valid_token(self, auth: AuthSettings) -> str:
        """A token of OAuth 2 (client credentials, RFC 6749, section 4.4), asked for when due."""
        if self._is_token_due():
            answer = self._tried_token(auth)
            lives_s = answer.get("expires_in")
            try:
                lives = float(lives_s) if lives_s is not None else float("inf")
            except (TypeError, ValueError):
                lives = float("inf")
            self._token = str(answer["access_token"])
            self._token_ends = time.monotonic() + lives - min(_EARLY_S, lives / 10)
            self.secrets.issue(self._token)
        return self._token

    def _is_token_due(self) -> bool:
        auth = self.settings.auth
        is_used = auth is not None and auth.kind == "oauth2"
        return is_used and time.monotonic() >= self._token_ends

    def _tried_token(self, auth: AuthSettings) -> Mapping[str, Any]:
        content = self._tried(lambda: self._token_page(auth)).content
        if not isinstance(content, dict) or not isinstance(content.get("access_token"), str):
            raise self._unreachable("the token's address answers without an access_token")
        return content

    def _token_page(self, auth: AuthSettings) -> Page:
        from requests import Request

        form = {"grant_type": "client_credentials", **_each(dict(auth.params), expanded)}
        if auth.scope:
            form["scope"] = auth.scope
        pair = (expanded(str(auth.client_id)), expanded(str(auth.client_secret)))
        if auth.send == "form":
            form |= {"client_id": pair[0], "client_secret": pair[1]}
        request = Request("POST", expanded(str(auth.token_url)), data=form).prepare()
        if auth.send == "basic":
            request.prepare_auth(_pair(auth.client_id, auth.client_secret))
        headers = {**request.headers, "Accept": "application/json"}
        answer = self._sent("POST", str(request.url), headers, str(request.body).encode())
        if answer.status in self.settings.retry_statuses:
            raise _Again(f"the token's address answers with status {answer.status}", answer=answer)
        if not 200 <= answer.status < 300:
            raise self._refused(answer)
        try:
            return Page(answer.status, answer.headers, b"", json.loads(answer.body))
        except ValueError:
            raise _Again("the token's address answers with what is no JSON") from None


class _Again(Exception):
    """An attempt that failed and may do better."""

    def __init__(self, reason: str, seconds: float = 0.0, answer: Answer | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self._seconds = seconds
        self._after = answer.headers.get("retry-after", "") if answer is not None else ""

    def wait_s(self, policy: Retry) -> float:
        """Seconds that the server asks to wait."""
        try:
            asked = policy.parse_retry_after(self._after) if self._after else 0.0
        except (InvalidHeader, ValueError, OverflowError):
            asked = 0.0
        return max(asked, self._seconds)


def _parts(request: "PreparedRequest") -> tuple[str, str, dict[str, str], bytes | None]:
    """Method, address, headers and body of a request."""
    body = request.body if isinstance(request.body, bytes) else None
    return str(request.method), str(request.url), dict(request.headers), body


def _pair(name: str | None, password: str | None) -> "Any":
    from requests.auth import HTTPBasicAuth

    # as bytes: requests would write them in Latin-1
    return HTTPBasicAuth(expanded(name or "").encode(), expanded(password or "").encode())


def _each(value: Any, change: Callable[[str], str]) -> Any:
    """Lists and mappings with each of their texts changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _each(item, change) for name, item in value.items()}
    return [_each(item, change) for item in value] if isinstance(value, list) else value


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port

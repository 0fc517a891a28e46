"""HTTP for sources on the web: one guarded connection a client, and bodies that are whole.

A request is one exchange: nothing is followed or tried again here, for who asks decides that. What
comes back is the whole body or an error that says why not: within a deadline for everything, within
a size, of the announced length, and with a compression that ends where it should.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from certifi import where as certificates
from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError, SSLError
from urllib3.util import Url, parse_url
from urllib3.util.connection import create_connection

_CHUNK = 1 << 16
_NOTHING_FOLLOWS = 0.0
_FAILURES = (HTTPError, http.client.HTTPException, OSError, ValueError)
# addresses inside which another one travels: what is checked is the one that is reached
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# what some Pythons take for public: old site-local addresses, protocol assignments, documentation
_SET_ASIDE = tuple(map(ipaddress.ip_network, ("fec0::/10", "192.0.0.0/24", "3fff::/20")))


class WebError(Exception):
    """An exchange that brought no whole answer.

    Attributes:
        reason: Why, in a few words.
        is_worth_another: Whether the same request may do better later.
    """

    def __init__(self, reason: str, is_worth_another: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_worth_another = is_worth_another


class AddressRefused(WebError):
    """A name led to an address that is not one of the open internet."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"{host} is {address}, an address that is not public", False)


@dataclass(frozen=True)
class Limits:
    """What one exchange may take.

    Attributes:
        connect_s: Seconds to open the connection.
        silence_s: Seconds without a byte.
        total_s: Seconds for all of it, however steadily bytes drip.
        max_bytes: Bytes of a body, as sent and as unpacked.
    """

    connect_s: float = 10
    silence_s: float = 30
    total_s: float = 60
    max_bytes: int = 10 << 20


@dataclass(frozen=True)
class Answer:
    """A whole answer.

    Attributes:
        url: The address that answered.
        status: The HTTP status.
        headers: By name in lower case; the last of several with one name, but all links.
        body: The body, unpacked.
        sent_bytes: Bytes of the body as they came over the wire.
        is_framed: Whether its length was announced; if not, only the body itself tells its end.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_bytes: int
    is_framed: bool


class Client:
    """A polite browser of one host: one connection at a time, no cookies, no proxies.

    Args:
        user_agent: Who asks, as every request says.
        allow_private: Whether private and loopback addresses may be reached.
        limits: What one exchange may take.
    """

    def __init__(
        self, user_agent: str, allow_private: bool = False, limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits()
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5",
            "Accept-Encoding": "gzip",
        }
        self._alarm = _Alarm(self.limits.total_s)
        self._connection_class = _connection_classes(allow_private, self._alarm.watch)
        self._origin: tuple[str, str, int | None] | None = None
        self._connection: HTTPConnection | None = None
        self._awaited = ""

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._hang_up()
        self._alarm.close()

    def get(
        self, url: str, headers: Mapping[str, str] | None = None, max_bytes: int | None = None
    ) -> Answer:
        """Ask for an address once.

        Args:
            url: An http or https address.
            headers: More headers.
            max_bytes: Bytes of the body, where that differs from the limits.

        Raises:
            AddressRefused: The name leads to an address that is not public.
            WebError: No whole answer came.
        """
        return self.ask("GET", url, headers, max_bytes=max_bytes)

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        max_bytes: int | None = None,
    ) -> Answer:
        """Make one request, with a body or without; see `get`.

        Raises:
            AddressRefused: The name leads to an address that is not public.
            WebError: No whole answer came.
        """
        self.send(method, url, headers, body)
        return self.receive(max_bytes)

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        """Send a request whose answer `receive` brings: something else can be done meanwhile.

        Raises:
            AddressRefused: The name leads to an address that is not public.
            WebError: It could not be sent.
        """
        if urlsplit(url).scheme not in ("http", "https"):
            raise WebError("its address is neither http nor https", is_worth_another=False)
        if self._awaited:
            # its answer would be taken for that of the next
            self._hang_up()
        self._alarm.begin()
        with self._explained():
            parts = parse_url(url)
            connection = self._connected(parts)
            # a server may hang up on a body that it does not want, and say why all the same
            with suppress(BrokenPipeError):
                connection.request(
                    method, parts.request_uri, body, {**self._headers, **(headers or {})},
                    preload_content=False, decode_content=False,
                )  # fmt: skip
            self._awaited = url

    def receive(self, max_bytes: int | None = None) -> Answer:
        """The whole answer to what was sent.

        Raises:
            WebError: No whole answer came.
        """
        most = max_bytes or self.limits.max_bytes
        with self._explained():
            assert self._connection is not None, "a request is sent before its answer is received"
            self._connection.timeout = self.limits.silence_s
            try:
                response = self._connection.getresponse()
            except TimeoutError as error:
                raise WebError("no byte came for too long") from error
            answer = _answer(response, self._awaited, most)
            self._awaited = ""
            self._alarm.end()
        return answer

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Hang up where an exchange fails: what follows is no answer to another request."""
        try:
            yield
        except BaseException as error:
            self._hang_up()
            rang = self._alarm.ended()
            if rang is not None:
                raise rang from error
            if isinstance(error, WebError) or not isinstance(error, _FAILURES):
                raise
            raise _told(error) from error

    def _connected(self, parts: Url) -> HTTPConnection:
        """The open connection, or a new one where that leads elsewhere or was closed."""
        scheme, host = str(parts.scheme), (parts.host or "").strip("[]")
        origin = (scheme, host, parts.port)
        found = self._connection
        if found is None or self._origin != origin or not found.is_connected:
            self._hang_up()
            found = self._connection_class[scheme](host, parts.port)
            self._connection, self._origin = found, origin
            found.timeout = self.limits.connect_s
            found.connect()
        return found

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._awaited = None, ""


class _Alarm:
    """Ends the connection when the time is up: a drip of bytes resets every other time limit.

    One thread watches over one exchange after the other, for each has the same time: it sleeps
    until the one that it saw last would be over, and ends where none is under way then.
    """

    def __init__(self, seconds: float) -> None:
        self._rang = False
        self._seconds = seconds
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._ends: float | None = None
        self._is_watched = False

    def watch(self, opened: socket.socket) -> None:
        """Be ready to end a connection, by a handle of its own, whatever is wrapped round it."""
        with self._lock:
            self._let_go()
            self._socket = opened.dup()

    def begin(self) -> None:
        """From now on the time runs."""
        with self._lock:
            self._rang = False
            self._ends = time.monotonic() + self._seconds
            if not self._is_watched:
                self._is_watched = True
                threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        """The exchange is over.

        Raises:
            WebError: Its time was over before.
        """
        error = self.ended()
        if error is not None:
            raise error

    def ended(self) -> WebError | None:
        """The exchange is over; what it says where it has rung."""
        with self._lock:
            self._ends = None
            rang, self._rang = self._rang, False
        return WebError(f"it took longer than {self._seconds:g} s") if rang else None

    def close(self) -> None:
        """Let the thread and the handle go, also where an answer was not waited for."""
        with self._lock:
            self._ends = None
            self._let_go()
        self._closed.set()

    def _let_go(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _watch(self) -> None:
        while (left := self._left()) is not None:
            if self._closed.wait(left):
                self._closed.clear()

    def _left(self) -> float | None:
        """Seconds of the exchange that is under way, which is ended at none; None without one."""
        with self._lock:
            left = None if self._ends is None else self._ends - time.monotonic()
            if left is None or left <= 0:
                self._is_watched = False
                if left is not None:
                    self._ring()
                return None
        return left

    def _ring(self) -> None:
        self._rang = True
        if self._socket is not None:
            # closed at the same moment: that is what was wanted
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class _Response(http.client.HTTPResponse):
    """Notices bytes beyond the announced length: then the length was wrong, and the page is cut."""

    has_more = False

    def _close_conn(self) -> None:
        self.has_more = self.has_more or self._is_followed()
        super()._close_conn()  # type: ignore[misc]

    def _is_followed(self) -> bool:
        reader = self.fp
        raw = getattr(getattr(reader, "raw", None), "_sock", None)
        if raw is None or self.length != 0:
            return False
        before = raw.gettimeout()
        try:
            raw.settimeout(_NOTHING_FOLLOWS)
            return bool(reader.peek(1))
        except (OSError, ValueError):
            return False
        finally:
            raw.settimeout(before)


def _connection_classes(
    allow_private: bool, opened: Callable[[socket.socket], None]
) -> dict[str, Callable[[str, int | None], HTTPConnection]]:
    """Connections, by scheme, that look at an address before they reach for it."""

    def connect(connection: Any) -> socket.socket:
        host, port = connection._dns_host, connection.port
        address = _checked_address(host, port, allow_private)
        found = create_connection(
            (address, port), connection.timeout, None, connection.socket_options
        )
        opened(found)
        return found

    class Plain(HTTPConnection):
        response_class = _Response
        _new_conn = connect

    class Secure(HTTPSConnection):
        response_class = _Response
        _new_conn = connect

    return {"http": Plain, "https": partial(Secure, ca_certs=certificates())}


def _checked_address(host: str, port: int, allow_private: bool) -> str:
    """The address that a name leads to at this moment: the one that is checked is reached.

    Decimal, octal and short forms of an address are resolved like any name, and so are judged by
    what they lead to.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise WebError(f"the name {host} cannot be resolved") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not allow_private and not is_public(address):
            raise AddressRefused(host, address)
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, also where it carries another one."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    is_special = ip.is_multicast or ip.is_reserved or ip.is_unspecified
    return ip.is_global and not is_special and not any(ip in each for each in _SET_ASIDE)


def _answer(response: BaseHTTPResponse, url: str, max_bytes: int) -> Answer:
    """Status, headers and the whole body of a response."""
    sent = _received(response, max_bytes)
    found = {name.lower(): value for name, value in response.headers.items()}
    if "link" in found:
        # links may come on several lines, each of which counts
        found["link"] = response.headers["link"]
    is_framed = "content-length" in found or "chunked" in found.get("transfer-encoding", "")
    unpacked = _unpacked(sent, found.get("content-encoding", ""), max_bytes)
    bodiless = response.status in (204, 304) or response.status < 200
    return Answer(url, response.status, found, unpacked, len(sent), is_framed or bodiless)


def _received(response: Any, max_bytes: int) -> bytes:
    """The body as sent, all of it."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise WebError(f"it is larger than {max_bytes:,} bytes", is_worth_another=False)
    inner = getattr(response, "_original_response", None)
    if getattr(inner, "has_more", False):
        raise WebError("more bytes came than the announced length")
    return b"".join(parts)


def _unpacked(sent: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body without the compression of its transport."""
    if not sent or encoding.strip().lower() in ("", "identity"):
        return sent
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        raise WebError(f"its encoding {encoding[:40]!r} was not asked for", is_worth_another=False)
    return unpack_gzip(sent, max_bytes)


def unpack_gzip(packed: bytes, max_bytes: int) -> bytes:
    """Unpack gzip of one member or several, which has to be whole.

    Raises:
        WebError: It is damaged, ends too early, or is larger than allowed.
    """
    parts: list[bytes] = []
    room = max_bytes
    while packed:
        reader = zlib.decompressobj(wbits=31)
        try:
            part = reader.decompress(packed, room + 1)
        except zlib.error as error:
            raise WebError("its gzip is damaged") from error
        room -= len(part)
        if room < 0:
            raise WebError(f"unpacked it is larger than {max_bytes:,} bytes", False)
        if not reader.eof:
            raise WebError("its gzip is cut off")
        parts.append(part)
        # servers pad with zeros; anything else has to be another member
        packed = reader.unused_data.lstrip(b"\0")
    return b"".join(parts)


def _told(error: Exception) -> WebError:
    """An error of the libraries in a few words."""
    text = str(error)
    if isinstance(error, LocationParseError):
        return WebError("its address cannot be read", is_worth_another=False)
    if isinstance(error, SSLError | ssl.SSLError) and "CERTIFICATE" in text.upper():
        return WebError("its certificate is not valid", is_worth_another=False)
    for mark, reason in _REASONS.items():
        if mark in text or mark in type(error).__name__:
            return WebError(reason)
    return WebError(f"the exchange failed ({type(error).__name__})")


_REASONS = {
    "IncompleteRead": "it ended before the announced length",
    "InvalidChunkLength": "its chunks are damaged",
    "InvalidChunk": "its chunks are damaged",
    "ReadTimeout": "no byte came for too long",
    "timed out": "it did not answer in time",
    "Timeout": "it did not answer in time",
    "Connection refused": "the connection was refused",
    "NewConnection": "no connection could be opened",
    "RemoteDisconnected": "the connection was closed without an answer",
    "Connection aborted": "the connection was closed without an answer",
    "reset": "the connection was cut off",
    "BadStatusLine": "the answer is not HTTP",
}

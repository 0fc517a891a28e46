"""Objects at `s3://`: listed by prefix, fetched as stored. Requests are signed with Signature
Version 4 (AWS General Reference, "Signing AWS API requests") from the environment's credentials:
`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION` and
`AWS_ENDPOINT_URL` for storage that is not Amazon's. Without a key, requests are anonymous.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

if TYPE_CHECKING:
    from requests import Response

SCHEME = "s3://"
_SAFE = "-_.~"
_CHUNK = 1 << 20
_TIMEOUT = (10, 60)
_EMPTY = hashlib.sha256(b"").hexdigest()
_WILDCARD = re.compile(r"[*?\[]")


class ObjectStorageError(Exception):
    """The storage does not answer, refuses, or broke off; the text says which, without secrets."""


class ObjectChanged(Exception):
    """The object is no longer the one that was listed."""


@dataclass(frozen=True)
class StoredObject:
    """One object as listed.

    Attributes:
        url: `s3://bucket/key`.
        bytes: Its size.
        modified_ns: Time of its last change, in nanoseconds since 1970.
        etag: The storage's mark of its content.
    """

    url: str
    bytes: int
    modified_ns: int
    etag: str


def list_objects(pattern: str) -> list[StoredObject]:
    """The objects that a pattern names, in order of their keys.

    Args:
        pattern: `s3://bucket/key`, a prefix that ends in `/`, or with `*` (within one folder), `**`
            (across folders), `?` and `[...]` in the key.

    Raises:
        ObjectStorageError: The storage does not answer or refuses.
    """
    bucket, key = _parts(pattern)
    wildcard = _WILDCARD.search(key)
    matches = re.compile(_regex(key)).fullmatch
    return [
        found
        for found in _listed(bucket, key[: wildcard.start()] if wildcard else key)
        if matches(_parts(found.url)[1]) and not found.url.endswith("/")
    ]


def fetch(url: str, target: Path, etag: str) -> None:
    """Write the bytes of an object to a file, in pieces, not decoded.

    Raises:
        ObjectChanged: The object is not the one with this mark any more.
        ObjectStorageError: The storage does not answer, refuses, or broke off.
    """
    bucket, key = _parts(url)
    with _get(bucket, key, {}, {"If-Match": etag}) as response, target.open("wb") as out:
        # not decoded: the file is what is stored, also where its Content-Encoding says gzip
        while chunk := response.raw.read(_CHUNK, decode_content=False):
            out.write(chunk)


def _parts(url: str) -> tuple[str, str]:
    bucket, _, key = url[len(SCHEME) :].partition("/")
    return bucket, key


def _regex(key: str) -> str:
    """The key as a regular expression. A prefix that ends in a slash stands for all below it."""
    # as for files, `**/` may stand for no folder at all
    marks = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"((?<![^/])\*\*/|\*\*|\*|\?|\[[^\]]+\])", key)
    text = "".join(
        marks.get(part) or (part.replace("[!", "[^") if part[:1] == "[" else re.escape(part))
        for part in parts
    )
    return f"(?s:{text}{'.*' if not key or key.endswith('/') else ''})"


def _listed(bucket: str, prefix: str) -> Iterator[StoredObject]:
    query = {"list-type": "2", "prefix": prefix}
    while True:
        with _get(bucket, "", query, {}) as response:
            tree = _tree(response.content)
        for entry in tree.iterfind("{*}Contents"):
            yield _stored(bucket, entry)
        following = tree.findtext("{*}NextContinuationToken")
        if not following:
            return
        query = {**query, "continuation-token": following}


def _tree(content: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise ObjectStorageError(f"the listing is no XML ({error})") from error


def _stored(bucket: str, entry: ElementTree.Element) -> StoredObject:
    modified = datetime.fromisoformat(entry.findtext("{*}LastModified", "1970-01-01T00:00:00Z"))
    return StoredObject(
        url=f"{SCHEME}{bucket}/{entry.findtext('{*}Key', '')}",
        bytes=int(entry.findtext("{*}Size", "0")),
        modified_ns=round(modified.timestamp() * 1000) * 1_000_000,
        etag=entry.findtext("{*}ETag", ""),
    )


@contextmanager
def _get(
    bucket: str, key: str, query: dict[str, str], headers: dict[str, str]
) -> Iterator["Response"]:
    """An answer of status 200 whose body has not been read yet."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import HTTPError
    from urllib3.util import Retry

    endpoint, region = _endpoint()
    path = "/" + quote(f"{bucket}/{key}".rstrip("/") if not key else f"{bucket}/{key}", safe="/~")
    text = "&".join(f"{quote(k, safe=_SAFE)}={quote(query[k], safe=_SAFE)}" for k in sorted(query))
    url = f"{endpoint}{path}" + (f"?{text}" if text else "")
    retry = Retry(
        total=4, backoff_factor=0.3, backoff_jitter=0.2, status_forcelist=(500, 502, 503, 504),
        allowed_methods=("GET",), raise_on_status=False,
    )  # fmt: skip
    try:
        with requests.Session() as session:
            # a netrc file or a proxy's password must not take the place of the signature
            session.auth = lambda request: request
            session.mount(endpoint, HTTPAdapter(max_retries=retry))
            signed = {**headers, **_signed(urlsplit(endpoint).netloc, path, text, region)}
            with session.get(
                url, headers=signed, stream=True, timeout=_TIMEOUT, allow_redirects=False
            ) as response:
                _check_status(response)
                yield response
    except (requests.RequestException, HTTPError) as error:
        raise ObjectStorageError(f"{type(error).__name__}: it did not answer in full") from error


def _check_status(response: "Response") -> None:
    if response.status_code == 412:
        raise ObjectChanged
    if response.status_code != 200:
        code = re.search(rb"<Code>(\w+)</Code>", response.content)
        named = f" {code[1].decode()}" if code else ""
        raise ObjectStorageError(f"the storage answers {response.status_code}{named}")


def _endpoint() -> tuple[str, str]:
    """Where the storage is, and its region."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return (own or f"https://s3.{region}.amazonaws.com").rstrip("/"), region


def _signed(host: str, path: str, query: str, region: str) -> dict[str, str]:
    """The headers that sign a GET without a body; none where the environment holds no key."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        return {}
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    sent = {"host": host, "x-amz-content-sha256": _EMPTY, "x-amz-date": now}
    if token := os.environ.get("AWS_SESSION_TOKEN"):
        sent["x-amz-security-token"] = token
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
    request = "\n".join(["GET", path, query, lines, names, _EMPTY])
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    signing = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}".encode()
    signature = hmac.digest(signing, to_sign, "sha256").hex()
    del sent["host"]
    sent["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return sent

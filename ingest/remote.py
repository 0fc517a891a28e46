"""Files at `s3://`, and at `https://` and the like by way of DuckDB's httpfs. Nothing is downloaded
to get it: the extension comes with the environment, and credentials from its variables alone."""

import os
from collections.abc import Callable
from pathlib import Path

import duckdb

from ingest import object_storage
from ingest.errors import DeliveryRefused, SourceUnreachable
from ingest.sql import literal

_OTHER = "://"
# what DuckDB makes of 401 Unauthorized
_NO_STATUS = "HTTP 0 Internal Server Error"
_MAY_WANT_CREDENTIALS = "no status; a server that wants credentials, 401, is told so"
Masked = Callable[[str], str]


def is_remote(location: str) -> bool:
    """Whether a path is a URL."""
    return _OTHER in location


def list_files(pattern: str, where: str, masked: Masked) -> list[tuple[str, int, int, str]]:
    """URL, size in bytes, modification time (ns since 1970, 0 if unknown) and mark of what matches.

    The mark changes with the content (an ETag); it is empty where the place gives none.

    Args:
        pattern: The URL, in which `*` may stand in `s3://` and the like.
        where: The source, for messages.
        masked: Takes secrets out of a message.

    Raises:
        SourceUnreachable: The server does not answer.
    """
    if _is_s3(pattern):
        return _list_objects(pattern, where, masked)
    query = (
        "select filename, size, epoch_ns(last_modified) "
        f"from read_blob({literal(pattern)}) order by filename"
    )
    connection = _connect()
    try:
        rows = connection.execute(query).fetchall()
    except duckdb.Error as error:
        if "No files found" in str(error) and "*" in pattern:
            return []
        raise _unreachable(masked(pattern), where, masked(str(error))) from None
    finally:
        connection.close()
    return [(str(url), int(size or 0), max(0, int(at or 0)), "") for url, size, at in rows]


def _is_s3(url: str) -> bool:
    return url.lower().startswith(object_storage.SCHEME)


def _list_objects(pattern: str, where: str, masked: Masked) -> list[tuple[str, int, int, str]]:
    try:
        found = object_storage.list_objects(pattern)
    except object_storage.ObjectStorageError as error:
        raise _unreachable(masked(pattern), where, masked(str(error))) from error
    if not found and "*" not in pattern:
        raise _unreachable(masked(pattern), where, "the bucket holds no such object")
    return [(o.url, o.bytes, o.modified_ns, o.etag) for o in found]


def download(url: str, target: Path, where: str, masked: Masked, mark: str = "") -> None:
    """Copy the bytes of a URL to a file.

    Args:
        url: The URL.
        target: The file.
        where: The source, for messages.
        masked: Takes secrets out of a message.
        mark: The mark with which it was listed.

    Raises:
        SourceUnreachable: The server does not answer.
        DeliveryRefused: It has changed since it was listed.
    """
    if _is_s3(url):
        _fetch_object(url, target, where, masked, mark)
        return
    connection = _connect()
    try:
        row = connection.execute(f"select content from read_blob({literal(url)})").fetchone()
    except duckdb.Error as error:
        raise _unreachable(masked(url), where, masked(str(error))) from None
    finally:
        connection.close()
    target.write_bytes(row[0] if row else b"")


def _fetch_object(url: str, target: Path, where: str, masked: Masked, mark: str) -> None:
    try:
        object_storage.fetch(url, target, mark)
    except object_storage.ObjectChanged as error:
        raise DeliveryRefused(
            f"{masked(url)} changed while it was read",
            where,
            "an object that nobody is writing to",
            "run again when it is complete",
        ) from error
    except object_storage.ObjectStorageError as error:
        raise _unreachable(masked(url), where, masked(str(error))) from error


def _connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    load_extension(connection, "httpfs")
    # as all other requests: a company's own authority is named in the environment
    if bundle := os.environ.get("REQUESTS_CA_BUNDLE"):
        connection.execute(f"set ca_cert_file = {literal(bundle)}")
    return connection


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension of DuckDB from its installed wheel, without a network."""
    from duckdb_extensions import import_extension

    import_extension(name, con=connection)
    connection.execute(f"load {name}")


def _unreachable(url: str, where: str, error: str) -> SourceUnreachable:
    told = error.splitlines()[0].replace(_NO_STATUS, _MAY_WANT_CREDENTIALS)
    return SourceUnreachable(
        f"{url} could not be read: {told}",
        where,
        "a URL that answers; for s3:// with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
        "AWS_REGION in the environment, for an authority of your own with REQUESTS_CA_BUNDLE",
        "check the address, the network and the credentials, then run again",
    )

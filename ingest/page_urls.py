"""Which addresses a source of pages asks for: a list, a file, the table of matches, sitemaps."""

import fnmatch
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from ingest.errors import SourceUnreachable
from ingest.home import Home
from ingest.page_settings import PageSettings, is_address

if TYPE_CHECKING:
    from ingest.company import Company, Source

SITEMAP_BYTES = 52_428_800
"""The largest sitemap, as sitemaps.org says."""

_USUAL_PORTS = {"http": 80, "https": 443}
_MATCHED = """
select distinct competitor_key from raw.product_matches
where competitor_key like 'http%' and coalesce(kind, '') <> 'rejected' and _superseded_by is null
union
select distinct url from raw.competitor_prices
where url like 'http%' and product_id is not null and _superseded_by is null
order by 1
"""


def host_of(url: str) -> str:
    """The name of an address's host, with its port where that is not the usual one."""
    parts = urlsplit(url)
    name = (parts.hostname or "").rstrip(".")
    name = f"[{name}]" if ":" in name else name
    usual = parts.port in (None, _USUAL_PORTS.get(parts.scheme))
    return name if usual else f"{name}:{parts.port}"


def beginning_of(url: str) -> str:
    """Scheme and host of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{host_of(url)}"


def plain(url: str) -> str:
    """An address as it is asked for: without its fragment, the host in small letters."""
    parts = urlsplit(url.strip())
    path = parts.path or "/"
    return urlunsplit((parts.scheme, host_of(url), path, parts.query, ""))


def listed(source: "Source", company: "Company", home: Home) -> list[str]:
    """The addresses that are known without asking anyone, each once, in their order.

    Raises:
        SourceUnreachable: The file of addresses cannot be read.
    """
    settings = _settings(source)
    found = [*settings.urls]
    if settings.url_file:
        found += _from_file(company.path.parent / settings.url_file, source.name)
    if settings.from_matches:
        # what others wrote into a table leads to hosts only that the company file names
        found += [url for url in _matched(home) if host_of(url) in settings.hosts]
    return list(dict.fromkeys(plain(url) for url in found if is_wanted(url, settings)))


def is_wanted(url: str, settings: PageSettings) -> bool:
    """Whether an address can be asked for, and its path is one of those to read."""
    if not is_address(url.strip()):
        return False
    path = urlsplit(url.strip()).path or "/"
    patterns = settings.include
    return not patterns or any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _settings(source: "Source") -> PageSettings:
    assert source.pages is not None, "a source of shop_pages is checked to have them"
    return source.pages


def _from_file(path: Path, name: str) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceUnreachable(
            f"the file of addresses {path} cannot be read",
            f"source {name}",
            "a text file in UTF-8 with one address a line",
            "put the file there, or correct `url_file:` of the source",
        ) from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _matched(home: Home) -> list[str]:
    """Addresses of offers that are matched, in the version that readers see."""
    if not home.warehouse.exists():
        return []
    import duckdb

    connection = duckdb.connect(str(home.warehouse.resolve()), read_only=True)
    try:
        return [str(row[0]) for row in connection.execute(_MATCHED).fetchall()]
    except duckdb.CatalogException:
        # a version from before there were matches
        return []
    finally:
        connection.close()


def sitemap_entries(body: bytes) -> tuple[list[str], list[str]]:
    """The pages of a sitemap, and the sitemaps of an index; a plain list of lines is taken too.

    Nothing outside the file is read, whatever it refers to, and no entity of its own is expanded.
    """
    if not body.lstrip().startswith((b"<", b"\xef\xbb\xbf<")):
        lines = body.decode("utf-8-sig", errors="replace").split()
        return [line for line in lines if re.match(r"https?://", line)], []
    pages: list[str] = []
    indexes: list[str] = []
    for parent, location in _locations(body):
        (indexes if parent == "sitemap" else pages).append(location)
    return pages, indexes


def _locations(body: bytes) -> Iterator[tuple[str, str]]:
    from lxml import etree

    events = etree.iterparse(
        io.BytesIO(body), events=("end",), recover=True, resolve_entities=False, no_network=True,
        load_dtd=False, huge_tree=False,
    )  # fmt: skip
    for _, element in events:
        if isinstance(element.tag, str) and etree.QName(element).localname == "loc":
            parent = element.getparent()
            name = etree.QName(parent).localname if parent is not None else ""
            if name in ("url", "sitemap") and element.text:
                yield name, element.text.strip()
            if parent is not None:
                element.clear()


def by_host(urls: Iterable[str]) -> dict[str, list[str]]:
    """Addresses by the host that they lead to, in their order."""
    found: dict[str, list[str]] = {}
    for url in urls:
        found.setdefault(host_of(url), []).append(url)
    return found

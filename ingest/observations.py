"""From stored pages to observations of prices: a pure function of the log, the pages and a parser.

Each part of the log becomes one file, with a row for every page on which a price was found. The
others are told beside it in `landing/<source>/pages/<part>.unpriced.json`, by reason.
"""

import gzip
import importlib
import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ingest.errors import TradewindError
from ingest.home import Home
from ingest.page_log import Page, PageLog, Part
from ingest.page_settings import PageSettings
from ingest.page_urls import host_of
from ingest.refusals import write_json
from ingest.sql import literal

if TYPE_CHECKING:
    from ingest.company import Company, Source

_COLUMNS = {
    "observed_at": "timestamp", "competitor": "varchar", "market": "varchar",
    "price": "decimal(18, 4)", "currency": "varchar", "gtin": "varchar", "mpn": "varchar",
    "sku": "varchar", "title": "varchar", "brand": "varchar", "url": "varchar",
    "seller": "varchar", "list_price": "decimal(18, 4)", "price_kind": "varchar",
    "tax_included": "boolean", "availability": "varchar", "pack_quantity": "decimal(18, 4)",
    "pack_unit": "varchar", "evidence_sha256": "varchar", "method": "varchar",
    "suspicious": "boolean", "reason": "varchar", "parser_version": "varchar",
}  # fmt: skip
_TEXTS = ("currency", "gtin", "mpn", "sku", "title", "brand", "seller", "availability",
          "pack_unit", "method", "reason")  # fmt: skip
_AMOUNTS = ("price", "list_price", "pack_quantity")
_SCALE = Decimal("0.0001")
_LARGEST = Decimal(10) ** 14
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset", re.IGNORECASE)
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.IGNORECASE)
_BOM = b"\xef\xbb\xbf"


class Parser(Protocol):
    """What reads a page: `ingest.pages`."""

    PARSER_VERSION: str | int

    def parse_page(
        self, body: bytes, url: str, market: str | None, selectors: Mapping[str, str] | None
    ) -> Any:
        """Return the observation of one page."""


@dataclass(frozen=True)
class Written:
    """A file of observations to be landed under a name, and the version of its parser."""

    path: str
    file: Path
    mark: str


def parser() -> Parser:
    """The parser of this version; loaded where pages are parsed and nowhere else.

    Raises:
        TradewindError: It is not installed.
    """
    try:
        found: Any = importlib.import_module("ingest.pages")
    except ModuleNotFoundError as error:
        raise TradewindError(
            "this installation has no parser of product pages; the pages are kept as they came",
            "ingest.pages",
            "an installation with all of its parts",
            "install it again, then run: nothing is fetched twice",
        ) from error
    return found  # type: ignore[no-any-return]


def path_of(source_name: str, part: Part) -> str:
    """The name in the manifest of the observations of a part."""
    return f"pages:{source_name}/{part.name}.parquet"


def has_unparsed(source: "Source", home: Home, parsed: Collection[str]) -> bool:
    """Whether some part of the log has no observations yet."""
    parts = PageLog(home.landing, source.name).parts()
    return any(path_of(source.name, part) not in parsed for part in parts)


def unpriced(source: "Source", home: Home) -> Counter[str]:
    """Pages of the last part on which no price was found, by reason."""
    log = PageLog(home.landing, source.name)
    files = [log.file(part).with_suffix(".unpriced.json") for part in log.parts()[-1:]]
    found: Counter[str] = Counter()
    for file in files:
        if file.exists():
            found.update(json.loads(file.read_text(encoding="utf-8")))
    return found


def write(
    source: "Source",
    company: "Company",
    home: Home,
    skip: Collection[str] = (),
    using: Parser | None = None,
) -> Iterator[Written]:
    """Parse the parts of the log, one file after the other.

    Args:
        source: A source of kind shop_pages.
        company: Its company.
        home: Where its pages are landed.
        skip: Names in the manifest that are parsed already.
        using: The parser; that of this version by default.

    Raises:
        DeliveryRefused: A stored page has gone or is not what was landed.
    """
    log = PageLog(home.landing, source.name)
    folder = home.landing / source.name / ".partial"
    waiting = [part for part in log.parts() if path_of(source.name, part) not in skip]
    reading = using or (parser() if waiting else None)
    for part in waiting:
        assert reading is not None
        folder.mkdir(parents=True, exist_ok=True)
        lines = folder / f"{os.getpid()}-observations.jsonl.gz"
        without = _write_lines(lines, source, company, log, part, reading)
        file = folder / f"{os.getpid()}-observations.parquet"
        _to_parquet(lines, file)
        lines.unlink()
        write_json(log.file(part).with_suffix(".unpriced.json"), without)
        yield Written(path_of(source.name, part), file, str(reading.PARSER_VERSION))


def _write_lines(
    lines: Path, source: "Source", company: "Company", log: PageLog, part: Part, reading: Parser
) -> dict[str, int]:
    """Write a line of JSON a priced page; return the number of others by reason."""
    assert source.pages is not None
    without: Counter[str] = Counter()
    with gzip.open(lines, "wt", encoding="utf-8", compresslevel=1) as out:
        for page in log.read(part):
            if page.sha256 is None:
                continue
            row = observe(page, log.load(page), source.pages, company.home_market, reading)
            if row["price"] is None or row["currency"] is None:
                without[str(row["reason"] or "no price was found")] += 1
            else:
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return dict(without)


def observe(
    page: Page, body: bytes, settings: PageSettings, home_market: str, reading: Parser
) -> dict[str, Any]:
    """One row of observations: what the parser says of a page, and what the company file knows."""
    host = host_of(page.url)
    known = settings.host(host)
    market = known.market or home_market
    readable = _with_its_charset(body, page.content_type)
    found = reading.parse_page(readable, page.url, market=market, selectors=known.selectors or None)
    row: dict[str, Any] = {name: _text(getattr(found, name)) for name in _TEXTS}
    row |= {name: _amount(getattr(found, name)) for name in _AMOUNTS}
    is_reduced = row["list_price"] and row["price"]
    is_reduced = is_reduced and Decimal(row["list_price"]) > Decimal(row["price"])
    return {
        **row,
        "observed_at": page.fetched_at.replace("+00:00", ""),
        "competitor": known.competitor or host,
        "market": market,
        "url": page.url,
        "price_kind": "promotional" if is_reduced else "regular",
        "tax_included": known.tax_included,
        "suspicious": bool(found.suspicious),
        "evidence_sha256": page.sha256,
        "parser_version": str(reading.PARSER_VERSION),
    }


def _text(value: object) -> str | None:
    return None if value is None or not str(value).strip() else str(value)


def _amount(value: object) -> str | None:
    """A positive amount of four decimals, as text; None for what is none."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 < amount < _LARGEST:
        return None
    rounded = amount.quantize(_SCALE)
    return str(rounded) if rounded else None


def _with_its_charset(body: bytes, content_type: str | None) -> bytes:
    """The page with the encoding that only the header told put where a parser of bytes finds it."""
    told = _CHARSET.search(content_type or "")
    if told is None or body.startswith((_BOM, b"\xff\xfe", b"\xfe\xff")):
        return body
    if _META_CHARSET.search(body[:4096]):
        return body
    try:
        return _BOM + body.decode(told[1], errors="replace").encode()
    except LookupError:
        return body


def _to_parquet(lines: Path, file: Path) -> None:
    import duckdb

    kinds = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in _COLUMNS.items())
    listed = ", ".join(_COLUMNS)
    rows = f"read_json({literal(str(lines))}, columns = {{{kinds}}}, format = 'newline_delimited')"
    connection = duckdb.connect()
    try:
        connection.execute(f"copy (select {listed} from {rows}) to {literal(str(file))}")
    finally:
        connection.close()

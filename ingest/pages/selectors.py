"""What the company file's own selectors of a host find."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ingest.pages import availability as stock
from ingest.pages import identifiers
from ingest.pages.document import Document, squeeze
from ingest.pages.observation import Finding
from ingest.pages.visible import joined_text
from ingest.prices import read_price

FIELDS = ("price", "list_price", "currency", "availability", "sku", "gtin", "mpn", "brand",
          "title", "seller")  # fmt: skip
_ATTRIBUTES = ("content", "value", "data-price", "alt")


@lru_cache(maxsize=256)
def _compiled(selector: str) -> Any:
    from lxml.cssselect import CSSSelector, SelectorError
    from lxml.etree import XPathError

    try:
        return CSSSelector(selector, translator="html")
    except (SelectorError, XPathError):
        return None


def is_selector(text: str) -> bool:
    """Whether a text is a CSS selector, with or without an attribute at its end."""
    return _compiled(text.partition("@")[0].strip()) is not None


def find(document: Document, selectors: Mapping[str, str]) -> Finding:
    """Read the fields that selectors name; the first element that they match counts.

    An ending `@name` takes an attribute: `meta.price@content`.
    """
    finding = Finding("selector")
    for field, selector in selectors.items():
        found = _read(document, selector)
        if found is None or field not in FIELDS:
            continue
        if field == "price":
            price = read_price(found)
            finding.price = price.amount if price.amount and price.amount > 0 else None
            if finding.currency is None:
                finding.currency, finding.codes = price.currency, price.codes
        elif field == "list_price":
            finding.list_price = read_price(found).amount
        elif field == "availability":
            finding.availability = stock.of_schema(found) or stock.of_text(found)
        elif field == "gtin":
            finding.gtin = identifiers.gtin(found)
        elif field == "currency":
            finding.currency, finding.codes = found, ()
        else:
            setattr(finding, field, found)
    return finding


def _read(document: Document, selector: str) -> str | None:
    path, _, attribute = selector.partition("@")
    compiled = _compiled(path.strip())
    matched: list[Any] = compiled(document.root) if compiled is not None else []
    if not matched:
        return None
    element = matched[0]
    if attribute:
        return squeeze(element.get(attribute.strip())) or None
    shown = joined_text(element).strip()
    return shown or next((v for a in _ATTRIBUTES if (v := squeeze(element.get(a)))), None)

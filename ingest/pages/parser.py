"""The order of trust between the readers of a page, and what happens where they disagree."""

from collections.abc import Mapping
from decimal import Decimal

from ingest.pages import availability as stock
from ingest.pages import blocked, currency, identifiers, products, selectors, structured
from ingest.pages.document import Document
from ingest.pages.observation import Finding, Observation
from ingest.pages.pack import pack_of
from ingest.pages.state import named_amounts
from ingest.pages.visible import Visible, read_visible

PARSER_VERSION = "1"
_TOLERANCE = Decimal("0.01")


def parse_page(
    body: bytes,
    url: str,
    market: str | None = None,
    selectors: Mapping[str, str] | None = None,
) -> Observation:
    """Read a product page.

    Args:
        body: Its bytes as stored, unpacked.
        url: Its address.
        market: ISO 3166-1 alpha-2 code of the country that it sells to, where it is known.
        selectors: CSS selectors of fields, where the company file names some.

    Returns:
        The observation. It depends on the arguments alone, and no bytes raise an error.
    """
    document = Document(body, url)
    seen = read_visible(document, named_amounts(document))
    found = [*_structured(document), *_selected(document, selectors), seen.finding]
    priced = [finding for finding in found if finding.price is not None]
    is_marked = any(f.method != "visible" and f.method != "open_graph" for f in priced)
    state = blocked.wall(document, is_marked or (bool(priced) and seen.score > 8))
    if state is not None:
        return Observation(availability=state[0], reason=state[1])
    return _observation(document, found, seen, market)


def _structured(document: Document) -> list[Finding]:
    """What the page says to machines, the most trusted first."""
    readers = (
        ("json_ld", structured.json_ld),
        ("microdata", structured.microdata),
        ("rdfa", structured.rdfa),
    )
    found = [products.find(read(document), document, name) for name, read in readers]
    return [finding for finding in [*found, products.open_graph(document)] if finding is not None]


def _selected(document: Document, named: Mapping[str, str] | None) -> list[Finding]:
    return [selectors.find(document, named)] if named else []


def _observation(
    document: Document, found: list[Finding], seen: Visible, market: str | None
) -> Observation:
    priced = [finding for finding in found if finding.price is not None]
    best = priced[0] if priced else None
    price = best.price if best else None
    others = [finding for finding in found if finding is not best]
    title = _first(found, "title", 300) or document.title or None
    quantity, unit = pack_of(title)
    doubt = _doubt(priced, seen)
    return Observation(
        price=price,
        list_price=_list_price(found, price),
        currency=currency.settle([*([best] if best else []), *others], document, market)
        if price is not None
        else None,
        availability=_availability(found),
        sku=_first(found, "sku"),
        gtin=next((g for f in found if (g := identifiers.gtin(f.gtin))), None),
        mpn=_first(found, "mpn"),
        brand=_first(found, "brand"),
        title=title,
        seller=_first(found, "seller"),
        pack_quantity=quantity,
        pack_unit=unit,
        method=best.method if best else None,
        suspicious=doubt is not None,
        reason=doubt if price is not None else "no price was found",
    )


def _first(found: list[Finding], field: str, longest: int = 100) -> str | None:
    for finding in found:
        value = identifiers.name(getattr(finding, field), longest)
        if value:
            return value
    return None


def _availability(found: list[Finding]) -> str:
    states = [finding.availability for finding in found if finding.availability]
    return states[0] if states else stock.UNKNOWN


def _list_price(found: list[Finding], price: Decimal | None) -> Decimal | None:
    told = [f.list_price for f in found if f.list_price is not None]
    return next((value for value in told if price is not None and value > price), None)


def _doubt(priced: list[Finding], seen: Visible) -> str | None:
    """Why a price is in doubt: another reader found another one."""
    for other in priced[1:]:
        first = priced[0]
        assert first.price is not None and other.price is not None
        if abs(first.price - other.price) > _TOLERANCE * max(first.price, other.price):
            return (
                f"prices disagree: {first.method} says {first.price}, "
                f"{other.method} says {other.price}"
            )
    return None

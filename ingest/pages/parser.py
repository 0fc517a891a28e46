"""The order of trust between the readers of a page, and what happens where they disagree."""

from collections.abc import Mapping
from decimal import Decimal

from ingest.pages import availability as stock
from ingest.pages import blocked, currency, identifiers, products, selectors, structured
from ingest.pages.document import Document
from ingest.pages.facts import number_in, read_facts
from ingest.pages.observation import Finding, Observation
from ingest.pages.pack import pack_of
from ingest.pages.state import named_amounts, read_state
from ingest.pages.visible import Visible, read_visible
from ingest.pages.walk import walk_page

PARSER_VERSION = "2"
_TOLERANCE = Decimal("0.01")
_WEIGHTS = {
    "json_ld": Decimal(3), "microdata": Decimal(3), "rdfa": Decimal(3), "open_graph": Decimal(2),
    "selector": Decimal("2.5"), "visible": Decimal("1.5"), "state": Decimal("1.4"),
}  # fmt: skip
_MARKUP = frozenset({"json_ld", "microdata", "rdfa", "selector", "state"})
_WEIGHT_OF_REDUCED = Decimal("3.2")


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
    walk = walk_page(document)
    seen = read_visible(walk, named_amounts(document))
    found = [
        *_structured(document),
        *_selected(document, selectors),
        seen.finding,
        read_facts(document, walk),
        *read_state(document, walk.title),
        Finding("address", sku=number_in(url)),
    ]
    is_marked = any(f.price is not None and f.method in _MARKUP for f in found)
    wall = blocked.wall(document, is_marked, seen.finding.price is not None)
    if wall is not None:
        return Observation(availability=wall[0], reason=wall[1])
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
    for finding in priced:
        _rescale(finding, seen)
    best = _most_trusted(priced, seen)
    price = best.price if best else None
    others = [finding for finding in found if finding is not best]
    title = _first(found, "title", 300) or document.title or None
    quantity, unit = pack_of(title)
    settled = currency.settle([best, *others], document, market) if best is not None else None
    doubt = _doubt(best, priced, settled)
    return Observation(
        price=price,
        list_price=_list_price(found, price),
        currency=settled,
        availability=_availability(found),
        sku=_first(found, "sku"),
        gtin=next((g for f in found if (g := identifiers.gtin(f.gtin))), None),
        mpn=_mpn(found),
        brand=identifiers.brand(_first(found, "brand")),
        title=title,
        seller=_first(found, "seller"),
        pack_quantity=quantity,
        pack_unit=unit,
        method=best.method if best else None,
        suspicious=doubt is not None,
        reason=_reason(price, settled, doubt),
    )


def _reason(price: Decimal | None, settled: str | None, doubt: str | None) -> str | None:
    if price is None:
        return "no price was found"
    return doubt if settled is not None else "the currency of the price is not known"


def _first(found: list[Finding], field: str, longest: int = 100) -> str | None:
    for finding in found:
        value = identifiers.name(getattr(finding, field), longest)
        if value:
            return value
    return None


def _mpn(found: list[Finding]) -> str | None:
    """The maker's number; shops that repeat their own number there tell none."""
    numbers = {finding.sku for finding in found}
    told = (identifiers.name(finding.mpn) for finding in found)
    return next((mpn for mpn in told if mpn and mpn not in numbers), None)


def _availability(found: list[Finding]) -> str:
    states = [finding.availability for finding in found if finding.availability]
    return states[0] if states else stock.UNKNOWN


def _list_price(found: list[Finding], price: Decimal | None) -> Decimal | None:
    if price is None:
        return None
    agreeing = (f for f in found if f.price is None or _agree(f.price, price))
    told = (f.list_price for f in agreeing if f.list_price is not None)
    return next((value for value in told if value > price), None)


def _most_trusted(priced: list[Finding], seen: Visible) -> Finding | None:
    """The first finding of the price that has most weight behind it.

    The order of trust decides, unless two that are less trusted agree against one, or the page
    shows the price struck through that it tells to machines.
    """
    weights: dict[Decimal, Decimal] = {}
    for finding in priced:
        assert finding.price is not None
        same = next((p for p in weights if _agree(p, finding.price)), finding.price)
        weight = _WEIGHTS[finding.method]
        if finding is seen.finding and finding.list_price == priced[0].price:
            weight = _WEIGHT_OF_REDUCED
        weights[same] = weights.get(same, Decimal(0)) + weight
    if not weights:
        return None
    top = max(weights.values())
    return next(f for f in priced if f.price is not None and weights.get(f.price) == top)


def _rescale(finding: Finding, seen: Visible) -> None:
    """Mend a price of markup that is shown with another mark: whole cents, or 1.299 for 1299."""
    shown, told = seen.finding.price, finding.price
    if shown is None or told is None or shown == told:
        return
    is_whole = told == told.to_integral_value()
    if (is_whole and told == shown * 100) or (not is_whole and told * 1000 == shown):
        finding.price = shown


def _agree(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= _TOLERANCE * max(one, other)


def _doubt(best: Finding | None, priced: list[Finding], settled: str | None) -> str | None:
    """Why a price is in doubt: another reader found another one, or another currency."""
    if best is None or best.price is None:
        return None
    others = [f for f in priced if f.price is not None and not _agree(best.price, f.price)]
    if others:
        said = ", ".join(f"{finding.method} says {finding.price}" for finding in [best, *others])
        return f"prices disagree: {said}"
    for other in priced:
        if settled and other.codes and settled not in other.codes:
            return f"currencies disagree: {settled}, and {other.method} says {other.currency}"
    return None

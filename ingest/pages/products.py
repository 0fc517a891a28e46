"""Which of a page's items is its product, and what its offers cost."""

import re
from collections.abc import Iterable
from decimal import Decimal
from urllib.parse import unquote, urlsplit

from rapidfuzz import fuzz

from ingest.pages import availability as stock
from ingest.pages import identifiers
from ingest.pages.document import Document
from ingest.pages.observation import Finding
from ingest.pages.structured import Item, inner, text, texts, types
from ingest.prices import read_price

_PRODUCTS = frozenset({"Product", "ProductGroup", "ProductModel", "IndividualProduct",
                       "SomeProducts", "Book", "Vehicle", "Car", "SoftwareApplication", "Course",
                       "MobileApplication", "Movie", "MusicAlbum", "VideoGame"})  # fmt: skip
_OFFERS = frozenset({"Offer", "AggregateOffer", "OfferForPurchase", "Demand"})
_RELATED = ("isRelatedTo", "isSimilarTo", "isAccessoryOrSparePartFor", "itemListElement",
            "isConsumableFor", "recommendations")  # fmt: skip
_LIST_PRICES = ("ListPrice", "MSRP", "SRP", "StrikethroughPrice", "RegularPrice")
_GTINS = ("gtin13", "gtin", "gtin14", "gtin12", "gtin8", "ean", "ean13", "upc", "isbn", "productID")


def find(items: list[Item], document: Document, method: str) -> Finding | None:
    """What the items of one syntax say of the page's product; None where there is none."""
    related = {id(each) for item in items for each in _related_items(item)}
    products = [item for item in items if types(item) & _PRODUCTS and id(item) not in related]
    product = _main(products, document)
    if product is None:
        return _bare_offer(items, method, related)
    finding = _finding(product, document, method)
    _join_variants(finding, product, products)
    if finding.price is None and "element" in product:
        _adopt_offer(finding, items)
    return finding


def _related_items(item: Item) -> list[Item]:
    """Items inside one that are other products than it."""
    found = inner(item, *_RELATED)
    return [*found, *(each for other in found for each in inner(other, "item"))]


def _main(products: list[Item], document: Document) -> Item | None:
    """The product that the page is about."""
    if len(products) < 2:
        return products[0] if products else None
    ranked = sorted(enumerate(products), key=lambda each: (-_rank(each[1], document), each[0]))
    return ranked[0][1]


def _rank(product: Item, document: Document) -> float:
    """How much speaks for it: its address, its name, and whether it says what it costs."""
    rank = 0.0
    if any(_same_page(address, document.url) for address in texts(product, "url", "@id")):
        rank += 2
    title = text(product, "name")
    if title:
        headings = [document.title, document.metas.get("og:title", "")]
        likeness = max((fuzz.token_set_ratio(title.lower(), h.lower()) for h in headings if h),
                       default=0)  # fmt: skip
        rank += likeness / 50
    if inner(product, "offers", "hasVariant") or text(product, "price"):
        rank += 1
    return rank + (0.5 if text(product, "sku", "description", "image") else 0)


def _same_page(address: str, url: str) -> bool:
    ours, theirs = urlsplit(url), _split(address)
    if theirs is None:
        return False
    same_path = unquote(theirs.path).rstrip("/") == unquote(ours.path).rstrip("/")
    return bool(ours.path.strip("/")) and same_path and not theirs.fragment


def _split(address: str):  # type: ignore[no-untyped-def]
    try:
        return urlsplit(address)
    except ValueError:
        return None


def _finding(product: Item, document: Document, method: str) -> Finding:
    finding = Finding(
        method,
        title=text(product, "name"),
        brand=text(product, "brand", "manufacturer"),
        sku=text(product, "sku", "productID", "identifier"),
        gtin=next(filter(None, map(identifiers.gtin, texts(product, *_GTINS))), None),
        mpn=text(product, "mpn", "model"),
    )
    variants = inner(product, "hasVariant", "model")
    offers = _offers(product) or [offer for each in variants for offer in _offers(each)]
    offer = _chosen(offers, document)
    if offer is not None:
        _take_offer(finding, offer)
        states = [stock.of_schema(text(each, "availability")) for each in offers]
        finding.availability = _any_state(states) or finding.availability
    if finding.price is None and text(product, "price", "lowPrice"):
        _take_offer(finding, product)
    for each in variants:
        if _holds(each, offer):
            finding.sku = finding.sku or text(each, "sku")
            finding.gtin = finding.gtin or next(
                filter(None, map(identifiers.gtin, texts(each, *_GTINS))), None
            )
            finding.mpn = finding.mpn or text(each, "mpn")
    return finding


def _join_variants(finding: Finding, product: Item, products: list[Item]) -> None:
    """Let products of the same name, such as sizes, tell together whether one is in stock."""
    name = text(product, "name")
    alike = [each for each in products if name and text(each, "name") == name]
    if len(alike) > 1:
        states = [stock.of_schema(text(o, "availability")) for each in alike for o in _offers(each)]
        finding.availability = _any_state(states) or finding.availability


def _holds(variant: Item, offer: Item | None) -> bool:
    return any(each is offer for each in _offers(variant))


def _offers(product: Item) -> list[Item]:
    """The offers of a product, those inside an AggregateOffer with it."""
    found: list[Item] = []
    for offer in inner(product, "offers"):
        found.append(offer)
        found += inner(offer, "offers")
    return found


def _chosen(offers: list[Item], document: Document) -> Item | None:
    """The offer of the page: that of its address, then the first that can be bought."""
    priced = [offer for offer in offers if _amounts(offer)[0] is not None]
    if not priced:
        return offers[0] if offers else None
    full = [o for o in priced if any(a == document.url for a in texts(o, "url"))]
    if len(full) == 1:
        return full[0]
    buyable = [
        offer
        for offer in priced
        if stock.of_schema(text(offer, "availability")) != stock.OUT_OF_STOCK
    ]
    return (buyable or priced)[0]


def _any_state(states: Iterable[str | None]) -> str | None:
    """In stock where any offer is."""
    told = [state for state in states if state]
    order = (stock.IN_STOCK, stock.PRE_ORDER, stock.OUT_OF_STOCK)
    return next((state for state in order if state in told), None)


def _take_offer(finding: Finding, offer: Item) -> None:
    finding.price, finding.list_price, written = _amounts(offer)
    finding.currency = _currency(offer)
    if written and not finding.currency:
        read = read_price(written)
        finding.currency, finding.codes = read.currency, read.codes
    finding.availability = stock.of_schema(text(offer, "availability"))
    finding.seller = text(offer, "seller", "offeredBy")
    for name in ("sku", "mpn"):
        if getattr(finding, name) is None:
            setattr(finding, name, text(offer, name))
    if finding.gtin is None:
        finding.gtin = next(filter(None, map(identifiers.gtin, texts(offer, *_GTINS))), None)


def _currency(offer: Item) -> str | None:
    told = text(offer, "priceCurrency", "currency", "pricecurrency")
    specs = inner(offer, "priceSpecification")
    return told or next(filter(None, (text(spec, "priceCurrency") for spec in specs)), None)


def _amounts(offer: Item) -> tuple[Decimal | None, Decimal | None, str | None]:
    """Price, list price and the price as written."""
    written = text(offer, "price", "lowPrice", "lowprice")
    price = amount(written)
    # where an offer names several prices, the lower one holds and the higher one is crossed out
    told = [value for each in texts(offer, "price") if (value := amount(each)) is not None]
    lists = [value for value in told if value != min(told)]
    price = min(told, default=price)
    for spec in inner(offer, "priceSpecification"):
        value = amount(text(spec, "price", "minPrice"))
        if value is None or _is_unit_price(spec) or _is_net(spec, offer):
            continue
        if _is_list_price(spec):
            lists.append(value)
        elif price is None or "SalePrice" in (text(spec, "priceType") or ""):
            price, written = value, text(spec, "price", "minPrice")
    if price is None and lists:
        price = lists.pop()
    high = [value for value in lists if price is not None and value > price]
    return price, max(high, default=None), written


def _is_list_price(spec: Item) -> bool:
    kind = (text(spec, "priceType") or "") + (text(spec, "name") or "")
    return any(word.lower() in kind.lower().replace(" ", "") for word in _LIST_PRICES)


def _is_net(spec: Item, offer: Item) -> bool:
    """Whether a price lacks the tax that another one of the offer holds."""
    gross = [text(each, "valueAddedTaxIncluded") for each in inner(offer, "priceSpecification")]
    return (text(spec, "valueAddedTaxIncluded") or "").lower() == "false" and any(
        (each or "").lower() == "true" for each in gross
    )


def _is_unit_price(spec: Item) -> bool:
    """Whether a price is one per litre or per month rather than of the pack."""
    quantity = inner(spec, "referenceQuantity")
    if quantity and text(quantity[0], "unitCode", "unitText") not in (None, "C62", "EA", "PCE"):
        return True
    per = text(spec, "unitCode", "unitText")
    if "UnitPriceSpecification" in types(spec) and per not in (None, "C62", "EA", "PCE"):
        return True
    return bool(text(spec, "billingDuration", "billingIncrement"))


def amount(written: str | None) -> Decimal | None:
    """A price of structured data; machines write it with a point, people as they like."""
    if written is None:
        return None
    if re.fullmatch(r"\d+(?:\.\d+)?", written):
        value: Decimal | None = Decimal(written)
    else:
        value = read_price(written).amount
    return value if value is not None and value > 0 else None


def _bare_offer(items: list[Item], method: str, related: set[int]) -> Finding | None:
    """The only offer of a page that names no product."""
    offers = [item for item in items if types(item) & _OFFERS and id(item) not in related]
    if not offers or len({_amounts(offer)[0] for offer in offers}) > 1:
        return None
    finding = Finding(method, title=text(offers[0], "name", "itemOffered"))
    _take_offer(finding, offers[0])
    return finding if finding.price is not None else None


def _adopt_offer(finding: Finding, items: list[Item]) -> None:
    """Take the only offer that stands outside of a product that has none."""
    owned = {id(offer) for item in items for offer in inner(item, "offers", "itemOffered")}
    lone = [item for item in items if types(item) & _OFFERS and id(item) not in owned]
    if lone and len({_amounts(offer)[0] for offer in lone}) == 1:
        _take_offer(finding, lone[0])


def open_graph(document: Document) -> Finding | None:
    """What the page's meta elements say of its product."""
    metas = document.metas

    def first(*names: str) -> str | None:
        return next((metas[name] for name in names if name in metas), None)

    finding = Finding(
        "open_graph",
        title=first("og:title", "twitter:title"),
        brand=first("product:brand", "og:brand"),
        sku=first("product:retailer_item_id", "product:sku", "og:sku"),
        mpn=first("product:mfr_part_no"),
        gtin=identifiers.gtin(first("product:ean", "product:gtin", "product:upc", "og:upc",
                                    "og:ean", "product:isbn", "book:isbn")),
        availability=stock.of_schema(
            first("product:availability", "og:availability", "availability")
        ),
        currency=first("product:sale_price:currency", "product:price:currency",
                       "og:price:currency", "og:currency"),
    )  # fmt: skip
    regular = first("product:price:amount", "og:price:amount", "product:price", "og:price")
    sale = amount(first("product:sale_price:amount", "product:sale_price"))
    price = amount(regular)
    finding.price = sale or price
    original = amount(first("product:original_price:amount", "og:price:standard_amount"))
    finding.list_price = price if sale and price and price > sale else original
    if regular and not finding.currency:
        read = read_price(regular)
        finding.currency, finding.codes = read.currency, read.codes
    return finding

"""What the scripts of a page say: amounts named as prices, and the product of its own state.

Shops that draw their pages in the browser send what they draw as JSON in a script: Next.js, Nuxt,
Shopify, data layers of analytics. The object whose name is the page's title is the product.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rapidfuzz import fuzz

from ingest.pages import availability as stock
from ingest.pages import identifiers
from ingest.pages.document import Document, squeeze
from ingest.pages.observation import Finding
from ingest.pages.products import amount

_NAMED = re.compile(
    r"rice[\w-]{0,30}\\?[\"']?\s{0,3}(?:(?:value|content)\s?)?[:=]\s{0,3}\\?[\"']?\s?[^\w\s\"'{\[]{0,2}\s?(\d[\d.,]{0,14})",
    re.IGNORECASE,
)
_MOST = 3_000_000
_LARGEST = 1_500_000
_MOST_OBJECTS = 60_000
_STARTS = re.compile(r"(?:=|\(|:)\s*(?=\{\s*\"|\[\s*\{\s*\")")
_TITLES = ("name", "title", "productName", "product_name", "displayName", "productTitle")
_PRICES = ("salePrice", "sale_price", "specialPrice", "special_price", "currentPrice", "finalPrice",
           "final_price", "sellingPrice", "offerPrice", "priceValue", "price", "unitPrice",
           "prices", "priceInfo", "offers", "price_amount")  # fmt: skip
_LISTS = ("listPrice", "list_price", "wasPrice", "regularPrice", "originalPrice", "oldPrice",
          "compare_at_price", "compareAtPrice", "msrp", "rrp", "strikePrice")  # fmt: skip
_INNER = ("value", "amount", "current", "raw", "now", "price", "min", "minPrice", "currentPrice",
          "centAmount")  # fmt: skip
_SKUS = ("sku", "productId", "product_id", "itemId", "item_id", "productCode", "code", "id",
         "partNumber", "articleNumber")  # fmt: skip
_BRANDS = ("brand", "brandName", "brand_name", "manufacturer", "vendor", "item_brand")
_GTINS = ("gtin13", "gtin", "ean", "upc", "barcode", "gtin14", "gtin12", "ean13")
_CURRENCIES = ("priceCurrency", "currency", "currencyCode", "currency_code", "currencyIso")
_STOCKS = ("availability", "availabilityStatus", "stockStatus", "inStock", "in_stock", "available",
           "isInStock", "isAvailable")  # fmt: skip


def named_amounts(document: Document) -> Counter[Decimal]:
    """Amounts that scripts and attributes of the page give to something named price."""
    found: Counter[Decimal] = Counter()
    for match in _NAMED.finditer(document.text[:_MOST]):
        value = amount(match[1].rstrip(".,"))
        if value is not None:
            found[value] += 1
    return found


def read_state(document: Document, title: str) -> list[Finding]:
    """The product of the page's own state: the object that is named as the page is.

    Args:
        document: The page.
        title: Its heading.
    """
    wanted = (title or document.metas.get("og:title") or document.title).lower()
    if len(wanted) < 4:
        return []
    best: dict[str, Any] | None = None
    best_rank = 85.0
    for each in _objects(document):
        name = next((each[key] for key in _TITLES if isinstance(each.get(key), str)), None)
        if name and any(key in each for key in (*_PRICES, *_BRANDS)):
            likeness = fuzz.ratio(squeeze(name).lower(), wanted)
            known = sum(any(key in each for key in keys) for keys in (_PRICES, _SKUS, _BRANDS))
            if likeness >= 85 and likeness + 5 * known > best_rank:
                best, best_rank = each, likeness + 5 * known
    return [] if best is None else [_finding(best)]


def _finding(product: dict[str, Any]) -> Finding:
    scale = 1 if "compare_at_price" not in product else _scale(product)
    price, high = _amount(product, _PRICES, scale), _amount(product, _LISTS, scale)
    return Finding(
        "state",
        price=price,
        list_price=high if price and high and high > price else None,
        currency=_text(product, _CURRENCIES),
        availability=_stock(product),
        sku=_text(product, _SKUS),
        brand=_text(product, _BRANDS),
        gtin=identifiers.gtin(_text(product, _GTINS)),
        mpn=_text(product, ("mpn", "manufacturerPartNumber", "modelNumber")),
    )


def _scale(product: dict[str, Any]) -> int:
    """Shopify's scripts write whole cents."""
    return 100 if isinstance(product.get("price"), int) else 1


def _amount(product: dict[str, Any], keys: tuple[str, ...], scale: int) -> Decimal | None:
    for key in keys:
        value: Any = product.get(key)
        for _ in range(2):
            if isinstance(value, list):
                value = value[0] if value else None
            if isinstance(value, dict):
                value = next((value[k] for k in _INNER if k in value), None)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            found = amount(str(value))
            if found is not None:
                return found / scale
    return None


def _text(product: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value: Any = product.get(key)
        if isinstance(value, dict):
            value = value.get("name") or value.get("value")
        if isinstance(value, str | int) and not isinstance(value, bool):
            found = identifiers.name(str(value))
            if found:
                return found
    return None


def _stock(product: dict[str, Any]) -> str | None:
    for key in _STOCKS:
        value = product.get(key)
        if isinstance(value, bool | str):
            state = stock.of_schema(str(value))
            if state:
                return state
    return None


def _objects(document: Document) -> Iterator[dict[str, Any]]:
    """All JSON objects in the page's scripts, outer ones first."""
    left, objects = _LARGEST, _MOST_OBJECTS
    for script in document.root.iter("script"):
        source = script.text or ""
        kind = (script.get("type") or "").lower()
        if len(source) < 40 or len(source) > left or "ld+json" in kind:
            continue
        if "rice" not in source and "rand" not in source:
            continue
        left -= len(source)
        for value in _values(source, "json" in kind):
            waiting = [value]
            while waiting and objects:
                each = waiting.pop()
                objects -= 1
                if isinstance(each, dict):
                    yield each
                    waiting += [v for v in each.values() if isinstance(v, dict | list)]
                elif isinstance(each, list):
                    waiting += [v for v in each if isinstance(v, dict | list)]


def _values(source: str, is_json: bool) -> Iterator[Any]:
    """The JSON values of a script."""
    decoder = json.JSONDecoder(strict=False)
    place, tries = 0, 40
    if is_json or source.lstrip()[:1] in "{[":
        starts: Iterator[int] = iter([len(source) - len(source.lstrip())])
    else:
        starts = (match.end() for match in _STARTS.finditer(source))
    for start in starts:
        if start < place:
            continue
        tries -= 1
        if not tries:
            return
        try:
            value, place = decoder.raw_decode(source, start)
        except (ValueError, RecursionError):
            continue
        yield value

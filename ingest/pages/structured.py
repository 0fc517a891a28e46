"""Structured data of a page as items of one form: JSON-LD, microdata, RDFa and Open Graph.

An item is a dictionary as JSON-LD writes it, with short names of schema.org: `{"@type":
["Product"], "name": ["Kettle"], "offers": [{...}]}`. All values are lists.
"""

import html
import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from ingest.pages import loose_json
from ingest.pages.document import Document, squeeze

Item = dict[str, list[Any]]

_DEEPEST = 30
_MOST_ITEMS = 3000
_CONTENT = ("content", "datetime", "value")
_LINKS = {"a": "href", "link": "href", "area": "href", "img": "src", "audio": "src", "video": "src",
          "source": "src", "iframe": "src", "embed": "src", "object": "data"}  # fmt: skip


def json_ld(document: Document) -> list[Item]:
    """All items of the page's JSON-LD, nested ones after those that hold them."""
    found: list[Item] = []
    for script in document.root.iter("script"):
        kind = (script.get("type") or "").lower()
        if "ld+json" in kind and script.text:
            _collect(loose_json.loads(script.text), found, 0)
    return _resolved(found)


def _collect(value: Any, found: list[Item], depth: int) -> None:
    """Append the items inside a value, the outer ones first."""
    if depth > _DEEPEST or len(found) > _MOST_ITEMS:
        return
    if isinstance(value, list):
        for each in value:
            _collect(each, found, depth + 1)
    elif isinstance(value, dict):
        item = _item(value, depth)
        if types(item) or "@graph" in item or "@id" in item:
            found.append(item)
        for name, inner in value.items():
            if name not in ("@context", "@type"):
                _collect(inner, found, depth + 1)


def _item(value: dict[Any, Any], depth: int) -> Item:
    """A JSON object as an item."""
    return {_short(str(name)): _values(inner, depth) for name, inner in value.items()}


def _values(value: Any, depth: int) -> list[Any]:
    if depth > _DEEPEST:
        return []
    if isinstance(value, list):
        return [each for inner in value for each in _values(inner, depth + 1)]
    if isinstance(value, dict):
        if "@value" in value:
            return [value["@value"]]
        return [_item(value, depth + 1)]
    if value is None:
        return []
    return [html.unescape(value) if isinstance(value, str) and "&" in value else value]


def _short(name: str) -> str:
    """A name without its vocabulary: `https://schema.org/price` and `schema:price` are `price`."""
    return re.sub(r"^(?:https?://(?:www\.)?schema\.org/|schema:|gr:|product:)", "", name.strip())


def _resolved(items: list[Item]) -> list[Item]:
    """The items, with references by @id replaced by what they name."""
    by_id: dict[str, Item] = {}
    for item in items:
        for name in item.get("@id", []):
            if isinstance(name, str) and len(item) > 1:
                by_id.setdefault(name, item)
    for item in items:
        for values in item.values():
            for place, value in enumerate(values):
                if isinstance(value, dict) and set(value) == {"@id"} and value["@id"]:
                    values[place] = by_id.get(str(value["@id"][0]), value)
    return items


def microdata(document: Document) -> list[Item]:
    """All items of the page's microdata, in the order of the page."""
    scopes = document.root.xpath("//*[@itemscope]")[:_MOST_ITEMS]
    found = {scope: _scope_item(scope) for scope in scopes}
    for element in document.root.iter():
        names = element.get("itemprop") if isinstance(element.tag, str) else None
        if not names:
            continue
        owner = next((above for above in element.iterancestors() if above in found), None)
        value: Any = found.get(element)
        value = _property(element) if value is None else value
        if owner is not None and value not in (None, ""):
            for name in names.split():
                found[owner].setdefault(_short(name), []).append(value)
        elif owner is None and value not in (None, ""):
            _orphans(found, document).setdefault(_short(names.split()[0]), []).append(value)
    return list(found.values())


def _orphans(found: dict[Any, Item], document: Document) -> Item:
    """The item of properties that stand in no scope: most are a product's."""
    return found.setdefault(document.root, {"@type": ["Product"], "orphan": [True]})


def _scope_item(scope: Any) -> Item:
    kinds = [_short(kind) for kind in (scope.get("itemtype") or "").split()]
    return {"@type": kinds, "element": [scope]}


def _property(element: Any) -> str:
    for attribute in _CONTENT:
        value = element.get(attribute)
        if value is not None and (attribute == "content" or value.strip()):
            return squeeze(value)
    link = _LINKS.get(element.tag)
    if (
        link
        and element.get(link)
        and not (element.tag == "a" and element.get("itemprop") in _TEXTS)
    ):
        return str(element.get(link)).strip()
    return squeeze(element.text_content())[:500]


_TEXTS = frozenset({"name", "brand", "manufacturer", "price", "sku"})
_RDFA = re.compile(r"(?:typeof|property|rel)=[\"'][^\"']*?(?:Product\b|Offer|hasCurrencyValue)")


def rdfa(document: Document) -> list[Item]:
    """Items of RDFa that speak of products or offers: `typeof`, `property`, `content`."""
    if not _RDFA.search(document.text):
        return []
    found: dict[Any, Item] = {}
    for element in document.root.iter(etree.Element):
        kinds = element.get("typeof")
        names = element.get("property") or element.get("rel") if element.tag != "meta" else None
        names = names or (element.get("property") if element.tag in ("meta", "link") else None)
        owner = next((above for above in element.iterancestors() if above in found), None)
        if kinds:
            found[element] = {"@type": [_short(kind) for kind in kinds.split()],
                              "element": [element]}  # fmt: skip
        if names and owner is not None:
            value: Any = found.get(element) or _property(element)
            for name in names.split():
                found[owner].setdefault(_RENAMED.get(_short(name), _short(name)), []).append(value)
    return list(found.values())


# GoodRelations, the vocabulary of shops before schema.org took it over
_RENAMED = {
    "hasCurrencyValue": "price", "hasCurrency": "priceCurrency", "hasStockKeepingUnit": "sku",
    "hasEAN_UCC-13": "gtin13", "hasGTIN-14": "gtin14", "hasMPN": "mpn", "hasBrand": "brand",
    "hasManufacturer": "manufacturer", "hasPriceSpecification": "priceSpecification",
}  # fmt: skip


def types(item: Any) -> set[str]:
    """The types of an item, in short names."""
    kinds = item.get("@type", []) if isinstance(item, dict) else []
    return {_short(kind) for kind in kinds if isinstance(kind, str)}


def texts(item: Item, *names: str) -> Iterator[str]:
    """The values of properties as texts, of inner items their name or value."""
    for name in names:
        for value in item.get(name, []):
            if isinstance(value, dict):
                yield from texts(value, "name", "@value", "value", "@id")
            elif isinstance(value, str | int | float):
                text = squeeze(str(value))
                if text:
                    yield text


def text(item: Item, *names: str) -> str | None:
    """The first of the values of properties; None where there is none."""
    return next(texts(item, *names), None)


def inner(item: Item, *names: str) -> list[Item]:
    """The inner items of properties."""
    return [value for name in names for value in item.get(name, []) if isinstance(value, dict)]

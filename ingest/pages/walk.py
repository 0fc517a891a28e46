"""One pass over a page: its texts in order, with the regions they stand in, and its landmarks."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from rapidfuzz import fuzz

from ingest.pages import availability as stock
from ingest.pages import regions
from ingest.pages.document import Document, squeeze

_SKIPPED = frozenset({"script", "style", "noscript", "template", "svg", "head", "select", "option",
                      "textarea", "iframe", "canvas"})  # fmt: skip
_BUTTONS = frozenset({"button", "a", "input"})
_LONGEST = 400
_NEAR_BUTTON = 1000


@dataclass(frozen=True, slots=True)
class Chunk:
    """A text of the page.

    Attributes:
        place: The number of its element in the order of the page.
        element: The element in which it stands.
        text: The text, its white space as one space.
        flags: The regions that it stands in (`ingest.pages.regions`).
    """

    place: int
    element: Any
    text: str
    flags: int


@dataclass(slots=True)
class Walk:
    """What one pass gathers.

    Attributes:
        chunks: All visible texts in order.
        flags: The regions of every element.
        size: Number of elements.
        heading: Place of the heading that names the product; 0 where there is none.
        heading_element: That heading; None where there is none.
        title: Its text.
        button: Place of the button that buys; None where there is none.
    """

    chunks: list[Chunk] = field(default_factory=list)
    flags: dict[Any, int] = field(default_factory=dict)
    size: int = 1
    heading: int = 0
    heading_element: Any = None
    title: str = ""
    button: int | None = None


def walk_page(document: Document) -> Walk:
    """Walk over a page once."""
    heading, title = _heading(document)
    walk = Walk(title=title, heading_element=heading)
    around = _wide(document)
    if heading is not None:
        around.update(heading.iterancestors())
    skipped: set[Any] = set()
    buttons: list[tuple[int, Any]] = []
    for place, element in enumerate(document.root.iter("*")):
        parent = element.getparent()
        if parent in skipped or element.tag in _SKIPPED:
            skipped.add(element)
            if parent not in skipped:
                _keep(walk, parent, element.tail, place)
            continue
        # what stands around the product's own heading says nothing of other products
        own = 0 if element in around else regions.own_flags(element)
        walk.flags[element] = walk.flags.get(parent, 0) & regions.INHERITED | own
        if element is heading:
            walk.heading = place
        if element.tag in _BUTTONS:
            buttons.append((place, element))
        _keep(walk, element, element.text, place)
        _keep(walk, parent, element.tail, place)
        walk.size = place + 1
    walk.button = _button(walk, buttons)
    return walk


def _keep(walk: Walk, element: Any, text: str | None, place: int) -> None:
    if text and element is not None and len(text) < 4000:
        squeezed = squeeze(text)
        if squeezed and len(squeezed) <= _LONGEST:
            walk.chunks.append(Chunk(place, element, squeezed, walk.flags.get(element, 0)))


def _heading(document: Document) -> tuple[Any, str]:
    """The heading that names the product: the one that is most like the page's title."""
    page = (document.metas.get("og:title") or document.title).lower()
    shop = f"{document.metas.get('og:site_name', '')} {urlsplit(document.url).hostname}".lower()
    best, title, best_rank = None, "", 0.5
    for element in document.root.iter("h1", "h2", "h3"):
        text = squeeze(element.text_content())
        if 2 < len(text) < 300:
            rank = _likeness(text, page) + {"h1": 0.5, "h2": 0.2, "h3": 0.1}[element.tag]
            # where the title is only the shop's, the longer heading is the product's
            rank += min(len(text), 60) / 400 - (1.0 if text.lower() in shop else 0)
            if rank > best_rank + 0.01:
                best, title, best_rank = element, text, rank
    return (best, title) if best is not None else _like_title(document, page)


def _likeness(text: str, page: str) -> float:
    """How much a text is like the title of the page, from 0 to 1.2."""
    alike = fuzz.token_set_ratio(text.lower(), page) if page else 0
    return alike * 0.007 + fuzz.ratio(text.lower(), page) * 0.005 if alike > 60 else 0.0


def _like_title(document: Document, page: str) -> tuple[Any, str]:
    """Any element that holds nearly the title of the page, where no heading does."""
    best, title, best_rank = None, "", 0.95
    for element in document.root.iter("div", "span", "p", "td", "b", "strong", "a", "font", "li"):
        text = squeeze(element.text) if element.text and len(element.text) < 400 else ""
        if 8 < len(text) < 250 and page:
            rank = _likeness(text, page)
            if rank > best_rank + 0.01:
                best, title, best_rank = element, text, rank
    return best, title


def _wide(document: Document) -> set[Any]:
    """Elements that hold half of the page: their names say nothing of a single part."""
    elements = list(document.root.iter("*"))
    sizes = dict.fromkeys(elements, 1)
    for element in reversed(elements):
        parent = element.getparent()
        if parent is not None:
            sizes[parent] += sizes[element]
    return {element for element, size in sizes.items() if size * 2 > len(elements)}


def _button(walk: Walk, buttons: list[tuple[int, Any]]) -> int | None:
    """Place of the button that buys: the first after the heading, or else the last before it."""
    before = None
    for place, element in buttons:
        if not walk.heading - _NEAR_BUTTON <= place <= walk.heading + _NEAR_BUTTON:
            continue
        others = regions.RELATED | regions.CHROME | regions.REVIEW
        if walk.flags.get(element, 0) & others or element.get("disabled") is not None:
            continue
        if _orders(element):
            if place >= walk.heading:
                return place
            before = place
    return before


def _orders(element: Any) -> bool:
    """Whether a button puts the product into the basket."""
    words = element.get("value") if element.tag == "input" else element.text_content()[:200]
    labels = (words, element.get("title"), element.get("aria-label"))
    text = squeeze(" ".join(filter(None, labels)))
    return 1 < len(text) < 60 and stock.is_order_text(text)

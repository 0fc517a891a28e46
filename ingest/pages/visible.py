"""The price that a reader of the page would see, found without any markup for machines.

Every number that looks like a price is a candidate with a score: what its element and those around
it are called, where it stands between the heading and the button that buys, whether it is struck
through, hidden or part of another product's card, whether scripts of the page name it as a price.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any

from rapidfuzz import fuzz

from ingest.pages import availability as stock
from ingest.pages.document import Document, squeeze
from ingest.pages.observation import Finding
from ingest.prices import Price, read_price

_LONGEST = 60
_HIGHEST_CLIMB = 4
_SKIPPED = frozenset({"script", "style", "noscript", "template", "svg", "head", "select", "option",
                      "textarea", "iframe", "canvas"})  # fmt: skip
_BUTTONS = frozenset({"button", "a", "input"})

RELATED, CHROME, HIDDEN, STRUCK, UNIT, SHIPPING, CART, PRICED, CURRENT, SAVING, REVIEW = (
    1 << bit for bit in range(11)
)
_WORDS = {
    RELATED: r"relat|recom|similar|carousel|upsell|up-sell|cross-?sell|also|sponsor|recently|viewed"
    r"|bundle|accessor|slider|swiper|slick|product-?(?:list|grid|card|tile|item)s?\b|compar(?!e-?at)"
    r"|alternativ|suggest|you-?may|featured|bestsell|popular|together|widget|teaser|banner|promo-?b"
    r"|variant-?list|others|more-?from|trending|crosssell|souvis|podob|rodina",
    CHROME: r"header|footer|\bnav|navig|menu|breadcrumb|topbar|sidebar|side-bar|newsletter|cookie",
    HIDDEN: r"hidden\b|\bhide\b|visually-?hidden|sr-only|modal|popup|tooltip|lightbox|offscreen",
    STRUCK: r"old|\bwas|list-?price|strike|stroke|before|msrp|rrp|\buvp|compare-?at|compareat"
    r"|original|crossed|previous|\bprev|\bfull-?price|regular-?price-?(?:old|was)|line-?through"
    r"|retail|non-?sale|price-?standard|rozn|stara|vorher|barr[eé]|tachado|pvp|\bwas-",
    UNIT: r"unit-?price|per-?unit|price-?per|base-?price-?unit|grundpreis|per-?kg",
    SHIPPING: r"shipp|deliver|versand|livraison|spedizion|doprav|postage|freight|lieferung",
    CART: r"mini-?cart|cart-?total|basket-?total|cart-?summary|minibasket|subtotal|bag-?total"
    r"|header-?cart|top-?cart|kosik",
    PRICED: r"price|prix|preis|prezzo|precio|preco|cena|cen[ay]\b|pris\b|fiyat|harga|amount|cost\b"
    r"|money|prc|цена|kaina|hinta|ár\b|curr",
    CURRENT: r"sale|special|current|\bnow|final|our-?price|offer|actual|sell|deal|buy|main|today"
    r"|new-?price|discounted|priceto|buybox|primary|product-?(?:price|detail|info|main|view|page)|pdp",
    SAVING: r"sav(?:e|ing)|discount-?(?:amount|value|percent|badge|label|rate)|reduction|rabatt"
    r"|you-?save|coupon|voucher|cashback|points|reward|install?ment|monthly|finance|credit|klarna"
    r"|afterpay|loan|rata|splatk|leasing|warrant|insurance|protection",
    REVIEW: r"review|rating|comment|question|answer|stars?\b|faq",
}
_CLASS = [(flag, re.compile(words)) for flag, words in _WORDS.items()]
_STRUCK_TAGS = frozenset({"del", "s", "strike"})
_NEGATIVE_TEXT = re.compile(
    r"shipping|delivery|versand|livraison|spedizione|save\b|saving|spar|per month|/ ?mo\b|monthly"
    r"|pro monat|par mois|/ ?(?:kg|l|ml|g|oz|100)\b|per (?:kg|litre|unit)|from other|used|gebraucht"
    r"|minimum|tax\b|vat only|deposit|coupon|off\b|доставка|over \$|orders|gift card|rrp|was\b|list"
    r"|month|monat|měs|rata|счет",
    re.IGNORECASE,
)
_LIST_TEXT = re.compile(
    r"\b(?:was|rrp|msrp|list price|uvp|statt|instead of|reg\.|regular price|original|before|prix"
    r" conseillé|au lieu de|prezzo consigliato|pvp|antes|ord\.|tidigare|běžná cena|bežná cena"
    r"|старая цена|reference price)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A price and the element whose text it is."""

    element: Any
    text: str
    price: Price
    is_pure: bool


@dataclass(slots=True)
class Candidate:
    """A number that may be the price."""

    element: Any
    price: Price
    text: str
    place: int
    flags: int
    depth_flags: int
    is_pure: bool
    score: float = 0.0
    copies: int = 1


@dataclass(slots=True)
class _Walk:
    """What one pass over the page gathers."""

    candidates: list[Candidate] = field(default_factory=list)
    headings: list[tuple[int, str, str]] = field(default_factory=list)
    buttons: list[tuple[int, str, int]] = field(default_factory=list)
    notes: list[tuple[int, str, int]] = field(default_factory=list)
    size: int = 0


@dataclass(slots=True)
class Visible:
    """What the visible text of a page tells.

    Attributes:
        finding: Price, list price, title and availability.
        amounts: How often each amount stands on the page with a sign.
        score: How much speaks for the price.
        lead: How far the price is ahead of the next other amount.
    """

    finding: Finding
    amounts: Counter[Decimal]
    score: float = 0.0
    lead: float = 0.0
    candidates: list[Candidate] = field(default_factory=list)


@lru_cache(maxsize=20_000)
def _flags_of(names: str) -> int:
    """Flags of an element by its class, id and other names."""
    flags = 0
    for flag, pattern in _CLASS:
        if pattern.search(names):
            flags |= flag
    return flags


def read_visible(document: Document, named: Counter[Decimal]) -> Visible:
    """Read the visible prices of a page.

    Args:
        document: The page.
        named: How often the page's scripts name an amount as a price.
    """
    walk = _walk(document)
    heading, title = _heading(walk, document)
    button = _button(walk, heading)
    _score(walk, heading, button, named)
    return _verdict(walk, heading, title, button)


def _walk(document: Document) -> _Walk:
    walk = _Walk()
    flags: dict[Any, int] = {}
    seen: set[Any] = set()
    skipped: set[Any] = set()
    for place, element in enumerate(document.root.iter("*")):
        tag, parent = element.tag, element.getparent()
        if parent in skipped or tag in _SKIPPED:
            skipped.add(element)
            if element.tail and parent not in skipped:
                _note(walk, parent, element.tail, place, flags, seen)
            continue
        flags[element] = flags.get(parent, 0) & _INHERITED | _own_flags(element)
        walk.size = place
        if tag in ("h1", "h2"):
            walk.headings.append((place, tag, squeeze(element.text_content())))
        if tag in _BUTTONS:
            _button_text(walk, element, place, flags[element])
        if element.text:
            _note(walk, element, element.text, place, flags, seen)
        if element.tail and parent is not None:
            _note(walk, parent, element.tail, place, flags, seen)
    return walk


_INHERITED = RELATED | CHROME | HIDDEN | STRUCK | UNIT | SHIPPING | CART | SAVING | REVIEW


def _own_flags(element: Any) -> int:
    tag, get = element.tag, element.get
    names = f"{get('class') or ''} {get('id') or ''} {get('itemprop') or ''} {_data(element)}"
    flags = _flags_of(names.lower()) if len(names) > 3 else 0
    if tag in ("header", "footer", "nav", "aside"):
        flags |= CHROME
    elif tag in _STRUCK_TAGS:
        flags |= STRUCK
    style = get("style")
    if style:
        style = style.replace(" ", "").lower()
        if "line-through" in style:
            flags |= STRUCK
        if "display:none" in style or "visibility:hidden" in style:
            flags |= HIDDEN
    if get("hidden") is not None:
        flags |= HIDDEN
    return flags


def _data(element: Any) -> str:
    return " ".join(
        value
        for name in ("data-test", "data-testid", "data-qa", "data-selenium", "data-auto", "name")
        if (value := element.get(name))
    )


def _button_text(walk: _Walk, element: Any, place: int, flags: int) -> None:
    words = element.get("value") if element.tag == "input" else element.text_content()[:200]
    words = squeeze(f"{words or ''} {element.get('title') or ''} {element.get('aria-label') or ''}")
    if 1 < len(words) < 60 and stock.is_order_text(words):
        walk.buttons.append((place, words, flags))


def _note(
    walk: _Walk, element: Any, words: str, place: int, flags: dict[Any, int], seen: set[Any]
) -> None:
    """Keep a text of the page if it may be a price or tell of the stock."""
    length = len(words)
    if length < 2000 and any(c.isdigit() for c in words):
        candidate = _candidate(element, words, place, flags, seen)
        if candidate is not None:
            walk.candidates.append(candidate)
    if 4 < length < 160 and words.strip():
        state = stock.of_text(words)
        if state:
            walk.notes.append((place, state, flags.get(element, 0)))


def _candidate(
    element: Any, words: str, place: int, flags: dict[Any, int], seen: set[Any]
) -> Candidate | None:
    """The price around a text: the widest element that holds nothing else, or the text itself."""
    best = _reading(element, squeeze(words))
    for climbed in (element, *islice(element.iterancestors(), _HIGHEST_CLIMB - 1)):
        joined = joined_text(climbed) if climbed.tag not in ("body", "html") else ""
        if not joined or len(joined) > _LONGEST:
            break
        wider = _reading(climbed, joined)
        if wider is not None:
            if best is not None and not _is_better(wider, best):
                break
            best = wider
    if best is None or best.element in seen or not (best.is_pure or best.price.currency):
        return None
    seen.add(best.element)
    near = _near_flags(best.element, flags)
    return Candidate(
        best.element, best.price, best.text, place, flags.get(best.element, 0), near, best.is_pure
    )


def _reading(element: Any, text: str) -> _Reading | None:
    """The price that the text of an element is; None where it is none."""
    if len(text) > _LONGEST:
        return None
    price = read_price(text)
    if price.amount is None or price.amount <= 0:
        return None
    return _Reading(element, text, price, _is_pure(text))


def _is_better(wider: _Reading, narrow: _Reading) -> bool:
    """Whether the wider of two texts still is one price, or tells the currency."""
    return wider.is_pure or (narrow.price.currency is None and wider.price.currency is not None)


def _near_flags(element: Any, flags: dict[Any, int]) -> int:
    """Flags of an element and of the three around it, by their own names."""
    near = 0
    for _ in range(4):
        if element is None:
            break
        near |= flags.get(element, 0)
        element = element.getparent()
    return near


_PURE = re.compile(r"[\W\d_]*(?:[^\W\d_]{1,4}\.?[\W\d_]*)?")
_NUMBERS = re.compile(r"\d+(?:[.,'\u00a0 ]\d+)*")


def _is_pure(text: str) -> bool:
    """Whether a text is one price and nothing else."""
    if not _PURE.fullmatch(text) or "%" in text:
        return False
    return len(_NUMBERS.findall(text)) == 1


def joined_text(element: Any) -> str:
    """The text of an element; raised cents become decimals."""
    parts = list(element.itertext())
    if len(parts) == 1:
        return squeeze(parts[0])
    if len(parts) > 12 or sum(map(len, parts)) > 400:
        return squeeze("".join(parts))[: _LONGEST + 1].ljust(_LONGEST + 1)
    text = ""
    for part in map(squeeze, parts):
        if not part:
            continue
        if re.fullmatch(r"\d\d\D{0,3}", part) and re.search(r"(?<![.,\d])\d[\d ]*$", text):
            text += ("." if not re.search(r"[.,]$", text) else "") + part
        elif re.match(r"[.,]\d", part) or (re.search(r"\d[.,]$", text) and part[0].isdigit()):
            text += part
        else:
            text += f" {part}" if text else part
    return text


def _heading(walk: _Walk, document: Document) -> tuple[int, str]:
    """Place and text of the heading that names the product."""
    page = (document.metas.get("og:title") or document.title).lower()
    best, best_rank = (0, ""), 0.0
    for place, tag, text in walk.headings:
        if not 2 < len(text) < 300:
            continue
        likeness = fuzz.token_set_ratio(text.lower(), page) / 100 if page else 0
        rank = likeness + (0.6 if tag == "h1" else 0)
        if rank > best_rank + 0.01:
            best, best_rank = (place, text), rank
    return best if best_rank >= 0.6 else (0, "")


def _button(walk: _Walk, heading: int) -> int | None:
    """Place of the button that buys: the first after the heading outside of other products."""
    after = [
        place
        for place, _, flags in walk.buttons
        if place >= heading and not flags & (RELATED | CHROME | HIDDEN)
    ]
    return min(after, default=None)


def _score(walk: _Walk, heading: int, button: int | None, named: Counter[Decimal]) -> None:
    copies = Counter(candidate.price.amount for candidate in walk.candidates)
    shapes: dict[str, set[Any]] = {}
    for candidate in walk.candidates:
        shapes.setdefault(_shape(candidate.element), set()).add(candidate.price.amount)
    for candidate in walk.candidates:
        candidate.copies = copies[candidate.price.amount]
        candidate.score = (
            _score_of_names(candidate)
            + _score_of_place(candidate, heading, button, walk.size)
            + _score_of_text(candidate)
            + 0.6 * math.log(candidate.copies)
            + (1.5 if named[candidate.price.amount or Decimal(0)] else 0)
            - 0.8 * min(3, len(shapes[_shape(candidate.element)]) - 1)
        )


def _shape(element: Any) -> str:
    parent = element.getparent()
    above = parent.get("class") if parent is not None else ""
    return f"{element.tag}.{element.get('class') or ''}<{above or ''}"


_WEIGHTS = {RELATED: -4.0, CHROME: -4.0, HIDDEN: -2.0, STRUCK: -3.5, UNIT: -4.0, SHIPPING: -3.0,
            CART: -3.0, SAVING: -3.0, REVIEW: -2.0}  # fmt: skip


def _score_of_names(candidate: Candidate) -> float:
    score = sum(weight for flag, weight in _WEIGHTS.items() if candidate.flags & flag)
    near = candidate.depth_flags
    if near & PRICED:
        score += 2.5
    if near & CURRENT:
        score += 1.0
    return score


def _score_of_place(candidate: Candidate, heading: int, button: int | None, size: int) -> float:
    place = candidate.place
    score = 0.0
    if heading:
        distance = place - heading
        score += 3.0 * math.exp(-distance / 200) if distance >= 0 else 1.0 * math.exp(distance / 60)
    else:
        score += 1.5 * math.exp(-place / max(1, size) * 3)
    if button is not None:
        score += 2.0 * math.exp(-abs(button - place) / 80)
    return score


def _score_of_text(candidate: Candidate) -> float:
    score = 2.0 if candidate.price.currency else -1.0
    if candidate.is_pure:
        score += 1.0
    if _NEGATIVE_TEXT.search(candidate.text):
        score -= 2.5
    if re.search(r"\d[.,]\d\d(?!\d)", candidate.text):
        score += 0.5
    if candidate.element.tag in ("h1", "h2", "h3", "strong", "b", "ins"):
        score += 0.4
    style = (candidate.element.get("style") or "").lower()
    size = re.search(r"font-size:\s*(\d+)", style)
    if size and int(size[1]) >= 18:
        score += 0.5
    return score


_LEAST = 3.0


def _verdict(walk: _Walk, heading: int, title: str, button: int | None) -> Visible:
    finding = Finding("visible", title=title or None)
    amounts: Counter[Decimal] = Counter()
    for candidate in walk.candidates:
        if candidate.price.amount is not None:
            amounts[candidate.price.amount] += 1
    ranked = sorted(walk.candidates, key=lambda c: (-c.score, c.place))
    seen = Visible(finding, amounts, candidates=ranked)
    if ranked and ranked[0].score >= _LEAST:
        best = ranked[0]
        finding.price, finding.currency = best.price.amount, best.price.currency
        finding.codes = best.price.codes
        others = [c.score for c in ranked if c.price.amount != best.price.amount]
        seen.score, seen.lead = best.score, best.score - max(others, default=0.0)
        finding.list_price = _list_price(best, ranked)
    finding.availability = _availability(walk, heading, button)
    return seen


def _list_price(best: Candidate, ranked: list[Candidate]) -> Decimal | None:
    """The struck or `was` price near the price that is higher than it."""
    price = best.price.amount
    assert price is not None
    near = [
        other
        for other in ranked
        if (other.flags & STRUCK or _LIST_TEXT.search(other.text))
        and not other.flags & (RELATED | CHROME | UNIT | SHIPPING)
        and abs(other.place - best.place) < 60
        and other.price.amount is not None
        and price < other.price.amount < price * 20
    ]
    if not near:
        return None
    return min(near, key=lambda other: abs(other.place - best.place)).price.amount


def _availability(walk: _Walk, heading: int, button: int | None) -> str | None:
    """Notes near the heading and the button decide; a button that buys is a yes."""
    window = [
        (abs(place - (button or heading)), state)
        for place, state, flags in walk.notes
        if not flags & (RELATED | CHROME | HIDDEN | REVIEW) and heading <= place <= heading + 600
    ]
    states = [state for _, state in sorted(window)]
    if button is not None and button - heading < 600:
        return stock.PRE_ORDER if states[:1] == [stock.PRE_ORDER] else stock.IN_STOCK
    for wanted in (stock.OUT_OF_STOCK, stock.PRE_ORDER, stock.IN_STOCK):
        if wanted in states:
            return wanted
    return None

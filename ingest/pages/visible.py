"""The price that a reader of the page would see, found without any markup for machines.

Every number that looks like a price is a candidate with a score: what its element and those around
it are called, where it stands between the heading and the button that buys, what is written before
it, whether it is struck through, hidden or part of another product's card, how often it is shown,
and whether scripts of the page name it as a price.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any

from ingest.pages import availability as stock
from ingest.pages import listing, regions
from ingest.pages.document import squeeze
from ingest.pages.observation import Finding
from ingest.pages.walk import Chunk, Walk
from ingest.prices import Price, read_price

_LONGEST = 60
_LONGEST_SENTENCE = 160
_HIGHEST_CLIMB = 4
_NEAR_LABEL = 5
_NEAR_LIST = 60
# what an `old price` without a new one beside it gets back
_SCORE_OF_LONELY = 3.0
_MOST_CANDIDATES = 3000
_LEAST = 5.0
_LEAST_WITHOUT_NAMES = 3.0
# a page that has nothing to sell often shows no price but those of other products
_LEAST_IN_DOUBT = 7.0
_HAS_DIGIT = re.compile(r"\d")
_BADGE = re.compile(
    r"[-\u2212\u2013(]?\s?([1-9]\d?)\s?%(?:\s*(?:off|rabatt|sale|\)))?", re.IGNORECASE
)
_BADGE_WITHIN = re.compile(r"(.*?\d.*?)[-\u2212\u2013\s(]([1-9]\d?)\s?%\)?(.*\d.*)")
_NEAR_BADGE = 8
# a badge says whole percent
_ROUNDED = Decimal("0.6")
_NO_PRICE = re.compile(
    r"shipping|delivery|postage|p&p|versand|porto\b|livraison|frais de port|spedizione|dostaw"
    r"|doprav|doručení|doručenie|dostava|envío|frete|доставк|משלוח|شحن|送料|运费|運費|\bsav(?:e|ings?)\b"
    r"|\bspar(?:en|e|st)?\b|risparmi|économi|ahorr|ušetř|ušetr|выгода|per month|/ ?mo\b|monthly"
    r"|pro monat|par mois|al mese|měsíčně|mesačne|в месяц|instal?lments?|used|gebraucht|d'occasion"
    r"|minimum|deposit|coupon|voucher|cash-? ?back|\bback\b|\bspäť\b|\boff\b|over \$|orders?\b"
    r"|gift card|points|bonus|estimate|approx|circa|competitor|market price|insurance|warranty",
    re.IGNORECASE,
)
_UNIT_TEXT = re.compile(
    r"(?:/|\bper|\bpro|\bpar|\bal|\bza|\bpor|\bje) ?(?:1 ?)?(?:100|kg|kilo|l|lit(?:er|re|ro|r)|ml"
    r"|cl|g|oz|fl\.? ?oz|m|m²|m2|unit|piece|stück|stk|count|ct|komponente|unité|kus|szt|шт|кг|л)\b",
    re.IGNORECASE,
)
_LIST_TEXT = re.compile(
    r"\b(?:was|rrp|msrp|list(?: price)?|uvp|statt|instead of|reg\.?|regular(?: price)?|original"
    r"|before|prix conseillé|au lieu de|prezzo consigliato|listino|pvp|antes|ord\.|tidigare"
    r"|før(?:pris)?|tidligere|vejl(?:edende)?|veil(?:edende)?|adviesprijs|ovh"
    r"|běžná cena|bežná cena|pôvodná|původní|reference price|old price|retail|compare at"
    r"|unverb|prix de vente conseill|precio recomendado|starting)\b"
    r"|старая цена|建議售價|原價|定價|市價|市场价|原价|参考価格|定価|정가",
    re.IGNORECASE,
)
_NET_TEXT = re.compile(
    r"\bex(?:cl?|cluding)?\.? ?(?:tax|vat|gst|btw|iva)|bez ?(?:dph|vat|pdv|ddv)|netto|\bht\b"
    r"|zzgl\. ?mwst|hors tax|without tax|plus vat|\+ ?vat|\bnet\b|sin iva|\+ ?iva|senza iva"
    r"|без ндс|brez ddv",
    re.IGNORECASE,
)
_NOW_TEXT = re.compile(
    r"\b(?:now|our price|sale price|price|jetzt|nur|preis|prix|prezzo|precio|preço|cena|pris|fiyat"
    r"|offer|special|today|deal|current bid)\b|цена|特價|優惠價|售價|售价"
    r"|价格|促销价|価格|税込|가격",
    re.IGNORECASE,
)
_OR = re.compile(r"\s(?:or|oder|ou|oppure|nebo|alebo|lub|eller)\s", re.IGNORECASE)
# the upper end of a range of prices
_RANGE = frozenset({"-", "\u2013", "\u2014", "to", "bis", "à", "a", "do", "до"})
_RANGE_LABEL = "up to"
_TAX_TEXT = re.compile(r"\b(?:vat|tax|gst|mwst|btw|iva|tva|dph|moms|netto|brutto)\b", re.IGNORECASE)
_SUBSCRIPTION = re.compile(
    r"\bsubscri(?:be|ption)|\babo(?:nn\w*)?\b|auto-?ship|autodelivery|suscri", re.IGNORECASE
)
_PERCENT = re.compile(r"\d+ ?%")
_SCORE_OF_NET = -3.0
_TEXT_WEIGHTS = (
    (_NO_PRICE, -2.5), (_LIST_TEXT, -2.0), (_NET_TEXT, _SCORE_OF_NET), (_SUBSCRIPTION, -2.5),
)  # fmt: skip
_WEIGHTS = {
    regions.RELATED: -4.0, regions.CHROME: -4.0, regions.HIDDEN: -2.0, regions.STRUCK: -3.5,
    regions.UNIT: -4.0, regions.SHIPPING: -3.0, regions.CART: -3.0, regions.SAVING: -3.0,
    regions.REVIEW: -2.0, regions.NET: -2.0, regions.LISTED: -1.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reading:
    """A price and the element whose text it is."""

    element: Any
    text: str
    price: Price
    amount: Decimal
    is_pure: bool


@dataclass(slots=True)
class Candidate:
    """A number that may be the price.

    Attributes:
        element, text: Where it stands.
        price, amount: What it says.
        place: The number of its element in the order of the page.
        flags: Regions that it stands in.
        near: Regions of the elements right around it.
        label: What is written before it.
        after: What is written after it beside it, unless the text before tells of taxes already.
        is_pure: Whether its element holds the price and nothing else.
        score: How much speaks for it.
    """

    element: Any
    text: str
    price: Price
    amount: Decimal
    place: int
    flags: int
    near: int
    label: str
    after: str
    is_pure: bool
    score: float = 0.0


@dataclass(slots=True)
class Visible:
    """What the visible text of a page tells.

    Attributes:
        finding: Price, list price, title and availability.
        candidates: All of them, the best first.
        score: How much speaks for the price.
    """

    finding: Finding
    candidates: list[Candidate] = field(default_factory=list)
    score: float = 0.0

    def shows(self, amount: Decimal) -> bool:
        """Whether an amount is shown as a price that holds, outside of other products."""
        others = regions.RELATED | regions.CHROME | regions.STRUCK
        return any(each.amount == amount and not each.flags & others for each in self.candidates)


def read_visible(walk: Walk, named: Counter[Decimal]) -> Visible:
    """Read the visible prices of a page.

    Args:
        walk: The page.
        named: How often the page's scripts name an amount as a price.
    """
    candidates = _candidates(walk)
    _strike_reduced(walk, candidates)
    _set_lists_apart(walk, candidates)
    _score(walk, candidates, named)
    candidates.sort(key=lambda each: (-each.score, each.place))
    finding = Finding("visible", title=walk.title or None, availability=_availability(walk))
    seen = Visible(finding, candidates)
    if _is_enough(candidates, finding.availability):
        best = candidates[0]
        finding.price, seen.score = best.amount, best.score
        if best.price.is_tagged:
            finding.currency, finding.codes = best.price.currency, best.price.codes
        finding.list_price = _list_price(best, candidates)
    return seen


def _is_enough(candidates: list[Candidate], availability: str | None) -> bool:
    """Whether enough speaks for the best candidate: a page may show no price of its own."""
    if not candidates:
        return False
    best = candidates[0]
    others = regions.RELATED | regions.CHROME | regions.REVIEW
    is_doubtful = best.flags & others or availability == stock.OUT_OF_STOCK
    if is_doubtful:
        return best.score >= _LEAST_IN_DOUBT
    names_tell = any(each.near & regions.PRICED for each in candidates)
    return best.score >= (_LEAST if names_tell else _LEAST_WITHOUT_NAMES)


def _candidates(walk: Walk) -> list[Candidate]:
    found: list[Candidate] = []
    seen: set[Any] = set()
    for number, chunk in enumerate(walk.chunks):
        if _HAS_DIGIT.search(chunk.text) and len(found) < _MOST_CANDIDATES:
            reading = _widest(chunk)
            if reading is not None and reading.element not in seen:
                seen.add(reading.element)
                found.append(_candidate(walk, number, chunk, reading))
    return found


def _candidate(walk: Walk, number: int, chunk: Chunk, reading: _Reading) -> Candidate:
    before = walk.chunks[max(0, number - 2) : number]
    labels = [each.text for each in before if chunk.place - each.place <= _NEAR_LABEL]
    if labels and labels[-1].lower() in _RANGE:
        labels = [_RANGE_LABEL]
    label = next((t for t in reversed(labels) if _is_label(t)), "")
    following = walk.chunks[number + 1 : number + 2]
    is_told = _TAX_TEXT.search(f"{label} {reading.text}")
    after = "" if is_told else _after(reading.element, following)
    # the text may stand deeper than the widest element that holds nothing else
    flags = walk.flags.get(reading.element, 0) | chunk.flags
    near = flags
    for element in (reading.element, *islice(reading.element.iterancestors(), 3)):
        near |= walk.flags.get(element, 0)
    return Candidate(
        reading.element, reading.text, reading.price, reading.amount, chunk.place,
        flags, near, label, after, reading.is_pure,
    )  # fmt: skip


def _is_label(text: str) -> bool:
    if _SUBSCRIPTION.search(text):
        text = _PERCENT.sub("", text)
    return 1 < len(text) <= 40 and not _HAS_DIGIT.search(text)


def _after(element: Any, following: list[Chunk]) -> str:
    """A short text right after an element and beside it, such as `ex VAT`."""
    parent = element.getparent()
    for chunk in following:
        is_beside = chunk.element is parent or chunk.element.getparent() is parent
        is_note = len(chunk.text) <= 25 and not chunk.text.endswith(":")
        if is_beside and is_note and not _HAS_DIGIT.search(chunk.text):
            return chunk.text
    return ""


def _widest(chunk: Chunk) -> _Reading | None:
    """The price around a text: the widest element that holds nothing else, or the text itself."""
    best = _reading(chunk.element, chunk.text, _LONGEST_SENTENCE)
    for climbed in (chunk.element, *islice(chunk.element.iterancestors(), _HIGHEST_CLIMB - 1)):
        joined = joined_text(climbed) if climbed.tag not in ("body", "html") else ""
        if not joined or len(joined) > _LONGEST:
            break
        wider = _reading(climbed, joined)
        if wider is not None:
            if best is not None and not _is_better(wider, best):
                break
            best = wider
    return best if best is not None and (best.is_pure or best.price.is_tagged) else None


def _reading(element: Any, text: str, longest: int = _LONGEST) -> _Reading | None:
    """The price that the text of an element is; None where it is none."""
    if len(text) > longest:
        return None
    price = _reduced(text) or read_price(text)
    if price.amount is None or price.amount <= 0:
        return None
    return _Reading(element, text, price, price.amount, is_pure(text))


def _reduced(text: str) -> Price | None:
    """The price that holds in a text such as `219.99 -50% 110.00`; None for other texts."""
    parts = _BADGE_WITHIN.fullmatch(text)
    if parts is None:
        return None
    old, new = read_price(parts[1]), read_price(parts[3])
    if old.amount is None or new.amount is None:
        return None
    return new if _leads_to(old.amount, int(parts[2]), new.amount) else None


def _is_better(wider: _Reading, narrow: _Reading) -> bool:
    """Whether the wider of two texts still is one price, or tells the currency."""
    return wider.is_pure or (wider.price.is_tagged and not narrow.price.is_tagged)


_PURE = re.compile(r"[\W\d_]*(?:[^\W\d_]{1,4}\.?[\W\d_]*)?")
_NUMBERS = re.compile(r"\d+(?:[.,'\u00a0 ]\d+)*")


def is_pure(text: str) -> bool:
    """Whether a text is one price and nothing else."""
    if not _PURE.fullmatch(text) or "%" in text:
        return False
    return len(_NUMBERS.findall(text)) == 1


_CENTS = re.compile(r"\d\d(?!\d)\D{0,3}")
_EURO_CENTS = re.compile(r"(?<![€\d.,])(\d[\d ]*)€(\d\d)")
_WHOLE = re.compile(r"(?<![.,\d])\d[\d ]*$")


def joined_text(element: Any) -> str:
    """The text of an element; raised cents become decimals."""
    raw = list(islice(element.itertext(), 13))
    parts = [part for part in map(squeeze, raw) if part]
    if len(parts) == 1:
        return parts[0]
    euros = _EURO_CENTS.fullmatch("".join(raw).strip())
    if euros:
        # a raised `€99` right after the whole euros
        return f"{euros[1]}.{euros[2]} €"
    if len(parts) > 12:
        return squeeze(element.text_content()).ljust(_LONGEST + 1)
    text = ""
    for part in parts:
        if _CENTS.fullmatch(part) and _WHOLE.search(text):
            text += f".{part}"
        elif re.match(r"[.,](?:\d|$)", part) or (part[0].isdigit() and re.search(r"\d[.,]$", text)):
            text += part
        else:
            text += f" {part}" if text else part
    return text


def _strike_reduced(walk: Walk, candidates: list[Candidate]) -> None:
    """Take a price for struck through where `-20 %` beside it leads to a lower one beside both."""
    for chunk in walk.chunks:
        badge = _BADGE.fullmatch(chunk.text)
        if badge is None:
            continue
        near = [each for each in candidates if abs(each.place - chunk.place) <= _NEAR_BADGE]
        for old in near:
            if any(_leads_to(old.amount, int(badge[1]), new.amount) for new in near):
                old.flags |= regions.STRUCK
                old.near |= regions.STRUCK


def _set_lists_apart(walk: Walk, candidates: list[Candidate]) -> None:
    """Take prices in cards of a list for those of other products, whatever the cards are called."""
    by_shape: dict[str, list[Any]] = {}
    for each in candidates:
        by_shape.setdefault(_shape(each.element), []).append(each.element)
    found: set[Any] = set()
    for alike in by_shape.values():
        found.update(listing.cards(alike, walk.heading_element))
    for each in candidates:
        if found and not found.isdisjoint((each.element, *each.element.iterancestors())):
            each.flags |= regions.RELATED


def _leads_to(old: Decimal, percent: int, new: Decimal) -> bool:
    """Whether a reduction by so many whole percent makes one price the other."""
    return new < old and abs(100 - percent - 100 * new / old) <= _ROUNDED


def _score(walk: Walk, candidates: list[Candidate], named: Counter[Decimal]) -> None:
    copies = Counter(candidate.amount for candidate in candidates)
    shapes: dict[str, set[Decimal]] = {}
    for candidate in candidates:
        shapes.setdefault(_shape(candidate.element), set()).add(candidate.amount)
    for candidate in candidates:
        alike = len(shapes[_shape(candidate.element)])
        candidate.score = (
            _score_of_names(candidate)
            + _score_of_place(candidate, walk)
            + _score_of_text(candidate)
            + 0.6 * math.log(copies[candidate.amount])
            + (1.5 + 0.3 * math.log(named[candidate.amount]) if named[candidate.amount] else 0)
            - 0.8 * min(3, alike - 1)
        )
    for candidate in candidates:
        if candidate.flags & regions.STRUCK and not _is_reduced(candidate, candidates):
            candidate.score += _SCORE_OF_LONELY


def _is_reduced(old: Candidate, candidates: list[Candidate]) -> bool:
    """Whether a lower price stands beside one that is named an old price."""
    others = regions.STRUCK | regions.NET | regions.UNIT | regions.SAVING | regions.SHIPPING
    return any(
        abs(each.place - old.place) < _NEAR_LIST
        and old.amount / 20 < each.amount < old.amount
        and not each.flags & others
        and (each.price.is_tagged or not old.price.is_tagged)
        and not _NO_PRICE.search(f"{each.label} {each.text}")
        and not _NET_TEXT.search(f"{each.label} {each.text}")
        for each in candidates
    )


def _shape(element: Any) -> str:
    """How an element is made: prices of cards in a list are made alike."""
    parent = element.getparent()
    above = parent.get("class") if parent is not None else ""
    return f"{element.tag}.{element.get('class') or ''}<{above or ''}"


def _score_of_names(candidate: Candidate) -> float:
    score = sum(weight for flag, weight in _WEIGHTS.items() if candidate.flags & flag)
    score += 2.5 if candidate.near & regions.PRICED else 0
    return score + (1.0 if candidate.near & regions.CURRENT else 0)


def _score_of_place(candidate: Candidate, walk: Walk) -> float:
    place = candidate.place
    if walk.heading:
        distance = place - walk.heading
        score = 3 * math.exp(-distance / 200) if distance >= 0 else math.exp(distance / 60)
    else:
        score = 1.5 * math.exp(-3 * place / walk.size)
    if walk.button is not None:
        score += 2 * math.exp(-abs(walk.button - place) / 80)
    return score


def _score_of_text(candidate: Candidate) -> float:
    text, label, sign = candidate.text, candidate.label, candidate.price.currency or ""
    own = _before_or(candidate)
    is_signed = candidate.price.is_tagged and (
        len(sign) > 1 or not sign.isalpha() or sign > "\u2000"
    )
    score = 2.0 if is_signed else -1.0
    score += 1.0 if candidate.is_pure else 0
    score -= 1.0 if len(text) > _LONGEST else 0
    score += 1.0 if _is_written_for_scripts(candidate) else 0
    score += 0.5 if re.search(r"\d[.,]\d\d(?!\d)", text) else 0
    score += 0.4 if candidate.element.tag in ("h1", "h2", "h3", "strong", "b", "ins") else 0
    for words, weight in _TEXT_WEIGHTS:
        score += weight if words.search(own) or words.search(label) else 0
    score += _SCORE_OF_NET if _NET_TEXT.search(candidate.after) else 0
    score -= 1.5 if label == _RANGE_LABEL else 0
    score -= 5.0 if _UNIT_TEXT.search(text) else 0
    score -= 2.0 if text.startswith("+") else 0
    score += 0.7 if _NOW_TEXT.search(text) or _NOW_TEXT.search(label) else 0
    size = re.search(r"font-size:\s*(\d+)", candidate.element.get("style") or "")
    return score + (0.5 if size and int(size[1]) >= 18 else 0)


def _before_or(candidate: Candidate) -> str:
    """The part of a text that tells the price: `$699` of `$699 or $29.12 per month`."""
    first = _OR.split(candidate.text, maxsplit=1)[0]
    return first if read_price(first).amount == candidate.amount else candidate.text


_AMOUNT_ATTRIBUTES = ("content", "data-price", "data-product-price", "data-value", "data-amount",
                      "data-price-amount", "data-final-price", "value")  # fmt: skip


def _is_written_for_scripts(candidate: Candidate) -> bool:
    """Whether an attribute around the price holds its amount as machines write it."""
    for element in (candidate.element, *islice(candidate.element.iterancestors(), 2)):
        for name in _AMOUNT_ATTRIBUTES:
            value = element.get(name)
            if value and re.fullmatch(r"\d+(\.\d+)?", value) and Decimal(value) == candidate.amount:
                return True
    return False


def _list_price(best: Candidate, candidates: list[Candidate]) -> Decimal | None:
    """The struck or `was` price near the price that is higher than it."""
    near = [
        other
        for other in candidates
        if (
            other.flags & (regions.STRUCK | regions.LISTED)
            or _LIST_TEXT.search(f"{other.label} {other.text}")
        )
        and not other.flags & (regions.RELATED | regions.CHROME | regions.UNIT | regions.SHIPPING)
        and abs(other.place - best.place) < _NEAR_LIST
        and best.amount < other.amount < best.amount * 20
    ]
    return min(near, key=lambda other: abs(other.place - best.place)).amount if near else None


_NEAR_STOCK = 700
_AT_BUTTON = 60


def _availability(walk: Walk) -> str | None:
    """Notes near the heading and the button decide; a button that buys is a yes."""
    middle = walk.button if walk.button is not None else walk.heading
    told: list[tuple[int, str]] = []
    for chunk in walk.chunks:
        is_of_product = not chunk.flags & (regions.NO_PRODUCT | regions.REVIEW)
        if abs(chunk.place - middle) <= _NEAR_STOCK and is_of_product and 4 < len(chunk.text) < 90:
            state = stock.of_text(chunk.text)
            # what cannot be pressed sells nothing, but may say why
            is_off = chunk.element.get("disabled") is not None and state != stock.OUT_OF_STOCK
            if state and not is_off:
                told.append((abs(chunk.place - middle), state))
    # of two notes in one place, such as `unavailable … until it is in stock`, the worse one holds
    told.sort(key=lambda note: (note[0], note[1] != stock.OUT_OF_STOCK))
    if walk.button is not None:
        is_pre = told and told[0][1] == stock.PRE_ORDER and told[0][0] <= _AT_BUTTON
        return stock.PRE_ORDER if is_pre else stock.IN_STOCK
    return told[0][1] if told else None

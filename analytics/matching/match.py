"""The matcher: numbers first, then titles within blocks, each pair with a confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.matching import gtin, titles, weights

FEATURES = tuple(weights.WEIGHTS)
_CANDIDATES = 3
_BLOCK = 4096
_COMMON = 0.02
"""A word of more than this share of our titles (and of more than 50) opens no block."""


@dataclass(frozen=True)
class Item:
    """A product of ours or an offer of a rival's. `key` names it; all else may be None."""

    key: str
    title: str = ""
    brand: str | None = None
    gtin: str | None = None
    mpn: str | None = None
    pack_quantity: float | None = None
    pack_unit: str | None = None
    price: float | None = None


@dataclass(frozen=True)
class Match:
    """An offer's best product. Grain: one row an offer that has one.

    Attributes:
        offer, product: Keys of the two.
        kind: exact, equivalent, substitute or private_label.
        method: gtin, mpn or text.
        confidence: Probability that the pair is right.
        pack_coefficient: Units of ours in one pack of theirs; None where a pack is not known.
    """

    offer: str
    product: str
    kind: str
    method: str
    confidence: float
    pack_coefficient: float | None


def match(
    own: Sequence[Item], offers: Sequence[Item], private_labels: Sequence[str] = ()
) -> list[Match]:
    """Match offers to products; an offer that nothing is like has no row.

    A GTIN decides alone, then a part number with its brand; titles are compared where neither
    does, and only with products that share a word that is not common.

    Args:
        own: Our products.
        offers: Rivals' offers.
        private_labels: Brands that rivals own; what they match is `private_label`.
    """
    by_gtin = {gtin.normalise(item.gtin): item for item in reversed(own)}
    by_mpn = {_mpn(item): item for item in reversed(own)}
    by_gtin.pop(None, None)
    by_mpn.pop(None, None)
    found: list[Match] = []
    rest: list[Item] = []
    for offer in offers:
        number, part = gtin.normalise(offer.gtin), _mpn(offer)
        if number in by_gtin:
            found.append(Match(offer.key, by_gtin[number].key, "exact", "gtin", 1.0, 1.0))
        elif part in by_mpn:
            product = by_mpn[part]
            pack = _coefficient(_read(product), _read(offer))
            found.append(Match(offer.key, product.key, "exact", "mpn", 0.99, pack))
        elif offer.title.strip():
            rest.append(offer)
    labels = {_plain(label) for label in private_labels}
    return found + _by_title([item for item in own if item.title.strip()], rest, labels)


def _mpn(item: Item) -> tuple[str, str] | None:
    """Part number with brand: numbers of different makers mean different things."""
    number = "".join(c for c in (item.mpn or "").lower() if c.isalnum())
    brand = _plain(item.brand)
    return (brand, number) if number and brand else None


def _plain(text: str | None) -> str:
    return titles.read(text or "").text


def _read(item: Item) -> titles.Title:
    """The title with the pack that columns tell, where they do."""
    title = titles.read(item.title)
    content, unit = titles.content_of(item.pack_quantity, item.pack_unit)
    if content is None:
        return title
    return titles.Title(title.words, title.numbers, content, unit)


def _coefficient(product: titles.Title, offer: titles.Title) -> float | None:
    if product.unit != offer.unit or not product.content or not offer.content:
        return None
    return round(offer.content / product.content, 6)


def _by_title(own: list[Item], offers: list[Item], labels: set[str]) -> list[Match]:
    if not own or not offers:
        return []
    ours = [_read(item) for item in own]
    theirs = [_read(item) for item in offers]
    rows, columns, cosine = candidates([t.words for t in ours], [t.words for t in theirs])
    if not len(rows):
        return []
    table = features(own, ours, offers, theirs, rows, columns, cosine)
    confidence = probability(table)
    best = _first_of_each(rows, confidence)
    found = []
    for pair in best:
        product, offer = own[columns[pair]], offers[rows[pair]]
        sure = float(confidence[pair])
        brand = table[pair, FEATURES.index("brand")]
        kind = _kind(sure, float(brand), _plain(offer.brand) in labels)
        pack = _coefficient(ours[columns[pair]], theirs[rows[pair]])
        found.append(Match(offer.key, product.key, kind, "text", round(sure, 4), pack))
    return found


def _kind(confidence: float, brand: float, is_private: bool) -> str:
    """The same brand is the same article in some pack; another one may stand in its place."""
    if is_private:
        return "private_label"
    if brand < 0:
        return "substitute"
    return "exact" if confidence >= 0.9 else "equivalent"


def candidates(
    ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Pairs worth a look: offer, product and cosine of their words, a few an offer.

    Words weigh by how rare they are in our titles; only words that are not common open a block, so
    that the work grows with the pairs that share one.
    """
    from scipy.sparse import csr_matrix

    vocabulary: dict[str, int] = {}
    for words in ours:
        for word in words:
            vocabulary.setdefault(word, len(vocabulary))
    left = _matrix(ours, vocabulary)
    right = _matrix(theirs, vocabulary)
    seen = np.asarray((left > 0).sum(axis=0)).ravel()
    weight = np.log1p(len(ours) / np.maximum(seen, 1))
    left, right = left.multiply(weight).tocsr(), right.multiply(weight).tocsr()
    lengths = _lengths(left), _lengths(right)
    is_rare = seen <= max(50, _COMMON * len(ours))
    blocks = csr_matrix(left.multiply(is_rare)).T.tocsr()
    parts = []
    for start in range(0, right.shape[0], _BLOCK):
        shared = (right[start : start + _BLOCK] @ blocks).tocsr()
        parts.append(_best_of(shared, start, lengths))
    rows, columns, cosine = (np.concatenate(column) for column in zip(*parts, strict=True))
    return rows, columns, cosine


def _matrix(texts: Sequence[Sequence[str]], vocabulary: dict[str, int]) -> Any:
    from scipy.sparse import csr_matrix

    rows: list[int] = []
    columns: list[int] = []
    for number, words in enumerate(texts):
        known = {vocabulary[word] for word in words if word in vocabulary}
        rows += [number] * len(known)
        columns += known
    shape = (len(texts), max(len(vocabulary), 1))
    return csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)


def _lengths(matrix: Any) -> NDArray[Any]:
    lengths: NDArray[Any] = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return lengths


def _best_of(
    shared: Any, start: int, lengths: tuple[NDArray[Any], NDArray[Any]]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The few nearest products of each offer of a block."""
    rows = np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr)) + start
    columns = shared.indices
    cosine = shared.data / np.maximum(lengths[0][columns] * lengths[1][rows], 1e-12)
    order = np.lexsort((columns, -cosine, rows))
    rows, columns, cosine = rows[order], columns[order], cosine[order]
    first = np.searchsorted(rows, rows, side="left")
    few = np.arange(len(rows)) - first < _CANDIDATES
    return rows[few], columns[few], cosine[few]


def features(
    own: Sequence[Item],
    ours: Sequence[titles.Title],
    offers: Sequence[Item],
    theirs: Sequence[titles.Title],
    rows: NDArray[Any],
    columns: NDArray[Any],
    cosine: NDArray[Any],
) -> NDArray[Any]:
    """One row a pair, one column a name of `FEATURES`; agreements are 1, 0 (unknown) or -1."""
    from rapidfuzz import fuzz, process

    a, b = [t.text for t in ours], [t.text for t in theirs]
    ratio = process.cpdist(
        [a[c] for c in columns], [b[r] for r in rows], scorer=fuzz.token_sort_ratio, workers=2
    )
    own_brands, brands = [_plain(i.brand) for i in own], [_plain(i.brand) for i in offers]
    pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
    brand = [_agree(own_brands[c], brands[r] or _named(own_brands[c], b[r])) for r, c in pairs]
    pack = [_same_unit(ours[c], theirs[r]) for r, c in pairs]
    numbers = [_shared(ours[c].numbers, theirs[r].numbers) for r, c in pairs]
    return np.column_stack(
        [ratio / 100, cosine, brand, pack, numbers, _margin(rows, ratio / 100)]
    ).astype(float)


def _named(brand: str, title: str) -> str:
    """The brand where the title names it; nothing where it does not: it may be left out."""
    return brand if brand and f" {brand} " in f" {title} " else ""


def _agree(ours: str, theirs: str) -> int:
    if not ours or not theirs:
        return 0
    return 1 if ours == theirs else -1


def _same_unit(ours: titles.Title, theirs: titles.Title) -> int:
    """Packs of one kind can be converted into each other; litres never become metres."""
    if ours.unit is None or theirs.unit is None:
        return 0
    return 1 if ours.unit == theirs.unit else -1


def _shared(ours: frozenset[str], theirs: frozenset[str]) -> float:
    if not ours and not theirs:
        return 0.0
    return 2 * len(ours & theirs) / len(ours | theirs) - 1


def _margin(rows: NDArray[Any], ratio: NDArray[Any]) -> NDArray[Any]:
    """By how much a pair is better than the best other one of its offer; negative where worse."""
    margin = np.ones(len(rows))
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    for start, end in zip(starts, np.r_[starts[1:], len(rows)], strict=True):
        group = ratio[start:end]
        if len(group) > 1:
            order = np.sort(group)
            best, second = order[-1], order[-2]
            margin[start:end] = np.where(group == best, best - second, group - best)
    return margin


def probability(table: NDArray[Any]) -> NDArray[Any]:
    """The logistic of the fitted weights: the probability that a pair is right."""
    weight = np.array([weights.WEIGHTS[name] for name in FEATURES])
    return np.asarray(1 / (1 + np.exp(-(weights.INTERCEPT + table @ weight))))


def _first_of_each(rows: NDArray[Any], confidence: NDArray[Any]) -> list[int]:
    """The surest pair of each offer; of equal ones the first."""
    order = np.lexsort((np.arange(len(rows)), -confidence, rows))
    sorted_rows = rows[order]
    return [int(n) for n in order[np.r_[True, sorted_rows[1:] != sorted_rows[:-1]]]]


def is_far(prices: Sequence[float], ratio: float) -> list[bool]:
    """Which unit prices of one product's group are more than `ratio` times off its median.

    A group of fewer than three has no middle to be far from.
    """
    if len(prices) < 3:
        return [False] * len(prices)
    middle = float(np.median(np.array(prices, dtype=float)))
    if middle <= 0:
        return [False] * len(prices)
    return [not middle / ratio <= price <= middle * ratio for price in prices]

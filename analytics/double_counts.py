"""Series that are the sum of others beside them: totals that stand among their own parts.

Adding up such a list counts the parts twice. A series is taken for a total where some of the
others add up to it in every period, within what rounding allows, and where so good a fit would
hardly arise by chance among as many series. All subsets are tried, halves of them against each
other (Horowitz and Sahni, "Computing partitions with applications to the knapsack problem", 1974).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

LARGEST_SET = 20
FEWEST_PERIODS = 6
# how many sums as good as the one found may be expected by chance
_BY_CHANCE = 0.05
_MOST_FITS = 1_000_000
# neighbouring periods are alike: this many speak for all of them
_PERIODS_HEARD = 12


@dataclass(frozen=True)
class Sum:
    """A series that the others add up to; all are positions in the list."""

    total: int
    parts: tuple[int, ...]
    periods: int


def sums_of_others(series: Floats, rows: int = 1) -> list[Sum]:
    """Return the series that are sums of two or more of the others, each with its fewest parts.

    Args:
        series: A row for each of at most `LARGEST_SET` series, a column for each period, NaN where
            a series has no figure. Not negative, all in one unit.
        rows: How many rounded figures have been added up in each of them.
    """
    step = rows * _rounding(series[~np.isnan(series)])
    found = (_parts_of(index, series, step) for index in range(len(series)))
    return [each for each in found if each is not None]


def _rounding(figures: Floats) -> float:
    """The power of ten that all figures are multiples of, at least 0.0001."""
    for exponent in range(9, -4, -1):
        step = 10.0**exponent
        if np.all(np.abs(figures - step * np.round(figures / step)) <= 1e-9 * figures):
            return float(step)
    return 1e-4


def _parts_of(index: int, series: Floats, step: float) -> Sum | None:
    told = ~np.isnan(series[index])
    total = series[index, told]
    others = np.nan_to_num(series[:, told])
    # parts are not larger than their total, beyond what rounding does
    fits = np.all(others <= total + step, axis=1) & others.any(axis=1)
    fits[index] = False
    places = np.flatnonzero(fits)
    if len(total) < FEWEST_PERIODS or len(places) < 2 or not total.any():
        return None
    others = others[places]
    best = _fewest_that_fit(total, others, step)
    if best is None or _expected_by_chance(total, others, best, step) > _BY_CHANCE:
        return None
    return Sum(index, tuple(int(places[each]) for each in best), len(total))


def _fewest_that_fit(total: Floats, others: Floats, step: float) -> Indices | None:
    """The smallest set of two or more that adds up to the total in every period."""
    half = len(others) // 2
    count = np.ones(len(others))
    sizes_left, sizes_right = _subset_sums(count[:half]), _subset_sums(count[half:])
    pairs: tuple[Indices, Indices] | None = None
    # the largest first: there rounding hides the least
    for period in np.argsort(-total, kind="stable"):
        left = _subset_sums(others[:half, period])
        right = _subset_sums(others[half:, period])
        wanted, slack = total[period], 1e-9 * total[period]
        if pairs is None:
            pairs = _near(left, right, wanted, (len(others) + 1) * step / 2 + slack)
        lefts, rights = pairs
        sizes = sizes_left[lefts] + sizes_right[rights]
        off = np.abs(left[lefts] + right[rights] - wanted)
        kept = (sizes > 1) & (off <= (sizes + 1) * step / 2 + slack)
        pairs = lefts[kept], rights[kept]
        if not kept.any():
            return None
    assert pairs is not None
    lefts, rights = pairs
    best = int(np.argmin(sizes_left[lefts] + sizes_right[rights]))
    return np.flatnonzero(_bits(lefts[best], half) + _bits(rights[best], len(others) - half))


def _near(left: Floats, right: Floats, wanted: float, tolerance: float) -> tuple[Indices, Indices]:
    """Pairs of positions whose sum lies within a tolerance; none where there are too many."""
    order = np.argsort(right, kind="stable")
    first = np.searchsorted(right[order], wanted - tolerance - left, "left")
    last = np.searchsorted(right[order], wanted + tolerance - left, "right")
    counts = last - first
    if counts.sum() > _MOST_FITS:
        counts = np.zeros_like(counts)
    lefts = np.repeat(np.arange(len(left)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return lefts, order[np.repeat(first, counts) + within]


def _subset_sums(amounts: Floats) -> Floats:
    """The sum of every subset, in the order of its bits."""
    sums = np.zeros(1)
    for amount in amounts:
        sums = np.concatenate([sums, sums + amount])
    return sums


def _bits(subset: int, count: int) -> list[bool]:
    return [bool(subset >> position & 1) for position in range(count)]


def _expected_by_chance(total: Floats, others: Floats, best: Indices, step: float) -> float:
    """How many random subsets would fit as well.

    The sum of a random subset is taken as normal; given that it fits in the largest period, it is
    off elsewhere by as much as the series are not in proportion to the total.
    """
    largest = int(np.argmax(total))
    off = float(np.abs(others[best].sum(axis=0) - total).max()) + step / 2
    strangers = others - np.outer(others[:, largest], total / total[largest])
    heard = np.unique(np.linspace(0, len(total) - 1, _PERIODS_HEARD).astype(int))
    spreads = np.sqrt((strangers[:, heard[heard != largest]] ** 2).sum(axis=0) / 4)
    spreads = np.append(spreads, np.sqrt((others[:, largest] ** 2).sum() / 4))
    chances = np.minimum(1, 2 * off / (np.sqrt(2 * np.pi) * np.maximum(spreads, 1e-300)))
    return float(np.exp(len(others) * np.log(2) + np.log(chances).sum()))

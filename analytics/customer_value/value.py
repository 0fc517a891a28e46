"""Expected margin of each customer over a horizon, and intervals that hold the customer too.

What is unknown of a customer is his own rate of buying and of going, what he spends, whether he is
still there, and the parameters of everybody. Given there, the first two depend on x and T alone
(spend on x and the mean spend, which only scales it). So they are drawn, with the parameters from
the normal approximation of the fit, at a grid of x and T, a few thousand draws a point; each
customer's quantiles are interpolated between points, relative to his expectation, and mixed with
the probability that he is gone. The cost hardly depends on the number of customers.
"""

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy import special

from analytics.customer_value.cells import Floats
from analytics.customer_value.fitting import Fit, model_named
from analytics.customer_value.forecast import Histories, ahead, alive, integral, nothing
from analytics.customer_value.models import Model, blocks
from analytics.customer_value.spend import SpendFit, expected_spend

_DRAWS = 4096
_TIMES = 6
_EXACT_X = 30
_LEVELS = np.linspace(0, 1, 201)


@dataclass(frozen=True)
class Value:
    """Discounted expected margin of each customer, with an interval; nan if not identified."""

    value: Floats
    low: Floats
    high: Floats


def expected_occasions_interval(
    fit: Fit,
    x: Any,
    t_x: Any,
    T: Any,
    horizon: float,
    *,
    level: float = 0.9,
    outcome: bool = False,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Low and high of each customer's occasions in (T, T + horizon].

    Without `outcome`, of the expectation that the customer has by his own rates and status, which
    nobody sees; the interval always holds `expected_occasions`. With it, of the number of
    occasions that will be seen: whole numbers, to be held against held-out counts.

    Equal tails; but where none at all has a probability above the lower tail's, the low is 0 and
    the whole remaining probability lies above the high. Where none is all but certain, low and
    high may both be 0, or the high be the expectation.
    """
    those = Histories.of(x, t_x, T)
    if not fit.is_identified or not those.x.size:
        return nothing(those), nothing(those)
    there = ahead(fit, those, horizon)
    table = _Table(fit, None, those, _Future(horizon, 0.0, outcome), seed)
    return table.interval(alive(fit, those), there, level)


def clv(
    fit: Fit,
    spend: SpendFit,
    x: Any,
    t_x: Any,
    T: Any,
    mean_spend: Any,
    *,
    horizon: float,
    discount_rate: float = 0.0,
    margin: Any = 1.0,
    level: float = 0.9,
    outcome: bool = False,
    seed: int = 0,
) -> Value:
    """Discounted margin of each customer over the horizon.

    Args:
        fit, spend: Of occasions, and of spend an occasion.
        x, t_x, T: Histories; `x` is also the number of occasions behind `mean_spend`.
        mean_spend: Mean spend of the repeat occasions; not read where x is 0.
        horizon: Length of the time ahead, in the unit of T.
        discount_rate: Effective rate per unit of time, as a fraction.
        margin: Share of the spend that is margin, a number or one each.
        level, outcome, seed: As for `expected_occasions_interval`; with `outcome`, of the margin
            that will be seen.
    """
    those = Histories.of(x, t_x, T)
    if not (fit.is_identified and spend.is_identified and those.x.size):
        return Value(nothing(those), nothing(those), nothing(those))
    if not discount_rate > -1:
        raise ValueError(f"discount_rate must be above -1, not {discount_rate}")
    force = math.log1p(discount_rate)
    each = expected_spend(spend, those.x, mean_spend) * np.asarray(margin, np.float64)
    there, chance = ahead(fit, those, horizon, force) * each, alive(fit, those)
    table = _Table(fit, spend, those, _Future(horizon, force, outcome), seed)
    return Value(chance * there, *table.interval(chance, there, level))


@dataclass(frozen=True)
class _Future:
    """Over what time, discounted how, and whether what is seen or what is expected is drawn."""

    horizon: float
    force: float
    outcome: bool

    def occasions(
        self, rate: Floats, going: Floats, last: Floats, draw: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Occasions of customers who are there, and what one counts after discounting."""
        if not self.outcome:
            return rate * _discounted(going + self.force, self.horizon), np.ones_like(rate)
        with np.errstate(divide="ignore"):
            left = draw.standard_exponential(rate.shape) / going
        stay = np.minimum(left, self.horizon)
        seen = draw.poisson(rate * (1 - last) * stay) + ((last > 0) & (left < self.horizon))
        return seen.astype(np.float64), _discounted(self.force, stay) / stay


class _Table:
    """Quantiles of what a customer who is there brings, relative to what is expected of him.

    Shape: points of x, points of T, levels. Counts have a uniform draw added, so that their
    quantiles can be interpolated; cut to whole numbers they are those of the counts.
    """

    def __init__(
        self, fit: Fit, spend: SpendFit | None, those: Histories, future: _Future, seed: int
    ) -> None:
        self.outcome, self.whole = future.outcome, future.outcome and spend is None
        model, draw = model_named(fit.model), np.random.default_rng(seed)
        self.time = model.shortest_time(fit.theta)
        self.x = _points(those.x)
        at = np.log(self.time + those.T)
        self.at = np.linspace(at.min(), at.max(), _TIMES) if at.max() > at.min() else at[:1]
        self.row, self.column = np.interp(those.x, self.x, np.arange(len(self.x))), at
        T = np.exp(self.at) - self.time
        theta = np.exp(_normal(np.log(fit.theta), fit.covariance, draw))[:, None]
        usual = self._usual(model, fit.theta, T, future)
        money = None if spend is None else _Spending(spend, draw)
        self.quantiles = np.empty((len(self.x), len(T), len(_LEVELS)))
        for n, x in enumerate(self.x):
            # of its own, so that other customers' numbers do not move what is said of these
            draw = np.random.default_rng([seed, int(x)])
            grid = np.full((len(T), 1), x)
            found, counting = future.occasions(*model.draw(theta, grid, T[:, None], draw), draw)
            if money is not None:
                found = found * counting * money.relative(x, found, future.outcome, draw)
            if self.whole:
                found = found + draw.random(found.shape)
            self.quantiles[n] = np.quantile(found, _LEVELS, axis=1).T / usual[n, :, None]

    def _usual(self, model: Model, theta: Floats, T: Floats, future: _Future) -> Floats:
        where = self.x[:, None], T[None]
        usual = integral(model.rate_ahead, theta, where, future.horizon, future.force, self.time)
        return usual + 0.5 if self.whole else usual

    def interval(self, alive: Floats, there: Floats, level: float) -> tuple[Floats, Floats]:
        """Low and high of the mixture of nothing and what a customer there brings."""
        tail = (1 - level) / 2
        low = self._quantile(alive, there, np.full_like(alive, tail))
        high = self._quantile(alive, there, np.where(low > 0, 1 - tail, level))
        if self.outcome:
            return low, high
        return np.minimum(low, alive * there), np.maximum(high, alive * there)

    def _quantile(self, alive: Floats, there: Floats, level: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            level = (level - (1 - alive)) / alive
        inside = level > 0
        relative = self._relative(np.clip(np.where(inside, level, 0), 0, 1))
        if self.whole:
            return np.where(inside, np.floor(relative * (there + 0.5)), 0.0)
        return np.where(inside, relative * there, 0.0)

    def _relative(self, level: Floats) -> Floats:
        """The quantile of each customer at a level, relative to what is expected of him."""
        column = np.interp(self.column, self.at, np.arange(len(self.at)))
        third, found = level * (len(_LEVELS) - 1), np.empty_like(level)
        for rows in blocks(len(level)):
            found[rows] = _trilinear(self.quantiles, (self.row[rows], column[rows], third[rows]))
        return found


class _Spending:
    """Draws of what a customer spends an occasion, relative to what is expected of him.

    The expectation is that at the mean spend of everybody; that of a customer scales both alike,
    but for the share of gamma in it, which counts little where the parameters are known well.
    """

    def __init__(self, spend: SpendFit, draw: np.random.Generator) -> None:
        self.spend = spend
        self.theta = np.exp(_normal(np.log(spend.theta), spend.covariance, draw))

    def relative(
        self, x: float, occasions: Floats, outcome: bool, draw: np.random.Generator
    ) -> Floats:
        """The customer's own mean (or, with `outcome`, that of so many occasions), shape as they
        are, of a customer with `x` occasions behind him."""
        p, q, gamma = self.theta
        mean = self.spend.mean
        usual = expected_spend(self.spend, [x], [mean])
        scale = (gamma + x * mean) / draw.standard_gamma(p * x + q + 0 * occasions)
        if not outcome:
            return np.asarray(p * scale / usual)
        times = np.maximum(occasions, 1)
        return np.asarray(draw.standard_gamma(p * times) / times * scale / usual)


def _points(x: Floats) -> Floats:
    """The values of x that occur up to 30, and steps of a quarter from there to the largest."""
    found = np.unique(x)
    few, most = found[found <= _EXACT_X], found[-1]
    if most <= _EXACT_X:
        return few
    steps = math.ceil(math.log(most / _EXACT_X) / math.log(1.25))
    return np.append(few, np.unique(np.round(np.geomspace(_EXACT_X, most, steps + 1))[1:]))


def _trilinear(table: Floats, positions: tuple[Floats, Floats, Floats]) -> Floats:
    """Between the points of a table of three axes, at fractional positions."""
    found = np.zeros_like(positions[0])
    sides = [_between(one, size) for one, size in zip(positions, table.shape, strict=True)]
    for (i, wi), (j, wj), (k, wk) in product(*sides):
        found += wi * wj * wk * table[i, j, k]
    return found


def _between(position: Floats, size: int) -> list[tuple[Any, Floats]]:
    """The points on either side of fractional positions, with their weights."""
    left = np.minimum(position.astype(np.intp), max(size - 2, 0))
    share = position - left
    return [(left, 1 - share), (np.minimum(left + 1, size - 1), share)]


def _discounted(force: Any, time: Any) -> Floats:
    """What one a unit of time for `time` is worth now: (1 - exp(-force time)) / force."""
    return np.asarray(time * special.exprel(-force * time))


def _normal(mean: Floats, covariance: Floats, draw: np.random.Generator) -> Floats:
    """Draws from the normal approximation, an axis of draws last."""
    return draw.multivariate_normal(mean, covariance, _DRAWS, method="eigh").T

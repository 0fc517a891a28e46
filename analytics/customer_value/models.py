"""The three models of when customers buy and when they are gone, as sums of two branches.

Each customer buys at a rate lambda ~ Gamma(r, alpha) and is gone for good at some time. A history
(x, t_x, T) is either that of a customer who is still there at T, or of one who went after t_x:

    L(x, t_x, T) = common(x) * (there(x, T) + gone(x, t_x, T)),   P(alive) = there / (there + gone)

- BG/NBD (Fader, Hardie and Lee 2005): gone with probability p ~ Beta(a, b) after each repeat
  occasion. In logarithms throughout, which is what Fader and Hardie's note 027 is for.
- MBG/NBD (Batislam, Denizel and Filiztekin 2007): the same after the first occasion too.
- Pareto/NBD (Schmittlein, Morrison and Colombo 1987): gone at a rate mu ~ Gamma(s, beta). `gone`
  is an integral over the time of going, which the literature writes as a difference of two
  Gaussian hypergeometric functions; see `_TimesOfGoing`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.linalg import eigh_tridiagonal

from analytics.customer_value.cells import Floats, Points

Rule = tuple[Floats, Floats]
"""Nodes in (0, 1) and their weights."""


def _gauss(nodes: int) -> Rule:
    at, weights = np.polynomial.legendre.leggauss(nodes)
    return (at + 1) / 2, weights / 2


_RULE = _gauss(20)
_SHORT_RULE = _gauss(5)
_SHORT = 0.5
"""Over a span in which no logarithm moves by more, five nodes are exact to 14 digits."""
_BLOCK = 8192
_NEGLIGIBLE = 30.0
"""exp(-30) is below 1e-13: what lies further out in an integral is left out."""


@dataclass(frozen=True)
class Branch:
    """The logarithm of `there` or `gone` of some histories, with its derivatives by parameters.

    Attributes:
        of: Of which histories, to their logarithms (n,), -inf where it cannot be, and gradients
            (4, n).
        curvature: Of weights of all histories: the sum of weight times second derivatives, (4, 4).
    """

    of: Callable[[slice], tuple[Floats, Floats]]
    curvature: Callable[[Floats], Floats]


@dataclass(frozen=True)
class Common:
    """The factor that depends on x alone, in logarithms: (n,), (4, n) and (4, 4, n)."""

    log: Floats
    gradient: Floats
    hessian: Floats


class Model(ABC):
    """A model's likelihood and what it says of a customer who is there at T."""

    name: str
    parameters: tuple[str, str, str, str]
    times: tuple[bool, bool, bool, bool]
    """Which parameters are measured in time, as T is."""
    block: int
    """Histories that are worked on at once, which keeps what they need in the processor's cache."""

    def shortest_time(self, theta: Floats) -> float:
        """The smallest parameter in time: nothing that depends on T changes faster."""
        return float(theta[list(self.times)].min())

    @abstractmethod
    def common(self, theta: Floats, x: Floats) -> Common:
        """The factor of the likelihood that depends on x alone."""

    @abstractmethod
    def logs(self, theta: Floats, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
        """Logarithms of `there` and `gone`."""

    @abstractmethod
    def branches(self, theta: Floats, points: Points) -> tuple[Branch, Branch]:
        """`there` and `gone` of each history with their derivatives."""

    @abstractmethod
    def rate_ahead(self, theta: Floats, x: Floats, T: Floats, ahead: Floats) -> Floats:
        """Expected occasions per unit of time at each time ahead, given there at T.

        `x` and `T` have one shape, `ahead` is a vector; the result has its axis last.
        """

    @abstractmethod
    def chances(self, theta: Floats, x: Floats, T: Floats, horizon: float, n: Floats) -> Floats:
        """Probability of n occasions in (T, T + horizon], given there at T; shape of x."""

    @abstractmethod
    def draw(
        self, theta: Floats, x: Floats, T: Floats, draw: np.random.Generator
    ) -> tuple[Floats, Floats, Floats]:
        """Draws of a customer's rate of buying, rate of going, and chance that an occasion is the
        last, given there at T. `theta` is (4, ...); all broadcast.
        """


class Geometric(Model):
    """BG/NBD, and MBG/NBD with `first` = 1: the first occasion may be the last, too."""

    parameters = ("r", "alpha", "a", "b")
    times = (False, True, False, False)
    block = 8192

    def __init__(self, name: str, first: int) -> None:
        self.name = name
        self.first = first

    def common(self, theta: Floats, x: Floats) -> Common:
        r, alpha, a, b = theta
        n = x + self.first
        log, gradient, hessian = _purchases(r, alpha, x)
        log = log + special.betaln(a, b + n) - special.betaln(a, b)
        both = special.digamma(a + b) - special.digamma(a + b + n)
        gradient[2] = both
        gradient[3] = both + special.digamma(b + n) - special.digamma(b)
        hessian[2, 2] = _trigamma(a + b) - _trigamma(a + b + n)
        hessian[2, 3] = hessian[3, 2] = hessian[2, 2]
        hessian[3, 3] = hessian[2, 2] + _trigamma(b + n) - _trigamma(b)
        return Common(log, gradient, hessian)

    def logs(self, theta: Floats, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
        r, alpha, a, b = theta
        n = x + self.first
        gone = np.log(a / np.where(n > 0, b + n - 1, 1)) - (r + x) * np.log(alpha + t_x)
        return -(r + x) * np.log(alpha + T), np.where(n > 0, gone, -np.inf)

    def branches(self, theta: Floats, points: Points) -> tuple[Branch, Branch]:
        r, alpha, a, b = theta
        x, time = points.x, points.time
        there, gone = self.logs(theta, x, time, time)
        flips = np.where(x + self.first > 0, b + x + self.first - 1, 1)

        def branch(log: Floats, at: NDArray[np.intp], may_go: bool) -> Branch:
            zero = np.zeros_like(x)
            dropout = (zero + 1 / a, -1 / flips) if may_go else (zero, zero)
            gradient = np.stack([-np.log(alpha + time), -(r + x) / (alpha + time), *dropout])

            def curvature(weight: Floats) -> Floats:
                each = np.bincount(at, weight, len(x))
                found = np.zeros((4, 4))
                found[0, 1] = found[1, 0] = -(each / (alpha + time)).sum()
                found[1, 1] = (each * (r + x) / (alpha + time) ** 2).sum()
                if may_go:
                    found[2, 2] = -each.sum() / a**2
                    found[3, 3] = (each / flips**2).sum()
                return found

            return _at_points(log, gradient, at, curvature)

        return branch(there, points.now, False), branch(gone, points.last, True)

    def rate_ahead(self, theta: Floats, x: Floats, T: Floats, ahead: Floats) -> Floats:
        r, alpha, a, b = theta
        nodes = _nodes_for(float(ahead.max() / (alpha + T.min())))
        p, weight = beta_nodes(a, b + x + self.first, nodes)
        shape, time = (r + x)[..., None], (alpha + T)[..., None]
        steps = [(weight * np.exp(-(shape + 1) * np.log1p(p * u / time))).sum(-1) for u in ahead]
        return np.asarray(np.stack(steps, -1) * shape / time)

    def chances(self, theta: Floats, x: Floats, T: Floats, horizon: float, n: Floats) -> Floats:
        r, alpha, a, b = theta
        b = b + x + self.first
        stay = np.exp(special.betaln(a, b + n) - special.betaln(a, b))
        some = np.maximum(n, 1)
        last = np.exp(special.betaln(a + 1, b + some - 1) - special.betaln(a, b))
        last = last * special.betainc(some, r + x, horizon / (alpha + T + horizon))
        found = stay * _negative_binomial(n, r + x, alpha + T, horizon)
        return np.asarray(found + np.where(n > 0, last, 0.0))

    def draw(
        self, theta: Floats, x: Floats, T: Floats, draw: np.random.Generator
    ) -> tuple[Floats, Floats, Floats]:
        r, alpha, a, b = theta
        rate = draw.standard_gamma(r + x) / (alpha + T)
        p = draw.beta(a, b + x + self.first)
        return rate, rate * p, p


class Pareto(Model):
    """Pareto/NBD."""

    name = "pareto_nbd"
    parameters = ("r", "alpha", "s", "beta")
    times = (False, True, False, True)
    block = 1024

    def common(self, theta: Floats, x: Floats) -> Common:
        r, alpha, s, beta = theta
        log, gradient, hessian = _purchases(r, alpha, x)
        gradient[2], gradient[3] = np.log(beta), s / beta
        hessian[2, 3] = hessian[3, 2] = 1 / beta
        hessian[3, 3] = -s / beta**2
        return Common(log + s * np.log(beta), gradient, hessian)

    def logs(self, theta: Floats, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
        r, alpha, s, beta = theta
        there = -(r + x) * np.log(alpha + T) - s * np.log(beta + T)
        return there, _TimesOfGoing(theta, x, t_x, T).log

    def branches(self, theta: Floats, points: Points) -> tuple[Branch, Branch]:
        r, alpha, s, beta = theta
        x, T, now = points.x, points.time, points.now
        log_alpha, log_beta = np.log(alpha + T), np.log(beta + T)
        gradient = np.stack([-log_alpha, -(r + x) / (alpha + T), -log_beta, -s / (beta + T)])

        def curvature(weight: Floats) -> Floats:
            each = np.bincount(now, weight, len(x))
            found = np.zeros((4, 4))
            found[0, 1] = found[1, 0] = -(each / (alpha + T)).sum()
            found[1, 1] = (each * (r + x) / (alpha + T) ** 2).sum()
            found[2, 3] = found[3, 2] = -(each / (beta + T)).sum()
            found[3, 3] = s * (each / (beta + T) ** 2).sum()
            return found

        log = -(r + x) * log_alpha - s * log_beta
        there = _at_points(log, gradient, now, curvature)
        spans = _Spans(theta, points)
        return there, Branch(spans.of, spans.curvature)

    def rate_ahead(self, theta: Floats, x: Floats, T: Floats, ahead: Floats) -> Floats:
        r, alpha, s, beta = theta
        there = np.exp(-s * np.log1p(ahead / (beta + T)[..., None]))
        return np.asarray(((r + x) / (alpha + T))[..., None] * there)

    def chances(self, theta: Floats, x: Floats, T: Floats, horizon: float, n: Floats) -> Floats:
        r, alpha, s, beta = theta
        found = _negative_binomial(n, r + x, alpha + T, horizon)
        found = found * np.exp(-s * np.log1p(horizon / (beta + T)))
        for node, weight in zip(*_RULE, strict=True):
            u = horizon * node
            going = s / (beta + T) * np.exp(-(s + 1) * np.log1p(u / (beta + T)))
            found = found + horizon * weight * going * _negative_binomial(n, r + x, alpha + T, u)
        return np.asarray(found)

    def draw(
        self, theta: Floats, x: Floats, T: Floats, draw: np.random.Generator
    ) -> tuple[Floats, Floats, Floats]:
        r, alpha, s, beta = theta
        rate = draw.standard_gamma(r + x) / (alpha + T)
        going = draw.standard_gamma(s + 0 * x) / (beta + T)
        return rate, going, np.zeros_like(rate)


class _TimesOfGoing:
    """Pareto/NBD's `gone`: s times the integral over u in (t_x, T) of
    (alpha + u)^-(r + x) (beta + u)^-(s + 1).

    With w = log((alpha + u) / (alpha + t_x)), q = exp(-w), c = r + x + s and
    D = (beta - alpha) / (alpha + t_x), the integrand is (alpha + t_x)^-c exp(-c w)
    (1 + D q)^-(s + 1): positive and smooth, whatever the arguments, and nearly exp(-c w) where
    alpha and beta are near; nothing is subtracted. Gauss-Legendre in w, as far as the integrand is
    not negligible. Where alpha is well above beta, (1 + D q) may come near 0; then beta takes
    alpha's part. Derivatives are taken under the integral at the same nodes: they are moments of
    the time of going.
    """

    def __init__(
        self, theta: Floats, x: Floats, t_x: Floats, T: Floats, rule: Rule = _RULE
    ) -> None:
        r, alpha, s, beta = theta
        self.theta, self.x = theta, x
        k = r + x
        self.swap = alpha - beta > 0.5 * (alpha + t_x)
        base = np.where(self.swap, beta, alpha) + t_x
        power = np.where(self.swap, k, s + 1)
        distance = (np.where(self.swap, alpha, beta) + t_x - base) / base
        c = k + s
        reach = np.log1p((T - t_x) / base)
        decay = c - power * np.maximum(distance, 0) / (1 + distance)
        reach = np.where(decay * reach > _NEGLIGIBLE, _NEGLIGIBLE / decay, reach)

        nodes, weights = (each[:, None] for each in rule)
        w = reach * nodes
        self.shrink = np.exp(-w)
        self.excess = np.log1p(distance * self.shrink)
        start = np.log1p(distance)
        density = np.exp(-c * w - power * (self.excess - start)) * weights
        total = density.sum(0)
        with np.errstate(divide="ignore"):
            self.log = np.log(s * total) + np.log(reach) - c * np.log(base) - power * start
        self.weight = density / total
        self.w, self.base, self.distance = w, base, distance

    def moments(self) -> tuple[Floats, Floats]:
        """First and second derivatives of the integral as shares of it: (4, n) and (4, 4, n)."""
        r, _, s, _ = self.theta
        k = r + self.x
        near = np.log(self.base) + self.w
        far = near + self.excess
        one_near = self.shrink / self.base
        one_far = one_near / (1 + self.distance * self.shrink)
        log_alpha, log_beta = np.where(self.swap, far, near), np.where(self.swap, near, far)
        one_alpha = np.where(self.swap, one_far, one_near)
        one_beta = np.where(self.swap, one_near, one_far)
        score = np.stack([-log_alpha, -k * one_alpha, 1 / s - log_beta, -(s + 1) * one_beta])
        weighted = score * self.weight
        first, second = weighted.sum(1), np.einsum("imn,jmn->ijn", weighted, score)
        for n, of_one, power in ((0, one_alpha, k), (2, one_beta, s + 1)):
            second[[n, n + 1], [n + 1, n]] -= (self.weight * of_one).sum(0)
            second[n + 1, n + 1] += power * (self.weight * of_one**2).sum(0)
        second[2, 2] -= 1 / s**2
        return first, second


class _Spans:
    """Pareto/NBD's `gone` of many histories: a sum over the spans between neighbouring points.

    It is what is left from t_x on, less what is left from T on. The latter is below `there`, so
    that no digit of the sum of both branches is lost. All in logarithms, for nothing bounds what a
    customer of some x who goes early has before one who goes late.
    """

    def __init__(self, theta: Floats, points: Points) -> None:
        self.points = points
        r, alpha, s, beta = theta
        x, time = points.x, points.time
        self.log = np.full(len(x), -np.inf)
        self.first, self.second = np.zeros((4, len(x))), np.zeros((4, 4, len(x)))
        [starts] = np.nonzero(x[1:] == x[:-1])
        width = np.log1p((time[starts + 1] - time[starts]) / (min(alpha, beta) + time[starts]))
        is_short = 2 * (r + x[starts] + s + 1) * width < _SHORT
        for which, rule in ((starts[is_short], _SHORT_RULE), (starts[~is_short], _RULE)):
            for some in np.array_split(which, len(which) // Pareto.block + 1):
                span = _TimesOfGoing(theta, x[some], time[some], time[some + 1], rule)
                self.log[some] = span.log
                self.first[:, some], self.second[:, :, some] = span.moments()

        # no derivative is above: what it is below can be summed by its logarithm
        self.top = np.array([[-math.log(alpha)], [0.0], [1 / s - math.log(beta)], [0.0]])
        with np.errstate(divide="ignore", invalid="ignore"):
            below = np.log(np.maximum(self.top - self.first, 0))
            logs = np.vstack([self.log, self.log + below])
            left = _log_sums(logs[:, ::-1], len(x) - points.begin[::-1])[:, ::-1]
            self.mean = np.where(left[0] > -np.inf, np.exp(left[1:] - left[0]), 0.0)
        self.left = left[0]

    def of(self, rows: slice) -> tuple[Floats, Floats]:
        """As of a branch."""
        last, now, go, stay = self._parts(rows)
        with np.errstate(divide="ignore"):
            log = self.left[last] + np.log(go)
        lost = self.mean.take(last, axis=1) - stay * self.mean.take(now, axis=1)
        return log, self.top - lost / np.where(go > 0, go, 1.0)

    def curvature(self, weight: Floats) -> Floats:
        """As of a branch."""
        begun, ended = np.zeros((2, len(self.left)))
        found = np.zeros((4, 4))
        for rows in blocks(len(weight)):
            last, now, go, stay = self._parts(rows)
            each = weight[rows] / np.where(go > 0, go, 1.0)
            begun += np.bincount(last, each, len(begun))
            ended += np.bincount(now, each * stay, len(ended))
            _, gradient = self.of(rows)
            found -= (gradient * weight[rows]) @ gradient.T
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.where(self.left > -np.inf, np.log([begun, ended]) - self.left, -np.inf)
            begun, ended = np.exp(self.log + _log_sums(logs, self.points.begin))
        return np.asarray(found + self.second @ (begun - ended))

    def _parts(self, rows: slice) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats, Floats]:
        """The points of t_x and T, and the shares of what is left at t_x that goes by T and not."""
        last, now = self.points.last[rows], self.points.now[rows]
        with np.errstate(invalid="ignore"):
            fall = np.where(last == now, 0.0, self.left[now] - self.left[last])
        go = -np.expm1(fall)
        return last, now, go, 1 - go


def _at_points(
    log: Floats, gradient: Floats, at: NDArray[np.intp], curvature: Callable[[Floats], Floats]
) -> Branch:
    """A branch of histories, from what it is at their points."""
    return Branch(lambda rows: (log[at[rows]], gradient.take(at[rows], axis=1)), curvature)


def _log_sums(logs: Floats, begin: NDArray[np.intp]) -> Floats:
    """Logarithms of running sums along the last axis, begun anew at each of `begin`."""
    found = np.empty_like(logs)
    for first, end in pairwise(begin):
        np.logaddexp.accumulate(logs[:, first:end], axis=1, out=found[:, first:end])
    return found


MODELS: dict[str, Model] = {
    model.name: model for model in (Geometric("bg_nbd", 0), Geometric("mbg_nbd", 1), Pareto())
}


def blocks(size: int) -> list[slice]:
    """Rows that are worked on at once, so that what they need stays in the processor's cache."""
    return [slice(first, first + _BLOCK) for first in range(0, size, _BLOCK)]


def beta_nodes(a: Floats, b: Floats, nodes: int) -> tuple[Floats, Floats]:
    """Gauss quadrature for Beta(a, b): nodes in (0, 1) and weights that add up to 1.

    From the eigenvalues of the Jacobi matrix (Golub and Welsch 1969), for an array of (a, b) at
    once; the result has an axis of nodes last. It needs no gamma functions, so nothing overflows.
    """
    a, b = np.broadcast_arrays(np.asarray(a, float), np.asarray(b, float))
    n = np.arange(nodes)
    total = (a + b - 2)[..., None] + 2 * n
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = (a - b)[..., None] * (a + b - 2)[..., None] / (total * (total + 2))
    middle[..., 0] = (a - b) / (a + b)
    m = n[1:]
    total = (a + b - 2)[..., None] + 2 * m
    shapes = (m + a[..., None] - 1) * (m + b[..., None] - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        beside = 4 * m * shapes * (m + (a + b - 2)[..., None])
        beside = beside / (total**2 * (total + 1) * (total - 1))
    # at m = 1 the last factors cancel; written out they may be 0 / 0
    beside[..., 0] = 4 * a * b / ((a + b) ** 2 * (a + b + 1))
    values, weights = np.empty((2, *a.shape, nodes))
    for at in np.ndindex(a.shape):
        values[at], vectors = eigh_tridiagonal(middle[at], np.sqrt(beside[at]))
        weights[at] = vectors[0] ** 2
    return np.clip((1 + values) / 2, 0, 1), weights


def _nodes_for(w: float) -> int:
    """Nodes that integrate powers of 1 + p w over p to 11 digits, for w up to some 400.

    The pole at p = -1 / w comes near [0, 1] as w grows, and Gauss quadrature gains a factor of rho
    squared a node.
    """
    rho = 1 + 2 / w + 2 * math.sqrt(1 / w + 1 / w**2)
    return min(max(32, math.ceil(25 / math.log(rho))), 256)


def _purchases(r: float, alpha: float, x: Floats) -> tuple[Floats, Floats, Floats]:
    """log of Gamma(r + x) alpha^r / Gamma(r), and its derivatives by r and alpha."""
    log = special.gammaln(r + x) - special.gammaln(r) + r * np.log(alpha)
    gradient, hessian = np.zeros((4, x.size)), np.zeros((4, 4, x.size))
    gradient[0] = special.digamma(r + x) - special.digamma(r) + np.log(alpha)
    gradient[1] = r / alpha
    hessian[0, 0] = _trigamma(r + x) - _trigamma(r)
    hessian[0, 1] = hessian[1, 0] = 1 / alpha
    hessian[1, 1] = -r / alpha**2
    return log, gradient, hessian


def _negative_binomial(n: Floats, shape: Floats, time: Floats, horizon: float) -> Floats:
    """Probability of n events in `horizon` at a rate of Gamma(shape, time)."""
    log = special.gammaln(shape + n) - special.gammaln(shape) - special.gammaln(n + 1)
    log = log - shape * np.log1p(horizon / time)
    return np.asarray(np.exp(log + n * np.log(horizon / (time + horizon))))


def _trigamma(value: Floats | float) -> Floats:
    return np.asarray(special.polygamma(1, value))

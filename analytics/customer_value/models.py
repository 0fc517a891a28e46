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

import numpy as np
from scipy import special
from scipy.linalg import eigh_tridiagonal

from analytics.customer_value.cells import Floats

_NODES = (np.polynomial.legendre.leggauss(20)[0] + 1) / 2
_NODE_WEIGHTS = np.polynomial.legendre.leggauss(20)[1] / 2
_NEGLIGIBLE = 30.0
"""exp(-30) is below 1e-13: what lies further out in an integral is left out."""


@dataclass(frozen=True)
class Branch:
    """The logarithm of `there` or `gone`, an element a cell, with its derivatives by parameters.

    Attributes:
        log: Shape (n,); -inf where it cannot be.
        gradient: Shape (4, n).
        curvature: Of weights (n,): the sum of weight times second derivatives, shape (4, 4).
    """

    log: Floats
    gradient: Floats
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
    """Cells that are worked on at once, so that what they need stays in the processor's cache."""

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
    def branches(self, theta: Floats, x: Floats, t_x: Floats, T: Floats) -> tuple[Branch, Branch]:
        """`there` and `gone` with their derivatives."""

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

    def branches(self, theta: Floats, x: Floats, t_x: Floats, T: Floats) -> tuple[Branch, Branch]:
        r, alpha, a, b = theta
        there, gone = self.logs(theta, x, t_x, T)
        flips = np.where(x + self.first > 0, b + x + self.first - 1, 1)

        def branch(log: Floats, time: Floats, may_go: bool) -> Branch:
            zero = np.zeros_like(x)
            dropout = (zero + 1 / a, -1 / flips) if may_go else (zero, zero)
            gradient = np.stack([-np.log(alpha + time), -(r + x) / (alpha + time), *dropout])

            def curvature(weight: Floats) -> Floats:
                found = np.zeros((4, 4))
                found[0, 1] = found[1, 0] = -(weight / (alpha + time)).sum()
                found[1, 1] = (weight * (r + x) / (alpha + time) ** 2).sum()
                if may_go:
                    found[2, 2] = -weight.sum() / a**2
                    found[3, 3] = (weight / flips**2).sum()
                return found

            return Branch(log, gradient, curvature)

        return branch(there, T, False), branch(gone, t_x, True)

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

    def branches(self, theta: Floats, x: Floats, t_x: Floats, T: Floats) -> tuple[Branch, Branch]:
        r, alpha, s, beta = theta
        log_alpha, log_beta = np.log(alpha + T), np.log(beta + T)
        gradient = np.stack([-log_alpha, -(r + x) / (alpha + T), -log_beta, -s / (beta + T)])

        def curvature(weight: Floats) -> Floats:
            found = np.zeros((4, 4))
            found[0, 1] = found[1, 0] = -(weight / (alpha + T)).sum()
            found[1, 1] = (weight * (r + x) / (alpha + T) ** 2).sum()
            found[2, 3] = found[3, 2] = -(weight / (beta + T)).sum()
            found[3, 3] = s * (weight / (beta + T) ** 2).sum()
            return found

        there = Branch(-(r + x) * log_alpha - s * log_beta, gradient, curvature)
        return there, _TimesOfGoing(theta, x, t_x, T).branch()

    def rate_ahead(self, theta: Floats, x: Floats, T: Floats, ahead: Floats) -> Floats:
        r, alpha, s, beta = theta
        there = np.exp(-s * np.log1p(ahead / (beta + T)[..., None]))
        return np.asarray(((r + x) / (alpha + T))[..., None] * there)

    def chances(self, theta: Floats, x: Floats, T: Floats, horizon: float, n: Floats) -> Floats:
        r, alpha, s, beta = theta
        found = _negative_binomial(n, r + x, alpha + T, horizon)
        found = found * np.exp(-s * np.log1p(horizon / (beta + T)))
        for node, weight in zip(_NODES, _NODE_WEIGHTS, strict=True):
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

    def __init__(self, theta: Floats, x: Floats, t_x: Floats, T: Floats) -> None:
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

        w = reach[:, None] * _NODES
        self.shrink = np.exp(-w)
        self.excess = np.log1p(distance[:, None] * self.shrink)
        start = np.log1p(distance)
        log_density = -c[:, None] * w - power[:, None] * (self.excess - start[:, None])
        density = np.exp(log_density) * _NODE_WEIGHTS
        total = density.sum(1)
        with np.errstate(divide="ignore"):
            self.log = np.log(s * total) + np.log(reach) - c * np.log(base) - power * start
        self.weight = density / total[:, None]
        self.w, self.base, self.distance = w, base, distance

    def branch(self) -> Branch:
        r, _, s, _ = self.theta
        k = (r + self.x)[:, None]
        near = np.log(self.base)[:, None] + self.w
        far = near + self.excess
        one_near = self.shrink / self.base[:, None]
        one_far = one_near / (1 + self.distance[:, None] * self.shrink)
        swap = self.swap[:, None]
        log_alpha, log_beta = np.where(swap, far, near), np.where(swap, near, far)
        one_alpha, one_beta = np.where(swap, one_far, one_near), np.where(swap, one_near, one_far)
        score = np.stack([-log_alpha, -k * one_alpha, 1 / s - log_beta, -(s + 1) * one_beta])
        gradient = (score * self.weight).sum(2)

        def curvature(weight: Floats) -> Floats:
            joint = weight[:, None] * self.weight
            rows = score.reshape(4, -1)
            found = (rows * joint.ravel()) @ rows.T - (gradient * weight) @ gradient.T
            found[[0, 1], [1, 0]] -= (joint * one_alpha).sum()
            found[1, 1] += (joint * k * one_alpha**2).sum()
            found[2, 2] -= weight.sum() / s**2
            found[[2, 3], [3, 2]] -= (joint * one_beta).sum()
            found[3, 3] += (s + 1) * (joint * one_beta**2).sum()
            return np.asarray(found)

        return Branch(self.log, gradient, curvature)


MODELS: dict[str, Model] = {
    model.name: model for model in (Geometric("bg_nbd", 0), Geometric("mbg_nbd", 1), Pareto())
}


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

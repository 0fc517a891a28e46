"""Gamma-Gamma: what a customer spends an occasion, and whether that may be told from how often.

Each occasion's spend is Gamma(p, nu) with nu ~ Gamma(q, gamma) between customers, whatever the
frequency (Fader, Hardie and Lee 2005; Fader and Hardie's note 025). The assumption is tested.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from analytics.customer_value.cells import FIRST_LOOK, Floats, as_floats, every_so_many
from analytics.customer_value.fitting import (
    BOUND,
    FEWEST_REPEATERS,
    covariance_at,
    why_not_identified,
)
from analytics.customer_value.newton import Maximum, maximise

PARAMETERS = ("p", "q", "gamma")
LARGEST_CORRELATION = 0.15


@dataclass(frozen=True)
class SpendFit:
    """A fitted Gamma-Gamma model; fields as those of `Fit` where they share a name.

    Attributes:
        correlation: Pearson's, of frequency and mean spend over customers.
        correlation_p_value: Two-sided, of no correlation (Student's t).
        warning: What to make of a correlation above 0.15 either way; None below.
    """

    parameters: Mapping[str, float]
    std_errors: Mapping[str, float]
    covariance: Floats
    log_likelihood: float
    customers: float
    cells: int
    is_identified: bool
    reason: str | None
    correlation: float
    correlation_p_value: float
    warning: str | None
    model: str = field(default="gamma_gamma", init=False)

    @property
    def theta(self) -> Floats:
        """p, q and gamma as an array."""
        return np.array(list(self.parameters.values()))

    @property
    def mean(self) -> float:
        """Expected spend of a customer of whom nothing is known."""
        p, q, gamma = self.theta
        return float(p * gamma / (q - 1))


def fit_spend(frequency: Any, mean_spend: Any, count: Any = None) -> SpendFit:
    """Fit by maximum likelihood on customers who bought.

    Args:
        frequency: Occasions that `mean_spend` is the mean of, 1 or more.
        mean_spend: Mean spend an occasion, above 0.
        count: Customers with this frequency and spend; one each if left out.

    Raises:
        ValueError: A frequency below 1 or a spend that is not above 0: leave such customers out.
    """
    x, m = as_floats("frequency", frequency), as_floats("mean_spend", mean_spend)
    n = np.ones_like(x) if count is None else as_floats("count", count)
    if not x.shape == m.shape == n.shape:
        raise ValueError(f"lengths differ: frequency {x.size}, mean_spend {m.size}, count {n.size}")
    if not ((x >= 1) & (m > 0) & np.isfinite(m) & (n > 0)).all():
        raise ValueError("frequency must be at least 1, mean_spend and count above 0")
    if n.sum() < FEWEST_REPEATERS:
        few = f"too few customers: {n.sum():g}, at least {FEWEST_REPEATERS} are needed"
        return _judged(None, few, (x, m, n))
    scale = math.exp(float(n @ np.log(m) / n.sum()))
    found = _maximum(x, m / scale, n)
    reason = why_not_identified(PARAMETERS, found) or _infinite_mean(found)
    shift = np.array([0, 0, math.log(scale)])
    value = found.value - float(n.sum()) * math.log(scale)
    there = Maximum(found.at + shift, value, found.gradient, found.hessian, found.at_bound, True)
    return _judged(there, reason, (x, m, n))


def expected_spend(spend: SpendFit, frequency: Any, mean_spend: Any) -> Floats:
    """Expected spend an occasion of each customer; nan where the fit is not identified.

    `mean_spend` is not read where `frequency` is 0: such a customer is expected to spend the mean.
    """
    x, m = as_floats("frequency", frequency), np.asarray(mean_spend, np.float64)
    if not spend.is_identified:
        return np.full(x.shape, np.nan)
    p, q, gamma = spend.theta
    return np.asarray(p * (gamma + x * np.where(x > 0, m, 0.0)) / (p * x + q - 1))


def _maximum(x: Floats, m: Floats, n: Floats) -> Maximum:
    """Where the likelihood is highest; many customers are climbed from where a sample's is."""
    start = np.log([2.0, 3.0, 1.0])
    if len(x) > 10 * FIRST_LOOK:
        which = every_so_many(np.lexsort((m, x)))
        start = maximise(SpendLikelihood(x[which], m[which], n[which]), start, -BOUND, BOUND).at
    return maximise(SpendLikelihood(x, m, n), start, -BOUND, BOUND)


class SpendLikelihood:
    """The log-likelihood by the logarithms of p, q and gamma, with gradient and Hessian.

    Few values of x have the spend of many customers each: what is costly depends on x alone, and
    of m there are three sums by x at every point, with z = m x / gamma: those of log(1 + z), of
    z / (1 + z) and of its square.
    """

    def __init__(self, x: Floats, m: Floats, n: Floats) -> None:
        self.x = np.unique(x)
        self.at = np.searchsorted(self.x, x)
        self.n, self.spent, self.each = n, m * x, np.bincount(self.at, n)
        self.logs = float(n @ np.log(m)), float(n @ (x * np.log(m * x)))

    def __call__(self, phi: Floats) -> tuple[float, Floats, Floats]:
        p, q, gamma = np.exp(phi)
        x, each, spent = self.x, self.each, self.spent / gamma
        own, total = p * x, p * x + q
        share = spent / (1 + spent)
        by_x = [self._by_x(part) for part in (np.log1p(spent), share, share**2)]
        log_m, x_log_spent = self.logs
        bought = float(each @ x)
        value = each @ (special.gammaln(total) - special.gammaln(own) - special.gammaln(q))
        value += p * (x_log_spent - bought * phi[2]) - log_m - total @ by_x[0]
        of_total = special.digamma(total)
        by_p = x @ (each * (of_total - special.digamma(own)) - by_x[0])
        by_p += x_log_spent - bought * phi[2]
        by_q = each @ (of_total - special.digamma(q)) - by_x[0].sum()
        by_gamma = total @ by_x[1] - own @ each
        curve, theta = special.polygamma(1, total), np.array([p, q, 1.0])
        hessian = np.zeros((3, 3))
        hessian[0, 0] = (each * x**2) @ (curve - special.polygamma(1, own))
        hessian[1, 1] = each @ (curve - special.polygamma(1, q))
        hessian[2, 2] = total @ (by_x[2] - by_x[1])
        hessian[0, 1] = hessian[1, 0] = (each * x) @ curve
        hessian[0, 2] = hessian[2, 0] = x @ (by_x[1] - each)
        hessian[1, 2] = hessian[2, 1] = by_x[1].sum()
        gradient = theta * np.array([by_p, by_q, by_gamma])
        hessian = hessian * np.outer(theta, theta)
        hessian[[0, 1], [0, 1]] += gradient[:2]
        return float(value), gradient, hessian

    def _by_x(self, values: Floats) -> Floats:
        return np.asarray(np.bincount(self.at, self.n * values), np.float64)


def _infinite_mean(found: Maximum) -> str | None:
    q = math.exp(found.at[1])
    return f"q is {q:.3g}, and with q up to 1 the mean spend is infinite" if q <= 1 else None


def _judged(
    found: Maximum | None, reason: str | None, those: tuple[Floats, Floats, Floats]
) -> SpendFit:
    theta = np.full(3, np.nan) if found is None else np.exp(found.at)
    covariance = np.full((3, 3), np.nan)
    if found is not None and reason is None:
        covariance = covariance_at(found)
    errors = theta * np.sqrt(np.diag(covariance))
    correlation, p_value = _correlation(*those)
    return SpendFit(
        parameters=dict(zip(PARAMETERS, theta.tolist(), strict=True)),
        std_errors=dict(zip(PARAMETERS, errors.tolist(), strict=True)),
        covariance=covariance,
        log_likelihood=math.nan if found is None else found.value,
        customers=float(those[2].sum()),
        cells=len(those[0]),
        is_identified=reason is None,
        reason=reason,
        correlation=correlation,
        correlation_p_value=p_value,
        warning=_warning(correlation, p_value),
    )


def _correlation(x: Floats, m: Floats, n: Floats) -> tuple[float, float]:
    """Pearson's correlation, each element counted `n` times, and its two-sided p-value."""
    size = float(n.sum())
    if size < 3:
        return math.nan, math.nan
    dx, dm = x - n @ x / size, m - n @ m / size
    spread = math.sqrt(float(n @ dx**2) * float(n @ dm**2))
    if not spread:
        return math.nan, math.nan
    r = float(n @ (dx * dm)) / spread
    t = abs(r) * math.sqrt((size - 2) / max(1 - r**2, 1e-300))
    return r, float(2 * special.stdtr(size - 2, -t))


def _warning(correlation: float, p_value: float) -> str | None:
    if not abs(correlation) > LARGEST_CORRELATION:
        return None
    return (
        f"frequency and spend are correlated ({correlation:+.2f}, p = {p_value:.2g}; up to "
        f"{LARGEST_CORRELATION} is taken for none): the value of frequent customers is "
        f"{'under' if correlation > 0 else 'over'}stated"
    )

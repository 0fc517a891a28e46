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

from analytics.customer_value.cells import Floats, as_floats
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
    start = np.log([2.0, 3.0, 1.0])
    levels, relative = np.unique(x, return_inverse=True), m / scale
    found = maximise(lambda phi: _likelihood(phi, x, relative, n, levels), start, -BOUND, BOUND)
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


def _likelihood(
    phi: Floats, x: Floats, m: Floats, n: Floats, levels: tuple[Floats, Any]
) -> tuple[float, Floats, Floats]:
    """Log-likelihood by the logarithms of p, q and gamma, with gradient and Hessian.

    `levels` are the values of x and where each stands.
    """
    p, q, gamma = np.exp(phi)
    total, rest = p * x + q, gamma + m * x
    # few values of x, each with the spend of many: what is costly depends on x alone
    few, where = levels
    own, whole = p * few, p * few + q
    value = (special.gammaln(whole) - special.gammaln(own) - special.gammaln(q))[where]
    value += q * np.log(gamma) + (p * x - 1) * np.log(m) + p * x * np.log(x) - total * np.log(rest)
    by_total = special.digamma(whole)[where] - np.log(rest)
    by_p = x * (by_total - special.digamma(own)[where] + np.log(m) + np.log(x))
    by_q = by_total - special.digamma(q) + np.log(gamma)
    by_gamma = q / gamma - total / rest
    curve = special.polygamma(1, whole)[where]
    hessian = np.zeros((3, 3))
    hessian[0, 0] = n @ (x**2 * (curve - special.polygamma(1, own)[where]))
    hessian[1, 1] = n @ (curve - special.polygamma(1, q))
    hessian[2, 2] = n @ (total / rest**2 - q / gamma**2)
    hessian[0, 1] = hessian[1, 0] = n @ (x * curve)
    hessian[0, 2] = hessian[2, 0] = -(n @ (x / rest))
    hessian[1, 2] = hessian[2, 1] = n @ (1 / gamma - 1 / rest)
    theta = np.exp(phi)
    gradient = theta * np.array([n @ by_p, n @ by_q, n @ by_gamma])
    return float(n @ value), gradient, hessian * np.outer(theta, theta) + np.diag(gradient)


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

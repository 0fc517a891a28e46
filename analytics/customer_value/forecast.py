"""What a fit says of each customer: P(alive), and expected occasions ahead."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, ndtri

from analytics.customer_value.cells import Floats, Points, as_floats, check_histories
from analytics.customer_value.fitting import Fit, model_named
from analytics.customer_value.models import blocks

_DEGREE = 24
_ANGLES = np.pi * (np.arange(_DEGREE) + 0.5) / _DEGREE
_TO_COEFFICIENTS = 2 / _DEGREE * np.cos(np.outer(np.arange(_DEGREE), _ANGLES))
_TO_COEFFICIENTS[0] /= 2
_LEGENDRE = np.polynomial.legendre.leggauss(24)


@dataclass(frozen=True)
class Histories:
    """Checked histories of customers or cells, an element each."""

    x: Floats
    t_x: Floats
    T: Floats

    @classmethod
    def of(cls, x: Any, t_x: Any, T: Any) -> "Histories":
        """Check and convert; ValueError says what can be no history."""
        found = cls(as_floats("x", x), as_floats("t_x", t_x), as_floats("T", T))
        check_histories(found.x, found.t_x, found.T)
        return found


def p_alive(fit: Fit, x: Any, t_x: Any, T: Any) -> Floats:
    """Probability that each customer is still one at T; nan where the fit is not identified."""
    return alive(fit, Histories.of(x, t_x, T))


def p_alive_interval(
    fit: Fit, x: Any, t_x: Any, T: Any, level: float = 0.9
) -> tuple[Floats, Floats]:
    """Low and high of P(alive), for what is unknown of the parameters.

    By the delta method on log(P / (1 - P)), whose derivatives are those of the branches of the
    likelihood.
    """
    those = Histories.of(x, t_x, T)
    if not fit.is_identified:
        return nothing(those), nothing(those)
    theta = fit.theta
    there, gone = model_named(fit.model).branches(theta, Points.of(those.x, those.t_x, those.T))
    low, high = np.empty_like(those.x), np.empty_like(those.x)
    for rows in blocks(len(those.x)):
        (log_there, of_there), (log_gone, of_gone) = there.of(rows), gone.of(rows)
        slope = (of_there - of_gone) * theta[:, None]
        reach = np.sqrt(np.einsum("in,ij,jn->n", slope, fit.covariance, slope))
        reach *= ndtri(0.5 + level / 2)
        low[rows] = expit(log_there - log_gone - reach)
        high[rows] = expit(log_there - log_gone + reach)
    return low, high


def expected_occasions(fit: Fit, x: Any, t_x: Any, T: Any, horizon: float) -> Floats:
    """Expected occasions of each customer in (T, T + horizon]; nan if not identified."""
    those = Histories.of(x, t_x, T)
    return alive(fit, those) * ahead(fit, those, horizon)


def alive(fit: Fit, those: Histories) -> Floats:
    """P(alive) of checked histories."""
    if not fit.is_identified:
        return nothing(those)
    model, found = model_named(fit.model), np.empty_like(those.x)
    for first in range(0, len(those.x), model.block):
        rows = slice(first, first + model.block)
        there, gone = model.logs(fit.theta, those.x[rows], those.t_x[rows], those.T[rows])
        found[rows] = expit(there - gone)
    return found


def ahead(fit: Fit, those: Histories, horizon: float, force: float = 0.0) -> Floats:
    """Expected occasions in (T, T + horizon] of a customer who is there at T.

    Given there, nothing but x and T counts. For each x that occurs, the expectation is worked out
    at 24 Chebyshev points of log(time + T) and interpolated between, to some 11 digits.

    Args:
        horizon: Length of the time ahead.
        force: Force of interest: an occasion at u counts exp(-force * u).
    """
    if not horizon > 0:
        raise ValueError(f"horizon must be above 0, not {horizon}")
    if not fit.is_identified or not len(those.x):
        return nothing(those)
    model, theta = model_named(fit.model), fit.theta
    time = model.shortest_time(theta)
    x, row = np.unique(those.x, return_inverse=True)
    at = np.log(time + those.T)
    middle, half = (at.max() + at.min()) / 2, (at.max() - at.min()) / 2
    points = np.exp(middle + half * np.cos(_ANGLES)) - time
    values = integral(model.rate_ahead, theta, (x[:, None], points[None]), horizon, force, time)
    return _interpolated(values @ _TO_COEFFICIENTS.T, row, (at - middle) / (half or 1.0))


def integral(
    rate: Any,
    theta: Floats,
    those: tuple[Floats, Floats],
    horizon: float,
    force: float,
    time: float,
) -> Floats:
    """Discounted integral of a rate over the horizon, by Gauss-Legendre in log(time + u)."""
    reach = np.log1p(horizon / time)
    z = reach * (_LEGENDRE[0] + 1) / 2
    u = time * np.expm1(z)
    weight = reach / 2 * _LEGENDRE[1] * (time + u) * np.exp(-force * u)
    return np.asarray(rate(theta, *those, u) @ weight)


def nothing(those: Histories) -> Floats:
    """An array of nan, an element a history."""
    return np.full(those.x.shape, np.nan)


def _interpolated(coefficients: Floats, row: Any, at: Floats) -> Floats:
    """Chebyshev series, the coefficients of `row` at `at` in [-1, 1]."""
    by_degree, found = np.ascontiguousarray(coefficients.T), np.empty_like(at)
    for rows in blocks(len(at)):
        found[rows] = _series(by_degree[:, row[rows]], at[rows])
    return found


def _series(coefficients: Floats, at: Floats) -> Floats:
    """Chebyshev series by Clenshaw's recurrence; an axis of degrees first."""
    twice, one, two = 2 * at, np.zeros_like(at), np.zeros_like(at)
    for each in coefficients[:0:-1]:
        one, two = each + twice * one - two, one
    return np.asarray(coefficients[0] + at * one - two)

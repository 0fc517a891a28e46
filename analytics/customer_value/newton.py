"""Maximisation of a smooth function of a few parameters within bounds, by damped Newton steps."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.customer_value.cells import Floats

Objective = Callable[[Floats], tuple[float, Floats, Floats]]
"""A point to the value there, its gradient (n,) and Hessian (n, n)."""

_STEPS = 200
_LONGEST = 2.0
_GAIN = 1e-9
"""A step that promises less than this (in units of the logarithm of a likelihood) is the last."""


@dataclass(frozen=True)
class Maximum:
    """Where the search ended.

    Attributes:
        at: The point; value, gradient and hessian are those there.
        at_bound: 1 where a parameter lies on its upper bound and would go further, -1 on its
            lower, 0 elsewhere.
        converged: Whether no further step promised to gain anything.
    """

    at: Floats
    value: float
    gradient: Floats
    hessian: Floats
    at_bound: NDArray[np.int8]
    converged: bool


def maximise(objective: Objective, start: Floats, low: float, high: float) -> Maximum:
    """Climb from `start`, every coordinate within [low, high].

    Steps are Newton's where the function is concave; along directions in which it is not, they
    follow the gradient. None is longer than 2 in any coordinate or goes beyond the first bound it
    meets, and a step that does not gain is halved.
    """
    at = _snapped(np.clip(start, low, high), (low, high))
    value, gradient, hessian = objective(at)
    for _ in range(_STEPS):
        stay, step = _step_within(at, gradient, hessian, (low, high))
        bound = np.where(stay, np.where(at >= high, 1, -1), 0).astype(np.int8)
        if step @ gradient < 2 * _GAIN:
            return Maximum(at, value, gradient, hessian, bound, True)
        room = np.where(step > 0, high - at, at - low)
        step *= min(1.0, _LONGEST / np.abs(step).max(), _first_met(room, np.abs(step)))
        # a gain below what sums of this size can show is not searched for
        converged = bool(step @ gradient < 1e-10 * max(1.0, abs(value)))
        found = _search(objective, at, step, value, (low, high), 2 if converged else 30)
        if found is None:
            return Maximum(at, value, gradient, hessian, bound, converged)
        at, (value, gradient, hessian) = found
    return Maximum(at, value, gradient, hessian, bound, False)


def _step_within(
    at: Floats, gradient: Floats, hessian: Floats, bounds: tuple[float, float]
) -> tuple[NDArray[np.bool_], Floats]:
    """Which coordinates stay on their bound, since the slope or the step would leave, and the step
    of the others."""
    low, high = at <= bounds[0], at >= bounds[1]
    stay = (low & (gradient < 0)) | (high & (gradient > 0))
    while True:
        step = np.zeros_like(at)
        step[~stay] = _step(gradient[~stay], hessian[np.ix_(~stay, ~stay)])
        leaving = (low & (step < 0)) | (high & (step > 0))
        if not leaving.any():
            return stay, step
        stay |= leaving


def _step(gradient: Floats, hessian: Floats) -> Floats:
    curvature, axes = np.linalg.eigh(-hessian)
    floor = 1e-10 * max(1e-300, float(np.abs(curvature).max(initial=0)))
    return np.asarray(axes @ ((axes.T @ gradient) / np.maximum(np.abs(curvature), floor)))


def _first_met(room: Floats, step: Floats) -> float:
    """The share of a step after which the first coordinate meets its bound."""
    moves = (step > 0) & (room > 0)
    return float((room[moves] / step[moves]).min(initial=1.0))


def _search(
    objective: Objective,
    at: Floats,
    step: Floats,
    value: float,
    bounds: tuple[float, float],
    tries: int,
) -> tuple[Floats, tuple[float, Floats, Floats]] | None:
    for halvings in range(tries):
        there = _snapped(at + step * 0.5**halvings, bounds)
        found = objective(there)
        if np.isfinite(found[0]) and found[0] > value:
            return there, found
    return None


def _snapped(at: Floats, bounds: tuple[float, float]) -> Floats:
    """A point whose coordinates lie on a bound where they are all but on it."""
    low, high = (np.isclose(at, bound, rtol=0, atol=1e-9) for bound in bounds)
    return np.where(low, bounds[0], np.where(high, bounds[1], at))

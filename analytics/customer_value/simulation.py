"""Customers made by a model with known parameters: what the estimators are judged on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.customer_value.cells import Floats, as_floats
from analytics.customer_value.fitting import model_named
from analytics.customer_value.models import Geometric


@dataclass(frozen=True)
class Simulated:
    """Customers. Grain: one element a customer.

    Attributes:
        x, t_x, T: The history that a company would see.
        is_alive: Whether the customer is still one at T, which nobody sees.
        expected: Occasions in (T, T + horizon] by the customer's own rates and status.
        occasions: Those that happen.
    """

    x: Floats
    t_x: Floats
    T: Floats
    is_alive: NDArray[np.bool_]
    expected: Floats
    occasions: Floats


def simulate(
    model: str, parameters: Mapping[str, float], T: Any, horizon: float, seed: int = 0
) -> Simulated:
    """Draw customers who have been watched for T each, and their next `horizon`.

    The purchases of a customer who never goes are a Poisson process. BG/NBD and MBG/NBD let him go
    with the k-th of them, k geometric; Pareto/NBD at an exponential time.
    """
    kind, draw, T = model_named(model), np.random.default_rng(seed), as_floats("T", T)
    r, alpha, one, two = (parameters[name] for name in kind.parameters)
    rate = draw.gamma(r, 1 / alpha, T.size)
    if isinstance(kind, Geometric):
        last = draw.beta(one, two, T.size)
        x, t_x, is_alive = _until_occasion(draw.geometric(last) - kind.first, rate * T, T, draw)
        going = rate * last
    else:
        last, going = np.zeros(T.size), draw.gamma(one, 1 / two, T.size)
        left = draw.exponential(size=T.size) / going
        watched = np.minimum(left, T)
        x = draw.poisson(rate * watched)
        t_x, is_alive = _latest(x, x, watched, draw), left > T
    left = draw.exponential(size=T.size) / going
    ahead = draw.poisson(rate * (1 - last) * np.minimum(left, horizon))
    ahead += (last > 0) & (left < horizon)
    expected = rate * -np.expm1(-going * horizon) / going
    return Simulated(
        x.astype(np.float64), t_x, T, is_alive, is_alive * expected, is_alive * ahead.astype(float)
    )


def _until_occasion(
    k: Any, mean: Floats, T: Floats, draw: np.random.Generator
) -> tuple[Any, Floats, NDArray[np.bool_]]:
    """Occasions of a Poisson process up to T or the k-th of them, when the last was, and whether
    the k-th is still to come."""
    n = draw.poisson(mean)
    x = np.minimum(n, k)
    return x, _latest(x, n, T, draw), n < k


def _latest(k: Any, n: Any, T: Floats, draw: np.random.Generator) -> Floats:
    """When the k-th of n events was that fell anywhere in (0, T) alike; 0 where k is."""
    beta = draw.beta(np.maximum(k, 1), np.maximum(n - k, 0) + 1)
    return np.where(k > 0, T * beta, 0.0)

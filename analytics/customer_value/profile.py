"""Intervals of parameters from the likelihood itself, for a few thousand customers or fewer.

Where the likelihood is not yet a paraboloid, intervals of the Hessian are too short or lie wrong;
MBG/NBD's r and b, which lean on each other, need some ten thousand customers.
"""

import math

import numpy as np
from scipy.special import ndtri

from analytics.customer_value.cells import Cells, Floats
from analytics.customer_value.fitting import BOUND, Fit, Likelihood, model_named
from analytics.customer_value.newton import maximise

_ROUNDS = 20


def likelihood_intervals(
    fit: Fit, cells: Cells, level: float = 0.9
) -> dict[str, tuple[float, float]]:
    """Low and high of each parameter by the profile likelihood; nan where not identified.

    The values of a parameter at which the best that the others can do is not so much worse than the
    maximum that a likelihood-ratio test would refuse them. 0 or inf where none is.

    Args:
        fit: By maximum likelihood on `cells`; not one of a pooled cohort.
        cells: What it was fitted on.
        level: Probability with which an interval covers its parameter.
    """
    if not fit.is_identified:
        return dict.fromkeys(fit.parameters, (math.nan, math.nan))
    profile = _Profile(fit, cells)
    reach = float(ndtri(0.5 + level / 2))
    return {
        name: (profile.end(n, -reach), profile.end(n, reach))
        for n, name in enumerate(fit.parameters)
    }


class _Profile:
    def __init__(self, fit: Fit, cells: Cells) -> None:
        self.likelihood = Likelihood(model_named(fit.model), cells)
        self.top = np.log(fit.theta) - self.likelihood.shift
        self.value = self.likelihood(self.top)[0]
        self.errors = np.sqrt(np.diag(fit.covariance))
        self.slopes = fit.covariance / np.diag(fit.covariance)

    def end(self, n: int, reach: float) -> float:
        """Where the signed root of the likelihood ratio of parameter n is `reach`, by the secant
        method; the root is nearly linear in the logarithm of the parameter."""
        before, before_root = self.top, 0.0
        here = self.top + self.slopes[:, n] * self.errors[n] * reach
        for _ in range(_ROUNDS):
            here[n] = np.clip(here[n], -BOUND, BOUND)
            here, root = self._best(n, here)
            if abs(root - reach) < 1e-3:
                return float(np.exp(here[n] + self.likelihood.shift[n]))
            if abs(here[n]) >= BOUND and abs(root) < abs(reach):
                break
            slope = (here - before) / (root - before_root)
            before, before_root = here, root
            here = here + slope * np.clip(reach - root, -1, 1)
        return math.inf if reach > 0 else 0.0

    def _best(self, n: int, start: Floats) -> tuple[Floats, float]:
        """The maximum with parameter n held, and the signed root of the likelihood ratio."""
        rest = np.arange(len(start)) != n

        def held(others: Floats) -> tuple[float, Floats, Floats]:
            at = start.copy()
            at[rest] = others
            value, gradient, hessian = self.likelihood(at)
            return value, gradient[rest], hessian[np.ix_(rest, rest)]

        found = maximise(held, np.clip(start[rest], -BOUND, BOUND), -BOUND, BOUND)
        best = start.copy()
        best[rest] = found.at
        ratio = 2 * max(0.0, self.value - found.value)
        return best, math.copysign(math.sqrt(ratio), start[n] - self.top[n])

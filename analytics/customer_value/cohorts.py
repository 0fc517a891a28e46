"""Fits by cohort, pooled toward the whole where a cohort says little.

The logarithms of a cohort's parameters are taken to be normal around those of the whole, each with
a variance between cohorts of its own (empirical Bayes). A cohort's estimate maximises its
likelihood times that prior. So a cohort with much information keeps its own estimate, one with
little comes near the whole's, and one with none has the whole's, with the spread between cohorts
for an error.

The variances are estimated from the cohorts by EM on quadratic approximations of their likelihoods.
With few cohorts they are hardly known; a prior worth two cohorts, each 0.5 off (a factor of 1.6),
keeps them from 0 and from running away.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from analytics.customer_value.cells import Cells, Floats
from analytics.customer_value.fitting import (
    Fit,
    Likelihood,
    Penalty,
    covariance_at,
    fit,
    model_named,
)
from analytics.customer_value.newton import Maximum

K = TypeVar("K")

_PRIOR_COHORTS = 2
_PRIOR_SPREAD = 0.5
_ROUNDS = 100


def fit_cohorts(
    model: str, cells_by_cohort: Mapping[K, Cells], whole: Fit | None = None
) -> dict[K, Fit]:
    """Fit each cohort, pooled toward the whole.

    Args:
        model: bg_nbd, mbg_nbd or pareto_nbd.
        cells_by_cohort: Cells of each cohort; no customer is in two of them.
        whole: The fit of all cohorts together; fitted here if left out.

    Returns:
        A fit a cohort. `own_weight` is the mean over parameters of 1 - posterior variance / prior
        variance. Where the whole is not identified there is nothing to pool toward, and each
        cohort stands alone.
    """
    together = whole or fit(model, _union(list(cells_by_cohort.values())))
    if not together.is_identified:
        return {key: fit(model, cells) for key, cells in cells_by_cohort.items()}
    center = np.log(together.theta)
    likelihoods = {
        key: Likelihood(model_named(model), cells) for key, cells in cells_by_cohort.items()
    }
    wide = np.full(len(center), 4 * _PRIOR_SPREAD**2)
    first = {key: _pooled(one, center, wide) for key, one in likelihoods.items()}
    spread = _between(center, wide, list(first.values()))
    return {
        key: _fit(one, _pooled(one, center, spread, first[key].at), center, spread)
        for key, one in likelihoods.items()
    }


def _union(parts: list[Cells]) -> Cells:
    columns = [np.concatenate([getattr(p, n) for p in parts]) for n in ("x", "t_x", "T", "count")]
    return Cells(*columns)


def _pooled(
    likelihood: Likelihood, center: Floats, variance: Floats, start: Floats | None = None
) -> Maximum:
    def prior(phi: Floats) -> tuple[float, Floats, Floats]:
        off = phi - center
        return float(-(off**2 / variance).sum() / 2), -off / variance, np.diag(-1 / variance)

    penalty: Penalty = prior
    return likelihood.maximise(center if start is None else start, penalty)


def _between(center: Floats, wide: Floats, found: list[Maximum]) -> Floats:
    """Variance between cohorts of each parameter's logarithm, by EM.

    Each cohort's likelihood is the quadratic that its penalised maximum implies: Hessian without
    the penalty, and the slope that the penalty balanced there.
    """
    informations = [_concave(-one.hessian - np.diag(1 / wide)) for one in found]
    slopes = [
        info @ (one.at - center) + (one.at - center) / wide
        for info, one in zip(informations, found, strict=True)
    ]
    variance = wide
    for _ in range(_ROUNDS):
        total = np.full(len(center), _PRIOR_COHORTS * _PRIOR_SPREAD**2)
        for information, slope in zip(informations, slopes, strict=True):
            covariance = np.linalg.inv(information + np.diag(1 / variance))
            total += (covariance @ slope) ** 2 + np.diag(covariance)
        variance = total / (len(found) + _PRIOR_COHORTS)
    return variance


def _concave(information: Floats) -> Floats:
    """The nearest matrix without negative information in any direction."""
    size, axes = np.linalg.eigh(information)
    return np.asarray((axes * np.maximum(size, 0)) @ axes.T)


def _fit(likelihood: Likelihood, found: Maximum, center: Floats, variance: Floats) -> Fit:
    covariance = covariance_at(found)
    penalty = float(-((found.at - center) ** 2 / variance).sum() / 2)
    one = likelihood.fit_at(found.at, covariance, found.value - penalty, None)
    own = 1 - float((np.diag(covariance) / variance).mean())
    return replace(one, own_weight=own)

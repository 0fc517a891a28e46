"""Maximum likelihood on cells, with standard errors, and whether the data identify the fit."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from analytics.customer_value.cells import FIRST_LOOK, Cells, Floats
from analytics.customer_value.models import MODELS, Model, blocks
from analytics.customer_value.newton import Maximum, maximise

BOUND = math.log(1e4)
"""Parameters stay within 1e-4 and 1e4, those in time relative to the mean of T."""
FEWEST_REPEATERS = 10
WIDEST_INTERVAL = 100.0
"""A parameter whose 90 % interval spans more than this factor is not identified."""
Penalty = Callable[[Floats], tuple[float, Floats, Floats]]
"""What is added to the log-likelihood at logarithms of the parameters, with its derivatives."""


@dataclass(frozen=True)
class Fit:
    """A fitted model. Parameters have the names that the papers give them.

    Attributes:
        parameters, std_errors: Of the parameters themselves (delta method); alpha and beta are in
            the unit of time. Where the fit is not identified, `parameters` are the last ones
            tried and `std_errors` are nan.
        covariance: Of the logarithms of the parameters, shape (k, k): intervals are formed there.
        log_likelihood: Without the penalty of a pooled fit.
        customers, cells: What it was fitted on.
        is_identified, reason: Whether the data determine the parameters, and why not.
        errors_by: hessian or bootstrap.
        own_weight: Share of the information that comes from the cells themselves; below 1 where a
            cohort is pooled toward the whole.
    """

    model: str
    parameters: Mapping[str, float]
    std_errors: Mapping[str, float]
    covariance: Floats
    log_likelihood: float
    customers: float
    cells: int
    is_identified: bool
    reason: str | None
    errors_by: str = "hessian"
    own_weight: float = 1.0

    @property
    def theta(self) -> Floats:
        """The parameters as an array, in the order of the model."""
        return np.array(list(self.parameters.values()))

    def interval(self, level: float = 0.9) -> dict[str, tuple[float, float]]:
        """Low and high of each parameter, symmetric in its logarithm; nan if not identified."""
        reach = ndtri(0.5 + level / 2) * np.sqrt(np.diag(self.covariance))
        return {
            name: (value * math.exp(-wide), value * math.exp(wide))
            for (name, value), wide in zip(self.parameters.items(), reach, strict=True)
        }


def fit(model: str, cells: Cells, *, bootstrap: int = 0, seed: int = 0) -> Fit:
    """Fit a model by maximum likelihood.

    Args:
        model: bg_nbd, mbg_nbd or pareto_nbd.
        cells: Distinct histories with their counts.
        bootstrap: Number of resamples of customers that standard errors are taken from; without
            it they come from the Hessian.
        seed: Of the resamples.
    """
    chosen = model_named(model)
    if cells.repeaters < FEWEST_REPEATERS:
        return unidentified(chosen, cells, _too_few(cells.repeaters))
    likelihood = Likelihood(chosen, cells)
    fitted = likelihood.fit(likelihood.maximise(_start(chosen, cells)))
    if bootstrap and fitted.is_identified:
        return _bootstrapped(fitted, chosen, cells, bootstrap, seed)
    return fitted


def model_named(name: str) -> Model:
    """The model of that name; ValueError lists the names that there are."""
    if name not in MODELS:
        raise ValueError(f"no model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


def unidentified(model: Model, cells: Cells, reason: str) -> Fit:
    """A fit of which nothing is known but the reason."""
    nothing = dict.fromkeys(model.parameters, math.nan)
    covariance = np.full((4, 4), np.nan)
    size = cells.customers, len(cells.x)
    return Fit(model.name, nothing, nothing, covariance, math.nan, *size, False, reason)


class Likelihood:
    """The log-likelihood of cells by the logarithms of the parameters, time scaled to mean T.

    `scale` is that of another set of cells, whose bounds and units are to be shared.
    """

    def __init__(self, model: Model, cells: Cells, scale: float | None = None) -> None:
        self.model, self.cells = model, cells
        self.scale = scale or float(cells.count @ cells.T) / cells.customers or 1.0
        self.shift = np.where(model.times, math.log(self.scale), 0.0)
        self.unit = float(cells.count @ cells.x) * math.log(self.scale)
        self.points = replace(cells.points, time=cells.points.time / self.scale)
        self.x = self.points.x[self.points.begin[:-1]]
        by_point = np.bincount(self.points.now, cells.count, len(self.points.x))
        self.of_x = np.add.reduceat(by_point, self.points.begin[:-1])

    def __call__(self, phi: Floats) -> tuple[float, Floats, Floats]:
        """Log-likelihood, gradient and Hessian at logarithms of the scaled parameters."""
        theta, count = np.exp(phi), self.cells.count
        common = self.model.common(theta, self.x)
        there, gone = self.model.branches(theta, self.points)
        value = float(self.of_x @ common.log) - self.unit
        gradient, hessian = common.gradient @ self.of_x, common.hessian @ self.of_x
        here, away = np.empty((2, len(count)))
        for rows in blocks(len(count)):
            (log_there, of_there), (log_gone, of_gone) = there.of(rows), gone.of(rows)
            # as logaddexp, which takes twice the time
            log = np.maximum(log_there, log_gone) + np.log1p(np.exp(-np.abs(log_there - log_gone)))
            here[rows] = count[rows] * np.exp(log_there - log)
            away[rows] = count[rows] * np.exp(log_gone - log)
            value += float(count[rows] @ log)
            gradient += of_there @ here[rows] + of_gone @ away[rows]
            # of the difference, not of each and of their mean: those nearly cancel
            apart = of_there - of_gone
            hessian += (apart * (here[rows] * away[rows] / count[rows])) @ apart.T
        hessian += there.curvature(here) + gone.curvature(away)
        return value, gradient * theta, hessian * np.outer(theta, theta) + np.diag(theta * gradient)

    def maximise(self, start: Floats, penalty: Penalty | None = None) -> Maximum:
        """Climb from logarithms of the parameters in their own unit; the maximum is in it too.

        Many cells are climbed from where a sample of them has its maximum.
        """
        if len(self.cells.x) > 10 * FIRST_LOOK:
            sample = Likelihood(self.model, self.cells.sample, self.scale)
            start = sample.maximise(start, penalty).at
        found = maximise(self._with(penalty), start - self.shift, -BOUND, BOUND)
        return replace(found, at=found.at + self.shift)

    def _with(self, penalty: Penalty | None) -> Penalty:
        if penalty is None:
            return self

        def penalised(phi: Floats) -> tuple[float, Floats, Floats]:
            own, more = self(phi), penalty(phi + self.shift)
            return own[0] + more[0], own[1] + more[1], own[2] + more[2]

        return penalised

    def fit(self, found: Maximum) -> Fit:
        """The fit at a maximum of the likelihood, judged."""
        reason = why_not_identified(self.model.parameters, found)
        identified = reason is None
        covariance = covariance_at(found) if identified else np.full((4, 4), np.nan)
        return self.fit_at(found.at, covariance, found.value, reason)

    def fit_at(
        self, phi: Floats, covariance: Floats, log_likelihood: float, reason: str | None
    ) -> Fit:
        """A fit at logarithms of the parameters, with their covariance."""
        theta = np.exp(phi)
        names = self.model.parameters
        return Fit(
            model=self.model.name,
            parameters=dict(zip(names, theta.tolist(), strict=True)),
            std_errors=dict(
                zip(names, (theta * np.sqrt(np.diag(covariance))).tolist(), strict=True)
            ),
            covariance=covariance,
            log_likelihood=log_likelihood,
            customers=self.cells.customers,
            cells=len(self.cells.x),
            is_identified=reason is None,
            reason=reason,
        )


def _start(model: Model, cells: Cells) -> Floats:
    """Logarithms to climb from: everyone buys at the mean rate, and half are gone in mean T."""
    mean_T = float(cells.count @ cells.T) / cells.customers or 1.0
    rate = float(cells.count @ cells.x) / cells.customers / mean_T
    start = {"r": 0.5, "alpha": 0.5 / rate, "a": 0.5, "b": 1.5, "s": 0.5, "beta": mean_T / 2}
    return np.log([start[name] for name in model.parameters])


def covariance_at(found: Maximum) -> Floats:
    """The inverse of the negative Hessian at a maximum."""
    return np.asarray(np.linalg.inv(-found.hessian), np.float64)


def _too_few(repeaters: float) -> str:
    return (
        f"too few repeaters: {repeaters:g} customers bought again, at least {FEWEST_REPEATERS} are "
        "needed"
    )


def why_not_identified(names: Sequence[str], found: Maximum) -> str | None:
    """The first reason for which the data do not determine the parameters, or None."""
    if not found.converged:
        return "the likelihood has no maximum that the search could find"
    if found.at_bound.any():
        ran = [
            f"{name} to its {'upper' if side > 0 else 'lower'} bound"
            for name, side in zip(names, found.at_bound, strict=True)
            if side
        ]
        return f"the likelihood keeps rising as a parameter runs away: {', '.join(ran)}"
    curvature = np.linalg.eigvalsh(-found.hessian)
    if curvature[0] <= 1e-12 * curvature[-1]:
        return "the Hessian is singular: some change of the parameters leaves the likelihood as is"
    spread = np.sqrt(np.diag(covariance_at(found)))
    factor = np.exp(2 * ndtri(0.95) * spread)
    if factor.max() > WIDEST_INTERVAL:
        loosest = int(factor.argmax())
        return (
            f"the likelihood is flat in {names[loosest]}: its 90 % interval would span a factor of "
            f"{min(factor[loosest], 1e9):.3g}, and {WIDEST_INTERVAL:g} is the most allowed"
        )
    return None


def _bootstrapped(fitted: Fit, model: Model, cells: Cells, draws: int, seed: int) -> Fit:
    """The fit with the covariance of estimates on resamples of as many customers.

    A resample that is not identified itself is left out; where that is more than one in ten, so
    is the fit.
    """
    draw = np.random.default_rng(seed)
    customers = round(cells.customers)
    estimates = []
    for _ in range(draws):
        counts = draw.multinomial(customers, cells.count / cells.customers)
        one = Likelihood(model, cells.take(counts > 0, counts[counts > 0]))
        found = one.maximise(np.log(fitted.theta))
        if why_not_identified(model.parameters, found) is None:
            estimates.append(found.at)
    if len(estimates) < max(2, 0.9 * draws):
        reason = f"only {len(estimates)} of {draws} resamples of its customers are identified"
        return replace(
            fitted,
            is_identified=False,
            reason=reason,
            std_errors=dict.fromkeys(fitted.parameters, math.nan),
            covariance=np.full((4, 4), np.nan),
            errors_by="bootstrap",
        )
    covariance = np.cov(np.array(estimates), rowvar=False)
    errors = fitted.theta * np.sqrt(np.diag(covariance))
    named = dict(zip(fitted.parameters, errors.tolist(), strict=True))
    return replace(fitted, covariance=covariance, std_errors=named, errors_by="bootstrap")

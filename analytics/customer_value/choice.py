"""Which of several fits to use: the one that had most to say of a period it had not seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from analytics.customer_value.cells import Floats, HeldOut
from analytics.customer_value.fitting import Fit, model_named
from analytics.customer_value.forecast import Histories, ahead, alive


@dataclass(frozen=True)
class Score:
    """How a fit did. What was held out is nan without a held-out period.

    A fit that is not identified is scored at the last parameters tried, to show what is lost by
    leaving it; it is never chosen.

    Attributes:
        log_likelihood: Of what it was fitted on.
        held_out_log_likelihood: Of the numbers of held-out occasions, given the histories.
        expected, actual: Occasions in the held-out period, over all customers.
        mean_absolute_error, rmse: Of a customer's expected against his actual occasions.
    """

    model: str
    is_identified: bool
    reason: str | None
    log_likelihood: float
    held_out_log_likelihood: float
    expected: float
    actual: float
    mean_absolute_error: float
    rmse: float


@dataclass(frozen=True)
class Choice:
    """Which of some fits to use.

    Attributes:
        chosen: The model to use, None where no fit is identified.
        why: The reason.
        fits, held_out: What was compared, on what.
    """

    chosen: str | None
    why: str
    fits: tuple[Fit, ...]
    held_out: HeldOut | None

    @cached_property
    def table(self) -> tuple[Score, ...]:
        """A score a fit; worked out when it is first asked for, as nothing is decided by it."""
        tried = [
            replace(fit, is_identified=not math.isnan(fit.log_likelihood)) for fit in self.fits
        ]
        pairs = zip(self.fits, tried, strict=True)
        return tuple(_score(fit, as_tried, self.held_out) for fit, as_tried in pairs)


def compare(fits: Sequence[Fit], held_out: HeldOut | None = None) -> Choice:
    """Choose the identified fit with the highest log-likelihood of the held-out period.

    The log-likelihood is a proper score: no fit can gain by saying anything but what it holds to
    be likely, and it judges the whole distribution, not the mean alone. Without a held-out period
    the log-likelihood in the sample decides; the models have as many parameters each.
    """

    def chosen(model: str | None, why: str) -> Choice:
        return Choice(model, why, tuple(fits), held_out)

    those = [fit for fit in fits if fit.is_identified]
    if not those:
        return chosen(None, "no model is identified")
    logs = {fit.model: _log_chances(fit, held_out) for fit in those} if held_out else {}

    def score(fit: Fit) -> float:
        return float(held_out.cells.count @ logs[fit.model]) if held_out else fit.log_likelihood

    those.sort(key=score, reverse=True)
    what = "of the held-out period" if held_out else "in the sample"
    why = f"highest log-likelihood {what} ({score(those[0]):.1f})"
    if len(those) == 1:
        return chosen(those[0].model, "the only identified model")
    lead = score(those[0]) - score(those[1])
    why += f", {lead:.1f} above {those[1].model}"
    if held_out:
        ahead_by = logs[those[0].model] - logs[those[1].model]
        why += _certainty(ahead_by, held_out.cells.count)
    return chosen(those[0].model, why)


def chances(fit: Fit, held_out: HeldOut) -> Floats:
    """Probability of each cell's number of held-out occasions, given its history.

    Raises:
        ValueError: The fit is not identified.
    """
    if not fit.is_identified:
        raise ValueError(f"{fit.model} is not identified: {fit.reason}")
    model, cells = model_named(fit.model), held_out.cells
    n = held_out.occasions
    found = model.chances(fit.theta, cells.x, cells.T, held_out.horizon, n)
    there = alive(fit, Histories(cells.x, cells.t_x, cells.T))
    return there * found + np.where(n == 0, 1 - there, 0.0)


def _log_chances(fit: Fit, held_out: HeldOut) -> Floats:
    return np.log(np.maximum(chances(fit, held_out), 1e-300))


def _score(fit: Fit, tried: Fit, held_out: HeldOut | None) -> Score:
    known = fit.model, fit.is_identified, fit.reason, fit.log_likelihood
    if held_out is None or not tried.is_identified:
        return Score(*known, *[math.nan] * 5)
    cells = held_out.cells
    those = Histories(cells.x, cells.t_x, cells.T)
    expected = alive(tried, those) * ahead(tried, those, held_out.horizon)
    error = expected - held_out.occasions
    return Score(
        *known,
        held_out_log_likelihood=float(cells.count @ _log_chances(tried, held_out)),
        expected=float(cells.count @ expected),
        actual=float(cells.count @ held_out.occasions),
        mean_absolute_error=float(cells.count @ np.abs(error)) / cells.customers,
        rmse=math.sqrt(float(cells.count @ error**2) / cells.customers),
    )


def _certainty(lead: Floats, count: Floats) -> str:
    """Whether the lead is more than chance: its mean against its spread over customers."""
    customers = float(count.sum())
    mean = float(count @ lead) / customers
    spread = math.sqrt(float(count @ (lead - mean) ** 2) / customers)
    if not spread:
        return ", which is nothing between them"
    z = mean * math.sqrt(customers) / spread
    told = "more than chance" if z > ndtri(0.95) else "which chance could do"
    return f" ({told}: {z:.1f} standard errors)"

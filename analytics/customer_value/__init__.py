"""Customer value: when customers buy and are gone, what they spend, and what they are worth.

Functions on numpy arrays. `docs/customer-value.md` says what each number means.
"""

from analytics.customer_value.cells import Cells, HeldOut
from analytics.customer_value.choice import Choice, Score, compare
from analytics.customer_value.cohorts import fit_cohorts
from analytics.customer_value.fitting import Fit, fit
from analytics.customer_value.forecast import expected_occasions, p_alive, p_alive_interval
from analytics.customer_value.models import MODELS
from analytics.customer_value.profile import likelihood_intervals
from analytics.customer_value.spend import SpendFit, expected_spend, fit_spend
from analytics.customer_value.value import Value, clv, expected_occasions_interval

__all__ = [
    "MODELS",
    "Cells",
    "Choice",
    "Fit",
    "HeldOut",
    "Score",
    "SpendFit",
    "Value",
    "clv",
    "compare",
    "expected_occasions",
    "expected_occasions_interval",
    "expected_spend",
    "fit",
    "fit_cohorts",
    "fit_spend",
    "likelihood_intervals",
    "p_alive",
    "p_alive_interval",
]

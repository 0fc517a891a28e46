"""The customer-value models on real customers, and beside the library lifetimes."""

import warnings

import numpy as np
import pytest

from analytics.customer_value import (
    MODELS,
    Cells,
    compare,
    expected_occasions,
    fit,
    fit_spend,
    p_alive,
)
from bench.customer_value import LIFETIMES, complete_journey
from tests.unit.analytics import cdnow


def test_complete_journey_s_held_out_half_year() -> None:
    held_out = complete_journey()
    cells = held_out.cells
    assert cells.customers == 2393
    fits = [fit(model, Cells.of(cells.x, cells.t_x, cells.T)) for model in MODELS]
    choice = compare(fits, held_out)
    scores = {score.model: score for score in choice.table}
    assert choice.chosen == "mbg_nbd" and "4.5 above bg_nbd (more than chance" in choice.why
    # one rate of going for everybody fits best, so that s and beta run away together
    assert not scores["pareto_nbd"].is_identified
    assert "beta to its upper bound" in str(scores["pareto_nbd"].reason)
    for model in ("bg_nbd", "mbg_nbd"):
        assert scores[model].expected == pytest.approx(scores[model].actual, rel=0.01)


@pytest.mark.parametrize("model", MODELS)
def test_lifetimes_says_the_same_of_cdnow(model: str) -> None:
    import lifetimes

    cells = cdnow.held_out().cells
    those = cells.x, cells.t_x, cells.T
    fitted = fit(model, Cells.of(*those))
    other = getattr(lifetimes, LIFETIMES[model])()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other.fit(*those)
        assert fitted.parameters == pytest.approx(dict(other.params_), rel=2e-3)
        for name, value in fitted.parameters.items():
            other.params_[name] = value
        ahead = other.conditional_expected_number_of_purchases_up_to_time(39, *those)
        alive = np.asarray(other.conditional_probability_alive(*those))
    assert expected_occasions(fitted, *those, 39.0) == pytest.approx(np.asarray(ahead), rel=1e-9)
    assert p_alive(fitted, *those) == pytest.approx(alive, rel=1e-9)


def test_lifetimes_says_the_same_of_what_cdnow_s_customers_spend() -> None:
    from lifetimes import GammaGammaFitter

    frequency, mean = (np.array(part, float) for part in cdnow.spend())
    other = GammaGammaFitter()
    other.fit(frequency, mean)
    named = {"p": other.params_["p"], "q": other.params_["q"], "gamma": other.params_["v"]}
    assert fit_spend(frequency, mean).parameters == pytest.approx(named, rel=2e-3)

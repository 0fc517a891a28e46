"""Data that do not determine a fit: said so with the reason, and nothing is predicted."""

import numpy as np
import pytest

from analytics.customer_value import (
    MODELS,
    Cells,
    Fit,
    clv,
    compare,
    expected_occasions,
    expected_occasions_interval,
    expected_spend,
    fit,
    fit_cohorts,
    fit_spend,
    p_alive,
    p_alive_interval,
)
from analytics.customer_value.fitting import FEWEST_REPEATERS, Likelihood
from analytics.customer_value.simulation import simulate

A_CUSTOMER = [2.0], [10.0], [20.0]


def nobody_goes(number: int = 3000) -> Cells:
    """Customers who all keep buying for good: what is left to be known of going is nothing."""
    draw = np.random.default_rng(4)
    T = draw.uniform(20, 50, number)
    n = draw.poisson(draw.gamma(1.0, 0.1, number) * T)
    t_x = np.where(n > 0, T * draw.beta(np.maximum(n, 1), 1), 0.0)
    return Cells.of(n, t_x, T)


@pytest.fixture(scope="module")
def fits() -> list[Fit]:
    return [fit(model, nobody_goes()) for model in MODELS]


def test_a_fit_without_departures_is_not_identified(fits: list[Fit]) -> None:
    for fitted in fits:
        assert not fitted.is_identified
        assert fitted.reason is not None
        assert "runs away" in fitted.reason or "flat in" in fitted.reason
        # what buying says is found all the same, and kept for the log
        assert fitted.parameters["r"] == pytest.approx(1.0, rel=0.1)
        assert np.isnan(list(fitted.std_errors.values())).all()


@pytest.mark.parametrize("model", MODELS)
def test_what_is_left_to_gain_is_seen_along_a_ridge(model: str) -> None:
    """Customers all alike: r and alpha run away together, and their Hessian nearly cancels."""
    draw = np.random.default_rng(4)
    T = draw.uniform(40, 60, 50_000)
    n = draw.poisson(0.11 * T)
    t_x = np.where(n > 0, T * draw.beta(np.maximum(n, 1), 1), 0.0)
    likelihood = Likelihood(MODELS[model], Cells(n, t_x, T, np.full(n.size, 10.0)))
    phi, along = np.log([8e3, 8e3 / 0.11 / likelihood.scale, 1e-4, 1e4]), np.array([1.0, 1, 0, 0])
    below, above = (along @ likelihood(phi + step * along)[1] for step in (-0.1, 0.1))
    assert along @ likelihood(phi)[2] @ along == pytest.approx((above - below) / 0.2, rel=0.05)


def test_nothing_is_predicted_from_it(fits: list[Fit]) -> None:
    for fitted in fits:
        assert np.isnan(p_alive(fitted, *A_CUSTOMER)).all()
        assert np.isnan(expected_occasions(fitted, *A_CUSTOMER, 10.0)).all()
        assert np.isnan(p_alive_interval(fitted, *A_CUSTOMER)).all()
        assert np.isnan(expected_occasions_interval(fitted, *A_CUSTOMER, 10.0)).all()


def test_it_is_not_chosen(fits: list[Fit]) -> None:
    choice = compare(fits)
    assert choice.chosen is None and choice.why == "no model is identified"
    assert [score.reason for score in choice.table] == [fitted.reason for fitted in fits]


@pytest.mark.parametrize("model", MODELS)
def test_too_few_repeaters(model: str) -> None:
    few = FEWEST_REPEATERS - 1
    cells = Cells([0, 1], [0, 5], [20, 20], [500, few])
    fitted = fit(model, cells)
    assert not fitted.is_identified
    assert fitted.reason is not None and f"{few} customers bought again" in fitted.reason
    nobody = Cells([0], [0], [0], [3])
    assert not fit(model, nobody).is_identified


@pytest.mark.parametrize("model", MODELS)
def test_customers_who_are_all_alike(model: str) -> None:
    fitted = fit(model, Cells([2], [10], [20], [500]))
    assert not fitted.is_identified and fitted.reason


def test_cohorts_of_a_whole_that_is_not_identified_stand_alone(fits: list[Fit]) -> None:
    halves = nobody_goes(1500)
    found = fit_cohorts("bg_nbd", {"one": halves, "none": Cells([0], [0], [9], [50])}, fits[0])
    assert not found["one"].is_identified
    assert found["none"].reason is not None and "too few" in found["none"].reason


def test_spend_that_is_not_identified() -> None:
    few = fit_spend([1, 2], [10, 20])
    assert few.reason is not None and "too few" in few.reason
    alike = fit_spend(np.full(200, 3), np.full(200, 10.0))
    assert not alike.is_identified
    assert np.isnan(expected_spend(alike, [2.0], [10.0])).all()
    draw = np.random.default_rng(1)
    frequency = draw.poisson(4, 2000) + 1.0
    heavy = fit_spend(frequency, draw.gamma(6 * frequency) / frequency / draw.gamma(0.7, 1, 2000))
    assert heavy.reason is not None and "infinite" in heavy.reason
    fitted = fit("bg_nbd", nobody_goes(500))
    value = clv(fitted, alike, *A_CUSTOMER, [5.0], horizon=10.0)
    assert np.isnan([value.value, value.low, value.high]).all()


def test_what_spend_cannot_be_is_told() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        fit_spend([0.0], [5.0])
    with pytest.raises(ValueError, match="above 0"):
        fit_spend([1.0], [-5.0])
    with pytest.raises(ValueError, match="lengths differ"):
        fit_spend([1.0], [5.0, 6.0])


def test_a_model_that_there_is_none_of_is_told() -> None:
    with pytest.raises(ValueError, match="bg_nbd, mbg_nbd, pareto_nbd"):
        fit("bgnbd", nobody_goes(50))


def test_of_no_customers_nothing_is_said() -> None:
    none: list[float] = []
    fitted = fit("bg_nbd", simulated())
    assert fitted.is_identified
    assert p_alive(fitted, none, none, none).size == 0
    assert expected_occasions(fitted, none, none, none, 5.0).size == 0
    assert expected_occasions_interval(fitted, none, none, none, 5.0)[0].size == 0
    assert not fit("bg_nbd", Cells(none, none, none, none)).is_identified


def simulated() -> Cells:
    T = np.linspace(5, 60, 2000)
    made = simulate("bg_nbd", {"r": 0.8, "alpha": 6.0, "a": 0.8, "b": 2.4}, T, 1.0)
    return Cells.of(made.x, made.t_x, made.T)


@pytest.mark.parametrize("model", MODELS)
def test_one_customer_who_buys_without_end_breaks_nothing(model: str) -> None:
    usual = simulated()
    cells = Cells(
        np.append(usual.x, 1e5), np.append(usual.t_x, 60), np.append(usual.T, 60),
        np.append(usual.count, 1),
    )  # fmt: skip
    fitted = fit(model, cells)
    expected = expected_occasions(fitted, cells.x, cells.t_x, cells.T, 10.0)
    low, high = expected_occasions_interval(fitted, cells.x, cells.t_x, cells.T, 10.0)
    if fitted.is_identified:
        assert np.isfinite(high).all() and (low <= expected).all() and (expected <= high).all()
        assert expected[-1] == pytest.approx(10 * 1e5 / 66, rel=0.05)
    else:
        assert fitted.reason and np.isnan(expected).all()


def test_a_horizon_that_is_none_is_told() -> None:
    cells = Cells([1], [5], [20], [500])
    with pytest.raises(ValueError, match="horizon"):
        expected_occasions(fit("bg_nbd", cells), *A_CUSTOMER, 0.0)

"""Customers made with known parameters: what is said of them is right as often as it says."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize

from analytics.customer_value import (
    MODELS,
    Cells,
    Fit,
    HeldOut,
    clv,
    compare,
    expected_occasions,
    expected_occasions_interval,
    expected_spend,
    fit,
    fit_cohorts,
    fit_spend,
    likelihood_intervals,
    p_alive,
    p_alive_interval,
)
from analytics.customer_value.fitting import Likelihood
from analytics.customer_value.simulation import Simulated, simulate

TRUE = {
    "bg_nbd": {"r": 0.8, "alpha": 6.0, "a": 0.8, "b": 2.4},
    "mbg_nbd": {"r": 0.8, "alpha": 6.0, "a": 0.9, "b": 1.6},
    "pareto_nbd": {"r": 0.9, "alpha": 10.0, "s": 0.6, "beta": 12.0},
}
SPEND = {"p": 6.0, "q": 4.0, "gamma": 15.0}
HORIZON = 26.0


def customers(model: str, number: int, seed: int, **other: float) -> Simulated:
    T = np.random.default_rng(seed).uniform(10, 60, number)
    return simulate(model, TRUE[model] | other, T, HORIZON, seed)


def cells_of(made: Simulated) -> Cells:
    return Cells.of(made.x, made.t_x, made.T)


def within(interval: tuple[np.ndarray, np.ndarray], truth: np.ndarray) -> float:
    return float(((interval[0] <= truth) & (truth <= interval[1])).mean())


def spending(number: int, q: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and mean spends of customers."""
    draw = np.random.default_rng(5)
    frequency = draw.poisson(4, number) + 1.0
    rate = draw.gamma(q, 1 / SPEND["gamma"], number)
    return frequency, draw.gamma(SPEND["p"] * frequency) / frequency / rate


@pytest.mark.parametrize("model", ["bg_nbd", "pareto_nbd"])
def test_intervals_of_the_hessian_cover_the_true_parameters(model: str) -> None:
    covered = []
    for seed in range(60):
        fitted = fit(model, cells_of(customers(model, 1000, seed)))
        covered += [low <= TRUE[model][n] <= high for n, (low, high) in fitted.interval().items()]
    # those of one fit are not independent: some 3 in 100 either way are chance
    assert 0.86 < np.mean(covered) < 0.94


def test_intervals_of_the_likelihood_cover_where_those_of_the_hessian_are_too_short() -> None:
    # CDNOW's parameters, customers and weeks
    truth = {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}
    by_hessian, by_likelihood = [], []
    for seed in range(80):
        T = np.random.default_rng(seed).uniform(27, 39, 2357)
        cells = cells_of(simulate("mbg_nbd", truth, T, HORIZON, seed))
        fitted = fit("mbg_nbd", cells)
        for found, one in (
            (by_hessian, fitted.interval()),
            (by_likelihood, likelihood_intervals(fitted, cells)),
        ):
            found += [low <= truth[name] <= high for name, (low, high) in one.items()]
    assert 0.86 < np.mean(by_likelihood) < 0.94
    assert np.mean(by_hessian) < np.mean(by_likelihood)


def test_an_interval_of_the_likelihood_ends_where_a_ratio_test_refuses() -> None:
    cells = cells_of(customers("pareto_nbd", 1000, 1))
    fitted = fit("pareto_nbd", cells)
    exact, near = likelihood_intervals(fitted, cells), fitted.interval()
    for name, (low, high) in exact.items():
        assert low < fitted.parameters[name] < high
        assert (low, high) == pytest.approx(near[name], rel=0.3)
    likelihood = Likelihood(MODELS["pareto_nbd"], cells)
    s = np.log(exact["s"][1])

    def held(others: np.ndarray) -> float:
        return -likelihood(np.array([others[0], others[1], s, others[2]]) - likelihood.shift)[0]

    best = optimize.minimize(held, np.log(fitted.theta)[[0, 1, 3]], method="Nelder-Mead")
    # half of the 90 % quantile of chi-squared with one degree of freedom
    assert fitted.log_likelihood + best.fun == pytest.approx(1.3528, abs=0.01)


@pytest.fixture(scope="module", params=TRUE)
def known(request: pytest.FixtureRequest) -> tuple[Simulated, Fit]:
    made = customers(request.param, 6000, 3)
    return made, fit(request.param, cells_of(made))


def test_p_alive_is_as_often_right_as_it_says(known: tuple[Simulated, Fit]) -> None:
    made, fitted = known
    stated = p_alive(fitted, made.x, made.t_x, made.T)
    tenth = np.minimum((10 * stated).astype(int), 9)
    for n in np.unique(tenth):
        those = tenth == n
        share = stated[those].mean()
        chance = np.sqrt(share * (1 - share) / those.sum())
        # what is unknown of the parameters moves all of them together
        assert abs(made.is_alive[those].mean() - share) < 0.05 + 3 * chance


def test_intervals_of_customers_cover_them(known: tuple[Simulated, Fit]) -> None:
    made, fitted = known
    those = made.x, made.t_x, made.T
    own = expected_occasions_interval(fitted, *those, HORIZON)
    assert 0.86 < within(own, made.expected) < 0.94
    expected = expected_occasions(fitted, *those, HORIZON)
    assert ((own[0] <= expected) & (expected <= own[1])).all()
    seen = expected_occasions_interval(fitted, *those, HORIZON, outcome=True)
    # whole numbers cover at least as often as they say
    assert 0.88 < within(seen, made.occasions) < 0.97
    assert (seen[1] == np.floor(seen[1])).all()
    assert expected.sum() == pytest.approx(made.occasions.sum(), rel=0.05)


def test_wider_intervals_cover_more(known: tuple[Simulated, Fit]) -> None:
    made, fitted = known
    half = expected_occasions_interval(fitted, made.x, made.t_x, made.T, HORIZON, level=0.5)
    most = expected_occasions_interval(fitted, made.x, made.t_x, made.T, HORIZON, level=0.99)
    there = p_alive(fitted, made.x, made.t_x, made.T) > 0.9
    inside = (half[0] <= made.expected) & (made.expected <= half[1])
    assert 0.42 < inside[there].mean() < 0.6
    assert within(most, made.expected) > 0.97


def test_value_covers_what_customers_bring(known: tuple[Simulated, Fit]) -> None:
    made, fitted = known
    draw = np.random.default_rng(5)
    rate = draw.gamma(SPEND["q"], 1 / SPEND["gamma"], made.x.size)
    bought = draw.gamma(SPEND["p"] * np.maximum(made.x, 1)) / rate
    mean = np.where(made.x > 0, bought / np.maximum(made.x, 1), np.nan)
    some = made.x > 0
    spend = fit_spend(made.x[some], mean[some])
    found = clv(fitted, spend, made.x, made.t_x, made.T, mean, horizon=HORIZON, margin=0.4)
    truth = 0.4 * made.expected * SPEND["p"] / rate
    assert 0.86 < within((found.low, found.high), truth) < 0.94
    assert found.value.sum() == pytest.approx(truth.sum(), rel=0.07)
    occasions = expected_occasions(fitted, made.x, made.t_x, made.T, HORIZON)
    each = expected_spend(spend, made.x, mean)
    assert found.value == pytest.approx(0.4 * occasions * each, rel=1e-9)


def test_discounting_takes_off_as_much_as_it_says(known: tuple[Simulated, Fit]) -> None:
    made, fitted = known
    spend = fit_spend(*spending(500, q=4.0))
    those = made.x[:9], made.t_x[:9], made.T[:9], np.full(9, 20.0)
    now, later = (
        clv(fitted, spend, *those, horizon=HORIZON, discount_rate=rate).value
        for rate in (0.0, 0.01)
    )
    # between the discount of an occasion at the end and that of one now
    assert (later < now).all() and (later > now * 1.01**-HORIZON).all()


@pytest.mark.parametrize("model", TRUE)
def test_intervals_of_p_alive_cover_what_the_true_parameters_say(model: str) -> None:
    covered = []
    for seed in range(100, 140):
        made = customers(model, 800, seed)
        those = made.x[:50], made.t_x[:50], made.T[:50]
        fitted = fit(model, cells_of(made))
        truth = p_alive(replace(fitted, parameters=TRUE[model], is_identified=True), *those)
        low, high = p_alive_interval(fitted, *those)
        covered.append(within((low - 1e-12, high + 1e-12), truth))
    assert 0.8 < np.nanmean(covered) < 0.98


def test_the_bootstrap_agrees_with_the_hessian() -> None:
    cells = cells_of(customers("bg_nbd", 1000, 1))
    by_hessian, by_bootstrap = fit("bg_nbd", cells), fit("bg_nbd", cells, bootstrap=60)
    assert by_bootstrap.errors_by == "bootstrap"
    assert by_bootstrap.parameters == by_hessian.parameters
    ratios = [by_bootstrap.std_errors[n] / by_hessian.std_errors[n] for n in TRUE["bg_nbd"]]
    assert min(ratios) > 0.7 and max(ratios) < 1.4
    assert fit("bg_nbd", cells, bootstrap=60).std_errors == by_bootstrap.std_errors


def test_a_small_cohort_leans_on_the_whole_and_a_large_one_does_not() -> None:
    made = {
        "large": customers("mbg_nbd", 6000, 1),
        "other": customers("mbg_nbd", 3000, 2, alpha=12.0),
        "small": customers("mbg_nbd", 40, 3),
        "new": customers("mbg_nbd", 30, 4, alpha=1e9),
    }
    cells = {name: cells_of(one) for name, one in made.items()}
    assert cells["new"].repeaters == 0
    fits = fit_cohorts("mbg_nbd", cells)
    alone = {name: fit("mbg_nbd", cells[name]) for name in ("large", "other")}
    for name, one in alone.items():
        assert fits[name].own_weight > 0.8
        assert fits[name].parameters == pytest.approx(dict(one.parameters), rel=0.15)
        assert fits[name].log_likelihood == pytest.approx(one.log_likelihood, abs=1.0)
    assert fits["other"].parameters["alpha"] > 1.4 * fits["large"].parameters["alpha"]
    weights = [fits[name].own_weight for name in ("new", "small", "other", "large")]
    assert weights == sorted(weights)
    assert all(one.is_identified for one in fits.values())
    # less is known of a small cohort than of a large one, and still less of one without repeaters
    errors = [fits[name].covariance[0, 0] for name in ("large", "small", "new")]
    assert errors == sorted(errors)


def test_pooled_intervals_cover_small_cohorts() -> None:
    draw = np.random.default_rng(8)
    covered = []
    for trial in range(6):
        truth = {n: TRUE["bg_nbd"]["alpha"] * np.exp(0.3 * draw.normal()) for n in range(12)}
        cells = {
            n: cells_of(customers("bg_nbd", 150, 100 * trial + n, alpha=alpha))
            for n, alpha in truth.items()
        }
        for n, one in fit_cohorts("bg_nbd", cells).items():
            low, high = one.interval()["alpha"]
            covered.append(low <= truth[n] <= high)
    assert 0.8 < np.mean(covered) < 0.99


@pytest.mark.parametrize("model", ["mbg_nbd", "pareto_nbd"])
def test_the_model_that_made_the_customers_is_chosen(model: str) -> None:
    made = customers(model, 6000, 3, **({"a": 2.0} if model == "mbg_nbd" else {"s": 1.5}))
    fits = [fit(name, cells_of(made)) for name in ("bg_nbd", model)]
    cells = Cells(made.x, made.t_x, made.T, np.ones(made.x.size))
    choice = compare(fits, HeldOut(cells, made.occasions, HORIZON))
    assert choice.chosen == model
    assert "held-out" in choice.why and "bg_nbd" in choice.why


def test_customers_with_correlated_spend_are_warned_of() -> None:
    draw = np.random.default_rng(2)
    frequency = draw.poisson(4, 500) + 1.0
    fitted = fit_spend(frequency, 3 * frequency * draw.gamma(5, 0.2, 500))
    assert fitted.correlation > 0.3 and fitted.correlation_p_value < 1e-6
    assert fitted.warning is not None and "understated" in fitted.warning
    free = fit_spend(frequency, draw.gamma(5, 0.2, 500))
    assert free.warning is None
    mean, count = np.array([2.0, 3.0, 7.0]), np.array([20.0, 10.0, 5.0])
    weighted = fit_spend([1, 2, 3], mean, count)
    each = fit_spend(np.repeat([1, 2, 3], [20, 10, 5]), np.repeat(mean, [20, 10, 5]))
    assert weighted.correlation == pytest.approx(each.correlation)
    assert weighted.correlation_p_value == pytest.approx(each.correlation_p_value)

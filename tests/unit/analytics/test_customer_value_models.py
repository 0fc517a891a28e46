"""The likelihoods against what they come from: finite differences, integrals, sums, series."""

import numpy as np
import pytest
from scipy import integrate, special

from analytics.customer_value import (
    MODELS,
    Cells,
    HeldOut,
    expected_occasions,
    fit,
    fit_spend,
    p_alive,
)
from analytics.customer_value.cells import Points
from analytics.customer_value.choice import chances
from analytics.customer_value.fitting import Fit, Likelihood
from analytics.customer_value.models import Pareto, beta_nodes
from analytics.customer_value.simulation import simulate
from analytics.customer_value.spend import SpendLikelihood

POINTS = {
    "bg_nbd": [(0.24, 4.4, 0.79, 2.4), (3.0, 0.2, 0.05, 9.0)],
    "mbg_nbd": [(0.5, 6.2, 0.89, 1.6), (3.0, 0.2, 0.05, 9.0)],
    "pareto_nbd": [(0.55, 10.6, 0.61, 11.7), (0.3, 9.0, 2.0, 0.05), (2.0, 5.0, 1.5, 5.0)],
}
X = np.array([0, 0, 1, 2, 7, 40.0])
T_X = np.array([0, 0, 3.3, 20.01, 9.9, 38.0])
T = np.array([0, 38.9, 38.9, 27.3, 31.7, 38.5])
COUNT = np.array([2, 50, 7, 3, 1, 2.0])
CASES = [(model, point) for model, points in POINTS.items() for point in points]


def at(model: str, point: tuple[float, ...]) -> Fit:
    """A fit with these parameters, as if the data had said so."""
    names = MODELS[model].parameters
    parameters = dict(zip(names, point, strict=True))
    return Fit(model, parameters, parameters, np.eye(4), 0.0, 1.0, 1, True, None)


@pytest.mark.parametrize(("model", "point"), CASES)
def test_derivatives_are_those_of_the_value(model: str, point: tuple[float, ...]) -> None:
    _slopes_and_curves(model, point, Cells(X, T_X, T, COUNT))


def _slopes_and_curves(model: str, point: tuple[float, ...], cells: Cells) -> None:
    likelihood = Likelihood(MODELS[model], cells)
    phi, step = np.log(point) - likelihood.shift, 1e-5
    _, gradient, hessian = likelihood(phi)
    sides = [(likelihood(phi + step * e), likelihood(phi - step * e)) for e in np.eye(4)]
    slopes = np.array([(up[0] - down[0]) / (2 * step) for up, down in sides])
    curves = np.array([(up[1] - down[1]) / (2 * step) for up, down in sides])
    assert gradient == pytest.approx(slopes, rel=1e-6, abs=1e-6 * np.abs(gradient).max())
    assert hessian == pytest.approx(curves, rel=1e-6, abs=1e-6 * np.abs(hessian).max())


@pytest.mark.parametrize("point", POINTS["pareto_nbd"])
def test_pareto_is_its_integral_over_the_time_of_going(point: tuple[float, ...]) -> None:
    r, alpha, s, beta = point
    _, gone = Pareto().logs(np.array(point), X[1:], T_X[1:], T[1:])
    for x, t_x, end, found in zip(X[1:], T_X[1:], T[1:], gone, strict=True):
        value, _ = integrate.quad(
            lambda u, x=x, t=t_x: (
                ((alpha + t) / (alpha + u)) ** (r + x) * ((beta + t) / (beta + u)) ** (s + 1)
            ),
            t_x,
            end,
            epsabs=0,
            epsrel=1e-12,
            limit=500,
            points=[t_x + 0.01, t_x + 0.5],
        )
        log = np.log(s * value) - (r + x) * np.log(alpha + t_x) - (s + 1) * np.log(beta + t_x)
        assert found == pytest.approx(log, abs=1e-9)


@pytest.mark.parametrize(
    "point",
    [*POINTS["pareto_nbd"], (1e4, 1e5, 1e-4, 1e4), (300, 2, 0.01, 1e6), (1e4, 0.01, 9, 0.1)],
)
@pytest.mark.parametrize("days", [1, 1e-9], ids=["by_the_day", "at_any_time"])
def test_pareto_of_many_histories_is_that_of_each(point: tuple[float, ...], days: float) -> None:
    """Whether they share their times or not, and however far apart their likelihoods are."""
    draw, theta, size = np.random.default_rng(5), np.array(point, float), 2000
    x = np.minimum(np.floor(3 * draw.pareto(1, size)), 900)
    end = np.ceil(draw.uniform(0, 1500, size) / days) * days
    t_x = np.where(x > 0, np.ceil(end * draw.beta(x + 1, 1.5) / days) * days, 0.0)
    points = Points.of(x, t_x / 7, end / 7)
    (there, _), (gone, gradient) = (one.of(slice(None)) for one in Pareto().branches(theta, points))
    each = Pareto().logs(theta, x, t_x / 7, end / 7)
    assert np.logaddexp(there, gone) == pytest.approx(np.logaddexp(*each), rel=1e-14, abs=1e-12)
    assert (np.isneginf(gone) == (t_x == end)).all()
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("point", POINTS["pareto_nbd"])
def test_derivatives_of_many_histories_are_those_of_the_value(point: tuple[float, ...]) -> None:
    _slopes_and_curves("pareto_nbd", point, Cells.of(*_customers()))


@pytest.mark.parametrize("point", [(0.55, 10.6, 0.61, 11.7), (0.55, 11.6, 0.61, 4.7)])
def test_pareto_is_the_published_difference_of_two_series(point: tuple[float, ...]) -> None:
    r, alpha, s, beta = point
    x, total, larger = X[1:], r + s + X[1:], max(alpha, beta)
    second = r + x if alpha < beta else s + 1

    def series(time: np.ndarray) -> np.ndarray:
        distance = abs(alpha - beta) / (larger + time)
        return special.hyp2f1(total, second, total + 1, distance) / (larger + time) ** total

    _, gone = Pareto().logs(np.array(point), x, T_X[1:], T[1:])
    published = s / total * (series(T_X[1:]) - series(T[1:]))
    assert np.exp(gone) == pytest.approx(published, rel=1e-10)


@pytest.mark.parametrize(("model", "point"), CASES)
def test_chances_add_up_and_have_the_expected_mean(model: str, point: tuple[float, ...]) -> None:
    # the last history is worth some 40 occasions, so that 400 leave nothing out
    numbers = np.arange(400.0)
    for x, t_x, end in zip(X[1:], T_X[1:], T[1:], strict=True):
        cells = Cells(*(np.full(400, value) for value in (x, t_x, end, 1.0)))
        found = chances(at(model, point), HeldOut(cells, numbers, 39.0))
        [expected] = expected_occasions(at(model, point), [x], [t_x], [end], 39.0)
        assert found.sum() == pytest.approx(1, abs=1e-7)
        assert found @ numbers == pytest.approx(expected, rel=1e-6)


def test_expected_occasions_are_the_published_closed_forms() -> None:
    x, t_x, end, h = X[1:], T_X[1:], T[1:], 39.0
    r, alpha, a, b = point = (0.24, 4.4, 0.79, 2.4)
    found = expected_occasions(at("bg_nbd", point), x, t_x, end, h)
    series = special.hyp2f1(r + x, b + x, a + b + x - 1, h / (alpha + end + h))
    there = (
        (a + b + x - 1) / (a - 1) * (1 - ((alpha + end) / (alpha + end + h)) ** (r + x) * series)
    )
    odds = a / (b + x - 1) * ((alpha + end) / (alpha + t_x)) ** (r + x)
    assert found == pytest.approx(there / (1 + np.where(x > 0, odds, 0)), rel=1e-9)
    r, alpha, _, beta = point = (0.55, 10.6, 1.0, 11.7)
    # at s = 1, where the closed form is 0 / 0, its limit is a logarithm
    there = (r + x) / (alpha + end) * (beta + end) * np.log((beta + end + h) / (beta + end))
    fitted = at("pareto_nbd", point)
    found = expected_occasions(fitted, x, t_x, end, h)
    assert found == pytest.approx(p_alive(fitted, x, t_x, end) * there, rel=1e-12)


@pytest.mark.parametrize(("a", "b"), [(0.05, 0.3), (0.5, 0.5), (1, 1), (3, 500), (1e4, 3e4)])
def test_quadrature_over_beta(a: float, b: float) -> None:
    p, weight = beta_nodes(a, b, 32)
    assert weight.sum() == pytest.approx(1, rel=1e-12)
    exact = special.hyp2f1(3.3, a, a + b, -1.5)
    assert weight @ (1 + 1.5 * p) ** -3.3 == pytest.approx(exact, rel=1e-12)


def test_the_unit_of_time_changes_nothing_but_the_unit() -> None:
    weeks = Cells.of(*_customers())
    days = Cells(weeks.x, 7 * weeks.t_x, 7 * weeks.T, weeks.count)
    one, other = fit("pareto_nbd", weeks), fit("pareto_nbd", days)
    for name, factor in (("r", 1), ("alpha", 7), ("s", 1), ("beta", 7)):
        assert other.parameters[name] == pytest.approx(factor * one.parameters[name], rel=1e-6)
        assert other.std_errors[name] == pytest.approx(factor * one.std_errors[name], rel=1e-6)
    density = np.log(7) * float(weeks.x @ weeks.count)
    assert other.log_likelihood == pytest.approx(one.log_likelihood - density, rel=1e-12)


def test_counts_stand_for_customers() -> None:
    x, t_x, end = _customers()
    x, t_x, end = x[:600], np.round(t_x[:600]), np.round(end[:600])
    x = np.where(t_x > 0, x, 0)
    gathered, each = Cells.of(x, t_x, end), Cells(x, t_x, end, np.ones(600))
    assert len(gathered.x) < 600 == gathered.customers
    one, other = fit("bg_nbd", gathered), fit("bg_nbd", each)
    assert one.parameters == pytest.approx(dict(other.parameters), rel=1e-6)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-12)


def test_a_start_from_a_sample_of_many_cells_ends_at_the_same_maximum() -> None:
    made = simulate("mbg_nbd", dict(r=0.5, alpha=6, a=0.9, b=1.6), np.linspace(5, 90, 210_000), 1.0)
    cells = Cells.of(made.x, made.t_x, made.T)
    assert len(cells.x) == 210_000
    likelihood = Likelihood(MODELS["mbg_nbd"], cells)
    found = fit("mbg_nbd", cells)
    _, gradient, _ = likelihood(np.log(found.theta) - likelihood.shift)
    # at the maximum the slope is nothing against its own sampling spread, which is about sqrt(n)
    assert np.abs(gradient).max() < 0.05
    assert found.parameters == pytest.approx(dict(r=0.5, alpha=6, a=0.9, b=1.6), rel=0.1)


def test_spend_has_the_derivatives_of_its_value() -> None:
    draw = np.random.default_rng(0)
    x, m = draw.integers(1, 9, 300).astype(float), draw.gamma(3, 2, 300)
    likelihood, step = SpendLikelihood(x, m, draw.integers(1, 4, 300).astype(float)), 1e-5
    for phi in ([0.5, 1.0, 0.3], [1.0, 5.0, 6.0]):
        _, gradient, hessian = likelihood(np.array(phi))
        sides = [(likelihood(phi + step * e), likelihood(phi - step * e)) for e in np.eye(3)]
        slopes = np.array([(up[0] - down[0]) / (2 * step) for up, down in sides])
        curves = np.array([(up[1] - down[1]) / (2 * step) for up, down in sides])
        assert gradient == pytest.approx(slopes, rel=1e-6, abs=1e-5)
        assert hessian == pytest.approx(curves, rel=1e-6, abs=1e-5)


def test_spend_of_many_customers_is_climbed_to_its_maximum() -> None:
    draw = np.random.default_rng(1)
    x = draw.integers(1, 9, 210_000).astype(float)
    m = draw.gamma(6 * x) / x / draw.gamma(4, 1 / 15, 210_000)
    found = fit_spend(x, m)
    assert found.parameters == pytest.approx(dict(p=6, q=4, gamma=15), rel=0.05)
    _, gradient, _ = SpendLikelihood(x, m, np.ones(210_000))(np.log(found.theta))
    assert np.abs(gradient).max() < 0.05


@pytest.mark.parametrize(
    ("x", "t_x", "T", "count", "told"),
    [
        ([1.5], [1], [2], [1], "whole numbers"),
        ([-1], [0], [2], [1], "whole numbers"),
        ([1], [3], [2], [1], "t_x 3"),
        ([0], [1], [2], [1], "x 0, t_x 1"),
        ([1], [0], [2], [1], "x 1, t_x 0"),
        ([1], [np.nan], [2], [1], "finite"),
        ([1], [1], [2], [0], "count"),
        ([1, 2], [1], [2], [1], "length"),
        ([1], [1], [2], [1, 1], "2 counts for 1"),
        ([[1]], [[1]], [[2]], [[1]], "dimension"),
    ],
)
def test_what_is_no_history_is_told(
    x: list[float], t_x: list[float], T: list[float], count: list[float], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        Cells(x, t_x, T, count)


def _customers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    made = simulate(
        "pareto_nbd", dict(r=0.9, alpha=8, s=0.7, beta=10), np.linspace(5, 60, 2000), 1.0
    )
    return made.x, made.t_x, made.T

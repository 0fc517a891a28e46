"""A total among its own parts is found; what only looks like one is not."""

import numpy as np

from analytics.double_counts import Sum, sums_of_others

RNG = np.random.default_rng(5)


def months(parts: int, periods: int = 24) -> np.ndarray:
    level = RNG.lognormal(6, 1, (parts, 1))
    return np.round(level * np.exp(RNG.normal(0, 0.1, (parts, periods))), 1)


def test_a_hierarchy_is_found_in_rounded_figures() -> None:
    """Eleven parts; three of them make a group, two another, and the groups' sum is a third."""
    exact = months(11) + RNG.uniform(-0.05, 0.05, (11, 24))
    groups = np.stack([exact[[0, 4, 7]].sum(axis=0), exact[[2, 9]].sum(axis=0)])
    series = np.round(np.vstack([exact, groups, groups.sum(axis=0)]), 1)
    assert sums_of_others(series) == [
        Sum(11, (0, 4, 7), 24), Sum(12, (2, 9), 24), Sum(13, (11, 12), 24)
    ]  # fmt: skip


def test_a_part_that_began_later_counts_from_then_on() -> None:
    series = months(4)
    series[1, :9] = np.nan
    total = np.nan_to_num(series[[1, 3]]).sum(axis=0)
    assert sums_of_others(np.vstack([series, total])) == [Sum(4, (1, 3), 24)]


def test_one_period_off_is_no_sum() -> None:
    series = months(4)
    total = series[[1, 3]].sum(axis=0)
    total[7] += 1
    assert not sums_of_others(np.vstack([series, total]))


def test_few_periods_and_small_whole_numbers_prove_nothing() -> None:
    series = months(4, 5)
    assert not sums_of_others(np.vstack([series, series[:2].sum(axis=0)]))
    assert not sums_of_others(np.repeat([[1.0], [2.0], [3.0], [4.0]], 12, axis=1))
    assert not sums_of_others(np.zeros((5, 12)))


def test_series_that_move_together_are_not_taken_for_sums() -> None:
    """Twenty series of one market's ups and downs: a false alarm in at most one list of fifty."""
    # its own draws: those of the module depend on which tests a worker ran before
    random = np.random.default_rng(5)
    false = 0
    for _ in range(200):
        whole = np.exp(random.normal(0, 0.2, 12))
        series = random.lognormal(5, 1, (20, 1)) * whole * np.exp(random.normal(0, 0.01, (20, 12)))
        false += bool(sums_of_others(np.round(series)))
    assert false <= 200 / 50

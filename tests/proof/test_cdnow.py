"""CDNOW through its company file alone: the published parameters, to the printed digit."""

from collections.abc import Callable

import pytest

from tests.conftest import Published

# one worker runs these tests: the warehouse is published once, and nobody waits for it
pytestmark = pytest.mark.xdist_group("cdnow")
# Fader, Hardie and Lee 2005a, table 2 and figure 4; 2005b, p. 426; digits as printed
PRINTED = {
    "bg_nbd": {"r": "0.243", "alpha": "4.414", "a": "0.793", "b": "2.426"},
    "pareto_nbd": {"r": "0.553", "alpha": "10.578", "s": "0.606", "beta": "11.669"},
    "gamma_gamma": {"p": "6.25", "q": "3.74", "gamma": "15.44"},
}
LOG_LIKELIHOODS = {"bg_nbd": "-9582.4", "pareto_nbd": "-9595.0"}


@pytest.fixture(scope="module")
def published(publish_example: Callable[[str], Published]) -> Published:
    return publish_example("cdnow")


@pytest.mark.parametrize("model", list(PRINTED))
def test_the_published_parameters(published: Published, model: str) -> None:
    rows = published.rows(
        "select parameter, value, std_error, customers, is_identified, is_chosen from audit.fits "
        f"where model = '{model}' and cohort = 'all'"
    )
    digits = {name: len(printed.partition(".")[2]) for name, printed in PRINTED[model].items()}
    assert {name: f"{value:.{digits[name]}f}" for name, value, *_ in rows} == PRINTED[model]
    assert all(error > 0 and identified for _, _, error, _, identified, _ in rows)
    assert {chosen for *_, chosen in rows} == {model != "pareto_nbd"}
    if model != "gamma_gamma":
        assert {customers for *_, customers, _, _ in rows} == {2357}


def test_the_published_log_likelihoods(published: Published) -> None:
    rows = published.rows(
        "select distinct model, log_likelihood from audit.fits where cohort = 'all'"
    )
    found = {model: f"{value:.1f}" for model, value in rows if model in LOG_LIKELIHOODS}
    assert found == LOG_LIKELIHOODS


def test_the_first_customer(published: Published) -> None:
    (row,) = published.rows(
        "select x, round(t_x, 2), round(t, 2), round(expected_occasions, 3), horizon_weeks, "
        "time_unit, value_basis, p_alive between p_alive_low and p_alive_high, "
        "clv_home between clv_low_home and clv_high_home, model "
        "from marts.mart_customer_value__customer where customer_id = '1'"
    )
    assert row == (2, 30.43, 38.86, 1.226, 39, "week", "revenue", True, True, "bg_nbd")


def test_the_held_out_weeks_judge_the_classes(published: Published) -> None:
    """39 weeks after 1997-09-30: every customer is in one class, every dollar in one decile."""
    customers, occasions, revenue = published.rows(
        "select count(distinct customer_id), count(distinct (customer_id, order_date)) "
        "filter (order_date > '1997-09-30'), sum(net_amount_home) "
        "filter (order_date > '1997-09-30') from core.fct_sales"
    )[0]
    for grouping in ("class", "decile"):
        found = published.rows(
            "select sum(customers), sum(actual_occasions), sum(actual_revenue_home) "
            "from marts.mart_customer_class__validation "
            f"where market = 'all' and grouping_name = '{grouping}'"
        )
        assert found == [(customers, occasions, revenue)]
    (best,) = published.rows(
        "select part_of_revenue_pct > 30, lift_over_last_year > 1, "
        "abs(expected_off_pct) < 15, held_out_time, models "
        "from marts.mart_customer_class__validation "
        "where market = 'all' and grouping_name = 'decile' and group_name = '01'"
    )
    assert best == (True, True, True, pytest.approx(39), "bg_nbd")

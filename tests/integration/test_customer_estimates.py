"""Estimates of customers: when they are made anew, what is kept, and what the marts say of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import jinja2
import pytest

from analytics.customer_value import Choice
from ingest.company import CustomerValue
from ingest.home import Home
from ingest.sql import literal
from orchestration import customer_estimates
from orchestration.customer_estimates import MODELS, _Chosen, _chosen_of, _Group, estimate
from orchestration.gates.results import prepare_audit
from orchestration.replay import project_models
from tests.integration.small import SmallCompany
from tests.unit.analytics.cdnow import END, purchase_days

pytestmark = pytest.mark.xdist_group("small")
MACROS = Path(__file__).parents[2] / "dbt_project" / "macros"
SCORES = "from estimates.customer_scores order by all"
Candidate = duckdb.DuckDBPyConnection


def histories(cohort_of: Callable[[int], str] = lambda number: "all") -> list[tuple[Any, ...]]:
    """The CDNOW sample as the intermediate model makes it, to the end of its calibration."""
    rows = []
    for number, (customer, days) in enumerate(sorted(purchase_days().items())):
        seen = sorted(day for day in days if day <= END)
        repeats = [days[day] for day in seen[1:]]
        mean = sum(repeats) / len(repeats) if repeats else None
        rows.append(
            ("value", customer, END, cohort_of(number), "US", True, None, seen[0], seen[-1],
             len(repeats), (seen[-1] - seen[0]).days / 7, (END - seen[0]).days / 7, mean,
             39.0, len(days) - len(seen))
        )  # fmt: skip
    return rows


def fill(connection: Candidate, rows: list[tuple[Any, ...]]) -> None:
    connection.execute("delete from intermediate.int_customers__histories")
    values = ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
    connection.execute(f"insert into intermediate.int_customers__histories values {values}")


@pytest.fixture
def candidate(parsed_project: Path) -> Iterator[Candidate]:
    with duckdb.connect() as connection:
        prepare_audit(connection)
        connection.execute(
            """
            create schema intermediate;
            create table intermediate.int_customers__histories (
                basis varchar, customer_id varchar, until_date date, cohort varchar,
                market varchar, is_domestic boolean, channel varchar, first_date date,
                last_date date, x bigint, t_x double, t double, mean_spend_home double,
                held_out_time double, held_out_occasions bigint
            )
            """
        )
        sql = project_models(Home(parsed_project.parent))["intermediate.int_customers__cells"].sql
        connection.execute(f"create view intermediate.int_customers__cells as {sql}")
        yield connection


def test_fits_are_kept_until_enough_has_changed(candidate: Candidate) -> None:
    rows = histories()
    fill(candidate, rows)
    first = estimate(candidate, CustomerValue(), say=lambda sentence: None)
    assert first.fits >= 4 and first.customers == len(rows)
    again = estimate(candidate, CustomerValue())
    assert (again.fits, again.customers) == (0, 0)
    fill(candidate, rows[20:])
    kept = estimate(candidate, CustomerValue())
    assert (kept.fits, kept.customers) == (0, len(rows) - 20)
    eager = estimate(candidate, CustomerValue(refit_above_pct=0.5))
    assert eager.fits >= 4
    models = candidate.execute("select model, count(distinct fit_id) from audit.fits "
                               "where cohort = 'all' group by all").fetchall()  # fmt: skip
    assert set(models) == {(name, 2) for name in (*customer_estimates.MODELS, "gamma_gamma")}
    drift = candidate.execute("select count(*), sum(is_beyond::int) from audit.fit_drift")
    # those of spend and of the model that customers are now scored with
    assert drift.fetchall() == [(7, 0)]
    # without those 20, the sample speaks for another model, by a hair
    assert [check.observed for check in eager.checks if not check.is_passed] == [
        "the buying of customers of 'all' is now estimated by bg_nbd and was by mbg_nbd "
        "(no period being held out: highest log-likelihood in the sample (-9464.1), "
        "0.1 above mbg_nbd)"
    ]


def test_a_parameter_that_runs_away_is_a_warning(candidate: Candidate) -> None:
    """The same customers, who come back twice as often as they did."""
    rows = histories()
    fill(candidate, rows)
    estimate(candidate, CustomerValue(model="bg_nbd"))
    fill(candidate, [(*row[:9], 2 * row[9], *row[10:]) for row in rows])
    (drift, _) = estimate(candidate, CustomerValue(model="bg_nbd")).checks
    assert (drift.is_passed, drift.blocks, drift.kind) == (False, False, "estimate")
    assert {row["parameter"] for row in drift.sample} & {"r", "alpha"}
    beyond = candidate.execute("select count(*) from audit.fit_drift where is_beyond").fetchall()
    assert beyond == [(drift.failing_rows,)]


def test_a_fit_that_is_lost_or_found_is_a_warning(candidate: Candidate) -> None:
    """All that came back are gone but nine, and then they are there again."""
    rows = histories()
    few = [row for row in rows if row[9]][:9]
    seen = []
    for those in (rows, few, rows):
        fill(candidate, those)
        (drift, _) = estimate(candidate, CustomerValue(model="bg_nbd")).checks
        seen.append((drift.is_passed, drift.severity, drift.failing_rows, [
            (row["model_of"], row["previous_model"], row["model"]) for row in drift.sample
        ]))  # fmt: skip
    lost = [("buying", "bg_nbd", None), ("spend", "gamma_gamma", None)]
    found = [("buying", None, "bg_nbd"), ("spend", None, "gamma_gamma")]
    assert seen == [(True, "warn", 0, []), (False, "warn", 2, lost), (False, "warn", 2, found)]
    assert "is now estimated by bg_nbd and was by none (named in the company file)" in (
        drift.observed
    )


@pytest.mark.parametrize(
    ("foreseen", "used", "why"),
    [
        (None, 0, "no period being held out: of all"),
        ((None, ""), 0, "no model being identified before the held-out period: of all"),
        ((1, "by far"), 1, "before the held-out period: by far"),
        ((2, "by far"), 0,
         "pareto_nbd, chosen before the held-out period, is not identified now: of all"),
    ],
)  # fmt: skip
def test_why_a_model_is_used_is_what_decided(
    foreseen: tuple[int | None, str] | None, used: int, why: str
) -> None:
    fits = [SimpleNamespace(is_identified=model != "pareto_nbd") for model in MODELS]
    choice = cast("Choice", SimpleNamespace(chosen="bg_nbd", why="of all", fits=fits))
    before = None if foreseen is None else _Chosen([], *foreseen, None)
    group = cast("_Group", SimpleNamespace(basis="value"))
    assert _chosen_of(choice, group, before) == (used, why)


def test_a_model_that_was_asked_for_is_no_warning(candidate: Candidate) -> None:
    fill(candidate, histories())
    estimate(candidate, CustomerValue(model="bg_nbd"))
    (drift, _) = estimate(candidate, CustomerValue(model="mbg_nbd")).checks
    assert (drift.is_passed, drift.sample) == (True, [])


def test_another_unit_of_time_is_no_drift(candidate: Candidate) -> None:
    """Seven days are a week: alpha is seven times what it was, and nothing has moved."""
    rows = histories()
    fill(candidate, rows)
    estimate(candidate, CustomerValue(model="bg_nbd"))
    fill(candidate, [(*row[:10], 7 * row[10], 7 * row[11], *row[12:]) for row in rows])
    (drift, _) = estimate(candidate, CustomerValue(model="bg_nbd", time_unit="day")).checks
    assert (drift.is_passed, drift.sample) == (True, [])


def test_the_same_data_give_the_same_bytes(candidate: Candidate) -> None:
    """Whatever the order of the rows, and though everything is to be made anew."""
    rows = histories()
    fill(candidate, rows)
    estimate(candidate, CustomerValue())
    scores = candidate.execute(SCORES).fetchall()
    record = candidate.execute("from audit.fits").fetchall()
    fill(candidate, rows[::-1])
    assert estimate(candidate, CustomerValue(), anew=True).fits == 0
    candidate.execute("delete from estimates.customer_fits; delete from estimates.scored_on")
    estimate(candidate, CustomerValue())
    assert candidate.execute(SCORES).fetchall() == scores
    assert candidate.execute("from audit.fits").fetchall() == record


def test_cohorts_are_fitted_apart_and_recorded(candidate: Candidate) -> None:
    fill(candidate, histories(lambda number: ("consumer", "business")[number % 2]))
    estimate(candidate, CustomerValue(model="pareto_nbd"))
    whole = candidate.execute(
        "select cohort, model, count(*), min(customers) from audit.fits "
        "where cohort not like '%,%' and is_chosen group by all order by all"
    ).fetchall()
    assert whole == [
        ("business", "gamma_gamma", 3, whole[0][3]), ("business", "pareto_nbd", 4, 1178),
        ("consumer", "gamma_gamma", 3, whole[2][3]), ("consumer", "pareto_nbd", 4, 1179),
    ]  # fmt: skip
    inside = candidate.execute(
        "select distinct cohort, is_chosen from audit.fits where cohort like '%,%' order by all"
    ).fetchall()
    assert inside == [
        (f"{kind}, acquired 1997-0{month}", False)
        for kind in ("business", "consumer")
        for month in (1, 2, 3)
    ]


def sale(customer: str, *days: str) -> list[dict[str, Any]]:
    return [
        {"order_id": f"{customer}-{day}", "ordered_at": f"2024-{day} 12:00:00", "market": "GB",
         "product_id": "L1", "quantity": 1, "unit_price": 10, "currency": "GBP",
         "customer_id": customer} for day in days
    ]  # fmt: skip


def test_businesses_and_consumers_are_fitted_apart(small: SmallCompany) -> None:
    small.has("customers", {"customer_id": "A", "kind": "business"},
              {"customer_id": "B", "kind": "consumer"}, {"customer_id": "C"})  # fmt: skip
    for customer in "ABC":
        small.has("sales", *sale(customer, "01-01"))
    found = small.build().execute(
        "select customer_id, cohort from intermediate.int_customers__histories order by all"
    )
    assert found.fetchall() == [("A", "business"), ("B", "consumer"), ("C", "kind not given")]


def test_without_a_fit_the_mart_says_why_and_falls_back_to_the_mean(small: SmallCompany) -> None:
    """To 31 January, in days: A bought on the 1st and the 11th, B on the 21st: one repeat occasion
    in 30 + 10 days, hence 0.175 in a week; a day is worth 10, without a cost known. D came later
    and E never: prospects. In the 10 days after, A came back and B did not; D is of no group.
    Wilson of one of one: 100 / (1 + 3.8415) to 100 %, to the digit; of none of one, the rest."""
    small.settings["customer_value"] = {"time_unit": "day", "calibration_end": "2024-01-31",
                                        "horizon_weeks": 1, "kinds_together": True}  # fmt: skip
    small.has("customers", {"customer_id": "A", "kind": "business"},
              {"customer_id": "B", "kind": "consumer"}, {"customer_id": "E"})  # fmt: skip
    small.has("sales", *sale("A", "01-01", "01-11", "02-05"), *sale("B", "01-21"),
              *sale("D", "02-10"))  # fmt: skip
    connection = small.build()
    found = connection.execute(
        "select customer_id, x, t_x, t, p_alive, clv_home, value_basis, customer_class, fit_id, "
        "cohort_mean_of from marts.mart_customer_value__customer order by 1"
    ).fetchall()
    nothing = (None, None, None, None, None, None)
    assert found == [
        ("A", 1, 10, 30, None, None, "revenue", "repeat buyer", None, "customers of GB"),
        ("B", 0, 0, 10, None, None, "revenue", "one-time buyer", None, "customers of GB"),
        ("D", *nothing, "prospect", None, None), ("E", *nothing, "prospect", None, None),
    ]  # fmt: skip
    assert connection.execute(
        "select distinct calibration_end::varchar from marts.mart_customer_value__customer"
    ).fetchall() == [("2024-01-31",)]
    means = connection.execute(
        "select distinct cohort_mean_occasions, cohort_mean_margin_home, value_reason "
        "from marts.mart_customer_value__customer where x is not null"
    ).fetchall()
    reason = "not identified: too few repeaters: fewer than 10 customers bought again"
    assert means == [(pytest.approx(0.175), pytest.approx(1.75), reason)]
    logged = connection.execute(
        "select model, count(*) from audit.fits where cohort = 'all' and not is_identified "
        "and value is null and reason like 'too few repeaters%' group by all order by all"
    ).fetchall()
    assert logged == [("bg_nbd", 4), ("gamma_gamma", 3), ("mbg_nbd", 4), ("pareto_nbd", 4)]
    judged = connection.execute(
        "select market, group_name, customers, came_back, came_back_low_pct, came_back_high_pct, "
        "actual_occasions, actual_revenue_home, part_of_revenue_pct, scored_customers, "
        "expected_occasions "
        "from marts.mart_customer_class__validation order by all"
    ).fetchall()
    none_at_most, all_at_least = pytest.approx(79.3450685), pytest.approx(20.6549314)
    assert judged == [
        (market, *group)
        for market in ("GB", "all")
        for group in (("one-time buyer", 1, 0, 0, none_at_most, 0, 0, 0, 0, None),
                      ("repeat buyer", 1, 1, all_at_least, 100, 1, 10, 100, 0, None))
    ]  # fmt: skip


def test_the_fewest_repeaters_are_those_of_the_library() -> None:
    from analytics.customer_value import fitting

    assert customer_estimates.FEWEST_REPEATERS == fitting.FEWEST_REPEATERS


@pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd"])
def test_p_alive_in_sql_is_that_of_the_library(model: str) -> None:
    """At 5,000 purchases the power in it is larger than a double."""
    import numpy as np

    from analytics.customer_value import Fit, p_alive

    histories = [
        (x, t_x, t)
        for x in (0, 1, 2, 17, 400, 5000)
        for t in (1 / 7, 1.0, 38.86, 5000.0)
        for t_x in ({0.0} if x == 0 else {t, t * 0.999, t / 2, 1e-9})
    ]
    macro = (MACROS / "customers.sql").read_text()
    sql = jinja2.Environment(autoescape=False).from_string(macro + "{{ p_alive('f', 'h') }}")
    with duckdb.connect() as connection:
        connection.execute("create table h as select * from (values "
                           f"{', '.join(map(str, histories))}) as v (x, t_x, t)")  # fmt: skip
        for parameters in ((0.243, 4.414, 0.793, 2.426), (3.1, 0.02, 0.004, 1200.0)):
            found = connection.execute(
                f"with f as (select ? as model, ?::double as r, ?::double as alpha, ?::double as a,"
                f" ?::double as b) select {sql.render()} from h cross join f",
                [model, *parameters],
            ).fetchall()
            named = dict(zip(("r", "alpha", "a", "b"), parameters, strict=True))
            fitted = Fit(model, named, named, np.eye(4), 0.0, 1.0, 1, True, None)
            expected = p_alive(fitted, *np.transpose(histories))
            assert [alive for (alive,) in found] == pytest.approx(expected, rel=0, abs=1e-12)

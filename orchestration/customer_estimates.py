"""Fits the models of customers on a candidate's cells, and scores every customer with them.

Belongs here: reading cells and histories, deciding whether to fit anew, and writing what was found.
How a model is fitted and what follows from it belongs in `analytics.customer_value`, which is
imported only where there is something to fit or to score (a second of CPU).
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from ingest.company import CustomerValue
from ingest.sql import filled, literal, named_rows
from orchestration.gates.results import CheckResult

if TYPE_CHECKING:
    import duckdb

    from analytics.customer_value import Cells, Choice, Fit, HeldOut, SpendFit

MODELS = ("bg_nbd", "mbg_nbd", "pareto_nbd")
# what makes old fits and scores incomparable with new ones is a new version
VERSION = "1"
FEWEST_REPEATERS = 10
# without the number, so that kept and new fits say the same
TOO_FEW = f"too few repeaters: fewer than {FEWEST_REPEATERS} customers bought again"
WIDE_DRIFT = 1.959963984540054
_LEVEL_DIMENSIONS = {
    "market": "market",
    "where": "case when is_domestic then 'domestic' else 'foreign' end",
    "channel": "coalesce(channel, 'not given')",
    "acquired": "strftime(acquired_month, '%Y-%m')",
}
_FIT_COLUMNS = (
    "fit_id, fitted_at, model, cohort, parameter, value, std_error, log_likelihood, customers, "
    "cells, is_identified, reason, is_chosen, data_version"
)
_CELLS = "intermediate.int_customers__cells"
HISTORIES = "intermediate.int_customers__histories"
READ = (_CELLS, HISTORIES)
ESTIMATED = frozenset({"estimates.customer_fits", "estimates.customer_scores"})
_USED = """
select cohort, 'buying' as model_of, model, coalesce(reason, choice_reason), settings
from estimates.customer_fits where basis = 'value'
union all
select cohort, 'spend', case when spend_is_identified then 'gamma_gamma' end, spend_reason, settings
from estimates.customer_fits where basis = 'value'
order by all
"""
# histories move from cell to cell as customers buy; that time passes is told by the day
_SHAPE = f"""
select basis, cohort, cast(date_trunc('month', first_date) as date) as acquired_month,
    cast(date_trunc('month', last_date) as date) as last_month, least(x, 50) as x,
    count(*) as customers
from {HISTORIES}
group by all
"""
_CHANGED = f"""
select coalesce(100.0 * sum(abs(coalesce(now_there.customers, 0) - coalesce(fitted.customers, 0)))
    / nullif(sum(coalesce(fitted.customers, 0)), 0), 100)
from ({_SHAPE}) as now_there
full outer join estimates.fitted_on as fitted
    using (basis, cohort, acquired_month, last_month, x)
"""


@dataclass(frozen=True)
class Estimated:
    """What a run did: how many fits it made, how many customers it scored, and the checks."""

    fits: int
    customers: int
    checks: list[CheckResult]


@dataclass(frozen=True)
class _Chosen:
    """A basis and cohort: all its fits, the one to use (its place), why, and that of spend."""

    fits: "Sequence[Fit]"
    use: int | None
    why: str
    spend: "SpendFit | None"


@dataclass(frozen=True)
class _Group:
    """One basis and cohort of the cells, as they are now.

    Attributes:
        until: The end of its histories.
        since: The first purchase in them.
        data_version: Of what is fitted, the histories.
        content: Of what came after them too, by which models are compared.
    """

    basis: str
    cohort: str
    until: date
    since: date
    held_out_time: float
    repeaters: int
    data_version: str
    content: str


def estimate(
    connection: "duckdb.DuckDBPyConnection",
    settings: CustomerValue,
    anew: bool = False,
    say: Callable[[str], None] = lambda sentence: None,
) -> Estimated:
    """Fit where the customers changed enough, score where anything changed, and record both.

    Args:
        connection: The candidate; where its models were never built there is nothing to estimate.
        settings: The company file's `customer_value`.
        anew: Fit again on any change of the data, however small.
        say: Called with a sentence where it takes a while.
    """
    if not _are_built(connection):
        return Estimated(0, 0, [])
    groups = _groups(connection)
    text = _settings_text(settings)
    fitted = 0
    drift: list[CheckResult] = [_drift_check([], [])]
    if _is_to_fit(connection, groups, settings, text, anew):
        say("Fitting the models of customers")
        fitted, drift = _fit_all(connection, groups, settings, text)
    scored = _score_all(connection, settings)
    return Estimated(fitted, scored, [*drift, _spend_check(connection)])


def _are_built(connection: "duckdb.DuckDBPyConnection") -> bool:
    rows = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_catalog = current_database()"
    ).fetchall()
    return set(READ) <= {name for (name,) in rows}


def _groups(connection: "duckdb.DuckDBPyConnection") -> list[_Group]:
    """Every basis and cohort; the data version is a hash of its histories, in whatever order."""
    rows = connection.execute(f"""
        select basis, cohort, max(until_date), min(first_date), max(held_out_time),
            count(*) filter (x > 0),
            sum(hash(x, t_x, t)::hugeint)::varchar,
            sum(hash(x, t_x, t, held_out_occasions)::hugeint)::varchar
        from {HISTORIES} group by basis, cohort order by basis, cohort
    """).fetchall()
    return [_Group(*row[:-2], *map(_digest, row[-2:])) for row in rows]


def _digest(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]


def _settings_text(settings: CustomerValue) -> str:
    """The settings that decide what is fitted; another text calls for other fits."""
    kept = ("time_unit", "calibration_end", "held_out_weeks", "model", "kinds_together")
    return " ".join([VERSION, *(f"{name}={getattr(settings, name)}" for name in kept)])


def _is_to_fit(
    connection: "duckdb.DuckDBPyConnection",
    groups: Sequence[_Group],
    settings: CustomerValue,
    text: str,
    anew: bool,
) -> bool:
    """Whether the fits in the candidate do not do for its customers."""
    rows = connection.execute(
        "select basis, cohort, settings, until_date, "
        "json_extract_string(state, '$.content') from estimates.customer_fits"
    ).fetchall()
    now = {(group.basis, group.cohort): group for group in groups}
    if {row[:2] for row in rows} != set(now) or any(row[2] != text for row in rows):
        return True
    if all(now[row[:2]].content == row[4] for row in rows):
        return False
    if anew:
        return True
    changed: float = connection.execute(_CHANGED).fetchall()[0][0]
    first = min(group.since for group in groups)
    passed = max(
        100.0 * abs((now[row[:2]].until - row[3]).days) / max((row[3] - first).days, 1)
        for row in rows
    )
    return max(changed, passed) > settings.refit_above_pct


def _fit_all(
    connection: "duckdb.DuckDBPyConnection",
    groups: Sequence[_Group],
    settings: CustomerValue,
    text: str,
) -> tuple[int, list[CheckResult]]:
    at = datetime.now(UTC).replace(tzinfo=None)
    rows: list[tuple[Any, ...]] = []
    states: list[tuple[Any, ...]] = []
    foreseen: dict[str, _Chosen] = {}
    # the validation first: what it finds is the model that the customers are valued with
    for group in sorted(groups, key=lambda each: each.basis != "validation"):
        chosen = _fitted(connection, group, settings, foreseen.get(group.cohort))
        name = group.cohort
        if group.basis == "validation":
            foreseen[group.cohort] = chosen
            if all(each.until != group.until for each in groups if each.basis == "value"):
                name = f"{group.cohort} until {group.until}"
        rows += _fit_rows(chosen, name, group, at)
        states.append(_state(chosen, name, group, text))
        if group.basis == "value":
            rows += _level_rows(connection, chosen, group, at)
    _write_fits(connection, rows)
    before = connection.execute(_USED).fetchall()
    _replace(connection, "estimates.customer_fits", states)
    connection.execute("delete from estimates.fitted_on")
    connection.execute(f"insert into estimates.fitted_on {_SHAPE}")
    turned = _turned(before, connection.execute(_USED).fetchall())
    # of another unit of time or version, parameters cannot be told apart by their errors
    is_comparable = all(row[-1].split()[:2] == text.split()[:2] for row in before)
    beyond = _record_drift(connection, at) if is_comparable else []
    return len({row[0] for row in rows}), [_drift_check(beyond, turned)]


def _fitted(
    connection: "duckdb.DuckDBPyConnection",
    group: _Group,
    settings: CustomerValue,
    foreseen: _Chosen | None,
) -> _Chosen:
    """The three models on the cells of a group, and spend on its repeat customers.

    Args:
        foreseen: What was found of the same cohort before its held-out period, if there is one.
    """
    if group.repeaters < FEWEST_REPEATERS:
        return _Chosen([], None, "", None)
    from analytics.customer_value import compare, fit

    cells = _cells(connection, group)
    fits = [fit(model, cells) for model in MODELS]
    # what came after is read where it decides between fits
    is_open = sum(one.is_identified for one in fits) > 1
    choice = compare(fits, _held_out(connection, group) if is_open else None)
    if settings.model == "auto":
        place, why = _chosen_of(choice, group, foreseen)
    elif fits[named := MODELS.index(settings.model)].is_identified:
        place, why = named, "named in the company file"
    else:
        # what is named is not swapped for another
        place, why = None, choice.why
    return _Chosen(fits, place, why, _spend(connection, group))


def _chosen_of(choice: "Choice", group: _Group, foreseen: _Chosen | None) -> tuple[int | None, str]:
    """Which model to use and why: what foresaw the held-out period best, where it is identified."""
    place = None if choice.chosen is None else MODELS.index(choice.chosen)
    if group.basis == "validation":
        return place, choice.why
    if foreseen is None:
        return place, f"no period being held out: {choice.why}"
    if foreseen.use is None:
        return place, f"no model being identified before the held-out period: {choice.why}"
    best = MODELS[foreseen.use]
    if choice.fits[foreseen.use].is_identified:
        return foreseen.use, f"before the held-out period: {foreseen.why}"
    return place, f"{best}, chosen before the held-out period, is not identified now: {choice.why}"


def _cells(connection: "duckdb.DuckDBPyConnection", group: _Group) -> "Cells":
    """The distinct histories of a group."""
    from analytics.customer_value import Cells

    columns = _columns(
        connection,
        f"select x, t_x, t, count(*) as customers from {HISTORIES} "
        "where basis = ? and cohort = ? group by all order by all",
        group,
    )
    parts = (columns[name] for name in ("x", "t_x", "t", "customers"))
    return Cells(*parts)


def _levels(
    connection: "duckdb.DuckDBPyConnection", group: _Group, dimension: str
) -> "dict[str, Cells]":
    """The distinct histories of a group, by the values of a dimension."""
    import numpy as np

    from analytics.customer_value import Cells

    columns = _columns(
        connection,
        f"select {dimension} as level, x, t_x, t, sum(customers)::double as customers "
        f"from {_CELLS} where basis = ? and cohort = ? group by all order by all",
        group,
    )
    parts = [columns[name] for name in ("x", "t_x", "t", "customers")]
    levels = np.asarray(columns["level"], dtype=str)
    return {
        str(level): Cells(*(part[levels == level] for part in parts)) for level in np.unique(levels)
    }


def _held_out(connection: "duckdb.DuckDBPyConnection", group: _Group) -> "HeldOut | None":
    """The same histories with what came after them; None where nothing is held out."""
    if group.basis != "validation":
        return None
    from analytics.customer_value import Cells, HeldOut

    columns = _columns(
        connection,
        f"select x, t_x, t, count(*) as customers, held_out_occasions as seen from {HISTORIES} "
        "where basis = ? and cohort = ? group by all order by all",
        group,
    )
    parts = (columns[name] for name in ("x", "t_x", "t", "customers"))
    return HeldOut(Cells(*parts), columns["seen"], group.held_out_time)


def _spend(connection: "duckdb.DuckDBPyConnection", group: _Group) -> "SpendFit":
    from analytics.customer_value import fit_spend

    columns = _columns(
        connection,
        f"select x, mean_spend_home as spend, count(*) as customers from {HISTORIES} "
        "where basis = ? and cohort = ? and x > 0 and mean_spend_home > 0 "
        "group by all order by all",
        group,
    )
    return fit_spend(*(columns[name] for name in ("x", "spend", "customers")))


def _columns(connection: "duckdb.DuckDBPyConnection", sql: str, group: _Group) -> "dict[str, Any]":
    """What a query finds of a basis and cohort, as arrays."""
    return connection.execute(filled(sql, group.basis, group.cohort)).fetchnumpy()


def _fit_id(model: str, cohort: str, group: _Group) -> str:
    return _digest(VERSION, model, cohort, group.data_version)


def _fit_rows(chosen: _Chosen, cohort: str, group: _Group, at: datetime) -> list[tuple[Any, ...]]:
    rows = []
    for place, one in enumerate(chosen.fits):
        rows += _parameter_rows(one, cohort, group, at, place == chosen.use)
    if chosen.spend is not None:
        rows += _parameter_rows(chosen.spend, cohort, group, at, chosen.spend.is_identified)
    if not chosen.fits:
        reason = TOO_FEW
        names = {"bg_nbd": "r alpha a b", "mbg_nbd": "r alpha a b", "pareto_nbd": "r alpha s beta",
                 "gamma_gamma": "p q gamma"}  # fmt: skip
        rows += [
            (_fit_id(model, cohort, group), at, model, cohort, name, None, None, None, None, None,
             False, reason, False, group.data_version)
            for model, parameters in names.items() for name in parameters.split()
        ]  # fmt: skip
    return rows


def _parameter_rows(
    one: "Fit | SpendFit", cohort: str, group: _Group, at: datetime, is_chosen: bool
) -> list[tuple[Any, ...]]:
    return [
        (_fit_id(one.model, cohort, group), at, one.model, cohort, name, _number(value),
         _number(one.std_errors[name]), _number(one.log_likelihood), int(one.customers), one.cells,
         one.is_identified, one.reason, is_chosen, group.data_version)
        for name, value in one.parameters.items()
    ]  # fmt: skip


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _level_rows(
    connection: "duckdb.DuckDBPyConnection", chosen: _Chosen, group: _Group, at: datetime
) -> list[tuple[Any, ...]]:
    """Fits by market, home or abroad, channel and month of acquisition, pooled to the whole."""
    if chosen.use is None:
        return []
    from analytics.customer_value import fit_cohorts

    whole = chosen.fits[chosen.use]
    rows: list[tuple[Any, ...]] = []
    for name, expression in _LEVEL_DIMENSIONS.items():
        parts = _levels(connection, group, expression)
        if len(parts) < 2:
            continue
        prefix = "" if group.cohort == "all" else f"{group.cohort}, "
        for level, one in fit_cohorts(whole.model, parts, whole).items():
            rows += _parameter_rows(one, f"{prefix}{name} {level}", group, at, False)
    return rows


def _write_fits(connection: "duckdb.DuckDBPyConnection", rows: list[tuple[Any, ...]]) -> None:
    """Add fits to the record; one that is there already (same data, same model) stays as it is."""
    known = {row[0] for row in connection.execute("select distinct fit_id from audit.fits")
             .fetchall()}  # fmt: skip
    new = {(row[0], row[4]): row for row in rows if row[0] not in known}
    if new:
        values = ", ".join(f"({', '.join(map(literal, row))})" for row in new.values())
        connection.execute(f"insert into audit.fits ({_FIT_COLUMNS}) values {values}")


def _replace(
    connection: "duckdb.DuckDBPyConnection", table: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    connection.execute(f"delete from {table}")
    if rows:
        values = ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
        connection.execute(f"insert into {table} values {values}")


def _state(chosen: _Chosen, cohort: str, group: _Group, text: str) -> tuple[Any, ...]:
    """What customers of a group are scored with: a row of `estimates.customer_fits`."""
    one = None if chosen.use is None else chosen.fits[chosen.use]
    spend = chosen.spend
    state = {
        "content": group.content,
        "fit": None if one is None else _plain(one),
        "spend": None if spend is None or not spend.is_identified else _plain(spend),
    }
    buying = {} if one is None or one.model == "pareto_nbd" else one.parameters
    spending = {} if spend is None or not spend.is_identified else spend.parameters
    return (
        group.basis,
        group.cohort,
        None if one is None else _fit_id(one.model, cohort, group),
        None if one is None else one.model,
        VERSION,
        one is not None,
        None if one is not None else _why_none(chosen, group),
        chosen.why,
        None if spend is None else _fit_id("gamma_gamma", cohort, group),
        spend is not None and spend.is_identified,
        TOO_FEW if spend is None else spend.reason,
        None if spend is None else spend.warning,
        *map(buying.get, ("r", "alpha", "a", "b")),
        *map(spending.get, ("p", "q", "gamma")),
        group.until,
        text,
        # parameters keep their order, which their covariance shares
        json.dumps(state),
    )


def _why_none(chosen: _Chosen, group: _Group) -> str:
    if not chosen.fits:
        return f"not identified: {TOO_FEW}"
    told = "; ".join(f"{one.model}: {one.reason}" for one in chosen.fits if not one.is_identified)
    return f"not identified: {told}"


def _plain(one: "Fit | SpendFit") -> dict[str, Any]:
    names = ["parameters", "std_errors", "log_likelihood", "customers", "cells"]
    names += ["correlation", "correlation_p_value"] if one.model == "gamma_gamma" else []
    kept = {name: getattr(one, name) for name in names}
    kept |= {"model": one.model, "covariance": one.covariance.tolist()}
    return {name: dict(value) if isinstance(value, Mapping) else value
            for name, value in kept.items()}  # fmt: skip


def _turned(
    before: Sequence[tuple[Any, ...]], now: Sequence[tuple[Any, ...]]
) -> list[dict[str, Any]]:
    """Cohorts that are valued by another model, or by one where none was identified or no more.

    That another model was asked for is no news.
    """
    earlier = {row[:2]: row for row in before}
    turned: list[dict[str, Any]] = []
    for cohort, what, model, why, text in now:
        _, _, old_model, _, old_text = earlier.get((cohort, what), (None, None, model, None, text))
        if model != old_model and (text == old_text or None in (model, old_model)):
            turned.append({"cohort": cohort, "model_of": what, "previous_model": old_model,
                           "model": model, "reason": why})  # fmt: skip
    return turned


def _record_drift(connection: "duckdb.DuckDBPyConnection", at: datetime) -> list[dict[str, Any]]:
    """Compare what customers are now valued by with the last fit of the same model and cohort."""
    connection.execute(
        filled(
            f"""
            insert into audit.fit_drift
            with used as (
                select unnest([fit_id, spend_fit_id]) as fit_id from estimates.customer_fits
                where basis = 'value'
            ),
            earlier as (
                select * from audit.fits where fitted_at < ? and is_identified
                qualify fitted_at = max(fitted_at) over (partition by model, cohort)
            )
            select fits.fit_id, earlier.fit_id, ?, fits.model, fits.cohort, fits.parameter,
                fits.value, earlier.value, earlier.std_error,
                (fits.value - earlier.value) / nullif(earlier.std_error, 0),
                abs(fits.value - earlier.value) > {WIDE_DRIFT} * earlier.std_error
            from audit.fits as fits
            inner join used using (fit_id)
            inner join earlier using (model, cohort, parameter)
            where fits.fit_id <> earlier.fit_id and fits.is_identified
            order by fits.cohort, fits.model, fits.parameter
            """,
            at,
            at,
        )
    )
    found = connection.execute(
        filled(
            "select cohort, model, parameter, previous_value, value, drift_in_std_errors "
            "from audit.fit_drift where fitted_at = ? and is_beyond order by all",
            at,
        )
    )
    return named_rows(found)


def _drift_told(beyond: list[dict[str, Any]], turned: list[dict[str, Any]]) -> Iterator[str]:
    """Say in words what moved: the first three parameters, and every model that changed."""
    for row in beyond[:3]:
        yield (
            f"the parameter {row['parameter']} of {row['model']} for customers of "
            f"'{row['cohort']}' went from {row['previous_value']:.3g} to {row['value']:.3g}"
        )
    if len(beyond) > 3:
        yield f"so did {len(beyond) - 3} more parameters"
    for row in turned:
        yield (
            f"the {row['model_of']} of customers of '{row['cohort']}' is now estimated by "
            f"{row['model'] or 'no model'} and was by {row['previous_model'] or 'none'}"
            + (f" ({row['reason']})" if row["reason"] else "")
        )


def _drift_check(beyond: list[dict[str, Any]], turned: list[dict[str, Any]]) -> CheckResult:
    return CheckResult(
        name="parameter_drift",
        table="audit.fits",
        kind="estimate",
        is_passed=not beyond and not turned,
        severity="warn",
        observed="; ".join(_drift_told(beyond, turned)) or "no parameter moved further",
        expected=f"parameters within {WIDE_DRIFT:.2f} standard errors of the fit before, and the "
        "model identified and chosen before",
        failing_rows=len(beyond) + len(turned),
        sample=[*turned, *beyond],
    )


def _spend_check(connection: "duckdb.DuckDBPyConnection") -> CheckResult:
    rows = connection.execute(
        "select cohort, spend_warning from estimates.customer_fits "
        "where basis = 'value' and spend_warning is not null "
        "and (state -> '$.spend.correlation_p_value')::double < 0.05 order by cohort"
    ).fetchall()
    return CheckResult(
        name="spend_is_independent_of_frequency",
        table="audit.fits",
        kind="estimate",
        is_passed=not rows,
        severity="warn",
        observed="; ".join(f"{cohort}: {warning}" for cohort, warning in rows) or "none",
        expected="no correlation above 0.15 of how often customers buy and what they spend",
        failing_rows=len(rows),
        sample=[{"cohort": cohort, "warning": warning} for cohort, warning in rows],
    )


def _score_all(connection: "duckdb.DuckDBPyConnection", settings: CustomerValue) -> int:
    """Score every customer of a cohort with a fit; 0 where nothing changed since the last time."""
    content = _content(connection, settings)
    if (content,) in connection.execute("select content from estimates.scored_on").fetchall():
        return 0
    connection.execute("delete from estimates.customer_scores")
    fits = connection.execute(
        "select basis, cohort, state from estimates.customer_fits where is_identified "
        "order by basis, cohort"
    ).fetchall()
    scored = sum(
        _score(connection, basis, cohort, json.loads(state), settings)
        for basis, cohort, state in fits
    )
    _replace(connection, "estimates.scored_on", [(content,)])
    return scored


def _content(connection: "duckdb.DuckDBPyConnection", settings: CustomerValue) -> str:
    """What the scores follow from: histories, fits, horizon and discount."""
    histories = connection.execute(
        f"select count(*), sum(hash(each_one)::hugeint) from {HISTORIES} as each_one"
    ).fetchall()
    fits = connection.execute(
        "select basis, cohort, fit_id, spend_fit_id from estimates.customer_fits order by all"
    ).fetchall()
    return _digest(VERSION, histories, fits, settings.horizon_weeks, settings.discount_rate_pct)


def _score(
    connection: "duckdb.DuckDBPyConnection",
    basis: str,
    cohort: str,
    state: Mapping[str, Any],
    settings: CustomerValue,
) -> int:
    """Score the customers of one basis and cohort, over the horizon or the held-out period."""
    columns: Mapping[str, Any] = connection.execute(
        filled(
            f"select customer_id, x, t_x, t, mean_spend_home as spend, held_out_time from "
            f"{HISTORIES} where basis = ? and cohort = ?",
            basis,
            cohort,
        )
    ).fetchnumpy()
    unit = {"day": 1, "week": 7}[settings.time_unit]
    horizon, rate = settings.horizon_weeks * 7 / unit, _rate(settings, unit)
    if basis == "validation":
        horizon, rate = float(columns["held_out_time"][0]), 0.0
    _write_scores(connection, basis, _scores(columns, state, horizon, rate))
    return len(columns["customer_id"])


def _scores(
    columns: Mapping[str, Any], state: Mapping[str, Any], horizon: float, rate: float
) -> dict[str, Any]:
    """What is expected of each customer, with its interval: a column each; nan where unknown."""
    import numpy as np

    from analytics import customer_value as library

    x, t_x, t = (np.asarray(columns[name], np.float64) for name in ("x", "t_x", "t"))
    spend = np.ma.filled(np.ma.asarray(columns["spend"], dtype=np.float64), np.nan)
    fitted = library.Fit(**_arrays(state["fit"]), is_identified=True, reason=None)
    found = {
        "customer_id": columns["customer_id"],
        # the others' is worked out in SQL, by the macro p_alive
        "p_alive": library.p_alive(fitted, x, t_x, t) if fitted.model == "pareto_nbd" else math.nan,
        "occasions": library.expected_occasions(fitted, x, t_x, t, horizon),
    }
    low_high = {
        "p_alive": library.p_alive_interval(fitted, x, t_x, t),
        "occasions": library.expected_occasions_interval(fitted, x, t_x, t, horizon),
    }
    # nothing is discounted within the held-out period: what is the same is worked out once
    values = {
        each: _valued(library, fitted, state["spend"], (x, t_x, t, spend), horizon, each)
        for each in {0.0, rate}
    }
    for name, discount in (("plain", 0.0), ("discounted", rate)):
        found[name], low_high[name] = values[discount][0], values[discount][1:]
    for name, (low, high) in low_high.items():
        found[f"{name}_low"], found[f"{name}_high"] = low, high
    return found


def _write_scores(
    connection: "duckdb.DuckDBPyConnection", basis: str, found: Mapping[str, Any]
) -> None:
    import pandas as pd

    connection.register("scored_customers", pd.DataFrame(found))
    measures = ("p_alive", "occasions", "plain", "discounted")
    listed = ", ".join(
        f"case when isfinite(scored.{name}{end}) then scored.{name}{end} end"
        for name in measures
        for end in ("", "_low", "_high")
    )
    connection.execute(
        f"insert into estimates.customer_scores select {literal(basis)}, scored.customer_id, "
        f"{listed} from scored_customers as scored order by scored.customer_id"
    )
    connection.unregister("scored_customers")


def _rate(settings: CustomerValue, unit_days: int) -> float:
    """The effective discount rate of a unit of time."""
    return math.exp(math.log1p(settings.discount_rate_pct / 100) * unit_days / 365.25) - 1


def _arrays(plain: Mapping[str, Any]) -> dict[str, Any]:
    import numpy as np

    return {**plain, "covariance": np.array(plain["covariance"])}


def _valued(
    library: Any,
    fitted: "Fit",
    plain: Mapping[str, Any] | None,
    histories: tuple[Any, Any, Any, Any],
    horizon: float,
    discount: float,
) -> tuple[Any, Any, Any]:
    """Spend over the horizon with its interval; nan where spend is not identified."""
    import numpy as np

    x, t_x, t, spend = histories
    if plain is None:
        nothing = np.full(len(x), np.nan)
        return nothing, nothing, nothing
    kept = {name: value for name, value in _arrays(plain).items() if name != "model"}
    spent = library.SpendFit(**kept, is_identified=True, reason=None, warning=None)
    # repeat days that brought nothing, returns set off, tell nothing of what a day is worth
    mean = np.where(spend > 0, spend, spent.mean)
    value = library.clv(fitted, spent, x, t_x, t, mean, horizon=horizon, discount_rate=discount)
    return value.value, value.low, value.high

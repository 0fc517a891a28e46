"""What moved between two published versions, by how much, and from which source.

Belongs here: comparing two warehouses. How it is shown belongs in the command line.
"""

import math
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb

from ingest.home import Home
from orchestration.candidate import connect_memory, lock_down, quoted
from orchestration.headline import PRICE_INDEX_BY_MARKET, Figure, headline
from orchestration.versions import current_version, previous_version, resolve

# each query gives: scope, market, detail, value
_MEASURES = {
    "revenue": (
        "home",
        """
        select
            case when is_domestic then 'domestic' else 'foreign' end,
            market,
            'all time',
            sum(net_amount_home)
        from core.fct_sales
        group by is_domestic, market
        """,
    ),
    "value_share": (
        "%",
        """
        select
            case when is_domestic then 'domestic' else 'foreign' end,
            market,
            category || ', ' || period || ' from ' || period_start,
            value_share_pct
        from marts.mart_market_share__market_category_period
        where value_share_pct is not null
        qualify period_start >= max(period_start) over (partition by market, category, period)
        """,
    ),
    "price_index": ("index", PRICE_INDEX_BY_MARKET),
    "customers": (
        "customers",
        """
        select 'all', 'all', 'buyers', count(*)
        from marts.mart_customer_value__customer where occasions > 0
        union all
        select 'all', 'all', 'returning', count(*)
        from marts.mart_customer_value__customer where occasions > 1
        """,
    ),
}

# by how much of themselves doubles may differ that were added up in another order
_ROUNDING = 1e-9

# the entities that a headline figure is made from; revenue is traced by amount instead
_MADE_FROM = {
    "value_share": {"sales", "market_sales", "products", "fx_rates"},
    "price_index": {"competitor_prices", "product_matches", "products", "sales", "fx_rates"},
    "returning_customers": {"sales", "customers"},
}

# revenue of the twelve months that the headline is about, by source
_REVENUE_BY_SOURCE = """
select
    case when is_domestic then 'revenue_domestic' else 'revenue_foreign' end,
    deliveries.source,
    sum(net_amount_home)
from core.fct_sales
inner join audit.deliveries as deliveries using (delivery_id)
where order_date > (select max(order_date) from core.fct_sales) - interval 12 month
group by is_domestic, deliveries.source
"""

_DELIVERIES = """
with amounts_a as (
    select delivery_id, sum(net_amount_home) as amount from a.core.fct_sales group by delivery_id
),
amounts_b as (
    select delivery_id, sum(net_amount_home) as amount from b.core.fct_sales group by delivery_id
),
old as (
    select
        d.* replace (
            d.rows_quarantined + coalesce(without_rate_a.row_count, 0) as rows_quarantined
        ),
        amounts_a.amount
    from a.audit.deliveries as d
    left join amounts_a on d.delivery_id = amounts_a.delivery_id
    left join without_rate_a on d.delivery_id = without_rate_a.delivery_id
),
new as (
    select
        d.* replace (
            d.rows_quarantined + coalesce(without_rate_b.row_count, 0) as rows_quarantined
        ),
        amounts_b.amount
    from b.audit.deliveries as d
    left join amounts_b on d.delivery_id = amounts_b.delivery_id
    left join without_rate_b on d.delivery_id = without_rate_b.delivery_id
)
select
    coalesce(new.source, old.source) as source,
    coalesce(new.entity, old.entity) as entity,
    coalesce(new.delivery_id, old.delivery_id) as delivery_id,
    coalesce(new.path, old.path) as path,
    case
        when old.delivery_id is null then 'new'
        when new.delivery_id is null then 'removed'
        when new.superseded_by is distinct from old.superseded_by then 'superseded'
        else 'restated'
    end as change,
    coalesce(new.rows_loaded, 0) - coalesce(old.rows_loaded, 0) as rows_change,
    coalesce(new.rows_quarantined, 0) - coalesce(old.rows_quarantined, 0) as quarantined_change,
    coalesce(new.amount, 0) - coalesce(old.amount, 0) as revenue_change_home
from old
full outer join new on old.delivery_id = new.delivery_id
where
    old.delivery_id is null
    or new.delivery_id is null
    or new.superseded_by is distinct from old.superseded_by
    or new.rows_loaded <> old.rows_loaded
    or new.rows_quarantined <> old.rows_quarantined
    or coalesce(new.amount, 0) <> coalesce(old.amount, 0)
order by source, path, delivery_id
"""


# later publications of figures that version a does not know yet
_RESTATEMENTS = """
select
    market, category, period, period_start, edition_before, edition, published_on,
    market_value_before_home, market_value_home, market_units_before, market_units,
    value_share_before_pct, value_share_pct
from marts.mart_market_restatements__market_category_period
where is_restatement and not is_rolled_up
order by published_on desc nulls last, market, category, period, period_start, publication
"""


@dataclass(frozen=True)
class Movement:
    """One figure in both versions. None where a version does not have it; percent of ``before``."""

    measure: str
    unit: str
    scope: str
    market: str
    detail: str
    before: float | None
    after: float | None
    change: float | None
    change_pct: float | None


@dataclass(frozen=True)
class HeadlineMove:
    """A headline figure that moved, and the sources that moved it.

    ``sources`` maps each to its part of the change in the figure's unit; to None where parts do
    not add up to the whole, as those of a share or an index.
    """

    key: str
    label: str
    unit: str
    before: float | None
    after: float | None
    change: float | None
    change_pct: float | None
    period_before: str
    period_after: str
    sources: dict[str, float | None]


@dataclass(frozen=True)
class DeliveryChange:
    """A delivery that differs: new, removed, superseded, or restated (other rates, other rows)."""

    source: str
    entity: str
    delivery_id: str
    path: str
    change: str
    rows_change: int
    quarantined_change: int
    revenue_change_home: float


@dataclass(frozen=True)
class Restatement:
    """A figure of a market that its publisher gave anew; values in the reporting currency."""

    market: str
    category: str
    period: str
    period_start: date
    edition_before: str | None
    edition: str | None
    published_on: date | None
    value_before_home: Decimal | None
    value_home: Decimal | None
    units_before: Decimal | None
    units: Decimal | None
    share_before_pct: float | None
    share_pct: float | None


@dataclass(frozen=True)
class Difference:
    """From version ``a`` to ``b``: headline figures that moved, the figures of single markets
    behind them, the market figures restated since ``a``, and the deliveries that moved them."""

    a: str
    b: str
    currency: str
    headline: list[HeadlineMove]
    movements: list[Movement]
    restatements: list[Restatement]
    deliveries: list[DeliveryChange]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


def diff(home: Home, a: str | None = None, b: str | None = None) -> Difference:
    """Compare two versions.

    Args:
        home: the state folder.
        a: the earlier one; None for the one before ``b``.
        b: the later one; None for the current version.

    Raises:
        UnknownVersion: one of them does not exist.
    """
    later = b or current_version(home)
    file_b = resolve(home, later)
    earlier = a or previous_version(home, file_b.stem)
    file_a = resolve(home, earlier)
    with connect_memory() as connection:
        for alias, file in (("a", file_a), ("b", file_b)):
            connection.execute(f"attach {quoted(file)} as {alias} (read_only)")
        lock_down(connection)
        deliveries = [DeliveryChange(*row) for row in _deliveries(connection)]
        return Difference(
            a=file_a.stem,
            b=file_b.stem,
            currency=_currency(connection),
            headline=_headline(connection, deliveries),
            movements=_movements(connection),
            restatements=_restatements(connection),
            deliveries=deliveries,
        )


def _currency(connection: duckdb.DuckDBPyConnection) -> str:
    return "".join(row[0] for row in _rows(connection, "b", _COMPANY))


_COMPANY = "select reporting_currency from raw.company"


def _headline(
    connection: duckdb.DuckDBPyConnection, deliveries: list[DeliveryChange]
) -> list[HeadlineMove]:
    before = {figure.key: figure for figure in _figures(connection, "a")}
    parts = _revenue_parts(connection)
    found = []
    for now in _figures(connection, "b"):
        was = before[now.key]
        if not has_moved(was.value, now.value):
            continue
        change, percent = _change(was.value, now.value)
        made_from = _MADE_FROM.get(now.key, ())
        sources = parts.get(now.key) or {
            each.source: None for each in deliveries if each.entity in made_from
        }
        found.append(
            HeadlineMove(
                now.key, now.label, now.unit or was.unit, was.value, now.value, change, percent,
                was.period, now.period, sources,
            )
        )  # fmt: skip
    return found


def _figures(connection: duckdb.DuckDBPyConnection, side: str) -> list[Figure]:
    connection.execute(f"use {side}")
    try:
        return headline(connection)
    finally:
        connection.execute("use memory")


def _revenue_parts(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, float | None]]:
    """How much of the change of each revenue figure came from each source, in home currency."""
    before = {row[:2]: row[2] for row in _rows(connection, "a", _REVENUE_BY_SOURCE)}
    after = {row[:2]: row[2] for row in _rows(connection, "b", _REVENUE_BY_SOURCE)}
    found: dict[str, dict[str, float | None]] = {}
    for key, source in sorted(before.keys() | after.keys()):
        change = after.get((key, source), 0) - before.get((key, source), 0)
        if change:
            found.setdefault(key, {})[source] = float(change)
    return found


def _movements(connection: duckdb.DuckDBPyConnection) -> list[Movement]:
    currency = _currency(connection)
    found: list[Movement] = []
    for measure, (unit, query) in _MEASURES.items():
        before = {row[:3]: row[3] for row in _rows(connection, "a", query)}
        after = {row[:3]: row[3] for row in _rows(connection, "b", query)}
        shown = currency if unit == "home" else unit
        found += [
            _movement(measure, shown, key, before.get(key), after.get(key))
            for key in sorted(before.keys() | after.keys())
            if has_moved(before.get(key), after.get(key))
        ]
    return found


def _restatements(connection: duckdb.DuckDBPyConnection) -> list[Restatement]:
    # our share of a figure that a knows may have moved since; what is new is the publication
    known = {row[:7] for row in _rows(connection, "a", _RESTATEMENTS)}
    rows = _rows(connection, "b", _RESTATEMENTS)
    return [Restatement(*row) for row in rows if row[:7] not in known]


def _movement(
    measure: str, unit: str, key: tuple[str, str, str], before: Any, after: Any
) -> Movement:
    change, percent = _change(before, after)
    return Movement(measure, unit, *key, _number(before), _number(after), _number(change), percent)


def has_moved(before: Any, after: Any) -> bool:
    """Return whether a figure is another one; what doubles round differently is the same.

    Args:
        before: A number, or None where a version has none. Decimals are exact.
        after: The same.
    """
    if isinstance(before, float) and isinstance(after, float):
        return not math.isclose(before, after, rel_tol=_ROUNDING)
    return bool(before != after)


def _change(before: Any, after: Any) -> tuple[Any, float | None]:
    change = None if before is None or after is None else after - before
    return change, None if change is None or not before else 100 * float(change) / abs(
        float(before)
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _deliveries(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    for alias in ("a", "b"):
        _count_without_rate(connection, alias)
    try:
        return connection.execute(_DELIVERIES).fetchall()
    except duckdb.CatalogException:
        return []


def _count_without_rate(connection: duckdb.DuckDBPyConnection, alias: str) -> None:
    """Count by delivery the lines that lack an exchange rate; a version may lack their table."""
    table = f"{alias}.quarantine.without_rate"
    try:
        connection.execute(f"from {table} limit 0")
    except duckdb.CatalogException:
        table = "(select null::varchar as delivery_id where false)"
    connection.execute(
        f"create temp table without_rate_{alias} as "
        f"select delivery_id, count(*) as row_count from {table} group by delivery_id"
    )


def _rows(connection: duckdb.DuckDBPyConnection, side: str, query: str) -> list[tuple[Any, ...]]:
    """Return a query's rows in one of the two versions; none where it lacks the table."""
    connection.execute(f"use {side}")
    try:
        return connection.execute(query).fetchall()
    except duckdb.CatalogException:
        return []
    finally:
        connection.execute("use memory")

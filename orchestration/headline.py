"""The headline figures of a warehouse: five numbers, each with its unit and its period.

They end a run, stand in every version's record, and are what ``diff`` compares.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration.candidate import connect_memory, quoted
from orchestration.words import counted


@dataclass(frozen=True)
class Figure:
    """One headline figure; ``value`` is None, with the reason in ``note``, where there is none.

    ``note`` otherwise says how sure the figure is: its coverage or what it was taken over.
    """

    key: str
    label: str
    value: float | None
    unit: str
    period: str
    note: str


# of sources in a note; more are counted
_NAMED = 3

_SALES_SPAN = "select min(order_date), max(order_date) from core.fct_sales"

_REVENUE = """
select is_domestic, sum(net_amount_home) from core.fct_sales
where order_date > (select max(order_date) from core.fct_sales) - interval 12 month
group by is_domestic
"""

# sources of the twelve months whose orders end more than a week before them: what they have not
# delivered is missing from the figure. Of a source that sells at home and abroad either end counts
_ENDED_EARLY = """
with of_deliveries as (
    select is_domestic, delivery_id, max(order_date) as last_day
    from core.fct_sales group by is_domestic, delivery_id
),
of_sources as (
    select
        of_deliveries.is_domestic,
        deliveries.source,
        max(max(of_deliveries.last_day)) over (partition by deliveries.source) as last_day,
        max(max(of_deliveries.last_day)) over () as end_of_all
    from of_deliveries
    inner join audit.deliveries as deliveries using (delivery_id)
    group by of_deliveries.is_domestic, deliveries.source
)
select is_domestic, last_day, list(source order by source)
from of_sources
where last_day < end_of_all - 7 and last_day > end_of_all - interval 12 month
group by is_domestic, last_day
order by last_day
"""

# lines of sales that count for nothing yet
_WAITING = """
select waiting.mapped_row ->> 'market' = company.home_market, count(*)
from quarantine.without_rate as waiting
cross join raw.company as company
where waiting.entity = 'sales' and waiting.rule = 'without_rate'
group by all
"""

# the newest period that was published, its finest kind first; all its markets and categories
_SHARE = """
with measured as (
    select *
    from marts.mart_market_share__market_category_period
    where market_value_home > 0 and own_value_home is not null and own_coverage_pct > 0
),
newest as (
    select
        period,
        period_start
    from measured
    order by period_start desc, period
    limit 1
)
select
    newest.period,
    newest.period_start,
    100 * sum(own_value_home) / sum(market_value_home),
    min(coverage_pct),
    min(own_coverage_pct),
    count(distinct market),
    case
        when count(nullif(value_share_low_pct, 0)) = count(*)
            then 100 * sum(own_value_home) / sum(100 * own_value_home / value_share_low_pct)
    end,
    case
        when count(nullif(value_share_high_pct, 0)) = count(*)
            then 100 * sum(own_value_home) / sum(100 * own_value_home / value_share_high_pct)
    end
from measured
inner join newest
    on measured.period = newest.period and measured.period_start = newest.period_start
group by newest.period, newest.period_start
"""

# figures of markets that stand in place of an earlier edition's
_RESTATED = """
select count(*) from marts.mart_market_restatements__market_category_period
where is_current and is_restatement and not is_rolled_up
"""

# 100 x our basket over the rivals' median basket, at each product's last price in 30 days,
# weighted by our units of twelve months; 103 = we are 3 % dearer
_BASKET = """
with latest as (
    select *
    from marts.mart_price_position__product_market_day
    where
        price_index is not null
        and price_date
        > (select max(price_date) from marts.mart_price_position__product_market_day)
        - interval 30 day
    qualify row_number() over (partition by product_id, market order by price_date desc) = 1
),
sold as (
    select
        product_id,
        market,
        sum(units) as units
    from marts.mart_sales__market_product_month
    where
        order_month > (select max(order_month) from marts.mart_sales__market_product_month)
        - interval 12 month
    group by product_id, market
),
basket as (
    select
        latest.*,
        greatest(coalesce(sold.units, 0), 0)::double as weight
    from latest
    left join sold
        on latest.product_id = sold.product_id and latest.market = sold.market
)
"""

PRICE_INDEX = (
    _BASKET
    + """
select
    100 * sum(our_price_home * weight) / nullif(sum(rival_median_home * weight), 0),
    max(price_date),
    count(distinct product_id),
    count(distinct market)
from basket
"""
)

PRICE_INDEX_BY_MARKET = (
    _BASKET
    + """
select
    'all',
    market,
    'basket of matched products',
    100 * sum(our_price_home * weight) / nullif(sum(rival_median_home * weight), 0)
from basket
group by market
"""
)

_RETURNING = """
select count(*) filter (where occasions > 1), count(*) filter (where occasions > 0)
from marts.mart_customer_value__customer
"""


@dataclass(frozen=True)
class Headline:
    """What a version's record tells of it: the rows of ``core.fct_sales``, None if absent."""

    rows: int | None
    figures: list[Figure]


def read_headline(database: Path) -> Headline:
    """Return what is to be told of a warehouse that nobody has open."""
    with connect_memory() as connection:
        connection.execute(f"attach {quoted(database)} as read (read_only)")
        connection.execute("use read")
        return headline_of(connection)


def headline_of(connection: duckdb.DuckDBPyConnection) -> Headline:
    """Return what is to be told of the warehouse that is in use on ``connection``."""
    rows = _first(connection, "select count(*) from core.fct_sales")
    return Headline(None if rows is None else rows[0], headline(connection))


def headline(connection: duckdb.DuckDBPyConnection) -> list[Figure]:
    """Return the five headline figures of the warehouse that is in use on ``connection``."""
    return [
        *_revenue(connection),
        _share(connection),
        _price_index(connection),
        _returning(connection),
    ]


def _revenue(connection: duckdb.DuckDBPyConnection) -> list[Figure]:
    currency = _first(connection, "select reporting_currency from raw.company")
    unit = "" if currency is None else str(currency[0])
    span = _first(connection, _SALES_SPAN)
    until = "" if span is None or span[1] is None else f"12 months to {span[1]}"
    amounts = dict(_all(connection, _REVENUE))
    early = _all(connection, _ENDED_EARLY)
    waiting = dict(_all(connection, _WAITING))
    return [
        Figure(
            key=f"revenue_{name}",
            label=f"Revenue, {name}",
            value=None if amounts.get(flag) is None else float(amounts[flag]),
            unit=unit,
            period=until,
            note=_absence(f"no {name} sales", waiting.get(flag, 0))
            if amounts.get(flag) is None
            else "; ".join(_ended(day, sources) for where, day, sources in early if where == flag),
        )
        for name, flag in (("domestic", True), ("foreign", False))
    ]


def _ended(day: date, sources: list[str]) -> str:
    shown = ", ".join(sources) if len(sources) <= _NAMED else f"{len(sources)} sources"
    return f"{shown} {'ends' if len(sources) == 1 else 'end'} on {day}"


def _absence(of_what: str, waiting: int) -> str:
    wait = "waits" if waiting == 1 else "wait"
    return f"{counted(waiting, 'line')} {wait} for an exchange rate" if waiting else of_what


def _share(connection: duckdb.DuckDBPyConnection) -> Figure:
    row = _first(connection, _SHARE)
    if row is None or row[2] is None:
        return Figure("value_share", "Value share", None, "%", "", "no market data with values")
    period, start, share, coverage, own_coverage, markets, low, high = row
    covered = min(coverage or 0, own_coverage or 0)
    interval = "" if low is None or high is None else f"{low:.1f} to {high:.1f} %, "
    restated = sum(count for (count,) in _all(connection, _RESTATED))
    since = f", {counted(restated, 'market figure')} restated so far" if restated else ""
    note = f"{interval}coverage {covered:.0f} %, {counted(markets, 'market')}{since}"
    return Figure("value_share", "Value share", float(share), "%", f"{period} from {start}", note)


def _price_index(connection: duckdb.DuckDBPyConnection) -> Figure:
    row = _first(connection, PRICE_INDEX)
    if row is None or row[0] is None:
        return Figure("price_index", "Price index", None, "", "", "no matched rival prices")
    value, day, products, markets = row
    note = (
        f"100 = rivals' median; {counted(products, 'matched product')}, "
        f"{counted(markets, 'market')}"
    )
    return Figure("price_index", "Price index", float(value), "index", f"30 days to {day}", note)


def _returning(connection: duckdb.DuckDBPyConnection) -> Figure:
    row = _first(connection, _RETURNING)
    if row is None or not row[1]:
        waiting = sum(count for _, count in _all(connection, _WAITING))
        note = _absence("no customers", waiting)
        return Figure("returning_customers", "Returning customers", None, "", "", note)
    return Figure(
        "returning_customers",
        "Returning customers",
        float(row[0]),
        "customers",
        "all time",
        f"of {counted(row[1], 'buyer')}",
    )


def _first(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...] | None:
    rows = _all(connection, query)
    return rows[0] if rows else None


def _all(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """Return a query's rows; none where the warehouse lacks the table or the column asked for."""
    try:
        return connection.execute(query).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return []

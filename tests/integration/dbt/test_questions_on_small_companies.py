"""What questions answer where the demo company has nothing of the kind."""

from typing import Any

import duckdb
import pytest

from orchestration.questions import UnknownQuestion, create, why_nothing
from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")
Rows = list[tuple[Any, ...]]


def ask(connection: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    """Write the questions, and ask."""
    create(connection)
    return connection.execute(sql).fetchall()


def test_who_undercuts_us_compares_as_the_price_position_does(small: SmallCompany) -> None:
    """A lamp of 10 without tax. Of two offers without an address one asks 11.40 with 20 % tax, 9.50
    without it, and the other 12.60, 10.50; three in a pack at 27 are 9 each. A page that was out
    of stock when last seen, and our own shop, undercut nobody."""
    small.settings["pricing"] = {"vat_pct": {"GB": 20}}
    small.settings["own_firms"] = ["Us"]
    small.has("products", {"product_id": "L1", "name": "Lamp", "list_price": 10, "currency": "GBP"})
    small.has(
        "competitor_prices",
        {"title": "Lamp A", "price": 11.4, "tax_included": True},
        {"title": "Lamp B", "price": 12.6, "tax_included": True},
        {"title": "Lamp C", "price": 8, "availability": "out_of_stock"},
        {"title": "Lamp D", "price": 7, "competitor": "Us"},
        {"title": "Three lamps", "price": 27, "mpn": "three", "product_id": None},
        observed_at="2024-01-05 09:00:00", competitor="Rival", market="GB", currency="GBP",
        product_id="L1", availability="in_stock", price_kind="regular",
    )  # fmt: skip
    small.has("product_matches", {"product_id": "L1", "competitor": "Rival",
              "competitor_key": "three", "confidence": 1, "pack_coefficient": 3})  # fmt: skip
    connection = small.build()
    asked = ask(connection, "select their_price_home, our_price_home, under_us_pct, "
                "match_confidence from ask.who_undercuts_us()")  # fmt: skip
    assert asked == [(9, 10, pytest.approx(10), 1), (9.5, 10, pytest.approx(5), 1)]
    assert ask(connection, "select rival_lowest_home, price_rank from ask.price_position()") == [
        (9, 3)
    ]
    assert ask(connection, "select title from ask.rivals_out_of_stock()") == [("Lamp C",)]


@pytest.mark.parametrize("reaches_back", [True, False])
def test_growth_needs_a_base_and_parts_a_whole(small: SmallCompany, reaches_back: bool) -> None:
    """Britain sent back 30 in January 2023 and bought 30 a year on; Germany doubled to 20, France
    fell to 5. Where sales begin in 2023 there are no twelve months to compare twelve with. January
    ends with the 31st, our sales with the 5th."""
    small.has(
        "sales",
        {"ordered_at": "2023-01-05", "market": "GB", "quantity": -3},
        {"ordered_at": "2024-01-05", "market": "GB", "quantity": 3},
        {"ordered_at": "2023-01-05", "market": "DE", "quantity": 1},
        {"ordered_at": "2024-01-05", "market": "DE", "quantity": 2},
        {"ordered_at": "2023-01-04", "market": "FR", "quantity": 1, "product_id": "F1"},
        {"ordered_at": "2024-01-04", "market": "FR", "quantity": 0.5, "product_id": "F1"},
        order_id="1", product_id="L1", unit_price=10, currency="GBP",
    )  # fmt: skip
    if reaches_back:
        small.has("sales", {}, order_id="0", ordered_at="2022-01-03", market="DE", quantity=0,
                  product_id="L1", unit_price=10, currency="GBP")  # fmt: skip
    connection = small.build()
    january = "from ask.revenue_by_month() where order_month = '2024-01-01'"
    assert ask(connection, f"select market, growth_year_pct, is_complete_month {january}") == [
        ("DE", pytest.approx(100), False), ("FR", pytest.approx(-50), False), ("GB", None, False),
    ]  # fmt: skip
    growth = {"DE": 100, "FR": -50} if reaches_back else {}
    assert dict(ask(connection, "select market, growth_pct from ask.markets_compared()")) == {
        market: pytest.approx(growth[market]) if market in growth else None
        for market in ("DE", "FR", "GB")
    }  # fmt: skip
    fell = ask(connection, "select product_id, before_home, now_home from ask.falling_products()")
    assert fell == ([("F1", 10, 5)] if reaches_back else [])
    asked = ask(connection, "select foreign_pct, is_complete_month from ask.home_and_abroad()")
    assert asked[:2] == [(pytest.approx(100 * 25 / 55), False), (None, True)]
    moved = ask(connection, "select distinct is_complete_month from ask.why_did_revenue_move()")
    assert moved == [(False,)]


def test_what_came_back_is_part_of_what_was_sold_only_where_it_can_be(small: SmallCompany) -> None:
    small.has("sales", {"quantity": 4}, {"quantity": -1}, {"quantity": 1, "product_id": "L2"},
              {"quantity": -5, "product_id": "L2"}, ordered_at="2024-01-05", market="DE",
              order_id="1", product_id="L1", unit_price=10, currency="GBP")  # fmt: skip
    asked = ask(small.build(), "from ask.what_comes_back()")
    assert asked == [("L1", None, 4, 1, pytest.approx(25)), ("L2", None, 1, 5, None)]


def test_gains_are_against_the_period_directly_before(small: SmallCompany) -> None:
    """B was not named in 2022, and C never before: neither has a change against that year."""
    firms = {2021: {"A": 80, "B": 20}, 2022: {"A": 100}, 2023: {"A": 60, "B": 30, "C": 10}}
    for year, sold in firms.items():
        small.has(
            "market_sales",
            *[{"firm": firm, "value": value} for firm, value in sold.items()],
            period_start=f"{year}-01-01", period="year", market="DE", category="lamps",
            currency="GBP",
        )  # fmt: skip
    connection = small.build()
    assert ask(connection, "select firm, before_pct, now_pct, change_pp from ask.who_gains_share()"
               ) == [("A", 100, 60, -40), ("B", None, 30, None), ("C", None, 10, None)]  # fmt: skip
    covers = connection.execute(
        "select distinct market_covers from marts.mart_market_share__market_category_period "
        "where period_start = '2022-01-01'"
    ).fetchall()
    assert covers == [("sum of named firms; 1 firms named; all outlets; all products; "
                       "12 of 12 months; publisher not named",)]  # fmt: skip


def test_nobody_buys_again_in_the_month_of_the_first_purchase(small: SmallCompany) -> None:
    small.has(
        "sales",
        {"ordered_at": "2024-01-05", "customer_id": "A"},
        {"ordered_at": "2024-02-05", "customer_id": "A"},
        {"ordered_at": "2024-02-29", "customer_id": "B"},
        order_id="1", market="DE", product_id="L1", quantity=1, unit_price=10, currency="GBP",
    )  # fmt: skip
    asked = ask(small.build(), "select cohort_month::varchar, months_since, retention_pct, "
                "retention_low_pct is null from ask.what_is_a_cohort_worth()")  # fmt: skip
    assert asked == [("2024-01-01", 1, 100, False), ("2024-02-01", 0, None, True)]


def test_who_has_bought_since_the_histories_end_has_not_lapsed() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            """
            create schema marts;
            create table marts.mart_customer_value__customer as
            select *, 'DE' as market, 'lapsed' as customer_class, 3 as occasions,
                date '2024-06-30' as calibration_end, 0.1 as p_alive,
                0.0 as p_alive_low, 0.2 as p_alive_high,
                10 as net_revenue_home
            from (values ('gone', date '2024-01-05'), ('back', date '2024-07-05'))
                as customers (customer_id, last_order_date)
            """
        )
        assert ask(connection, "select customer_id from ask.who_lapses()") == [("gone",)]


def test_why_nothing_is_said_of_single_customers(small: SmallCompany) -> None:
    """Two buyers are too few for any model. February is not over; in January A came."""
    small.has("sales", {"ordered_at": "2023-12-31"}, {"ordered_at": "2024-01-05"},
              {"ordered_at": "2024-01-05", "customer_id": "B"}, {"ordered_at": "2024-02-05"},
              order_id="1", market="DE", product_id="L1", quantity=1, unit_price=10,
              currency="GBP", customer_id="A")  # fmt: skip
    connection = small.build()
    assert ask(connection, "from ask.who_are_real_customers()") == []
    asked = ask(connection, "select cohort, customers, real_customers, is_identified, reason "
                "from ask.how_sure_are_customer_values()")  # fmt: skip
    assert asked[0][:4] == ("all", 2, 0, False)
    assert "fewer than 10 customers bought again" in asked[0][4]
    assert ask(connection, "select order_month::varchar, new_customers, retained_customers, "
               "new_home from ask.who_came_and_went(compared_with := 'month before')"
               ) == [("2024-01-01", 1, 1, 10)]  # fmt: skip
    assert ask(connection, "select customers, largest_customer_share_pct "
               "from ask.how_dependent_are_we('de')") == [(1, 100)]  # fmt: skip
    assert ask(connection, "from ask.did_we_foresee_it()") == []


def test_a_market_that_is_counted_in_units_only_is_told_by_units(small: SmallCompany) -> None:
    """Of 100 cars a year 60 and then 70 are A's, the others ours."""
    small.settings["own_firms"] = ["Us"]
    for year, theirs in ((2022, 60), (2023, 70)):
        small.has(
            "market_sales", {"firm": "A", "units": theirs}, {"firm": "Us", "units": 100 - theirs},
            period_start=f"{year}-01-01", period="year", market="DE", category="cars",
        )  # fmt: skip
    connection = small.build()
    asked = "select volume_share_pct, value_share_pct from ask.market_share('DE')"
    assert ask(connection, asked) == [(30, None)]
    assert len(ask(connection, "from ask.share_trend('DE')")) == 2
    assert ask(connection, "select place, firm from ask.who_leads()") == [(1, "A"), (2, "Us")]
    assert ask(connection, "select firm, measure, change_pp from ask.who_gains_share()") == [
        ("A", "volume", 10), ("Us", "volume", -10),
    ]  # fmt: skip
    assert ask(connection, "select hhi_value, hhi_volume from ask.how_concentrated()") == [
        (None, 70**2 + 30**2)
    ]


def test_exchange_rates_are_told_of_the_newest_complete_month(small: SmallCompany) -> None:
    """Sales end on 5 February 2024, Germany's on 15 January: its 20 stand against 10."""
    for day, market, units in [("2023-01-10", "DE", 1), ("2024-01-15", "DE", 2),
                               ("2023-02-10", "FR", 9), ("2024-02-05", "FR", 1),
                               ("2023-02-10", "GB", 9), ("2024-02-05", "GB", 1)]:  # fmt: skip
        small.has("sales", {"ordered_at": day, "market": market, "quantity": units}, order_id=day,
                  product_id="L1", unit_price=10, currency="GBP")  # fmt: skip
    asked = ask(small.build(), "select market, order_month::varchar, growth_pct, "
                "last_order_date::varchar from ask.what_rates_did()")  # fmt: skip
    assert asked == [("DE", "2024-01-01", pytest.approx(100), "2024-01-15")]


def test_the_newest_price_index_is_of_a_week_in_which_a_price_was_seen(small: SmallCompany) -> None:
    """Seen on Wednesday the 3rd, the price is carried into the week after."""
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "lamps",
              "list_price": 10, "currency": "GBP"})  # fmt: skip
    small.has("competitor_prices", {"observed_at": "2024-01-03 09:00:00", "product_id": "L1"},
              competitor="Rival", market="GB", price=8, currency="GBP")  # fmt: skip
    connection = small.build()
    weeks = "select max(week_start)::varchar from marts.mart_price_index__market_category_week"
    assert connection.execute(weeks).fetchone() == ("2024-01-08",)
    asked = "select distinct week_start::varchar from ask.price_index()"
    assert ask(connection, asked) == [("2024-01-01",)]


def test_a_leader_of_a_year_that_is_not_over_says_how_much_of_it_is_covered(
    small: SmallCompany,
) -> None:
    small.has("market_sales", {"period_start": "2024-01-01"}, {"period_start": "2024-02-01"},
              {"period_start": "2024-03-01"}, firm="A", value=10, period="month", market="DE",
              category="lamps", currency="GBP")  # fmt: skip
    asked = ask(small.build(), "select period, coverage_pct from ask.who_leads()")
    assert asked == [("month", 100), ("quarter", 100), ("year", 25)]


def test_lines_without_a_rate_are_told_among_those_set_aside(small: SmallCompany) -> None:
    """Of four lines two are in francs, of January and of February."""
    small.has("sales", {}, {"quantity": 2}, {"currency": "CHF"},
              {"currency": "CHF", "ordered_at": "2024-02-05"},
              **{"order_id": "1", "product_id": "L1", "market": "GB", "quantity": 1,
                 "unit_price": 10, "currency": "GBP", "ordered_at": "2024-01-05"})  # fmt: skip
    connection = small.build()
    assert ask(
        connection, "select rule, reasons, rows_set_aside from ask.what_was_set_aside()"
    ) == [("without_rate", 2, 2)]
    fresh = "select rows_delivered, rows_loaded, rows_quarantined from ask.how_fresh()"
    assert ask(connection, fresh) == [(4, 4, 2)]


def test_customers_that_came_are_told_against_the_month_where_no_year_reaches_back(
    small: SmallCompany,
) -> None:
    small.has("sales", {"ordered_at": "2024-01-05"}, {"ordered_at": "2024-02-05"},
              {"ordered_at": "2024-03-05"}, order_id="1", market="DE", product_id="L1", quantity=1,
              unit_price=10, currency="GBP", customer_id="A")  # fmt: skip
    connection = small.build()
    asked = "select compared_with, order_month::varchar, retained_customers "
    assert ask(connection, f"{asked} from ask.who_came_and_went()") == [
        ("month before", "2024-02-01", 1)
    ]
    year = "from ask.who_came_and_went(compared_with := 'year before')"
    assert ask(connection, f"{asked} {year}") == []


def test_a_question_without_an_answer_says_why(small: SmallCompany) -> None:
    small.has("products", {"product_id": "L1", "name": "Lamp", "category": "Lamps",
              "list_price": 10, "currency": "GBP"},
              {"product_id": "C1", "name": "Chair", "category": "Chairs"})  # fmt: skip
    small.has("market_sales", {"period_start": "2024-01-01", "period": "month", "market": "DE",
              "category": "Lamps", "value": 100, "currency": "GBP"})  # fmt: skip
    small.has("sales", {"ordered_at": "2024-01-05"}, {"ordered_at": "2024-02-05"},
              {"ordered_at": "2024-03-05"}, order_id="1", market="DE", product_id="L1",
              quantity=1, unit_price=10, currency="GBP", customer_id="A")  # fmt: skip
    connection = small.build()
    create(connection)
    assert why_nothing(connection, "share_trend", ["DE", "lamps"]) is None
    told = {
        ("price_index",): "no row of competitor_prices has been delivered",
        ("share_trend", "FR"): "No rows with market 'FR'; there are with 'DE'.",
        ("share_trend", "DE", "chairs"): "No rows with category 'chairs'; there are with 'Lamps'.",
        ("who_came_and_went", "DE", "year before"): "there are with 'month before'",
        ("what_was_restated",): "nothing that was delivered is of this kind",
    }
    for (name, *arguments), expected in told.items():
        assert expected in str(why_nothing(connection, name, arguments))
    with pytest.raises(UnknownQuestion, match="there is no category 'Lmaps'") as caught:
        why_nothing(connection, "share_trend", ["null", "Lmaps"])
    assert caught.value.expected == "'Lamps'"

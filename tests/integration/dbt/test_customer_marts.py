"""Cohorts, flows, concentration, baskets, switching and needs, worked out by hand."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.home import Home
from tests.integration.small import SmallCompany

pytestmark = pytest.mark.xdist_group("small")


def sale(number: int, day: str, customer: str | None, product: str, price: float,
         quantity: float = 1, **more: Any) -> dict[str, Any]:  # fmt: skip
    return {"order_id": f"O{number}", "ordered_at": f"{day} 12:00:00", "market": "GB",
            "product_id": product, "quantity": quantity, "unit_price": price, "currency": "GBP",
            "is_return": quantity < 0, **({"customer_id": customer} if customer else {}),
            **more}  # fmt: skip


def rows(connection: duckdb.DuckDBPyConnection, mart: str, columns: str, where: str = "true",
         order: str = "all") -> list[tuple[Any, ...]]:  # fmt: skip
    return connection.execute(
        f"select {columns} from marts.{mart} where {where} order by {order}"
    ).fetchall()


@pytest.fixture(scope="module")
def company(
    tmp_path_factory: pytest.TempPathFactory, parsed_project: Path
) -> duckdb.DuckDBPyConnection:
    """Three months in Britain, to 31 March. January: A 100, B 50, nobody 10. February: A 30, C 20,
    E sends something back worth 5 and never buys. March: B 80, C 15, A sends 10 back."""
    home = Home(tmp_path_factory.mktemp("customers"))
    home.dbt.symlink_to(parsed_project)
    small = SmallCompany(home)
    for product, category in (("L1", "lamps"), ("L2", "lamps"), ("K1", "chairs")):
        small.has("products", {"product_id": product, "name": product, "category": category})
    small.has("customers", {"customer_id": "A", "segment": "home"},
              {"customer_id": "B", "segment": "home"}, {"customer_id": "C", "segment": "office"},
              {"customer_id": "E"})  # fmt: skip
    small.has("sales", sale(1, "2024-01-02", "A", "L1", 100), sale(2, "2024-01-31", "B", "L1", 50),
              sale(3, "2024-01-31", None, "L1", 10), sale(4, "2024-02-10", "A", "L2", 30),
              sale(5, "2024-02-20", "C", "K1", 20), sale(6, "2024-02-21", "E", "L1", 5, -1),
              sale(7, "2024-03-05", "B", "L2", 80), sale(8, "2024-03-31", "C", "K1", 15),
              sale(9, "2024-03-30", "A", "L1", 10, -1))  # fmt: skip
    return small.build()


def test_a_cohort_is_followed_month_by_month(company: duckdb.DuckDBPyConnection) -> None:
    """A and B are the cohort of January; A is back in February, B in March, when A only returns.
    Wilson for 1 of 2: (0.5 + 3.8415/4 ± 1.96 √(0.125 + 3.8415/16)) / (1 + 3.8415/2), 9.5 to 90.5 %.
    A brought 100 and B 50: 75 each, with a standard deviation of 35.36 and an error of 25."""
    found = rows(
        company,
        "mart_cohort__month",
        "cohort_month::varchar, months_since, customers_at_risk, customers_retained, revenue_home, "
        "revenue_to_date_home, is_complete_month",
    )
    assert found == [
        ("2024-01-01", 0, 2, 2, 150, 150, True), ("2024-01-01", 1, 2, 1, 30, 180, True),
        ("2024-01-01", 2, 2, 1, 70, 250, True), ("2024-02-01", 0, 1, 1, 20, 20, True),
        ("2024-02-01", 1, 1, 1, 15, 35, True),
    ]  # fmt: skip
    (half,) = rows(
        company,
        "mart_cohort__month",
        "retention_pct, retention_low_pct, retention_high_pct",
        "cohort_month = '2024-01-01' and months_since = 1",
    )
    assert half == (pytest.approx(50), pytest.approx(9.453121), pytest.approx(90.546879))
    (first,) = rows(company, "mart_cohort__month", "revenue_per_customer_home, "
                    "revenue_per_customer_low_home, revenue_per_customer_high_home, "
                    "revenue_per_customer_to_date_home",
                    "cohort_month = '2024-01-01' and months_since = 0")  # fmt: skip
    assert first == tuple(map(pytest.approx, (75, 75 - 1.959964 * 25, 75 + 1.959964 * 25, 75)))


def test_who_came_and_went_adds_up_to_the_change(company: duckdb.DuckDBPyConnection) -> None:
    """February, 45 after 160: A stays and brings 70 less, B lapses (-50), C is new (20), E only
    returns (-5), nobody's 10 are gone. March, 85: C stays with 5 less, B is won back (80), A lapses
    by -30 and another -10 for what came back; E's 5 are over."""
    found = rows(
        company,
        "mart_customer_flow__market_month",
        "order_month::varchar, new_customers, retained_customers, won_back_customers, "
        "lapsed_customers, lapsed_pct, change_home, new_home, won_back_home, retained_more_home, "
        "retained_less_home, lapsed_home, returned_only_home, without_customer_home",
    )
    assert found == [
        ("2024-02-01", 1, 1, 0, 1, 50, -115, 20, 0, 0, -70, -50, -5, -10),
        ("2024-03-01", 0, 1, 1, 1, 50, 40, 0, 80, 0, -5, -40, 5, 0),
    ]


def test_concentration_counts_who_bought(company: duckdb.DuckDBPyConnection) -> None:
    """March: B 80 and C 15 of 95, A returned. One of two is the top 1, 10 and 20 %. Gini of 15 and
    80: (2 + 1 - 2 (80 + 2 * 15) / 95) / 2 = 0.342."""
    found = rows(
        company,
        "mart_customer_concentration__market_month",
        "revenue_home, customers, buyers_revenue_home, net_returners, net_returns_home, "
        "without_customer_home, without_customer_pct, top_1_share_pct, top_20_share_pct, "
        "largest_customer_share_pct, gini",
        order="order_month",
    )
    assert found[0][:6] == (160, 2, 150, 0, 0, 10)
    assert found[0][6] == pytest.approx(6.25)
    assert found[2][:6] == (85, 2, 95, 1, -10, 0)
    largest = pytest.approx(8000 / 95)
    assert found[2][6:] == (0, largest, largest, largest, pytest.approx(0.5 * (3 - 220 / 95)))


def test_needs_of_segments_add_up_to_the_market(company: duckdb.DuckDBPyConnection) -> None:
    """The 90 days to 31 March halve to 45: from 16 February, against from 2 January. Home buys
    lamps for 70 after 180, the office chairs for 35 after none, E sends lamps back for 5, nobody's
    10 are gone: 100 after 190. Home came for lamps after 39 days (A) and 34 (B): cycle 36.5."""
    found = rows(
        company,
        "mart_needs__market_segment",
        "customer_segment, category, window_days, revenue_home, revenue_before_home, gained_home, "
        "lost_home, kept_change_home, buyers, buyers_before",
    )
    assert found == [
        ("home", "lamps", 45, 70, 180, 0, -140, 30, 1, 2),
        ("not given", "lamps", 45, -5, 0, 0, 0, -5, 0, 0),
        ("office", "chairs", 45, 35, 0, 35, 0, 0, 1, 0),
        ("without a customer", "lamps", 45, 0, 10, None, None, None, None, None),
    ]  # fmt: skip
    measured = rows(
        company,
        "mart_needs__market_segment",
        "part_of_segment_pct, need_index, contribution_to_growth_pp, repeat_buyers, "
        "purchase_cycle_days, category_cycle_days",
        "customer_segment in ('home', 'office')",
        "customer_segment",
    )
    assert measured == [
        tuple(map(pytest.approx, (100, 100 / 0.65, -11000 / 190, 2, 36.5, 36.5))),
        tuple(map(pytest.approx, (100, 100 / 0.35, 3500 / 190, 1, 40, 40))),
    ]


def test_what_moved_between_our_products(company: duckdb.DuckDBPyConnection) -> None:
    """Lamps over 45 days. A had 100 of L1 and 30 of L2, and sends back 10: all lost. B had 50 of L1
    and has 80 of L2: 50 moved, 30 is more. Nobody's 10 of L1 are gone, E sends back 5."""
    found = rows(
        company,
        "mart_switching__product",
        "product_id, change_home, gained_from_others_home, lost_to_others_home, new_buyers_home, "
        "lost_buyers_home, same_buyers_home, without_customer_home, main_source_product_id, "
        "main_source_home, main_destination_product_id",
    )
    assert found == [
        ("K1", 35, 0, 0, 35, 0, 0, 0, None, None, None),
        ("L1", -175, 0, -50, 0, -110, -5, -10, None, None, "L2"),
        ("L2", 50, 50, 0, 30, -30, 0, 0, "L1", 50, None),
    ]


def test_what_is_ordered_together(small: SmallCompany) -> None:
    """Ten orders, one of which holds four products and is too large. Of nine, L1 is in four, L2 in
    three, both in two: support 22.2 %, lift 2 * 9 / (4 * 3) = 1.5. L3 and L1 are together once. The
    order of last year does not count, nor does what was returned."""
    small.settings["baskets"] = {"minimum_orders": 2, "largest_order": 3}
    baskets = ["L1 L2", "L1 L2", "L1 L3", "L1", "L2", "L3", "L4", "L4", "L4", "L1 L2 L3 L4"]
    small.has("sales", *(sale(n, "2024-06-01", None, product, 5)
              for n, basket in enumerate(baskets) for product in basket.split()),
              *(sale(20 + n, "2023-06-01", None, product, 5)
                for n in (0, 1) for product in ("L1", "L3")),
              sale(0, "2024-06-01", None, "L4", 5, -1), sale(1, "2024-06-01", None, "L4", 5, -1),
              sale(0, "2024-06-01", None, "L1", 5))  # fmt: skip
    found = rows(
        small.build("marts.mart_basket__product_pair"),
        "mart_basket__product_pair",
        "product_id, other_product_id, orders_together, product_orders, other_product_orders, "
        "orders, orders_too_large, support_pct, confidence_pct, other_confidence_pct, lift, "
        "ln(lift_high / lift), ln(lift / lift_low)",
    )
    spread = pytest.approx(1.959964 * (1 / 2 - 1 / 4 - 1 / 3 + 2 / 9) ** 0.5)
    assert found == [
        ("L1", "L2", 2, 4, 3, 9, 1, pytest.approx(200 / 9), 50, pytest.approx(200 / 3),
         pytest.approx(1.5), spread, spread)
    ]  # fmt: skip


def test_large_customers_do_not_stop_the_build(small: SmallCompany) -> None:
    """One brings ten thousand million, another a cent: half as much each, 1.96 such halves around
    it, and nearly all of it is the largest's."""
    small.has("sales", sale(1, "2024-01-02", "A", "L1", 9_999_999_999),
              sale(2, "2024-01-31", "B", "L1", 0.01))  # fmt: skip
    connection = small.build()
    (found,) = rows(connection, "mart_cohort__month", "revenue_per_customer_home, "
                    "revenue_per_customer_high_home / revenue_per_customer_home - 1")  # fmt: skip
    assert found == (pytest.approx(5e9), pytest.approx(1.959964))
    (gini,) = rows(connection, "mart_customer_concentration__market_month", "gini")[0]
    assert gini == pytest.approx(0.5)


def test_an_incomplete_month_and_empty_sales_are_told(small: SmallCompany) -> None:
    """Two markets: the French customer is abroad, and bought in Britain too; that is one customer
    of France. The data ends before the month does."""
    small.has("customers", {"customer_id": "F", "market": "FR"})
    small.has("sales", sale(1, "2024-01-02", "F", "L1", 10, market="FR"),
              sale(2, "2024-01-05", "F", "L1", 20), sale(3, "2024-02-05", "F", "L1", 20),
              sale(4, "2024-02-28", "F", "L1", 20, market="FR"))  # fmt: skip
    connection = small.build()
    assert rows(connection, "mart_cohort__month", "market, is_domestic, months_since, "
                "customers_at_risk, customers_retained, revenue_home, is_complete_month, "
                "revenue_per_customer_low_home") == [
        ("FR", False, 0, 1, 1, 30, True, None), ("FR", False, 1, 1, 1, 40, False, None)
    ]  # fmt: skip
    assert rows(connection, "mart_customer_flow__market_month", "market, retained_customers, "
                "is_complete_month") == [("FR", 1, False), ("GB", 1, False)]  # fmt: skip


def test_a_customer_without_market_and_orders_is_of_the_unknown_market(small: SmallCompany) -> None:
    """The mart has no row without a market: one such customer held every publication back."""
    small.has("customers", {"customer_id": "A", "segment": "home"}, {"customer_id": "N"})
    small.has("sales", sale(1, "2024-01-02", "A", "L1", 100))
    connection = small.build()
    found = rows(connection, "mart_customer_value__customer", "customer_id, market, customer_class")
    assert found[1] == ("N", "ZZ", "prospect") and found[0][:2] == ("A", "GB")
    markets = connection.execute("select market, is_unknown from core.dim_market order by 1")
    assert markets.fetchall() == [("GB", False), ("ZZ", True)]

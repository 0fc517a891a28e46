"""Every question of the schema `ask` is answered from the published demo, as documented."""

import json
import re
from decimal import Decimal

import pytest

from orchestration.candidate import connect_read_only
from orchestration.question_docs import render
from orchestration.questions import questions
from tests.conftest import ROOT, Published, tradewind

pytestmark = pytest.mark.xdist_group("demo")
# the demo company's market data has one edition and no outlets; test_restatements and
# test_distribution ask these
NOTHING_TO_TELL = {"what_was_restated", "where_are_we_sold"}


@pytest.mark.parametrize("name", list(questions()))
def test_every_question_has_an_answer_on_the_demo(demo_warehouse: Published, name: str) -> None:
    rows = demo_warehouse.rows(questions()[name].example)
    assert rows or name in NOTHING_TO_TELL, "the example should show something"


def test_the_page_shows_the_answers_of_the_demo(demo_warehouse: Published) -> None:
    connection = connect_read_only(demo_warehouse.warehouse)
    assert (ROOT / "docs/questions.md").read_text() == render(connection), "run `make docs`"


def test_an_answer_is_that_of_the_mart(demo_warehouse: Published) -> None:
    asked = demo_warehouse.rows(
        "select period_start, category, value_share_pct from ask.market_share('de') "
        "where period = 'month' order by all"
    )
    assert asked == demo_warehouse.rows(
        "select period_start, category, value_share_pct "
        "from marts.mart_market_share__market_category_period as m where market = 'DE' "
        "and period = 'month' and value_share_pct is not null and period_start = ("
        "select max(period_start) from marts.mart_market_share__market_category_period as n "
        "where n.market = m.market and n.category = m.category and n.period = 'month' "
        "and n.value_share_pct is not null) order by all"
    )
    assert asked


def test_who_undercuts_us_agrees_with_the_price_position(demo_warehouse: Published) -> None:
    rows = demo_warehouse.rows(
        """
        select lowest.their_price_home, positions.rival_lowest_home, lowest.under_us_pct,
            -positions.gap_to_lowest_pct / (100 + positions.gap_to_lowest_pct) * -100
        from ask.price_position('DE') as positions
        inner join (
            select product_id, market, min(their_price_home) as their_price_home,
                max(under_us_pct) as under_us_pct
            from ask.who_undercuts_us('DE', 5) group by all
        ) as lowest using (product_id, market)
        """
    )
    assert rows
    for theirs, lowest, percent, expected in rows:
        assert theirs == lowest
        assert percent == pytest.approx(expected)
        assert percent >= 5


def test_revenue_by_month_is_all_revenue(demo_warehouse: Published) -> None:
    asked = demo_warehouse.value("select sum(net_amount_home) from ask.revenue_by_month()")
    assert asked == demo_warehouse.value("select sum(net_amount_home) from core.fct_sales")
    assert isinstance(asked, Decimal)


def test_real_and_lapsed_customers_are_those_of_the_mart(demo_warehouse: Published) -> None:
    for question, name in (("who_are_real_customers", "real customer"), ("who_lapses", "lapsed")):
        asked = demo_warehouse.rows(f"select customer_id from ask.{question}(null, 100000)")
        known = demo_warehouse.rows(
            "select customer_id from marts.mart_customer_value__customer "
            f"where customer_class = '{name}'"
        )
        assert len(asked) > 1000
        assert sorted(asked) == sorted(known)


def test_the_command_line_lists_and_asks(demo_warehouse: Published) -> None:
    place = ("--home", demo_warehouse.home, "--company", demo_warehouse.company)
    listed = tradewind("ask", *place)
    assert listed.returncode == 0
    assert "who_undercuts_us(market, percent)" in listed.stdout
    asked = tradewind("ask", "who_leads", "DE", "firms=1", "--json", *place)
    assert asked.returncode == 0, asked.stderr
    assert {row["place"] for row in json.loads(asked.stdout)} == {1}
    drawn = tradewind("ask", "market_share", "DE", *place)
    assert drawn.stdout.startswith(questions()["market_share"].asks)
    assert not re.search(r"\d\.\d{3}", drawn.stdout), "a table is rounded to be read"
    exact = tradewind("ask", "market_share", "DE", "--format", "csv", *place)
    assert re.search(r"\d\.\d{6}", exact.stdout)
    wrong = tradewind("ask", "who_lead", *place)
    assert wrong.returncode == 2
    assert "who_leads" in wrong.stderr

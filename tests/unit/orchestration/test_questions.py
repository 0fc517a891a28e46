"""How a question is put: names, parameters, and what is told where they are wrong."""

import pytest

from ingest.specification import ENTITIES
from orchestration.questions import UnknownQuestion, query, questions

MINIMUM = 25


def test_there_are_enough_questions_and_each_is_explained() -> None:
    known = questions()
    assert len(known) >= MINIMUM
    for question in known.values():
        assert question.asks.endswith("?")
        assert question.answer.startswith("One row per ") and question.answer.count(". ") == 0
        assert question.example.startswith(f"from ask.{question.name}(")
        assert set(question.needs) <= set(ENTITIES)


def test_values_are_taken_in_order_or_by_name_and_quoted() -> None:
    assert query("market_share", []) == "from ask.market_share()"
    assert query("who_undercuts_us", ["DE", "5"]) == (
        "from ask.who_undercuts_us(market := 'DE', percent := '5')"
    )
    assert query("share_trend", ["category=O'x"]) == "from ask.share_trend(category := 'O''x')"
    assert query("share_trend", ["null", "a"]) == (
        "from ask.share_trend(market := null, category := 'a')"
    )


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("market_shares", [], "market_share"),
        ("market_share", ["DE", "x"], "market_share(market)"),
        ("market_share", ["land=DE"], "market_share(market)"),
        ("market_share", ["DE", "market=FR"], "market_share(market)"),
        ("how_fresh", ["x"], "without parameters"),
    ],
)
def test_a_wrong_question_is_answered_with_the_right_one(
    name: str, arguments: list[str], expected: str
) -> None:
    with pytest.raises(UnknownQuestion) as caught:
        query(name, arguments)
    assert expected in caught.value.expected


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("market_share", ["Germany"], "an ISO 3166-1 alpha-2 code such as DE"),
        ("why_did_share_move", ["DE", "month=September"], "a day of the month such as 2026-09-01"),
        ("market_share_as_known", ["DE", "2026-02-30"], "a day such as 2026-03-01"),
        ("who_leads", ["DE", "-1"], "a whole number"),
        ("who_undercuts_us", ["DE", "a lot"], "a number such as 5 or 2.5"),
        (
            "why_did_revenue_move",
            ["DE", "null", "budget"],
            "'month before', 'year before' or 'plan'",
        ),
        ("why_did_share_move", ["measure=price"], "value or volume"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_what_could(
    name: str, arguments: list[str], expected: str
) -> None:
    with pytest.raises(UnknownQuestion, match="is no value for") as caught:
        query(name, arguments)
    assert expected in caught.value.expected


def test_values_of_every_kind_are_taken() -> None:
    asked = query("why_did_share_move", ["zz", "2026-09-01", "year before", "volume"])
    assert asked.endswith("compared_with := 'year before', measure := 'volume')")
    assert "market := 'null'" not in query("who_undercuts_us", ["null", "2.5"])


def test_defaults_and_examples_are_values_that_can_be() -> None:
    """Every default can be given by hand too."""
    for question in questions().values():
        query(question.name, [value.strip("'") for value in question.parameters.values()])

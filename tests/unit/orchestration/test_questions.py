"""How a question is put: names, parameters, and what is told where they are wrong."""

import pytest

from orchestration.questions import UnknownQuestion, query, questions

MINIMUM = 25


def test_there_are_enough_questions_and_each_is_explained() -> None:
    known = questions()
    assert len(known) >= MINIMUM
    for question in known.values():
        assert question.asks.endswith("?")
        assert question.answer.startswith("One row per ") and question.answer.count(". ") == 0
        assert question.example.startswith(f"from ask.{question.name}(")


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

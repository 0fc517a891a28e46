"""Matching by numbers and titles, on cases worked out by hand."""

import pytest

from analytics.matching import gtin, match, titles
from analytics.matching.match import Item


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4006381333931", "04006381333931"),
        ("4 006381-333931", "04006381333931"),
        ("036000291452", "00036000291452"),
        ("96385074", "00000096385074"),
        ("4006381333932", None),
        ("123", None),
        ("00000000", None),
        ("", None),
        (None, None),
        ("\u0664006381333931", None),
    ],
)
def test_forms_of_a_gtin_are_one_number(text: str | None, number: str | None) -> None:
    assert gtin.normalise(text) == number


@pytest.mark.parametrize(
    ("text", "content", "unit"),
    [
        ("Cola 6 x 330 ml", 1.98, "l"),
        ("Cola 6\u00d7330ML", 1.98, "l"),
        ("Cola 1,98 l", 1.98, "l"),
        ("Cola 198 cl", 1.98, "l"),
        ("Rice 500 g pack of 4", 2.0, "kg"),
        ("Screws, 200 pcs", 200.0, "piece"),
        ("Socks pack of 3", 3.0, "piece"),
        ("Model 330 lamp", None, None),
    ],
)
def test_a_pack_is_read(text: str, content: float | None, unit: str | None) -> None:
    title = titles.read(text)
    assert (title.content, title.unit) == (content, unit)


OWN = [
    Item("cola", "Fizz Cola Classic 330 ml", "Fizz", gtin="4006381333931"),
    Item("drill", "Bolt Hammer Drill HD200", "Bolt", mpn="HD-200"),
    Item("lamp", "Bright Desk Lamp Oslo", "Bright"),
]


def test_numbers_go_before_titles() -> None:
    offers = [
        Item("a", "Bright Desk Lamp Oslo", gtin="04006381333931"),
        Item("b", "anything", "BOLT", mpn="hd 200"),
        Item("c", "anything", "Other", mpn="hd 200"),
    ]
    found = {m.offer: (m.product, m.method) for m in match.match(OWN, offers)}
    assert found == {"a": ("cola", "gtin"), "b": ("drill", "mpn")}


def test_titles_find_the_product_and_its_packs() -> None:
    offers = [
        Item("a", "FIZZ classic cola 6 x 330 ml", "Fizz"),
        Item("b", "bright desk lamp oslo"),
        Item("c", "garden hose"),
        Item("d", "   "),
    ]
    found = {m.offer: m for m in match.match(OWN, offers)}
    assert {key: m.product for key, m in found.items()} == {"a": "cola", "b": "lamp"}
    assert found["a"].pack_coefficient == 6.0
    assert found["b"].confidence > 0.5 and found["b"].pack_coefficient is None


def test_kinds_follow_the_brand() -> None:
    offers = [
        Item("a", "Bright Desk Lamp Oslo", "Bright"),
        Item("b", "Desk Lamp Oslo", "Gloom"),
        Item("c", "Desk Lamp Oslo", "Shopbrand"),
    ]
    found = {m.offer: m.kind for m in match.match(OWN, offers, ["shopbrand"])}
    assert found["a"] in ("exact", "equivalent")
    assert (found["b"], found["c"]) == ("substitute", "private_label")


def test_nothing_matches_nothing() -> None:
    assert match.match([], [Item("a", "Lamp")]) == []
    assert match.match(OWN, []) == []
    assert match.match(OWN, [Item("a", "???"), Item("b", "zzz")]) == []


def test_a_price_far_from_its_group_is_found() -> None:
    assert match.is_far([10, 11, 99, 9], 4) == [False, False, True, False]
    assert match.is_far([10, 99], 4) == [False, False]
    assert match.is_far([0, 0, 0], 4) == [False, False, False]


def test_a_confidence_is_a_probability_that_grows_with_the_likeness() -> None:
    same = Item("same", "Bright Desk Lamp Oslo", "Bright")
    near = Item("near", "Desk Lamp", "Bright")
    found = {m.offer: m.confidence for m in match.match(OWN, [same, near])}
    assert 0 <= found["near"] < found["same"] <= 1

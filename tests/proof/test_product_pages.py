"""Real product pages: how well they are read, and that no damage to them is an error."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.pages import parse_page
from tests.proof import page_scores

# a little under what is measured
JUDGED = {"price": 0.90, "currency": 0.93, "availability": 0.96, "sku": 0.82, "gtin": 0.88,
          "brand": 0.79}  # fmt: skip
DAMAGED = 12


def test_fields_are_found_on_the_judging_half(data: Path) -> None:
    found = page_scores.measure(data, "judging")
    assert {field: score.f1 for field, score in found.items() if score.f1 < JUDGED[field]} == {}


def test_halves_are_told_by_the_name_alone() -> None:
    assert [page_scores.half_of(name) for name in ("a", "b", "c")] == [
        "judging", "judging", "development"
    ]  # fmt: skip


def damaged(bodies: list[bytes]) -> Iterator[bytes]:
    """Pages cut off, with bytes changed, with bytes left out, and two in one."""
    chance = random.Random(20_240_601)
    for number, body in enumerate(bodies):
        place = chance.randrange(len(body))
        yield body[:place]
        noise = bytearray(body)
        for _ in range(len(noise) // 400):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        yield bytes(noise)
        yield body[:place] + body[place + chance.randrange(4000) :]
        yield body[: len(body) // 2] + bodies[number - 1][place % len(bodies[number - 1]) :]


@pytest.fixture(scope="module")
def bodies(data: Path) -> list[bytes]:
    return [body for _, body in page_scores.pages(data, "development")]


def test_no_damage_to_a_page_is_an_error(bodies: list[bytes]) -> None:
    for body in damaged(bodies[:DAMAGED]):
        found = parse_page(body, "https://shop.example.com/p/1", "GB", {"price": ".price"})
        assert found.price is None or found.price > 0
        assert (found.price is None) == (found.currency is None)
        assert found.reason or found.price


def test_a_page_says_the_same_however_often_it_is_read(bodies: list[bytes]) -> None:
    url = "https://shop.example.com/p/1"
    assert [parse_page(body, url) for body in bodies[:3]] == [
        parse_page(body, url) for body in bodies[:3]
    ]

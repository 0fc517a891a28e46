"""Values in SQL text come back from DuckDB as they went in."""

from datetime import date, datetime
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sql import filled, literal, quoted


def _back(value: object) -> object:
    row = duckdb.execute(f"select {literal(value)}").fetchone()  # type: ignore[arg-type]
    return row[0] if row else None


@pytest.mark.parametrize(
    "value",
    [None, True, 7, -3, Decimal("1.25"), date(2024, 2, 29), datetime(2024, 2, 29, 1, 2, 3), ["a"]],
)
def test_values(value: object) -> None:
    assert _back(value) == value


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8")))
def test_texts(text: str) -> None:
    assert _back(text) == text


def test_names() -> None:
    assert quoted('a "b"') == '"a ""b"""'


def test_places_are_filled_in_order() -> None:
    assert filled("a = ? and b = ?", "it's ?", 2) == "a = 'it''s ?' and b = 2"
    with pytest.raises(ValueError, match="1 places for 2 values"):
        filled("a = ?", 1, 2)

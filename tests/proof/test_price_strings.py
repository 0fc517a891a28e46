"""Price strings that people read, held against price-parser on the same strings."""

import csv
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import duckdb
import pytest
from price_parser import Price

from ingest.functions import register
from ingest.prices import read_price

Row = dict[str, str]


@pytest.fixture(scope="module")
def rows(data: Path) -> list[Row]:
    file = data / "price_strings" / "price_strings.csv"
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def wanted(row: Row) -> tuple[Decimal | None, str | None]:
    amount = row["expected_amount"]
    return Decimal(amount) if amount else None, row["expected_currency"] or None


def right(rows: list[Row], ours: bool) -> Counter[str]:
    """How many strings of each list are read as the person read them."""
    found: Counter[str] = Counter()
    for row in rows:
        text, beside = row["price_raw"], row["currency_raw"] or None
        if ours:
            price = read_price(text, beside)
            read = price.amount, price.currency
        else:
            theirs = Price.fromstring(text, beside)
            read = theirs.amount, theirs.currency or None
        found[row["list"]] += read == wanted(row)
    return found


def test_no_list_is_read_worse_than_by_price_parser(rows: list[Row]) -> None:
    ours, theirs = right(rows, ours=True), right(rows, ours=False)
    lists = {row["list"] for row in rows}
    assert {name for name in lists if ours[name] < theirs[name]} == set()
    # those that price-parser itself gets wrong
    failing = {name for name in lists if "XFAIL" in name}
    assert {name for name in failing if ours[name] <= theirs[name]} == set()
    assert sum(ours.values()) >= 890


def test_sql_reads_as_the_command_does(rows: list[Row]) -> None:
    connection = duckdb.connect()
    register(connection)
    texts = [row["price_raw"] for row in rows]
    found = connection.execute(
        "select parse_price(text), price_currency(text) from (select unnest(?) as text)", [texts]
    ).fetchall()
    cents = Decimal("0.0001")
    for text, (amount, currency) in zip(texts, found, strict=True):
        price = read_price(text)
        rounded = None if price.amount is None else price.amount.quantize(cents, ROUND_HALF_UP)
        assert (amount, currency) == (rounded, price.currency), text

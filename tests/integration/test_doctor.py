"""`tradewind doctor`: what is wrong with a company, told without building, and its exit codes."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestration.cli import main
from tests.integration.conftest import TINY, Tiny, write_tiny


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    """The tiny company, never run."""
    return write_tiny(tmp_path)


def _doctor(tiny: Tiny) -> Result:
    place = ["--company", str(tiny.folder / "company.yml"), "--home", str(tiny.home.root)]
    examined = CliRunner().invoke(main, ["doctor", *place])
    assert not tiny.home.root.exists()
    return examined


def test_nothing_wrong_ends_with_0(tiny: Tiny) -> None:
    examined = _doctor(tiny)
    place = f"--company {tiny.folder / 'company.yml'} --home {tiny.home.root}"
    said = f"No problem found. Next: `tradewind run {place}`."
    assert (examined.exit_code, said in examined.output) == (0, True)


def test_a_source_that_is_not_there_ends_with_3_and_is_not_blamed_for_more(tiny: Tiny) -> None:
    (tiny.folder / "rates.csv").unlink()
    examined = _doctor(tiny)
    assert examined.exit_code == 3
    assert "rates.csv does not exist" in examined.output
    assert "no exchange rate" not in examined.output


def test_each_file_is_held_against_the_limit_by_itself_as_in_a_run(tiny: Tiny) -> None:
    quarantined = TINY.replace("orders/*.csv", "orders/*.csv\n    duplicates: quarantine")
    tiny.write("company.yml", quarantined)
    good = [f"Z{n},2024-09-01 10:00:00,GB,C1,P1,1,10.50,GBP" for n in range(9)]
    tiny.orders("2024-09", *good, *good[:3] * 7)
    assert "No problem found" in _doctor(tiny).output
    tiny.orders("2024-09", "Z0,2024-09-01 10:00:00,XX,C1,P1,1,10.50,GBP")
    examined = _doctor(tiny)
    assert examined.exit_code == 2
    assert re.search(r"1 of 1 sampled rows of .*orders/2024-09.csv break", examined.output)


@pytest.mark.parametrize(
    ("line", "step"),
    [
        (b"A7,2024-01-07,GB,C\xfc,P1,1,10.50,GBP\n", "set `encoding:` of the source"),
        (b"A7,2024-01-07,GB\n", "correct `delimiter:` and `quote:` of the source"),
    ],
)
def test_the_next_step_is_that_of_a_run(tiny: Tiny, line: bytes, step: str) -> None:
    tiny.orders("2024-02", "")
    file = tiny.folder / "orders/2024-02.csv"
    file.write_bytes(file.read_bytes().rstrip() + b"\n" + line)
    said = _doctor(tiny).output
    assert step in said
    assert ".." not in said.split("Problem:")[1]


def test_rows_without_a_rate_are_counted_whatever_the_last_day_has(tiny: Tiny) -> None:
    tiny.write("rates.csv", "day,currency,rate", "2024-01-04,GBP,0.86")
    examined = _doctor(tiny)
    said = "no exchange rate from EUR to GBP for 2 of 6 sampled rows of sales in orders (33.3 %)"
    assert (examined.exit_code, f"Warning: {said}" in examined.output) == (0, True)
    tiny.write("company.yml", TINY.replace("quarantine_limit_pct: 40", "quarantine_limit_pct: 10"))
    examined = _doctor(tiny)
    assert (examined.exit_code, f"Problem: {said}" in examined.output) == (2, True)


def test_all_that_is_wrong_with_a_mapping_is_told_at_once(tiny: Tiny) -> None:
    wrong = TINY.replace("customer_id: customer_id,", "customer_id: (customer_id,")
    wrong = wrong.replace("quantity: quantity", "quantity: qty")
    wrong = wrong.replace("unit_price: unit_price", "unit_price: case when unit_price then 1")
    tiny.write("company.yml", wrong.replace("market: market,", "market: country_cod(market),", 1))
    said = _doctor(tiny).output
    for found in (
        "'(customer_id', which DuckDB cannot read",
        "missing column: 'qty' (the nearest is 'quantity')",
        "'case when unit_price then 1', which DuckDB cannot read",
        "the function country_cod, which is not known",
    ):
        assert said.count(found) == 1, said
    assert "company.yml:13: sources.orders.columns.quantity" in said


def test_a_layout_that_no_file_has_is_checked_too(tiny: Tiny) -> None:
    mapped = TINY[TINY.index("    columns:") : TINY.index("  - name: rates")]
    mapped = mapped.replace("\n", "\n  ").replace("    columns:", "      - columns:", 1).rstrip()
    second = mapped.replace("quantity: quantity", "quantity: (select 1)")
    text = TINY.replace(TINY[TINY.index("    columns:") : TINY.index("  - name: rates")], "")
    layouts = f"    layouts:\n{mapped}\n{second}\n  - name: rates"
    tiny.write("company.yml", text.replace("  - name: rates", layouts))
    said = _doctor(tiny).output
    assert "a subquery in an expression" in said
    lines = (tiny.folder / "company.yml").read_text().splitlines()
    [line] = [number for number, each in enumerate(lines, 1) if "(select 1)" in each]
    assert f"company.yml:{line}: " in said


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("quantity: quantity", "quantity: qty", "missing column: 'qty'"),
        ("quantity: quantity", "quantity: cast(quantity", "DuckDB cannot read"),
        ("orders/*.csv", "order/*.csv", "no file lies at order/*.csv"),
        ("currency: currency}", "currency: \"'SEK'\"}", "no exchange rate from SEK to GBP"),
        ("unit_price: unit_price", "unit_price: \"'?'\"", "does not fit unit_price"),
        ("unit_price: unit_price", "unit_price: \"quantity || '?'\"", "6 of 6 sampled rows"),
    ],
)
def test_what_has_to_be_mended_ends_with_2(tiny: Tiny, right: str, wrong: str, said: str) -> None:
    (tiny.folder / "market.csv").unlink()
    tiny.write("company.yml", TINY.replace(right, wrong, 1))
    examined = _doctor(tiny)
    assert (examined.exit_code, said in examined.output) == (2, True), examined.output

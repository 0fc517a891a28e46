"""The canonical entities: complete, consistent, and what the documentation says."""

import re
from pathlib import Path

import duckdb
import pytest

from ingest import specification
from ingest.functions import register
from ingest.specification import ENTITIES, SpecificationError

ROOT = Path(__file__).parents[3]
NAMES = (
    "sales products customers competitor_prices product_matches market_sales fx_rates promotions"
    " plans terms reviews market_context events initiatives"
)
MINIMAL = """
thing:
  description: A thing.
  grain: One row per thing.
  key: [thing_id]
  columns:
    thing_id: {type: text, required: true, description: "Its number."}
"""


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    register(connection)
    for entity in ENTITIES.values():
        columns = ", ".join(f"{column.name} {column.type}" for column in entity.columns)
        connection.execute(f"create table {entity.name} ({columns})")
    return connection


def test_all_entities_of_the_design_are_there() -> None:
    assert list(ENTITIES) == NAMES.split()


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=lambda entity: entity.name)
def test_every_rule_can_be_computed_and_is_true_or_null_for_nulls(
    connection: duckdb.DuckDBPyConnection, entity: specification.Entity
) -> None:
    about_presence = ("_or_alternative", "percent_or_amount")
    for rule in entity.rules:
        nulls = ", ".join(f"cast(null as {each.type}) as {each.name}" for each in entity.columns)
        result = connection.execute(f"select {rule.sql} from (select {nulls})").fetchone()
        if not rule.name.endswith(about_presence):
            assert result in ((None,), (True,)), rule.name


# what breaks a rule: by its name, or by the ending of its name, {column} being what stands before
BREAKING = {
    "amounts_have_currency": "1 as {amount}",
    "amounts_in_range": "10000000000 as list_price",
    "cost_in_range": "1000000 as quantity, 10000 as unit_cost",
    "depth_is_percent": "101 as depth_pct",
    "ends_after_start": "date '2026-02-02' as starts_on, date '2026-02-01' as ends_on",
    "buyers_not_negative": "-1 as buyers, 1 as buyers_category_units, 1 as buyers_category_value",
    "percent_is_percent": "-101 as percent",
    "percent_or_amount": "'UK' as market",
    "period_start_is_first_day": "date '2026-02-02' as period_start, 'quarter' as period",
    "rating_within_scale": "6 as rating, 5 as rating_scale",
    "retired_after_launch": "date '2026-02-02' as launched_on, date '2026-02-01' as retired_on",
    "valid_to_after_from": "date '2026-02-02' as valid_from, date '2026-02-02' as valid_to",
    "sample_is_named": "'outlets' as sample_of",
    "universe_is_of_a_sample": "10 as universe_size",
    "value_range_in_order": "2 as value_low, 1 as value_high",
}
BREAKING_ENDINGS = {
    "_accepted": "'nonsense' as {column}",
    "_in_range": "0 as {column}",
    "_is_country": "'UK' as {column}",
    "_is_currency": "'gbp' as {column}",
    "_is_probability": "1.5 as {column}",
    "_not_blank": "' ' as {column}",
    "_not_negative": "-1 as {column}",
    "_or_alternative": "null as {column}",
    "_plausible": "timestamp '0209-01-01' as {column}",
    "_positive": "0 as {column}",
}


def breaking(rule: specification.Rule) -> str:
    """The columns of a row that breaks a rule."""
    if rule.name in BREAKING:
        amounts = re.findall(r"(\w+) is null", rule.sql)
        return BREAKING[rule.name].format(amount=amounts[0] if amounts else "")
    ending = next(ending for ending in BREAKING_ENDINGS if rule.name.endswith(ending))
    return BREAKING_ENDINGS[ending].format(column=rule.name.removesuffix(ending))


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=lambda entity: entity.name)
def test_a_bad_row_breaks_its_rule(
    connection: duckdb.DuckDBPyConnection, entity: specification.Entity
) -> None:
    for rule in entity.rules:
        given = f"select * from {entity.name} union all by name select {breaking(rule)}"
        seen = connection.execute(f"select {rule.sql} from ({given})").fetchone()
        assert (rule.name, seen) == (rule.name, (False,))


@pytest.mark.parametrize(
    ("entity", "row", "broken"),
    [
        ("sales", "-1 as unit_price, 'fee' as line_kind", "unit_price_not_negative"),
        ("fx_rates", "'nan'::double as per_eur", "per_eur_positive"),
        ("promotions", "-1 as depth_pct", "depth_is_percent"),
    ],
)
def test_a_rule_is_broken_at_its_other_end_too(
    connection: duckdb.DuckDBPyConnection, entity: str, row: str, broken: str
) -> None:
    (rule,) = (rule for rule in ENTITIES[entity].rules if rule.name == broken)
    given = f"select * from {entity} union all by name select {row}"
    assert connection.execute(f"select {rule.sql} from ({given})").fetchone() == (False,)


def test_good_rows_break_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    row = (
        "'1' as order_id, timestamp '2026-01-01' as ordered_at, 'ZZ' as market, 'A' as product_id,"
        " -1 as quantity, -5 as unit_price, 'DEM' as currency, 'adjustment' as line_kind"
    )
    good = " and ".join(f"coalesce({rule.sql}, true)" for rule in ENTITIES["sales"].rules)
    given = f"select * from sales union all by name select {row}"
    assert connection.execute(f"select {good} from ({given})").fetchone() == (True,)


def test_every_column_and_rule_explains_itself() -> None:
    for entity in ENTITIES.values():
        assert entity.grain.startswith("One row per ")
        assert all(column.description.endswith(".") for column in entity.columns)
        assert all("must" in rule.reason for rule in entity.rules)


def test_numbers_have_a_unit() -> None:
    for entity in ENTITIES.values():
        for column in entity.columns:
            assert column.unit or column.type in ("VARCHAR", "DATE", "BOOLEAN"), column.name


def test_the_documentation_is_up_to_date() -> None:
    page = (ROOT / "docs" / "entities.md").read_text(encoding="utf-8")
    assert page == specification.to_markdown(), (
        "run: python -m ingest.specification > docs/entities.md"
    )


def test_a_minimal_specification_is_read() -> None:
    (entity,) = specification.parse(MINIMAL).values()
    assert entity.required == entity.key == ("thing_id",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("type: text", "type: txt"),
        ("required: true", "requird: true"),
        ("key: [thing_id]", "key: [thing]"),
        ("type: text", "type: text, codes: planet"),
        ("type: text", "type: text, accepted: [a], default: b"),
        ("type: text", "type: money"),
    ],
)
def test_a_contradiction_in_the_specification_is_refused(old: str, new: str) -> None:
    with pytest.raises(SpecificationError):
        specification.parse(MINIMAL.replace(old, new))

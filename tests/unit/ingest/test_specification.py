"""The canonical entities: complete, consistent, and what the documentation says."""

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


@pytest.mark.parametrize(
    ("entity", "row", "broken"),
    [
        ("sales", "-1 as unit_price, 'fee' as line_kind", "unit_price_not_negative"),
        ("sales", "-1 as unit_price", "unit_price_not_negative"),
        ("sales", "'UK' as market", "market_is_country"),
        ("sales", "'gbp' as currency", "currency_is_currency"),
        ("sales", "' ' as order_id", "order_id_not_blank"),
        ("sales", "'gift' as line_kind", "line_kind_accepted"),
        ("sales", "timestamp '0209-01-01' as ordered_at", "ordered_at_plausible"),
        ("products", "1 as unit_cost", "amounts_have_currency"),
        ("fx_rates", "date 'infinity' as rate_date", "rate_date_plausible"),
        ("market_sales", "date '0001-01-01' as period_start", "period_start_plausible"),
        ("plans", "date '9999-01-01' as period_start", "period_start_plausible"),
        ("competitor_prices", "0 as price", "price_positive"),
        ("fx_rates", "'nan'::double as per_eur", "per_eur_positive"),
        ("fx_rates", "'USD' as currency", "per_reporting_unit_or_alternative"),
        ("terms", "1 as percent", "customer_id_or_alternative"),
        ("market_sales", "date '2026-02-02' as period_start, 'quarter' as period",
         "period_start_is_first_day"),
        ("product_matches", "1.5 as confidence", "confidence_is_probability"),
        ("reviews", "6 as rating, 5 as rating_scale", "rating_within_scale"),
        ("promotions", "date '2026-02-02' as starts_on, date '2026-02-01' as ends_on",
         "ends_after_start"),
    ],
)  # fmt: skip
def test_a_bad_row_breaks_its_rule(
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

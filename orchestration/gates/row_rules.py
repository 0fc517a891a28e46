"""Row rules ran while loading; this tells how many rows each set aside, and shows a few."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ingest.specification import ENTITIES
from orchestration.gates.results import SAMPLE_ROWS, CheckResult
from orchestration.words import counted

if TYPE_CHECKING:
    import duckdb

_SET_ASIDE = f"""
select entity, rule, any_value(reason), count(*),
    list({{source: source, delivery: delivery_id, row: row_number, value: raw_row}}
        order by delivery_id, row_number)[1:{SAMPLE_ROWS}]
from quarantine.rows
where delivery_id in (select delivery_id from audit.deliveries where run_id = ?)
group by entity, rule
order by entity, rule
"""


_DELIVERED = "select distinct entity from audit.deliveries where run_id = ? order by entity"


def results(connection: "duckdb.DuckDBPyConnection", run_id: str) -> list[CheckResult]:
    """One result a rule of each entity that this run loaded deliveries of.

    A broken one warns only: such rows are kept out of the figures already, and a delivery with
    too many of them was refused as a whole.
    """
    rows = connection.execute(_SET_ASIDE, [run_id]).fetchall()
    broken = [
        CheckResult(
            name=f"row_rule.{rule}",
            table=f"raw.{entity}",
            kind="row_rule",
            is_passed=False,
            severity="warn",
            observed=f"{counted(count, 'row')} set aside",
            expected=reason,
            failing_rows=count,
            sample=sample,
        )
        for entity, rule, reason, count, sample in rows
    ]
    delivered = [entity for (entity,) in connection.execute(_DELIVERED, [run_id]).fetchall()]
    return broken + _kept(delivered, {(entity, rule) for entity, rule, *_ in rows})


def _kept(entities: Iterable[str], broken: set[tuple[str, str]]) -> list[CheckResult]:
    """The rules that every row of some entities kept."""
    return [
        CheckResult(
            name=f"row_rule.{rule}",
            table=f"raw.{entity}",
            kind="row_rule",
            is_passed=True,
            severity="warn",
            observed="0 rows set aside",
            expected=reason,
        )
        for entity in entities
        for rule, reason in _rules(entity)
        if (entity, rule) not in broken
    ]


def _rules(entity: str) -> list[tuple[str, str]]:
    """Name and meaning of the rules that every delivery of an entity is put to."""
    specified = ENTITIES[entity]
    required = [(f"{name}_required", f"{name} has a value") for name in specified.required]
    return required + [(rule.name, rule.reason) for rule in specified.rules]

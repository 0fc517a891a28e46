"""The raw layer holds what sources fill and shows every canonical column."""

from pathlib import Path

from ingest.specification import ENTITIES, LINEAGE_COLUMNS
from tests.integration.workbench import COLUMNS, HEADER, Workbench, line


def _columns(bench: Workbench, table: str) -> list[str]:
    return [name for (name,) in bench.rows(f"select name from pragma_table_info('{table}')")]


def test_only_columns_that_a_source_fills_are_stored(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("1.csv", line())
    bench.run()
    mapped = [row.split(":")[0] for row in COLUMNS.split("\n") if row]
    assert sorted(_columns(bench, "stored.sales")) == sorted([*mapped, *LINEAGE_COLUMNS])


def test_every_canonical_column_is_shown_with_its_default(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("1.csv", line())
    bench.run()
    names = [column.name for column in ENTITIES["sales"].columns]
    assert _columns(bench, "raw.sales") == [*names, "_source", *LINEAGE_COLUMNS]
    assert bench.rows("select line_kind, discount_amount, channel, _source from raw.sales") == [
        ("product", None, None, "shop")
    ]


def test_a_column_that_is_mapped_later_has_its_default_in_rows_of_before(tmp_path: Path) -> None:
    layouts = (
        "layouts:\n"
        "  - columns: {" + ", ".join(COLUMNS.strip().split("\n")) + ", line_kind: kind}\n"
        "  - columns: {" + ", ".join(COLUMNS.strip().split("\n")) + "}"
    )
    bench = Workbench.of(tmp_path, options=layouts)
    bench.put("1.csv", line("1"))
    bench.run()
    bench.put("2.csv", line("2") + ",freight", header=HEADER + ",kind")
    bench.run()
    shown = bench.rows("select order_id, line_kind from raw.sales order by order_id")
    assert shown == [("1", "product"), ("2", "freight")]

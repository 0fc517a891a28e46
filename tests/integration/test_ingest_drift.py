"""Schema drift: what changed in a source's columns is told before anything is built."""

from pathlib import Path

import pytest

from ingest import drift
from ingest.errors import DeliveryRefused
from tests.integration.workbench import COLUMNS, HEADER, Workbench, line


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench.of(tmp_path)
    bench.put("1.csv", line("1") + ",note", line("2") + ",other", header=HEADER + ",remark")
    bench.run()
    return bench


def _report(bench: Workbench) -> drift.DriftReport:
    return drift.check(bench.source, bench.company, bench.home)


def test_the_first_load_accepts_the_columns(bench: Workbench) -> None:
    schema = drift.accepted(bench.home, bench.source, "1")
    assert schema == {
        "order": "integer", "when": "timestamp", "country": "text", "customer": "text",
        "product": "text", "qty": "integer", "price": "decimal", "remark": "text",
    }  # fmt: skip
    assert _report(bench).changes == ()


def test_a_new_column_follows_the_policy(bench: Workbench) -> None:
    bench.put("2.csv", line("3") + ",note,x", header=HEADER + ",remark,extra")
    (change,) = _report(bench).new
    assert change.column == "extra"
    assert not change.fails
    assert bench.run().warnings == ["new column 'extra' (holds values of kind text)"]
    bench.describe("on_new_column: fail")
    bench.put("3.csv", line("4") + ",note,y", header=HEADER + ",remark,extra")
    with pytest.raises(DeliveryRefused, match="new column 'extra'"):
        bench.run()
    drift.accept(bench.source, bench.company, bench.home)
    assert bench.run().rows_loaded == 1
    bench.describe("on_new_column: ignore")
    bench.put("4.csv", line("5") + ",note,y,z", header=HEADER + ",remark,extra,more")
    assert bench.run().warnings == []


def test_a_missing_column_that_is_used_fails(bench: Workbench) -> None:
    bench.put("2.csv", "1,2024-01-01,DE,c,p,1,note", header=HEADER.replace(",price", ",remark"))
    report = _report(bench)
    assert report.fails
    assert report.error is not None
    assert "'price'" in report.error
    (change,) = report.missing
    assert (change.column, change.fails) == ("price", True)
    with pytest.raises(DeliveryRefused, match="missing column: 'price'"):
        bench.run()


def test_a_used_column_that_has_another_name_is_told_from_a_missing_one(bench: Workbench) -> None:
    bench.put("2.csv", line("3") + ",note", header=f"{HEADER},remark".replace("price", "amount"))
    report = _report(bench)
    (change,) = report.changes
    assert (change.what, change.before, change.after, change.fails) == (
        "renamed", "price", "amount", True,
    )  # fmt: skip
    with pytest.raises(DeliveryRefused, match=r"^column 'price' renamed to 'amount'"):
        bench.run()


def test_a_renamed_column_is_told_though_others_were_added(bench: Workbench) -> None:
    header = f"{HEADER},remark,extra".replace("price", "amount")
    bench.put("2.csv", line("3") + ",note,x", header=header)
    renamed, new = _report(bench).changes
    assert (renamed.what, renamed.before, renamed.after) == ("renamed", "price", "amount")
    assert (new.what, new.column) == ("new", "extra")


def test_a_column_between_others_is_not_the_one_that_went_elsewhere(bench: Workbench) -> None:
    header = f"fee,{HEADER},remark".replace(",price", "")
    bench.put("2.csv", "9.50,3,2024-01-01,DE,c,p,1,note", header=header)
    assert [change.what for change in _report(bench).changes] == ["missing", "new"]


def test_a_missing_column_that_is_not_used_warns(bench: Workbench) -> None:
    bench.put("2.csv", line("3"))
    (change,) = _report(bench).missing
    assert (change.column, change.fails) == ("remark", False)
    assert "missing column 'remark'" in bench.run().warnings[0]


def test_a_renamed_column_is_told_from_a_missing_and_a_new_one(bench: Workbench) -> None:
    bench.put("2.csv", line("3") + ",note", header=HEADER + ",remarks")
    report = _report(bench)
    assert (report.missing, report.new) == ((), ())
    (change,) = report.renamed
    assert (change.before, change.after) == ("remark", "remarks")
    assert "names alike" in change.evidence


def test_a_number_that_turns_into_text_fails(bench: Workbench) -> None:
    bench.put("2.csv", *(line(str(n), price="free") + ",x" for n in range(3)),
              header=HEADER + ",remark")  # fmt: skip
    (change,) = _report(bench).retyped
    assert (change.column, change.before, change.after) == ("price", "decimal", "text")
    with pytest.raises(DeliveryRefused, match="column 'price' was decimal, is text"):
        bench.run()
    assert bench.value("select count(*) from raw.sales") == 2


def test_a_number_read_as_text_may_become_text(bench: Workbench) -> None:
    bench.put("2.csv", line("C3") + ",x", header=HEADER + ",remark")
    (change,) = _report(bench).retyped
    assert (change.column, change.fails) == ("order", False)
    assert bench.run().rows_loaded == 1


def test_reordered_columns_are_no_change(bench: Workbench) -> None:
    turned = ",".join(reversed((HEADER + ",remark").split(",")))
    bench.put("2.csv", ",".join(reversed((line("3") + ",x").split(","))), header=turned)
    assert _report(bench).changes == ()
    assert bench.run().warnings == []


def test_a_source_that_was_never_loaded_has_nothing_accepted(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, columns=COLUMNS)
    bench.put("1.csv", line("1"))
    report = _report(bench)
    assert not report.has_accepted
    assert report.files == ("data/1.csv",)
    assert not (bench.home.landing / "shop" / drift.FILE).exists()

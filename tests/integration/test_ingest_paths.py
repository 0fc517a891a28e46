"""Where files come from: odd names, links, addresses with secrets, and what has gone."""

import os
from pathlib import Path

import pytest

from ingest import landing
from ingest.errors import DeliveryRefused, SourceUnreachable
from tests.integration.workbench import HEADER, Workbench, line


def test_odd_names_are_read(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, path="data/**/*.csv")
    names = ["a b.csv", "it's.csv", "Übung.csv", "100%.csv", "q?.csv", "a*b.csv", "x/[1].csv"]
    for number, name in enumerate(names):
        bench.put(name, line(str(number)))
    assert bench.run().rows_loaded == len(names)


@pytest.mark.parametrize("path", ["data/[2024]/a.csv", "data/[2024]/*.csv"])
def test_brackets_may_be_part_of_a_name(tmp_path: Path, path: str) -> None:
    bench = Workbench.of(tmp_path, path=path)
    bench.put("[2024]/a.csv", line())
    assert bench.run().rows_loaded == 1


def test_the_lock_file_of_an_open_workbook_is_left_alone(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("orders.csv", line("1"))
    for name in ("~$orders.csv", ".~lock.orders.csv"):
        bench.write(name, b"someone")
    bench.run()
    assert bench.rows("select path from audit.deliveries") == [("data/orders.csv",)]


def test_a_folder_is_no_path(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, path="data/")
    with pytest.raises(SourceUnreachable, match="is a folder") as caught:
        bench.run()
    assert "data/*" in str(caught.value.next_step)


def test_what_is_no_file_is_left_alone_and_a_broken_link_is_told(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, path="data/*")
    bench.put("a.csv", line())
    os.mkfifo(tmp_path / "data" / "pipe.csv")
    assert bench.run().rows_loaded == 1
    (tmp_path / "data" / "b.csv").symlink_to("gone.csv")
    with pytest.raises(SourceUnreachable, match="link to a file that does not exist"):
        bench.run()


def test_a_name_that_is_not_utf8_is_refused_and_the_others_are_landed(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    bench.put("a.csv", line())
    (tmp_path / "data" / os.fsdecode(b"\xff.csv")).write_text(HEADER)
    with pytest.raises(DeliveryRefused, match=r"\\udcff.csv is not UTF-8"):
        bench.land()
    assert [delivery.path for delivery in landing.manifest(bench.home)] == ["data/a.csv"]


def test_a_file_that_goes_while_it_is_landed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Workbench.of(tmp_path)
    file = bench.put("a.csv", line())
    seen = landing.scan(bench.source, bench.company, bench.home)
    monkeypatch.setattr(landing, "scan", lambda *_: seen)
    file.unlink()
    with pytest.raises(DeliveryRefused, match=r"data/a.csv cannot be opened: No such file"):
        bench.land()


def test_a_landed_file_that_has_gone_is_named_and_landed_again(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    file = bench.put("a.csv", line())
    (delivery,) = bench.land()
    landed = bench.home.landing / delivery.landed_path
    landed.rename(landed.with_suffix(".lost"))
    with pytest.raises(DeliveryRefused, match=r"what was landed of data/a.csv has gone"):
        bench.load()
    os.utime(file, (1, 1))
    assert bench.run().rows_loaded == 1


def test_a_refusal_names_one_delivery_and_no_other_with_a_like_name(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, path="*.csv")
    good, bad = tmp_path / "1.csv", tmp_path / "11.csv"
    good.write_text(f"{HEADER}\n{line()}\n")
    bad.write_text(f"{HEADER}\n{line(qty='?')}\n")
    with pytest.raises(DeliveryRefused):
        bench.run()
    good.unlink()
    bad.unlink()
    result = bench.run()
    assert result.rows_loaded == 1
    assert [refused.delivery.path for refused in result.refused] == ["11.csv"]


@pytest.mark.parametrize("names", [("1.csv", "01.csv"), ("01.csv", "1.csv")])
def test_names_of_equal_numbers_have_an_order_too(tmp_path: Path, names: tuple[str, str]) -> None:
    bench = Workbench.of(tmp_path, "replaces: order_id")
    for name in names:
        bench.put(name, line("1", customer=name))
        bench.run()
    last = bench.rows("select customer_id from raw.sales where _superseded_by is null")
    assert last == [("1.csv",)]

"""The demo's files are what the truth says: counted from the bytes, not from the generator."""

import csv
import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from companies.demo import catalogue as cat
from companies.demo import generate
from companies.demo.generate import DATA, Truth, begin_anew, ensure
from companies.demo.store_names import STORE, SWEDISH

CSV = "read_csv('{path}', all_varchar = true, filename = true, {options})"


@pytest.fixture(scope="module")
def truth() -> Truth:
    return begin_anew()


@pytest.fixture(scope="module")
def files(
    truth: Truth, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """What the five systems hold as tables of texts, read without any part of the project."""
    folder = tmp_path_factory.mktemp("systems")
    home = _dump(STORE, f"select body from orders where seen < {cat.DAYS}", folder / "home.jsonl")
    swedish = _dump(
        SWEDISH,
        "select json_object('ordernummer', ordernummer, 'pris', pris, 'antal', antal) from ordrar",
        folder / "swedish.jsonl",
    )
    with duckdb.connect() as connection:
        de = "delim = ';', encoding = 'latin-1'"
        for name, sql in {
            "shop_orders": (
                "(select id as order_id, created_at as ordered_at, updated_at, "
                "ship_to.country, customer_id, unnest(lines, recursive := true) "
                f"from read_json('{home}', format = 'newline_delimited', "
                "convert_strings_to_integers = false))"
            ),
            "orders_de": _csv("orders_de/*.csv", de),
            "orders_us": _csv("orders_us/*.csv", "union_by_name = true"),
            "orders_se": f"read_json('{swedish}', format = 'newline_delimited')",
            "orders_jp": f"read_parquet('{DATA}/orders_jp/*.parquet')",
        }.items():
            connection.execute(f"create table {name} as from {sql}")
        yield connection


def _dump(database: str, sql: str, file: Path) -> Path:
    """Write a query's only column, one row a line."""
    with closing(sqlite3.connect(DATA / database)) as connection:
        file.write_text("\n".join(text for (text,) in connection.execute(sql)) + "\n")
    return file


def _csv(pattern: str, options: str) -> str:
    return CSV.format(path=DATA / pattern, options=options).replace(", )", ")")


def _value(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    (row,) = connection.execute(sql).fetchall()
    return int(row[0])


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != generate.MARKER
    }


def test_generator_writes_the_same_bytes_again(truth: Truth, tmp_path: Path) -> None:
    assert generate.generate(tmp_path / "again") == truth
    assert _digests(tmp_path / "again") == _digests(DATA)


def test_complete_folder_is_left_alone(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> Truth:
        raise AssertionError(f"generated again into {folder}")

    monkeypatch.setattr(generate, "generate", fail)
    assert ensure() == truth


def test_killed_generation_leaves_nothing_that_looks_whole(
    truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die_half_way(folder: Path) -> Truth:
        (folder / "products.csv").write_text("sku\n")
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "generate", die_half_way)
    with pytest.raises(KeyboardInterrupt):
        ensure(tmp_path / "data")
    assert not list(tmp_path.iterdir())


def test_folder_of_another_generator_is_replaced_whole(
    truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(folder: Path) -> Truth:
        (folder / "new.csv").write_text("sku\n")
        return truth

    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "old.csv").write_text("sku\n")
    (folder / generate.MARKER).write_text("an older generator\n")
    monkeypatch.setattr(generate, "generate", small)
    ensure(folder)
    assert sorted(path.name for path in folder.iterdir()) == [generate.MARKER, "new.csv"]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_gtins_have_valid_check_digits(truth: Truth) -> None:
    with (DATA / "products.csv").open(encoding="utf-8") as file:
        ours = [row["ean"] for row in csv.DictReader(file)]
    with duckdb.connect() as connection:
        rivals = [
            row[0]
            for row in connection.execute(
                f"select distinct ean from '{DATA}/rival_prices/*.parquet'"
            ).fetchall()
        ]
    assert len(ours) == len(set(ours)) == 59
    assert len(rivals) > 150
    # GS1: with the check digit, the sum weighted 1, 3, 1, 3 ... is a multiple of ten
    for code in ours + rivals:
        assert len(code) == 13
        assert (sum(map(int, code[::2])) + 3 * sum(map(int, code[1::2]))) % 10 == 0, code


def test_every_line_of_the_files_is_counted(files: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    counted = {name: _value(files, f"select count(*) from {name}") for name in truth.delivered}
    assert counted == truth.delivered
    assert 190_000 < sum(counted.values()) < 230_000
    ended = {name: sum(places.values()) for name, places in truth.ended.items()}
    assert ended == truth.delivered


def test_home_orders_come_daily_for_two_years(files: duckdb.DuckDBPyConnection) -> None:
    day = "cast(updated_at as varchar)[:10]"
    assert _value(files, f"select count(distinct {day}) from shop_orders") == 730
    smallest = _value(
        files, f"select min(n) from (select count(*) as n from shop_orders group by {day})"
    )
    assert smallest > 50


def test_repeated_lines_are_counted(files: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    for name in ("shop_orders", "orders_de"):
        extra = _value(
            files,
            f"select count(*) - (select count(*) from (select distinct * from {name})) from {name}",
        )
        assert extra == truth.mishaps[name]["duplicate"]


def test_spoilt_lines_are_counted(files: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    found = {
        ("shop_orders", "negative_price"): "unit_price like '-%'",
        ("shop_orders", "text_price"): "unit_price = 'on request'",
        ("shop_orders", "unknown_country"): "country = 'Atlantis'",
        ("shop_orders", "missing_product"): "sku is null",
        ("shop_orders", "unlisted_product"): "sku like 'NS-X%'",
        ("orders_de", "text_price"): "Einzelpreis = 'auf Anfrage'",
        ("orders_de", "missing_product"): "Artikel is null",
        ("orders_us", "without_rate"): "coalesce(Currency, currency_code) = 'ARS'",
        ("orders_us", "unknown_country"): "coalesce(\"Ship Country\", country) = 'Atlantis'",
        ("orders_us", "negative_price"): "coalesce(Price, unit_price) like '-%'",
        ("orders_se", "missing_price"): "pris is null",
        ("orders_jp", "negative_price"): "unit_price_jpy < 0",
    }
    counted = {
        key: _value(files, f"select count(*) from {key[0]} where {condition}")
        for key, condition in found.items()
    }
    assert counted == {(name, kind): truth.mishaps[name][kind] for name, kind in found}


def test_late_and_corrected_orders_are_counted(
    files: duckdb.DuckDBPyConnection, truth: Truth
) -> None:
    changed = _value(
        files,
        "select count(distinct order_id) from shop_orders "
        "where cast(updated_at as date) > cast(ordered_at as date)",
    )
    orders = truth.orders["shop_orders"]
    assert changed == orders["late"] + orders["correction"]
    rows = files.execute(
        """
        select "Auftragsnummer", count(distinct filename), min("Datum"[7:] || "Datum"[4:5]),
            min(regexp_extract(filename, '(\\d{4})-(\\d\\d)', 1)
                || regexp_extract(filename, '(\\d{4})-(\\d\\d)', 2))
        from orders_de group by "Auftragsnummer"
        """
    ).fetchall()
    kinds = Counter(
        "corrected" if files_of > 1 else "late" if delivered > placed else "in time"
        for _, files_of, placed, delivered in rows
    )
    assert kinds["corrected"] == truth.orders["orders_de"]["correction"]
    assert kinds["late"] == truth.orders["orders_de"]["late"]


def test_foreign_exports_speak_their_own_dialects(files: duckdb.DuckDBPyConnection) -> None:
    german = (DATA / "orders_de" / "auftraege_2025-12.csv").read_bytes()
    assert "Stückzahl".encode("cp1252") in german
    with pytest.raises(UnicodeDecodeError):
        german.decode("utf-8")
    grouped = "Einzelpreis similar to '\\d\\.\\d{3},\\d\\d'"
    assert _value(files, f"select count(*) from orders_de where {grouped}") > 0
    headers = {
        path.read_text(encoding="utf-8").splitlines()[0]
        for path in (DATA / "orders_us").glob("*.csv")
    }
    assert len(headers) == 2


def test_customers_behave_as_the_truth_says(files: duckdb.DuckDBPyConnection, truth: Truth) -> None:
    """The repeat purchases of a BG/NBD world: its expected number at the end of the period.

    E[X(t)] = (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + t))^r * 2F1(r, b; a + b - 1;
    t / (alpha + t))), Fader, Hardie and Lee (2005), equation 9.
    """
    from scipy.special import hyp2f1

    r, alpha, a, b = (truth.bg_nbd[name] for name in ("r", "alpha", "a", "b"))
    # customers won in the first four weeks have all but two years of history
    bought = files.execute(
        """
        with days as (
            select distinct customer_id, cast(ordered_at as date) as day
            from shop_orders where customer_id is not null and cast(quantity as int) > 0
        ), firsts as (select customer_id, min(day) as first, count(*) - 1 as repeats
            from days group by all)
        select avg(repeats), count(*), stddev(repeats),
            avg(date '2026-10-01' - first) / 7.0 from firsts where first < date '2024-10-29'
        """
    ).fetchone()
    assert bought is not None
    mean, count, deviation, weeks = map(float, bought)
    expected = (
        (a + b - 1)
        / (a - 1)
        * (1 - (alpha / (alpha + weeks)) ** r * hyp2f1(r, b, a + b - 1, weeks / (alpha + weeks)))
    )
    assert count > 1_500
    assert abs(mean - expected) < 4 * deviation / count**0.5

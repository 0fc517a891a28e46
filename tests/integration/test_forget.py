"""A person is taken out of every byte of the state, and no figure of sales moves."""

import gzip
import json
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest import forgotten, landing
from ingest.company import Company, load_company
from ingest.home import Home
from ingest.landing import land, manifest
from ingest.load import pending
from orchestration import dbt_runner, versions
from orchestration.candidate import free_share
from orchestration.export import export_marts
from orchestration.files import digest, swap_link
from orchestration.forget import forget as steps
from orchestration.forget.forget import UnknownCustomer, forget
from orchestration.forget.rules import of_project
from tests.integration.rest_server import MAPPING, Api, Shop, order, serving, told
from tests.integration.small import load_raw, make_tables

# one worker runs these tests: the state is made once
pytestmark = pytest.mark.xdist_group("forget")

NAME = "Zoë Quillfeather"
MARK = "quillfeather"
V1, V2 = "20240101T000000000000", "20240102T000000000000"
ORDERS = (
    f'Z1;1/2/2024;"{NAME}";P1;2;10,50;zoe@x.example;"door on the left\n{NAME}"\n'
    f"Z2;1/3/2024; zoë quillfeather ;P1;1;10,50;;\n"
    f'Z3;1/3/2024;Bob;P1;1;10,50;;"friend of {NAME}, call"\n'
    f"Z4;never;{NAME};P1;1;10,50;zoe@x.example;\n"
    f"cut off {NAME};1\n"
    f"{NAME}-5;1/4/2024;{NAME};P1;1;10,50;;\n"
    "Z6;1/4/2024;;P1;1;10,50;;\n"
)
COMPANY = {
    "company": "Small",
    "home_market": "GB",
    "reporting_currency": "GBP",
    "sources": [
        {
            "name": "shop", "entity": "sales", "kind": "file", "path": "shop.csv",
            "encoding": "latin-1", "decimal": ",", "date_formats": ["%m/%d/%Y"],
            "quarantine_limit_pct": 60,
            "columns": {"order_id": "no", "ordered_at": "day", "product_id": "p", "quantity": "q",
                        "unit_price": "u", "customer_id": "upper(trim(buyer))",
                        "currency": "'GBP'", "market": "'GB'"},
        },
        *(
            {
                "name": name, "entity": "sales", "kind": "file", "path": path, "records": records,
                "columns": {"order_id": "no", "ordered_at": "day", "product_id": "p",
                            "quantity": "q", "unit_price": "u", "currency": "'GBP'",
                            "customer_id": "upper(json_extract_string(buyer, '$.name'))",
                            "market": "json_extract_string(buyer, '$.country')"},
            }
            for name, path, records in [
                ("web", "web.jsonl.gz", None), ("app", "app.json", "data.orders"),
                ("list", "list.json", None),
            ]
        ),
        *(
            {
                "name": name, "entity": "sales", "kind": "file", "path": path,
                "columns": {"order_id": "no", "ordered_at": "day", "product_id": "p",
                            "quantity": "q", "unit_price": "u", "currency": "'GBP'",
                            "customer_id": "upper(buyer)", "market": "'GB'"},
            }
            for name, path in [("lake", "lake.parquet"), ("desk", "desk.xlsx"), ("old", "old.zip")]
        ),
        {
            "quarantine_limit_pct": 60,
            "name": "customers", "entity": "customers", "kind": "file", "path": "customers.csv",
            "columns": {"customer_id": "upper(id)", "market": "'GB'", "acquired_on": "since"},
        },
        {
            "name": "terms", "entity": "terms", "kind": "file", "path": "terms.csv",
            "columns": {"customer_id": "upper(id)", "component": "'rebate'", "percent": "pct",
                        "valid_from": "since", "basis": "'off invoice'"},
        },
        {
            "name": "reviews", "entity": "reviews", "kind": "file", "path": "reviews.csv",
            "columns": {"reviewed_at": "at", "author_key": "upper(author)", "title": "title",
                        "body": "body", "rating": "stars", "rating_scale": "'5'",
                        "product_id": "'P1'"},
        },
    ],
}  # fmt: skip
NOBODY = "select round(sum(net_amount_home), 2), count(*), sum(quantity) from core.fct_sales"


def record(number: int, name: str | None) -> dict[str, Any]:
    buyer = {"name": name, "mail": f"{name}@x.example", "country": "DE"}
    return {"no": f"W{number}", "day": f"2024-01-0{number}", "p": "P1", "q": 1, "u": 1.50,
            "buyer": buyer, "note": f"for {name}"}  # fmt: skip


def write_files(folder: Path) -> None:
    """A file of every format, each with the person in it."""
    folder.mkdir()
    (folder / "company.yml").write_text(json.dumps(COMPANY), "utf-8")
    head = "no;day;buyer;p;q;u;mail;note\n"
    (folder / "shop.csv").write_bytes((head + ORDERS).encode("latin-1"))
    records = [record(1, NAME), record(2, "Bob"), record(3, None)]
    lines = "".join(json.dumps(each) + "\n" for each in records)
    (folder / "web.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (folder / "app.json").write_text(json.dumps({"by": NAME, "data": {"orders": records}}))
    (folder / "list.json").write_text(json.dumps(records, ensure_ascii=False))
    (folder / "customers.csv").write_text(
        f"id,since\nAnn,2023-01-01\n{NAME},2023-01-02\nBob,2023-01-03\n{NAME},never\n"
    )
    (folder / "terms.csv").write_text(f"id,pct,since\n{NAME},5,2024-01-01\nBob,3,2024-01-01\n")
    (folder / "reviews.csv").write_text(
        f"at,author,title,body,stars\n2024-01-05,{NAME},Good,I am {NAME},5\n"
        "2024-01-06,Bob,Ok,Hm,4\n"
    )
    with closing(duckdb.connect()) as connection:
        from ingest.remote import load_extension

        load_extension(connection, "excel")
        connection.execute(
            "create table t as from (values "
            f"('L1', '2024-01-01', '{NAME}', 'P1', 1, 2.5, 'x'), "
            f"('L2', '2024-01-02', 'Bob', 'P1', 1, 2.5, 'not {NAME}'), "
            "('L3', '2024-01-03', null, 'P1', 1, 2.5, null)) as t(no, day, buyer, p, q, u, note)"
        )
        for name, options in [
            ("lake.parquet", "format parquet"), ("desk.xlsx", "format xlsx, header true"),
            ("member.csv", "format csv"),
        ]:  # fmt: skip
            connection.execute(f"copy t to '{folder / name}' ({options})")
    with zipfile.ZipFile(folder / "old.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "member.csv", "in/member.csv")
        archive.writestr("readme.md", f"thank {NAME}")


class State:
    """A published company in which the person stands everywhere; with all tables or some."""

    def __init__(self, folder: Path, project: Path, tables: Sequence[str] = ()) -> None:
        self.folder = folder / "company"
        self.home = Home(folder / "home")
        write_files(self.folder)
        self.home.versions.mkdir(parents=True)
        self.home.dbt.symlink_to(project)
        self._publish(tables)
        self._plant()

    @property
    def company(self) -> Company:
        """The company file."""
        return load_company(self.folder / "company.yml")

    def load(self, file: Path) -> duckdb.DuckDBPyConnection:
        """Land and load everything into a database of its own."""
        connection = duckdb.connect(str(file))
        load_raw(connection, self.company, self.home)
        return connection

    def rows(self, sql: str, version: str = V1) -> list[tuple[Any, ...]]:
        """Query a version."""
        file = versions.database_of(self.home, version)
        with closing(duckdb.connect(str(file), read_only=True)) as connection:
            return connection.execute(sql).fetchall()

    def forget(self, is_dry: bool = False, name: str = NAME.upper()) -> steps.Forgotten:
        """Forget the person."""
        return forget(self.company, self.home, name, is_dry)

    def places(self) -> set[str]:
        """Where the name stands in any form, byte by byte and unpacked: its own search."""
        found = set()
        for path in sorted(self.home.root.rglob("*")):
            is_file = path.is_file() and not path.is_symlink()
            if is_file and any(MARK in text.casefold() for text in contents(path)):
                found.add(str(path.relative_to(self.home.root)))
        return found

    def _publish(self, tables: Sequence[str]) -> None:
        file = versions.database_of(self.home, V1)
        connection = self.load(file)
        make_tables(connection, self.home, names=tables)
        # what is deleted stays in the blocks of the file
        connection.execute(
            f"create table main.gone as select '{NAME}' || i as n from range(9) as r(i)"
        )
        connection.execute("checkpoint; drop table main.gone; checkpoint")
        connection.execute(
            "insert into audit.checks by name select 'c' as check_name, 'core.dim_customer' as "
            f'table_name, \'{{"customer_id": "{NAME.upper()}"}}\'::json as sample, '
            f"'such as {NAME}' as observed, true as is_passed"
        )
        connection.close()
        other = versions.database_of(self.home, V2)
        other.write_bytes(file.read_bytes())
        for name, path in [(V1, file), (V2, other)]:
            record = {"verdict": {"blake3": digest(path), "passed": True}}
            versions.record_of(self.home, name).write_text(json.dumps(record))
            path.chmod(0o444)
        export_marts(self.home, other, V2)
        swap_link(self.home.warehouse, other)

    def _plant(self) -> None:
        """Everything else that a state holds."""
        home = self.home.root
        for name, text in {
            f"reports/{V1}/index.html": f"<td>{NAME.replace('ë', '&euml;')}</td><td>{NAME}</td>",
            f"reports/{V1}/data.json": json.dumps({"list": [NAME], "n": 3}),
            "logs/dbt.log": f"failed: {NAME}\n",
            "landing/shop/refused.json": json.dumps({"shop-1": f"bad: {NAME}"}),
            "landing/shop/2024-01-01/0a.json": f'[{{"buyer": "{NAME}"}}]',
            "landing/shop/2024-01-01/0b.json": '[{"buyer": "Bob"}]',
            "cache/partial_parse.msgpack": f"\0{NAME}\0",
        }.items():
            file = home / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        candidate = home / "candidates/run-9"
        candidate.mkdir(parents=True)
        (candidate / "warehouse.duckdb").write_bytes(
            versions.database_of(self.home, V1).read_bytes()
        )
        (home / "dagster").mkdir()
        with closing(sqlite3.connect(home / "dagster/live.db")) as connection:
            connection.execute("create table events (id integer primary key, event text)")
            connection.execute("insert into events (event) values (?)", [json.dumps({"e": NAME})])
            connection.commit()
        with closing(sqlite3.connect(home / "dagster/free.db")) as connection:
            connection.execute("pragma secure_delete = off")
            connection.execute("create table events (event text)")
            connection.execute("insert into events values (?)", [NAME * 3000])
            connection.commit()
            connection.execute("delete from events")
            connection.commit()


def contents(path: Path) -> Iterator[str]:
    """All that a file says: its bytes as text, and what is packed in it."""
    raw = path.read_bytes()
    for encoding in ("utf-8", "utf-16-le"):
        yield raw.decode(encoding, "ignore")
    if raw.startswith(b"\x1f\x8b"):
        yield gzip.decompress(raw).decode("utf-8", "ignore")
    elif raw.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield archive.read(name).decode("utf-8", "ignore")
    elif raw.startswith(b"PAR1"):
        yield from queried(f"select cast(t as varchar) from read_parquet('{path}') as t")
    elif raw[8:12] == b"DUCK":
        yield from tables(path)


def queried(sql: str) -> Iterator[str]:
    with closing(duckdb.connect()) as connection:
        yield from (str(row[0]) for row in connection.execute(sql).fetchall())


def tables(path: Path) -> Iterator[str]:
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        for (name,) in connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
        ).fetchall():
            yield from map(str, connection.execute(f"from {name}").fetchall())


def copied(state: State, folder: Path) -> State:
    """A copy of a state, with the times of all files."""
    shutil.copytree(state.folder.parent, folder, symlinks=True)
    copy = State.__new__(State)
    copy.folder, copy.home = folder / "company", Home(folder / "home")
    return copy


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, parsed_project: Path) -> State:
    return State(tmp_path_factory.mktemp("forget"), parsed_project)


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory, parsed_project: Path) -> State:
    """The same with a part of the tables, for what is no matter of how many there are."""
    tables = ("core.fct_sales", "core.dim_customer", "marts.mart_customer_value__customer")
    return State(tmp_path_factory.mktemp("part"), parsed_project, tables)


@pytest.fixture(scope="module")
def cleaned(original: State, tmp_path_factory: pytest.TempPathFactory) -> State:
    """The state after the person was forgotten; tests only read it."""
    state = copied(original, tmp_path_factory.mktemp("cleaned") / "state")
    state.forget()
    return state


@pytest.fixture
def state(cleaned: State, tmp_path: Path) -> State:
    """A copy of the cleaned state."""
    return copied(cleaned, tmp_path / "state")


def test_no_byte_of_the_state_names_the_person(original: State, cleaned: State) -> None:
    before = original.places()
    suffixes = {Path(place).suffix for place in before}
    assert suffixes == {".csv", ".gz", ".json", ".parquet", ".xlsx", ".zip", ".duckdb", ".html",
                        ".log", ".msgpack", ".db"}  # fmt: skip
    assert {"dagster/free.db", "dagster/live.db", "landing/shop/refused.json"} <= before
    assert len([place for place in before if place.startswith("landing/")]) == 12
    assert cleaned.places() == set()
    assert all(free_share(versions.database_of(cleaned.home, v))[0] < 0.2 for v in (V1, V2))
    assert (cleaned.home.landing / "shop/2024-01-01/0b.json").exists()
    left = cleaned.home.root.rglob("*.partial*")
    assert [path for path in left if path.is_file()] == []


def test_every_column_in_which_a_person_stands_is_tagged(original: State) -> None:
    manifest = dbt_runner.prepare(original.home).manifest()
    personal = of_project(manifest).personal
    # the number of an order is no personal column, though one of them was made to hold a name
    tables: dict[str, list[str]] = {}
    for table, column in original.rows(
        "select schema_name || '.' || table_name, column_name from duckdb_columns() "
        "where data_type = 'VARCHAR' and column_name <> 'order_id' order by all"
    ):
        tables.setdefault(table, []).append(column)
    untagged, seen = set(), 0
    file = versions.database_of(original.home, V1)
    with closing(duckdb.connect(str(file), read_only=True)) as connection:
        for table, columns in tables.items():
            if table in personal and not table.startswith("stored."):
                holds = ", ".join(f"bool_or(contains(lower({c}), '{MARK}'))" for c in columns)
                [row] = connection.execute(f"select {holds} from {table}").fetchall()
                found = {column for column, held in zip(columns, row, strict=True) if held}
                seen += len(found)
                untagged |= {f"{table}.{column}" for column in found - set(personal[table])}
    assert untagged == set()
    assert seen >= 10


def test_columns_named_like_personal_ones_are_tagged_wherever_they_come_from(
    original: State,
) -> None:
    manifest = dbt_runner.prepare(original.home).manifest()
    tagged = of_project(manifest).personal
    for name, node in manifest["nodes"].items():
        if node["resource_type"] == "model":
            wanted = {
                column
                for entity in entities_of(manifest, name)
                for column in forgotten.PERSONAL[entity] & {"customer_id", "acquired_on",
                                                            "author_key", "reviewed_by", "owner"}
            }  # fmt: skip
            table = f"{node['schema']}.{node['alias']}"
            assert wanted & set(node["columns"]) <= set(tagged[table]), table


def entities_of(manifest: Any, name: str) -> set[str]:
    """The entities from which a model is made, at any remove."""
    parents = manifest["parent_map"].get(name, [])
    found = {p.rpartition(".")[2] for p in parents if p.startswith("source.")}
    for parent in parents:
        found |= entities_of(manifest, parent)
    return found & set(forgotten.PERSONAL)


def test_no_figure_of_sales_moves_and_the_customer_is_gone(original: State, cleaned: State) -> None:
    before = original.rows(NOBODY)
    buyers = original.rows("select customer_id from core.dim_customer order by all")
    for version in (V1, V2):
        assert cleaned.rows(NOBODY, version) == before
        left = cleaned.rows("select customer_id from core.dim_customer order by all", version)
        assert left == [row for row in buyers if row[0] != NAME.upper()]
        assert cleaned.rows("select rating, author_key, title from raw.reviews order by 1") == [
            (4.0, "BOB", "Ok"), (5.0, None, None),
        ]  # fmt: skip
        assert cleaned.rows("select customer_id from raw.terms") == [("BOB",)]
        orders = cleaned.rows("select order_id from raw.sales where order_id like 'forgotten-%-5'")
        assert len(orders) == 1
    assert cleaned.rows("select rows_removed > 0, files_redacted from audit.erasures") == [
        (True, 10)
    ]


def test_a_version_is_what_a_clean_load_of_the_redacted_files_gives(
    cleaned: State, tmp_path: Path
) -> None:
    with closing(cleaned.load(tmp_path / "clean.duckdb")) as clean:
        assert pending(clean, cleaned.company, cleaned.home) == []
        for table, columns in {
            "stored.sales": "*", "stored.customers": "*", "stored.terms": "*",
            "stored.reviews": "*",
            "audit.deliveries": "delivery_id, path, rows_delivered, rows_loaded, rows_quarantined,"
                                " amount_delivered,"
                                " sha256, bytes, landed_path, mapping_sha256",
            "quarantine.rows": "quarantine_id, row_number, rule, reason, raw_row::varchar, sha256",
        }.items():  # fmt: skip
            query = f"select {columns} from {table} order by all"
            loaded = [tuple(map(spaceless, row)) for row in clean.execute(query).fetchall()]
            assert loaded == [tuple(map(spaceless, row)) for row in cleaned.rows(query)], table


def spaceless(value: object) -> object:
    return value.replace('": ', '":').replace(', "', ',"') if isinstance(value, str) else value


def test_the_original_is_known_again_and_a_new_file_is_redacted_as_it_lands(state: State) -> None:
    for source in state.company.sources:
        assert land(source, state.company, state.home) == []
    shop = state.company.source("shop")
    first = manifest(state.home, "shop")
    os.utime(state.folder / "shop.csv", (1, 1))
    assert land(shop, state.company, state.home) == []
    file = state.folder / "shop.csv"
    file.write_bytes(file.read_bytes().replace(b"Z6", b"Z7"))
    (new,) = land(shop, state.company, state.home)
    assert new.delivery_id != first[0].delivery_id
    lines = (state.home.landing / new.landed_path).read_text("latin-1")
    assert MARK not in lines.lower().replace(f"friend of {NAME.lower()}", "") and "Z7;" in lines


def test_what_landed_before_the_mapping_knew_the_customer_is_redacted_as_it_is_loaded(
    state: State, tmp_path: Path
) -> None:
    file = state.folder / "company.yml"
    whole = json.loads(file.read_text("utf-8"))
    without = json.loads(file.read_text("utf-8"))
    del without["sources"][0]["columns"]["customer_id"]
    file.write_text(json.dumps(without), "utf-8")
    (state.folder / "shop.csv").write_text(
        f"no;day;buyer;p;q;u;mail;note\nY1;1/2/2024;{NAME};P1;1;1,00;;\n", "latin-1"
    )
    shop = state.company.source("shop")
    (landed,) = land(shop, state.company, state.home)
    assert MARK in (state.home.landing / landed.landed_path).read_text("latin-1").lower()
    file.write_text(json.dumps(whole), "utf-8")
    with closing(state.load(tmp_path / "new.duckdb")) as connection:
        rows = connection.execute("select customer_id from raw.sales where order_id = 'Y1'")
        assert rows.fetchall() == [(None,)]
    assert not (state.home.landing / landed.landed_path).exists()


def test_one_that_was_killed_is_finished_by_the_next(
    part: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = copied(part, tmp_path / "state")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(steps._State, "_bind", dies)
        with pytest.raises(KeyboardInterrupt):
            state.forget()
    assert state.rows(NOBODY, V2) == part.rows(NOBODY, V2)
    again = state.forget()
    assert again.was_remembered and state.places() == set()
    for version in (V1, V2):
        record = versions.read_record(state.home, version)
        assert record["verdict"]["blake3"] == digest(versions.database_of(state.home, version))


def test_a_rollback_leads_to_a_version_without_the_person(state: State) -> None:
    assert versions.rollback(state.home).version == V1
    buyers = "select count(*) from core.dim_customer where customer_id like '%QUILL%'"
    assert state.rows(buyers) == [(0,)]


def test_a_rehearsal_counts_and_changes_nothing(part: State) -> None:
    def files_now() -> dict[Path, bytes]:
        every = part.home.root.rglob("*")
        return {path: path.read_bytes() for path in every if path.is_file() and path.name != "lock"}

    before = files_now()
    found = part.forget(is_dry=True)
    assert files_now() == before
    assert {place.kind for place in found.places} == {
        "landed file", "landed page", "version", "candidate", "file",
    }  # fmt: skip
    counted = {(place.kind, place.name, place.count) for place in found.places}
    assert ("landed file", "shop: shop.csv", 6) in counted
    assert ("version", f"{V1}: core.dim_customer", 1) in counted
    assert "shop.csv" in found.offered
    with pytest.raises(UnknownCustomer, match="BOB") as refused:
        part.forget(is_dry=True, name="bob")
    assert refused.value.exit_code == 2
    assert not (part.home.root / landing.FORGOTTEN).exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Zoë Q-1", "by Zo\\u00eb Q-1."), ("Zoë Q-1", "BY ZO\\u00CB Q-1."),
        ("Zoë Q-1", "BY ZOË q-1."), ("a&b c", "x a&amp;b c y"),
        ('q"x y', 'say "q""x y"'), ("C100064", "(c100064)"),
    ],
)  # fmt: skip
def test_a_name_is_found_however_it_is_written(tmp_path: Path, name: str, text: str) -> None:
    someone = forgotten.person(Home(tmp_path), name)
    assert someone.is_named(text) and not someone.is_named(text.replace("1", "17").replace(
        "4)", "45)").replace("b c", "b cc").replace("x y", "x yy"))  # fmt: skip
    with closing(duckdb.connect()) as connection:
        (row,) = connection.execute(f"select {someone.without_sql('?')}", [f"{name},{name}"]
                                    ).fetchall()  # fmt: skip
    assert row == (f"{someone.token},{someone.token}",)


def test_the_state_keeps_a_digest_and_no_name(tmp_path: Path) -> None:
    home = Home(tmp_path)
    someone = forgotten.person(home, NAME)
    forgotten.remember(home, someone, {"asked_at": "now"})
    text = (tmp_path / landing.FORGOTTEN).read_text()
    assert MARK not in text.lower() and someone.digests[0] in text
    assert forgotten.is_remembered(home, forgotten.person(home, NAME))
    assert not forgotten.is_remembered(home, forgotten.person(home, "Bob"))


@pytest.mark.parametrize("key", [{}, {"key": "id"}])
def test_an_api_that_is_read_again_brings_nothing_of_the_person(
    tmp_path: Path, parsed_project: Path, key: dict[str, str]
) -> None:
    rows = [
        {
            **order(number),
            "buyer": buyer,
            "mail": f"{buyer}@x.example",
            "note": f"{buyer}, a friend of {NAME}",
        }
        for number, buyer in enumerate(["Ann", NAME, NAME, None], 1)
    ]
    api = Api(lambda asked: told({"orders": rows}))
    with serving(api):
        shop = Shop(tmp_path, api)
        shop.home.versions.mkdir(parents=True)
        shop.home.dbt.symlink_to(parsed_project)
        rest = {"records": "orders[]", "cursor": "updated_at", "look_back": "30 days",
                "params": {"since": "{cursor}"}, **key}  # fmt: skip
        shop.describe(rest, columns={**MAPPING, "customer_id": "upper(trim(buyer))"})
        assert shop.run() == ["1 1", "2 1", "3 1", "4 1"]
        found = forget(shop.company, shop.home, NAME.upper(), is_dry=False)
        assert {place.kind for place in found.places} >= {"landed file", "landed page"}
        for _ in range(2):
            assert not shop.is_new()
            assert shop.land() == []
        # a sale of the person that is new counts, once, and without the person
        rows.append({**rows[1], "id": 5})
        assert shop.is_new()
        (landed,) = shop.land()
        assert not shop.is_new()
        shop.connection = duckdb.connect()
        assert shop.run() == ["1 1", "2 1", "3 1", "4 1", "5 1"]
    delivered = shop.home.landing / landed.landed_path
    query = f"select id, quantity, buyer, mail from '{delivered}'"
    assert duckdb.sql(query).fetchall() == [("5", "1", None, None)]
    files = [file for file in shop.home.root.rglob("*") if file.is_file()]
    assert not [f for f in files for text in contents(f) if MARK in text.casefold()]

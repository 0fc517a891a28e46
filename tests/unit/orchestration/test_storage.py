"""Replaced rows leave the file once they are many, and others are not written anew for a few."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from orchestration.storage import drop_replaced_rows, set_for_writing

ROW_GROUP = 122_880
CUSTOMERS = 4 * ROW_GROUP


@pytest.fixture
def customers(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with four whole row groups of customers."""
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        set_for_writing(connection)
        connection.execute(
            "create table customers as "
            f"select id, 0 as replaced_on_day from range({CUSTOMERS}) as ids (id); "
            'create table "other ""rows""" (day integer); checkpoint'
        )
        yield connection


def replace(connection: duckdb.DuckDBPyConnection, customers: int, day: int) -> None:
    connection.execute(
        f"create or replace temp table changed as "
        f"select distinct hash(i * 1000003 + {day}) % {CUSTOMERS} as id "
        f"from range({customers}) as numbers (i); "
        "begin; delete from customers where id in (from changed); "
        f"insert into customers select id, {day} from changed; commit; "
        f'insert into "other ""rows""" values ({day}); checkpoint'
    )
    connection.execute(f'insert into "other ""rows""" values ({day})')


def held_rows(connection: duckdb.DuckDBPyConnection) -> list[int]:
    """Of each row group of the customers, how many rows the file holds."""
    return [
        rows
        for (rows,) in connection.execute(
            "select sum(count) from pragma_storage_info('customers') "
            "where segment_type = 'VALIDITY' and column_id = 0 "
            "group by row_group_id order by row_group_id"
        ).fetchall()
    ]


def test_a_few_replaced_rows_have_no_others_written_anew(
    customers: duckdb.DuckDBPyConnection,
) -> None:
    for day in range(1, 4):
        replace(customers, 5_000, day)
        assert not drop_replaced_rows(customers)
    assert held_rows(customers)[:4] == [ROW_GROUP] * 4
    assert len(held_rows(customers)) == 7


def test_many_leave_the_file_at_once(customers: duckdb.DuckDBPyConnection) -> None:
    dropped_on = []
    for day in range(1, 31):
        replace(customers, 15_000, day)
        if drop_replaced_rows(customers):
            dropped_on.append(day)
        else:
            assert sum(held_rows(customers)) <= CUSTOMERS / 0.75
    assert len(dropped_on) == 2
    assert sum(held_rows(customers)) < 1.35 * CUSTOMERS
    assert customers.execute("select count(distinct id) from customers").fetchall() == [
        (CUSTOMERS,)
    ]
    replace(customers, 5_000, day=31)
    assert not drop_replaced_rows(customers)


def test_a_table_of_few_rows_is_left_as_it_is(customers: duckdb.DuckDBPyConnection) -> None:
    customers.execute("create table small as select i from range(2000) as numbers (i); checkpoint")
    customers.execute("delete from small where i % 2 = 0; checkpoint")
    assert not drop_replaced_rows(customers)


def test_what_would_stay_in_as_many_parts_is_left_as_it_is(
    customers: duckdb.DuckDBPyConnection,
) -> None:
    customers.execute("create table one as select i from range(100_000) as numbers (i); checkpoint")
    customers.execute("delete from one where i % 2 = 0; checkpoint")
    assert not drop_replaced_rows(customers)


def test_an_empty_database_has_nothing_to_drop() -> None:
    with duckdb.connect() as connection:
        assert not drop_replaced_rows(connection)

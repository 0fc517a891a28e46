"""What dbt asks while it commits waits, so as not to keep the commit from its processors."""

from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager

from orchestration import commits


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What DuckDB was asked, in order; a query begins `begun`, and ends once it `may_end`."""
    found = SimpleNamespace(queries=[], begun=Event(), may_end=Event())

    def add_query(manager: Any, sql: str, auto_begin: bool = True) -> str:
        found.queries.append((sql, auto_begin))
        found.begun.set()
        assert found.may_end.wait(30)
        return f"{sql} is done"

    monkeypatch.setattr(DuckDBConnectionManager, "add_query", add_query)
    return found


def _ask(sql: str, **named: Any) -> str:
    manager: Any = None
    return str(DuckDBConnectionManager.add_query(manager, sql, **named))


def _beside(first: str, second: str, asked: SimpleNamespace) -> list[str]:
    """What was asked before the first of two queries that are made side by side could end."""
    threads = [Thread(target=_ask, args=(sql,)) for sql in (first, second)]
    threads[0].start()
    assert asked.begun.wait(30)
    threads[1].start()
    threads[1].join(0.3)
    before = [sql for sql, _ in asked.queries]
    asked.may_end.set()
    for thread in threads:
        thread.join(30)
    return before


def test_a_query_waits_for_a_commit(asked: SimpleNamespace) -> None:
    with commits.alone():
        assert _beside("COMMIT", "BEGIN", asked) == ["COMMIT"]
    assert [sql for sql, _ in asked.queries] == ["COMMIT", "BEGIN"]


@pytest.mark.parametrize("second", ["select 1", "COMMIT"])
def test_nothing_waits_for_another_query(asked: SimpleNamespace, second: str) -> None:
    with commits.alone():
        assert _beside("create table t as select 1", second, asked)[1:] == [second]


def test_a_commit_that_fails_lets_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def add_query(manager: Any, sql: str) -> str:
        if sql == "COMMIT":
            raise RuntimeError("the disk is full")
        return sql

    monkeypatch.setattr(DuckDBConnectionManager, "add_query", add_query)
    with commits.alone():
        with pytest.raises(RuntimeError, match="full"):
            _ask("COMMIT")
        assert _ask("ROLLBACK") == "ROLLBACK"


def test_dbt_is_left_as_it_was(asked: SimpleNamespace) -> None:
    asked.may_end.set()
    before = DuckDBConnectionManager.add_query
    with commits.alone():
        assert _ask("select 1", auto_begin=False) == "select 1 is done"
        assert asked.queries == [("select 1", False)]
    assert DuckDBConnectionManager.add_query is before

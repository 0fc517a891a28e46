"""What is imported in the background is whole before dbt is used."""

import importlib
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from ingest.home import Home
from orchestration import dbt_runner, early_imports


def test_whoever_waits_goes_on_once_all_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    may_go_on = Event()

    def import_module(name: str) -> None:
        assert may_go_on.wait(30)
        asked.append(name)
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", import_module)
    early_imports.start()
    waiting = Thread(target=early_imports.wait)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    may_go_on.set()
    waiting.join(30)
    assert asked == list(early_imports._NEEDED)


class Waited(Exception):
    """Instead of waiting."""


@pytest.mark.parametrize("is_prepared", [True, False])
def test_dbt_is_not_imported_while_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_prepared: bool
) -> None:
    def wait() -> None:
        raise Waited

    def prepared(*_: Any) -> dbt_runner.Prepared:
        return dbt_runner.Prepared(tmp_path)

    monkeypatch.setattr(early_imports, "wait", wait)
    if is_prepared:
        monkeypatch.setattr(dbt_runner, "prepare", prepared)
    with pytest.raises(Waited):
        dbt_runner.build(Home(tmp_path / "home"), tmp_path / "warehouse.duckdb")

"""What is in quarantine, counted by rule."""

from dataclasses import asdict
from pathlib import Path

import duckdb
import pytest

from ingest.company import load_company
from orchestration.cli.running import show_quarantine
from orchestration.refused_rows import groups, waiting_for_rates
from tests.integration.conftest import TINY


def test_of_several_reasons_one_is_shown_and_all_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    connection = duckdb.connect()
    connection.execute(
        """
        create schema quarantine;
        create schema audit;
        create table audit.deliveries as
            select * from (values ('d1', null), ('d0', 'd1')) as t(delivery_id, superseded_by);
        create table quarantine.rows as
            select 'shop' as source, 'sales' as entity, 'EUR' as currency, t.*
            from (values
                ('d1', 'currency_is_code', 'a code, not ''zl''', 1.5),
                ('d1', 'currency_is_code', 'a code, not ''kr''', 2.5),
                ('d0', 'currency_is_code', 'a code, not ''fr''', 4.5),
                ('d1', 'order_id_required', 'has no value', null)
            ) as t(delivery_id, rule, reason, amount_local);
        """
    )
    found = groups(connection)
    assert [(g.rule, g.reasons, g.rows) for g in found] == [
        ("currency_is_code", 2, 2), ("order_id_required", 1, 1),
    ]  # fmt: skip
    show_quarantine([asdict(group) for group in found])
    shown = capsys.readouterr().out
    assert "a code, not 'kr' (one of 2 reasons)" in shown
    assert "has no value " in shown
    assert "one of 1" not in shown


def test_a_source_of_which_too_many_rows_wait_for_a_rate_is_told(tmp_path: Path) -> None:
    (tmp_path / "company.yml").write_text(TINY)
    company = load_company(tmp_path / "company.yml")
    connection = duckdb.connect()
    connection.execute(
        """
        create schema quarantine;
        create schema audit;
        create table audit.deliveries as
            select 'd1' as delivery_id, 'orders' as source, null as superseded_by,
                5 as rows_loaded;
        create table quarantine.without_rate as
            select 'd1' as delivery_id, 'orders' as source, 'sales' as entity,
                'without_rate' as rule, unnest(['USD', 'SEK']) as currency;
        """
    )
    assert waiting_for_rates(connection, company) == []  # the limit is 40 %
    connection.execute("insert into quarantine.without_rate select * from quarantine.without_rate")
    [told] = waiting_for_rates(connection, company)
    assert told.startswith("orders: 4 of 5 rows of sales (80.0 %) count in no figure")

"""What is in quarantine, counted by rule."""

from dataclasses import asdict

import duckdb
import pytest

from orchestration.cli.running import show_quarantine
from orchestration.refused_rows import groups


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

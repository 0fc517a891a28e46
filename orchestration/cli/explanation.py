"""An explanation as people read it."""

from typing import TYPE_CHECKING

import click

from orchestration.cli.show import print_table, text
from orchestration.words import counted

if TYPE_CHECKING:
    from orchestration.explain import Explanation, Fact

_HASH_SHOWN = 12


def show(found: "Explanation") -> None:
    """Print an explanation: the value, what it was computed from, and who checked it."""
    key = ", ".join(f"{name} = {value}" for name, value in found.key.items())
    click.echo(f"{found.table}.{found.column}\n  {key}\n")
    verdict = (
        click.style("equal", fg="green") if found.is_equal else click.style("NOT EQUAL", fg="red")
    )
    click.echo(f"value        {text(found.value) or 'null'}")
    click.echo(f"recomputed   {text(found.recomputed) or 'null'}   {verdict}")
    click.echo(f"raw rows     {found.raw_rows:,}\n")
    if found.code_changed and not found.is_equal:
        click.echo(
            "The models changed since this version was built; `tradewind run` rebuilds it.\n"
        )
    for fact in found.facts:
        _show_fact(fact)
    _show_deliveries(found)
    _show_checks(found)


def _show_fact(fact: "Fact") -> None:
    if not fact.rows:
        return
    hidden = ("raw", "delivery_id")
    columns = [name for name in fact.rows[0] if name not in hidden]
    shown = len(fact.rows)
    of = counted(fact.count, "row")
    of = of if shown == fact.count else f"{shown} of {of} (--all)"
    print_table(
        f"{fact.table}: {of}", columns, [[row[name] for name in columns] for row in fact.rows]
    )


def _show_deliveries(found: "Explanation") -> None:
    rows = [
        (
            used.role,
            used.entity,
            used.delivery_id,
            used.rows,
            used.path,
            used.landed_path,
            used.sha256[:_HASH_SHOWN],
        )
        for used in found.deliveries
    ]
    columns = ["", "entity", "delivery", "rows", "file", "landed as", "sha256"]
    print_table("Deliveries", columns, rows)


def _show_checks(found: "Explanation") -> None:
    click.echo(f"version {found.version}, published {found.published_at} by run {found.run_id}")
    checks = found.checks
    total = checks.passed + len(checks.failed)
    click.echo(
        f"checks on the way from the raw rows to this table: {checks.passed} of {total} passed"
    )
    for check in checks.failed:
        why = f"{check['observed']}, expected {check['expected']}"
        click.echo(f"  {check['severity']}  {check['table_name']}: {check['check_name']}: {why}")
    for check in checks.of_this_table:
        if check["is_passed"]:
            click.echo(f"  passed  {check['check_name']}")

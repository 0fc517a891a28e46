"""Verbs about rows that were set aside: quarantine list, show, replay."""

from contextlib import closing
from dataclasses import asdict
from typing import Any

import click

from orchestration.cli.place import Place, as_json, at_place, source_of
from orchestration.cli.show import exact_json, text

_SHOWN = 20


@click.group("quarantine")
def quarantine() -> None:
    """Rows that broke a rule or have no exchange rate: what they are, and loading them again."""


@quarantine.command("list")
@as_json
@at_place
def list_(place: Place, as_json: bool) -> None:
    """Count the rows in quarantine by source and reason."""
    from orchestration.cli.running import show_quarantine
    from orchestration.refused_rows import groups

    with closing(place.connect()) as connection:
        found = [asdict(group) for group in groups(connection)]
    if as_json:
        click.echo(exact_json(found))
    else:
        show_quarantine(found)


@quarantine.command("show")
@click.option("--source", help="Rows of this source only.")
@click.option("--rule", help="Rows that broke this rule only.")
@click.option("--all", "everything", is_flag=True, help=f"Show all rows, not the first {_SHOWN}.")
@as_json
@at_place
def show(
    place: Place, source: str | None, rule: str | None, everything: bool, as_json: bool
) -> None:
    """Show rows in quarantine as they were received, with file, row number and reason.

    Rows that were sound but for their exchange rate are shown as they were mapped.
    """
    from orchestration.refused_rows import rows

    with closing(place.connect()) as connection:
        found = rows(connection, source, rule, None if everything else _SHOWN)
    if source and not found:
        source_of(place.company(), source)
    if as_json:
        click.echo(exact_json(found))
    else:
        _show_rows(found, everything)


def _show_rows(found: list[dict[str, Any]], everything: bool) -> None:
    if not found:
        click.echo("No such rows are in quarantine.")
        return
    for row in found:
        place = f"{row['source']} · {row['path']} · row {text(row['row_number'])}"
        click.secho(place, bold=True)
        click.echo(f"  {row['reason']}\n  {row['raw_row'] or row['mapped_row']}\n")
    if not everything and len(found) == _SHOWN:
        click.echo(f"The first {_SHOWN}; --all shows all of them.")


@quarantine.command("replay")
@as_json
@at_place
def replay(place: Place, as_json: bool) -> None:
    """Load rows in quarantine again, after their cause was mended (a mapping, a rate).

    Deliveries with rows in quarantine are loaded anew, and whole, and lines that lacked a rate are
    converted, so the result is that of a clean load. It is judged and published like any run.
    """
    from orchestration.cli.running import run_and_report
    from orchestration.refused_rows import count

    before = count(place.home)
    result = run_and_report(place, as_json, replay=True)
    if before and not as_json:
        click.echo(f"Rows in quarantine: {before:,} before, {count(place.home):,} now.", err=True)
    raise click.exceptions.Exit(result.exit_code)


COMMANDS = (quarantine,)

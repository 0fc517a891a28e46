"""The verb that takes a person out of the state."""

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from orchestration.cli.place import Place, as_json, at_place
from orchestration.cli.show import print_json, print_table

if TYPE_CHECKING:
    from orchestration.forget.forget import Forgotten

_SHOWN = 40


@click.command("forget")
@click.argument("customer")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before it is done.")
@as_json
@at_place
def forget(place: Place, customer: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Take CUSTOMER out of landing, versions, exports, reports and logs, then build anew.

    CUSTOMER is the customer_id as core.dim_customer shows it; `-` reads it from standard input, so
    that it stands in no history of the shell. Sales stay, without the buyer.
    """
    if as_json and not (dry_run or yes):
        raise click.UsageError("--json asks nothing: add --yes or --dry-run")
    name = click.get_text_stream("stdin").readline().strip() if customer == "-" else customer
    if dry_run or not yes:
        found = _forget(place, name, is_dry=True)
        if not as_json:
            _show(found, "Would be removed or changed")
        if dry_run:
            if as_json:
                print_json(asdict(found))
            return
        click.confirm("Forget this customer? It cannot be undone", abort=True)
    done = _forget(place, name, is_dry=False)
    if not as_json:
        _show(done, "Removed or changed")
    _build_anew(place, done, as_json)


def _forget(place: Place, name: str, is_dry: bool) -> "Forgotten":
    from orchestration.cli.running import progress_shown
    from orchestration.forget.forget import forget as take_out

    with progress_shown() as say:
        return take_out(place.company(), place.home, name, is_dry, say)


def _build_anew(place: Place, done: "Forgotten", as_json: bool) -> None:
    """Publish a version whose totals lack the customer as well, as any run: judged."""
    from orchestration.cli.running import run_and_report
    from orchestration.versions import current_version

    if as_json:
        print_json(asdict(done))
    if current_version(place.home) is None:
        return
    if not as_json:
        click.echo("Building the totals anew; no reader sees the customer any more.", err=True)
    result = run_and_report(place, as_json, full_refresh=True)
    raise click.exceptions.Exit(result.exit_code)


def _show(found: "Forgotten", title: str) -> None:
    if not found.places:
        click.echo("Nothing of this customer is left.")
        return
    rows: list[tuple[Any, ...]] = [(p.kind, p.name, p.count) for p in found.places]
    print_table(title, ["place", "", "rows or files"], rows[:_SHOWN])
    if len(rows) > _SHOWN:
        kinds = Counter(place.kind for place in found.places[_SHOWN:])
        more = ", ".join(f"{count} of kind {kind}" for kind, count in kinds.items())
        click.echo(f"And {len(rows) - _SHOWN} more places: {more}; --json lists all of them.")
    if found.offered:
        click.echo(
            "Still offered by its source, which is not ours to change, and landed without the "
            f"customer from now on: {', '.join(found.offered[:5])}"
            + (f" and {len(found.offered) - 5} more" if len(found.offered) > 5 else "")
        )


COMMANDS = (forget,)

"""Verbs about sources: doctor, sources check, sources accept."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from orchestration.cli.place import Place, as_json, at_place, source_of
from orchestration.cli.show import print_json, print_table
from orchestration.demo import world_of

if TYPE_CHECKING:
    from ingest.company import Company, Source
    from ingest.drift import DriftReport
    from orchestration.doctor import Diagnosis, Examined


@click.command("doctor")
@as_json
@at_place
def doctor(place: Place, as_json: bool) -> None:
    """Check the company file and its sources without building; tells everything at once."""
    from orchestration.cli.running import options_of, progress_shown
    from orchestration.doctor import examine

    company = place.company()
    with progress_shown() as say, world_of(place.company_path):
        found = examine(company, say)
    if as_json:
        print_json({**asdict(found), "is_healthy": found.is_healthy})
    else:
        _show_diagnosis(found, f"tradewind run{options_of(place)}")
    raise click.exceptions.Exit(found.exit_code)


def _show_diagnosis(found: "Diagnosis", next_command: str) -> None:
    rows = [
        (
            one.source,
            one.entity,
            one.files,
            one.rows,
            one.mapped,
            ", ".join(one.layouts),
            "; ".join(f"{rule.reason} ({rule.pct:.1f} %)" for rule in one.broken),
            "PROBLEM" if one.problems else "fine",
        )
        for one in found.sources
    ]
    columns = ["source", "entity", "files", "rows sampled", "good", "layout", "broken rules", ""]
    print_table(f"{found.company}: its sources", columns, rows)
    for one in found.sources:
        _show_examined(one)
    for message in found.rates:
        click.echo(f"{click.style('Problem:', fg='red')} {message}")
    for message in found.warnings:
        click.echo(f"{click.style('Warning:', fg='yellow')} {message}")
    if found.is_healthy:
        click.echo(f"No problem found. Next: `{next_command}`.")


def _show_examined(one: "Examined") -> None:
    if one.first_rows:
        first = ", ".join(f"{name} = {value}" for name, value in one.first_rows[0].items())
        click.echo(f"{one.source}: the first row becomes {first}")
    for message in one.warnings:
        click.echo(f"{click.style('Warning:', fg='yellow')} {one.source}: {message}")
    for message in one.problems:
        click.echo(f"{click.style('Problem:', fg='red')} {one.source}: {message}")


@click.group("sources")
def sources() -> None:
    """See how the columns of a source changed, and accept them."""


@sources.command("check")
@click.argument("names", nargs=-1)
@as_json
@at_place
def check(place: Place, names: tuple[str, ...], as_json: bool) -> None:
    """Show new, missing, renamed and retyped columns of sources (default: all)."""
    from ingest import drift

    company = place.company()
    with world_of(place.company_path):
        reports = [drift.check(source, company, place.home) for source in _chosen(company, names)]
    if as_json:
        print_json([{**asdict(report), "fails": report.fails} for report in reports])
    else:
        _show_drift(reports)
    if any(report.fails for report in reports):
        raise click.exceptions.Exit(1)


def _show_drift(reports: Sequence["DriftReport"]) -> None:
    rows = [
        (report.source, change.what, str(change), change.file, "refused" if change.fails else "")
        for report in reports
        for change in report.changes
    ]
    if rows:
        print_table("Columns that changed", ["source", "", "change", "file", "a run"], rows)
    for report in reports:
        if report.error:
            click.echo(f"{click.style('Problem:', fg='red')} {report.source}: {report.error}")
        if not report.has_accepted:
            click.echo(
                f"{report.source}: nothing is accepted yet; the first run accepts its columns"
            )
    if not rows and not any(report.error for report in reports):
        click.echo("No column changed.")


@sources.command("accept")
@click.argument("names", nargs=-1, required=True)
@at_place
def accept(place: Place, names: tuple[str, ...]) -> None:
    """Accept the columns that sources have now."""
    from ingest import drift

    company = place.company()
    with world_of(place.company_path):
        for source in _chosen(company, names):
            drift.accept(source, company, place.home)
            click.echo(f"{source.name}: its columns are accepted as they are now")


@sources.command("pages")
@click.argument("names", nargs=-1)
@as_json
@at_place
def pages(place: Place, names: tuple[str, ...], as_json: bool) -> None:
    """Show how the last pass over the product pages of sources ended, and why."""
    from ingest.crawl import summary
    from ingest.observations import unpriced

    company = place.company()
    rows = []
    of_pages = [each for each in _chosen(company, names) if each.pages is not None]
    for source in of_pages:
        ended = summary(source, place.home).most_common()
        rows += [(source.name, outcome, reason, count) for (outcome, reason), count in ended]
        without = unpriced(source, place.home).most_common()
        rows += [(source.name, "no price", reason, count) for reason, count in without]
    columns = ["source", "outcome", "reason", "addresses"]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif rows:
        print_table("Product pages of the last pass", columns, rows)
    elif of_pages:
        click.echo("No product page has been asked for yet: `tradewind run` asks for them.")
    else:
        click.echo("No source reads product pages: see `kind: shop_pages` in docs/sources.md.")


@click.command("reparse")
@click.argument("names", nargs=-1)
@as_json
@at_place
def reparse(place: Place, names: tuple[str, ...], as_json: bool) -> None:
    """Parse all stored product pages again, with this version's parser, then run."""
    from orchestration.cli.running import progress_shown, run_and_report
    from orchestration.reparse import reparse as parse_again

    company = place.company()
    with progress_shown() as say:
        changed = parse_again(company, place.home, _chosen(company, names), say)
    if not as_json:
        click.echo(f"{changed} deliveries of observations are not what they were.", err=True)
    result = run_and_report(place, as_json, only=names[0] if len(names) == 1 else None)
    raise click.exceptions.Exit(result.exit_code)


def _chosen(company: "Company", names: Sequence[str]) -> list["Source"]:
    return [source_of(company, name) for name in names] or list(company.sources)


COMMANDS = (doctor, sources, reparse)

"""Verbs that change what is published, or start what does: run, plan, rollback, ui."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingest.home import Home
from orchestration import versions
from orchestration.cli.place import Place, as_json, at_place, source_of
from orchestration.cli.show import amount, print_json, print_table, size
from orchestration.demo import COMPANY, world_of

if TYPE_CHECKING:
    import duckdb

    from orchestration.pipeline import RunResult
    from orchestration.plan import Plan

_LARGEST_SALE = """
select market, product_id, order_month from marts.mart_sales__market_product_month
order by order_month desc, net_amount_home desc limit 1
"""
_SHOWN_FIRST = (
    "marts.mart_market_share__market_category_period",
    "marts.mart_sales__market_product_month",
    "marts.mart_price_position__product_market_day",
    "core.fct_competitor_prices",
)

Say = Callable[[str], None]
_SECONDS_BETWEEN_LINES = 10


@click.command("run")
@click.option("--only", metavar="SOURCE", help="Land and load this source only.")
@click.option("--full-refresh", is_flag=True, help="Build every model anew, changed or not.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of DuckDB.")
@click.option("--memory-limit", metavar="SIZE", help="Memory of DuckDB, such as 4GB.")
@as_json
@at_place
def run(
    place: Place,
    only: str | None,
    full_refresh: bool,
    threads: int | None,
    memory_limit: str | None,
    as_json: bool,
) -> None:
    """Land what is new, build, audit and publish; what readers see changes only at the end."""
    result = run_and_report(
        place,
        as_json,
        only=only,
        full_refresh=full_refresh,
        threads=threads,
        memory_limit=memory_limit,
    )
    raise click.exceptions.Exit(result.exit_code)


def run_and_report(
    place: Place, as_json: bool, only: str | None = None, **options: Any
) -> "RunResult":
    """Run the pipeline with its progress shown, and print how it ended; `options` are its own.

    Raises:
        TradewindError: as `orchestration.pipeline.run`.
    """
    company = place.company()
    if only is not None:
        source_of(company, only)
    from orchestration import pipeline

    try:
        with progress_shown() as say:
            result = pipeline.run(company, place.home, only=only, progress=say, **options)
    except pipeline.RunRefused as refused:
        if as_json:
            print_json(_as_dict(place, refused.result))
        raise
    if as_json:
        print_json(_as_dict(place, result))
    else:
        _summarise(place, result)
    return result


def _as_dict(place: Place, result: "RunResult") -> dict[str, Any]:
    """Return a run's result with the headline figures that readers see now."""
    return {
        **asdict(result),
        "exit_code": result.exit_code,
        "headline": _headline(place),
        "quarantined": _quarantined(place),
    }


def _headline(place: Place) -> list[dict[str, Any]]:
    current = versions.current_version(place.home)
    return [] if current is None else versions.read_record(place.home, current).get("headline", [])


def _quarantined(place: Place) -> list[dict[str, Any]]:
    if versions.current_version(place.home) is None:
        return []
    from orchestration.refused_rows import groups

    with closing(place.connect()) as connection:
        return [asdict(group) for group in groups(connection)]


def _summarise(place: Place, result: "RunResult") -> None:
    """Say what was published, the headline figures, what was set aside, and what to do next."""
    if result.status == "nothing_to_replay":
        click.echo(_nothing_to_replay(place, result))
        return
    if result.status == "nothing_new":
        click.echo(f"Nothing is new: version {result.version or 'none'} stands.")
    else:
        rows = sum(source.rows_loaded for source in result.sources)
        click.echo(
            f"Published version {result.version}: {rows:,} new rows, "
            f"{result.checks} checks passed, in {result.seconds:.1f} s\n{place.home.warehouse}"
        )
    if result.version is not None:
        show_headline(_headline(place))
        show_quarantine(_quarantined(place))
    for warning in result.warnings:
        click.echo(f"{click.style('Warning:', fg='yellow')} {warning}")
    for name, message in result.unreachable.items():
        click.echo(f"{click.style('Not reached:', fg='red')} {name}: {message}", err=True)
    if result.version is not None:
        _show_next(place)


def _nothing_to_replay(place: Place, result: "RunResult") -> str:
    if result.version is None:
        return f"Nothing is published yet, so nothing is in quarantine: `{_program()} run` first."
    return f"Nothing is in quarantine, so there is nothing to replay: {result.version} stands."


def _show_next(place: Place) -> None:
    """Print commands to try, on rows that this warehouse has, that can be typed as they stand."""
    program, at = _program(), options_of(place)
    click.echo("\nNext:")
    with closing(place.connect()) as connection:
        table = table_to_look_at(connection)
        rows = connection.execute(_LARGEST_SALE).fetchall()
    click.echo(f'  {program} sql{at} "from {table} limit 20"')
    for market, product, month in rows:
        click.echo(
            f"  {program} explain{at} mart_sales__market_product_month \\\n"
            f"    --column net_amount_home --where \"market = '{market}' "
            f"and product_id = '{product}' and order_month = '{month}'\""
        )
    click.echo(f"  {program} quarantine list{at}\n  {program} ui{at}")


def table_to_look_at(connection: "duckdb.DuckDBPyConnection") -> str:
    """The first of some tables that has rows: a company without market data has no shares."""
    for table in _SHOWN_FIRST:
        if connection.execute(f"from {table} limit 1").fetchone() is not None:
            return table
    return _SHOWN_FIRST[0]


def _program() -> str:
    """How this program was called, so that it is found again."""
    called = sys.argv[0]
    on_path = shutil.which("tradewind")
    if on_path is not None and os.path.realpath(on_path) == os.path.realpath(called):
        return "tradewind"
    return called if called.endswith("tradewind") else "tradewind"


def options_of(place: Place) -> str:
    """The options that lead to the same place; none where they are what is taken without."""
    parts = []
    if (
        place.company_path.resolve()
        != Path(os.environ.get("TRADEWIND_COMPANY") or COMPANY).resolve()
    ):
        parts += ["--company", str(place.company_path)]
    if place.home.root.resolve() != Home.for_company(place.company_path, None).root.resolve():
        parts += ["--home", str(place.home.root)]
    return "".join(f" {shlex.quote(part)}" for part in parts)


def show_quarantine(groups: Sequence[Mapping[str, Any]]) -> None:
    """Print how many rows were set aside, by source and reason."""
    if not groups:
        click.echo("No rows are in quarantine.")
        return
    columns = ["source", "entity", "rule", "reason", "rows", "amount", "currency"]
    rows = [[_of_group(group, column) for column in columns] for group in groups]
    print_table("In quarantine", columns, rows)


def _of_group(group: Mapping[str, Any], column: str) -> Any:
    value = group[column]
    if column == "amount" and value:
        return f"{value:,.2f}"
    if column == "reason" and group["reasons"] > 1:
        return f"{value} (one of {group['reasons']} reasons)"
    return value


@contextmanager
def progress_shown() -> Iterator[Say]:
    """Show stages on stderr as they begin: moving on a terminal, line by line elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20),
        TextColumn("{task.fields[part]}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Stages(progress)


class _Lines:
    """A line a stage, and one now and then about how far a long one is."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    def __call__(self, sentence: str) -> None:
        """Say that a stage begins."""
        click.echo(f"{time.monotonic() - self._began:6.1f} s  {sentence}", err=True)

    def counted(self, done: int, total: int, unit: str) -> None:
        """Say how far the stage is, if that was not said lately."""
        if time.monotonic() - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = time.monotonic()
            self(_part(done, total, unit))


class _Stages:
    """Ticks the last stage off when the next one begins; a bar for one that counts."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._current: Any = None

    def __call__(self, sentence: str) -> None:
        """Show that a stage begins."""
        if self._current is not None:
            self._progress.update(self._current, total=1, completed=1)
            self._progress.stop_task(self._current)
        self._current = self._progress.add_task(sentence, total=None, part="")

    def counted(self, done: int, total: int, unit: str) -> None:
        """Show how far the stage is."""
        if self._current is not None:
            part = _part(done, total, unit)
            self._progress.update(self._current, total=total, completed=done, part=part)


def _part(done: int, total: int, unit: str) -> str:
    return f"{size(done)} of {size(total)}" if unit == "bytes" else f"{done:,} of {total:,} {unit}"


def show_headline(figures: Sequence[Mapping[str, Any]]) -> None:
    """Print headline figures, one a line: value, unit, period, and how sure it is."""
    rows = [
        (figure["label"], amount(figure["value"], figure["unit"]), figure["period"], figure["note"])
        for figure in figures
    ]
    print_table("Headline", ["figure", "value", "period", "note"], rows)


@click.command("rollback")
@click.argument("version", required=False)
@as_json
@at_place
def rollback(place: Place, version: str | None, as_json: bool) -> None:
    """Let readers see VERSION again, by default the one before; no data is changed."""
    shown = versions.rollback(place.home, version)
    if as_json:
        print_json(asdict(shown))
        return
    click.echo(f"Readers see version {shown.version} now (published {shown.published_at}).")
    show_headline(shown.headline)
    click.echo("The next run builds on it, and loads again what it lacks.")


@click.command("plan")
@as_json
@at_place
def plan(place: Place, as_json: bool) -> None:
    """Show what a run would do, without doing it."""
    from orchestration.plan import plan as make_plan

    company = place.company()
    with world_of(place.company_path):
        planned = make_plan(company, place.home)
    if as_json:
        print_json(asdict(planned))
    else:
        _show_plan(planned)
    if planned.unreachable:
        raise click.exceptions.Exit(3)


def _show_plan(planned: "Plan") -> None:
    if planned.is_empty and not planned.unreachable:
        click.echo("Nothing is new: a run would end at once and leave the version as it is.")
        return
    rows = [
        (
            source.source,
            source.entity,
            source.new_files,
            size(source.new_bytes),
            source.waiting,
            source.problem or ", ".join(source.paths[:2]),
        )
        for source in planned.sources
        if source.new_files or source.waiting or source.problem
    ]
    columns = ["source", "entity", "new files", "size", "landed, not published", ""]
    if rows:
        print_table(f"A run for {planned.company} would land and load", columns, rows)
    if planned.is_empty:
        click.echo("Nothing is new at the other sources: the version would stay as it is.")
    elif planned.everything:
        click.echo(f"Everything is built anew: {planned.reason}.")
    else:
        click.echo("Only the months that these deliveries touch are built anew.")


@click.command("ui")
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
@at_place
def ui(place: Place, port: int) -> None:
    """Open Dagster on 127.0.0.1: assets, checks, schedules and the new-file sensor."""
    from orchestration.ui import HOST, serve

    company = place.company()
    click.echo(f"Dagster for {company.company} on http://{HOST}:{port} (Ctrl-C ends it)", err=True)
    try:
        code = serve(place.home, place.company_path, port)
    except KeyboardInterrupt:
        # Ctrl-C is how it is meant to end
        code = 0
    raise click.exceptions.Exit(code)


COMMANDS = (run, plan, rollback, ui)

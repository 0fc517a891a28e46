"""Verbs that only read what is published: sql, explain, versions, diff, report."""

import csv
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
import duckdb

from ingest.errors import TradewindError
from ingest.sql import quoted
from orchestration import versions as published
from orchestration.candidate import lock_down
from orchestration.cli.place import Place, as_json, at_place
from orchestration.cli.show import amount, exact_json, legible, print_json, print_table, size

if TYPE_CHECKING:
    from orchestration.diff import Difference

FORMATS = ("table", "csv", "json", "parquet")
_BATCH = 10_000
_SHOWN_ROWS = 200
_OURS = re.compile(
    r"country_code|parse_price|price_currency|currency_code|parse_date", re.IGNORECASE
)


class QueryRefused(TradewindError):
    """DuckDB did not accept the SQL."""

    exit_code = 2


class NoReport(TradewindError):
    """No run has written a report yet."""

    exit_code = 2


@click.command("sql")
@click.argument("query")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file.")
@at_place
def sql(place: Place, query: str, form: str, output: Path | None) -> None:
    """Ask the published warehouse; it can read the warehouse and nothing else.

    Tables are `marts.*`, `core.*`, `quarantine.rows`, `audit.*`; `show all tables` lists them. The
    functions of mapping expressions, such as parse_price, are known too.
    """
    answer(place, query, form, output)


def answer(
    place: Place, query: str, form: str, output: Path | None, decimals: int | None = None
) -> None:
    """Print, or write to a file, what a query over the published warehouse gives.

    Args:
        place: Whose warehouse.
        query: DuckDB SQL.
        form: One of `FORMATS`.
        output: The file to write to; None prints.
        decimals: Round numbers in a drawn table to so many; None, and the other forms, do not.

    Raises:
        QueryRefused: DuckDB does not accept it.
    """
    if form == "parquet" and output is None:
        raise click.UsageError("--format parquet needs a file: -o FILE")
    target = None if output is None else output.absolute()
    connection = duckdb.connect(str(published.resolve(place.home)), read_only=True)
    try:
        if _OURS.search(query):
            # half of the time that a query may take to start: only where it is needed
            from ingest.functions import register

            register(connection)
        lock_down(connection, [target] if target is not None and form == "parquet" else [])
        with _explained(query):
            _answer(connection, query, form, target, decimals)
    finally:
        connection.close()


@contextmanager
def _explained(query: str) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise QueryRefused(
            what=str(error).strip(),
            where=query if len(query) < 200 else query[:200] + " …",
            expected="DuckDB SQL that reads the published warehouse",
            next_step='`tradewind sql "show all tables"` lists what can be asked',
        ) from error


def _answer(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    form: str,
    target: Path | None,
    decimals: int | None,
) -> None:
    if form == "parquet":
        relation = connection.sql(query)
        if relation is not None:
            relation.write_parquet(str(target), compression="zstd")
        return
    with _opened(target) as stream:
        if form == "table":
            _write_table(connection, query, stream, decimals)
        else:
            cursor = connection.execute(query)
            columns = [column[0] for column in cursor.description or []]
            write = _write_json if form == "json" else _write_csv
            write(columns, _rows(cursor), stream)


@contextmanager
def _opened(target: Path | None) -> Iterator[IO[str]]:
    if target is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    with target.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def _write_table(
    connection: duckdb.DuckDBPyConnection, query: str, stream: IO[str], decimals: int | None
) -> None:
    """Draw at most 200 rows, as DuckDB does; the whole width where no terminal limits it."""
    relation = connection.sql(query)
    if relation is None:
        return
    if decimals is not None:
        relation = relation.project(_rounded(relation, decimals))
    with redirect_stdout(stream):
        if stream.isatty():
            relation.show(max_rows=_SHOWN_ROWS)
        else:
            relation.show(max_rows=_SHOWN_ROWS, max_width=10_000, max_col_width=200)


def _rounded(relation: duckdb.DuckDBPyRelation, decimals: int) -> str:
    """SQL of all columns of a relation, those with fractions rounded."""
    kinds = zip(relation.columns, (str(kind) for kind in relation.types), strict=True)
    return ", ".join(
        f"round({quoted(name)}, {decimals}) as {quoted(name)}"
        if kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL")
        else quoted(name)
        for name, kind in kinds
    )


def _write_csv(columns: list[str], rows: Iterator[tuple[Any, ...]], stream: IO[str]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(cell) for cell in row])


def _csv_cell(cell: object) -> object:
    """Return a value as DuckDB writes it: true and false small, nested values as JSON."""
    if isinstance(cell, bool):
        return str(cell).lower()
    return exact_json(cell) if isinstance(cell, list | dict | tuple) else cell


def _write_json(columns: list[str], rows: Iterator[tuple[Any, ...]], stream: IO[str]) -> None:
    separator = "["
    for row in rows:
        stream.write(f"{separator}\n{exact_json(dict(zip(columns, row, strict=True)))}")
        separator = ","
    stream.write("[]\n" if separator == "[" else "\n]\n")


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while batch := cursor.fetchmany(_BATCH):
        yield from batch


@click.command("versions")
@as_json
@at_place
def versions(place: Place, as_json: bool) -> None:
    """List the published versions that are kept; readers see the current one."""
    kept = published.versions(place.home)
    if as_json:
        print_json([asdict(version) for version in kept])
        return
    if not kept:
        click.echo("Nothing is published yet: `tradewind run` publishes the first version.")
        return
    labels = [figure["label"] for figure in kept[0].headline]
    rows = [
        (
            version.version,
            version.published_at,
            version.run_id[:8],
            size(version.size),
            version.rows,
            "current" if version.is_current else "",
            *(amount(figure["value"], figure["unit"]) for figure in version.headline),
        )
        for version in kept
    ]
    columns = ["version", "published (UTC)", "run", "size", "sales rows", "", *labels]
    print_table(None, columns, [row + ("",) * (len(columns) - len(row)) for row in rows])


@click.command("diff")
@click.argument("a", required=False)
@click.argument("b", required=False)
@as_json
@at_place
def diff(place: Place, a: str | None, b: str | None, as_json: bool) -> None:
    """Show which headline figures moved from version A to B, by how much, from which source.

    By default B is the current version and A the one before it.
    """
    from orchestration.diff import diff as compare

    found = compare(place.home, a, b)
    if as_json:
        print_json(found.as_dict())
    else:
        _show_difference(found)


def _show_difference(found: "Difference") -> None:
    click.echo(f"From version {found.a} to {found.b}")
    if not any((found.headline, found.movements, found.restatements, found.deliveries)):
        click.echo("Nothing moved: the same deliveries, the same figures.")
        return
    _show_headline_moves(found)
    columns = ["measure", "unit", "", "market", "of", "before", "after", "change", "%"]
    rows = [
        (
            move.measure.replace("_", " "),
            move.unit,
            move.scope,
            move.market,
            move.detail,
            *map(legible, (move.before, move.after, move.change, move.change_pct)),
        )
        for move in found.movements
    ]
    print_table("By market", columns, rows)
    _show_restatements(found)
    columns = [
        "source",
        "change",
        "delivery",
        "path",
        "rows",
        "quarantined",
        f"revenue {found.currency}",
    ]
    changes = [
        (
            each.source,
            each.change,
            each.delivery_id,
            each.path,
            each.rows_change,
            each.quarantined_change,
            round(each.revenue_change_home, 2),
        )
        for each in found.deliveries
    ]
    print_table("Deliveries that differ", columns, changes)


def _show_restatements(found: "Difference") -> None:
    if not found.restatements:
        return
    rows = [
        (
            each.market,
            each.category,
            f"{each.period} from {each.period_start}",
            f"{each.edition_before} -> {each.edition}",
            each.published_on,
            *(
                None if value is None else round(value, 2)
                for value in (
                    *(each.value_before_home, each.value_home, each.units_before, each.units),
                    *(each.share_before_pct, each.share_pct),
                )
            ),
        )
        for each in found.restatements
    ]
    value = f"value {found.currency}"
    columns = ["market", "of", "period", "edition", "published", f"{value} before", value]
    columns += ["units before", "units", "our share % before", "our share %"]
    print_table("Market figures restated", columns, rows)


def _show_headline_moves(found: "Difference") -> None:
    rows = [
        (
            move.label,
            amount(move.before, move.unit),
            amount(move.after, move.unit),
            "" if move.change is None else f"{move.change:+,.2f}",
            "" if move.change_pct is None else f"{move.change_pct:+,.2f}",
            _period(move.period_before, move.period_after),
            "\n".join(
                source if part is None else f"{source} {part:+,.2f}"
                for source, part in move.sources.items()
            )
            or "no delivery: other rates, another mapping or newer code",
        )
        for move in found.headline
    ]
    columns = ["figure", "before", "after", "change", "%", "period", "from source"]
    print_table("Headline figures that moved", columns, rows)


def _period(before: str, after: str) -> str:
    """A figure also moves because its period did: then both are shown."""
    return after if before in ("", after) else f"{after}\nbefore: {before}"


@click.command("explain")
@click.argument("mart")
@click.option("--where", required=True, help="SQL condition that is true for one row of it.")
@click.option("--column", required=True, help="The column whose cell is explained.")
@click.option("--all", "everything", is_flag=True, help="Show all rows, not a sample.")
@as_json
@at_place
def explain(
    place: Place, mart: str, where: str, column: str, everything: bool, as_json: bool
) -> None:
    """Follow one cell of MART back to its rows, files, deliveries, run and checks.

    The cell is computed again from the rows that are listed, and from them alone.
    """
    from orchestration.explain import SAMPLE_ROWS
    from orchestration.explain import explain as trace

    found = trace(place.home, mart, where, column, None if everything else SAMPLE_ROWS)
    if as_json:
        click.echo(exact_json(found.as_dict()))
    else:
        from orchestration.cli.explanation import show

        show(found)
    if not found.is_equal:
        raise click.exceptions.Exit(1)


@click.command("report")
@click.option("--open", "opened", is_flag=True, help="Open it in the browser.")
@at_place
def report(place: Place, opened: bool) -> None:
    """Show where the newest audit report (Great Expectations' Data Docs) lies."""
    page = _newest_report(place.home.reports)
    click.echo(str(page))
    if opened:
        click.launch(str(page))


def _newest_report(folder: Path) -> Path:
    pages = sorted(folder.glob("*/**/index.html"), key=lambda page: len(page.parts))
    by_report: dict[str, Path] = {}
    for page in pages:
        by_report.setdefault(page.relative_to(folder).parts[0], page)
    if not by_report:
        raise NoReport(
            what="there is no report yet",
            where=str(folder),
            expected="a run that got as far as its audit",
            next_step="`tradewind run` audits the warehouse and writes the report",
        )
    return max(by_report.values(), key=lambda page: page.stat().st_mtime)


COMMANDS = (sql, explain, versions, diff, report)

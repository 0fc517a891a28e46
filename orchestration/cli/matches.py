"""Verbs about matches: review, accept, reject, export, import."""

import csv
import getpass
import io
import re
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ingest.errors import TradewindError
from orchestration.cli.place import Place, as_json, at_place
from orchestration.cli.show import print_json, print_table
from orchestration.words import counted

_FIELDS = (
    "product_id", "competitor", "competitor_key", "decision", "kind", "pack_coefficient",
    "valid_from", "valid_to", "confidence", "reviewed_by", "note", "product", "title", "reason",
)  # fmt: skip
_SHORTENED = re.compile(r"\d(?:[.,]\d+)?E\+?\d+", re.IGNORECASE)
_KINDS = ("exact", "equivalent", "substitute", "private_label")


@click.group("matches")
def matches() -> None:
    """Which rivals' offers compete with which products: proposals, and decisions on them."""


@matches.command("review")
@as_json
@at_place
def review(place: Place, as_json: bool) -> None:
    """Show the proposals that wait for a decision, the surest first."""
    from orchestration.matching import waiting

    _require(place)
    found = waiting(place.home)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        (o.product_id, o.product, o.competitor, o.competitor_key, o.title, f"{o.confidence:.2f}",
         o.pack_coefficient, o.reason)
        for o in found
    ]  # fmt: skip
    if rows:
        columns = ["product_id", "product", "competitor", "key", "title", "confidence", "pack", ""]
        print_table("Waiting for a decision", columns, rows)
    else:
        click.echo("No proposal waits for a decision.")


def _pair(function: Any) -> Any:
    for option in (
        click.option("--by", help="Who decides (default: the user of this computer)."),
        click.option("--note", default="", help="Why."),
        click.argument("competitor_key"),
        click.argument("competitor"),
        click.argument("product_id"),
    ):
        function = option(function)
    return function


@matches.command("accept")
@_pair
@click.option("--kind", type=click.Choice(_KINDS), default="exact", show_default=True)
@click.option("--pack", type=float, help="Units of ours in one pack of theirs.")
@click.option("--until", help="First day on which the match no longer holds, such as 2026-12-31.")
@at_place
def accept(
    place: Place, product_id: str, competitor: str, competitor_key: str, by: str | None,
    note: str, kind: str, pack: float | None, until: str | None,
) -> None:  # fmt: skip
    """Say that an offer competes with a product of ours."""
    row = {"product_id": product_id, "competitor": competitor, "competitor_key": competitor_key}
    row |= {"decision": "accept", "kind": kind, "note": note, "reviewed_by": by or ""}
    _decide(place, [{**row, "pack_coefficient": str(pack or ""), "valid_to": until or ""}], "")


@matches.command("reject")
@_pair
@at_place
def reject(
    place: Place, product_id: str, competitor: str, competitor_key: str, by: str | None, note: str
) -> None:
    """Say that an offer does not compete with a product; whoever proposes the pair again."""
    row = {"product_id": product_id, "competitor": competitor, "competitor_key": competitor_key}
    _decide(place, [{**row, "decision": "reject", "note": note, "reviewed_by": by or ""}], "")


@matches.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@at_place
def export(place: Place, file: Path) -> None:
    """Write what waits and what was decided to a CSV file, for `import` to take back."""
    from ingest.matches import decisions
    from orchestration.matching import waiting

    _require(place)
    rows: list[dict[str, Any]] = [
        {**row, "decision": "reject" if row["kind"] == "rejected" else "accept"}
        for row in decisions(place.home)
    ]
    rows += [{**asdict(one), "decision": ""} for one in waiting(place.home)]
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, _FIELDS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    click.echo(f"{counted(len(rows), 'row')} in {file}; write accept or reject under `decision`.")


@matches.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--by", help="Who decides, where the file does not say.")
@at_place
def import_(place: Place, file: Path, by: str | None) -> None:
    """Take decisions from a CSV file; rows without a decision are left out."""
    rows = _rows_of(file)
    _decide(place, [row for row in rows if row["decision"].strip()], f"{file}: ", by)


def _rows_of(file: Path) -> list[dict[str, str]]:
    """The rows of a file as spreadsheets save it: with commas, semicolons or tabs, by any of them.

    Raises:
        TradewindError: A column is missing.
    """
    body = file.read_bytes()
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("cp1252", errors="replace")
    heading = text.partition("\n")[0]
    delimiter = max(",;\t", key=heading.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    missing = {"product_id", "competitor", "competitor_key", "decision"} - set(
        reader.fieldnames or ()
    )
    if missing:
        raise TradewindError(
            f"{file} has no column {', '.join(sorted(missing))}",
            str(file),
            "product_id, competitor, competitor_key and decision",
            "start from `tradewind matches export`",
        )
    return [{k: v or "" for k, v in row.items() if k} for row in reader]


def _decide(place: Place, rows: list[dict[str, str]], where: str, by: str | None = None) -> None:
    """Check the decisions, all before any is kept, and keep those that say something new."""
    from ingest import matches as state

    _require(place)
    decided = [_decision(row, f"{where}row {n + 1}", by) for n, row in enumerate(rows)]
    known = [_meaning(row) for row in state.decisions(place.home)]
    last = {meaning[:3]: meaning for meaning in known}
    new = [row for row in decided if last.get(_meaning(row)[:3]) != _meaning(row)]
    if new:
        state.write(place.home, state.DECISIONS, new)
    click.echo(f"{len(new)} new decisions are kept; `tradewind run` brings them to the readers.")


def _meaning(row: dict[str, str]) -> tuple[str, ...]:
    names = ("product_id", "competitor", "competitor_key", "kind", "pack_coefficient", "valid_to")
    return tuple(row.get(name) or "" for name in names)


def _decision(row: dict[str, str], where: str, by: str | None) -> dict[str, str]:
    decision = row["decision"].strip().lower()
    kind = "rejected" if decision == "reject" else row.get("kind") or "exact"
    faults = [
        (decision not in ("accept", "reject"), f"decision {decision!r}", "accept or reject"),
        (kind not in (*_KINDS, "rejected"), f"kind {kind!r}", ", ".join(_KINDS)),
        (
            not _is_pack(row.get("pack_coefficient", "")),
            "the pack",
            "a number from 0.0001 to 10000",
        ),
        (not _is_day(row.get("valid_to", "")), "valid_to", "a day such as 2026-12-31"),
        (not _is_day(row.get("valid_from", "")), "valid_from", "a day such as 2026-12-31"),
    ]
    faults += [
        (bool(_SHORTENED.fullmatch(row[n].strip())), f"{n} {row[n]}",
         "all of its digits: a spreadsheet has shortened the number")
        for n in ("product_id", "competitor_key")
    ]  # fmt: skip
    faults += [
        (not row[n].strip(), f"no {n}", "the names of the pair")
        for n in ("product_id", "competitor", "competitor_key")
    ]
    for is_wrong, found, expected in faults:
        if is_wrong:
            raise TradewindError(f"{found} is not usable", where, expected, "correct it")
    row = {**row, "pack_coefficient": row.get("pack_coefficient", "").replace(",", ".")}
    who = row.get("reviewed_by") or by or getpass.getuser()
    return {**row, "kind": kind, "method": "hand", "confidence": "1", "reviewed_by": who}


def _is_pack(text: str) -> bool:
    try:
        return not text or 0.0001 <= float(text.replace(",", ".")) <= 10000
    except ValueError:
        return False


def _is_day(text: str) -> bool:
    try:
        return not text or bool(datetime.strptime(text, "%Y-%m-%d"))
    except ValueError:
        return False


def _require(place: Place) -> None:
    if place.company().matching is None:
        raise TradewindError(
            "the company file has no `matching:`",
            str(place.company_path),
            "a block `matching:`, which may be empty (`matching: {}`)",
            "add it; see docs/matching.md",
        )


COMMANDS = (matches,)

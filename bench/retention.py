"""Draws the retention triangle of a published warehouse as a plain SVG.

`python -m bench.retention [WAREHOUSE]` writes docs/images/retention_triangle.svg; without a name it
reads the warehouse of the demo company.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "docs" / "images" / "retention_triangle.svg"
_CELL, _LEFT, _TOP = 26, 108, 46
_COHORTS = """
select strftime(cohort_month, '%Y-%m') as cohort, months_since,
    sum(customers_at_risk) as at_risk, sum(customers_retained) as retained
from marts.mart_cohort__month
where is_complete_month and months_since > 0
group by all order by all
"""


def main(arguments: Sequence[str]) -> None:
    """Read the triangle and write the picture."""
    warehouse = arguments[0] if arguments else str(ROOT / ".tradewind" / "warehouse.duckdb")
    with duckdb.connect(warehouse, read_only=True) as connection:
        rows = connection.execute(_COHORTS).fetchall()
    IMAGE.write_text(svg(rows), encoding="utf-8")


def svg(rows: Sequence[tuple[str, int, int, int]]) -> str:
    """The triangle: a row a cohort, a column a month since, darker where more came back.

    Args:
        rows: Cohort, months since, customers at risk, customers retained.
    """
    cohorts = sorted({cohort for cohort, *_ in rows})
    columns = max((months for _, months, *_ in rows), default=0)
    most = max((retained / at_risk for *_, at_risk, retained in rows), default=1.0) or 1.0
    sizes = {cohort: at_risk for cohort, _, at_risk, _ in rows}
    parts = [
        _text(_LEFT + (months - 0.5) * _CELL, _TOP - 8, str(months), "middle")
        for months in range(1, columns + 1)
    ]
    parts.append(_text(_LEFT, 16, "Percent of a month's new customers who bought again, by months "
                       "since; customers in brackets", "start"))  # fmt: skip
    for place, cohort in enumerate(cohorts):
        label = f"{cohort} ({sizes[cohort]:,})"
        parts.append(_text(_LEFT - 8, _TOP + (place + 0.65) * _CELL, label, "end"))
    parts += [
        _cell(cohorts.index(cohort), months, retained / at_risk, most)
        for cohort, months, at_risk, retained in rows
    ]
    width, height = _LEFT + columns * _CELL + 12, _TOP + len(cohorts) * _CELL + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'font-family="sans-serif" font-size="11">\n<title>Retention triangle</title>\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _cell(place: int, months: int, part: float, most: float) -> str:
    x, y = _LEFT + (months - 1) * _CELL, _TOP + place * _CELL
    shade = part / most
    # white to blue; the figure turns white where it would no longer be read
    red, green, blue = (round(255 - shade * (255 - end)) for end in (8, 69, 148))
    colour = "#ffffff" if shade > 0.55 else "#202020"
    return (
        f'<rect x="{x}" y="{y}" width="{_CELL - 1}" height="{_CELL - 1}" '
        f'fill="rgb({red},{green},{blue})"/>'
        + _text(x + _CELL / 2, y + 0.65 * _CELL, f"{100 * part:.0f}", "middle", colour)
    )


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#202020") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


if __name__ == "__main__":
    main(sys.argv[1:])

"""Writes bench/RESULTS.md and the plot of growth."""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from bench.measure import Usage

if TYPE_CHECKING:
    from bench.__main__ import Size

HERE = Path(__file__).parent


def write(sizes: "Sequence[Size]", fixed: Mapping[str, Usage]) -> None:
    """Write the tables of all sizes and of the fixed part, with the machine they ran on."""
    (HERE / "RESULTS.md").write_text(_page(sizes, fixed), encoding="utf-8")
    (HERE / "growth.svg").write_text(_plot(sizes), encoding="utf-8")


def _page(sizes: "Sequence[Size]", fixed: Mapping[str, Usage]) -> str:
    return "\n".join(
        [
            "# Results",
            f"Measured on {datetime.now(UTC):%Y-%m-%d} by `make bench`: {_machine()}.",
            "The baseline is `bench/baseline.sql`, the same facts and marts in one SQL script by "
            "hand, without fits of customer models, lineage, quarantine, checks or versions.",
            "",
            "## By order lines",
            _size_table(sizes),
            "",
            "Each figure is the fastest of two rounds; DuckDB may take 2.5 GB. The fixed part is "
            "the same run over 1,000 lines, in the same rounds. The ratio is the full run beyond "
            f"it to the baseline. A day is measured {len(sizes[0].days)} times, each beside one on "
            "1,000 lines; what it costs beyond that is the middle of the differences, for the "
            "machine is not as fast at one time as at another. It is held against the full run, "
            "and against what the full run costs beyond its own fixed part.",
            "",
            "![Wall time against order lines](growth.svg)",
            "",
            "## The fixed part (1,000 order lines)",
            "| command | wall s | CPU s | peak GiB |",
            "| --- | ---: | ---: | ---: |",
            *(
                f"| {name} | {used.wall_s:.1f} | {used.cpu_s:.1f} | {used.peak_gib:.2f} |"
                for name, used in fixed.items()
            ),
            "",
        ]
    )


def _size_table(sizes: "Sequence[Size]") -> str:
    head = (
        "| lines | baseline s | full run s | its fixed part s | ratio | peak GiB "
        "| one more day s | its fixed part s | beyond it s | of the full run "
        "| of that beyond its fixed part | nothing new s | sql on a mart, CPU ms |\n"
        "|" + " ---: |" * 13
    )
    return "\n".join([head, *(_size_row(size) for size in sizes)])


def _size_row(size: "Size") -> str:
    full = size.full_run.wall_s - size.run_of_few.wall_s
    beyond = size.day_beyond_few_s
    return (
        f"| {size.lines:,} | {size.baseline.wall_s:.1f} | {size.full_run.wall_s:.1f} "
        f"| {size.run_of_few.wall_s:.1f} | {full / size.baseline.wall_s:.2f} "
        f"| {size.full_run.peak_gib:.2f} "
        f"| {size.one_more_day.wall_s:.1f} | {size.day_of_few.wall_s:.1f} | {beyond:.1f} "
        f"| {100 * beyond / size.full_run.wall_s:.0f} % | {100 * beyond / full:.0f} % "
        f"| {size.nothing_new.wall_s:.1f} | {1000 * size.read_mart.cpu_s:.0f} |"
    )


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    )


def _plot(sizes: "Sequence[Size]") -> str:
    width, height, left, bottom = 640, 360, 60, 40
    most_lines = max(size.lines for size in sizes)
    most_seconds = max(size.full_run.wall_s for size in sizes)

    def at(size: "Size", seconds: float) -> tuple[float, float]:
        x = left + (width - left - 20) * size.lines / most_lines
        return x, height - bottom - (height - bottom - 30) * seconds / most_seconds

    def line(name: str, colour: str, seconds: "Sequence[float]") -> str:
        points = [at(size, s) for size, s in zip(sizes, seconds, strict=True)]
        path = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
        dots = "".join(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3"/>' for x, y in points)
        x, y = points[-1]
        return (
            f'<g fill="{colour}"><polyline points="{path}" fill="none" stroke="{colour}"/>{dots}'
            f'<text x="{x:.0f}" y="{y - 8:.0f}" text-anchor="end">{name}</text></g>'
        )

    ticks = "".join(
        f'<text x="{at(size, 0)[0]:.0f}" y="{height - 18}" text-anchor="middle">'
        f"{size.lines / 1e6:g}</text>"
        for size in sizes
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="system-ui, sans-serif" font-size="12">'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
        f'<path d="M{left} 20V{height - bottom}H{width - 10}" fill="none" stroke="#444"/>{ticks}'
        f'<text x="{width / 2}" y="{height - 4}" text-anchor="middle">million order lines</text>'
        f'<text x="{left - 6}" y="30" text-anchor="end">{most_seconds:.0f} s</text>'
        f'<text x="{left - 6}" y="{height - bottom}" text-anchor="end">0</text>'
        + line("full run", "#35577d", [size.full_run.wall_s for size in sizes])
        + line("baseline", "#2d7a4b", [size.baseline.wall_s for size in sizes])
        + line("one more day", "#a8501f", [size.one_more_day.wall_s for size in sizes])
        + "</svg>\n"
    )

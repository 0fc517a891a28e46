"""What the marts of market, prices and industry add to a run: ``python -m bench.market``.

A run over made orders first. Then, on a copy of what it published, dbt builds and tests these marts
and all that only they need, anew and whole, less what dbt costs where it builds next to nothing.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bench.data import write_company
from bench.measure import Usage, measure

BIN = Path(sys.executable).parent
PROJECT = Path(__file__).parents[1] / "dbt_project"
MARTS = (
    "market_structure", "distribution", "price_volume_mix", "export", "price_index",
    "price_position", "rival_moves", "industry",
)  # fmt: skip
NEEDED = ("competitors", "export", "price_volume_mix")
RESTATED = (
    "mart_market_restatements__market_category_period int_market__period_blocks "
    "int_market__share_intervals int_customers__concentrations"
)
NEXT_TO_NOTHING = "dim_market"


def main() -> None:
    """Print the run, the marts within it, and what they add to the rest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=float, default=10, help="millions of order lines")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "company"
        company = write_company(folder, int(options.lines * 1e6))
        home = folder / "home"
        command = [BIN / "tradewind", "run", "--company", company, "--home", home]
        run = measure([*command, "--memory-limit", "2GB"])
        copy = folder / "warehouse.duckdb"
        shutil.copy((home / "warehouse.duckdb").resolve(), copy)
        copy.chmod(0o644)
        _build(copy, [NEXT_TO_NOTHING])  # parses
        nothing = _build(copy, [NEXT_TO_NOTHING])
        marts = _build(copy, _selected())
    _show(run, marts.wall_s - nothing.wall_s, marts.cpu_s - nothing.cpu_s)


def _selected() -> list[str]:
    folders = [f"path:models/marts/{name}" for name in MARTS]
    folders += [f"path:models/intermediate/{name}" for name in NEEDED]
    return [*folders, *RESTATED.split()]


def _build(database: Path, select: list[str]) -> Usage:
    command = [
        BIN / "dbt", "build", "--quiet", "--full-refresh", "--project-dir", PROJECT,
        "--profiles-dir", PROJECT, "--target-path", database.parent / "target",
        "--exclude-resource-type", "unit_test", "--indirect-selection", "cautious",
        "--select", *select,
    ]  # fmt: skip
    return measure(command, {"TRADEWIND_WAREHOUSE_FILE": str(database)})


def _show(run: Usage, wall_s: float, cpu_s: float) -> None:
    print("| | wall s | CPU s |\n| --- | ---: | ---: |")
    print(f"| the run | {run.wall_s:.1f} | {run.cpu_s:.1f} |")
    print(f"| these marts and their tests | {wall_s:.1f} | {cpu_s:.1f} |")
    added_wall = 100 * wall_s / (run.wall_s - wall_s)
    added_cpu = 100 * cpu_s / (run.cpu_s - cpu_s)
    print(f"| what they add to the rest | {added_wall:.0f} % | {added_cpu:.0f} % |")


if __name__ == "__main__":
    main()

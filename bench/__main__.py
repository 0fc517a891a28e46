"""``make bench``: a run against the baseline, one more day, the fixed part, growth, and reading.

Writes bench/RESULTS.md and bench/growth.svg. ``python -m bench --lines 1 5`` measures other sizes
(in millions).
"""

import argparse
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import report
from bench.data import DAYS, add_day, remove_day, write_company
from bench.measure import Usage, fastest, measure

BIN = Path(sys.executable).parent
ROUNDS = 2
DAYS_A_ROUND = 3
# what a run costs whatever it holds is measured on as few lines
FEW_LINES = 1000
# DuckDB's part: 20 million lines take more than 2 GB
LIMITED = ["--memory-limit", "2500MB"]


@dataclass(frozen=True)
class Size:
    """What was measured at one number of order lines."""

    lines: int
    baseline: Usage
    full_run: Usage
    run_of_few: Usage
    days: tuple[tuple[Usage, Usage], ...]
    nothing_new: Usage
    read_mart: Usage

    @property
    def one_more_day(self) -> Usage:
        """The fastest day."""
        return fastest([day for day, _ in self.days])

    @property
    def day_of_few(self) -> Usage:
        """The fastest day on few lines."""
        return fastest([of_few for _, of_few in self.days])

    @property
    def day_beyond_few_s(self) -> float:
        """What one more day costs beyond one on few lines: the middle of neighbours' differences.

        The fastest of each are of different moments, and a machine's speed changes between them by
        more than the difference.
        """
        return median(day.wall_s - of_few.wall_s for day, of_few in self.days)


def main() -> None:
    """Measure each size in a fresh folder and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=float, nargs="+", default=[1, 5, 10, 20])
    parser.add_argument("--folder", type=Path, help="where the data goes; default: temporary")
    options = parser.parse_args()
    sizes = [measure_size(int(millions * 1e6), options.folder) for millions in options.lines]
    report.write(sizes, measure_fixed_part(options.folder))


def measure_size(lines: int, parent: Path | None) -> Size:
    """The fastest of some rounds over the same files, and the days of all."""
    with tempfile.TemporaryDirectory(dir=parent) as scratch:
        print(f"{lines:,} lines: writing", flush=True)
        company = write_company(Path(scratch) / "company", lines)
        few = write_company(Path(scratch) / "few", FEW_LINES)
        rounds = [measure_round(company, lines, few) for _ in range(ROUNDS)]
    return Size(
        lines,
        baseline=fastest([each.baseline for each in rounds]),
        full_run=fastest([each.full_run for each in rounds]),
        run_of_few=fastest([each.run_of_few for each in rounds]),
        days=tuple(pair for each in rounds for pair in each.days),
        nothing_new=fastest([each.nothing_new for each in rounds]),
        read_mart=fastest([each.read_mart for each in rounds]),
    )


def measure_round(company: Path, lines: int, few: Path) -> Size:
    """Baseline, full run, one more day, a run with nothing new, and a query; leaves the files.

    A machine's speed changes while it is measured, so that the few lines take their turns.
    """
    folder = company.parent
    baseline = measure([sys.executable, "-m", "bench.baseline", folder, folder / "b.duckdb"])
    (folder / "b.duckdb").unlink()
    full_run = _shown("full run", measure([*_run(company), *LIMITED]))
    run_of_few = _shown("of few lines", measure([*_run(few), *LIMITED]))
    add_day(folder, lines)
    add_day(few.parent, DAYS)
    days = measure_days(company, few)
    nothing_new = _shown("nothing new", measure(_run(company)))
    query = "select * from marts.mart_market_share__market_category_period limit 10"
    ask = [BIN / "tradewind", "sql", query, *_places(company)]
    read_mart = _shown("sql", fastest([measure(ask) for _ in range(5)]))
    for measured in (folder, few.parent):
        remove_day(measured)
        shutil.rmtree(measured / "home")
    return Size(lines, baseline, full_run, run_of_few, days, nothing_new, read_mart)


def measure_days(company: Path, few: Path) -> tuple[tuple[Usage, Usage], ...]:
    """The same day more than once, in turns, each time on what the full runs left."""
    homes = [each.parent / "home" for each in (company, few)]
    for home in homes:
        shutil.copytree(home, home.with_name("kept"), symlinks=True)
    days = []
    for _ in range(DAYS_A_ROUND):
        for home in homes:
            shutil.rmtree(home)
            shutil.copytree(home.with_name("kept"), home, symlinks=True)
        day = _shown("one more day", measure([*_run(company), *LIMITED]))
        days.append((day, _shown("of few lines", measure([*_run(few), *LIMITED]))))
    for home in homes:
        shutil.rmtree(home.with_name("kept"))
    return tuple(days)


def _run(company: Path) -> list[str | Path]:
    return [BIN / "tradewind", "run", *_places(company)]


def _places(company: Path) -> list[str | Path]:
    return ["--company", company, "--home", company.parent / "home"]


def measure_fixed_part(parent: Path | None) -> dict[str, Usage]:
    """A forced run over data that changes nothing, beside a bare ``dbt build`` of the project."""
    with tempfile.TemporaryDirectory(dir=parent) as scratch:
        folder = Path(scratch) / "company"
        company = write_company(folder, FEW_LINES)
        run = _run(company)
        first_run = measure(run)
        add_day(folder, DAYS)
        one_more_day = measure(run)
        shutil.copy((folder / "home" / "warehouse.duckdb").resolve(), folder / "warehouse.duckdb")
        project = Path(__file__).parents[1] / "dbt_project"
        env = {"TRADEWIND_WAREHOUSE_FILE": str(folder / "warehouse.duckdb")}
        build = [
            BIN / "dbt", "build", "--quiet", "--project-dir", project,
            "--profiles-dir", project, "--target-path", folder / "target",
        ]  # fmt: skip
        return {
            "tradewind run, first": first_run,
            "tradewind run, one more day": one_more_day,
            "bare dbt build, first (parses)": measure(build, env),
            "bare dbt build": measure(build, env),
            "tradewind run --full-refresh": measure([*run, "--full-refresh"]),
            "tradewind run, nothing new": measure(run),
        }


def _shown(name: str, usage: Usage) -> Usage:
    print(f"  {name}: {usage}", flush=True)
    return usage


if __name__ == "__main__":
    main()

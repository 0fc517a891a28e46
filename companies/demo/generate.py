"""Makes the demo company's files and states the truth about them.

`generate` draws everything anew from one seed; `ensure` does so only where the folder is not
already complete and made by this very generator. The same generator writes the same bytes; the days
that pass afterwards (`days`) are drawn with the rest and lie ready in `world.sqlite`.
numpy and pandas are imported only to generate: `ensure` stands before every run of the demo.
"""

import argparse
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from companies.demo import catalogue as cat
from companies.demo.days import date_of, today

SEED = 20241001
MARKER = ".complete"
DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Truth:
    """What is true on the last evening of the two years. Money is text with two decimals, local.

    `truth_days.json` has what changes as days pass: revenue of the last months, rivals' prices.

    Attributes:
        delivered: Lines by source.
        ended: Lines by source and the place where they must end: `core`, `dropped` (exact
            duplicates), `quarantined`, `superseded` (by a corrected delivery), `without_rate`.
        mishaps: Lines by source and what happened to them.
        orders: Counts of late and corrected orders by source.
        revenue: Per market and month in core: lines, orders, net units of products, net revenue
            of all line kinds and of products, local.
        revenue_by_day: Net revenue in core, all line kinds, local, by "market|currency|day".
        shares: Per market, category and published period: own and market units and value.
        customers: Counts: with orders in core, returning, guests' orders, missing in the list.
        competitor_prices: Counts of the feed by kind of row.
        bg_nbd, gamma_gamma, elasticity, promotion_lift: The parameters of the world; time unit
            weeks, money in pounds at the first list prices, elasticity by category.
    """

    seed: int
    first_day: str
    last_day: str
    delivered: dict[str, int]
    ended: dict[str, dict[str, int]]
    mishaps: dict[str, dict[str, int]]
    orders: dict[str, dict[str, int]]
    revenue: list[dict[str, str | int]]
    revenue_by_day: dict[str, str]
    shares: list[dict[str, str | int]]
    customers: dict[str, int]
    competitor_prices: dict[str, int]
    bg_nbd: dict[str, float]
    gamma_gamma: dict[str, float]
    elasticity: dict[str, float]
    promotion_lift: float


def generate(folder: Path) -> Truth:
    """Write all files of the demo into a folder that does not exist yet or is empty.

    Args:
        folder: Where to write; `truth.json` comes to lie beside the files.

    Returns:
        The truth about what was written.
    """
    from companies.demo import world_files

    folder.mkdir(parents=True, exist_ok=True)
    truth = world_files.write(folder, SEED)
    text = json.dumps(asdict(truth), indent=1, sort_keys=True)
    (folder / "truth.json").write_text(text + "\n", encoding="utf-8")
    return truth


def ensure(folder: Path = DATA) -> Truth:
    """Make sure that a folder holds the demo of this generator, whole.

    Nothing is done where it does. Otherwise the files are written beside it and moved into place
    by a rename, so that a run that was killed half-way leaves nothing that looks complete.
    """
    if _is_complete(folder):
        return read_truth(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        truth = generate(temporary)
        (temporary / MARKER).write_text(generator_hash() + "\n", encoding="utf-8")
        temporary.chmod(0o755)
        _move_into_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return truth


def begin_anew(folder: Path = DATA) -> Truth:
    """Make sure that a folder holds the demo as it was before any day passed."""
    if _is_complete(folder) and today(folder) != cat.DAYS - 1:
        (folder / MARKER).unlink(missing_ok=True)
    return ensure(folder)


def read_truth(folder: Path) -> Truth:
    """Return the truth that lies beside the files of a complete demo."""
    return Truth(**json.loads((folder / "truth.json").read_text(encoding="utf-8")))


def generator_hash() -> str:
    """Return a hash of this package's code and of the random generator's version."""
    digest = hashlib.sha256(version("numpy").encode())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


def _is_complete(folder: Path) -> bool:
    marker = folder / MARKER
    return marker.is_file() and marker.read_text(encoding="utf-8").strip() == generator_hash()


def _move_into_place(temporary: Path, folder: Path) -> None:
    """Rename; an older demo is set aside first, and another process may have been faster."""
    if folder.exists() and not _is_complete(folder):
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        os.rename(folder, aside / folder.name)
        shutil.rmtree(aside, ignore_errors=True)
    try:
        os.rename(temporary, folder)
    except OSError:
        if not _is_complete(folder):
            raise


def main() -> None:
    """Write the demo's files where the company file expects them, unless they are there."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=DATA)
    folder = parser.parse_args().folder
    truth = ensure(folder)
    print(
        f"{folder}: {sum(truth.delivered.values()):,} order lines, "
        f"{truth.first_day} to {truth.last_day}; today is {date_of(today(folder))} there"
    )


if __name__ == "__main__":
    main()

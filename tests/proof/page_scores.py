"""How well product pages are read, by the truth of scrapinghub's product-extraction-benchmark.

The pages fall into two halves by the hash of their name. The parser was developed on one half and
is judged on the other; `python -m tests.proof.page_scores` prints both for docs/capture.md.

A value counts as the benchmark counts it: right if it is one of those that the truth names, a false
positive if it is not, and a miss if the truth names some and the value is none of them. Currencies
of the truth are signs, and right is what the sign may mean; unknown availability stands for in
stock, as the benchmark has it; GTINs are compared as numbers, brands without regard to case.
"""

import gzip
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingest.pages import Observation, parse_page
from ingest.prices import read_price

FIELDS = ("price", "currency", "availability", "sku", "gtin", "brand")
HALVES = ("development", "judging")
_STATES = {"out_of_stock": "OutOfStock"}


@dataclass(frozen=True)
class Score:
    """Counts of one field over some pages."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong)

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed)

    @property
    def f1(self) -> float:
        return 2 * self.right / (2 * self.right + self.wrong + self.missed)


def half_of(name: str) -> str:
    """The half that a page belongs to, by the hash of its name."""
    return HALVES[int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2]


def pages(data: Path, half: str | None = None) -> Iterator[tuple[dict[str, list[str]], bytes]]:
    """The truth and the bytes of every page of a half, or of both."""
    folder = data / "product_pages"
    truths = json.loads((folder / "ground-truth.json").read_text())
    for name, truth in truths.items():
        if half in (None, half_of(name)):
            yield truth, gzip.decompress((folder / "html" / f"{name}.html.gz").read_bytes())


def measure(data: Path, half: str | None = None) -> dict[str, Score]:
    """The scores of every field over a half, or over both."""
    counts = {field: [0, 0, 0] for field in FIELDS}
    for truth, body in pages(data, half):
        found = parse_page(body, str(truth["url"]))
        for field in FIELDS:
            for place, count in enumerate(_counted(field, truth.get(field, []), found)):
                counts[field][place] += count
    return {field: Score(*counted) for field, counted in counts.items()}


def _counted(field: str, true: list[str], found: Observation) -> tuple[bool, bool, bool]:
    value = getattr(found, field)
    if value is None:
        return False, False, bool(true)
    is_right = any(_SAME[field](value, each.strip()) for each in true)
    return is_right, not is_right, bool(true) and not is_right


def _same_currency(code: Any, sign: str) -> bool:
    return code == sign or code in read_price(f"1 {sign}").codes


_SAME: dict[str, Callable[[Any, str], bool]] = {
    "price": lambda value, true: value == Decimal(true),
    "currency": _same_currency,
    "availability": lambda value, true: _STATES.get(value, "InStock") == true,
    "sku": lambda value, true: value == true,
    "gtin": lambda value, true: value.zfill(14) == true.zfill(14),
    "brand": lambda value, true: value.casefold() == true.casefold(),
}


def main() -> None:
    """Print the table of docs/capture.md and the speed."""
    from tests.proof.conftest import DATA

    print("| field | " + " | ".join(f"{h}: precision | recall | F1" for h in HALVES) + " |")
    print("| --- |" + " ---: |" * 6)
    by_half = [measure(DATA, half) for half in HALVES]
    for field in FIELDS:
        cells = [f"{s.precision:.3f} | {s.recall:.3f} | {s.f1:.3f}"
                 for s in (scores[field] for scores in by_half)]  # fmt: skip
        print(f"| {field} | " + " | ".join(cells) + " |")
    bodies = [(str(truth["url"]), body) for truth, body in pages(DATA)]
    start = time.process_time()
    for url, body in bodies:
        parse_page(body, url)
    print(f"{len(bodies) / (time.process_time() - start):.1f} pages a CPU second")


if __name__ == "__main__":
    main()

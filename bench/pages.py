"""Reads ten thousand pages of shops that go wrong in every way: ``python -m bench.pages``.

Every page has to be landed whole or told with a reason, memory has to stay flat, and the process
has to end by itself. Prints the outcomes, the time and the memory in use on the way.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.shop import Shop, page, serving
from ingest import crawl
from ingest.company import load_company
from ingest.home import Home
from ingest.page_log import Page, PageLog

_SOURCE = "rivals"
_ATTEMPTS = 2
_PAGE_SECONDS = 0.8


def main() -> None:
    """Measure in a temporary folder; ends with an error where a page is lost or wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--shops", type=int, default=8)
    parser.add_argument("--share", type=float, default=0.1, help="share of pages that go wrong")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    each = options.pages // options.shops
    plans = [Shop(each, options.seed + number, options.share) for number in range(options.shops)]
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as name, _elsewhere(plans):
        soak(Path(name), plans)


@contextmanager
def _elsewhere(plans: list[Shop]) -> Iterator[None]:
    """The shops in a process of their own: what they need is not to be measured."""
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_serve, args=(plans, there), daemon=True)
    process.start()
    for plan, port in zip(plans, here.recv(), strict=True):
        plan.port = port
    try:
        yield
    finally:
        here.send("end")
        process.join()


def _serve(plans: list[Shop], pipe: Any) -> None:
    with ExitStack() as stack:
        pipe.send([stack.enter_context(serving(plan)).port for plan in plans])
        pipe.recv()


def soak(folder: Path, plans: list[Shop]) -> None:
    """Read all pages of some shops, and hold what was landed against what they hold."""
    file = folder / "company.yml"
    file.write_text(_company(plans))
    company, home = load_company(file), Home(folder / "home")
    resident: list[float] = []

    def told(done: int, total: int) -> None:
        if done % max(1, total // 10) == 0:
            resident.append(_resident_mib())

    began = time.perf_counter()
    crawl.capture(company.sources[0], company, home, told)
    seconds = time.perf_counter() - began
    log = PageLog(home.landing, _SOURCE)
    pages = [p for part in log.parts() for p in log.read(part)]
    pages = [p for p in pages if p.outcome not in ("done", "stopped")]
    wrong = _wrong(log, pages, plans)
    ends = {
        p.url: p.reason for part in log.parts() for p in log.read(part) if p.outcome == "stopped"
    }
    print("hosts that were not read to their end:", ends or "none")
    print(f"{len(pages):,} pages in {seconds:.1f} s, {len(pages) / seconds:.0f} a second")
    print("outcomes:", dict(Counter(p.outcome for p in pages)), "not as they should be:", wrong)
    told_why = Counter(p.reason for p in pages if p.reason)
    print("\n".join(f"  {count:5,}  {why}" for why, count in told_why.most_common()))
    print("resident MiB on the way:", " ".join(f"{mib:.0f}" for mib in resident))
    if wrong:
        raise SystemExit(1)


def _company(plans: list[Shop]) -> str:
    pages = {
        "contact": "bench@example.com", "delay": 0, "allow_private_addresses": True,
        "max_pages": 1_000_000, "attempts": _ATTEMPTS, "page_seconds": _PAGE_SECONDS,
        "urls": [plan.url(path) for plan in plans for path in plan.paths],
    }  # fmt: skip
    source = {"name": _SOURCE, "entity": "competitor_prices", "kind": "shop_pages", "pages": pages}
    settings = {"company": "Bench", "home_market": "DE", "reporting_currency": "EUR"}
    # JSON is YAML
    return json.dumps({**settings, "sources": [source]})


def _wrong(log: PageLog, pages: list[Page], plans: list[Shop]) -> int:
    """Pages that were lost, met twice, told as something else, or landed other than they are."""
    expected = {
        plan.url(path): (path, plan.expected(path, _ATTEMPTS))
        for plan in plans
        for path in plan.paths
    }
    wrong = abs(len(expected) - len(pages))
    for each in pages:
        path, outcomes = expected.pop(each.url)
        is_whole = each.outcome != "landed" or log.load(each) == page(path)
        if each.outcome not in outcomes or not is_whole:
            wrong += 1
            print("not as it should be:", each, outcomes)
    return wrong


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    main()

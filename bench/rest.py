"""Measures and soaks the reading of APIs: ``python -m bench.rest``.

First 200,000 records of paged JSON: what the network reads take alone, by a session of requests and
by the client that is used here, and what landing and loading them take all in all. Then
500 pages that go wrong in every way: each has to be landed whole or told, memory has to stay flat,
and the process has to end by itself.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import requests

from bench.api import LASTING, Plan, elsewhere
from ingest import landing, load
from ingest.company import Company, load_company
from ingest.errors import SourceUnreachable
from ingest.home import Home
from ingest.web import Client

_TIMEOUT_S = 0.8
_ATTEMPTS = 4


def main() -> None:
    """Measure in a temporary folder; ends with an error where a page is lost or wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--size", type=int, default=250, help="records of a page")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, nargs="*", default=[0, 5], help="milliseconds")
    parser.add_argument(
        "--prepared", action="store_true",
        help="a server that only sends bytes that it has ready, as no API does",
    )  # fmt: skip
    parser.add_argument("--pages", type=int, default=500, help="pages of the soak")
    parser.add_argument("--share", type=float, default=0.3, help="share of pages that go wrong")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as name:
        folder = Path(name)
        if options.records:
            pages = options.records // options.size
            for latency in options.latency:
                plan = Plan(
                    pages, options.size, is_prepared=options.prepared, latency_s=latency / 1000
                )
                place = folder / f"after{latency:g}"
                place.mkdir()
                print(f"a server that takes {latency:g} ms before it begins to answer")
                speed(place, plan, options.rounds)
        if options.pages:
            soak(folder, Plan(options.pages, 100, options.share, options.seed))


# ---------------------------------------------------------------- speed


def speed(folder: Path, plan: Plan, rounds: int) -> None:
    """Print what reading alone takes, what all takes, and the quotient."""
    with elsewhere(plan) as url:
        for number in range(rounds):
            alone = _measured(lambda: _read_by_requests(url, plan))
            bare = _measured(lambda: _read_alone(url, plan))
            place = folder / f"round{number}"
            place.mkdir()
            whole = _measured(lambda at=place: _land_and_load(at, url, plan))  # type: ignore[misc]
            records = plan.pages * plan.size
            print(
                f"{records:,} records in {plan.pages:,} pages: network alone by a session of "
                f"requests {alone[0]:.2f} s ({alone[1]:.2f} s of CPU), by our own client "
                f"{bare[0]:.2f} s ({bare[1]:.2f} s of CPU), landed and loaded {whole[0]:.2f} s "
                f"({whole[1]:.2f} s of CPU): {100 * alone[0] / whole[0]:.0f} % and "
                f"{100 * bare[0] / whole[0]:.0f} % of their speed"
            )


def _measured(work: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU seconds of this process."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def _read_by_requests(url: str, plan: Plan) -> None:
    with requests.Session() as session:
        for page in range(plan.pages):
            session.get(
                f"{url}/orders", params={"after": f"p{page}"}, timeout=60
            ).raise_for_status()


def _read_alone(url: str, plan: Plan) -> None:
    with Client("bench", allow_private=True) as client:
        for page in range(plan.pages):
            client.get(f"{url}/orders?after=p{page}")


def _land_and_load(folder: Path, url: str, plan: Plan) -> None:
    company = _company(folder, url)
    home, source = Home(folder / "home"), company.sources[0]
    connection = duckdb.connect(str(folder / "warehouse.duckdb"))
    landing.land(source, company, home)
    load.prepare(connection, company)
    result = load.load_source(connection, source, company, home, "bench")
    connection.close()
    if result.rows_loaded != plan.pages * plan.size:
        raise SystemExit(f"{result.rows_loaded:,} rows were loaded")


def _company(folder: Path, url: str) -> Company:
    rest = {
        "base_url": url, "path": "orders", "records": "data[]", "total": "meta.total",
        "pagination": {"kind": "cursor", "param": "after", "next": "meta.next"},
        "timeout": _TIMEOUT_S if folder.name == "soak" else 60, "attempts": _ATTEMPTS,
        "backoff": 0, "max_page_bytes": 10_000_000,
    }  # fmt: skip
    columns = {
        "order_id": '"order"', "line_id": "id", "ordered_at": "placed_at",
        "market": "customer ->> '$.country'", "customer_id": "customer ->> '$.id'",
        "product_id": "sku", "quantity": "quantity", "unit_price": "unit_price",
        "currency": "currency",
    }  # fmt: skip
    source = {"name": "shop", "entity": "sales", "kind": "rest", "rest": rest, "columns": columns}
    settings = {"company": "Bench", "home_market": "DE", "reporting_currency": "EUR"}
    file = folder / "company.yml"
    # JSON is YAML
    file.write_text(json.dumps({**settings, "sources": [source]}))
    return load_company(file)


# ---------------------------------------------------------------- soak


def soak(folder: Path, plan: Plan) -> None:
    """Read pages that go wrong and in the end well, then each fault that stays."""
    place = folder / "soak"
    place.mkdir()
    resident: list[float] = []
    began = time.perf_counter()
    with elsewhere(plan) as url:
        lost = read_all(place, url, plan, resident)
    print(
        f"{plan.pages} pages, {len(plan.faults)} of them with a fault, in "
        f"{time.perf_counter() - began:.1f} s; not as the server holds them: {lost}"
    )
    print("resident MiB on the way:", " ".join(f"{mib:.0f}" for mib in resident))
    for fault in LASTING:
        told = _told(folder, fault)
        print(f"{fault}: {told}")
        lost += not told
    print("invalid certificate:", _told_certificate(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak {peak:.0f} MiB")
    if lost:
        raise SystemExit(1)


def read_all(folder: Path, url: str, plan: Plan, resident: list[float], restarts: int = 100) -> int:
    """Read to the end, run after run; how many pages did not land as the server holds them.

    A page that fails all attempts ends a run, which tells why; the next goes on behind it.
    """
    company, home = _company(folder, url), Home(folder / "home")
    seen: list[int] = []

    def told(done: int, total: int, unit: str) -> None:
        seen.append(done)
        if len(seen) % max(1, plan.pages // 10) == 0:
            resident.append(_resident_mib())

    for _ in range(restarts):
        try:
            landing.land(company.sources[0], company, home, told)
            break
        except SourceUnreachable as error:
            print("a run ended:", error.what.splitlines()[0][:150])
    bodies = {hashlib.sha256(plan.body(page)).hexdigest() for page in range(plan.pages)}
    landed = {file.stem for file in home.landing.glob("shop/*/*.json")}
    delivered = [home.landing / d.landed_path for d in landing.manifest(home, "shop")]
    rows = duckdb.sql(
        f"select count(*), count(distinct id) from read_parquet({[str(f) for f in delivered]})"
    ).fetchall()[0]
    wanted = plan.pages * plan.size
    return len(bodies ^ landed) + abs(rows[0] - wanted) + abs(rows[1] - wanted)


def _told(folder: Path, fault: str) -> str:
    """What is told of a page that never comes; nothing of the reading may be visible."""
    place = folder / fault
    place.mkdir()
    with elsewhere(Plan(3, 10, lasting={1: fault})) as url:
        return told_of(place, url)


def told_of(folder: Path, url: str) -> str:
    """The message of a reading that cannot come to its end, empty where it did."""
    company, home = _company(folder, url), Home(folder / "home")
    try:
        landing.land(company.sources[0], company, home)
    except SourceUnreachable as error:
        return "" if landing.manifest(home, "shop") else error.what
    return ""


def _told_certificate(folder: Path) -> str:
    place = folder / "certificate"
    place.mkdir()
    with elsewhere(Plan(3, 10), certificate(place)) as url:
        return told_of(place, url)


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate that nobody vouches for, and its key."""
    names = (str(folder / "certificate.pem"), str(folder / "key.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=127.0.0.1", "-out", names[0], "-keyout", names[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return names


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    main()

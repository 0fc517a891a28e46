"""A published company of six order lines, and what is done to it before its next version.

Three builds are all that the folder costs: the first version, the next one in `judged`, and that
again after all that could go wrong in `battered`.
"""

import hashlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.home import Home
from orchestration.lock import owner as lock_owner
from orchestration.lock import writer_lock
from orchestration.versions import current_version
from tests.faults import bad_files, points
from tests.faults.warm import Ended, Warm
from tests.integration.conftest import ORDER_COLUMNS, ORDERS, TINY

# the default limit of one bad row in a hundred, and files of more than one kind
COMPANY = TINY.replace("    quarantine_limit_pct: 40\n", "").replace(
    "path: orders/*.csv\n",
    "path: [orders/*.csv, orders/*.csv.gz, orders/*.parquet, orders/*.xlsx]\n",
)
_TABLES = """
select table_schema, table_name from information_schema.tables
where table_schema in ('core', 'marts') order by all
"""
# names of what must not outlive the run after a kill; a candidate is kept for inspection
LEFTOVERS = (
    "*.partial", ".*.partial", "*.pending", "*.wal", "*.tmp", "profiles-*", ".manifest-*",
    ".refused.json.*",
)  # fmt: skip

Content = dict[str, list[tuple[Any, ...]]]
# by the bytes that hold it
_known: dict[str, Content] = {}


def content_of(database: Path) -> Content:
    """Every row of the core and the marts of a file, in an order of its own."""
    log = Path(f"{database}.wal")
    with duckdb.connect(str(database), read_only=True) as connection:
        files = [database, log] if log.exists() else [database]
        return _read_once(files, lambda: rows_of(connection))


def rows_of(connection: duckdb.DuckDBPyConnection) -> Content:
    """The same, over a connection."""
    tables = [".".join(row) for row in connection.execute(_TABLES).fetchall()]
    return {table: connection.execute(f"from {table} order by all").fetchall() for table in tables}


def _read_once(files: Iterable[Path], read: Callable[[], Content]) -> Content:
    """What files hold; those that hold the same bytes under the same names are read once."""
    hashed = hashlib.sha256()
    for file in files:
        hashed.update(f"{file.name} {file.stat().st_size}\n".encode())
        hashed.update(file.read_bytes())
    if hashed.hexdigest() not in _known:
        _known[hashed.hexdigest()] = read()
    return _known[hashed.hexdigest()]


def _rows_of_parquet(files: Iterable[Path]) -> Content:
    with duckdb.connect() as connection:
        return {
            f"marts.{file.stem}": connection.execute(
                f"from read_parquet('{file}') order by all"
            ).fetchall()
            for file in files
        }


@dataclass(frozen=True)
class Shop:
    """The company and its home in one folder, and the process that runs it."""

    folder: Path
    warm: Warm

    @property
    def company(self) -> Path:
        """The company file."""
        return self.folder / "company" / "company.yml"

    @property
    def home(self) -> Home:
        """Its state."""
        return Home(self.folder / "home")

    def copy(self, folder: Path) -> "Shop":
        """The same in another folder: as it stands, times included."""
        for name in ("company", "home"):
            shutil.copytree(self.folder / name, folder / name, symlinks=True)
        return Shop(folder, self.warm)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the company."""
        file = self.folder / "company" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def orders(self, day: str, *lines: str) -> None:
        """Write a file of order lines."""
        self.write(f"orders/{day}.csv", "\n".join([ORDER_COLUMNS, *lines]) + "\n")

    def run(self, **request: Any) -> Ended:
        """Run it to the end."""
        return self.warm.run(self.company, self.home.root, **request)

    def published(self) -> Ended:
        """Run it to the end, which must be a good one."""
        ended = self.run()
        assert ended.code == 0, ended.output
        return ended

    def start(self, **request: Any) -> int:
        """Start a run; its process id."""
        return self.warm.start(self.company, self.home.root, **request)

    def content(self) -> Content:
        """What a new reader sees."""
        return content_of(self.home.warehouse)

    def parquet(self) -> Content:
        """What a reader of the Parquet files sees."""
        files = sorted((self.home.parquet / "current").glob("*.parquet"))
        return _read_once(files, lambda: _rows_of_parquet(files))

    def leftovers(self) -> list[str]:
        """Files in the home that a killed process left and that have no use."""
        root = self.home.root
        found = {path for pattern in LEFTOVERS for path in root.rglob(pattern)}
        found |= set(root.glob("landing/*/.partial/*")) | set(root.glob("work/*"))
        kept = set(self.home.candidates.glob("*/warehouse.duckdb.wal"))
        found |= {
            folder
            for folder in self.home.candidates.glob("*")
            if not (folder / "candidate.json").exists()
        }
        kept |= set(root.glob("landing/*/.partial"))
        return sorted(str(path.relative_to(root)) for path in found - kept)

    @property
    def version(self) -> str | None:
        """The version that readers see."""
        return current_version(self.home)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """The process that runs are forked from."""
    process = Warm(tmp_path_factory.mktemp("warm"))
    yield process
    process.close()


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory, warm: Warm, parsed_project: Path) -> Shop:
    """The company with one version published. Not to be changed: tests work on copies."""
    shop = Shop(tmp_path_factory.mktemp("first_day"), warm)
    shop.write("company.yml", COMPANY)
    shop.orders("2024-01", *ORDERS)
    shop.write("rates.csv", "day,currency,rate\n2023-12-31,GBP,0.86\n2024-01-02,GBP,0.87\n")
    shop.write(
        "market.csv",
        "month,market,units,value\n2024-01-01,GB,100,1000\n2024-01-01,DE,200,2000\n"
        "2024-02-01,GB,10000,100000\n",
    )
    shop.write("products.csv", "sku,name,cost\nP0,Hammer,4.00\nP1,Saw,5.00\n")
    shutil.copytree(parsed_project, shop.home.dbt)
    shop.published()
    return shop


SECOND_DAY = (
    "B1,2024-02-01 10:00:00,GB,C1,P1,1,7.00,GBP",
    "B2,2024-02-02 10:00:00,DE,C2,P0,2,8.00,EUR",
)


@pytest.fixture
def shop(first_day: Shop, tmp_path: Path) -> Shop:
    """The company with one version published."""
    return first_day.copy(tmp_path)


@pytest.fixture
def second_day(shop: Shop) -> Shop:
    """One version published, and a file delivered that is not in it."""
    shop.orders("2024-02", *SECOND_DAY)
    return shop


@dataclass(frozen=True)
class Refusal:
    """How a run with bad files ended, and what readers saw after it."""

    ended: Ended
    version: str | None
    content: Content


@pytest.fixture(scope="session")
def delivered(first_day: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A copy, to which `refusals` and then `judged` deliver."""
    return first_day.copy(tmp_path_factory.mktemp("delivered"))


@pytest.fixture(scope="session")
def refusals(delivered: Shop, tmp_path_factory: pytest.TempPathFactory) -> list[Refusal]:
    """The runs with each step of the bad files, which are mended after it."""
    folder, found = tmp_path_factory.mktemp("files"), []
    for faults in bad_files.STEPS:
        mended = {fault.file: bad_files.good(fault.file, folder) for fault in faults}
        for fault in faults:
            delivered.write(f"orders/{fault.file}", fault.spoil(mended[fault.file]))
        ended = delivered.run()
        found.append(Refusal(ended, delivered.version, delivered.content()))
        for file, content in mended.items():
            delivered.write(f"orders/{file}", content)
    return found


@dataclass(frozen=True)
class Twice:
    """What two runs at once did, and what readers saw meanwhile.

    Attributes:
        shop: Where they ran.
        before: What readers saw before.
        ended: How the two ended.
        pids: Their process ids.
        owners: Process ids that the lock file named, in the order of time, without repetition.
        kept_open: What a reader saw at the end who had opened the file before the runs.
        seen: Rows of sales that readers counted who opened the file anew each time.
    """

    shop: Shop
    before: Content
    ended: tuple[Ended, Ended]
    pids: tuple[int, int]
    owners: list[int]
    kept_open: Content
    seen: list[int]


def run_twice(shop: Shop) -> Twice:
    """Start two runs at the same time and read until both have ended."""
    before = shop.content()
    owners: list[int] = []
    seen: list[int] = []
    with duckdb.connect(str(shop.home.warehouse), read_only=True) as kept:
        pids = (shop.start(), shop.start())
        while any(_runs(pid) for pid in pids):
            seen.append(_count(shop))
            owner = lock_owner(shop.home)
            if owner is not None and owners[-1:] != [owner.pid]:
                owners.append(owner.pid)
            time.sleep(0.03)
        kept_open = rows_of(kept)
    ended = (shop.warm.wait(pids[0]), shop.warm.wait(pids[1]))
    return Twice(shop, before, ended, pids, owners, kept_open, seen)


def _count(shop: Shop) -> int:
    """Rows of sales, over a connection that is opened for it and sees one version throughout."""
    with duckdb.connect(str(shop.home.warehouse), read_only=True) as connection:
        [(sales, as_sold)] = connection.execute(
            "select (select count(*) from core.fct_sales), "
            "(select sum(lines) from marts.mart_sales__market_product_month)"
        ).fetchall()
    assert sales == as_sold
    return int(sales)


def _runs(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has waited for yet is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# ---------------------------------------------------------------- one after the other


def kill(shop: Shop, point: points.Point, stage: str | None = None) -> None:
    """Run until the point, and see that the run died there and that nothing holds the lock."""
    ended = shop.run(fault=point.name, stage=stage)
    assert ended.code == -signal.SIGKILL, f"not reached: {point.name}\n{ended.output}"
    with writer_lock(shop.home, wait=False):
        pass


def assert_readers_see(shop: Shop, before: Content, version: str | None, when: str) -> None:
    """See that a new reader of the warehouse, and of the Parquet files, sees what it saw."""
    assert shop.version == version, when
    assert shop.content() == before, when
    assert shop.parquet() == marts_of(before), when


def marts_of(content: Content) -> Content:
    """The marts among some tables."""
    return {table: rows for table, rows in content.items() if table.startswith("marts.")}


def tell_full_disk(shop: Shop, point: points.Point, stage: str | None = None) -> None:
    """Run until the disk is full, see what is said, and make room again."""
    ended = shop.run(fault=point.name, fill=shop.folder, stage=stage)
    (shop.folder / "filler").unlink()
    assert ended.code != 0, f"not reached: {point.name}"
    for said in ("the disk is full", "where:", "next step: free some space", "readers keep"):
        assert said in ended.output, f"{point.name}: {ended.output}"


@pytest.fixture(scope="session")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """A disk that can be filled; None where this user may not mount one."""
    folder = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def judged(
    delivered: Shop, refusals: list[Refusal], tmp_path_factory: pytest.TempPathFactory
) -> Shop:
    """The second day's candidate, with all files that were mended, judged; after kills while
    landing and while judging it."""
    shop = delivered.copy(tmp_path_factory.mktemp("judged"))
    shop.orders("2024-02", *SECOND_DAY)
    shop.orders(bad_files.HEADER_ONLY.removesuffix(".csv"))
    before, version = shop.content(), shop.version
    for point in (*points.LANDING, points.CHECKED):
        kill(shop, point)
        assert_readers_see(shop, before, version, point.name)
    for point in points.JUDGING:
        kill(shop, point, stage="judge")
        assert_readers_see(shop, before, version, point.name)
        refused = shop.run(stage="publish_judged")
        assert "no candidate was judged" in refused.output, point.name
    assert shop.run(stage="judge").code == 0
    return shop


@pytest.fixture(scope="session")
def both_days(judged: Shop, tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What readers are to see in the end: each line delivered, once."""
    shop = judged.copy(tmp_path_factory.mktemp("both_days"))
    assert shop.run(stage="publish_judged").code == 0
    with duckdb.connect(str(shop.home.warehouse), read_only=True) as connection:
        sales = connection.execute(
            "select list(order_id order by order_id) filter (order_id not like '%.%-%'), count(*), "
            "sum(net_amount_home) from core.fct_sales"
        ).fetchall()
    # 133 in pounds; 10.50 in euros at 0.86, and 31.50, 52.50 and 16.00 at 0.87; and 20 lines of
    # 7 pounds in each of nine files
    orders = ["A1", "A2", "A3", "A4", "A5", "A6", "B1", "B2"]
    assert sales == [(orders, 8 + 9 * 20, Decimal("229.0300") + 9 * 20 * 7)]
    return shop.content()


@pytest.fixture(scope="session")
def battered(
    judged: Shop, small_disk: Path | None, tmp_path_factory: pytest.TempPathFactory
) -> Shop:
    """A home in which every stage was killed and, where there is a disk to fill, ran out of room.

    Its candidate is used up, so an ordinary run has to build the second day again.
    """
    shop = judged.copy(small_disk or tmp_path_factory.mktemp("battered"))
    before, version = shop.content(), shop.version
    for point in (*points.PUBLISHING, points.MOVED):
        kill(shop, point, stage="publish_judged")
        assert_readers_see(shop, before, version, point.name)
    for point in (*points.CLONING, *points.LOADING, *points.BUILDING):
        kill(shop, point)
        assert_readers_see(shop, before, version, point.name)
    for point in points.ROOM_TO_BUILD if small_disk else ():
        tell_full_disk(shop, point)
        assert_readers_see(shop, before, version, point.name)
    return shop


@pytest.fixture(scope="session")
def twice(battered: Shop) -> Twice:
    """Two ordinary runs at once, after all that, watched by readers."""
    return run_twice(battered)

"""Landing: bytes once, whole or not at all, whatever happens in between."""

import functools
import gzip
import http.server
import io
import os
import signal
import ssl
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest import landing, refusals
from ingest.errors import DeliveryRefused, SourceUnreachable
from tests.integration.certificates import self_signed
from tests.integration.workbench import HEADER, Workbench, line


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench.of(tmp_path)


def test_bytes_are_kept_as_received_under_their_hash(bench: Workbench) -> None:
    path = bench.put("a.csv", line())
    (delivery,) = bench.land()
    landed = bench.home.landing / delivery.landed_path
    assert landed.read_bytes() == path.read_bytes()
    assert landed.name == f"{delivery.sha256}.csv"
    assert delivery.delivery_id == f"shop-{delivery.sha256[:12]}"
    assert delivery.path == "data/a.csv"


def test_the_same_content_again_is_no_delivery(bench: Workbench) -> None:
    bench.put("a.csv", line())
    assert len(bench.land()) == 1
    assert bench.land() == []
    os.utime(bench.folder / "data" / "a.csv", (1, 1))
    assert bench.land() == []
    bench.put("copy.csv", line())
    assert bench.land() == []
    assert len(landing.manifest(bench.home)) == 1


def test_unchanged_files_are_not_read_again(bench: Workbench) -> None:
    bench.put("a.csv", line())
    assert [file.path for file in landing.scan(bench.source, bench.company, bench.home)] == [
        "data/a.csv"
    ]
    bench.land()
    assert landing.scan(bench.source, bench.company, bench.home) == []


def test_new_content_at_a_path_supersedes_the_old_and_can_be_taken_back(bench: Workbench) -> None:
    bench.put("a.csv", line("1"))
    (first,) = bench.land()
    bench.put("a.csv", line("2"))
    (second,) = bench.land()
    states = {d.delivery_id: d.superseded_by for d in landing.manifest(bench.home)}
    assert states == {first.delivery_id: second.delivery_id, second.delivery_id: None}
    time.sleep(0.01)
    bench.put("a.csv", line("1"))
    bench.land()
    states = {d.delivery_id: d.superseded_by for d in landing.manifest(bench.home)}
    assert states == {first.delivery_id: None, second.delivery_id: first.delivery_id}


def test_paths_come_in_natural_order(bench: Workbench) -> None:
    for name in ("day-10.csv", "day-2.csv", "day-1.csv"):
        bench.put(name, line(name))
    assert [delivery.path for delivery in bench.land()] == [
        "data/day-1.csv",
        "data/day-2.csv",
        "data/day-10.csv",
    ]


def test_a_pattern_without_files_gives_none(bench: Workbench) -> None:
    assert bench.land() == []


def test_a_path_that_does_not_exist_is_unreachable(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path, path="data/orders.csv")
    with pytest.raises(SourceUnreachable, match="does not exist") as caught:
        bench.land()
    assert caught.value.next_step
    assert caught.value.exit_code == 3


def _zip(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", content)
    return buffer.getvalue()


def _tar(*contents: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number, content in enumerate(contents):
            info = tarfile.TarInfo(f"{number}.csv")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv.gz", gzip.compress(os.urandom(9000))[:-300]),
        ("a.zip", _zip(os.urandom(9000))[:-30]),
        ("a.zip", _zip(os.urandom(9000))[:5000]),
        ("a.parquet", b"PAR1 and then it stops"),
        ("a.xlsx", b"PK not a workbook"),
        ("a.tar", _tar(b"one", b"two")[:2048]),
        ("a.tar.gz", gzip.compress(_tar(b"one", b"two")[:1024])),
    ],
    ids=[
        "empty",
        "gzip",
        "zip without its end",
        "half a zip",
        "parquet",
        "xlsx",
        "tar of fewer members",
        "tar in gzip of fewer members",
    ],
)
def test_a_file_that_is_not_whole_is_refused_and_the_others_are_landed(
    tmp_path: Path, name: str, content: bytes
) -> None:
    bench = Workbench.of(tmp_path, path="data/*")
    bench.write(name, content)
    bench.put("good.csv", line())
    with pytest.raises(DeliveryRefused, match="not a whole file") as caught:
        bench.land()
    assert name in str(caught.value)
    assert caught.value.expected
    assert caught.value.next_step
    assert [delivery.path for delivery in landing.manifest(bench.home)] == ["data/good.csv"]


_LAND = """
import sys
from pathlib import Path
from ingest import landing
from ingest.company import load_company
from ingest.home import Home
folder = Path(sys.argv[1])
company = load_company(folder / "company.yml")
landing._CHUNK = 4096
landing._BATCH_FILES = 3
print("ready", flush=True)
landing.land(company.sources[0], company, Home(folder / "home"))
"""


@pytest.mark.parametrize("delay_ms", [0, 5, 10, 20, 40, 80])
def test_killed_while_landing_no_half_file_counts(bench: Workbench, delay_ms: int) -> None:
    for number in range(12):
        bench.put(f"{number}.csv", *(line(f"{number}-{n}") for n in range(3000)))
    process = subprocess.Popen(
        [sys.executable, "-c", _LAND, str(bench.folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(delay_ms / 1000)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    for delivery in landing.manifest(bench.home, "shop"):
        landed = bench.home.landing / delivery.landed_path
        assert landed.stat().st_size == delivery.bytes
        assert landing._hash(landed) == delivery.sha256
    bench.land()
    assert len(landing.manifest(bench.home, "shop")) == 12
    assert list((bench.home.landing / "shop" / ".partial").iterdir()) == []


def test_what_a_killed_run_left_half_written_is_removed(bench: Workbench) -> None:
    bench.put("a.csv", line())
    bench.land()
    folder = bench.home.landing / "shop"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, in_use = folder / f".refused.json.{gone.pid}", folder / f".refused.json.{os.getpid()}"
    left.touch()
    in_use.touch()
    bench.land()
    assert (left.exists(), in_use.exists()) == (False, True)


def test_a_small_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        refusals.write_json(tmp_path / "refused.json", {"not": {"as": object()}})
    (tmp_path / "refused.json").mkdir()
    with pytest.raises(IsADirectoryError):
        refusals.write_json(tmp_path / "refused.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["refused.json"]


def test_a_half_written_manifest_line_does_not_count(bench: Workbench) -> None:
    bench.put("a.csv", line("1"))
    bench.put("b.csv", line("2"))
    bench.land()
    path = bench.home.landing / "shop" / landing.MANIFEST
    content = path.read_bytes()
    path.write_bytes(content[:-40])
    assert [delivery.path for delivery in landing.manifest(bench.home)] == ["data/a.csv"]
    assert [delivery.path for delivery in bench.land()] == ["data/b.csv"]
    assert len(landing.manifest(bench.home)) == 2


def test_ten_thousand_unchanged_files_cost_little(tmp_path: Path) -> None:
    bench = Workbench.of(tmp_path)
    for number in range(1000):
        bench.put(f"{number}.csv", line(str(number)))
    bench.land()
    before = time.process_time()
    assert bench.land() == []
    # a tenth of the files in a tenth of the time, with room for a busy machine
    assert time.process_time() - before < 0.5


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "served"
    folder.mkdir()
    with _serving(folder) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _serving(folder: Path, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve a folder, by TLS where there is a context; yields the port."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context is not None:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield httpd.server_port
    httpd.shutdown()
    httpd.server_close()


def test_a_url_is_landed(tmp_path: Path, server: str) -> None:
    bench = Workbench.of(tmp_path, path=f"{server}/orders.csv")
    text = bench.put("orders.csv", line("1"), line("2")).read_bytes()
    (tmp_path / "served" / "orders.csv").write_bytes(text)
    result = bench.run()
    assert result.rows_loaded == 2
    assert bench.land() == []


def test_a_url_that_does_not_answer_is_unreachable(tmp_path: Path, server: str) -> None:
    bench = Workbench.of(tmp_path, path=f"{server}/missing.csv")
    with pytest.raises(SourceUnreachable, match="could not be read"):
        bench.land()


def test_a_company_s_own_authority_is_named_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "orders.csv").write_text(f"{HEADER}\n{line()}\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with _serving(tmp_path / "served", context) as port:
        bench = Workbench.of(tmp_path, path=f"https://127.0.0.1:{port}/orders.csv")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        with pytest.raises(SourceUnreachable, match="certificate") as caught:
            bench.land()
        assert "REQUESTS_CA_BUNDLE" in str(caught.value)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert bench.run().rows_loaded == 1


def test_a_secret_in_an_address_is_shown_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    secret = "s3cr3t-value"
    monkeypatch.setenv("SHOP_TOKEN", secret)
    bench = Workbench.of(tmp_path, path=server + "/a.csv?token=${SHOP_TOKEN}")
    (tmp_path / "served" / "a.csv").write_text(f"{HEADER}\n{line()}\n")
    assert bench.run().rows_loaded == 1
    manifest = bench.home.landing / "shop" / "manifest.jsonl"
    assert "token=${SHOP_TOKEN}" in manifest.read_text()
    paths = bench.value("select path from audit.deliveries")
    (tmp_path / "served" / "a.csv").unlink()
    with pytest.raises(SourceUnreachable) as caught:
        bench.land()
    shown = f"{manifest.read_text()} {paths} {caught.value} {bench.company!r}"
    assert secret not in shown
    assert bench.source.paths[0].endswith(secret)


def test_an_archive_at_an_address_with_a_query_is_read(tmp_path: Path, server: str) -> None:
    bench = Workbench.of(tmp_path, path=f"{server}/a.csv.gz?version=2")
    (tmp_path / "served" / "a.csv.gz").write_bytes(gzip.compress(f"{HEADER}\n{line()}\n".encode()))
    assert bench.run().rows_loaded == 1

"""Objects in a bucket, on a server that speaks S3."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest import object_storage, remote
from ingest.company import Company, load_company
from ingest.errors import DeliveryRefused, SourceUnreachable
from ingest.home import Home
from ingest.landing import land, manifest, scan

SECRET = "planted-secret-7f3a"
TOKEN = "planted-token-91c2"
COMPANY = """
company: Northstar
home_market: GB
reporting_currency: GBP
sources:
  - name: rates
    entity: fx_rates
    kind: file
    path: {path}
    columns: {{rate_date: day, currency: code, per_eur: rate}}
"""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    boto3 = pytest.importorskip("boto3", reason="the client of the S3 server for tests is missing")
    server_module = pytest.importorskip("moto.server", reason="the S3 server for tests is missing")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "planted-key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="trade")
    yield client
    server.stop()


def _put(bucket: Any, key: str, rate: str = "0.85", **more: Any) -> None:
    body = f"day,code,rate\n2026-01-02,GBP,{rate}\n".encode()
    bucket.put_object(Bucket="trade", Key=key, Body=body, **more)


def _company(tmp_path: Path, path: str) -> tuple[Company, Home]:
    file = tmp_path / "company.yml"
    file.write_text(COMPANY.format(path=path))
    return load_company(file), Home(tmp_path / "home")


def test_only_new_and_changed_objects_are_fetched(bucket: Any, tmp_path: Path) -> None:
    company, home = _company(tmp_path, "s3://trade/rates/*.csv")
    source = company.sources[0]
    for key in ("rates/a.csv", "rates/b +ü.csv", "rates/deep/c.csv", "other/d.csv", "rates/e.txt"):
        _put(bucket, key, rate=f"0.{len(key)}")
    assert [d.path for d in land(source, company, home)] == [
        "s3://trade/rates/a.csv",
        "s3://trade/rates/b +ü.csv",
    ]
    assert scan(source, company, home) == []
    _put(bucket, "rates/a.csv", rate="0.12")  # as long as before, and within the same second
    assert [file.path for file in scan(source, company, home)] == ["s3://trade/rates/a.csv"]
    new = land(source, company, home)
    landed = (home.landing / new[0].landed_path).read_text()
    assert (len(new), landed.endswith("0.12\n")) == (1, True)
    old = [d for d in manifest(home, "rates") if d.superseded_by]
    assert [d.superseded_by for d in old] == [new[0].delivery_id]


def test_the_listing_goes_over_all_pages(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    for number in range(25):
        bucket.put_object(Bucket="trade", Key=f"many/{number:04}.csv", Body=b"x")
    assert len(bucket.list_objects_v2(Bucket="trade")["Contents"]) == 10
    assert len(object_storage.list_objects("s3://trade/many/")) == 25
    assert len(object_storage.list_objects("s3://trade/**/00[!0].csv")) == 0
    assert len(object_storage.list_objects("s3://trade/**/00[!0]*.csv")) == 15
    # no folder at all, as for files
    assert len(object_storage.list_objects("s3://trade/many/**/001*.csv")) == 10


def test_bytes_are_kept_as_stored(bucket: Any, tmp_path: Path) -> None:
    bucket.put_object(Bucket="trade", Key="x", Body=b"not gzip", ContentEncoding="gzip")
    found = object_storage.list_objects("s3://trade/x")[0]
    object_storage.fetch(found.url, tmp_path / "x", found.etag)
    assert (tmp_path / "x").read_bytes() == b"not gzip"


def test_an_object_that_changed_after_the_listing_is_refused(bucket: Any, tmp_path: Path) -> None:
    _put(bucket, "a.csv")
    url, _, _, mark = remote.list_files("s3://trade/a.csv", "source rates", str)[0]
    _put(bucket, "a.csv", rate="0.99")
    with pytest.raises(DeliveryRefused, match=r"a\.csv changed while it was read"):
        remote.download(url, tmp_path / "a", "source rates", str, mark)


@pytest.mark.parametrize("path", ["s3://trade/none.csv", "s3://no-such-bucket/a/*.csv"])
def test_what_is_not_there_is_unreachable_and_tells_no_secret(
    bucket: Any, tmp_path: Path, path: str
) -> None:
    company, home = _company(tmp_path, path)
    with pytest.raises(SourceUnreachable) as caught:
        land(company.sources[0], company, home)
    assert path in str(caught.value)
    assert not any(text in str(caught.value) for text in (SECRET, TOKEN, "planted-key"))


def test_no_secret_is_landed(bucket: Any, tmp_path: Path) -> None:
    company, home = _company(tmp_path, "s3://trade/*.csv")
    _put(bucket, "a.csv")
    land(company.sources[0], company, home)
    kept = b"".join(p.read_bytes() for p in (tmp_path / "home").rglob("*") if p.is_file())
    assert b"s3://trade/a.csv" in kept
    assert not any(text.encode() in kept for text in (SECRET, TOKEN, "planted-key"))


def test_a_request_is_signed_as_the_reference_client_signs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    ours = object_storage._signed("h.example", "/b/a%20b", "list-type=2&prefix=x%2Fy", "eu-west-1")
    request = AWSRequest("GET", "http://h.example/b/a%20b?list-type=2&prefix=x%2Fy")
    request.headers["X-Amz-Content-SHA256"] = ours["x-amz-content-sha256"]
    request.headers["X-Amz-Date"] = ours["x-amz-date"]
    request.headers["Host"] = "h.example"
    request.context["timestamp"] = ours["x-amz-date"]
    signer = auth.S3SigV4Auth(Credentials("AKID", SECRET), "s3", "eu-west-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert ours["Authorization"].endswith("Signature=" + signer.signature(text, request))

"""What is wrong with the block `rest:` is told with its place, and secrets are not shown."""

from pathlib import Path

import pytest

from ingest.company import load_company
from ingest.errors import CompanyFileError
from ingest.rest_paths import Path as Way
from ingest.rest_paths import PathError
from ingest.rest_secrets import Secrets
from ingest.rest_settings import RestSettings

SOURCE = """company: T
home_market: DE
reporting_currency: EUR
sources:
  - name: shop
    entity: products
    kind: rest
    columns: {product_id: id, name: name}
    rest:
      base_url: https://api.example.com
      records: data[]
"""


@pytest.mark.parametrize(
    ("added", "line", "found", "advice"),
    [
        ("pages: {}", 12, "the unknown key 'pages'", "one of base_url, path"),
        ("auth: {kind: bearer, tokn: x}", 12, "the unknown key 'tokn'", "did you mean token?"),
        ("auth: {kind: bearer}", 12, "auth bearer without token", "add `token:`"),
        ("auth: {kind: bearer, token: abc123456}", 12, "a secret that is written out", "${NAME}"),
        ("auth: {kind: bearer, token: '${SHORT}'}", 12, "fewer than 8 characters", "longer"),
        ("auth: {kind: bearer, token: '${NONE}'}", 12, "NONE is not set", "export NONE"),
        ("auth: {kind: basic, username: abc123456}", 12, "written out", "${NAME}"),
        ("params: {api_key: abc123456}", 12, "a secret that is written out", "${NAME}"),
        ("headers: {Authorization: Bearer abc}", 12, "a secret that is written out", "${NAME}"),
        ("pagination: {kind: pages}", 12, "'pages'", "docs"),
        ("pagination: {kind: page, param: p}", 9, "pagination page without key", "add `key: id`"),
        ("pagination: {kind: cursor, param: c}", 12, "neither next nor last", "meta.next_cursor"),
        ("pagination: {kind: next_url}", 12, "next_url without next", "next: next"),
        ("pagination: {kind: offset, param: o}", 12, "offset without size", "size: 100"),
        ("cursor: at", 9, "cursor at, which no request asks for", "{cursor}"),
        ("params: {since: '{cursor}'}", 9, "{cursor} without cursor", "add `cursor:`"),
        ("look_back: soon", 12, "'soon'", "1 hour"),
        ("look_back: 90", 9, "look_back 90 of a cursor of times", "look_back: 1 hour"),
        ("cursor_format: unix", 12, "'unix'", "say how"),
        ("total: a..b", 12, "'a..b'", "data.orders"),
        ("total: 'a[0]'", 12, "'a[0]'", "data.orders"),
        ("fields: {x: 'other[].id'}", 9, "x: other[].id", "correct it"),
        ("fields: {x: '.lines[].id'}", 9, "with a list", "leave [] out"),
        ("body: '[1]'", 12, "no JSON object", "mend"),
        ("body: {a: b}\n      method: GET", 9, "a body with method GET", "leave one out"),
        ("requests_per_minute: 0", 12, "'0'", "docs"),
        ("format: xml", 12, "'xml'", "docs"),
    ],
)
def test_what_is_wrong_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, added: str, line: int, found: str, advice: str
) -> None:
    monkeypatch.setenv("SHORT", "abc")
    monkeypatch.delenv("NONE", raising=False)
    file = tmp_path / "company.yml"
    file.write_text(f"{SOURCE}      {added}\n")
    with pytest.raises(CompanyFileError) as error:
        load_company(file)
    problem = error.value.problems[0]
    assert (problem.line, found in problem.found) == (line, True), problem
    assert advice in f"{problem.expected} {problem.next_step}"
    assert "abc123456" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("https://api.example.com", "api.example.com", "'api.example.com'"),
        ("https://api.example.com", "https://me:abc123456@api.example.com", "name or password"),
        ("records: data[]", "records: data", "records data, without a list"),
        ("records: data[]", "records: 'data[].lines[]'", "in lists of other records, without key"),
        ("records: data[]", "records: 'data[].lines[]'\n      key: id", "the key id"),
        ("    kind: rest", "    kind: rest\n    path: x.csv", "path in a source behind an API"),
    ],
)
def test_what_does_not_agree_is_told(tmp_path: Path, old: str, new: str, found: str) -> None:
    file = tmp_path / "company.yml"
    file.write_text(SOURCE.replace(old, new))
    with pytest.raises(CompanyFileError) as error:
        load_company(file)
    assert found in error.value.problems[0].found
    assert "abc123456" not in str(error.value)


def test_ways_into_an_answer() -> None:
    page = {"a.b": [{"x": [1, 2]}, {"x": None}, {"x": [3]}], "c": {"d": 0}}
    assert Way.of('"a.b"[].x[]').values(page) == [1, 2, 3]
    assert Way.of("c.d").value(page) == 0 and Way.of("c.e.f").value(page) is None
    assert Way.of("[]").values([1, 2]) == [1, 2]
    assert Way.of("header:X-Total").value(page, {"x-total": "5"}) == "5"
    assert Way.of("[].line_items[]").levels == ((), ("line_items",), ())
    for wrong in ("a..b", "a.", "a[0]", 'a"b"', "a[", "a b]"):
        with pytest.raises(PathError):
            Way.of(wrong)


def test_secrets_are_masked_in_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", 'k/ey "1234"&ü')
    monkeypatch.setenv("HOST", "https://api.example.com")
    settings = RestSettings.model_validate(
        {"base_url": "${HOST}", "auth": {"kind": "bearer", "token": "${KEY}"}}
    )
    secrets = Secrets(settings)
    for text in (
        'k/ey "1234"&ü', "k%2Fey%20%221234%22%26%C3%BC", "k%2fey+%221234%22%26%c3%bc",
        'k/ey \\"1234\\"&\\u00fc', 'k\\/ey \\"1234\\"&\\u00fc', "k/ey &quot;1234&quot;&amp;ü",
    ):  # fmt: skip
        assert "1234" not in secrets.masked(f"<{text}>"), text
        assert b"1234" not in secrets.masked_body(text.encode()), text
    secrets.issue("issued-12345678")
    assert secrets.masked("Bearer issued-12345678") == "Bearer ${issued_token}"
    address = "https://api.example.com/x?k=" + secrets.masked('k/ey "1234"&ü')
    assert secrets.unmasked(address).endswith('k/ey "1234"&ü')
    assert secrets.masked_body(b"https://api.example.com/x") == b"https://api.example.com/x"


@pytest.mark.parametrize(
    ("base", "path", "address"),
    [
        ("https://api.example.com/", "/v1/orders", "https://api.example.com/v1/orders"),
        ("https://api.example.com", "v1", "https://api.example.com/v1"),
        ("https://api.example.com", "", "https://api.example.com"),
    ],
)
def test_the_path_stands_below_the_base(base: str, path: str, address: str) -> None:
    assert RestSettings(base_url=base, path=path).address == address

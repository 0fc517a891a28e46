"""Who asks, and that nobody else learns it: authentication, other hosts, and a search of all that
a run leaves for what it was given in secret."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
import yaml

from ingest import landing, rest_client
from ingest.errors import SourceUnreachable
from tests.integration.rest_server import (
    MAPPING,
    Answer,
    Api,
    Asked,
    Shop,
    basic,
    order,
    serving,
    told,
)

SECRETS = {
    "BEARER": "tok/bearer+1f6f9a77=",
    "NAME": "user-5a1c88d0",
    "PASSWORD": "pass:wörd&5a1c88d0",
    "HEADER": "hdr-0b9e41cc7d",
    "CLIENT": "client-77f3a2b9",
    "CLIENT_SECRET": 'cl"ient-s3cret-77f3a2b9',
    "QUERY": "query key 90ab12ef",
}
ISSUED = "issued-token-42c0ffee99"
DATABASE_PASSWORD = "pg:s3cret/5d20e8"
DATABASE = f"postgresql://reader:{quote(DATABASE_PASSWORD, safe='')}@127.0.0.1:1/shop"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A company and an API; all secrets stand in variables, and waiting costs no time."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE", DATABASE)
    monkeypatch.setattr(rest_client.Api, "_wait", lambda self, seconds: None)
    with serving(Api()) as api:
        yield Shop(tmp_path, api)


AUTH: dict[str, tuple[dict[str, str], str, Callable[[], str]]] = {
    "bearer": (
        {"kind": "bearer", "token": "${BEARER}"},
        "authorization",
        lambda: f"Bearer {SECRETS['BEARER']}",
    ),
    "basic": (
        {"kind": "basic", "username": "${NAME}", "password": "${PASSWORD}"},
        "authorization",
        lambda: basic(SECRETS["NAME"], SECRETS["PASSWORD"]),
    ),
    "header": (
        {"kind": "header", "name": "X-Api-Key", "value": "Key ${HEADER}"},
        "x-api-key",
        lambda: f"Key {SECRETS['HEADER']}",
    ),
    "oauth2": (
        {"kind": "oauth2", "token_url": "TOKEN_URL", "client_id": "${CLIENT}",
         "client_secret": "${CLIENT_SECRET}"},
        "authorization",
        lambda: f"Bearer {ISSUED}",
    ),
}  # fmt: skip


def auth_of(kind: str, api: Api) -> dict[str, str]:
    settings = dict(AUTH[kind][0])
    if "token_url" in settings:
        settings["token_url"] = f"{api.url}/token"
    return settings


def issuing(answer: Callable[[Asked], Answer], lives: int = 3600) -> Callable[[Asked], Answer]:
    """An API that gives tokens, too."""

    def both(asked: Asked) -> Answer:
        if asked.path == "/token":
            return told({"access_token": ISSUED, "token_type": "Bearer", "expires_in": lives})
        return answer(asked)

    return both


def two_pages(asked: Asked) -> Answer:
    after = asked.query.get("after")
    return told({"orders": [order(2 if after else 1)], "next": None if after else "2"})


PAGED = {"records": "orders[]",
         "pagination": {"kind": "cursor", "param": "after", "next": "next"}}  # fmt: skip


@pytest.mark.parametrize("kind", AUTH)
def test_requests_show_who_asks(shop: Shop, kind: str) -> None:
    shop.api.answer = issuing(two_pages)
    shop.describe({**PAGED, "auth": auth_of(kind, shop.api)}).land()
    _, header, expected = AUTH[kind]
    pages = [asked for asked in shop.api.asked if asked.path == "/orders"]
    assert [asked.headers.get(header) for asked in pages] == [expected()] * 2
    tokens = [asked for asked in shop.api.asked if asked.path == "/token"]
    assert len(tokens) == (kind == "oauth2")
    for asked in tokens:
        form = dict(parse_qsl(asked.body.decode()))
        assert form == {"grant_type": "client_credentials", "client_id": SECRETS["CLIENT"],
                        "client_secret": SECRETS["CLIENT_SECRET"]}  # fmt: skip


def test_tokens_are_asked_for_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**PAGED, "auth": auth_of("oauth2", shop.api)}
    refusals = iter([told({"error": "expired"}, 401)])
    shop.api.answer = issuing(lambda asked: next(refusals, None) or two_pages(asked))
    shop.describe(settings).land()
    # refused once: a new token, and the page again
    assert [asked.path for asked in shop.api.asked] == [
        "/token", "/orders", "/token", "/orders", "/orders",
    ]  # fmt: skip
    shop.api.asked.clear()
    now = iter(range(0, 10**6, 50))
    # of the tokens only: a request's own time goes by as ever
    clock = SimpleNamespace(monotonic=lambda: next(now), sleep=time.sleep)
    monkeypatch.setattr(rest_client, "time", clock)
    shop.api.answer = issuing(two_pages, lives=60)
    shop.describe({**settings, "path": "others"}).land()
    assert [asked.path for asked in shop.api.asked].count("/token") == 2
    shop.api.answer = issuing(lambda asked: told({"error": "never"}, 401))
    with pytest.raises(SourceUnreachable, match="status 401"):
        shop.describe({**settings, "path": "third"}).land()


def test_a_secret_of_oauth_may_go_as_basic_authentication(shop: Shop) -> None:
    shop.api.answer = issuing(two_pages)
    auth = {**auth_of("oauth2", shop.api), "send": "basic", "scope": "read"}
    shop.describe({**PAGED, "auth": auth}).land()
    asked = shop.api.asked[0]
    assert asked.headers["authorization"] == basic(SECRETS["CLIENT"], SECRETS["CLIENT_SECRET"])
    assert dict(parse_qsl(asked.body.decode())) == {
        "grant_type": "client_credentials", "scope": "read",
    }  # fmt: skip


@pytest.mark.parametrize("how", ["redirect", "link", "next_url"])
def test_no_other_host_is_asked(shop: Shop, how: str) -> None:
    with serving(Api()) as other:
        elsewhere = f"{other.url}/orders?after=2"

        def answer(asked: Asked) -> Answer:
            if how == "redirect":
                return 307, {"Location": elsewhere}, b""
            return told({"orders": [order(1)], "next": elsewhere},
                        Link=f'<{elsewhere}>; rel="next"')  # fmt: skip

        shop.api.answer = answer
        paging = {"kind": how, **({"next": "next"} if how == "next_url" else {})}
        settings = {"records": "orders[]", "auth": auth_of("header", shop.api)}
        with pytest.raises(SourceUnreachable, match="another host"):
            shop.describe(settings if how == "redirect" else {**settings, "pagination": paging})
            shop.land()
        assert other.asked == [] and landing.manifest(shop.home, "shop") == []


def test_redirects_on_the_host_are_followed(shop: Shop) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path == "/orders":
            return 302, {"Location": "/v2/orders"}, b""
        return (
            told({"orders": [order(1)]})
            if asked.path == "/v2/orders"
            else (302, {"Location": asked.path}, b"")
        )

    shop.api.answer = answer
    assert shop.describe({"records": "orders[]"}).landed() == ["1 1"]
    with pytest.raises(SourceUnreachable, match="redirects in a circle"):
        shop.describe({"path": "round"}).land()


def forms_of(secrets: list[str]) -> list[bytes]:
    """All that would give a secret away, in the forms that servers and programs write."""
    pairs = [basic(SECRETS["NAME"], SECRETS["PASSWORD"]).split()[1],
             basic(SECRETS["CLIENT"], SECRETS["CLIENT_SECRET"]).split()[1]]  # fmt: skip
    texts = [
        form for each in secrets for form in (each, quote(each, safe=""), json.dumps(each)[1:-1])
    ]
    return [text.encode() for text in [*texts, *pairs]]


def echoing(asked: Asked) -> Answer:
    """A server that repeats all that it was asked with, in bodies, headers and addresses."""
    if asked.path == "/token":
        return told({"access_token": ISSUED, "expires_in": 3600})
    held = {"asked": [*asked.query.values(), *asked.headers.values()]}
    if asked.path.startswith("/broken"):
        return told({"error": held}, 403, X_Echo=asked.headers.get("authorization", ""))
    after = asked.query.get("after")
    key = quote(SECRETS["QUERY"], safe="")
    row = {**order(2 if after else 1), "note": f"for {asked.query['api_key']}"}
    following = None if after else f"{asked.path}?after=2&api_key={key}"
    return told({"orders": [row], "held": held, "next": following})


def company_of(api: Api) -> dict[str, Any]:
    """Two sources for each way of authentication, one that is read and one that is refused, and a
    database that does not answer."""
    database = {"engine": "postgres", "connection": "${DATABASE}", "table": "lines"}
    sources = [{"name": "database", "entity": "sales", "kind": "database", "columns": MAPPING,
                "database": database}]  # fmt: skip
    for kind in AUTH:
        for path in ("fine", "broken"):
            rest = {
                "base_url": api.url, "path": f"{path}/{kind}", "auth": auth_of(kind, api),
                "params": {"api_key": "${QUERY}"}, "records": "orders[]", "backoff": 0,
                "attempts": 1, "pagination": {"kind": "next_url", "next": "next"},
            }  # fmt: skip
            sources.append({"name": f"{path}_{kind}", "entity": "sales", "kind": "rest",
                            "columns": MAPPING, "rest": rest})  # fmt: skip
    return {"company": "T", "home_market": "DE", "reporting_currency": "EUR", "sources": sources}


def test_secrets_are_nowhere(shop: Shop, tmp_path: Path, parsed_project: Path) -> None:
    shop.api.answer = echoing
    file = tmp_path / "company.yml"
    home = tmp_path / "state"
    # the project is parsed without a look at any source
    shutil.copytree(parsed_project, home / "dbt")
    said = b""

    def tradewind(*verb: str) -> int:
        nonlocal said
        done = subprocess.run(
            [str(Path(sys.executable).with_name("tradewind")), *verb, "--company", str(file),
             "--home", str(home)],
            capture_output=True, check=False, env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        )  # fmt: skip
        said += done.stdout + done.stderr
        return done.returncode

    company = company_of(shop.api)
    file.write_text(yaml.safe_dump(company))
    # what can be read is published though half of the sources refuse
    # a few rows: more threads only wait for each other
    run = ("run", "--threads", "1")
    assert tradewind(*run) == 3, said.decode()
    assert b"Published version" in said and b"status 403" in said
    assert b"the database ${DATABASE} could not be read" in said
    assert tradewind("plan") == 3
    # a run that is refused by a gate: too many rows that cannot be taken
    company["sources"][1]["columns"] = {**MAPPING, "currency": "'no currency'"}
    file.write_text(yaml.safe_dump(company))
    assert tradewind(*run) in (1, 3)
    assert tradewind("doctor") in (2, 3)
    assert tradewind("sources", "check", "fine_bearer", "fine_oauth2") == 0
    pages = list((home / "landing/fine_bearer").glob("*/*.json"))
    assert len(pages) == 2 and b"${QUERY}" in b"".join(page.read_bytes() for page in pages)
    assert any(home.glob("dagster/**/*")) and any(home.glob("reports/**/*"))
    forms = forms_of([*SECRETS.values(), ISSUED, DATABASE, DATABASE_PASSWORD])
    for path in [*home.rglob("*"), file]:
        held = path.read_bytes() if path.is_file() else b""
        assert not [form for form in forms if form in held], path
    assert not [form for form in forms if form in said]

"""Sources behind APIs, on local servers: nothing lost, nothing twice, nothing half."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from bench import rest as soak
from bench.api import Plan
from bench.api import serving as serving_plan
from ingest import landing, rest_client, rest_log, web
from ingest.errors import SourceUnreachable
from tests.integration.rest_server import Answer, Api, Asked, Shop, order, serving, told


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A company and an API that knows nothing yet."""
    with serving(Api()) as api:
        yield Shop(tmp_path, api)


def orders(count: int) -> list[dict[str, Any]]:
    return [order(number) for number in range(1, count + 1)]


def wanted(count: int) -> list[str]:
    return [f"{number} 1" for number in range(1, count + 1)]


def by_page(rows: list[dict[str, Any]], size: int = 2) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        first = (int(asked.query["page"]) - 1) * size
        return told({"orders": rows[first : first + size], "total": len(rows)})

    return answer


def by_offset(rows: list[dict[str, Any]], size: int = 3) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        first = int(asked.query["offset"])
        return told({"orders": rows[first : first + size], "total": len(rows)})

    return answer


def by_cursor(rows: list[dict[str, Any]], size: int = 2) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        first = int(asked.query.get("after", 0))
        after = first + size if first + size < len(rows) else None
        return told({"orders": rows[first : first + size], "next": after})

    return answer


PAGE = {"records": "orders[]", "key": "id", "pagination": {"kind": "page", "param": "page"}}
OFFSET = {
    "records": "orders[]",
    "key": "id",
    "pagination": {"kind": "offset", "param": "offset", "size": 3, "size_param": "limit"},
}
CURSOR = {
    "records": "orders[]",
    "pagination": {"kind": "cursor", "param": "after", "next": "next"},
}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("total", [{}, {"total": "total"}])
def test_pages_are_read_to_their_end(shop: Shop, count: int, total: dict[str, str]) -> None:
    shop.api.answer = by_page(orders(count))
    assert shop.describe({**PAGE, **total}).landed() == wanted(count)
    assert shop.landed() == wanted(count)
    assert len(landing.manifest(shop.home, "shop")) == (1 if count else 0)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 7])
@pytest.mark.parametrize("total", [{}, {"total": "total"}])
def test_offsets_are_read_to_their_end(shop: Shop, count: int, total: dict[str, str]) -> None:
    shop.api.answer = by_offset(orders(count))
    assert shop.describe({**OFFSET, **total}).landed() == wanted(count)
    assert not shop.is_new()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_cursors_are_read_to_their_end(shop: Shop, count: int) -> None:
    shop.api.answer = by_cursor(orders(count))
    assert shop.describe(CURSOR).landed() == wanted(count)
    assert not shop.is_new()


def test_links_and_next_addresses_are_followed(shop: Shop) -> None:
    rows = orders(5)

    def answer(asked: Asked) -> Answer:
        first = int(asked.query.get("from", 0))
        address = f"/orders?from={first + 2}" if first + 2 < 5 else None
        body = {"orders": rows[first : first + 2], "links": {"@next.link": address}}
        link = {"Link": f'<{address}>; rel="next", </orders>; rel="first"'} if address else {}
        return told(body, **link)

    shop.api.answer = answer
    for pagination in ({"kind": "link"}, {"kind": "next_url", "next": 'links."@next.link"'}):
        shop.describe({"records": "orders[]", "pagination": pagination})
        assert shop.run() == wanted(5)


def test_a_cursor_may_be_the_last_record_or_a_header(shop: Shop) -> None:
    rows = orders(4)

    def answer(asked: Asked) -> Answer:
        first = int(asked.query.get("after", 0))
        more = first + 2 < len(rows)
        return told({"data": rows[first : first + 2], "has_more": more},
                    X_Next=str(first + 2) if more else "")  # fmt: skip

    shop.api.answer = answer
    last = {"kind": "cursor", "param": "after", "last": "id", "more": "has_more"}
    assert shop.describe({"records": "data[]", "pagination": last}).run() == wanted(4)
    assert len(shop.api.asked) == 2
    header = {"kind": "cursor", "param": "after", "next": "header:X-Next"}
    assert shop.describe({"records": "data[]", "pagination": header}).run() == wanted(4)


def test_whole_numbers_keep_all_their_digits(shop: Shop) -> None:
    """Keys and cursors beyond 64 bits, two of which would be one if they were rounded."""
    first = 123456789012345678901234567890
    rows = [{**order(number), "key": first + number} for number in range(1, 5)]

    def answer(asked: Asked) -> Answer:
        at = int(asked.query.get("after", first)) - first
        after = first + at + 2 if at + 2 < len(rows) else None
        return told({"orders": rows[at : at + 2], "next": after})

    shop.api.answer = answer
    assert shop.describe({**CURSOR, "key": "key"}).landed() == wanted(4)
    assert [query.get("after") for query in shop.api.queries] == [None, str(first + 2)]


def test_json_that_only_python_reads_is_read(shop: Shop) -> None:
    row = {**order(1), "weight": float("nan"), "most": float("inf")}
    body = b"\xef\xbb\xbf" + json.dumps({"orders": [row]}).encode()
    shop.api.answer = lambda asked: (200, {}, body)
    assert shop.describe(CURSOR).landed() == wanted(1)


def test_a_connection_on_which_too_much_came_is_not_used_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server keeps it open, as it does for a moment even where it is about to close it."""
    ports: list[int] = []
    original = BaseHTTPRequestHandler.send_header

    def send_header(self: BaseHTTPRequestHandler, name: str, value: str) -> None:
        if name == "Content-Length":
            ports.append(self.client_address[1])
            value = str(int(value) - (5 if len(ports) == 1 else 0))
        original(self, name, value)

    monkeypatch.setattr(BaseHTTPRequestHandler, "send_header", send_header)
    shop.api.answer = lambda asked: told({"orders": orders(3)})
    with web.Client("test", allow_private=True) as client:
        with pytest.raises(web.WebError, match="more bytes came"):
            client.get(shop.api.url)
        assert json.loads(client.get(shop.api.url).body)["orders"]
        client.get(shop.api.url)
    assert ports[0] != ports[1] == ports[2]


def test_one_thread_watches_over_all_requests_and_ends_with_them(shop: Shop) -> None:
    """A request that takes too long is ended, also as a later one over the same connection."""
    slow = threading.Event()

    def answer(asked: Asked) -> Answer:
        if asked.path == "/slow":
            slow.wait(5)
        return told({})

    shop.api.answer = answer
    limits = web.Limits(silence_s=5, total_s=0.3)
    with web.Client("test", allow_private=True, limits=limits) as client:
        for _ in range(20):
            client.get(f"{shop.api.url}/fast")
        assert len(watching()) == 1
        with pytest.raises(web.WebError, match=r"took longer than 0\.3 s"):
            client.get(f"{shop.api.url}/slow")
        slow.set()
        # what has rung does not end the requests after it
        assert client.get(f"{shop.api.url}/fast").status == 200
        last = watching()
        assert len(last) == 1
    last[0].join(0.2)
    assert not last[0].is_alive()


def watching() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if "_watch" in each.name]


def test_a_cursor_that_comes_again_ends_the_reading(shop: Shop) -> None:
    shop.api.answer = lambda asked: told({"orders": orders(2), "next": "c1"})
    with pytest.raises(SourceUnreachable, match="in a circle: cursor 'c1' came a second time"):
        shop.describe(CURSOR).land()
    assert not landing.manifest(shop.home, "shop")


def test_a_server_that_does_not_know_the_parameter_is_found_out(shop: Shop) -> None:
    shop.api.answer = lambda asked: told({"orders": orders(2)})
    with pytest.raises(SourceUnreachable, match="may not know the parameter page"):
        shop.describe(PAGE).land()


@pytest.mark.parametrize("total", [{}, {"total": "total"}])
def test_an_empty_page_in_the_middle_is_no_end(shop: Shop, total: dict[str, str]) -> None:
    rows = orders(6)
    pages = {"1": rows[:2], "2": [], "3": rows[2:4], "4": rows[4:]}
    shop.api.answer = lambda asked: told({"orders": pages.get(asked.query["page"], []), "total": 6})
    assert shop.describe({**PAGE, **total}).run() == wanted(6)
    after = {"": "b", "b": "c", "c": "d", "d": None}
    names = dict(zip(["", "b", "c", "d"], pages.values(), strict=True))
    shop.api.answer = lambda asked: told(
        {"orders": names[asked.query.get("after", "")], "next": after[asked.query.get("after", "")]}
    )
    assert shop.describe(CURSOR).run() == wanted(6)


class Moving:
    """A list that changes before some requests; `changes` by the number of the request."""

    def __init__(
        self, rows: list[dict[str, Any]], changes: dict[int, Callable[[Any], Any]]
    ) -> None:
        self.rows, self.changes, self.number = rows, changes, 0

    def __call__(self, asked: Asked) -> Answer:
        self.number += 1
        if self.number in self.changes:
            self.changes[self.number](self.rows)
        return (by_offset if "offset" in asked.query else by_page)(self.rows)(asked)


CHANGES = {
    "arrive first": lambda rows: rows.insert(0, order(99)),
    "arrive last": lambda rows: rows.append(order(99)),
    "many arrive": lambda rows: rows.__setitem__(slice(0, 0), [order(n) for n in range(95, 100)]),
    "one goes": lambda rows: rows.pop(0),
    "one moves to the end": lambda rows: rows.append(rows.pop(0)),
    "one goes, one comes": lambda rows: (rows.pop(0), rows.append(order(99))),
}


@pytest.mark.parametrize("way", [PAGE, OFFSET], ids=["page", "offset"])
@pytest.mark.parametrize("total", [{}, {"total": "total"}], ids=["no total", "total"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("at", [2, 3, 4])
def test_rows_that_move_while_they_are_read(
    shop: Shop, way: dict[str, Any], total: dict[str, str], change: str, at: int
) -> None:
    if change == "one goes, one comes" and way is PAGE and total:
        pytest.skip("a total that stays the same tells nothing; see docs/sources.md")
    rows = orders(7)
    shop.api.answer = Moving(rows, {at: CHANGES[change]})
    found = shop.describe({**way, **total}).landed()
    stayed = {f"{row['id']} 1" for row in rows if row["id"] < 90}
    assert stayed <= set(found), "lost"
    assert len(found) == len(set(found)), "doubled"
    # what came while it was read comes with the next run at the latest
    after = shop.landed()
    assert set(after) == {f"{row['id']} 1" for row in rows} and len(after) == len(set(after))


def test_a_total_that_is_never_reached_is_an_error(shop: Shop) -> None:
    shop.api.answer = lambda asked: told(
        {"orders": orders(3) if asked.query["page"] == "1" else [], "total": 4}
    )
    with pytest.raises(SourceUnreachable, match="reports 4 records, and 3 came, 5 times"):
        shop.describe({**PAGE, "total": "total"}).land()
    assert not landing.manifest(shop.home, "shop")


def test_a_killed_capture_goes_on_after_the_last_page(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.api.answer = by_cursor(orders(7))
    shop.describe(CURSOR)
    real = rest_client.Api.ask
    asked: list[Any] = []

    def dies(api: Any, question: Any, glance: Any) -> Any:
        asked.append(question)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(api, question, glance)

    monkeypatch.setattr(rest_client.Api, "ask", dies)
    with pytest.raises(KeyboardInterrupt):
        shop.land()
    assert landing.manifest(shop.home, "shop") == []
    (log,) = (shop.home.landing / "shop/captures").iterdir()
    log.write_bytes(log.read_bytes() + b'\n{"position": {"after"')
    assert shop.run() == wanted(7)
    # two pages before it was killed, two after it, and none twice but what was under way
    asked_for = [query.get("after", "") for query in shop.api.queries]
    assert list(dict.fromkeys(asked_for)) == ["", "2", "4", "6"]
    assert [asked_for.count(page) for page in ("", "2", "6")] == [1, 1, 1]


def linked(next_in_body: bool) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        first = int(asked.query.get("from", 0))
        address = f"/orders?from={first + 2}" if first + 2 < 6 else None
        link = {"Link": f'<{address}>; rel="next"'} if address and not next_in_body else {}
        body = {"next": address} if next_in_body else {}
        return told({"orders": orders(6)[first : first + 2], **body}, **link)

    return answer


def by_numbered_page(asked: Asked) -> Answer:
    number = int(asked.query["page"])
    more = {"more": number < 3, "pages": 3, "total": 6}
    return told({"orders": orders(6)[2 * number - 2 : 2 * number], **more}, X_Pages="3")


def page_with(**paging: Any) -> dict[str, Any]:
    sized = {"kind": "page", "param": "page", "size": 2}
    return {**PAGE, "total": "total", "pagination": {**sized, **paging}}


WAYS: dict[str, tuple[dict[str, Any], Callable[[Asked], Answer]]] = {
    "cursor": (CURSOR, by_cursor(orders(6))),
    "link": ({"records": "orders[]", "pagination": {"kind": "link"}}, linked(False)),
    "address": (
        {"records": "orders[]", "pagination": {"kind": "next_url", "next": "next"}}, linked(True)
    ),
    "page and total": (page_with(), by_page(orders(6))),
    "page and more": (page_with(more="more"), by_numbered_page),
    "page and pages": (page_with(pages="pages"), by_numbered_page),
    "page and pages in a header": (page_with(pages="header:X-Pages"), by_numbered_page),
    "offset and total": ({**OFFSET, "total": "total"}, by_offset(orders(7))),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_the_next_page_is_made_while_one_is_parsed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """What a page shows is enough to ask for the next one, and each is asked for once."""
    rest, shop.api.answer = WAYS[way]
    shop.describe(rest)
    real, asked_meanwhile = rest_client.parsed, []

    def parsed(body: bytes) -> Any:
        deadline = time.monotonic() + 20
        while len(shop.api.asked) < min(len(asked_meanwhile) + 2, 3):
            assert time.monotonic() < deadline, "the next page was not asked for"
            time.sleep(0.001)
        asked_meanwhile.append(len(shop.api.asked))
        return real(body)

    monkeypatch.setattr(rest_client, "parsed", parsed)
    assert len(shop.landed()) in (6, 7)
    assert asked_meanwhile == [2, 3, 3]


def written(rows: list[dict[str, Any]], rest: str) -> Answer:
    """A page whose text ends as said."""
    return 200, {}, f'{{"orders": {json.dumps(rows)}{rest}}}'.encode()


def pages_of(rests: dict[str, str], **more: Any) -> Callable[[Asked], Answer]:
    """Pages of two orders, by the cursor that they are asked for with; others are empty."""

    def answer(asked: Asked) -> Answer:
        at = asked.query.get("after", "")
        first = 2 * list(rests).index(at) if at in rests else 99
        rows = [{**row, **more} for row in orders(6)[first : first + 2]]
        return written(rows, rests.get(at, ""))

    return answer


UNCLEAR: dict[str, tuple[Callable[[Asked], Answer], list[str]]] = {
    # what the pages say, and what is asked for beyond the pages
    "in a record too": (pages_of({"": ', "next": "b"', "b": ""}, next="x"), []),
    "twice": (pages_of({"": ', "next": "x", "next": "b"', "b": ""}), []),
    "with an escape": (pages_of({"": r', "next": "b\/c"', "b/c": ""}), []),
    "null": (pages_of({"": ', "next": "b"', "b": ', "next": null'}), []),
    "a fraction": (pages_of({"": ', "next": 1.5', "1.5": ""}), []),
    "twice, once with an escape": (
        pages_of({"": r', "next": "x", "n\u0065xt": "b"', "b": r', "next": "y", "n\u0065xt": "c"',
                  "c": ""}), ["x"]
    ),
    "of something else on the last page": (
        pages_of({"": ', "next": "b"', "b": ', "next_page": {"next": "x"}'}), ["x"]
    ),
    "of another host": (pages_of({"": ', "links": {"next": "x"}, "after": 1'}), ["x"]),
}  # fmt: skip


@pytest.mark.parametrize("case", UNCLEAR)
def test_a_cursor_that_is_unclear_before_a_page_is_parsed(shop: Shop, case: str) -> None:
    """A request too many at most, and the rows and pages that there are without it."""
    shop.api.answer, beyond = UNCLEAR[case]
    brought = shop.describe(CURSOR).landed()
    pages = len(brought) // 2
    asked = [query.get("after", "") for query in seen_of(shop, pages + len(beyond))]
    assert brought == wanted(2 * pages) and len(asked) == pages + len(beyond)
    assert len(set(asked)) == len(asked) and [at for at in asked if at in ("x", "y")] == beyond
    assert not shop.is_new()


def seen_of(shop: Shop, count: int) -> list[dict[str, str]]:
    """The parameters of all requests, once so many have come: a dropped one is not waited for."""
    deadline = time.monotonic() + 20
    while len(shop.api.asked) < count and time.monotonic() < deadline:
        time.sleep(0.001)
    return shop.api.queries


@pytest.mark.parametrize(
    ("rest", "answer", "asked"),
    [
        (page_with(), by_page(orders(6), 3), [1, 2, 3]),
        ({**OFFSET, "total": "total"}, by_offset(orders(5), 2), [0, 2, 1, 2, 3]),
    ],
    ids=["larger pages than were asked for", "smaller ones"],
)
def test_who_was_wrong_once_about_the_next_page_waits_for_it(
    shop: Shop, rest: dict[str, Any], answer: Callable[[Asked], Answer], asked: list[int]
) -> None:
    shop.api.answer = answer
    brought = shop.describe(rest).landed()
    assert brought == wanted(len(brought)) and len(brought) >= 5
    seen = [int(query.get("page") or query["offset"]) for query in seen_of(shop, len(asked))]
    assert sorted(seen) == sorted(asked)


def test_a_throttled_page_is_not_followed_by_a_guess(shop: Shop) -> None:
    throttled = {"orders": [], "next": "x", "errors": [{"code": "THROTTLED"}]}
    answers = iter([told(throttled), told({"orders": orders(2), "next": None})])
    shop.api.answer = lambda asked: next(answers)
    shop.describe({**CURSOR, "throttle": {"at": "errors[].code", "value": "THROTTLED"}})
    assert shop.landed() == wanted(2)
    assert len(shop.api.asked) == 2


def test_the_next_page_is_made_while_one_lands(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a page has to be parsed to know what to ask for."""
    shop.api.answer = by_cursor(orders(6))
    shop.describe({**CURSOR, "pagination": {"kind": "cursor", "param": "after", "last": "id"}})
    real = rest_log.CaptureLog.add
    asked_meanwhile: list[int] = []

    def add(log: Any, capture: Any, position: Any, page: Any) -> Any:
        wanted_pages = min(len(asked_meanwhile) + 2, 4)
        deadline = time.monotonic() + 20
        while len(shop.api.asked) < wanted_pages and time.monotonic() < deadline:
            time.sleep(0.001)
        asked_meanwhile.append(len(shop.api.asked))
        return real(log, capture, position, page)

    monkeypatch.setattr(rest_log.CaptureLog, "add", add)
    assert shop.run() == wanted(6)
    assert asked_meanwhile == [2, 3, 4, 4]


def test_an_answer_that_nobody_waits_for_is_not_taken_for_the_next(shop: Shop) -> None:
    shop.api.answer = lambda asked: told({"page": asked.query["page"]})
    with web.Client("test", allow_private=True) as client:
        client.send("GET", f"{shop.api.url}/orders?page=1")
        assert json.loads(client.get(f"{shop.api.url}/orders?page=2").body) == {"page": "2"}


def test_pages_land_as_received(shop: Shop) -> None:
    body = b'\xef\xbb\xbf{"orders": [{"id": 1,  "at": "2026-01-01", "sku": "\\u00e9", "price": 2.50,\n "quantity": 1}]}'  # noqa: E501
    shop.api.answer = lambda asked: (200, {}, body)
    assert shop.describe({"records": "orders[]"}).run() == ["1 1"]
    (page,) = shop.home.landing.glob("shop/*/*.json")
    assert page.read_bytes() == body


def test_only_new_and_changed_records_land(shop: Shop) -> None:
    rows = orders(3)
    for number, row in enumerate(rows, 1):
        row["updated_at"] = f"2026-01-0{number}T00:00:00Z"

    def answer(asked: Asked) -> Answer:
        since = asked.query.get("since", "")
        return told({"orders": [row for row in rows if row["updated_at"] >= since]})

    shop.api.answer = answer
    shop.describe(
        {"records": "orders[]", "key": "id", "cursor": "updated_at", "look_back": "1 day",
         "params": {"since": "{cursor}"}},
        replaces="order_id",
    )  # fmt: skip
    assert shop.run() == wanted(3)
    assert not shop.is_new()
    assert shop.land() == []
    assert [query.get("since") for query in shop.api.queries] == [
        None, "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z",
    ]  # fmt: skip
    # one late within the look-back, one changed, one too late
    rows[2] |= {"quantity": 9, "updated_at": "2026-01-04T00:00:00Z"}
    rows += [order(4, updated="2026-01-02T00:00:00Z"), order(5, updated="2026-01-01T00:00:00Z")]
    assert shop.is_new()
    assert shop.run() == ["1 1", "2 1", "3 9", "4 1"]
    delivered = shop.connection.execute("select max(rows_delivered) from audit.deliveries")
    assert delivered.fetchall() == [(3,)]


def test_a_source_read_whole_forgets_what_has_gone(shop: Shop) -> None:
    rows = orders(5)
    shop.api.answer = by_page(rows)
    assert shop.describe(PAGE).run() == wanted(5)
    del rows[0]
    assert shop.is_new()
    assert shop.run() == wanted(5)[1:]
    assert not shop.is_new()
    shop.describe({**PAGE, "deletes": "keep"})
    del rows[0]
    assert not shop.is_new()
    rows.append(order(6))
    assert shop.run() == ["2 1", "3 1", "4 1", "5 1", "6 1"]


def test_lines_inside_orders_become_rows(shop: Shop) -> None:
    def node(number: int, lines: list[str]) -> dict[str, Any]:
        held = [{"node": {"sku": f"S{sku}", "n": 1, "price": {"amount": "3.50"}}} for sku in lines]
        return {"node": {"id": number, "created": "2026-01-01", "lines": {"edges": held}}}

    found = [node(1, ["a", "b"]), node(2, []), node(3, ["c"])]
    shop.api.answer = lambda asked: told({"data": {"orders": {"edges": found}}, "shop": "DE"})
    edges = "data.orders.edges[]"
    shop.describe(
        {
            "records": f"{edges}.node.lines.edges[].node",
            "fields": {
                "order": f"{edges}.node.id", "created": f"{edges}.node.created",
                "amount": ".price.amount", "country": "shop",
            },
            "key": "order",
        },
        columns={"order_id": '"order"', "ordered_at": "created", "market": "country",
                 "product_id": "sku", "quantity": "n", "unit_price": "amount",
                 "currency": "'EUR'"},
        replaces="order_id",
    )  # fmt: skip
    assert shop.run() == ["1 1", "1 1", "3 1"]
    rows = shop.connection.execute("select order_id, product_id, unit_price from raw.sales")
    assert [(o, p, str(u)) for o, p, u in sorted(rows.fetchall())] == [
        ("1", "Sa", "3.5000"), ("1", "Sb", "3.5000"), ("3", "Sc", "3.5000"),
    ]  # fmt: skip
    # an order that lost a line
    found[0]["node"]["lines"]["edges"].pop()
    assert shop.run() == ["1 1", "3 1"]


def test_bodies_of_csv_and_json_lines(shop: Shop) -> None:
    text = 'id;at;sku;quantity;price\n1;2026-01-01;S;1;2,50\n2;2026-01-02;"S;é";1;3,5\n'
    shop.api.answer = lambda asked: (200, {}, text.encode("latin-1"))
    shop.describe({"format": "csv", "delimiter": ";", "encoding": "latin-1"}, decimal=",")
    assert shop.run() == wanted(2)
    lines = "\n".join(json.dumps(row) for row in orders(3)) + "\n"
    shop.api.answer = lambda asked: (200, {}, lines.encode())
    assert shop.describe({"format": "jsonl"}).run() == wanted(3)


def test_answers_that_fail_are_asked_for_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(rest_client.Api, "_wait", lambda api, seconds: waits.append(seconds))
    answers = iter([told({}, 500), told({}, 429, Retry_After="7"), (200, {}, b'{"orders": [')])
    shop.api.answer = lambda asked: next(answers, told({"orders": orders(1)}))
    assert shop.describe({"records": "orders[]", "backoff": 1}).run() == ["1 1"]
    assert len(shop.api.asked) == 4 and waits[1] == 7.0 and 4 <= waits[2] < 6


def test_attempts_come_to_an_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_client.Api, "_wait", lambda api, seconds: None)
    shop.api.answer = lambda asked: told({"error": "out of order"}, 503)
    with pytest.raises(SourceUnreachable, match=r"status 503.*out of order.*, 3 times"):
        shop.describe({"attempts": 3}).land()
    assert len(shop.api.asked) == 3
    shop.api.answer = lambda asked: told({}, 429, Retry_After="500")
    with pytest.raises(SourceUnreachable, match="asks to come back in 500 s"):
        shop.land()


def test_a_budget_a_minute_is_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(rest_client.Api, "_wait", lambda api, seconds: waits.append(seconds))
    shop.api.answer = by_cursor(orders(8))
    shop.describe({**CURSOR, "requests_per_minute": 2}).land()
    assert len(shop.api.asked) == 4
    assert len(waits) == 2 and all(59 < seconds <= 60 for seconds in waits)


def test_a_server_that_goes_wrong_in_every_way(tmp_path: Path) -> None:
    folder = tmp_path / "soak"
    folder.mkdir()
    plan = Plan(40, 20, share=0.6, seed=4)
    assert {fault for fault, _ in plan.faults.values()} >= {"drop", "drip", "bad_gzip", "storm"}
    with serving_plan(plan) as url:
        assert soak.read_all(folder, url, plan, []) == 0


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("circle", "redirects in a circle"),
        ("off_host", "another host"),
        ("larger", "larger than 10,000,000 bytes"),
        ("drop", "ended before the announced length, 4 times"),
    ],
)
def test_a_page_that_never_comes_is_told(tmp_path: Path, fault: str, said: str) -> None:
    with serving_plan(Plan(3, 10, lasting={1: fault})) as url:
        assert said in soak.told_of(tmp_path, url)


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    with serving_plan(Plan(3, 10), soak.certificate(tmp_path)) as url:
        assert "its certificate is not valid" in soak.told_of(tmp_path, url)


def test_a_server_that_went_away_is_gone_on_with(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_client.Api, "_wait", lambda api, seconds: None)
    well = by_cursor(orders(7))
    shop.api.answer = lambda asked: (
        well(asked) if asked.query.get("after") != "4" else told({}, 503)
    )
    shop.describe({**CURSOR, "attempts": 1})
    with pytest.raises(SourceUnreachable, match="status 503"):
        shop.land()
    shop.api.asked.clear()
    shop.api.answer = well
    assert shop.landed() == wanted(7)
    assert [query.get("after") for query in shop.api.queries] == ["4", "6"]


@pytest.mark.parametrize(("status", "asked_first"), [(410, True), (401, False)])
def test_a_server_that_forgot_the_cursor_is_read_anew(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, status: int, asked_first: bool
) -> None:
    well = by_cursor(orders(5))
    refused = {"after": "2"}
    shop.api.answer = lambda asked: told({}, 503) if asked.query == refused else well(asked)
    shop.describe({**CURSOR, "attempts": 1})
    with pytest.raises(SourceUnreachable):
        shop.land()
    answers = iter([told({"error": "expired"}, status)])
    shop.api.answer = lambda asked: next(answers, None) or well(asked)
    shop.api.asked.clear()
    if asked_first:
        assert shop.landed() == wanted(5)
    else:
        with pytest.raises(SourceUnreachable, match="status 401"):
            shop.land()
        assert shop.landed() == wanted(5)
    assert [query.get("after") for query in shop.api.queries] == (
        ["2", None, "2", "4"] if asked_first else ["2", "2", "4"]
    )


def test_a_process_that_was_killed_leaves_nothing_half(shop: Shop) -> None:
    well, is_there, may_go = by_cursor(orders(7)), threading.Event(), threading.Event()

    def answer(asked: Asked) -> Answer:
        if asked.query.get("after") == "4":
            is_there.set()
            may_go.wait(30)
        return well(asked)

    shop.api.answer = answer
    shop.describe(CURSOR)
    code = (
        "import sys; from pathlib import Path; from ingest.company import load_company; "
        "from ingest.home import Home; from ingest.landing import land; "
        "c = load_company(Path(sys.argv[1])); land(c.sources[0], c, Home(Path(sys.argv[2])))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(shop.folder / "company.yml"), str(shop.home.root)]
    )
    assert is_there.wait(30)
    # the pages before it have landed when the one that is waited for was asked for, or soon after
    log = shop.home.landing / "shop/captures"
    while len([line for line in next(log.iterdir()).read_text().split("\n") if line]) < 3:
        time.sleep(0.01)
    child.kill()
    child.wait()
    may_go.set()
    assert landing.manifest(shop.home, "shop") == []
    shop.api.asked.clear()
    assert shop.landed() == wanted(7)
    assert [query.get("after") for query in shop.api.queries] == ["4", "6"]

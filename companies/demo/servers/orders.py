"""The home shop's order interface: cursor pages, a rate limit, and now and then a bad moment.

`GET /v1/orders?updated_since=TIME&limit=N&cursor=TEXT` answers with orders by the time of their
last change: `{"orders": [...], "next_cursor": ..., "total": ...}`.
"""

import base64
import binascii
import json
import sqlite3
import threading
import time
from collections import deque
from contextlib import closing
from pathlib import Path

from companies.demo.days import today
from companies.demo.servers.http import Handler
from companies.demo.store_names import STORE

LARGEST_PAGE = 1000
_PER_SECOND = 50
_BUSY_EVERY, _BUSY_AT = 40, 20
_BROKEN_EVERY, _BROKEN_AT = 37, 12
_JSON = "application/json"
_SHOWN = "seen <= :day and until > :day and updated_at >= :since"
_PAGE = f"""
select updated_at, order_id, body from orders
where {_SHOWN} and (updated_at, order_id) > (:after_time, :after_id)
order by updated_at, order_id limit :limit
"""
_TOTAL = f"select count(*) from orders where {_SHOWN}"


class Limiter:
    """At most so many answers within any second, and the bad moments: each on its number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: deque[float] = deque()
        self._number = 0

    def status(self) -> int:
        """The status with which the next request is answered."""
        with self._lock:
            now = time.monotonic()
            while self._recent and now - self._recent[0] > 1:
                self._recent.popleft()
            self._number += 1
            status = 200
            if len(self._recent) >= _PER_SECOND or self._number % _BUSY_EVERY == _BUSY_AT:
                status = 429
            elif self._number % _BROKEN_EVERY == _BROKEN_AT:
                status = 500
            if status != 429:
                self._recent.append(now)
            return status


class OrdersHandler(Handler):
    """Answers for one folder; made by `handler_for`."""

    folder: Path
    limiter: Limiter

    def answer(self, path: str, query: dict[str, str]) -> None:
        """A page of orders, or why there is none."""
        if path != "/v1/orders":
            self._refuse(404, "there is nothing here")
            return
        status = self.limiter.status()
        if status == 429:
            self._refuse(429, "too many requests", Retry_After="1")
        elif status == 500:
            self._refuse(500, "something went wrong, please try again")
        else:
            self._page(query)

    def _page(self, query: dict[str, str]) -> None:
        try:
            after_time, after_id = _decoded(query.get("cursor", ""))
            limit = min(int(query.get("limit", LARGEST_PAGE)), LARGEST_PAGE)
        except ValueError:
            self._refuse(400, "limit is a number, cursor is one that was handed out")
            return
        values = {
            "day": today(self.folder), "since": query.get("updated_since", ""), "limit": limit + 1,
            "after_time": after_time, "after_id": after_id,
        }  # fmt: skip
        with closing(sqlite3.connect(f"file:{self.folder / STORE}?mode=ro", uri=True)) as opened:
            rows = opened.execute(_PAGE, values).fetchall()
            ((total,),) = opened.execute(_TOTAL, values)
        shown = rows[:limit]
        cursor = json.dumps(_encoded(*shown[-1][:2]) if len(rows) > limit else None)
        bodies = ",".join(body for _, _, body in shown)
        text = f'{{"orders":[{bodies}],"next_cursor":{cursor},"total":{total}}}'
        self.send(200, text.encode(), _JSON)

    def _refuse(self, status: int, message: str, **headers: str) -> None:
        self.send(status, json.dumps({"error": message}).encode(), _JSON, **headers)


def _encoded(updated_at: str, order_id: str) -> str:
    return base64.urlsafe_b64encode(f"{updated_at} {order_id}".encode()).decode()


def _decoded(cursor: str) -> tuple[str, str]:
    """The last order of the page before; ("", "") before the first."""
    if not cursor:
        return "", ""
    try:
        updated_at, order_id = base64.urlsafe_b64decode(cursor).decode().split(" ")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(cursor) from error
    return updated_at, order_id


def handler_for(folder: Path) -> type[OrdersHandler]:
    """The handler for the world of a folder, with a limiter of its own."""
    return type("Orders", (OrdersHandler,), {"folder": folder, "limiter": Limiter()})

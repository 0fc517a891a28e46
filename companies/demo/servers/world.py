"""The world as a process: `python -m companies.demo.servers.world`.

Without options it lets days pass until it is stopped (`make demo`); with `--while-visited` it stays
for its visitors only.
"""

import argparse
import json
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from companies.demo import catalogue as cat
from companies.demo.catalogue import HOST, PORT
from companies.demo.days import clock, date_of, pass_day, today
from companies.demo.generate import DATA, ensure, generator_hash
from companies.demo.servers import orders, shops
from companies.demo.servers.http import Server

_SECONDS_FOR_THE_FIRST = 20.0
_SECONDS_AFTER_THE_LAST = 0.5
_SECONDS_FOR_ONE_THAT_ENDS = 2.0


class Visitors:
    """Who is there, and since when nobody is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._here = 0
        self._gone_at = time.monotonic() + _SECONDS_FOR_THE_FIRST

    def come(self) -> None:
        """Count one more."""
        with self._lock:
            self._here += 1

    def go(self) -> None:
        """Count one less."""
        with self._lock:
            self._here -= 1
            self._gone_at = time.monotonic() + _SECONDS_AFTER_THE_LAST

    def are_gone(self) -> bool:
        """Whether nobody is here, nor is about to come back."""
        with self._lock:
            return not self._here and time.monotonic() > self._gone_at


class World:
    """All servers of a folder's world. Listening when this returns.

    Raises:
        OSError: A port is taken.
    """

    def __init__(self, folder: Path, port: int = PORT) -> None:
        self.folder, self.visitors = folder, Visitors()
        self.orders = orders.handler_for(folder)
        handlers = [_with_visits(self.orders, self), *_shop_handlers(folder)]
        self._servers: list[Server] = []
        self._is_serving = False
        try:
            for number, handler in enumerate(handlers):
                self._servers.append(Server(port + number, handler))
        except OSError:
            self.close()
            raise
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        self._is_serving = True

    def identity(self) -> dict[str, str]:
        """Which world it is."""
        return {"generator": generator_hash(), "clock": clock(self.folder)}

    def close(self) -> None:
        """Answer no more."""
        for server in self._servers:
            if self._is_serving:
                server.shutdown()
            server.server_close()


def _shop_handlers(folder: Path) -> list[type[shops.ShopHandler]]:
    return [shops.handler_for(folder, shop) for shop in cat.SHOPS]


def _with_visits(handler: type[orders.OrdersHandler], world: World) -> type[orders.OrdersHandler]:
    """The order interface with an address for visitors, who stay as long as they are connected."""

    def answer(self: Any, path: str, query: dict[str, str]) -> None:
        if path != "/visit":
            handler.answer(self, path, query)
            return
        world.visitors.come()
        try:
            self.send(200, json.dumps(world.identity()).encode(), "application/json")
            self.wfile.flush()
            # nothing comes any more: this ends when the visitor goes, or is killed
            self.rfile.read(1)
        finally:
            world.visitors.go()
        self.close_connection = True

    return type("OrdersAndVisits", (handler,), {"answer": answer})


def live(folder: Path, day_seconds: float, say: Callable[[str], None]) -> None:
    """Let days pass until the world ends, and stay up."""
    while True:
        time.sleep(day_seconds)
        day = pass_day(folder)
        if day is None:
            say(f"The world ends on {date_of(cat.HORIZON - 1)}; its servers stay up. Ctrl-C ends.")
            threading.Event().wait()
        else:
            say(f"{date_of(day)}: orders came in, prices moved")


def main(arguments: Sequence[str] | None = None) -> None:
    """Keep the demo world up and let a day pass every so many seconds, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make demo", description=main.__doc__)
    parser.add_argument("--day-seconds", type=float, default=60.0, metavar="N")
    parser.add_argument("--folder", type=Path, default=DATA, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=PORT, help=argparse.SUPPRESS)
    parser.add_argument("--while-visited", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # a job in the background has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    ensure(options.folder)
    try:
        world = _started(options.folder, options.port)
    except OSError as error:
        parser.exit(
            1,
            f"ports {options.port} to {options.port + 4} of {HOST} are taken: a run of the demo, "
            f"or another `make demo`, is under way ({error})\n",
        )
    try:
        if options.while_visited:
            while not world.visitors.are_gone():
                time.sleep(0.1)
        else:
            _greet(options)
            live(options.folder, options.day_seconds, lambda told: print(told, flush=True))
    except KeyboardInterrupt:
        print("\nThe world has ended. `make demo` goes on where it stopped.")
    finally:
        world.close()


def _started(folder: Path, port: int) -> World:
    """The world; one that is just ending is waited for.

    Raises:
        OSError: A port is taken.
    """
    deadline = time.monotonic() + _SECONDS_FOR_ONE_THAT_ENDS
    while True:
        try:
            return World(folder, port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _greet(options: argparse.Namespace) -> None:
    base = f"http://{HOST}:"
    print(
        f"The demo world is up. It is {date_of(today(options.folder))}; a day passes every "
        f"{options.day_seconds:g} s, until {date_of(cat.HORIZON - 1)}.\n"
        f"  order interface   {base}{options.port}/v1/orders?limit=2\n"
        + "".join(
            f"  {shop.rival:<17} {base}{options.port + number}/sitemap.xml ({shop.market}, "
            f"{shop.markup.replace('_', ' ')})\n"
            for number, shop in enumerate(cat.SHOPS, start=1)
        )
        + f"  files, database   {options.folder}\n"
        "In another terminal: `make ui`, whose sensor starts a run within a minute of what is new, "
        "or `make run`. Ctrl-C ends.",
        flush=True,
    )


if __name__ == "__main__":
    main()

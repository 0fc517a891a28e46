"""What the world's servers have in common: one answer a request, over HTTP/1.1, without a log."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from companies.demo.catalogue import HOST


class Handler(BaseHTTPRequestHandler):
    """Answers GET with what `answer` returns."""

    protocol_version = "HTTP/1.1"
    server_version = "Northstar"
    sys_version = ""
    # headers and body leave together
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer one request."""
        parts = urlsplit(self.path)
        self.answer(parts.path, {name: held[-1] for name, held in parse_qs(parts.query).items()})

    def answer(self, path: str, query: dict[str, str]) -> None:
        """Send an answer; every server of the demo has its own."""
        raise NotImplementedError

    def send(
        self, status: int, body: bytes, kind: str = "text/html; charset=utf-8", **headers: str
    ) -> None:
        """Send a whole answer; `_` in the name of a header stands for `-`."""
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server on loopback whose threads end with the process."""

    daemon_threads = True

    def __init__(self, port: int, handler: type[Handler]) -> None:
        super().__init__((HOST, port), handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor who leaves in the middle is no error."""

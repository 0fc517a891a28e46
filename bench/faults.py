"""Answers over HTTP that go wrong in every way that a reader has to bear: what servers share."""

import gzip
import random
import time
from http.server import BaseHTTPRequestHandler
from typing import Any


class FaultyHandler(BaseHTTPRequestHandler):
    """Answers a body well, or with the fault that a method is named after.

    Attributes:
        content_type: Of all answers.
        bomb: A small packed body that is larger than any reader should take.
    """

    content_type = "text/plain"
    bomb = b""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def well(self, body: bytes, turn: int) -> None:
        """Answer plain, packed or in chunks, by the turn."""
        if turn % 3 == 0:
            self.answer(200, body)
        elif turn % 3 == 1:
            self.answer(200, gzip.compress(body, 1), "Content-Encoding: gzip")
        else:
            self._start(200, "Transfer-Encoding: chunked")
            for at in range(0, len(body), 4000):
                part = body[at : at + 4000]
                self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

    def badly(self, fault: str, body: bytes) -> None:
        """Answer with a fault."""
        getattr(self, f"_{fault}")(body)

    def answer(self, status: int, body: bytes, *headers: str) -> None:
        """Answer whole, with the true length."""
        self._start(status, f"Content-Length: {len(body)}", *headers)
        self.wfile.write(body)

    def _start(self, status: int, *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {self.content_type}", *headers]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode())

    def _end(self) -> None:
        self.close_connection = True

    def _drop(self, body: bytes) -> None:
        self._start(200, f"Content-Length: {len(body)}")
        self.wfile.write(body[: len(body) // 2])
        self._end()

    def _drip(self, body: bytes) -> None:
        self._start(200, f"Content-Length: {len(body)}")
        self._slowly(body)

    def _endless_header(self, body: bytes) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self._slowly(b"x" * 1000)

    def _slowly(self, body: bytes) -> None:
        self._end()
        try:
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                self.wfile.flush()
                time.sleep(0.02)
        except OSError:
            return

    def _too_long(self, body: bytes) -> None:
        self._start(200, f"Content-Length: {len(body) + 50}")
        self.wfile.write(body)
        self._end()

    def _too_short(self, body: bytes) -> None:
        self._start(200, f"Content-Length: {len(body) - 50}")
        self.wfile.write(body)
        self._end()

    def _storm(self, body: bytes) -> None:
        self.answer(random.choice([500, 502, 503, 504]), b"out of order")

    def _bad_gzip(self, body: bytes) -> None:
        packed = bytearray(gzip.compress(body))
        packed[len(packed) // 2] ^= 0xFF
        self.answer(200, bytes(packed), "Content-Encoding: gzip")

    def _cut_gzip(self, body: bytes) -> None:
        packed = gzip.compress(body)
        self.answer(200, packed[: len(packed) // 2], "Content-Encoding: gzip")

    def _silence(self, body: bytes) -> None:
        self._end()

    def _garbage(self, body: bytes) -> None:
        self.wfile.write(b"\x00\x01 hello\r\n\r\n")
        self._end()

    def _circle(self, body: bytes) -> None:
        self.answer(302, b"", f"Location: {self.path}")

    def _off_host(self, body: bytes) -> None:
        self.answer(302, b"", "Location: https://elsewhere.example/1")

    def _larger(self, body: bytes) -> None:
        self.answer(200, self.bomb, "Content-Encoding: gzip")

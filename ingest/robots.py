"""What a host's robots.txt asks of us (RFC 9309), with the pauses that it asks for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.page_settings import AGENT

if TYPE_CHECKING:
    from protego import Protego

MAX_BYTES = 500 * 1024
"""How much of a file is read, as RFC 9309 says."""


@dataclass(frozen=True)
class Robots:
    """The rules of a host.

    Attributes:
        rules: The rules; None where there are none.
        delay_s: Seconds that it wants between two requests.
    """

    rules: "Protego | None" = None
    delay_s: float = 0.0

    def allows(self, url: str) -> bool:
        """Whether an address may be read."""
        return self.rules is None or bool(self.rules.can_fetch(url, AGENT))


def parse(body: bytes) -> Robots:
    """The rules of a robots.txt, whatever bytes it holds."""
    from protego import Protego

    rules = Protego.parse(body[:MAX_BYTES].decode("utf-8-sig", errors="replace"))
    rate = rules.request_rate(AGENT)
    asked = [float(rules.crawl_delay(AGENT) or 0.0)]
    if rate is not None and rate.requests:
        asked.append(rate.seconds / rate.requests)
    return Robots(rules, max(asked))

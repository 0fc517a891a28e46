"""How a stage that counts tells a watcher how far it is."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingest.landing import Progress


def counter(watcher: Any) -> "Progress | None":
    """The part of a watcher that shows counts; None where it shows none, or nobody watches."""
    found: Progress | None = getattr(watcher, "counted", None)
    return found

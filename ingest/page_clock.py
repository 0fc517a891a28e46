"""The time by which pages are read: the machine's, or that of a file for shops of another time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.errors import SourceUnreachable

if TYPE_CHECKING:
    from ingest.company import Company, Source


@dataclass(frozen=True)
class Clock:
    """Tells the time, UTC. Pauses between requests are real ones in any case.

    Attributes:
        file: Where the time stands, ISO 8601, UTC where it names no zone; None for the machine's.
        source: Name of the source, for messages.
    """

    file: Path | None = None
    source: str = ""

    @classmethod
    def of(cls, source: "Source", company: "Company") -> "Clock":
        """The clock of a source of pages."""
        assert source.pages is not None, "a source of shop_pages is checked to have them"
        file = source.pages.clock
        return cls(company.path.parent / file if file else None, source.name)

    def now(self) -> datetime:
        """The time that it is.

        Raises:
            SourceUnreachable: The file cannot be read, or holds no time.
        """
        if self.file is None:
            return datetime.now(UTC)
        try:
            moment = datetime.fromisoformat(self.file.read_text(encoding="utf-8").strip())
        except (OSError, ValueError) as error:
            raise SourceUnreachable(
                f"the clock {self.file} tells no time",
                f"source {self.source}",
                "a file that holds a time such as 2026-09-30T21:00:00+00:00",
                "write the time into it, or leave `clock` out",
            ) from error
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

"""Parses stored pages again: what comes out is what a clean parse would have given."""

from collections.abc import Callable, Sequence

from ingest import observations
from ingest.company import Company, Source
from ingest.home import Home
from ingest.landing import land_observations, manifest
from orchestration.lock import writer_lock


def reparse(
    company: Company, home: Home, sources: Sequence[Source], say: Callable[[str], None]
) -> int:
    """Parse every page that was ever landed of some sources; those of other kinds have none.

    Args:
        company: The company.
        home: Where the pages are.
        sources: The sources.
        say: Told what begins.

    Returns:
        How many deliveries of observations differ from what they were, or are new.

    Raises:
        DeliveryRefused: A stored page has gone or was changed.
    """
    changed = 0
    with writer_lock(home):
        for source in [each for each in sources if each.pages is not None]:
            say(f"Parsing the pages of {source.name}")
            before = _live(home, source)
            land_observations(source, home, observations.write(source, company, home))
            changed += len(_live(home, source) - before)
    return changed


def _live(home: Home, source: Source) -> set[tuple[str, str]]:
    """Path and content of the deliveries that count."""
    landed = manifest(home, source.name)
    return {(each.path, each.sha256) for each in landed if not each.superseded_by}

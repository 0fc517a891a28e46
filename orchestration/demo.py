"""The embedded demo company: its files are generated where they are absent, its world is kept up.

Any other company passes by without an import.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ingest.errors import SourceUnreachable

COMPANY = Path(__file__).resolve().parents[1] / "companies" / "demo" / "company.yml"


def prepare(company_path: Path) -> None:
    """Generate the demo's files, if it is the demo and they are not there."""
    if company_path.resolve() == COMPANY:
        from companies.demo.generate import ensure

        ensure()


@contextmanager
def world_of(company_path: Path) -> Iterator[None]:
    """Keep the demo's order interface and shops up inside the block, if it is the demo.

    Raises:
        SourceUnreachable: Something else listens at their ports.
    """
    if company_path.resolve() != COMPANY:
        yield
        return
    from companies.demo.servers import WorldUnavailable, visit

    prepare(company_path)
    with ExitStack() as stack:
        try:
            stack.enter_context(visit())
        except WorldUnavailable as error:
            raise SourceUnreachable(
                f"the world of the demo company cannot start: {error}",
                str(company_path),
                "ports of its own on loopback",
                "end the program that holds them (a run or `make demo` of another folder?)",
            ) from error
        yield

"""Verbs that read one thing and print what it says, without a company or a warehouse."""

import gzip
import re
import zlib
from pathlib import Path

import click

from ingest.errors import TradewindError
from orchestration.cli.show import exact_json

_LARGEST = 50_000_000
_GZIP = b"\x1f\x8b"


class PageUnreadable(TradewindError):
    """The file is not there or is no page as it was stored."""

    exit_code = 2


@click.command("parse-page")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--url", required=True, help="The address of the page.")
@click.option("--market", help="The country that the page sells to, such as GB.")
def parse_page(file: Path, url: str, market: str | None) -> None:
    """Print the observation of one stored product page (FILE or FILE.gz) as JSON."""
    body = _body(file)
    _check(url, market)
    from ingest.pages import Observation
    from ingest.pages import parse_page as parse

    found = parse(body, url, market)
    click.echo(exact_json({name: getattr(found, name) for name in Observation.__slots__}))


@click.command("parse-price")
@click.argument("text")
@click.option("--beside", help="A text beside it that may tell the currency, such as a label.")
def parse_price(text: str, beside: str | None) -> None:
    """Print the amount and the currency of a price such as '1.234,56 €' as JSON."""
    from ingest.prices import read_price

    price = read_price(text, beside)
    click.echo(exact_json({"amount": price.amount, "currency": price.currency}))


def _body(file: Path) -> bytes:
    """The page, unpacked."""
    try:
        with file.open("rb") as stream:
            packed = stream.read(_LARGEST + 1)
        body = packed
        if packed.startswith(_GZIP):
            with gzip.open(file) as stream:
                body = stream.read(_LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise PageUnreadable(
            what=f"the page cannot be read: {getattr(error, 'strerror', None) or error}",
            where=str(file),
            expected="a file with the page's HTML, or the same packed with gzip",
            next_step="name another file; stored pages lie under landing/<source>/ of the home",
        ) from error
    if len(body) > _LARGEST:
        raise PageUnreadable(
            what=f"the page is larger than {_LARGEST:,} bytes",
            where=str(file),
            expected="one page of a shop",
            next_step="name another file",
        )
    return body


def _check(url: str, market: str | None) -> None:
    from ingest.countries import country_codes

    if not re.match(r"https?://[^/\s]", url):
        raise click.BadParameter(f"{url!r} is no http or https address.", param_hint="--url")
    if market is not None and market not in country_codes():
        raise click.BadParameter(
            f"{market!r} is no ISO 3166-1 alpha-2 code in capitals, such as GB.",
            param_hint="--market",
        )


COMMANDS = (parse_page, parse_price)

"""Which currency a price is in: by code, then sign, then market, then host."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from ingest.countries import NO_CURRENCY, country_codes, currency_codes
from ingest.currency_signs import currency_of
from ingest.pages.document import Document
from ingest.pages.observation import Finding
from ingest.prices import read_price

_ENDED = {"BYR": "BYN", "RUR": "RUB", "TRL": "TRY", "NTD": "TWD", "RMB": "CNY", "UKP": "GBP"}
# second-level names that are used as if they were generic
_GENERIC = frozenset({"IO", "CO", "TV", "ME", "AI", "FM", "LY", "GG", "TO", "CC", "WS", "IS", "SH"})


def code_of(text: str | None) -> str | None:
    """The ISO 4217 code that a text is; None where it is none."""
    word = (text or "").strip().upper()
    word = _ENDED.get(word, word)
    return word if word in currency_codes() and word != NO_CURRENCY else None


def settle(found: Iterable[Finding], document: Document, market: str | None) -> str | None:
    """The currency of a page's price.

    Args:
        found: What the readers found, the one of the price first.
        document: The page.
        market: The country that it sells to, where the company file tells it.
    """
    findings = list(found)
    for finding in findings:
        code = code_of(finding.currency)
        if code:
            return code
    at_home = currency_of(market)
    around = countries_of(document)
    for finding in findings:
        codes = finding.codes or read_price(finding.currency or "").codes
        if len(codes) == 1:
            return codes[0]
        if codes:
            likely = [at_home, *map(currency_of, around)]
            return next((code for code in likely if code in codes), codes[0])
    return at_home or next(filter(None, map(currency_of, around)), None)


def countries_of(document: Document) -> list[str]:
    """Countries that the address and the language of a page name, the likeliest first."""
    parts = urlsplit(document.url)
    host = (parts.hostname or "").lower()
    words = [*_segments(parts.path), *_segments(host.split(".")[0]), document.language,
             document.metas.get("og:locale", "")]  # fmt: skip
    found = [country for word in words[:6] if (country := _of_locale(word))]
    top = host.rsplit(".", 1)[-1].upper()
    top = "GB" if top == "UK" else top
    if top in country_codes() and top not in _GENERIC:
        found.insert(0, top)
    return list(dict.fromkeys(found))


def _segments(path: str) -> list[str]:
    """The first words of an address that may name a country: `/be/en/` and `ar-sa`."""
    first = [part for part in re.split(r"/", path) if part][:2]
    if len(first) > 1 and all(re.fullmatch(r"[a-z]{2}", part) for part in first):
        return [f"xx-{first[0]}", f"xx-{first[1]}"]
    return first[:1]


def _of_locale(word: str) -> str | None:
    match = re.fullmatch(r"[A-Za-z]{2}[-_]([A-Za-z]{2})", word)
    country = match[1].upper() if match else None
    country = "GB" if country == "UK" else country
    return country if country in country_codes() else None

"""What a source of `kind: shop_pages` says under `pages:`. Settings only: nothing is read here."""

import re
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ingest.countries import country_codes

AGENT = "Tradewind"
_SPAN = re.compile(r"\s*(\d+)\s*(minute|hour|day|week)s?\s*")
_CONTACT = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|https?://\S+")


def _wrong(found: str, expected: str, next_step: str) -> PydanticCustomError:
    context = {"found": found, "expected": expected, "next_step": next_step}
    return PydanticCustomError("company_file", "{found}", context)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _address(value: Any) -> Any:
    if isinstance(value, str) and not is_address(value):
        raise _wrong(
            # what it is instead is not shown where it may hold a password
            "an address with a name or password" if "@" in value else repr(value),
            "an address such as https://shop.example.com/p/1",
            "write it with http:// or https://, and without a password",
        )
    return value


def is_address(text: str) -> bool:
    """Whether a text is an address of a page: http or https, with a host and without a password."""
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    bare = parts.username is None and parts.password is None
    return (
        parts.scheme in ("http", "https") and has_host and bare and not re.search(r"[\s\\]", text)
    )


def _contact(value: Any) -> Any:
    if isinstance(value, str) and not (_CONTACT.fullmatch(value) and value.isascii()):
        raise _wrong(
            repr(value),
            "an e-mail address or a page at which the shop can reach you",
            "write for instance `contact: prices@example.com`",
        )
    return value


def _every(value: Any) -> Any:
    if isinstance(value, str) and not _SPAN.fullmatch(value):
        raise _wrong(f"{value!r}", "a number and minutes, hours, days or weeks", 'write "1 day"')
    return value


def _market(value: Any) -> Any:
    if isinstance(value, str) and value not in country_codes():
        raise _wrong(
            f"{value!r}, which is no country code",
            "an ISO 3166-1 alpha-2 country code in capitals, such as GB, DE or NO",
            "look it up in ISO 3166-1",
        )
    return value


def _selectors(value: Any) -> Any:
    from ingest.pages.selectors import FIELDS, is_selector

    for field, selector in value.items() if isinstance(value, dict) else ():
        if field not in FIELDS:
            raise _wrong(
                f"{field!r}, which is no field of a page",
                "one of " + ", ".join(FIELDS),
                "take the name of the field that the selector finds",
            )
        if isinstance(selector, str) and not is_selector(selector):
            raise _wrong(
                f"{selector!r}, which is no CSS selector",
                'such as ".offer .price", or "meta.price@content" for an attribute',
                "correct it",
            )
    return value


class HostSettings(BaseModel):
    """What is known of one host.

    Attributes:
        competitor: The rival whose shop it is; the host's name if left out.
        market: The country that it sells to; the home market if left out.
        delay: Seconds between two requests, where that differs from the source's.
        tax_included: Whether its prices include tax; not known if left out.
        selectors: CSS selectors of fields of its pages, by field.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    competitor: Annotated[str, Field(min_length=1)] | None = None
    market: Annotated[str, BeforeValidator(_market)] | None = None
    delay: Annotated[float, Field(ge=0, le=3600)] | None = None
    tax_included: bool | None = None
    selectors: Annotated[
        dict[str, Annotated[str, Field(min_length=1)]], BeforeValidator(_selectors)
    ] = {}


Address = Annotated[str, BeforeValidator(_address)]


class PageSettings(BaseModel):
    """Which pages are read, how often, and how gently.

    Attributes:
        contact: How the shop can reach who asks; part of the user agent.
        urls, url_file, sitemaps, from_matches: Where the addresses come from.
        include: Patterns of the paths that are read; all if empty.
        hosts: What is known of hosts, by name (with the port, if it is not the usual one).
        every: How often a page is read.
        delay: Seconds between two requests to a host.
        max_pages, max_bytes, max_minutes: Budget of one pass over a host.
        page_seconds: Seconds that one page may take.
        attempts: How often a page is asked for before it counts as failed.
        allow_private_addresses: Whether hosts of the own network may be read.
        clock: A file with the time that it is, for shops that do not live in ours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    contact: Annotated[str, BeforeValidator(_contact)]
    urls: Annotated[list[Address], BeforeValidator(_as_list)] = []
    url_file: Annotated[str, Field(min_length=1)] | None = None
    sitemaps: Annotated[list[Address], BeforeValidator(_as_list)] = []
    from_matches: bool = False
    include: Annotated[list[str], BeforeValidator(_as_list)] = []
    hosts: dict[str, HostSettings] = {}
    every: Annotated[str, BeforeValidator(_every)] = "1 day"
    delay: Annotated[float, Field(ge=0, le=3600)] = 2.0
    max_pages: Annotated[int, Field(ge=1)] = 1000
    max_bytes: Annotated[int, Field(ge=1)] = 500_000_000
    max_minutes: Annotated[float, Field(gt=0, le=1440)] = 60.0
    page_seconds: Annotated[float, Field(gt=0, le=600)] = 60.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    allow_private_addresses: bool = False
    clock: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _has_addresses(self) -> "PageSettings":
        if not (self.urls or self.url_file or self.sitemaps or self.from_matches):
            raise _wrong(
                "no addresses",
                "one of urls, url_file, sitemaps and from_matches",
                "add `urls: [https://shop.example.com/p/1]`, or a sitemap",
            )
        return self

    @property
    def user_agent(self) -> str:
        """How every request names itself."""
        return f"{AGENT}/0.1 (price comparison; {self.contact})"

    @property
    def span(self) -> timedelta:
        """`every` as a length of time."""
        number, unit = re.findall(_SPAN, self.every)[0]
        return timedelta(**{f"{unit}s": int(number)})

    def host(self, name: str) -> HostSettings:
        """What is known of a host; nothing where it is not named."""
        return self.hosts.get(name, HostSettings())

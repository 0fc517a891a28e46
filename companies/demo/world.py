"""The demo world before anything goes wrong: prices, promotions, customers and what they buy.

The days up to `catalogue.HORIZON` are all drawn at once; those from `catalogue.DAYS` on have yet to
pass.

Money is held in hundredths of the currency as integers, so that the truth is exact. Days count
from `catalogue.START`. Customers follow a BG/NBD process (when they buy) and a gamma-gamma one
(how much they mean to spend); within an order, products are drawn by a logit whose price term is
the category's elasticity.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from companies.demo import catalogue as cat

# BG/NBD (weeks) and gamma-gamma (pounds): what the customer estimates should find again
BG_NBD = {"r": 0.62, "alpha": 5.5, "a": 0.75, "b": 2.9}
GAMMA_GAMMA = {"p": 6.0, "q": 4.0, "gamma": 85.0}
CUSTOMERS = 21_200
GUESTS = 2_700  # guest checkouts at home: an order without a customer number
PROMOTIONS = 84
PROMOTION_LIFT = 1.30  # on top of what the lower price does
MAX_LINES = 4
_MAX_REPEATS = 170
_DEPTHS = np.array([10, 15, 20, 25])
_MECHANICS = ("percentage off", "bundle", "clearance", "seasonal offer")


@dataclass(frozen=True)
class World:
    """Everything drawn from the seed; arrays are indexed (product, market, month or day)."""

    prices: np.ndarray  # list price in local hundredths: product, market, month
    promotions: pd.DataFrame
    promotion_of: np.ndarray  # row of `promotions` in force or -1: product, market, day
    customers: pd.DataFrame
    orders: pd.DataFrame
    lines: pd.DataFrame

    @cached_property
    def products(self) -> tuple[cat.Product, ...]:
        """The catalogue, in the order of the first axis of the arrays."""
        return cat.products()


def build(rng: np.random.Generator) -> World:
    """Draw the whole world.

    Args:
        rng: The seeded generator; the order of the draws below is part of the result.

    Returns:
        Clean sales: one row of `lines` per order and product, nothing cancelled or spoilt.
    """
    products = cat.products()
    prices = list_prices(products, rng)
    promotions, promotion_of = draw_promotions(products, rng)
    customers = draw_customers(rng)
    orders = draw_orders(customers, rng)
    weights = choice_weights(products, prices, promotions, promotion_of)
    lines = draw_lines(products, orders, weights, prices, rng)
    lines = price_lines(lines, prices, promotions, promotion_of)
    return World(prices, promotions, promotion_of, customers, orders, lines)


def dates() -> pd.DatetimeIndex:
    """Return the calendar, one entry a day."""
    return pd.date_range(cat.START, periods=cat.HORIZON)


def month_of_day() -> np.ndarray:
    """Return the month number (0 to 24) of each day."""
    calendar = dates()
    return ((calendar.year - 2024) * 12 + calendar.month - 10).to_numpy()


def list_prices(products: tuple[cat.Product, ...], rng: np.random.Generator) -> np.ndarray:
    """Return local list prices by product, market and month: moves of 3 to 9 %, 2 % a year up."""
    shape = (len(products), len(cat.MARKETS), cat.HORIZON_MONTHS)
    moves = rng.uniform(0.03, 0.09, shape) * rng.choice([-1, 1], shape)
    moves = np.where(rng.random(shape) < 0.16, moves, 0.0)
    moves[:, :, 0] = 0
    path = np.exp(np.clip(np.cumsum(moves, axis=2), -0.14, 0.14))
    path = path * (1.02 ** (np.arange(cat.HORIZON_MONTHS) // 12))
    base = np.array([product.list_price for product in products], dtype=float)
    level = np.array([market.level for market in cat.MARKETS])
    step = np.array([market.step for market in cat.MARKETS], dtype=float)[None, :, None]
    ending = np.array([market.ending for market in cat.MARKETS], dtype=float)[None, :, None]
    raw = base[:, None, None] * level[None, :, None] * path
    return (np.maximum(np.rint((raw + ending) / step), 1) * step - ending).astype(np.int64)


def draw_promotions(
    products: tuple[cat.Product, ...], rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return promotions and, for each product, market and day, which is in force (-1: none)."""
    table = pd.DataFrame(
        {
            "product": rng.integers(0, len(products), PROMOTIONS),
            "market": rng.choice(len(cat.MARKETS), PROMOTIONS, p=[0.4, 0.2, 0.2, 0.1, 0.1]),
            "start": rng.integers(20, cat.DAYS - 30, PROMOTIONS),
            "days": rng.integers(10, 22, PROMOTIONS),
            "depth_pct": rng.choice(_DEPTHS, PROMOTIONS),
            "mechanic": rng.choice(_MECHANICS, PROMOTIONS),
        }
    ).sort_values(["start", "product", "market"], ignore_index=True)
    in_force = np.full((len(products), len(cat.MARKETS), cat.HORIZON), -1)
    for row in table.itertuples():
        span = slice(row.start, row.start + row.days)
        free = in_force[row.product, row.market, span]
        in_force[row.product, row.market, span] = np.where(free < 0, row.Index, free)
    return table, in_force


def draw_customers(rng: np.random.Generator) -> pd.DataFrame:
    """Return customers with their market, kind and first day.

    Direct selling began on the first day, so the first weeks bring many at once; there is no
    purchase before the data begin, and the customer models see whole histories.
    """
    launch = rng.random(CUSTOMERS) < 0.34
    wave = rng.exponential(28, CUSTOMERS).astype(int)
    steady = rng.choice(cat.HORIZON, CUSTOMERS, p=_acquisition_curve())
    weights = [market.weight for market in cat.MARKETS]
    frame = pd.DataFrame(
        {
            "market": rng.choice(len(cat.MARKETS), CUSTOMERS, p=weights),
            "first_day": np.where(launch, wave, steady) % cat.HORIZON,
            "is_business": rng.random(CUSTOMERS) < 0.3,
            "through": rng.choice(
                ["search", "referral", "trade fair", "newsletter", "marketplace"],
                CUSTOMERS,
                p=[0.4, 0.2, 0.1, 0.1, 0.2],
            ),
            "segment_draw": rng.integers(0, 3, CUSTOMERS),
        }
    ).sort_values(["first_day", "market"], ignore_index=True, kind="stable")
    frame["customer_id"] = [f"C{number:06d}" for number in range(100_001, 100_001 + CUSTOMERS)]
    return frame


def _acquisition_curve() -> np.ndarray:
    """Probability of each day for a first purchase: more from mid-November to Christmas."""
    calendar = dates()
    peak = ((calendar.month == 11) & (calendar.day > 14)) | (
        (calendar.month == 12) & (calendar.day < 22)
    )
    weight = np.where(peak, 2.2, 1.0)
    return weight / weight.sum()


def draw_orders(customers: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return orders by the BG/NBD process, at most one a customer and day, plus the guests'.

    Columns: customer (row of `customers`, -1 for guests), market, day, second, budget (pounds).
    """
    size = len(customers)
    rate = rng.gamma(BG_NBD["r"], 1 / BG_NBD["alpha"], size)
    drop = rng.beta(BG_NBD["a"], BG_NBD["b"], size)
    # the customer may leave after each repeat purchase, never right after the first
    repeats = rng.geometric(np.maximum(drop, 1e-9))
    weeks = np.cumsum(rng.exponential(1, (size, _MAX_REPEATS)) / rate[:, None], axis=1)
    first = customers["first_day"].to_numpy()
    day = first[:, None] + np.floor(np.minimum(weeks * 7, 10 * cat.HORIZON)).astype(np.int64)
    made = (day < cat.HORIZON) & (np.arange(_MAX_REPEATS)[None, :] < repeats[:, None])
    buyer, _ = np.nonzero(made)
    orders = pd.DataFrame(
        {
            "customer": np.concatenate([np.arange(size), buyer]),
            "day": np.concatenate([first, day[made]]),
        }
    ).drop_duplicates()
    orders["market"] = customers["market"].to_numpy()[orders["customer"]]
    scale = rng.gamma(GAMMA_GAMMA["q"], 1 / GAMMA_GAMMA["gamma"], size)
    spend = rng.gamma(GAMMA_GAMMA["p"], 1.0, len(orders))
    orders["budget"] = spend / scale[orders["customer"]]
    guests = pd.DataFrame(
        {
            "customer": -1,
            "day": rng.integers(0, cat.HORIZON, GUESTS),
            "market": 0,
            "budget": rng.gamma(4.0, 25.0, GUESTS),
        }
    )
    orders = pd.concat([orders, guests], ignore_index=True)
    orders["second"] = rng.integers(6 * 3600, 22 * 3600, len(orders))
    return orders.sort_values(["market", "day", "second", "customer"], ignore_index=True)


def choice_weights(
    products: tuple[cat.Product, ...],
    prices: np.ndarray,
    promotions: pd.DataFrame,
    promotion_of: np.ndarray,
) -> np.ndarray:
    """Return the cumulated weight of each product by market and day: (market * day, product)."""
    depth = np.append(promotions["depth_pct"].to_numpy(), 0)[promotion_of]
    monthly = prices[:, :, month_of_day()]
    relative = monthly / prices[:, :, :1] * (1 - depth / 100)
    elasticity = np.array([cat.CATEGORIES[p.category][0] for p in products])[:, None, None]
    swing = np.array([cat.CATEGORIES[p.category][1] for p in products])[:, None, None]
    season = 1 + swing * np.cos(2 * np.pi * (dates().dayofyear.to_numpy() - 15) / 365.25)
    weight = relative**elasticity * season * np.where(promotion_of >= 0, PROMOTION_LIFT, 1.0)
    day = np.arange(cat.HORIZON)[None, None, :]
    launched = np.array([p.launched_day for p in products])[:, None, None]
    retired = np.array([p.retired_day for p in products])[:, None, None]
    weight = np.where((day >= launched) & (day < retired), weight, 0.0)
    weight = weight * np.array([p.popularity for p in products])[:, None, None]
    return np.cumsum(weight.reshape(len(products), -1).T, axis=1)


def draw_lines(
    products: tuple[cat.Product, ...],
    orders: pd.DataFrame,
    cumulated: np.ndarray,
    prices: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Fill each order's budget with up to four products; the last one takes what is left over.

    Products are chosen at their home list price, so a lower price changes which product is
    bought, not how many; that keeps the elasticity of the truth what it says.
    """
    base = np.array([product.list_price for product in products]) / 100
    row = orders["market"].to_numpy() * cat.HORIZON + orders["day"].to_numpy()
    left = orders["budget"].to_numpy().copy()
    planned = rng.choice(MAX_LINES, len(orders), p=[0.22, 0.27, 0.28, 0.23]) + 1
    parts = []
    for number in range(1, MAX_LINES + 1):
        open_orders = np.nonzero((planned >= number) & ((left > base[0]) | (number == 1)))[0]
        last = planned[open_orders] == number
        ceiling = np.searchsorted(base, left[open_orders] * 1.25, side="right").clip(1)
        floor = np.searchsorted(base, left[open_orders] * np.where(last, 0.12, 0.04))
        floor = np.minimum(floor, ceiling - 1)
        table = cumulated[row[open_orders]]
        pick = np.arange(len(open_orders))
        below = np.where(floor > 0, table[pick, floor - 1], 0.0)
        target = below + rng.random(len(open_orders)) * (table[pick, ceiling - 1] - below)
        product = (table <= target[:, None]).sum(axis=1).clip(max=len(products) - 1)
        fits = np.rint(left[open_orders] / base[product]).clip(1, 30)
        quantity = np.where(last, fits, 1).astype(np.int64)
        left[open_orders] -= quantity * base[product]
        parts.append(pd.DataFrame({"order": open_orders, "product": product, "quantity": quantity}))
    lines = pd.concat(parts, ignore_index=True)
    return (
        lines.groupby(["order", "product"], as_index=False, sort=True)["quantity"]
        .sum()
        .merge(orders, left_on="order", right_index=True)
    )


def price_lines(
    lines: pd.DataFrame, prices: np.ndarray, promotions: pd.DataFrame, promotion_of: np.ndarray
) -> pd.DataFrame:
    """Add unit price, list price, promotion and discount (all local hundredths, exact)."""
    at = (lines["product"].to_numpy(), lines["market"].to_numpy())
    lines = lines.drop(columns="budget").reset_index(drop=True)
    lines["price"] = prices[*at, month_of_day()[lines["day"]]]
    lines["promotion"] = promotion_of[*at, lines["day"].to_numpy()]
    depth = np.append(promotions["depth_pct"].to_numpy(), 0)[lines["promotion"]]
    unit = np.where(lines["market"] == _index_of("JP"), 100, 1)  # no hundredths of a yen
    lines["discount"] = lines["quantity"] * lines["price"] * depth // (100 * unit) * unit
    return lines


def _index_of(code: str) -> int:
    return next(i for i, market in enumerate(cat.MARKETS) if market.code == code)

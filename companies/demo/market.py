"""The world around Northstar: market sizes, rivals' prices, matches, the plan.

Everything follows from the sales that end in core, so the true shares are exact.
"""

import numpy as np
import pandas as pd

from companies.demo import catalogue as cat
from companies.demo.world import World, dates, month_of_day

JP = 4
SE = 3
PRICE_ERRORS = 12  # observations off by a factor of 100, half of them upwards
UNNAMED_PCT = 8  # of each market, made by firms that the publisher does not name
PACKS_OF_TWO = "Ohmega"  # sells accessories in twos
_RIVAL_PRICE = np.array([1.12, 0.94, 0.99, 1.05, 0.82])  # each rival's level against ours
_RIVAL_SIZE = np.array([0.34, 0.25, 0.12, 0.17, 0.12])
_MAP_CATEGORIES = ("Multimeters", "Oscilloscopes", "Thermal cameras")


def map_price(product: cat.Product) -> int | None:
    """Return the minimum advertised price in hundredths of a pound, where there is one."""
    return product.list_price * 92 // 100 if product.category in _MAP_CATEGORIES else None


def own_sales(rows: pd.DataFrame, world: World) -> pd.DataFrame:
    """Return our net units and value (local hundredths) by market, category and month.

    Only lines that end in core, of products in the catalogue; every combination has a row.
    """
    good = rows[(rows["state"] == "core") & (rows["product"] >= 0) & (rows["seen"] < cat.DAYS)]
    category = np.array([product.category for product in world.products])
    cells = (
        pd.DataFrame(
            {
                "market": good["market"],
                "category": category[good["product"]],
                "month": month_of_day()[good["day"]],
                "units": good["quantity"],
                "value": good["quantity"] * good["price"] - good["discount"],
            }
        )
        .groupby(["market", "category", "month"])[["units", "value"]]
        .sum()
    )
    every = pd.MultiIndex.from_product(
        [range(len(cat.MARKETS)), sorted(cat.CATEGORIES), range(cat.MONTHS)],
        names=cells.index.names,
    )
    return cells.reindex(every, fill_value=0).reset_index()


def market_sizes(own: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the published market: a total and, but for Sweden, firms' rows below it.

    Grain: period, market, category and firm (empty: the whole market). Months, in Japan
    quarters. Our own row equals our sales in core; the named firms leave out `UNNAMED_PCT`.
    """
    own = _add_market_total(own, rng)
    quarter = own["month"] // 3 * 3
    own["start"] = np.where(own["market"] == JP, quarter, own["month"])
    own["period"] = np.where(own["market"] == JP, "quarter", "month")
    measures = ["units", "value", "market_units", "market_value"]
    cells = own.groupby(["market", "category", "start", "period"], as_index=False)[measures].sum()
    total = cells.assign(firm="", units=cells["market_units"], value=cells["market_value"])
    ours = cells[(cells["market"] != SE) & (cells["units"] > 0)].assign(firm=cat.OWN_FIRM)
    columns = ["market", "category", "start", "period", "firm", "units", "value"]
    table = pd.concat([total, ours, _rivals(cells, rng)], ignore_index=True)[columns]
    return table.sort_values(columns[:5], ignore_index=True)


def _add_market_total(own: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Size each market by our target share, with a season, growth and noise of its own."""
    share = own["category"].map({name: row[2] for name, row in cat.CATEGORIES.items()})
    share = share * np.array([1.0, 0.45, 0.3, 0.6, 0.12])[own["market"]]
    mean = own.groupby(["market", "category"])["units"].transform("mean")
    price = own.groupby(["market", "category"])["value"].transform("sum") / (
        own.groupby(["market", "category"])["units"].transform("sum")
    )
    growth = 1.03 ** (own["month"] / 12)
    rest = mean / share * (1 - share) * growth * rng.normal(1, 0.04, len(own)).clip(0.85, 1.15)
    rest_units = np.rint(rest).astype(np.int64)
    rest_value = np.rint(rest_units * price * rng.normal(0.97, 0.01, len(own)) / 100) * 100
    return own.assign(
        market_units=own["units"] + rest_units,
        market_value=own["value"] + rest_value.astype(np.int64),
    )


def _rivals(cells: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Split what is not ours among the five rivals, leaving the unnamed rest."""
    cells = cells[cells["market"] != SE]
    rest_units = (cells["market_units"] - cells["units"]) * (100 - UNNAMED_PCT) // 100
    rest_value = (cells["market_value"] - cells["value"]) * (100 - UNNAMED_PCT) // 100
    size = _RIVAL_SIZE * np.exp(rng.normal(0, 0.08, (len(cells), len(cat.RIVALS))))
    size = size / size.sum(axis=1, keepdims=True)
    worth = size * _RIVAL_PRICE
    worth = worth / worth.sum(axis=1, keepdims=True)
    return pd.concat(
        [
            cells.assign(
                firm=rival,
                units=np.floor(rest_units * size[:, i]).astype(np.int64),
                value=(np.floor(rest_value * worth[:, i] / 100) * 100).astype(np.int64),
            )
            for i, rival in enumerate(cat.RIVALS)
        ]
    )


def offers(world: World, rng: np.random.Generator) -> pd.DataFrame:
    """Return which rival offers something against which product of ours, and where.

    Grain: product, rival, market. `level` is the rival's price against our first list price.
    """
    products, rivals, markets = len(world.products), len(cat.RIVALS), len(cat.FEED_MARKETS)
    grid = np.indices((products, rivals, markets)).reshape(3, -1)
    frame = pd.DataFrame(dict(zip(("product", "rival", "market"), grid, strict=True)))
    carried = rng.random((products, rivals))[frame["product"], frame["rival"]] < 0.68
    spread = np.exp(rng.normal(0, 0.07, (products, rivals)))
    frame["level"] = _RIVAL_PRICE[frame["rival"]] * spread[frame["product"], frame["rival"]]
    category = np.array([product.category for product in world.products])[frame["product"]]
    twos = np.array(cat.RIVALS)[frame["rival"]] == PACKS_OF_TWO
    frame["pack"] = np.where(twos & (category == "Accessories"), 2, 1)
    return frame[carried].reset_index(drop=True)


def competitor_prices(
    world: World, offered: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the price feed: every offer once a week, in local hundredths.

    The shops sell to the trade and show prices without tax, as ours are. `error` marks the
    observations that are off by a factor of 100.
    """
    weeks = np.arange(0, cat.HORIZON, 7)
    feed = offered.loc[np.repeat(offered.index, len(weeks))].reset_index(drop=True)
    feed["day"] = np.tile(weeks, len(offered))
    month = month_of_day()[feed["day"]]
    # the reseller follows our list price of the month, the others a path of their own
    reseller = feed["rival"] == cat.RIVALS.index(cat.RESELLER)
    first = world.prices[feed["product"], feed["market"], 0]
    ours = world.prices[feed["product"], feed["market"], month]
    path = np.exp(np.cumsum(rng.normal(0, 0.012, (len(offered), len(weeks))), axis=1)).ravel()
    base = np.where(reseller, ours * 0.985, first * path * feed["level"])
    feed["is_promo"] = rng.random(len(feed)) < 0.08
    feed["in_stock"] = rng.random(len(feed)) >= 0.045
    pack = np.where(feed["pack"] == 2, 1.85, 1.0)
    feed["list_price"] = np.rint(base * pack / 10).astype(np.int64) * 10
    feed["price"] = np.where(
        feed["is_promo"], feed["list_price"] * 85 // 1000 * 10, feed["list_price"]
    )
    return _with_errors(feed, rng).sort_values(
        ["day", "market", "rival", "product"], ignore_index=True
    )


def _with_errors(feed: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Put a few prices off by a factor of 100, never the first four weeks of a series."""
    known = (feed["day"] > 28) & (feed["day"] < cat.DAYS)
    late = feed.index[known & (feed["price"] > 2_000) & ~feed["is_promo"]]
    wrong = rng.choice(late, PRICE_ERRORS, replace=False)
    half = PRICE_ERRORS // 2
    feed["error"] = ""
    feed.loc[wrong[:half], "price"] *= 100
    feed.loc[wrong[half:], "price"] //= 100
    feed.loc[wrong[:half], "error"] = "times_100"
    feed.loc[wrong[half:], "error"] = "over_100"
    return feed


def rival_gtin(rival: int, product: cat.Product) -> str:
    """Return the GTIN of a rival's offer; the reseller sells ours under our own number."""
    if cat.RIVALS[rival] == cat.RESELLER:
        return product.gtin
    return cat.gtin(f"40999{rival:02d}", int(product.product_id[3:]))


def rival_sku(rival: int, product: cat.Product) -> str:
    """Return the rival's own article number."""
    return f"{cat.RIVALS[rival][:3].upper()}-{int(product.product_id[3:]) * 7 + rival:04d}"


def plan(own: pd.DataFrame) -> pd.DataFrame:
    """Return two yearly budgets by month, market and category.

    Value in local hundredths; the market's size in units, as market share variances need it.
    """
    mean = own.groupby(["market", "category"], as_index=False)[["units", "value"]].mean()
    months = pd.DataFrame({"month": range(3, 27)})  # January 2025 to December 2026
    table = mean.merge(months, how="cross")
    growth = np.where(table["month"] < 15, 0.98, 1.05)
    season = 1 + 0.08 * np.cos(2 * np.pi * (table["month"] - 3) / 12)
    table["units"] = np.rint(table["units"] * growth * season).astype(np.int64)
    table["value"] = np.rint(table["value"] * growth * season / 100).astype(np.int64) * 100
    table["start"] = pd.date_range("2024-10-01", periods=27, freq="MS")[table["month"]]
    share = table["category"].map({name: row[2] for name, row in cat.CATEGORIES.items()})
    share = share * np.array([1.0, 0.45, 0.3, 0.6, 0.12])[table["market"]]
    table["market_size"] = np.rint(table["units"] / share).astype(np.int64)
    return table.sort_values(["month", "market", "category"], ignore_index=True)


def calendar_text() -> list[str]:
    """Return the ISO text of every day."""
    return [str(day) for day in dates().strftime("%Y-%m-%d")]

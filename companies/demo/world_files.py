"""Writes the whole demo and states the truth about it: the heavy half of `generate`."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from companies.demo import catalogue as cat
from companies.demo import files, market, mishaps, shops, store, world
from companies.demo.days import set_clock
from companies.demo.generate import Truth

CUSTOMERS_LEFT_OUT = 25  # they buy, but are missing from the customer list


def write(folder: Path, seed: int) -> Truth:
    """Draw the world from a seed, write its files into a folder and return the truth.

    The order of the draws is part of the result. Texts are held as Python's own, so that the
    bytes do not depend on whether pyarrow is installed.
    """
    with pd.option_context("future.infer_string", False):
        rng = np.random.default_rng(seed)
        drawn = world.build(rng)
        rows = mishaps.deliver(drawn, rng)
        own = market.own_sales(rows, drawn)
        sizes = market.market_sizes(own, rng)
        offered = market.offers(drawn, rng)
        feed = market.competitor_prices(drawn, offered, rng)
        pages = shops.shop_days(drawn, offered, feed, rng)
        won = np.flatnonzero(drawn.customers["first_day"] < cat.DAYS)
        left_out = set(rng.choice(won, CUSTOMERS_LEFT_OUT, replace=False).tolist())
        named = files.with_names(rows, drawn)
        later = files.write_orders(folder, named, drawn)
        files.write_master_data(folder, drawn, left_out)
        later += files.new_customers(drawn)
        files.write_market(folder, sizes)
        later += files.write_rivals(folder, drawn, offered, feed, pages)
        files.write_plan(folder, market.plan(own))
        files.write_context(folder, rng, drawn)
        store.write_store(folder, named, drawn, pages, later)
        set_clock(folder, cat.DAYS - 1)
        _write_days(folder, rows, pages)
        ready = rows[rows["seen"] < cat.DAYS]
        return state_truth(seed, ready, own, sizes, feed[feed["day"] < cat.DAYS])


def _write_days(folder: Path, rows: pd.DataFrame, pages: pd.DataFrame) -> None:
    """State what is true on each day that can pass, and on the last of the two years.

    Revenue by market and month from September 2026 on, as the systems show it on that evening, and
    what each page of the rivals' shops shows.
    """
    days = market.calendar_text()
    truth = {
        days[day]: {
            "revenue": _revenue(_core_on(rows, day), since=cat.MONTHS - 1),
            "prices": _prices(pages[pages["day"] == day]),
        }
        for day in range(shops.FIRST_DAY, cat.HORIZON)
    }
    text = json.dumps(truth, indent=1, sort_keys=True)
    (folder / "truth_days.json").write_text(text + "\n", encoding="utf-8")


def _core_on(rows: pd.DataFrame, day: int) -> pd.DataFrame:
    """The lines that are to be in core when a day has passed."""
    shown = (rows["seen"] <= day) & (rows["until"] > day) & (rows["state"] == "core")
    core = rows[shown & (world.month_of_day()[rows["day"]] >= cat.MONTHS - 1)].copy()
    core["net"] = core["quantity"] * core["price"] - core["discount"]
    return core


def _prices(pages: pd.DataFrame) -> list[dict[str, str | None]]:
    return [
        {
            "competitor": cat.RIVALS[page.rival],
            "market": cat.MARKETS[page.market].code,
            "product_id": cat.products()[page.product].product_id,
            "key": page.sku,
            "state": page.state,
            "price": files.money([page.price])[0],
            "list_price": files.money([page.list_price])[0] if page.is_promo else None,
            "availability": "in_stock" if page.in_stock else "out_of_stock",
        }
        for page in pages.itertuples()
    ]


def state_truth(
    seed: int, rows: pd.DataFrame, own: pd.DataFrame, sizes: pd.DataFrame, feed: pd.DataFrame
) -> Truth:
    """Count and sum what was written: the lines by where they must end, revenue, shares."""
    source = np.array(mishaps.SOURCES, dtype=object)[rows["market"]]
    core = rows[rows["state"] == "core"].copy()
    core["net"] = core["quantity"] * core["price"] - core["discount"]
    days = market.calendar_text()
    return Truth(
        seed=seed,
        first_day=days[0],
        last_day=days[cat.DAYS - 1],
        delivered={name: int(count) for name, count in pd.Series(source).value_counts().items()},
        ended=_counts(source, rows["state"]),
        mishaps=_counts(source, rows["mishap"]),
        orders=_order_counts(source, rows),
        revenue=_revenue(core),
        revenue_by_day=_revenue_by_day(core, days),
        shares=_shares(own, sizes),
        customers=_customer_counts(core),
        competitor_prices={
            "rows": len(feed),
            "promotional": int(feed["is_promo"].sum()),
            "out_of_stock": int((~feed["in_stock"]).sum()),
            **{
                name: int(n)
                for name, n in feed.loc[feed["error"] != "", "error"]
                .value_counts()
                .sort_index()
                .items()
            },
        },
        bg_nbd=dict(world.BG_NBD),
        gamma_gamma=dict(world.GAMMA_GAMMA),
        elasticity={name: row[0] for name, row in cat.CATEGORIES.items()},
        promotion_lift=world.PROMOTION_LIFT,
    )


def _counts(source: np.ndarray, what: pd.Series) -> dict[str, dict[str, int]]:
    table = pd.crosstab(source, what.to_numpy())
    return {
        str(name): {str(key): int(n) for key, n in row.items() if n and key}
        for name, row in table.iterrows()
    }


def _order_counts(source: np.ndarray, rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    hit = rows["mishap"].isin(["late", "correction", "cancellation"]).to_numpy()
    orders = rows.loc[hit, ["order_id", "mishap"]].assign(source=source[hit]).drop_duplicates()
    return _counts(orders["source"].to_numpy(), orders["mishap"])


def _revenue(core: pd.DataFrame, since: int = 0) -> list[dict[str, str | int]]:
    months = pd.date_range(cat.START, periods=cat.HORIZON_MONTHS, freq="MS").strftime("%Y-%m-%d")
    is_product = core["kind"] == "product"
    table = (
        core.assign(
            month=world.month_of_day()[core["day"]],
            units=np.where(is_product, core["quantity"], 0),
            product_net=np.where(is_product, core["net"], 0),
        )
        .groupby(["market", "month"])
        .agg(
            lines=("net", "size"),
            orders=("order_id", "nunique"),
            units=("units", "sum"),
            net=("net", "sum"),
            product_net=("product_net", "sum"),
        )
    )
    return [
        {
            "market": cat.MARKETS[place].code,
            "month": months[month],
            "currency": cat.MARKETS[place].currency,
            "lines": int(row.lines),
            "orders": int(row.orders),
            "units": int(row.units),
            "net_local": files.money([row.net])[0],
            "net_products_local": files.money([row.product_net])[0],
        }
        for (place, month), row in zip(table.index, table.itertuples(), strict=True)
        if month >= since
    ]


def _revenue_by_day(core: pd.DataFrame, days: list[str]) -> dict[str, str]:
    sums = core.groupby(["market", "day"])["net"].sum()
    return {
        f"{cat.MARKETS[place].code}|{cat.MARKETS[place].currency}|{days[day]}": files.money([net])[
            0
        ]
        for (place, day), net in sums.items()
    }


def _shares(own: pd.DataFrame, sizes: pd.DataFrame) -> list[dict[str, str | int]]:
    """True shares by published period; a quarter's own sales are the sum of its months."""
    months = pd.date_range(cat.START, periods=cat.MONTHS, freq="MS").strftime("%Y-%m-%d")
    quarterly = own["market"] == market.JP
    own = own.assign(start=np.where(quarterly, own["month"] // 3 * 3, own["month"]))
    ours = own.groupby(["market", "category", "start"])[["units", "value"]].sum()
    return [
        {
            "market": cat.MARKETS[row.market].code,
            "category": row.category,
            "period": row.period,
            "period_start": months[row.start],
            "own_units": int(ours.units[row.market, row.category, row.start]),
            "market_units": int(row.units),
            "own_value_local": files.money([ours.value[row.market, row.category, row.start]])[0],
            "market_value_local": files.money([row.value])[0],
        }
        for row in sizes[sizes["firm"] == ""].itertuples()
    ]


def _customer_counts(core: pd.DataFrame) -> dict[str, int]:
    bought = core[(core["quantity"] > 0) & (core["kind"] == "product") & (core["customer"] >= 0)]
    occasions = bought.drop_duplicates(["customer", "day"]).groupby("customer").size()
    return {
        "with_purchases": len(occasions),
        "returning": int((occasions > 1).sum()),
        "occasions": int(occasions.sum()),
        "missing_in_list": CUSTOMERS_LEFT_OUT,
    }

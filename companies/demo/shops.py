"""What the rivals' shops show on each day: the truth behind their pages.

A shop's list prices are those of the weekly feed, so the pages go on where the feed stands;
promotions and stock-outs are drawn day by day, and agree with the feed on the days that it tells.
"""

import numpy as np
import pandas as pd

from companies.demo import catalogue as cat
from companies.demo.market import rival_gtin, rival_sku
from companies.demo.world import World

FIRST_DAY = cat.DAYS - 1
"""The last day of the two years: the first on which the pages can be read."""


def shop_days(
    world: World, offered: pd.DataFrame, feed: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Return what each page shows on each day from the last of the two years on.

    Grain: shop, offer, day. Prices in local hundredths. `state` is shown, blocked (the page is a
    captcha) or forbidden (robots.txt asks not to read it).
    """
    offers = pd.concat(
        [_offers_of(number, offered, world) for number in range(len(cat.SHOPS))], ignore_index=True
    )
    days = np.arange(FIRST_DAY, cat.HORIZON)
    table = offers.loc[np.repeat(offers.index, len(days))].reset_index(drop=True)
    table["day"] = np.tile(days, len(offers))
    table["week"] = table["day"] // 7 * 7
    keys = ["product", "rival", "market"]
    told = feed[[*keys, "day", "list_price", "is_promo", "in_stock"]].rename(
        columns={"day": "week"}
    )
    table = table.merge(told, on=[*keys, "week"], how="left", validate="many_to_one")
    is_told = table["day"] == table["week"]
    table["is_promo"] = np.where(is_told, table["is_promo"], rng.random(len(table)) < 0.12)
    table["in_stock"] = np.where(is_told, table["in_stock"], rng.random(len(table)) >= 0.07)
    table["price"] = np.where(
        table["is_promo"], table["list_price"] * 85 // 1000 * 10, table["list_price"]
    )
    blocking, share = cat.BLOCKS
    blocked = (table["shop"] == blocking) & (rng.random(len(table)) < share)
    table["state"] = np.where(
        table["is_forbidden"], "forbidden", np.where(blocked, "blocked", "shown")
    )
    return table.sort_values(["day", "shop", "slug"], ignore_index=True)


def _offers_of(number: int, offered: pd.DataFrame, world: World) -> pd.DataFrame:
    shop = cat.SHOPS[number]
    rival = cat.RIVALS.index(shop.rival)
    market = next(i for i, each in enumerate(cat.MARKETS) if each.code == shop.market)
    mine = offered[(offered["rival"] == rival) & (offered["market"] == market)]
    mine = mine.sort_values("product").head(cat.SHOP_OFFERS)
    products = [world.products[product] for product in mine["product"]]
    forbidden = cat.FORBIDDEN[1] if shop.name == cat.FORBIDDEN[0] else 0
    return pd.DataFrame(
        {
            "product": mine["product"].to_numpy(),
            "rival": rival,
            "market": market,
            "pack": mine["pack"].to_numpy(),
            "shop": shop.name,
            "slug": [rival_sku(rival, product).lower() for product in products],
            "sku": [rival_sku(rival, product) for product in products],
            "gtin": [rival_gtin(rival, product) for product in products],
            "is_forbidden": np.arange(len(mine)) < forbidden,
        }
    ).assign(
        url=lambda offers: [
            cat.page_url(shop.name, slug, is_forbidden)
            for slug, is_forbidden in zip(offers["slug"], offers["is_forbidden"], strict=True)
        ]
    )

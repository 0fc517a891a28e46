"""What goes wrong between a sale and its export, each kind counted where it is made.

Takes the clean world and returns every line that the shops' systems deliver, with the file it is
in, the day from which it is seen and the place where it must end: `core`, `dropped`,
`quarantined`, `superseded` or `without_rate`. Most goes wrong in the two years that lie ready; on
the days that pass afterwards orders are cancelled and corrected.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from companies.demo import catalogue as cat
from companies.demo.world import World, month_of_day

GB, DE, US, SE, JP = range(5)
SOURCES = ("shop_orders", "orders_de", "orders_us", "orders_se", "orders_jp")
_ID_FORMATS = ("N{:06d}", "A-{:06d}", "40{:08d}", "SE{:06d}", "JP{:06d}")
_CANCEL_FORMATS = ("C{:06d}", "ST-{:06d}", "49{:08d}", "SER{:06d}", "JPX{:06d}")

DUPLICATES = {GB: 120, DE: 15}
LATE_ORDERS = {GB: 45, DE: 12}
CORRECTED_ORDERS = {GB: 60, DE: 10}
CORRECTED_LATER = 12  # at home, on the days that pass
NEVER = cat.HORIZON + 1
UNLISTED_LINES = {GB: 90, DE: 20}
CANCELLED_PCT = 1.6
WITHOUT_RATE_LINES = 8
# (market, what is spoilt): rows; at most one in a daily file, so that no file crosses the limit
SPOILT = {
    (GB, "negative_price"): 6,
    (GB, "text_price"): 5,
    (GB, "unknown_country"): 5,
    (GB, "missing_product"): 4,
    (DE, "text_price"): 4,
    (DE, "missing_product"): 3,
    (US, "unknown_country"): 4,
    (US, "negative_price"): 5,
    (SE, "missing_price"): 3,
    (JP, "negative_price"): 2,
}


def deliver(world: World, rng: np.random.Generator) -> pd.DataFrame:
    """Return the delivered lines: the world's, with every mishap worked in.

    Grain: one line of one version of an order. `file` counts days for the home market, months for
    the others, whose numbers after the last month stand for the days that pass; `seen` is the first
    day on which the line is shown, `until` the day on which a later version takes its place;
    `state` and `mishap` say where the line must end and why.
    """
    rows = _as_exported(world)
    for step in (
        _add_shipping, _cancel, _delay, _unlist, _correct, _correct_later, _spoil, _repeat,
        _add_pesos,
    ):  # fmt: skip
        rows = step(rows, rng)
    # the shop's interface shows an order as it is now; an export that was delivered stays delivered
    overwritten = (rows["market"] == GB) & (rows["state"] == "superseded")
    rows = rows[~overwritten].assign(seen=_seen)
    return rows.sort_values(
        ["market", "file", "day", "second", "order_id", "product", "kind"],
        ignore_index=True,
        kind="stable",
    ).drop(columns="touched")


def _as_exported(world: World) -> pd.DataFrame:
    """One row per clean line, with the names that the shop systems use."""
    rows = world.lines.reset_index(drop=True)
    number = rows.groupby("market")["order"].transform(lambda order: order - order.min() + 1)
    ids = [_ID_FORMATS[market].format(n) for market, n in zip(rows["market"], number, strict=True)]
    skus = np.array([product.product_id for product in world.products])
    return rows.assign(
        order_id=ids,
        sku=skus[rows["product"]],
        kind="product",
        is_return=False,
        file=_file_of(rows),
        state="core",
        mishap="",
        price_text="",
        country_text="",
        touched=False,
        until=NEVER,
    )


def _file_of(rows: pd.DataFrame) -> np.ndarray:
    day = rows["day"].to_numpy()
    by_month = np.where(day < cat.DAYS, month_of_day()[day], cat.MONTHS + day - cat.DAYS)
    return np.where(rows["market"] == GB, day, by_month)


def _seen(rows: pd.DataFrame) -> np.ndarray:
    """The first day on which a line is shown; a month's file lies ready with its last day."""
    file, day = rows["file"].to_numpy(), rows["day"].to_numpy()
    passed = np.where(file < cat.MONTHS, cat.DAYS - 1, day)
    # the distributor reports whole months, and the month of the days that pass never ends
    passed = np.where((rows["market"] == JP) & (file >= cat.MONTHS), NEVER, passed)
    return np.where(rows["market"] == GB, file, passed)


def _lies_ready(rows: pd.DataFrame) -> pd.Series:
    return rows["day"] < cat.DAYS


def _pick_orders(
    rows: pd.DataFrame, market: int, count: int, rng: np.random.Generator, condition: pd.Series
) -> np.ndarray:
    """Return `count` orders of a market that nothing has happened to and that fit a condition."""
    fits = (condition & ~rows["touched"]).groupby(rows["order"]).transform("all")
    orders = rows.loc[fits & (rows["market"] == market), "order"].unique()
    return np.sort(rng.choice(orders, count, replace=False))


def _touch(rows: pd.DataFrame, orders: Sequence[int] | np.ndarray, mishap: str) -> pd.DataFrame:
    hit = rows["order"].isin(orders)
    rows.loc[hit, "touched"] = True
    rows.loc[hit, "mishap"] = mishap
    return rows


def _add_shipping(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The US shop bills postage as a line of its own on orders under 100 dollars."""
    us = rows[rows["market"] == US]
    total = (us["quantity"] * us["price"] - us["discount"]).groupby(us["order"]).sum()
    small = us[us["order"].isin(total.index[total < 10_000])].drop_duplicates("order")
    postage = small.assign(
        product=-1, sku="SHIPPING", kind="freight", quantity=1, price=795, discount=0, promotion=-1
    )
    return pd.concat([rows, postage], ignore_index=True)


def _cancel(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Some orders come back whole within three weeks, under a number of their own."""
    parts = [rows]
    can = (rows["discount"] == 0) & (rows["day"] < cat.HORIZON - 22) & (rows["kind"] == "product")
    for market in range(len(cat.MARKETS)):
        total = rows.loc[rows["market"] == market, "order"].nunique()
        orders = _pick_orders(rows, market, int(total * CANCELLED_PCT / 100), rng, can)
        rows = _touch(rows, orders, "cancelled")
        back = rows[rows["order"].isin(orders)].copy()
        delay = pd.Series(rng.integers(1, 21, len(orders)), index=orders)
        numbers = pd.Series(range(1, len(orders) + 1), index=orders)
        back["day"] += back["order"].map(delay)
        back["order_id"] = back["order"].map(numbers.map(_CANCEL_FORMATS[market].format))
        back["quantity"] = -back["quantity"]
        back["is_return"] = True
        back["mishap"] = "cancellation"
        parts.append(back.assign(file=_file_of(back), order=-1 - back["order"]))
    return pd.concat([rows, *parts[1:]], ignore_index=True)


def _delay(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Some orders are missing from their own file and come with a later one."""
    for market, count in LATE_ORDERS.items():
        early = rows["day"] < cat.DAYS - 40
        orders = _pick_orders(rows, market, count, rng, early & ~rows["is_return"])
        shift = pd.Series(
            rng.integers(1, 10, count) if market == GB else np.ones(count, int), index=orders
        )
        rows = _touch(rows, orders, "late")
        hit = rows["order"].isin(orders)
        rows.loc[hit, "file"] += rows.loc[hit, "order"].map(shift)
    return rows


def _unlist(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A few articles were sold that nobody entered in the product list."""
    for market, count in UNLISTED_LINES.items():
        orders = _pick_orders(rows, market, count, rng, ~rows["is_return"] & _lies_ready(rows))
        hit = rows.index[rows["order"].isin(orders) & ~rows.duplicated("order")]
        rows = _touch(rows, orders, "")
        rows.loc[hit, "mishap"] = "unlisted_product"
        rows.loc[hit, "product"] = -1
        rows.loc[hit, "sku"] = [cat.UNLISTED[i % len(cat.UNLISTED)] for i in range(len(hit))]
    return rows


def _correct(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Some orders are exported again later, whole, with the first line's quantity one higher."""
    corrected = []
    for market, count in CORRECTED_ORDERS.items():
        early = (rows["day"] < cat.DAYS - 40) & (rows["discount"] == 0) & ~rows["is_return"]
        orders = _pick_orders(rows, market, count, rng, early)
        rows = _touch(rows, orders, "superseded")
        hit = rows["order"].isin(orders)
        again = rows[hit].assign(mishap="correction")
        again.loc[~again.duplicated("order"), "quantity"] += 1
        shift = pd.Series(
            rng.integers(2, 21, count) if market == GB else np.ones(count, int), index=orders
        )
        again["file"] += again["order"].map(shift)
        rows.loc[hit, "state"] = "superseded"
        corrected.append(again)
    return pd.concat([rows, *corrected], ignore_index=True)


def _correct_later(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Some orders of the days that pass are changed in the home shop within three days."""
    late = (rows["day"] >= cat.DAYS) & (rows["day"] < cat.HORIZON - 4)
    plain = late & (rows["discount"] == 0) & ~rows["is_return"]
    orders = _pick_orders(rows, GB, CORRECTED_LATER, rng, plain)
    rows = _touch(rows, orders, "")
    hit = rows["order"].isin(orders)
    shift = pd.Series(rng.integers(1, 4, CORRECTED_LATER), index=orders)
    again = rows[hit].assign(mishap="correction")
    again.loc[~again.duplicated("order"), "quantity"] += 1
    again["file"] += again["order"].map(shift)
    rows.loc[hit, "until"] = again["file"]
    return pd.concat([rows, again], ignore_index=True)


def _spoil(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Impossible prices, countries nobody knows, missing article numbers."""
    used: set[tuple[int, int]] = set()
    size = rows.groupby(["market", "file"])["order"].transform("size")
    lines = rows.groupby("order")["order"].transform("size")
    for (market, mishap), count in SPOILT.items():
        large = (size >= 120) & (rows["kind"] == "product") & ~rows["is_return"] & _lies_ready(rows)
        if (market, mishap) == (GB, "unknown_country"):
            # at home the country belongs to the order, not to its lines
            large &= lines == 1
        orders = _pick_orders(rows, market, 40 * count, rng, large)
        for order in rng.permutation(orders):
            line = rows.index[rows["order"] == order][0]
            file = (market, int(rows.at[line, "file"]))
            if count and (market != GB or file not in used):
                used.add(file)
                rows = _touch(rows, [order], "")
                _spoil_line(rows, line, mishap)
                count -= 1
    return rows


def _spoil_line(rows: pd.DataFrame, line: int, mishap: str) -> None:
    rows.loc[line, ["state", "mishap"]] = ["quarantined", mishap]
    match mishap:
        case "negative_price":
            rows.loc[line, "price"] *= -1
        case "text_price":
            rows.loc[line, "price_text"] = (
                "on request" if rows.at[line, "market"] == GB else ("auf Anfrage")
            )
        case "missing_price":
            rows.loc[line, "price_text"] = "-"
        case "unknown_country":
            rows.loc[line, "country_text"] = "Atlantis"
        case "missing_product":
            rows.loc[line, "sku"] = ""


def _repeat(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Some lines stand twice in the same file."""
    for market, count in DUPLICATES.items():
        good = (rows["state"] == "core") & ~rows["touched"] & (rows["market"] == market)
        good &= _lies_ready(rows)
        lines = rng.choice(rows.index[good], count, replace=False)
        again = rows.loc[np.sort(lines)].assign(
            state="dropped" if market == GB else "quarantined", mishap="duplicate"
        )
        rows = pd.concat([rows, again], ignore_index=True)
    return rows


def _add_pesos(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Some guests of the US shop paid in Argentine pesos, which the ECB does not quote."""
    us = (rows["market"] == US) & _lies_ready(rows)
    plain = rows[us & ~rows["touched"] & (rows["kind"] == "product")]
    pesos = plain.loc[np.sort(rng.choice(plain.index, WITHOUT_RATE_LINES, replace=False))]
    pesos = pesos.assign(
        order_id=[f"41{number:08d}" for number in range(1, WITHOUT_RATE_LINES + 1)],
        order=-1_000_000,
        customer=-1,
        price=pesos["price"] * 1400,
        discount=0,
        promotion=-1,
        state="without_rate",
        mishap="without_rate",
        country_text="Argentina",
    )
    return pd.concat([rows, pesos], ignore_index=True)

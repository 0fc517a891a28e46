"""Runs the matcher on the offers of a candidate that it has not seen, and keeps what it proposed.

A proposal that is sure enough becomes a delivery; one that is not, or whose price is far from its
group's, waits for a person. What was examined stands in `matches/examined.jsonl`, so that each run
looks at new offers only.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb

from ingest import matches
from ingest.company import Company, Matching
from ingest.home import Home

if TYPE_CHECKING:
    from analytics.matching.match import Match

_OWN = """
select product_id, name, brand, gtin, mpn, pack_quantity, pack_unit, list_price, currency
from raw.products where _superseded_by is null
qualify row_number() over (partition by product_id order by _delivery_id desc, _row_number desc) = 1
order by product_id
"""
_OFFERS = """
select competitor, gtin, mpn, url, title, brand, pack_quantity, pack_unit, price, currency
from raw.competitor_prices where _superseded_by is null and product_id is null
qualify row_number() over (
    partition by competitor, gtin, mpn, url, title
    order by observed_at desc, _delivery_id desc, _row_number desc
) = 1
order by competitor, gtin, mpn, url, title
"""
_DECLARED = """
select distinct competitor, competitor_key, product_id, kind from raw.product_matches
where _superseded_by is null and _delivery_id not like 'match_proposals-%'
"""


@dataclass(frozen=True)
class Examined:
    """What became of one offer. Grain: one a competitor and offer, the last one counts.

    Attributes:
        status: accepted, review, aside (its price is suspicious) or none.
        reason: Why it is not accepted.
        catalogue: Fingerprint of our products: an offer without a match is looked at again when
            they change.
    """

    competitor: str
    competitor_key: str
    title: str
    status: str
    reason: str
    catalogue: str
    product_id: str = ""
    product: str = ""
    kind: str = ""
    method: str = ""
    confidence: float = 0.0
    pack_coefficient: float | None = None
    valid_to: str = ""


def examined(home: Home) -> dict[tuple[str, str], Examined]:
    """What was found of each offer at last. A line that a killed process cut off is left out."""
    path = _path(home)
    found: dict[tuple[str, str], Examined] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            one = Examined(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[one.competitor, one.competitor_key] = one
    return found


def _path(home: Home) -> Any:
    return home.root / "matches" / "examined.jsonl"


def propose(connection: duckdb.DuckDBPyConnection, company: Company, home: Home) -> list[Examined]:
    """Match the offers that are new, and write the sure ones as a file to land.

    Args:
        connection: The candidate, with all sources loaded.
        company: A company with `matching:`.
        home: Where proposals are kept.

    Returns:
        What was examined; empty where no offer is new.
    """
    settings = company.matching or Matching()
    own_rows = connection.execute(_OWN).fetchall()
    catalogue = hashlib.sha256(repr([row[:7] for row in own_rows]).encode()).hexdigest()[:12]
    declared = connection.execute(_DECLARED).fetchall()
    offers = _new_offers(connection, company, home, catalogue, declared)
    if not offers:
        return []
    from analytics.matching.match import Item, match

    own = [Item(r[0], r[1], r[2], r[3], r[4], _number(r[5]), r[6]) for r in own_rows]
    items = [
        Item(str(n), o[4] or "", o[5], o[1], o[2], _number(o[6]), o[7])
        for n, (_, o) in enumerate(offers)
    ]
    found = {int(m.offer): m for m in match(own, items, settings.private_labels)}
    rejected = _rejected(home, declared)
    far = _far(settings, own_rows, offers, found)
    names = {row[0]: row[1] for row in own_rows}
    results = [
        _judged(settings, key, offer, found.get(n), catalogue, names, rejected, far.get(n, ""))
        for n, (key, offer) in enumerate(offers)
    ]
    _keep(home, results)
    return results


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _key(offer: Sequence[Any]) -> str:
    """The surest name of an offer, as `product_matches` may point at it."""
    from analytics.matching import gtin

    _, number, mpn, url, title = offer[:5]
    return str((number if gtin.normalise(number) else None) or mpn or url or title or "")


def _new_offers(
    connection: duckdb.DuckDBPyConnection, company: Company, home: Home, catalogue: str,
    declared: Sequence[Sequence[Any]],
) -> list[tuple[str, tuple[Any, ...]]]:  # fmt: skip
    """Offers that nobody matched and that were not examined against these products."""
    before = examined(home)
    own_firms = {firm.lower() for firm in company.own_firms}
    taken = {(row[0].lower(), row[1].strip().lower()) for row in declared if row[3] != "rejected"}
    today = datetime.now(UTC).date().isoformat()
    chosen: dict[tuple[str, str], tuple[Any, ...]] = {}
    for offer in connection.execute(_OFFERS).fetchall():
        key, firm = _key(offer), offer[0].lower()
        last = before.get((offer[0], key))
        is_known = last is not None and (last.status == "accepted" or last.catalogue == catalogue)
        if last is not None and last.valid_to and last.valid_to <= today:
            is_known = False
        named = any(n and (firm, str(n).strip().lower()) in taken for n in offer[1:5])
        if key and not is_known and not named and firm not in own_firms:
            chosen.setdefault((offer[0], key), offer)
    return [(key, offer) for (_, key), offer in chosen.items()]


def _pair(product_id: str, competitor: str, competitor_key: str) -> tuple[str, str, str]:
    """A pair whichever way people write the names of the rival and its offer."""
    return product_id, competitor.strip().lower(), competitor_key.strip().lower()


def _rejected(home: Home, declared: Sequence[Sequence[Any]]) -> set[tuple[str, str, str]]:
    """Pairs that somebody rejected, here or in a source; the last decision on a pair counts."""
    pairs = {_pair(row[2], row[0], row[1]): row[3] for row in declared}
    for row in matches.decisions(home):
        pair = _pair(row["product_id"], row["competitor"], row["competitor_key"])
        pairs[pair] = row["kind"]
    return {pair for pair, kind in pairs.items() if kind == "rejected"}


def _far(
    settings: Matching, own_rows: Sequence[Sequence[Any]],
    offers: Sequence[tuple[str, Sequence[Any]]], found: "dict[int, Match]",
) -> dict[int, str]:  # fmt: skip
    """Offers whose price for one unit of ours is far from that of their product's others."""
    from analytics.matching.match import is_far

    groups: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for number, pair in found.items():
        price, currency = float(offers[number][1][8]), offers[number][1][9]
        groups[pair.product, currency].append((number, price / (pair.pack_coefficient or 1)))
    lists = {(r[0], r[8]): float(r[7]) for r in own_rows if r[7] is not None}
    reasons = {}
    for group, members in groups.items():
        prices = [price for _, price in members] + ([lists[group]] if group in lists else [])
        for (number, price), off in zip(
            members, is_far(prices, settings.price_ratio), strict=False
        ):
            if off:
                reasons[number] = (
                    f"a unit at {price:.2f} {group[1]} is more than {settings.price_ratio:g} times "
                    f"off the median of {len(prices)} prices of {group[0]}"
                )
    return reasons


def _judged(
    settings: Matching, key: str, offer: Sequence[Any], pair: "Match | None", catalogue: str,
    names: dict[str, str], rejected: set[tuple[str, str, str]], far: str,
) -> Examined:  # fmt: skip
    title = offer[4] or key
    none = Examined(offer[0], key, title, "none", "nothing of ours is like it", catalogue)
    if pair is None or pair.confidence < settings.review_above:
        return none
    if _pair(pair.product, offer[0], key) in rejected:
        return Examined(offer[0], key, title, "none", "the pair was rejected", catalogue)
    status, reason = "accepted", ""
    if far:
        status, reason = "aside", far
    elif pair.confidence < settings.accept_above:
        status, reason = "review", f"confidence {pair.confidence:.2f} is under accept_above"
    until = ""
    if settings.expires_after_days:
        day = datetime.now(UTC).date() + timedelta(days=settings.expires_after_days)
        until = day.isoformat()
    return Examined(
        offer[0], key, title, status, reason, catalogue, pair.product, names[pair.product],
        pair.kind, pair.method, pair.confidence, pair.pack_coefficient, until,
    )  # fmt: skip


def _keep(home: Home, results: Sequence[Examined]) -> None:
    """Proposals first: a process killed before the second write examines the offers again."""
    sure = [asdict(one) for one in results if one.status == "accepted"]
    if sure:
        matches.write(home, matches.PROPOSALS, sure)
    path = _path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join("\n" + json.dumps(asdict(one), ensure_ascii=False) for one in results) + "\n"
    with path.open("a", encoding="utf-8") as out:
        out.write(text)


def waiting(home: Home) -> list[Examined]:
    """Proposals that wait for a person: unsure ones and those with a suspicious price."""
    decided = {
        _pair(row["product_id"], row["competitor"], row["competitor_key"])
        for row in matches.decisions(home)
    }
    found = [
        one
        for one in examined(home).values()
        if one.status in ("review", "aside")
        and _pair(one.product_id, one.competitor, one.competitor_key) not in decided
    ]
    return sorted(found, key=lambda one: (-one.confidence, one.competitor, one.competitor_key))

"""What the class names, ids and styles of elements tell about what stands in them."""

import re
from functools import lru_cache
from typing import Any

(
    RELATED,
    CHROME,
    HIDDEN,
    STRUCK,
    UNIT,
    SHIPPING,
    CART,
    PRICED,
    CURRENT,
    SAVING,
    REVIEW,
    NET,
    LISTED,
) = (1 << bit for bit in range(13))
NO_PRODUCT = RELATED | CHROME | HIDDEN
INHERITED = (
    RELATED | CHROME | HIDDEN | STRUCK | UNIT | SHIPPING | CART | SAVING | REVIEW | NET | LISTED
)

_WORDS = {
    # `relative`, `hidden-xs` and `md:hidden` are words of CSS frameworks about the place alone
    RELATED: r"relat(?!ive)|recom|similar|carousel|carrousel|karussell|upsell|up-sell|sponsor"
    r"|cross-?sell"
    r"|\balso|recently|viewed|bundle|accessor|slider|swiper|slick|compar(?!e-?at)|alternativ"
    r"|suggest|you-?may|featured|best-?sell|popular|together|teaser|banner|more-?from|trending"
    r"|product-?(?:list|grid|card|tile|item|thumb)s?\b|souvis|podob|zubehoer|collection-?item",
    CHROME: r"(?<!product-)(?<!pdp-)(?<!item-)(?<!detail-)(?<!details-)header|footer"
    r"|\bnav|navig|menu|breadcrumb|topbar|newsletter|cookie",
    HIDDEN: r"(?<!overflow-)(?<!:)hidden\b(?!-(?:xs|sm|md|lg|xl|print|phone|mobile|tablet|desktop))"
    r"|\bhide\b|modal|popup|pop-?over|lightbox|dialog|dropdown",
    STRUCK: r"\bold\b|old-?price|price-?old|\bwas(?!-valid)|strike|stroke|price-?before"
    r"|before-?(?:price|discount)|msrp|rrp|\buvp|compare-?at|original-?price|price-?original|crossed|striked"
    r"|previous-?price|\bprev-?price|line-?through|non-?sale|vorher|tachado|barr[eé]|high-?price",
    # the price itself where nothing is reduced
    LISTED: r"list-?price|price-?standard|standard-?price|\bretail|full-?price|price-?full"
    r"|regular-?price|price-?regular|-regular\b|original|previous",
    UNIT: r"unit-?price|per-?unit|price-?per|price-?unit|grundpreis|base-?price-?unit",
    SHIPPING: r"shipp|deliver|versand|livraison|spedizion|doprav|postage|freight|lieferung",
    CART: r"mini-?cart|cart-?total|basket-?total|cart-?summary|mini-?basket|subtotal|bag-?total"
    r"|header-?cart|top-?cart",
    PRICED: r"price|prix|preis|prezz|preci|preco|cena|ceny\b|\bpris\b|pris-|fiyat|harga|amount|cost"
    r"|money|prc|kaina|hinta|currency",
    CURRENT: r"sale|special|current|\bnow|final|our-?price|offer|actual|sell|deal|buy|main|today"
    r"|new-?price|price-?new|discounted|primary|product-?(?:price|detail|info|main|view|page)"
    r"|pdp|summary|add-?to|purchase",
    SAVING: r"\bsav(?:e|ing)|discount-?(?:amount|value|percent|badge|label|rate)|reduction|rabat"
    r"|you-?save|coupon|voucher|cashback|points|reward|install?ment|monthly|financ|credit|klarna"
    r"|afterpay|loan|splatk|leasing|warrant|insurance|protection|trade-?in|bonus",
    REVIEW: r"review|rating|comment|question|answer|stars?\b|faq",
    NET: r"\bex(?:cl)?-?(?:uding)?-?(?:tax|vat)|without-?(?:tax|vat)|net-?price|price-?net"
    r"|\bnett?o\b|bez-?dph|pre-?tax|no-?tax|price-?ht\b",
}  # fmt: skip
_PATTERNS = [(flag, re.compile(words)) for flag, words in _WORDS.items()]
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_STRUCK_TAGS = frozenset({"del", "s", "strike"})
_CHROME_TAGS = frozenset({"header", "footer", "nav"})
_DATA = ("data-test", "data-testid", "data-test-id", "data-qa", "data-automation-id", "name",
         "data-hook", "data-at", "role")  # fmt: skip


@lru_cache(maxsize=50_000)
def flags_of(names: str) -> int:
    """Flags of the names that an element carries."""
    names = _CAMEL.sub("-", names).replace("_", "-").lower()
    return sum(flag for flag, pattern in _PATTERNS if pattern.search(names))


def own_flags(element: Any) -> int:
    """Flags of an element by itself: its names, its tag and its style."""
    get = element.get
    names = [get("class"), get("id"), get("itemprop"), *map(get, _DATA)]
    flags = flags_of(" ".join(filter(None, names))) if any(names) else 0
    if element.tag in _STRUCK_TAGS:
        flags |= STRUCK
    elif element.tag in _CHROME_TAGS:
        flags |= CHROME
    style = get("style")
    if style:
        style = style.replace(" ", "").lower()
        if "line-through" in style:
            flags |= STRUCK
        if "display:none" in style or "visibility:hidden" in style:
            flags |= HIDDEN
    if flags & PRICED:
        # `slider-price` names the price, not what stands around it
        flags &= ~(RELATED | CHROME | REVIEW)
    return flags | HIDDEN if get("hidden") is not None else flags

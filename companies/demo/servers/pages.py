"""Product pages in four kinds of markup, from the same offer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from companies.demo.catalogue import Shop

CAPTCHA = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Just a moment...</title></head>
<body><h1>Are you a human?</h1><p>Unusual traffic came from your network. Please verify you are
human to go on.</p><div class="h-captcha" data-sitekey="demo"></div></body></html>
"""


@dataclass(frozen=True)
class Offer:
    """What a page shows. Prices in hundredths, without tax."""

    title: str
    brand: str
    category: str
    gtin: str
    sku: str
    price: int
    list_price: int
    is_promo: int
    in_stock: int


def page(shop: Shop, offer: Offer) -> str:
    """The page of an offer in a shop."""
    head, body = _MARKUP[shop.markup](offer)
    lang = "de" if shop.market == "DE" else "en"
    return (
        f'<!doctype html>\n<html lang="{lang}"><head><meta charset="utf-8">'
        f"<title>{escape(offer.title)} | {escape(shop.rival)}</title>{head}</head>\n"
        f"<body><header><a href='/'>{escape(shop.rival)}</a></header>\n{body}\n"
        "<footer>Test and measurement for professionals</footer></body></html>\n"
    )


def _point(hundredths: int) -> str:
    return f"{hundredths / 100:.2f}"


def _german(hundredths: int) -> str:
    return f"{hundredths / 100:,.2f}".translate(str.maketrans(",.", ".,"))


def _json_ld(offer: Offer) -> tuple[str, str]:
    """Everything in a script; the visible price beside it."""
    state = "InStock" if offer.in_stock else "OutOfStock"
    terms: dict[str, object] = {
        "@type": "Offer", "price": _point(offer.price), "priceCurrency": "GBP",
        "availability": f"https://schema.org/{state}",
    }  # fmt: skip
    if offer.is_promo:
        terms["priceSpecification"] = {
            "@type": "UnitPriceSpecification", "priceType": "https://schema.org/ListPrice",
            "price": _point(offer.list_price), "priceCurrency": "GBP",
        }  # fmt: skip
    product = {
        "@context": "https://schema.org", "@type": "Product", "name": offer.title,
        "brand": {"@type": "Brand", "name": offer.brand}, "gtin13": offer.gtin, "mpn": offer.sku,
        "category": offer.category, "offers": terms,
    }  # fmt: skip
    head = f'<script type="application/ld+json">{json.dumps(product)}</script>'
    was = f"<s class='was'>£{_point(offer.list_price)}</s> " if offer.is_promo else ""
    return head, (
        f"<main><h1>{escape(offer.title)}</h1><p class='price'>{was}"
        f"<b>£{_point(offer.price)}</b> excl. VAT</p></main>"
    )


def _microdata(offer: Offer) -> tuple[str, str]:
    """schema.org in attributes, German prices before the eye."""
    state = "InStock" if offer.in_stock else "OutOfStock"
    was = (
        "<span itemprop='priceSpecification' itemscope "
        "itemtype='https://schema.org/UnitPriceSpecification'>"
        "<meta itemprop='priceType' content='https://schema.org/ListPrice'>"
        f"<meta itemprop='price' content='{_point(offer.list_price)}'>"
        "<meta itemprop='priceCurrency' content='EUR'>"
        f"statt <s>{_german(offer.list_price)} €</s></span>"
        if offer.is_promo
        else ""
    )
    return "", (
        "<main itemscope itemtype='https://schema.org/Product'>"
        f"<h1 itemprop='name'>{escape(offer.title)}</h1>"
        f"<meta itemprop='gtin13' content='{offer.gtin}'>"
        f"<p>Typ <span itemprop='mpn'>{offer.sku}</span> von "
        f"<span itemprop='brand'>{escape(offer.brand)}</span></p>"
        "<div itemprop='offers' itemscope itemtype='https://schema.org/Offer'>"
        f"<p class='preis'><span itemprop='price' content='{_point(offer.price)}'>"
        f"{_german(offer.price)} €</span> zzgl. MwSt. {was}</p>"
        "<meta itemprop='priceCurrency' content='EUR'>"
        f"<link itemprop='availability' href='https://schema.org/{state}'></div></main>"
    )


def _open_graph(offer: Offer) -> tuple[str, str]:
    """Meta elements for sharing; the visible price agrees with them."""
    state = "instock" if offer.in_stock else "oos"
    metas = {
        "og:type": "product", "og:title": offer.title, "product:brand": offer.brand,
        "product:mfr_part_no": offer.sku,
        "product:ean": offer.gtin, "product:availability": state,
        "product:price:amount": _point(offer.list_price), "product:price:currency": "USD",
    }  # fmt: skip
    if offer.is_promo:
        metas["product:sale_price:amount"] = _point(offer.price)
        metas["product:sale_price:currency"] = "USD"
    head = "".join(
        f'<meta property="{name}" content="{escape(value)}">' for name, value in metas.items()
    )
    was = f"<del class='price-old'>${_point(offer.list_price)}</del> " if offer.is_promo else ""
    return head, (
        f"<main><h1>{escape(offer.title)}</h1><div class='price'>{was}"
        f"<span class='price-now'>${_point(offer.price)}</span></div>"
        "<p>Plus sales tax where it applies.</p></main>"
    )


def _plain(offer: Offer) -> tuple[str, str]:
    """Nothing but text: read by the selectors of the company file."""
    was = f"<td class='k-was'>£{_point(offer.list_price)}</td>" if offer.is_promo else ""
    stock = "In stock" if offer.in_stock else "Out of stock"
    return "", (
        f"<div id='item'><h2>{escape(offer.title)}</h2><table>"
        f"<tr><th>Part no.</th><td class='k-part'>{offer.sku}</td></tr>"
        f"<tr><th>EAN</th><td class='k-ean'>{offer.gtin}</td></tr>"
        f"<tr><th>Maker</th><td class='k-maker'>{escape(offer.brand)}</td></tr>"
        f"<tr><th>Trade price</th>{was}<td class='k-now'>£{_point(offer.price)}</td></tr>"
        f"<tr><th>Stock</th><td class='k-stock'>{stock}</td></tr></table></div>"
    )


_MARKUP: dict[str, Callable[[Offer], tuple[str, str]]] = {
    "json_ld": _json_ld, "microdata": _microdata, "open_graph": _open_graph, "plain": _plain,
}  # fmt: skip

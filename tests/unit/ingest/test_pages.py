"""Product pages, one small page a trap: what a reader of each of them would write down."""

from decimal import Decimal
from typing import Any

import pytest

from ingest.pages import Observation, parse_page

URL = "https://shop.example.com/p/kettle"


def page(body: str, head: str = "<title>Kettle K2 | Shop</title>") -> bytes:
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>".encode()


def ld(content: str) -> str:
    return f'<script type="application/ld+json">{content}</script>'


def told(found: Observation, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(found, name) for name in names)


OFFER = '"offers": {"@type": "Offer", "price": "19.99", "priceCurrency": "GBP"}'


@pytest.mark.parametrize(
    ("content", "price"),
    [
        ('{"@type": "Product", "name": "Kettle K2", ' + OFFER + "}", "19.99"),
        ('{"@graph": [{"@type": "WebPage"}, {"@type": ["Product"], "name": "K", ' + OFFER + "}]}",
         "19.99"),
        ('[{"@type": "Product", "name": "Kettle K2", ' + OFFER + ",}]", "19.99"),
        ('// made by a plugin\n{"@type": "Product", /* x */ "name": "Kettle\nK2", ' + OFFER + "}",
         "19.99"),
        ("{&quot;@type&quot;: &quot;Product&quot;, " + OFFER.replace('"', "&quot;") + "}", "19.99"),
        ('{"@type": "Product", "offers": {"@type": "AggregateOffer", "lowPrice": 5, "highPrice": 9,'
         '"priceCurrency": "GBP"}}', "5"),
        ('{"@type": "Product", "offers": [{"price": "7", "availability": "OutOfStock"},'
         '{"price": "8", "availability": "http://schema.org/InStock"}]}', "8"),
        ('{"@type": "Product", "offers": {"price": "1,299.00", "priceCurrency": "GBP"}}', "1299"),
        ('{"@type": "ProductGroup", "hasVariant": [{"@type": "Product", "sku": "A", ' + OFFER
         + "}]}", "19.99"),
    ],
)  # fmt: skip
def test_json_ld(content: str, price: str) -> None:
    found = parse_page(page(f"<h1>Kettle K2</h1>{ld(content)}"), URL, "GB")
    assert told(found, "price", "currency", "method") == (Decimal(price), "GBP", "json_ld")


def test_microdata() -> None:
    found = parse_page(
        page(
            '<div itemscope itemtype="https://schema.org/Product"><h1 itemprop="name">Kettle</h1>'
            '<span itemprop="brand">Acme</span><meta itemprop="gtin13" content="4006381333931">'
            '<div itemprop="offers" itemscope itemtype="https://schema.org/Offer">'
            '<span itemprop="price">19,99</span><meta itemprop="priceCurrency" content="EUR">'
            '<link itemprop="availability" href="https://schema.org/PreOrder"></div></div>'
        ),
        URL,
    )
    assert told(found, "price", "currency", "availability", "gtin", "brand", "method") == (
        Decimal("19.99"), "EUR", "pre_order", "4006381333931", "Acme", "microdata"
    )  # fmt: skip


def test_visible_price_without_any_markup() -> None:
    found = parse_page(
        page(
            '<h1>Kettle K2</h1><div class="price"><del>£30.00</del> <b>£24<sup>99</sup></b></div>'
            "<button>Add to basket</button>"
            '<div class="related"><h2>You may also like</h2><a>Toaster</a>'
            '<span class="price">£9.99</span></div>'
        ),
        URL,
    )
    assert told(found, "price", "list_price", "currency", "availability", "method") == (
        Decimal("24.99"), Decimal("30.00"), "GBP", "in_stock", "visible"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("title", "body", "state"),
    [
        ("Robot Check", "Enter the characters you see below", "unknown"),
        ("Just a moment...", "Checking your browser before accessing the shop", "unknown"),
        ("Access Denied", "You don't have permission. Reference #18.3f", "unknown"),
        ("Page not found", "<h1>404</h1><p>From £9.99: our bestsellers</p>", "not_found"),
        ("Before you continue", "We use cookies", "unknown"),
        ("", "", "unknown"),
    ],
)
def test_pages_that_show_no_product(title: str, body: str, state: str) -> None:
    found = parse_page(page(body, f"<title>{title}</title>"), URL, "GB")
    assert (found.price, found.availability) == (None, state)
    assert found.reason


def test_readers_that_disagree_are_suspicious() -> None:
    content = ld('{"@type": "Product", "name": "Kettle K2", ' + OFFER + "}")
    shown = '<h1>Kettle K2</h1><p class="price">£24.99</p><button>Add to basket</button>'
    found = parse_page(page(content + shown), URL)
    assert found.suspicious
    assert found.reason and "19.99" in found.reason and "24.99" in found.reason

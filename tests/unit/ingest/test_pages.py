"""Product pages, one small page a trap: what a reader of each of them would write down."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.matching import titles
from ingest.pages import Observation, parse_page
from ingest.pages.identifiers import gtin
from ingest.pages.pack import pack_of

URL = "https://shop.example.com/p/kettle"


def page(body: str, head: str = "<title>Kettle K2 | Shop</title>") -> bytes:
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>".encode()


def ld(content: str) -> str:
    return f'<script type="application/ld+json">{content}</script>'


def told(found: Observation, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(found, name) for name in names)


SMALL_PAGES = Path(__file__).parents[2] / "fixtures" / "product_pages.txt"


def small_pages() -> list[Any]:
    """Name, what is expected, and the HTML of every small page."""
    parts = SMALL_PAGES.read_text(encoding="utf-8").split("\n=== ")[1:]
    found = [re.fullmatch(r"(\S+) (\{.*?\})\n(.*)", part, flags=re.DOTALL) for part in parts]
    return [pytest.param(json.loads(m[2]), m[3], id=m[1]) for m in found if m is not None]


@pytest.mark.parametrize(("expected", "content"), small_pages())
def test_small_pages(expected: dict[str, Any], content: str) -> None:
    url, market = expected.pop("url"), expected.pop("market", None)
    found = parse_page(f"<!doctype html><html>{content}</html>".encode(), url, market)
    read = {
        name: str(value) if isinstance(value := getattr(found, name), Decimal) else value
        for name in expected
    }
    assert read == expected


def test_no_small_page_is_left_out() -> None:
    assert len(small_pages()) == SMALL_PAGES.read_text(encoding="utf-8").count("\n=== ") > 70


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


def offer(content: str) -> str:
    return '{"@type": "Product", "name": "Kettle K2", "offers": ' + content + "}"


@pytest.mark.parametrize(
    ("content", "price", "list_price"),
    [
        # a list price, a unit price and a price without tax are not the price
        (offer('{"price": 20, "priceCurrency": "EUR", "priceSpecification": [{"price": 30,'
               '"priceType": "https://schema.org/ListPrice"}, {"@type": "UnitPriceSpecification",'
               '"price": 4, "referenceQuantity": {"value": 1, "unitCode": "LTR"}}]}'), "20", "30"),
        (offer('{"priceCurrency": "EUR", "priceSpecification": [{"price": 10,'
               '"valueAddedTaxIncluded": false}, {"price": 12, "valueAddedTaxIncluded": true}]}'),
         "12", None),
        (offer('{"priceCurrency": "EUR", "priceSpecification": {"price": "9.99", "priceType":'
               '"SalePrice"}, "price": "12.99"}'), "9.99", None),
        (offer('{"price": "1.299,00 €"}'), "1299", None),
        (offer('{"price": "0.00", "priceCurrency": "EUR"}'), None, None),
        (offer('{"price": null, "priceCurrency": "EUR"}'), None, None),
    ],
)  # fmt: skip
def test_prices_of_an_offer(content: str, price: str | None, list_price: str | None) -> None:
    found = parse_page(page(ld(content)), URL)
    wanted = tuple(None if each is None else Decimal(each) for each in (price, list_price))
    assert told(found, "price", "list_price") == wanted
    assert found.currency == (None if price is None else "EUR")


def test_related_products_do_not_win() -> None:
    content = (
        '[{"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": {"@type":'
        '"Product", "name": "Toaster", "offers": {"price": 5, "priceCurrency": "GBP"}}}]},'
        '{"@type": "Product", "name": "Toaster T1", "offers": {"price": 6}},'
        '{"@type": "Product", "name": "Kettle K2", "url": "https://shop.example.com/p/kettle",'
        '"isRelatedTo": {"@type": "Product", "name": "Kettle K2 lid", "offers": {"price": 7}},'
        + OFFER + "}]"
    )  # fmt: skip
    assert parse_page(page(ld(content)), URL).price == Decimal("19.99")


def test_variants_are_in_stock_together() -> None:
    sizes = [
        {"@type": "Product", "name": "Shoe", "sku": size,
         "offers": {"price": 50, "priceCurrency": "EUR", "availability": state}}
        for size, state in (("38", "OutOfStock"), ("39", "InStock"))
    ]  # fmt: skip
    found = parse_page(page(ld(json.dumps(sizes)), "<title>Shoe</title>"), URL)
    assert told(found, "price", "availability") == (Decimal(50), "in_stock")


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("https://schema.org/InStock", "in_stock"), ("PreOrder", "pre_order"),
        ("http://schema.org/OutOfStock", "out_of_stock"), ("SoldOut", "out_of_stock"),
        ("LimitedAvailability", "in_stock"),
        ("BackOrder", "pre_order"), ("in stock", "in_stock"), ("Ausverkauft", "out_of_stock"),
        ("whatever", "unknown"),
    ],
)  # fmt: skip
def test_availability_in_markup(word: str, state: str) -> None:
    content = offer('{"price": 5, "priceCurrency": "EUR", "availability": "' + word + '"}')
    assert parse_page(page(ld(content)), URL).availability == state


@pytest.mark.parametrize(
    ("note", "state"),
    [
        ("<button>Add to basket</button>", "in_stock"), ("<p>Sold out</p>", "out_of_stock"),
        ("<input type=submit value='In den Warenkorb'>", "in_stock"),
        ("<button>Pre-order now</button><p>Pre-order: ships in May</p>", "pre_order"),
        ("<p>Derzeit nicht verfügbar</p>", "out_of_stock"), ("<p>Blue</p>", "unknown"),
    ],
)  # fmt: skip
def test_availability_in_what_is_shown(note: str, state: str) -> None:
    body = f"<meta charset=utf-8><h1>Kettle K2</h1><p class=price>£24.99</p>{note}"
    assert parse_page(page(body), URL).availability == state


@pytest.mark.parametrize(
    ("body", "price", "list_price"),
    [
        ("<p class=price><s>£30</s> £20</p>", "20", "30"),
        ("<p>Was £30.00 Now £20.00</p>", "20", None),
        ('<p class="old-price">£30.00</p><p class="special-price">£20.00</p>', "20", "30"),
        ('<span class="price">£<span>19</span><span class="cents">99</span></span>', "19.99", None),
        ('<p class="price">£20.00</p><p class="unit-price">£4.00 / 100 ml</p>', "20", None),
        ("<p class=price>£20.00</p><p>Free delivery over £50.00</p>", "20", None),
        ('<p class="price">£20.00</p><p class="price-excl-tax">£16.67 ex VAT</p>', "20", None),
        ('<p class="price">£20.00</p><p>or 3 instalments of £6.67 per month</p>', "20", None),
        ('<header><span class="cart-total">£99.00</span></header><b class="price">£20.00</b>', "20",
         None),
    ],
)  # fmt: skip
def test_visible_prices(body: str, price: str, list_price: str | None) -> None:
    found = parse_page(page(f"<h1>Kettle K2</h1>{body}<button>Add to basket</button>"), URL)
    assert found.price == Decimal(price)
    if list_price is not None:
        assert found.list_price == Decimal(list_price)


@pytest.mark.parametrize(
    ("sign", "url", "market", "code"),
    [
        ("$", "https://shop.example.com/p/1", None, "USD"),
        ("$", "https://shop.example.ca/p/1", None, "CAD"),
        ("$", "https://shop.example.com/nz/en/p/1", None, "NZD"),
        ("$", "https://shop.example.ca/p/1", "AU", "AUD"),
        ("US$", "https://shop.example.ca/p/1", "AU", "USD"),
        ("kr", "https://shop.example.no/p/1", None, "NOK"),
        ("kr", "https://shop.example.no/p/1", "DK", "DKK"),
        ("€", "https://shop.example.co.uk/p/1", "GB", "EUR"),
        ("", "https://shop.example.pl/p/1", None, "PLN"),
        ("", "https://shop.example.pl/p/1", "CZ", "CZK"),
    ],
)
def test_the_currency_is_settled_by_sign_market_and_host(
    sign: str, url: str, market: str | None, code: str
) -> None:
    body = f"<h1>Kettle K2</h1><b class=price>{sign}24.99</b><button>Add to cart</button>"
    assert parse_page(page(body), url, market).currency == code


def test_open_graph_and_rdfa() -> None:
    metas = (
        "<title>Kettle</title><meta property=og:title content=Kettle>"
        '<meta property="product:price:amount" content="24.99">'
        '<meta property="product:price:currency" content="EUR">'
        '<meta property="product:sale_price:amount" content="19.99">'
    )
    found = parse_page(page("<h1>Kettle</h1>", metas), URL)
    assert told(found, "price", "list_price", "currency", "method") == (
        Decimal("19.99"), Decimal("24.99"), "EUR", "open_graph"
    )  # fmt: skip
    found = parse_page(
        page(
            '<div vocab="https://schema.org/" typeof="Product"><h1 property="name">Kettle</h1>'
            '<div property="offers" typeof="Offer"><span property="price">24.99</span>'
            '<meta property="priceCurrency" content="EUR"></div></div>'
        ),
        URL,
    )
    assert told(found, "price", "currency", "method") == (Decimal("24.99"), "EUR", "rdfa")


def test_selectors_of_the_company_file() -> None:
    body = '<div id=x data-sku="K-2"><i class="amount">24,<sup>99</sup> zł</i><b>Acme</b></div>'
    selectors = {"price": "#x .amount", "brand": "#x b", "sku": "#x@data-sku", "gtin": ".none"}
    found = parse_page(page(body), URL, selectors=selectors)
    assert told(found, "price", "currency", "brand", "sku", "gtin", "method") == (
        Decimal("24.99"), "PLN", "Acme", "K-2", None, "selector"
    )  # fmt: skip


def test_labels_beside_values() -> None:
    body = (
        "<h1>Kettle K2</h1><table><tr><th>Brand</th><td>Acme</td></tr><tr><th>EAN</th><td>"
        "4006381333931</td></tr></table><p>Item no.: 12-345</p><dl><dt>Manufacturer part number"
        "</dt><dd>KX 2000</dd></dl>"
    )
    found = parse_page(page(body), "https://shop.example.com/kettle")
    assert told(found, "brand", "gtin", "sku", "mpn") == (
        "Acme", "4006381333931", "12-345", "KX 2000"
    )  # fmt: skip


def test_the_state_of_a_page_that_scripts_draw() -> None:
    script = (
        '<script id="__NEXT_DATA__" type="application/json">{"props": {"product": {"name":'
        '"Kettle K2", "brand": {"name": "Acme"}, "price": {"current": 24.99, "currency": "EUR"},'
        '"currency": "EUR"}, "related": [{"name": "Toaster", "price": 5}]}}</script>'
    )
    found = parse_page(page(f'<div id="app"></div>{script}', "<title>Kettle K2</title>"), URL)
    assert told(found, "price", "currency", "brand", "method") == (
        Decimal("24.99"), "EUR", "Acme", "state"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [("utf-8", "utf-8"), ("cp1250", "windows-1250"), ("utf-16", "utf-16"), ("cp1252", None)],
)
def test_encodings(encoding: str, declared: str | None) -> None:
    meta = f'<meta charset="{declared}">' if declared else ""
    name = "Čajník K2" if encoding != "cp1252" else "Théière K2"
    body = f"<html><head>{meta}<title>{name}</title></head><h1>{name}</h1></html>"
    assert parse_page(body.encode(encoding), URL).title == name


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("4006381333931", "4006381333931"), ("4006381333932", None), ("96385074", "96385074"),
        ("036000291452", "036000291452"), ("4 006381-333931", "4006381333931"), ("0" * 13, None),
        ("12345", None), (None, None),
    ],
)  # fmt: skip
def test_gtin(text: str | None, digits: str | None) -> None:
    assert gtin(text) == digits


@pytest.mark.parametrize(
    ("title", "quantity", "unit"),
    [
        ("Cola 6 x 330 ml", "1.98", "l"), ("Cola 6\u00d733cl", "1.98", "l"),
        ("Rice 500 g", "0.5", "kg"), ("Milk 1,5 L", "1.5", "l"),
        ("Screws, box of 100", "100", "piece"), ("Kettle K2", None, None),
        ("Tape 25 m", "25", "m"), ("Beans 4 x 400g, pack of 2", "3.2", "kg"), ("", None, None),
    ],
)  # fmt: skip
def test_pack_of(title: str, quantity: str | None, unit: str | None) -> None:
    assert pack_of(title) == (None if quantity is None else Decimal(quantity), unit)


@pytest.mark.parametrize(
    ("title", "quantity"), [("Cola 6 x 330 ml", 1.98), ("Rice 500 g", 0.5), ("Set of 4", 4)]
)
def test_packs_are_read_as_matching_reads_them(title: str, quantity: float) -> None:
    read = titles.read(title)
    assert (read.content, read.unit) == (quantity, pack_of(title)[1])
    assert pack_of(title)[0] == Decimal(str(quantity))


def test_a_product_whose_reviews_speak_of_robots_is_no_wall() -> None:
    content = ld('{"@type": "Product", "name": "Robot Check K2", ' + OFFER + "}")
    found = parse_page(page(f"<h1>Robot Check K2</h1>{content}"), URL)
    assert found.price == Decimal("19.99")


@given(st.binary(max_size=300))
def test_no_bytes_are_an_error(noise: bytes) -> None:
    for body in (noise, page("<h1>x</h1><b class=price>") + noise, b"<script>{" + noise):
        found = parse_page(body, URL, "GB", {"price": ".price"})
        assert (found.price is None) == (found.currency is None)


MARKUP = st.lists(
    st.sampled_from(
        ["<div itemscope itemtype=https://schema.org/Product>", "<p itemprop=price>", "</div>",
         "$5",
         "<script type=application/ld+json>", '{"@type":"Product","offers":[', "]}", "</script>",
         '{"@id":"a","offers":{"@id":"a"}}', "<table>", "<h1>", "1.299,00 €", "<del>", "&#0;", "99",
         "<span property=price typeof=Offer>", '"price":{"price":', "\\", "<!--", "<svg>", "\x00"]
    ),
    max_size=14,
)  # fmt: skip


@given(MARKUP)
def test_no_mixture_of_markup_is_an_error(parts: list[str]) -> None:
    found = parse_page("".join(parts).encode(), URL, "DE", {"price": "p"})
    assert found.price is None or found.price > 0

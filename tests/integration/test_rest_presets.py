"""Presets against local servers that answer as the vendors document: pages, limits and errors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest import landing, load, presets, rest_client
from ingest.company import load_company
from ingest.errors import CompanyFileError, SourceUnreachable, TradewindError
from ingest.yaml_marks import read
from tests.integration.rest_server import Answer, Api, Asked, Shop, basic, serving, told

SECRETS = {
    "SHOPIFY_ACCESS_TOKEN": "shpat_5f0c1a2b3c4d5e6f",
    "WOOCOMMERCE_KEY": "ck_0a1b2c3d4e5f6a7b",
    "WOOCOMMERCE_SECRET": "cs_7b6a5f4e3d2c1b0a",
    "STRIPE_API_KEY": "sk_test_4eC39HqLyjWDarjt",
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A company and an API; waiting costs no time, and is noted in `waits` of the API."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    with serving(Api()) as api:
        monkeypatch.setattr(
            rest_client.Api, "_wait", lambda self, seconds: api.waits.append(round(seconds, 3))
        )
        yield Shop(tmp_path, api)


def describe(shop: Shop, preset: str, path: str = "", **more: Any) -> None:
    """A company file that builds on a preset."""
    rest = {"base_url": f"{shop.api.url}{path}", "backoff": 0, **more.pop("rest", {})}
    entry = {"name": "shop", "preset": preset, "rest": rest, **more}
    text = {"company": "T", "home_market": "DE", "reporting_currency": "EUR", "sources": [entry]}
    (shop.folder / "company.yml").write_text(yaml.safe_dump(text))
    shop.company = load_company(shop.folder / "company.yml")


def rows(shop: Shop, columns: str, entity: str = "sales") -> list[tuple[str | None, ...]]:
    """Land and load; some columns of all rows that count, as texts."""
    shop.land()
    load.prepare(shop.connection, shop.company)
    load.load_source(shop.connection, shop.source, shop.company, shop.home, "run-1")
    listed = ", ".join(f"cast({name} as varchar)" for name in columns.split())
    bad = shop.connection.execute("select reason from quarantine.rows").fetchall()
    assert not bad
    found = shop.connection.execute(
        f"select {listed} from raw.{entity} where _superseded_by is null order by all"
    )
    return found.fetchall()


# ---------------------------------------------------------------- Shopify


def shopify_order(number: int, lines: int = 1, **more: Any) -> dict[str, Any]:
    money = {"shopMoney": {"amount": "11.90", "currencyCode": "EUR"}}
    line = {
        "title": "Lamp", "sku": "", "quantity": 2, "originalUnitPriceSet": money,
        "variant": {"id": "gid://shopify/ProductVariant/77"},
        "discountAllocations": [{"allocatedAmountSet": {"shopMoney": {"amount": "1.00"}}}],
        "taxLines": [{"priceSet": {"shopMoney": {"amount": "3.80"}}}],
    }  # fmt: skip
    edges = [{"node": {**line, "id": f"gid://shopify/LineItem/{number}{n}"}} for n in range(lines)]
    return {
        "id": f"gid://shopify/Order/{number}", "createdAt": "2026-01-01T10:00:00Z",
        "updatedAt": f"2026-01-{number:02d}T12:00:00Z", "cancelledAt": None,
        "taxesIncluded": True, "customer": None, "billingAddress": None,
        "shippingAddress": {"countryCodeV2": "AT"},
        "lineItems": {"pageInfo": {"hasNextPage": False}, "edges": edges}, **more,
    }  # fmt: skip


class Shopify:
    """Answers with at most two orders a page; `throttled` requests get no data first."""

    def __init__(self, orders: list[dict[str, Any]], throttled: int = 0) -> None:
        self.orders, self.throttled = orders, throttled

    def __call__(self, asked: Asked) -> Answer:
        if asked.headers.get("x-shopify-access-token") != SECRETS["SHOPIFY_ACCESS_TOKEN"]:
            return told({"errors": "[API] Invalid API key or access token"}, 401)
        given = asked.json["variables"]
        status = {"maximumAvailable": 1000.0, "currentlyAvailable": 2.0, "restoreRate": 50.0}
        cost = {"cost": {"requestedQueryCost": 102, "actualQueryCost": None,
                         "throttleStatus": status}}  # fmt: skip
        if self.throttled:
            self.throttled -= 1
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return told({"errors": [error], "extensions": cost})
        since = given.get("filter", "updated_at:>=''").split("'")[1]
        wanted = [order for order in self.orders if order["updatedAt"] >= since]
        first = int(given.get("after", "0"))
        edges = [{"node": order} for order in wanted[first : first + 2]]
        info = {"hasNextPage": first + 2 < len(wanted), "endCursor": str(first + len(edges))}
        page = {"orders": {"pageInfo": info, "edges": edges}}
        return told({"data": page, "extensions": cost})


def test_shopify_orders(shop: Shop) -> None:
    orders = [shopify_order(1), shopify_order(2, lines=2), shopify_order(3)]
    shop.api.answer = Shopify(orders, throttled=1)
    describe(shop, "shopify_orders")
    columns = "order_id line_id market product_id quantity unit_price discount_amount tax_amount"
    line = ("AT", "77", "2.0000", "10.0000", "1.0000", "3.8000")
    assert rows(shop, columns) == [
        ("1", "10", *line), ("2", "20", *line), ("2", "21", *line), ("3", "30", *line),
    ]  # fmt: skip
    assert shop.api.waits == [2.0]
    # the next run asks from the last change less the look-back; a cancelled order sells nothing
    orders[0] = shopify_order(1, cancelledAt="2026-01-04T09:00:00Z",
                              updatedAt="2026-01-04T09:00:00Z")  # fmt: skip
    found = rows(shop, "order_id quantity discount_amount")
    assert found[0] == ("1", "0.0000", "0.0000") and len(found) == 4
    assert shop.api.asked[-1].json["variables"]["filter"] == "updated_at:>='2026-01-03T11:50:00Z'"


def test_shopify_refusals(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    describe(shop, "shopify_orders")
    cut = shopify_order(1)
    cut["lineItems"]["pageInfo"]["hasNextPage"] = True
    shop.api.answer = Shopify([cut])
    with pytest.raises(TradewindError, match="a list inside a record was cut off"):
        shop.land()
    shop.api.answer = lambda asked: told({"errors": [{"message": "Field 'x' doesn't exist"}]})
    with pytest.raises(SourceUnreachable, match="Field 'x' doesn't exist"):
        shop.land()
    shop.api.answer = Shopify([], throttled=9)
    with pytest.raises(SourceUnreachable, match="asked too much, 5 times"):
        shop.land()
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_another_one")
    shop.api.answer = Shopify([])
    with pytest.raises(SourceUnreachable, match=r"status 401.*Invalid API key"):
        shop.land()


# ---------------------------------------------------------------- WooCommerce


def woo_order(number: int, status: str = "processing", **more: Any) -> dict[str, Any]:
    lines = [
        {"id": number * 10, "name": "Lamp", "product_id": 93, "variation_id": 0, "quantity": 2,
         "subtotal": "6.00", "subtotal_tax": "0.45", "total": "5.00", "total_tax": "0.38",
         "sku": "", "price": 2.5},
        {"id": number * 10 + 1, "name": "Oil", "product_id": 22, "variation_id": 23,
         "quantity": 1, "subtotal": "12.00", "subtotal_tax": "0.90", "total": "12.00",
         "total_tax": "0.90", "sku": "Bar3", "price": 12},
    ]  # fmt: skip
    return {
        "id": number, "parent_id": 0, "status": status, "currency": "USD",
        "date_created": "2026-01-01T09:28:02", "date_created_gmt": "2026-01-01T12:28:02",
        "date_modified_gmt": f"2026-01-{number:02d}T12:28:08", "customer_id": 0,
        "billing": {"country": "US"}, "shipping": {"country": ""}, "line_items": lines,
        "total": "18.28", **more,
    }  # fmt: skip


class Woo:
    """Answers with pages of two, whatever `per_page` says, as a shop with a lower limit does."""

    def __init__(self, orders: list[dict[str, Any]]) -> None:
        self.orders = orders

    def __call__(self, asked: Asked) -> Answer:
        pair = basic(SECRETS["WOOCOMMERCE_KEY"], SECRETS["WOOCOMMERCE_SECRET"])
        if asked.headers.get("authorization") != pair:
            body = {"code": "woocommerce_rest_cannot_view",
                    "message": "Sorry, you cannot list resources."}  # fmt: skip
            return told(body, 401)
        assert (asked.path, asked.query["per_page"]) == ("/wp-json/wc/v3/orders", "100")
        since = asked.query.get("modified_after", "")
        wanted = [order for order in self.orders if order["date_modified_gmt"] > since]
        first = 2 * (int(asked.query["page"]) - 1)
        headers = {"X_WP_Total": str(len(wanted)), "X_WP_TotalPages": str(-(-len(wanted) // 2)),
                   "Link": f'<{asked.path}?page=9>; rel="next"'}  # fmt: skip
        return told(wanted[first : first + 2], **headers)


def test_woocommerce_orders(shop: Shop) -> None:
    orders = [woo_order(1), woo_order(2, "cancelled"), woo_order(3)]
    answers = iter([told({"code": "too_many"}, 429, Retry_After="3")])
    woo = Woo(orders)
    shop.api.answer = lambda asked: next(answers, None) or woo(asked)
    describe(shop, "woocommerce_orders", "/wp-json/wc/v3")
    columns = "order_id market product_id quantity unit_price discount_amount tax_amount currency"
    assert rows(shop, columns)[:4] == [
        ("1", "US", "93", "2.0000", "3.0000", "1.0000", "0.3800", "USD"),
        ("1", "US", "Bar3", "1.0000", "12.0000", "0.0000", "0.9000", "USD"),
        ("2", "US", "93", "0.0000", "3.0000", "0.0000", "0.0000", "USD"),
        ("2", "US", "Bar3", "0.0000", "12.0000", "0.0000", "0.0000", "USD"),
    ]  # fmt: skip
    assert shop.api.waits == [3.0]
    assert not shop.is_new()
    assert shop.api.queries[-1]["modified_after"] == "2026-01-03T12:18:08"
    orders[0] = woo_order(1, "refunded", date_modified_gmt="2026-01-05T00:00:00")
    assert [row[1] for row in rows(shop, "order_id quantity")[:2]] == ["0.0000", "0.0000"]


def test_woocommerce_refuses_a_wrong_key(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.api.answer = Woo([])
    describe(shop, "woocommerce_orders", "/wp-json/wc/v3")
    monkeypatch.setenv("WOOCOMMERCE_SECRET", "cs_wrong_wrong")
    with pytest.raises(SourceUnreachable, match=r"status 401.*you cannot list resources"):
        shop.land()


# ---------------------------------------------------------------- Stripe


def charge(number: int, amount: int = 1999, currency: str = "usd", **more: Any) -> dict[str, Any]:
    return {
        "id": f"ch_{number}", "object": "charge", "amount": amount, "amount_captured": amount,
        "amount_refunded": 0, "created": 1767225600 + number * 86400, "currency": currency,
        "customer": None, "status": "succeeded", "metadata": {"sku": "LAMP"},
        "billing_details": {"address": {"country": "US"}}, "payment_method_details": {}, **more,
    }  # fmt: skip


def test_stripe_charges(shop: Shop) -> None:
    charges = [charge(3, 500, "jpy"), charge(2, status="failed"), charge(1)]
    limited = iter([told({"error": {"message": "Too many requests", "code": "rate_limit"}}, 429)])

    def answer(asked: Asked) -> Answer:
        assert asked.headers["authorization"] == basic(SECRETS["STRIPE_API_KEY"], "")
        assert asked.query["limit"] == "100"
        since = int(asked.query.get("created[gte]", 0))
        wanted = [each for each in charges if each["created"] >= since]
        ids = [each["id"] for each in wanted]
        after = asked.query.get("starting_after")
        first = ids.index(after) + 1 if after else 0
        page = {"object": "list", "url": "/v1/charges", "has_more": first + 2 < len(wanted),
                "data": wanted[first : first + 2]}  # fmt: skip
        return next(limited, None) or told(page)

    shop.api.answer = answer
    describe(shop, "stripe_charges", "/v1")
    columns = "order_id ordered_at market product_id quantity unit_price currency"
    assert rows(shop, columns) == [
        ("ch_1", "2026-01-02 00:00:00", "US", "LAMP", "1.0000", "19.9900", "USD"),
        ("ch_2", "2026-01-03 00:00:00", "US", "LAMP", "0.0000", "19.9900", "USD"),
        ("ch_3", "2026-01-04 00:00:00", "US", "LAMP", "1.0000", "500.0000", "JPY"),
    ]  # fmt: skip
    charges[2] = charge(1, amount_refunded=999)
    assert rows(shop, "order_id unit_price")[0] == ("ch_1", "10.0000")
    assert shop.api.queries[-1]["created[gte]"] == str(1767225600 + 3 * 86400 - 30 * 86400)
    shop.api.answer = lambda asked: told({"error": {"message": "Invalid API Key provided"}}, 401)
    with pytest.raises(SourceUnreachable, match=r"status 401.*Invalid API Key"):
        shop.land()


# ---------------------------------------------------------------- ECB and OData


def test_ecb_rates(shop: Shop) -> None:
    head = "KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE,OBS_STATUS,TITLE_COMPL"  # noqa: E501
    lines = [
        f'EXR.D.{code}.EUR.SP00.A,D,{code},EUR,SP00,A,2026-01-{day:02d},{value},A,"Rate, daily"'
        for code, day, value in (("USD", 2, "1.0353"), ("GBP", 2, "0.8299"), ("USD", 5, "1.04"))
    ]

    def answer(asked: Asked) -> Answer:
        assert asked.path == "/D..EUR.SP00.A" and asked.query["format"] == "csvdata"
        since = asked.query["startPeriod"]
        wanted = [line for line in lines if line.split(",")[6] >= since]
        headers = {"Content-Type": "text/csv"}
        return 200, headers, ("\r\n".join([head, *wanted]) + "\r\n").encode()

    shop.api.answer = answer
    describe(shop, "ecb_rates")
    columns = "rate_date currency per_eur provider"
    assert rows(shop, columns, "fx_rates") == [
        ("2026-01-02", "GBP", "0.8299", "ECB"), ("2026-01-02", "USD", "1.0353", "ECB"),
        ("2026-01-05", "USD", "1.04", "ECB"),
    ]  # fmt: skip
    assert not shop.is_new()
    assert shop.api.queries[0]["startPeriod"] == "1999-01-04"
    assert shop.api.queries[-1]["startPeriod"] == "2025-12-26"
    lines[2] = lines[2].replace("1.04", "1.05")
    assert rows(shop, columns, "fx_rates")[2][2] == "1.05"
    shop.api.answer = lambda asked: (500, {}, b"<html>down</html>")
    with pytest.raises(SourceUnreachable, match="status 500"):
        shop.land()


def test_an_odata_feed(shop: Shop) -> None:
    held = [{"OrderID": n, "Freight": 1.5, "Name": f"Lamp {n}"} for n in range(1, 6)]

    def answer(asked: Asked) -> Answer:
        first = int(asked.query.get("$skiptoken", 0))
        page: dict[str, Any] = {"@odata.context": "x", "value": held[first : first + 2]}
        if not first:
            assert asked.query["$count"] == "true" and "maxpagesize" in asked.headers["prefer"]
            page["@odata.count"] = len(held)
        if first + 2 < len(held):
            page["@odata.nextLink"] = f"{shop.api.url}/odata/Products?$skiptoken={first + 2}"
        return told(page)

    shop.api.answer = answer
    describe(shop, "odata", "/odata", entity="products", rest={"path": "Products"},
             columns={"product_id": "OrderID", "name": "Name"})  # fmt: skip
    assert [row[0] for row in rows(shop, "product_id name", "products")] == list("12345")
    del held[4]
    shop.api.answer = lambda asked: told({"error": {"code": "501", "message": "Unsupported"}}, 501)
    with pytest.raises(SourceUnreachable, match=r"status 501.*Unsupported"):
        shop.land()


# ---------------------------------------------------------------- presets themselves


@pytest.mark.parametrize("name", presets.names())
def test_presets_are_yaml_without_faults(name: str) -> None:
    document = read((presets.FOLDER / f"{name}.yml").read_text())
    assert not document.problems and document.value["kind"] == "rest"


def test_an_unknown_preset_is_told(shop: Shop) -> None:
    with pytest.raises(CompanyFileError, match="did you mean shopify_orders"):
        describe(shop, "shopify_order")


def test_what_the_company_file_says_counts_before_the_preset(shop: Shop) -> None:
    describe(shop, "stripe_charges", columns={"channel": "'card'"},
             rest={"look_back": "2 days", "fields": {"sku": ".metadata.product"},
                   "pagination": {"size": "10", "more": None}})  # fmt: skip
    settings = shop.source.rest
    assert (settings.look_back, settings.pagination.size, settings.pagination.more) == (
        "2 days", 10, None,
    )  # fmt: skip
    assert settings.fields["sku"] == ".metadata.product" and "billed_to" in settings.fields
    assert shop.source.columns["channel"] == "'card'" and shop.source.columns["order_id"] == "id"
    assert landing.manifest(shop.home, "shop") == []
    assert json.dumps(settings.model_dump())

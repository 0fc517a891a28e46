"""What is known of one page, and what single readers of it found."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Observation:
    """One product page at one moment; None where the page does not tell.

    Attributes:
        price: What one pack costs now, in `currency`; never a unit price, a tax or an instalment.
        list_price: The higher price that it is reduced from.
        currency: ISO 4217 code.
        availability: in_stock, out_of_stock, pre_order, unknown or not_found.
        sku: The shop's number of the product.
        gtin: GTIN with a valid check digit, as digits.
        mpn: The maker's part number.
        brand: The brand.
        title: The product's name.
        seller: Who sells it, where the page names one.
        pack_quantity: Content of the whole pack in `pack_unit`.
        pack_unit: l, kg, m or piece.
        method: What found the price: json_ld, microdata, rdfa, open_graph, selector, state or
            visible.
        suspicious: Whether the page itself gives cause to doubt the price.
        reason: Why there is no price, or why it is suspicious.
    """

    price: Decimal | None = None
    list_price: Decimal | None = None
    currency: str | None = None
    availability: str = "unknown"
    sku: str | None = None
    gtin: str | None = None
    mpn: str | None = None
    brand: str | None = None
    title: str | None = None
    seller: str | None = None
    pack_quantity: Decimal | None = None
    pack_unit: str | None = None
    method: str | None = None
    suspicious: bool = False
    reason: str | None = None


@dataclass(slots=True)
class Finding:
    """What one reader found on a page: texts as they are written, amounts as numbers.

    Attributes:
        method: The reader.
        price, list_price: Amounts.
        currency: A code or a sign.
        codes: ISO 4217 codes that the sign may mean; empty where `currency` is a code.
        availability: One of the five states.
        sku, gtin, mpn, brand, title, seller, url: As written.
    """

    method: str
    price: Decimal | None = None
    list_price: Decimal | None = None
    currency: str | None = None
    codes: tuple[str, ...] = ()
    availability: str | None = None
    sku: str | None = None
    gtin: str | None = None
    mpn: str | None = None
    brand: str | None = None
    title: str | None = None
    seller: str | None = None
    url: str | None = None

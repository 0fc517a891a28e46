"""Whether a product can be bought: schema.org's words, and those of buttons and labels."""

# ruff: noqa: RUF001 - words of many languages

import re

IN_STOCK, OUT_OF_STOCK, PRE_ORDER = "in_stock", "out_of_stock", "pre_order"
UNKNOWN, NOT_FOUND = "unknown", "not_found"

_SCHEMA = {
    "instock": IN_STOCK, "instoreonly": IN_STOCK, "onlineonly": IN_STOCK,
    "limitedavailability": IN_STOCK, "available": IN_STOCK, "instocklimited": IN_STOCK,
    "lowstock": IN_STOCK, "true": IN_STOCK, "yes": IN_STOCK, "availablefororder": IN_STOCK,
    "outofstock": OUT_OF_STOCK, "oos": OUT_OF_STOCK, "soldout": OUT_OF_STOCK,
    "discontinued": OUT_OF_STOCK, "unavailable": OUT_OF_STOCK, "notavailable": OUT_OF_STOCK,
    "outstock": OUT_OF_STOCK, "false": OUT_OF_STOCK,
    "preorder": PRE_ORDER, "presale": PRE_ORDER, "backorder": PRE_ORDER, "pending": PRE_ORDER,
    "madetoorder": IN_STOCK, "reserved": OUT_OF_STOCK, "pdpinstock": IN_STOCK,
}  # fmt: skip

_OUT = re.compile(
    r"out of stock|sold out|currently unavailable|temporarily unavailable|no longer available"
    r"|not available|unavailable|not in stock|discontinued|notify me when|email me when"
    r"|derzeit nicht verfügbar|nicht verfügbar|ausverkauft|nicht auf lager|vergriffen"
    r"|nicht (?:lieferbar|bestellbar|erhältlich)|cannot be (?:purchased|ordered)"
    r"|rupture de stock|indisponible|épuisé|en rupture|victime de son succès"
    r"|agotado|no disponible|sin existencias|sin stock|non disponibile|esaurito|non disponible"
    r"|esgotado|indisponível|uitverkocht|niet op voorraad|niet beschikbaar|niet leverbaar"
    r"|slutsåld|slut i lager|ej i lager|udsolgt|ikke på lager|utsolgt|loppuunmyyty"
    r"|wyprzedan|niedostępn|brak w magazynie|chwilowo niedostępny|vyprodáno|vyprodané"
    r"|není skladem|nie je skladom|momentálně nedostupné|momentálne nedostupn|nedostupn[éýá]"
    r"|elfogyott|nincs készleten|nem elérhető|stoc epuizat|indisponibil|изчерпан|няма наличност"
    r"|нет в наличии|нет на складе|распродано|закончился|немає в наявності|ni na zalogi"
    r"|razprodano|nije dostupno|rasprodano|nema na zalihi|tükendi|stokta yok|εξαντλ|μη διαθέσιμο"
    r"|売り切れ|在庫切れ|品切れ|售罄|缺货|缺貨|無庫存|품절|일시품절|غير متوفر|نفدت|ناموجود"
    r"|אזל מהמלאי|hết hàng|habis|สินค้าหมด",
    re.IGNORECASE,
)
_NOT_OF_PRODUCT = re.compile(
    r"image|photo|picture|bild|foto|immagin|video|option|store availab|check availab|let you know"
    r"|tracking|service|review|comment|delivery method|payment|country|region|size guide",
    re.IGNORECASE,
)
_PRE = re.compile(
    r"pre[- ]?order|available for backorder|backorder|vorbestell|précommande|reserva ahora"
    r"|preordina|pré-venda|przedsprzedaż|předobjedn|predobjedn|предзаказ|予約|预购|預購",
    re.IGNORECASE,
)
_IN = re.compile(
    r"(?<!back )(?<!when )(?<!not )\bin stock|add to (?:shopping )?(?:cart|bag|basket|trolley)"
    r"|buy (?:it )?now|available now|in den (?:warenkorb|einkaufswagen)"
    r"|auf lager|lieferbar\b|ajouter au panier|\ben stock|disponible\b|añadir a"
    r"|agregar al carr|comprar|aggiungi al carrello|disponibile\b|disponibilità immediata|adicionar"
    r"|in winkel(?:wagen|mand)|op voorraad|i lager|lägg i|på lager|læg i kurv|legg i|kjøp|ostoskor"
    r"|do koszyka|dostępny|skladem|do košíku|do košíka|skladom|raktáron|kosárba|în stoc"
    r"|adaugă în coș|в наличии|в корзину|купить|є в наявності|в кошик|купити|v košarico|na zalogi"
    r"|u košaricu|dostupno\b|na stanju|sepete ekle|stokta|καλάθι|διαθέσιμο|カートに入れる|在庫あり"
    r"|加入购物车|加入購物車|放入購物車|有货|장바구니|أضف (?:إلى|الى)|متوفر|thêm vào giỏ|còn hàng"
    r"|place bid|dodaj do",
    re.IGNORECASE,
)


# What only buttons say.
_ORDER = re.compile(
    r"\b(?:order now|buy|shop now|bestellen|jetzt kaufen|kaufen|commander|acheter|ordina|acquista"
    r"|compra|pedir|objednat|objednať|koupit|kúpiť|rendelés|megrendel|megveszem|zamów|kup teraz"
    r"|kupuję|kopen|bestel|köp|osta|kjøp|køb|sipariş ver|satın al|cumpără|comandă|kupi|naruči"
    r"|v košaro|u korpu|заказать|купить|замовити|αγορά|mua ngay|beli|place a? ?bid)\b"
    r"|立即購買|直接購買|立即购买|購物車|买|買い物かご|かごに入れる|購入|구매|담기"
    r"|ซื้อ|اشتر|הוסף לסל",
    re.IGNORECASE,
)


def of_schema(text: str | None) -> str | None:
    """The state that a value such as `https://schema.org/InStock` or `in stock` names."""
    if not text:
        return None
    word = re.sub(r"[^a-z]", "", text.strip().rstrip("/").rsplit("/", 1)[-1].lower())
    return _SCHEMA.get(word) or (of_text(text) if len(text) < 120 and "/" not in text else None)


def of_text(text: str) -> str | None:
    """The state that a short visible text tells."""
    if _NOT_OF_PRODUCT.search(text):
        return None
    if _OUT.search(text):
        return OUT_OF_STOCK
    if _PRE.search(text):
        return PRE_ORDER
    return IN_STOCK if _IN.search(text) else None


def is_order_text(text: str) -> bool:
    """Whether a button of this text puts the product into the basket or orders it."""
    found = _IN.search(text) or _PRE.search(text) or _ORDER.search(text)
    return found is not None and not _OUT.search(text)

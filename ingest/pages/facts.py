"""What a page says beside its price: by labels such as `Brand: Acme`, and by its address."""

# ruff: noqa: RUF001 - words and signs of many languages

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from ingest.pages import identifiers, regions
from ingest.pages.document import Document, squeeze
from ingest.pages.observation import Finding
from ingest.pages.walk import Walk

_LABELS = {
    "brand": r"brand(?: name)?|marke(?:nname)?|marque|marca|merk|märke|mærke|merke|značka|znamka"
    r"|blagovna znamka|bränd|márka|бренд|марка|торговая марка|marka|μάρκα|ブランド|品牌|브랜드"
    r"|العلامة التجارية",
    "maker": r"manufacturer|hersteller|fabricant|fabricante|produttore|producent|výrobc[ea]|výrobca"
    r"|proizvajalec|proizvođač|gyártó|producător|производитель|виробник|tillverkare|fabrikant|メーカー",
    "sku": r"sku|item (?:no|number|code|id|#)|product (?:no|number|code|id|#)|stock code"
    r"|article (?:no|number)|art\.? ?(?:-? ?nr|no|n°)|art(?:ikel)?-?(?:nummer|nr)"
    r"|bestell-?(?:nr|nummer)"
    r"|code article|référence|réf|ref(?:erence)?|referencia|codice(?: articolo| prodotto)?|cod"
    r"|código(?: do produto)?|asin|артикул|код(?: товара| товару)?"
    r"|kód(?: zboží| produktu| tovaru)?"
    r"|(?:objednací|objednávací|katalogové) (?:číslo|kód)|cikkszám|numer katalogowy"
    r"|šifra(?: artikla| izdelka)?|ebay item number|internet #|web id|style (?:no|number|#)"
    r"|catalog (?:no|number)"
    r"|商品番号|商品コード|商品編號|貨號|상품번호",
    "mpn": r"mpn|(?:manufacturer'?s? |mfr\.? )?part (?:no|number|#)|mfg #"
    r"|(?:item )?model(?: no| number| #)|modell?nummer|hersteller(?:artikel)?-?nummer|teilenummer"
    r"|part number|codice modello"
    r"|numéro (?:de modèle|du modèle de l'article|de pièce(?: fabricant)?)|référence fabricant"
    r"|numero modello(?: articolo)?|número de modelo(?: del producto)?",
    "gtin": r"ean(?:[ -]?(?:13|8|code|kód|kod))?|gtin(?:-?1[234])?|upc(?:-a)?|isbn(?:-1[03])?|jan"
    r"|barcode|strichcode|code[ -]barres?|čiarový kód|čárový kód|vonalkód|штрихкод|kod kreskowy",
    "seller": r"sold by|seller|vendu par|verkauf (?:durch|von)|venduto da|vendido por|verkäufer"
    r"|vendeur|venditore|продавец|sprzedawca",
}  # fmt: skip
_FIELDS = {
    name: re.compile(rf"(?:{words})\.?\s*$", re.IGNORECASE) for name, words in _LABELS.items()
}
_INLINE = {
    name: re.compile(rf"(?:^|[|(•]\s*)(?:{words})\.?\s*[:：#]\s*(.+)$", re.IGNORECASE)
    for name, words in _LABELS.items()
}
_ANY = re.compile("|".join(_LABELS.values()), re.IGNORECASE)
_NUMBER = re.compile(r"[\w/.+*-]*\d[\w/.+*-]*")
_NO_NAME = re.compile(r"rating|information|details|profile|contact|reviews|policy", re.IGNORECASE)
_NEAR_VALUE = 12
_SKIPPED = regions.RELATED | regions.CHROME | regions.REVIEW
_IN_URL = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{0,3}\d[A-Za-z0-9]{3,17})(?![A-Za-z0-9])")
_STORE = re.compile(
    r"^(?:visit the (.+?) store|besuchen? sie den (.+?)[- ]store|visiter la boutique (.+)"
    r"|visita lo store di (.+)|visita la tienda de (.+)|by (.+)|von (.+)|de (.+)|di (.+))$",
    re.IGNORECASE,
)


def read_facts(document: Document, walk: Walk) -> Finding:
    """Read what labels beside values tell of the product."""
    finding = Finding("label", title=walk.title or None)
    makers: list[str] = []
    for name, value in _pairs(walk):
        if name == "maker":
            makers.append(value)
        elif getattr(finding, name) is None:
            setattr(finding, name, value)
    told = finding.brand or _named_brand(document, walk)
    finding.brand = told or next(iter(makers), None)
    return finding


def _pairs(walk: Walk) -> Iterator[tuple[str, str]]:
    """Fields and their values, in the order of the page."""
    chunks = [chunk for chunk in walk.chunks if not chunk.flags & _SKIPPED]
    for number, chunk in enumerate(chunks):
        text = chunk.text
        if len(text) > 120 or not _ANY.search(text):
            continue
        following = chunks[number + 1 : number + 4]
        near = [each.text for each in following if each.place - chunk.place <= _NEAR_VALUE]
        for name, inline in _INLINE.items():
            found = inline.search(text)
            value = _value(name, found[1]) if found else None
            if value is None and len(text) < 40 and _FIELDS[name].match(text.rstrip(" :：#\u200e")):
                following_value = next((t for t in near if t.strip(" :：\u200e\u200f-")), "")
                value = _value(name, following_value)
            if value:
                yield name, value


def _value(name: str, text: str) -> str | None:
    """What stands behind a label, if it can be a value of the field."""
    text = squeeze(text).strip(" :：#\u200e\u200f")
    if name == "gtin":
        return next(filter(None, map(identifiers.gtin, re.split(r"[^\d-]+", text))), None)
    if name in ("sku", "mpn"):
        found = _NUMBER.match(text)
        whole = text if len(text) <= 30 and any(c.isdigit() for c in text) else None
        return whole if name == "mpn" and whole else (found[0].rstrip(".") if found else None)
    is_name = 1 < len(text) <= 40 and not text.endswith((".", "!", "?"))
    is_label = _ANY.fullmatch(text) or _NO_NAME.search(text)
    return identifiers.name(text) if is_name and not is_label else None


_BRANDED = re.compile(
    r"(?:^|[\s_-])(?:brand|byline|manufacturer|marke|marque|vendor)", re.IGNORECASE
)


def _named_brand(document: Document, walk: Walk) -> str | None:
    """The short text of an element that is named after the brand, near the heading."""
    title = walk.title.lower()
    spare: str | None = None
    for chunk in walk.chunks:
        if chunk.flags & _SKIPPED or not 1 < len(chunk.text) <= 60:
            continue
        if not walk.heading - 300 <= chunk.place <= walk.heading + 300:
            continue
        if _BRANDED.search(_names(chunk.element)):
            store = _STORE.match(chunk.text)
            text = next(filter(None, store.groups()), "") if store else chunk.text
            text = re.split(r"[:：]\s*", text)[-1]
            if text and text.lower() in title:
                return text
            spare = spare or (text if len(text) <= 30 else None)
    return spare


def _names(element: Any) -> str:
    parent = element.getparent()
    above = (parent.get("class"), parent.get("id")) if parent is not None else ()
    own = (
        element.get("class"),
        element.get("id"),
        element.get("href") if element.tag == "a" else "",
    )
    return " ".join(filter(None, (*own, *above)))


def number_in(url: str) -> str | None:
    """The number of the product in its address: the last word of it that is mostly digits."""
    try:
        path = unquote(urlsplit(url).path)
    except ValueError:
        return None
    found: list[str] = _IN_URL.findall(path)
    long = [word for word in found if sum(c.isdigit() for c in word) >= max(4, len(word) / 3)]
    if not long:
        return None
    last = long[-1]
    # p3897500 is page 3897500
    return re.sub(r"^[pP](?=\d{4})", "", last)

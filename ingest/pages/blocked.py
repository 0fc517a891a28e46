"""Pages that are no product page at all: walls, captchas, and pages that say there is nothing."""

# ruff: noqa: RUF001 - words of many languages

import re

from ingest.pages.document import Document, squeeze

_BLOCK = re.compile(
    r"are you a (?:human|robot)|not a robot|robot check"
    r"|verify (?:that )?you(?:'re| are) (?:a )?human"
    r"|access (?:to this page )?(?:has been )?denied|access denied|request (?:was )?blocked"
    r"|attention required!? *\| *cloudflare|checking your browser|just a moment\.\.\."
    r"|enter the characters you see|unusual traffic|pardon our interruption|security check"
    r"|please enable (?:js|javascript|cookies) and (?:disable|reload|refresh)|you have been blocked"
    r"|automated access|bot detection|ddos protection|too many requests"
    r"|why have i been blocked|incapsula incident|reference #\d+\.[0-9a-f]+|human verification"
    r"|bist du ein mensch|vous êtes un robot|ich bin kein roboter|no soy un robot"
    r"|non sono un robot",
    re.IGNORECASE,
)
_CAPTCHA = re.compile(
    r"g-recaptcha|h-captcha|px-captcha|cf-challenge|cf_chl_|captcha-delivery\.com|/captcha/"
    r"|validateCaptcha|_Incapsula_Resource|perimeterx|datadome|challenge-platform",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"^\W*(?:error )?404\b|404[ :-]+(?:error|not found|page)|error 404|^\W*not found\W*$"
    r"|page (?:was |could )?not (?:be )?found|page (?:you requested )?(?:does not|doesn't)"
    r" exist|no longer exists|can(?:'|no)t find (?:that|the|this) page|product not found"
    r"|product (?:is )?no longer (?:exists|listed)|seite (?:wurde )?nicht gefunden"
    r"|(?:produkt|artikel) (?:wurde )?nicht gefunden|(?:page|produit) introuvable"
    r"|pagina non trovata"
    r"|(?:seite|produkt|artikel)\b.{0,30}existiert .{0,12}nicht|n['’]existe (?:plus|pas)\b"
    r"|no encontramos (?:la|el|esta|este) (?:página|producto)|(?:página|producto) .{0,12}no existe"
    r"|(?:pagina|prodotto) .{0,12}non esiste|pagina bestaat niet|(?:página|produto) não existe"
    r"|(?:página|producto) no encontrad[ao]"
    r"|página não encontrada|pagina niet gevonden|sidan (?:kunde inte hittas|hittades"
    r" inte)|siden (?:blev|ble|findes) ikke|strona nie (?:istnieje|została znaleziona)"
    r"|stránka (?:nebyla nalezena|nenalezena|sa nenašla|neexistuje)|страница не найдена"
    r"|товар не найден|sayfa bulunamadı|az oldal nem található|ページが見つかりません|页面不存在",
    re.IGNORECASE,
)
_CONSENT = re.compile(
    r"before you continue|accept (?:all )?cookies to continue|we value your privacy"
    r"|cookie consent|consent to (?:the use of )?cookies|bevor sie (?:fortfahren|weitergehen)"
    r"|avant de continuer|prima di continuare|antes de continuar|datenschutz-?einstellungen"
    r"|consent (?:wall|required)|your privacy (?:choices|matters)|age verification|verify your age"
    r"|are you (?:over|at least) 1[68]",
    re.IGNORECASE,
)
_SMALL = 1500
_TINY = 4000


def visible_text(document: Document) -> str:
    """The text of the page's body without its scripts."""
    body = document.root.find("body")
    parts: list[str] = []
    for element in (document.root if body is None else body).iter("*"):
        if element.tag not in ("script", "style", "noscript", "template") and element.text:
            parts.append(element.text)
        if element.tail:
            parts.append(element.tail)
    return squeeze(" ".join(parts))


def wall(document: Document, is_marked: bool, is_shown: bool) -> tuple[str, str] | None:
    """State and reason of a page that shows no product; None for any other.

    Args:
        document: The page.
        is_marked: Whether markup for machines tells a product with a price.
        is_shown: Whether a price is shown where that of a product would be.
    """
    words = visible_text(document)
    heads = [document.title, *_headings(document)]
    is_small = len(words) < _SMALL
    if is_marked:
        return None
    if any(map(_BLOCK.search, heads)) or (is_small and _BLOCK.search(words)):
        return "unknown", "the page asks whether a robot reads it"
    if any(map(_GONE.search, heads)) or (is_small and _GONE.search(words)):
        return "not_found", "the page says that there is no such page"
    # a wall may name prices of its own: `or subscribe for 4.99 a month`
    is_only_consent = _CONSENT.search(document.title) or _all_ask(document)
    if is_shown and not is_only_consent:
        return None
    if len(words) < _TINY and _CAPTCHA.search(document.text):
        return "unknown", "the page is a captcha"
    if is_only_consent or any(map(_CONSENT.search, heads)) or (is_small and _CONSENT.search(words)):
        return "unknown", "the page asks for consent first"
    if not words:
        return "unknown", "the page is empty without its scripts"
    return None


def _all_ask(document: Document) -> bool:
    """Whether all main headings ask for consent; a banner leaves the product its own."""
    heads = [squeeze(h.text_content()) for h in document.root.iter("h1")]
    return bool(heads) and all(map(_CONSENT.search, heads))


def _headings(document: Document) -> list[str]:
    return [squeeze(h.text_content())[:200] for h in document.root.iter("h1", "h2")][:4]

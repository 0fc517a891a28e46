"""Numbers of products: GTINs with their check digit, MPNs, the shop's own numbers, brands."""

import re

from ingest.pages.document import squeeze

_GTIN_LENGTHS = (8, 12, 13, 14)
_BEFORE_BRAND = re.compile(
    r"^.*\b(?:brand|marca|marke|marque|merk|märke|mærke|merke|marka|značka)s?\s*:\s*", re.IGNORECASE
)
_PLACEHOLDERS = frozenset({"", "-", "n/a", "na", "n.a.", "none", "null", "undefined", "unknown",
                           "0", "false", "does not apply", "nicht zutreffend"})  # fmt: skip


def gtin(text: str | None) -> str | None:
    """The digits of a GTIN; None unless the last one is the check digit of the others.

    Weights 3 and 1 from the right (GS1 General Specifications, section 7.9).
    """
    digits = re.sub(r"[\s-]", "", text or "")
    if len(digits) not in _GTIN_LENGTHS or not (digits.isascii() and digits.isdigit()):
        return None
    weighted = sum(int(d) * (3 if n % 2 else 1) for n, d in enumerate(reversed(digits)))
    return digits if weighted % 10 == 0 and int(digits) else None


def name(text: str | None, longest: int = 100) -> str | None:
    """A brand, number or seller as written; None for a placeholder or what is no name."""
    found = squeeze(text).strip(" :#\u200e\u200f")
    if found.lower() in _PLACEHOLDERS or len(found) > longest:
        return None
    return found


def brand(text: str | None) -> str | None:
    """A brand without the words of a link to its other products: `More of this brand: Acme`."""
    return name(_BEFORE_BRAND.sub("", text)) if text else None

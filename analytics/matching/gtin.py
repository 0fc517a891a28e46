"""GTINs (EAN, UPC): the 8, 12, 13 and 14-digit forms of one article as one number."""

import re

_LENGTHS = (8, 12, 13, 14)


def normalise(text: str | None) -> str | None:
    """Fourteen digits of a GTIN, or None where the text is none.

    Spaces and hyphens do not count; the last digit must be the check digit of the others (GS1
    General Specifications, section 7.9: weights 3 and 1 from the right). All zeros is no number.
    """
    digits = re.sub(r"[\s-]", "", text or "")
    if len(digits) not in _LENGTHS or not (digits.isascii() and digits.isdigit()):
        return None
    weighted = sum(int(d) * (3 if n % 2 else 1) for n, d in enumerate(reversed(digits)))
    return digits.zfill(14) if weighted % 10 == 0 and int(digits) else None

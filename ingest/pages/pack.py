"""Content of a pack, from the title: 6 x 330 ml is 1.98 l."""

import re
import unicodedata
from decimal import Decimal

_UNITS = {
    "ml": ("0.001", "l"), "cl": ("0.01", "l"), "dl": ("0.1", "l"), "l": ("1", "l"),
    "ltr": ("1", "l"), "litre": ("1", "l"), "litres": ("1", "l"), "liter": ("1", "l"),
    "liters": ("1", "l"), "mg": ("0.000001", "kg"), "g": ("0.001", "kg"), "gr": ("0.001", "kg"),
    "kg": ("1", "kg"), "oz": ("0.028349523125", "kg"), "lb": ("0.45359237", "kg"),
    "mm": ("0.001", "m"), "cm": ("0.01", "m"), "m": ("1", "m"),
    "pcs": ("1", "piece"), "pc": ("1", "piece"), "pack": ("1", "piece"), "pk": ("1", "piece"),
    "piece": ("1", "piece"), "pieces": ("1", "piece"), "stk": ("1", "piece"),
    "ct": ("1", "piece"), "count": ("1", "piece"),
}  # fmt: skip
_NAMES = "|".join(sorted(_UNITS, key=len, reverse=True))
_SIZE = re.compile(
    rf"(?<![\w.,])(?:(?P<times>\d+)\s*[x\u00d7*]\s*)?(?P<size>\d+(?:[.,]\d+)?)\s*(?P<unit>{_NAMES})\b"
)
_PACK_OF = re.compile(r"\b(?:pack|set|box|case)\s+of\s+(\d+)\b")
_LARGEST = Decimal(10) ** 9
_SCALE = Decimal("0.0001")


def pack_of(title: str | None) -> tuple[Decimal | None, str | None]:
    """Content and unit (l, kg, m or piece) of the pack that a title tells.

    The sizes are those that products are matched by, so that both sides of a match agree.
    """
    text = unicodedata.normalize("NFKD", (title or "").lower())
    found, pieces = _SIZE.search(text), _PACK_OF.search(text)
    if found is None:
        return (Decimal(pieces[1]), "piece") if pieces else (None, None)
    factor, unit = _UNITS[found["unit"]]
    size = Decimal(found["size"].replace(",", ".")) * Decimal(factor) * int(found["times"] or 1)
    size *= int(pieces[1]) if pieces else 1
    size = size.quantize(_SCALE) if size < _LARGEST else Decimal(0)
    return (Decimal(f"{size.normalize():f}"), unit) if size else (None, None)

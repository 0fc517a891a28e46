"""What a title says: its words, the content of its pack, and the numbers that name a model."""

import re
import unicodedata
from dataclasses import dataclass

# factor to the base unit: litre, kilogram, metre, piece
_UNITS = {
    "ml": (0.001, "l"), "cl": (0.01, "l"), "dl": (0.1, "l"), "l": (1.0, "l"), "ltr": (1.0, "l"),
    "litre": (1.0, "l"), "litres": (1.0, "l"), "liter": (1.0, "l"), "liters": (1.0, "l"),
    "mg": (1e-6, "kg"), "g": (0.001, "kg"), "gr": (0.001, "kg"), "kg": (1.0, "kg"),
    "oz": (0.028349523125, "kg"), "lb": (0.45359237, "kg"),
    "mm": (0.001, "m"), "cm": (0.01, "m"), "m": (1.0, "m"),
    "pcs": (1.0, "piece"), "pc": (1.0, "piece"), "pack": (1.0, "piece"), "pk": (1.0, "piece"),
    "piece": (1.0, "piece"), "pieces": (1.0, "piece"), "stk": (1.0, "piece"),
    "ct": (1.0, "piece"), "count": (1.0, "piece"),
}  # fmt: skip
_NAMES = "|".join(sorted(_UNITS, key=len, reverse=True))
_NUMBER = r"\d+(?:[.,]\d+)?"
_PACK = re.compile(
    rf"(?:(?P<times>\d+)\s*[x\u00d7*]\s*)?(?P<size>{_NUMBER})\s*(?P<unit>{_NAMES})\b", re.IGNORECASE
)
_PACK_OF = re.compile(r"\b(?:pack|set|box|case)\s+of\s+(?P<count>\d+)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Title:
    """A title as it is compared.

    Attributes:
        words: Its words without the pack, in small letters without accents, in order.
        numbers: Words of it that hold a digit: model numbers and sizes.
        content: Content of the pack in `unit`; None where the title tells none.
        unit: l, kg, m or piece.
    """

    words: tuple[str, ...]
    numbers: frozenset[str]
    content: float | None = None
    unit: str | None = None

    @property
    def text(self) -> str:
        """The words as one text."""
        return " ".join(self.words)


def read(text: str) -> Title:
    """Read a title: `Cola 6 x 330 ml` is the word `cola` and 1.98 l."""
    plain = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    content, unit, plain = _pack(plain)
    words = tuple(re.findall(r"[^\W_]+", plain))
    numbers = frozenset(word for word in words if any(c.isdigit() for c in word))
    return Title(words, numbers, content, unit)


def _pack(text: str) -> tuple[float | None, str | None, str]:
    """Content and unit of the first pack that a text tells, and the text without it."""
    found = _PACK.search(text)
    pieces = _PACK_OF.search(text)
    if found is None:
        if pieces is None:
            return None, None, text
        return float(pieces["count"]), "piece", text.replace(pieces[0], " ")
    factor, unit = _UNITS[found["unit"].lower()]
    size = float(found["size"].replace(",", ".")) * factor * int(found["times"] or 1)
    text = text.replace(found[0], " ")
    if pieces is not None:
        size *= int(pieces["count"])
        text = text.replace(pieces[0], " ")
    return round(size, 9), unit, text


def content_of(quantity: float | None, unit: str | None) -> tuple[float | None, str | None]:
    """Content in base units of a pack that columns tell, such as 330 and `ml`."""
    known = _UNITS.get((unit or "").strip().lower())
    if quantity is None or known is None:
        return None, None
    return round(float(quantity) * known[0], 9), known[1]

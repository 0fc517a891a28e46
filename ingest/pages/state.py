"""What the scripts of a page say: amounts named as prices, and the product of its own state."""

import re
from collections import Counter
from decimal import Decimal

from ingest.pages.document import Document
from ingest.pages.products import amount

_NAMED = re.compile(
    r"[\"']?\b[\w-]*[pP]rice[\w-]*[\"']?\s*[:=]\s*[\"']?\s*(?:[^\w\s\"'{\[]{0,2}\s?)(\d[\d.,]{0,14})"
)
_MOST = 3_000_000


def named_amounts(document: Document) -> Counter[Decimal]:
    """Amounts that scripts and attributes of the page give to something named price."""
    found: Counter[Decimal] = Counter()
    for match in _NAMED.finditer(document.text[:_MOST]):
        value = amount(match[1].rstrip(".,"))
        if value is not None:
            found[value] += 1
    return found

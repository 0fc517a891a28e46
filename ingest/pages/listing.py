"""Lists of products, on their own pages and beside a product: cards that are made alike."""

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

_FEWEST = 4
_NO_PAGE = ("#", "javascript:", "mailto:", "tel:")


def cards(alike: Sequence[Any], heading: Any) -> list[Any]:
    """The cards of elements that are made alike, where they lead to pages of their own.

    A card is what stands around one of them and around none of the others. That of the product
    itself holds the page's heading, or leads nowhere.

    Args:
        alike: Elements with prices, such as all `span.price` of a page.
        heading: The heading that names the product; None where there is none.
    """
    if len(alike) < _FEWEST:
        return []
    held = Counter(above for element in alike for above in (element, *element.iterancestors()))
    of_heading = set() if heading is None else {heading, *heading.iterancestors()}
    leading: dict[str, Any] = {}
    for element in alike:
        alone = list(takewhile(lambda e: held[e] == 1, (element, *element.iterancestors())))
        if alone and not of_heading & set(alone):
            for target in _targets(alone[-1])[:1]:
                leading.setdefault(target, alone[-1])
    return list(leading.values()) if len(leading) >= _FEWEST else []


def _targets(card: Any) -> list[str]:
    """Where the links in and around a card lead."""
    around = [card, *card.iterancestors("a")]
    links = [link.get("href", "").strip() for each in around for link in each.iter("a")]
    return [link for link in links if link and not link.lower().startswith(_NO_PAGE)]

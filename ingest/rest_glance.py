"""What a page says in one place, told from its bytes: long before all of it has been parsed.

Only what stands in a header, or behind a key that the page has once, is told at all, and in all
likelihood: a key may be written with escapes, or be in another object than was thought. So what is
told here may lead to a request, and never to what is read.
"""

import json
import re
from typing import Any

from ingest.rest_client import MARK, Page
from ingest.rest_paths import Path
from ingest.rest_settings import ThrottleSettings

UNTOLD = object()
"""What stands at a path cannot be told before the page is parsed."""

_SPACE = rb"[ \t\r\n]*"
# whole numbers that are beyond all doubt, and texts that stand there as they are
_VALUE = re.compile(
    _SPACE + rb':' + _SPACE + rb'("[^"\\\x00-\x1f]*"|-?[1-9][0-9]{0,17}|0|true|false|null)'
    + _SPACE + rb"[,}]"
)  # fmt: skip


def glanced(path: str, page: Page) -> Any:
    """What stands at a path, None for null or a header that is missing; `UNTOLD` where unsure."""
    found = Path.of(path)
    if found.header is not None:
        return page.headers.get(found.header)
    key = found.steps[-1] if found.steps else None
    if key is None:
        return UNTOLD
    name = json.dumps(key, ensure_ascii=False).encode("utf-8", "replace")
    at = page.body.find(name)
    if at < 0 or page.body.find(name, at + 1) >= 0:
        return UNTOLD
    value = _VALUE.match(page.body, at + len(name))
    if value is None:
        return UNTOLD
    try:
        return json.loads(value[1])
    except ValueError:
        return UNTOLD


def looks_good(body: bytes, throttle: ThrottleSettings | None) -> bool:
    """Whether a body may be JSON that is no refusal: another page follows on nothing else."""
    text = body.removeprefix(MARK).strip()
    if throttle is not None and throttle.value.encode() in text:
        return False
    return text[:1] + text[-1:] in (b"{}", b"[]")

"""JSON as shops write it: comments, trailing commas, raw line breaks, entities, stray marks."""

import html
import json
import re
from typing import Any

_WRAPPED = re.compile(r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/)?\s*")
_ENDED = re.compile(r"\s*(?:-->|//\s*\]\]>|\]\]>|/\*\s*\]\]>\s*\*/)?[\s;]*$")
_COMMENT_OR_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
_BAD_ESCAPE = re.compile(r'\\(?!["\\/bfnrtu])')
_MISSING_COMMA = re.compile(r'(["\d}\]])(\s*\n\s*)(?="[^"\n]{1,60}"\s*:)')
_MOST = 4_000_000


def loads(text: str) -> Any:
    """Read JSON as well as can be; None where nothing helps."""
    text = text[:_MOST]
    for attempt in _attempts(text):
        try:
            return json.loads(attempt, strict=False)
        except (ValueError, RecursionError):
            continue
    return _several(text)


def _attempts(text: str) -> Any:
    """The text, mended more and more."""
    bare = _ENDED.sub("", _WRAPPED.sub("", text, count=1))
    yield bare
    plain = _TRAILING.sub(lambda m: m[1] or "", _COMMENT_OR_STRING.sub(_kept, bare))
    yield plain
    yield _BAD_ESCAPE.sub(r"\\\\", plain)
    yield _MISSING_COMMA.sub(r"\1,\2", plain)
    if "&" in plain:
        yield html.unescape(plain)
        yield plain.replace("&quot;", '"')


def _kept(match: re.Match[str]) -> str:
    return match[0] if match[0].startswith('"') else " "


def _several(text: str) -> Any:
    """The values of a text that holds one after the other, or a good one before garbage."""
    decoder = json.JSONDecoder(strict=False)
    found: list[Any] = []
    place = 0
    while len(found) < 50:
        start = min(
            (p for p in (text.find("{", place), text.find("[", place)) if p >= 0), default=-1
        )
        if start < 0:
            break
        try:
            value, place = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            break
        found.append(value)
    return found or None

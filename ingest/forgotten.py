"""People who asked to be forgotten: how they are recognised without their names being kept.

`$TRADEWIND_HOME/forgotten.json` holds a random salt and, a person, the salted SHA-256 of the
customer's canonical id. So a delivery that brings a person back is known for one while it lands,
and nobody reads a name out of the state.
"""

import hashlib
import html
import json
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html.entities import codepoint2name
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ingest.home import Home
from ingest.landing import FORGOTTEN
from ingest.specification import ENTITIES
from ingest.sql import literal

PERSONAL = {
    name: frozenset(column.name for column in entity.columns if column.personal)
    for name, entity in ENTITIES.items()
}
"""By entity, the columns that say something about a person."""

TOKEN = "forgotten-"
TOKEN_DIGITS = 12
_WORD_LENGTH = 4


@dataclass(frozen=True)
class People:
    """Whom to recognise: by digests of their ids, and by their names where these are known.

    Attributes:
        salt: Random, the same for all people of a home.
        digests: Salted SHA-256 of canonical ids, in hex.
        names: Texts that stand for them; empty where only digests are known.
    """

    salt: str
    digests: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def digest(self, name: str) -> str:
        """The salted SHA-256 of a canonical id."""
        return hashlib.sha256((self.salt + name).encode()).hexdigest()

    def named(self, names: Iterable[str]) -> "People":
        """The same people, known by these texts as well."""
        return replace(self, names=tuple(dict.fromkeys([*self.names, *names])))

    @cached_property
    def telling(self) -> "People":
        """By those names alone that mean nobody and nothing else, wherever they stand."""
        return replace(self, names=tuple(name for name in self.names if is_telling(name)))

    @cached_property
    def worded(self) -> "People":
        """By those names alone that are words, and not bare numbers or short codes."""
        return replace(self, names=tuple(name for name in self.names if is_word(name)))

    @cached_property
    def long(self) -> "People":
        """By those names alone that are no short codes: for logs, where numbers are few."""
        return replace(self, names=tuple(n for n in self.names if len(n.strip()) >= _WORD_LENGTH))

    def is_one_sql(self, value: str) -> str:
        """SQL that is true where a text is the canonical id of one of them."""
        return f"coalesce(sha256({literal(self.salt)} || {value}) in {_tuple(self.digests)}, false)"

    def is_named(self, text: str) -> bool:
        """Whether a text holds one of the names as a word, however it is escaped."""
        return bool(self.names) and self._pattern.search(text) is not None

    def without(self, text: str) -> str:
        """A text with the token in place of each name."""
        return self._pattern.sub(self.token, text) if self.names else text

    def without_sql(self, value: str) -> str:
        """SQL of a text with the token in place of each name."""
        if not self.names:
            return value
        by = literal(rf"\1{self.token}\2")
        pattern = literal(self.sql_pattern)
        # twice, for what stands between two names belongs to the first
        for _ in range(2):
            value = f"regexp_replace({value}, {pattern}, {by}, 'g')"
        return value

    def without_in_json(self, value: Any, numbers: bool = False) -> Any:
        """A JSON value with the token in place of each name in its texts, or of equal numbers."""
        if isinstance(value, str):
            return self.without(value)
        if isinstance(value, list):
            return [self.without_in_json(item, numbers) for item in value]
        if isinstance(value, dict):
            return {self.without(k): self.without_in_json(v, numbers) for k, v in value.items()}
        is_number = numbers and isinstance(value, int | float) and not isinstance(value, bool)
        return self.token if is_number and str(value) in self.names else value

    @property
    def token(self) -> str:
        """What stands where a value is needed: the same for a person in every delivery."""
        return f"{TOKEN}{self.digests[0][:TOKEN_DIGITS]}"

    @property
    def sql_pattern(self) -> str:
        """The names as a pattern of DuckDB's, with what stands before and after as groups."""
        return rf"(?i)(^|[^\pL\pN])(?:{self._alternatives})($|[^\pL\pN])"

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![^\W_])(?:{self._alternatives})(?![^\W_])", re.IGNORECASE)

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """The names in all forms in which files write them, the longest first."""
        # escapes of capitals are other ones than those of small letters
        cased = {c for n in self.names for c in (n, n.lower(), n.upper(), n.title())}
        spelled = {form for name in cased for form in _spellings(name)}
        # they are looked for in any case: of forms that differ in it alone, one does for all
        distinct = {_in_small_letters(form): form for form in sorted(spelled)}.values()
        return tuple(sorted(distinct, key=lambda form: (-len(form), form)))

    @cached_property
    def _alternatives(self) -> str:
        return "|".join(map(re.escape, self.spellings))


def is_word(name: str) -> bool:
    """Whether a text is more than a number or a short code, which may mean anything."""
    bare = name.strip()
    return len(bare) >= _WORD_LENGTH and any(character.isalpha() for character in bare)


def is_telling(name: str) -> bool:
    """Whether a text can be looked for in any column: Zoe Quill, zoe@quill.example, C100064.

    A single word of letters may be a brand, a town or a product as well.
    """
    return is_word(name) and not name.strip().isalpha()


def read(home: Home) -> People | None:
    """All people that are to be recognised in what is landed; None where nobody was forgotten."""
    content = _content(home)
    if content is None:
        return None
    return People(content["salt"], tuple(each["digest"] for each in content["forgotten"]))


def person(home: Home, name: str) -> People:
    """One person by name. Nothing is written."""
    content = _content(home)
    known = People(content["salt"] if content else secrets.token_hex(32))
    return replace(known, digests=(known.digest(name),), names=(name,))


def is_remembered(home: Home, someone: People) -> bool:
    """Whether that person is among the forgotten."""
    known = read(home)
    return known is not None and known.salt == someone.salt and someone.digests[0] in known.digests


def remember(home: Home, someone: People, line: dict[str, Any]) -> None:
    """Add a person to the forgotten, with a line that tells what was done; or only the line.

    Args:
        home: The state.
        someone: The person; only the digest is written.
        line: What the audit is to know; takes the place of an earlier one of the same person.
    """
    content = _content(home) or {"salt": someone.salt, "forgotten": []}
    others = [each for each in content["forgotten"] if each["digest"] != someone.digests[0]]
    content["forgotten"] = [*others, {"digest": someone.digests[0], **line}]
    path = _path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as out:
        json.dump(content, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    os.replace(partial, path)


def _path(home: Home) -> Path:
    return home.root / FORGOTTEN


def _content(home: Home) -> dict[str, Any] | None:
    if not _path(home).exists():
        return None
    content: dict[str, Any] = json.loads(_path(home).read_text(encoding="utf-8"))
    return content


def _tuple(values: Sequence[str]) -> str:
    return "(" + ", ".join(map(literal, values)) + ")"


def _spellings(name: str) -> set[str]:
    """A text as it is, and as JSON, JSON within JSON, CSV, HTML and addresses write it."""
    bare = name.strip()
    once = json.dumps(bare)[1:-1]
    plain = json.dumps(bare, ensure_ascii=False)[1:-1]
    twice = json.dumps(once)[1:-1]
    nested = json.dumps(plain)[1:-1]
    in_csv = bare.replace('"', '""')
    page = html.escape(bare)
    numbered = page.encode("ascii", "xmlcharrefreplace").decode()
    entities = "".join(_entity(character) for character in page)
    return {bare, once, plain, twice, nested, in_csv, page, numbered, entities, quote(bare)}


def _in_small_letters(text: str) -> str:
    # of other alphabets not every program takes the same letters for pairs
    return "".join(c.lower() if c.isascii() else c for c in text)


def _entity(character: str) -> str:
    name = codepoint2name.get(ord(character)) if ord(character) > 127 else None
    return f"&{name};" if name else character

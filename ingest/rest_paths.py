"""Paths into an answer: `data.orders[].lines[]`, `"@odata.nextLink"`, `header:X-Total`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

HEADER = "header:"
_STEP = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^."\[\]]+))?((?:\[\])*)')


class PathError(ValueError):
    """A text that is no path; what was expected."""


@dataclass(frozen=True)
class Path:
    """Keys on the way through objects, and `[]` for each element of a list.

    Attributes:
        steps: Keys; None stands for each element of a list.
        header: The header instead, in lower case.
        is_relative: Whether it begins at a record (`.price.amount`) and not at the page.
    """

    steps: tuple[str | None, ...]
    header: str | None = None
    is_relative: bool = False

    @classmethod
    def of(cls, text: str) -> "Path":
        """Read a path.

        Raises:
            PathError: It is none.
        """
        if text.startswith(HEADER):
            return cls((), text.removeprefix(HEADER).strip().lower())
        is_relative = text.startswith(".")
        rest = text.removeprefix("$").removeprefix(".")
        return cls(tuple(_steps(rest)), None, is_relative)

    @property
    def levels(self) -> tuple[tuple[str, ...], ...]:
        """The keys between lists: one more than there are lists."""
        found: list[list[str]] = [[]]
        for step in self.steps:
            if step is None:
                found.append([])
            else:
                found[-1].append(step)
        return tuple(map(tuple, found))

    def values(self, page: Any, headers: Mapping[str, str] | None = None) -> list[Any]:
        """All values at the path, nulls and what is missing left out."""
        if self.header is not None:
            value = (headers or {}).get(self.header)
            return [] if value is None else [value]
        found = [page]
        for step in self.steps:
            found = list(_next(found, step))
        return [value for value in found if value is not None]

    def value(self, page: Any, headers: Mapping[str, str] | None = None) -> Any:
        """The first value at the path; None where there is none."""
        found = self.values(page, headers)
        return found[0] if found else None


def _steps(text: str) -> Iterator[str | None]:
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or found.end() == at:
            raise PathError("keys joined by dots, [] for each element of a list")
        quoted, plain, lists = found.groups()
        if quoted is not None or plain is not None:
            yield quoted if quoted is not None else plain
        yield from [None] * (len(lists) // 2)
        at = found.end()
        if at < len(text):
            if text[at] != "." or at + 1 == len(text):
                raise PathError("keys joined by dots, [] for each element of a list")
            at += 1


def _next(values: list[Any], step: str | None) -> Iterator[Any]:
    for value in values:
        if step is None:
            yield from value if isinstance(value, list) else ()
        elif isinstance(value, dict):
            yield value.get(step)

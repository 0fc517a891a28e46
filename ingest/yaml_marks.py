"""YAML as people mean it, with the line of everything.

Every scalar is taken as it is written and typed only where it is used, so that `NO` is Norway,
`010` keeps its zero and a column expression may be `1`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from ingest.errors import Problem

Location = tuple[str | int, ...]

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "<<"
_TEXT_PARENT = "columns"
_OPEN_QUOTE = re.compile(r"""[\s-]*[\w ]+:\s+"[^"]*""")
_QUOTED = ("'", '"', "|", ">")


@dataclass
class Document:
    """A YAML document.

    Attributes:
        value: Mappings, lists, strings and None.
        lines: Line of each value, counted from 1, by its location; of a mapping's value, the line
            of its key.
        problems: Duplicate keys and the like.
    """

    value: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, location: Location) -> int:
        """The line of a location, or of the nearest thing above it that is in the document."""
        for length in range(len(location), -1, -1):
            if location[:length] in self.lines:
                return self.lines[location[:length]]
        return 1

    def add(self, location: Location, found: str, expected: str, next_step: str) -> None:
        """Notes a problem at a location."""
        problem = Problem(self.line(location), key_path(location), found, expected, next_step)
        self.problems.append(problem)


def key_path(location: Location) -> str:
    """A location as people write it: `sources[2].columns.market`."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part + 1}]"
        else:
            path += f".{part}" if path else part
    return path


def read(text: str) -> Document:
    """Reads a YAML text. What is wrong with it is found in the document's `problems`."""
    document = Document()
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        document.problems.append(_syntax_problem(error, text))
        return document
    if node is not None:
        _Reader(document).read(node)
    return document


def _syntax_problem(error: yaml.YAMLError, text: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    found = (getattr(error, "problem", None) or str(error)).removeprefix("found ")
    context = getattr(error, "context", None)
    if context == "while scanning a quoted scalar":
        # where the quote was opened: what follows is all taken for its text
        mark = getattr(error, "context_mark", mark)
    line = mark.line + 1 if mark else 1
    opened = _open_quote(text.splitlines()[:line])
    if opened is not None:
        # what follows the quote is all its text, up to the next one of its kind
        found, line = f"{found}, on line {line}, after a quote that this line leaves open", opened
    return Problem(
        line=line,
        key="",
        found=f"{found} ({context})" if context else found,
        expected="valid YAML: two spaces of indentation, no tabs, `key: value`, and quotes around"
        " a text that holds a colon, a quote or starts with a special character",
        next_step="mend this line, or the one before it",
    )


def _open_quote(lines: list[str]) -> int | None:
    """The line, counted from 1, that opens the quote which the last of the lines closes."""
    *before, last = [number for number, line in enumerate(lines, 1) if '"' in line] or [0]
    if last < len(lines) or not before or not _OPEN_QUOTE.fullmatch(lines[before[-1] - 1]):
        return None
    return before[-1]


class _Reader:
    """Turns nodes into values, noting lines and problems on the way."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: set[int] = set()

    def read(self, node: yaml.Node) -> None:
        self._document.lines[()] = node.start_mark.line + 1
        self._document.value = self._value(node, ())

    def _value(self, node: yaml.Node, at: Location) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, at)
        if id(node) in self._open:
            self._document.add(
                at,
                "an alias of something that it is itself part of",
                "an alias of something complete",
                "write the values out",
            )
            return None
        self._open.add(id(node))
        value: Any
        if isinstance(node, yaml.SequenceNode):
            value = [self._item(item, (*at, number)) for number, item in enumerate(node.value)]
        else:
            value = self._mapping(node, at)
        self._open.discard(id(node))
        return value

    def _item(self, node: yaml.Node, at: Location) -> Any:
        self._document.lines[at] = node.start_mark.line + 1
        return self._value(node, at)

    def _mapping(self, node: yaml.Node, at: Location) -> dict[str, Any]:
        value: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(line, at, "a key that is not a plain word", "a word as key")
            elif key_node.value == _MERGE and key_node.style not in _QUOTED:
                merged.append(value_node)
            elif key_node.value in value:
                first = self._document.lines[(*at, key_node.value)]
                found = f"the key {key_node.value!r} a second time (first on line {first})"
                self._problem(line, (*at, key_node.value), found, "each key once")
            else:
                self._document.lines[(*at, key_node.value)] = line
                value[key_node.value] = self._value(value_node, (*at, key_node.value))
        for source in _merge_sources(merged):
            self._merge(source, value, at)
        return value

    def _merge(self, node: yaml.Node, value: dict[str, Any], at: Location) -> None:
        """Takes over from an anchored mapping (`<<: *name`) what is not written beside it."""
        if not isinstance(node, yaml.MappingNode):
            line = node.start_mark.line + 1
            self._problem(line, at, "`<<` with something else than a mapping", "`<<: *anchor`")
            return
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.value not in value:
                key = (*at, key_node.value)
                self._document.lines[key] = key_node.start_mark.line + 1
                value[key_node.value] = self._value(value_node, key)

    def _problem(self, line: int, at: Location, found: str, expected: str) -> None:
        problem = Problem(line, key_path(at), found, expected, "remove or rename one of them")
        self._document.problems.append(problem)


def _scalar(node: yaml.ScalarNode, at: Location) -> str | None:
    """The text of a scalar; None for an empty one, `~` and, outside lists and columns, `null`."""
    text: str = node.value
    if node.style in _QUOTED:
        return text
    if text in ("", "~"):
        return None
    in_text = bool(at) and (isinstance(at[-1], int) or at[-2:-1] == (_TEXT_PARENT,))
    if text in ("null", "Null", "NULL") and not in_text:
        return None
    return text


def _merge_sources(nodes: list[yaml.Node]) -> Iterator[yaml.Node]:
    for node in nodes:
        if isinstance(node, yaml.SequenceNode):
            yield from node.value
        else:
            yield node

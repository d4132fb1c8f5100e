"""Where each key of a TOML document stands, for errors with line and column.

`tomllib` gives values without positions, so the document is parsed a second time, by tree-sitter, and only when there
is an error to tell. A path is a tuple of keys and list indices; lines and columns count from 1, columns in characters.
"""

import re
import tomllib
from contextlib import suppress
from typing import NamedTuple

import tree_sitter
import tree_sitter_toml

_QUOTES = re.compile(r"""(?:\"{3}|'{3})(?:\r?\n)?|["']""")
_ESCAPED = re.compile(r"(?P<nothing>\\[ \t]*\r?\n\s*)|\\u.{4}|\\U.{8}|\\.|\r\n|.", re.DOTALL)
_PLAIN = re.compile(r"(?P<nothing>(?!))|\r\n|.", re.DOTALL)
"""One character as it is written between quotes of either kind, or `nothing`: a line that goes on."""

Path = tuple[str | int, ...]
"""The keys and list indices that lead to a value."""


def dotted(path: Path) -> str:
    """A path as it is written of a setting: "routes.x.to.kafka[1].topic"."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


class Position(NamedTuple):
    """A line and a column, both from 1."""

    line: int
    column: int


class Text(NamedTuple):
    """A text as it is written, with its quotes and escapes, and where it begins."""

    start: Position
    raw: str


class Index(NamedTuple):
    """The positions of all keys and elements, and the keys that were written twice: path, first and second position.

    `texts` are the values that are text.

    What is in a table that is there twice is not told again; nor is what is behind the first error of the syntax, since
    it may be in another table than it seems.
    """

    at: dict[Path, Position]
    twice: list[tuple[Path, Position, Position]]
    texts: dict[Path, Text]


def inside(text: Text, offset: int) -> Position | None:
    """The position of a character of a text, or of its end; None where what it says is not what it stands for."""
    start, raw = text
    if "$" in raw:  # ${NAME} is replaced by what is longer or shorter
        return None
    opening = _QUOTES.match(raw)
    if opening is None:
        return None
    unit = _ESCAPED if opening[0].startswith('"') else _PLAIN
    at = opening.end()
    while (match := unit.match(raw, at)) is not None and (offset or match["nothing"] is not None):
        offset -= match["nothing"] is None
        at = match.end()
    lines = raw[:at].split("\n")
    if len(lines) == 1:
        return Position(start.line, start.column + at)
    return Position(start.line + len(lines) - 1, len(lines[-1]) + 1)


def index(text: str) -> Index:
    """Find every key of a document; of one with errors in its syntax, what can be found."""
    source = text.encode()
    tree = tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language())).parse(source)
    reader = _Reader(source.split(b"\n"))
    with suppress(RecursionError):  # nested deeper than tomllib would read either
        for node in tree.root_node.named_children:
            reader.statement(node)
    end = _sound_until(tree.root_node)
    twice = [known for known in reader.twice if end is None or known[2].line <= end]
    return Index(reader.at, twice, reader.texts)


def _sound_until(node: tree_sitter.Node) -> int | None:
    """The line of the first error of the syntax, None if there is none."""
    while node.has_error and not node.is_error:
        inner = next((child for child in node.children if child.has_error or child.is_missing), None)
        if inner is None:
            break
        node = inner
    return node.start_point[0] + 1 if node.has_error or node.is_missing else None


class _Reader:
    """Walks the syntax tree once; `at`, `twice` and `texts` are the result."""

    def __init__(self, lines: list[bytes]) -> None:
        self.at: dict[Path, Position] = {}
        self.twice: list[tuple[Path, Position, Position]] = []
        self.texts: dict[Path, Text] = {}
        self._lines = lines
        self._stated: dict[Path, Position] = {}
        self._elements: dict[Path, int] = {}

    def statement(self, node: tree_sitter.Node) -> None:
        """Take in a `key = value`, a `[table]` or an `[[element]]` with its pairs."""
        if node.type == "pair":
            self._pair(node, ())
        elif node.type in ("table", "table_array_element") and node.named_children:
            base = self._header(node)
            for child in node.named_children[1:]:
                if child.type == "pair":
                    self._pair(child, base)

    def _header(self, node: tree_sitter.Node) -> Path:
        keys = self._keys(node.named_children[0])
        path: Path = ()
        for part, position in keys:
            path = (*path, part)
            self.at.setdefault(path, position)
            if path in self._elements and (part, position) != keys[-1]:
                path = (*path, self._elements[path])
        if node.type == "table_array_element":
            self._elements[path] = self._elements.get(path, -1) + 1
            path = (*path, self._elements[path])
        self._state(path, keys[-1][1])
        return path

    def _pair(self, node: tree_sitter.Node, base: Path) -> None:
        key, value = node.named_children[:2]
        path, position = base, Position(1, 1)
        for part, position in self._keys(key):
            path = (*path, part)
            self.at.setdefault(path, position)
        self._state(path, position)
        self._value(value, path)

    def _value(self, node: tree_sitter.Node, path: Path) -> None:
        if node.type == "inline_table":
            for child in node.named_children:
                if child.type == "pair":
                    self._pair(child, path)
        elif node.type == "array":
            elements = [child for child in node.named_children if child.type != "comment"]
            for number, child in enumerate(elements):
                self._state((*path, number), self._position(child))
                self._value(child, (*path, number))
        elif node.type == "string":
            self.texts[path] = Text(self._position(node), (node.text or b"").decode())

    def _state(self, path: Path, position: Position) -> None:
        first = self._stated.setdefault(path, position)
        if first is position:
            self.at[path] = position
        elif not any(path[: len(known)] == known for known, _, _ in self.twice):
            self.twice.append((path, first, position))

    def _keys(self, node: tree_sitter.Node) -> list[tuple[str, Position]]:
        if node.type == "dotted_key":
            return [key for child in node.named_children for key in self._keys(child)]
        text = (node.text or b"").decode()
        if node.type == "quoted_key":
            (text,) = tomllib.loads(f"{text} = 0")
        return [(text, self._position(node))]

    def _position(self, node: tree_sitter.Node) -> Position:
        row, column = node.start_point
        return Position(row + 1, len(self._lines[row][:column].decode(errors="replace")) + 1)

"""`fedbridge-types`: the types of headers that a target which knows text only cannot say (DESIGN section 8). Pure.

A mark is a compact JSON object with the type of each header that is not a string, {"name":"i64"}, or a list of types
where a name repeats with several.
"""

import json
from collections.abc import Sequence
from typing import Final, TypeAlias, cast, get_args

from bridge.message import Header, Type, Value
from bridge.parsing import value_of

Shape: TypeAlias = tuple[tuple[str, ...], tuple[Type, ...]]
"""The names and the types of a message's headers, in order."""

Types: TypeAlias = dict[str, "Type | list[Type]"]
"""The types of headers by their names, as a mark says them."""

_KNOWN: Final = frozenset(get_args(Type))
_SHAPES: Final = 256  # shapes of headers that are remembered, of at most as many headers and characters of names:
_SHAPE_HEADERS, _SHAPE_NAMES = 64, 1024  # 3 MiB at the worst
_MARKS: Final = 256  # marks that are remembered
_MARK_SIZE: Final = 1024  # of at most as many bytes


class Marks:
    """Makes marks, and remembers those of shapes that come again."""

    def __init__(self) -> None:
        self.known: dict[Shape, bytes | None] = {}
        """The mark of each shape that is remembered; None where it needs none."""

    def learn(self, shape: Shape) -> bytes | None:
        """Make the mark of a shape, or None if all are strings, and remember it if it is not large.

        Raises UnicodeEncodeError for a name, of a string or not, that is not text.
        """
        mark = mark_of(shape)
        names, _ = shape
        if len(names) <= _SHAPE_HEADERS and sum(map(len, names)) <= _SHAPE_NAMES:
            if len(self.known) >= _SHAPES:
                self.known.clear()
            self.known[shape] = mark
        return mark


class MarkReader:
    """Types headers as marks say, and remembers marks that come again."""

    def __init__(self, *, raw: bool) -> None:
        """Begin; `raw` says that values of type `bytes` cross as they are, and not as base64url."""
        self._raw = raw
        self._known: dict[bytes, Types] = {}

    def typed(self, mark: bytes, headers: Sequence[Header]) -> Sequence[Header]:
        """Give headers, which are strings, bytes or void, the types of a mark; what does not fit its type is left."""
        types = self._known.get(mark)
        if types is None:
            types = types_of(mark)
            if len(mark) <= _MARK_SIZE:
                if len(self._known) >= _MARKS:
                    self._known.clear()
                self._known[mark] = types
        if not types:
            return headers
        met: dict[str, int] = {}
        typed: list[Header] = []
        for header in headers:
            name = header[0]
            marked = types.get(name)
            if isinstance(marked, list):
                turn = met[name] = met.get(name, -1) + 1
                marked = marked[turn] if turn < len(marked) else None
            typed.append(header if marked is None else _retyped(header, marked, self._raw))
        return typed


def mark_of(shape: Shape) -> bytes | None:
    """Make the mark of a shape, or None if all are strings; raises UnicodeEncodeError for a name that is not text."""
    types: dict[str, list[str]] = {}
    for name, kind in zip(*shape, strict=True):
        name.encode()
        types.setdefault(name, []).append(kind)
    marks = {
        name: kinds[0] if len(set(kinds)) == 1 else kinds for name, kinds in types.items() if set(kinds) != {"string"}
    }
    return json.dumps(marks, ensure_ascii=False, separators=(",", ":")).encode() if marks else None


def types_of(mark: bytes) -> Types:
    """Read a mark; what is none is no types, and a header whose types are none is left out."""
    try:
        marks = json.loads(mark)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(marks, dict):
        return {}
    types: Types = {}
    for name, marked in marks.items():
        kinds = marked if isinstance(marked, list) else [marked]
        if kinds and all(isinstance(kind, str) and kind in _KNOWN for kind in kinds):
            types[name] = cast("Type | list[Type]", marked)
    return types


def _retyped(header: Header, kind: Type, raw: bool) -> Header:
    """The header with its value read as that type, or as it was where that cannot be."""
    name, _, value = header
    if kind == "void":
        return (name, "void", None) if not value else header
    if value is None:
        return header
    if kind == "string":
        return (name, "string", value)
    try:
        return (name, kind, _read(kind, value, raw))
    except ValueError:
        return header


def _read(kind: Type, value: Value, raw: bool) -> Value:
    if kind == "bytes" and raw:
        return value.encode() if isinstance(value, str) else value
    return value_of(kind, value if isinstance(value, str) else cast("bytes", value).decode("utf-8", "surrogateescape"))

"""`fedbridge-types`: the types of headers that a target which knows text only cannot say (DESIGN section 8). Pure.

A mark is a compact JSON object with the type of each header that is not a string, {"name":"i64"}, or a list of types
where a name repeats with several; there is none where all types are told without. What JSON loses inside a table or an
array is told by an object in place of a type, {"array":TYPES} or {"table":{"name":TYPES}}: TYPES are again a type, such
an object, or a list of them, one for each element, or for each time the name is there, in which null and whatever is
missing mean what JSON says.

A name that means something else to the target, as that of a property does, always has a list for headers: the last of
that name, as many as are listed, are headers all the same. A type that is not in a list is that of the property; before
a list it is {"property":TYPE}.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, cast, get_args

import orjson

from bridge.insides import inside
from bridge.message import Element, Header, Type, Value
from bridge.parsing import Mark, value_of

Shape: TypeAlias = tuple[tuple[str, ...], tuple[Type, ...]]
"""The names and the types of a message's headers, in order."""

Types: TypeAlias = Mapping[str, "Mark | list[Mark]"]
"""The types of headers by their names, as a mark says them."""

ESCAPED: Final = "string64"
"""In the place of a type: a string in base64url, since the target has no text for it."""

PROPERTY: Final = "property"
"""What tells the type of a property before those of headers of its name."""

LONGEST: Final = 65_535
"""Bytes of a mark that says what is inside tables and arrays, as many as MQTT can hold; a longer one leaves it out."""

_KNOWN: Final = frozenset({*get_args(Type), ESCAPED})
_NESTING: Final = frozenset({"table", "array"})
_TYPICAL: Final[Mapping[str, Value]] = {"string": "", "bytes": b"\xff"}  # values that a type needs no mark for
_SHAPES: Final = 256  # shapes of headers that are remembered, of at most as many headers and characters of names:
_SHAPE_HEADERS, _SHAPE_NAMES = 64, 1024  # 3 MiB at the worst
_MARKS: Final = 256  # marks that are remembered
_MARK_SIZE: Final = 1024  # of at most as many bytes
_NOTHING: Final[Mapping[str, Mark]] = {}
_dump: Final = json.JSONEncoder(separators=(",", ":")).encode


class Dialect(NamedTuple):
    """What a system tells of a header without a mark, beside that it is a string."""

    raw: bool
    """Whether bytes cross as they are: those that are not UTF-8 are no string."""
    null: bool
    """Whether void crosses as null."""
    claimed: frozenset[str]
    """The names that mean something else there."""


class Marks:
    """Makes marks for one system, and remembers those of shapes that come again."""

    def __init__(self, dialect: Dialect) -> None:
        self.known: dict[Shape, bytes | None] = {}
        """The mark of each shape that is remembered; None where it needs none."""
        self._dialect = dialect

    def learn(self, headers: Sequence[Header]) -> bytes | None:
        """Make the mark of headers whose strings are text, or None if they need none.

        It is remembered for all of their shape if that alone decides, and is not large. Raises RecursionError.
        """
        names, kinds, _ = zip(*headers, strict=True)
        if not _NESTING.isdisjoint(kinds):
            return self.exact(headers)
        typical = [(name, kind, _TYPICAL.get(kind)) for name, kind in zip(names, kinds, strict=True)]
        mark = mark_of(typical, self._dialect)
        if mark is None and "bytes" in kinds:
            return self.exact(headers)  # what are bytes tells of most that they are
        if len(names) <= _SHAPE_HEADERS and sum(map(len, names)) <= _SHAPE_NAMES:
            if len(self.known) >= _SHAPES:
                self.known.clear()
            self.known[names, kinds] = mark
        return mark

    def exact(self, headers: Sequence[Header]) -> bytes | None:
        """Make the mark of headers of which a string may be no text; raises RecursionError."""
        return mark_of(headers, self._dialect)


class _Read(NamedTuple):
    """A mark that was read."""

    types: Types
    claims: Mapping[str, int]
    others: Mapping[str, str]


class MarkReader:
    """Types headers as marks say, and remembers marks that come again."""

    def __init__(self, dialect: Dialect) -> None:
        self._raw = dialect.raw
        self._claimed = dialect.claimed
        self._known: dict[bytes, _Read] = {}

    def typed(self, mark: bytes, headers: Sequence[Header]) -> Sequence[Header]:
        """Give headers, which are strings, bytes or void, the types of a mark; what does not fit its type is left."""
        types = (self._known.get(mark) or self._read(mark)).types
        if not types:
            return headers
        raw = self._raw
        met: dict[str, int] = {}
        typed: list[Header] = []
        for header in headers:
            name = header[0]
            marked = types.get(name)
            if isinstance(marked, list):
                turn = met[name] = met.get(name, -1) + 1
                marked = marked[turn] if turn < len(marked) else None
            typed.append(header if marked is None else _retyped(header, marked, raw))
        return typed

    def claims(self, mark: bytes) -> Mapping[str, int]:
        """Give the names that mean something else, with how many headers of each, the last ones, are headers."""
        return (self._known.get(mark) or self._read(mark)).claims

    def others(self, mark: bytes) -> Mapping[str, str]:
        """Give the types of what has a name that means something else, and is that, as a property."""
        return (self._known.get(mark) or self._read(mark)).others

    def _read(self, mark: bytes) -> _Read:
        read = self._sorted(types_of(mark))
        if len(mark) <= _MARK_SIZE:
            if len(self._known) >= _MARKS:
                self._known.clear()
            self._known[mark] = read
        return read

    def _sorted(self, types: Types) -> _Read:
        own, claims, others = dict(types), {}, {}
        for name in self._claimed.intersection(types):
            marked = types[name]
            if isinstance(marked, str):
                others[name] = marked
            elif isinstance(marked, list):
                if isinstance(marked[0], dict) and PROPERTY in marked[0]:
                    others[name] = marked[0][PROPERTY]
                    own[name] = marked = marked[1:]
                claims[name] = len(marked)
        return _Read(own, claims, others)


def mark_of(
    headers: Iterable[tuple[str, str, Value]], dialect: Dialect, others: Mapping[str, Mark] = _NOTHING
) -> bytes | None:
    """Make the mark of headers, or None if they need none; a type may be `ESCAPED` too.

    `others` are the types of what has a name that is claimed and is no header.
    Raises RecursionError, and UnicodeEncodeError for a string that no bytes stand for.
    """
    found: dict[str, list[tuple[str, Value]]] = {}
    for name, kind, value in headers:
        found.setdefault(name, []).append((kind, value))
    marks: dict[str, Mark | list[Mark]] = dict(others)
    needed = bool(others)
    for name, typed in found.items():
        claimed = name in dialect.claimed
        told = not claimed and all(_is_told(kind, value, dialect) for kind, value in typed)
        if not told or any(kind != "string" for kind, _ in typed):
            kinds: list[Mark] = [inside(kind, value) or kind for kind, value in typed]
            if name in others:
                kinds.insert(0, {PROPERTY: others[name]})
            marks[name] = kinds if claimed or any(kind != kinds[0] for kind in kinds) else kinds[0]
            needed = needed or not told
    if not needed:
        return None
    mark = _written(marks)
    return mark if len(mark) <= LONGEST else _written({name: _outer(marked) for name, marked in marks.items()})


def types_of(mark: bytes) -> Types:
    """Read a mark; what is none is no types, and a header whose types are none is left out."""
    try:
        marks = json.loads(mark)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(marks, dict):
        return {}
    types: dict[str, Mark | list[Mark]] = {}
    for name, marked in marks.items():
        kinds = marked if isinstance(marked, list) else [marked]
        if kinds and all(map(_is_mark, kinds)):
            types[name] = marked
    return types


def _is_mark(kind: Any) -> bool:
    if isinstance(kind, dict):
        return len(kind) == 1 and (not _NESTING.isdisjoint(kind) or isinstance(kind.get(PROPERTY), str))
    return isinstance(kind, str) and kind in _KNOWN


def _is_told(kind: str, value: Value, dialect: Dialect) -> bool:
    """Whether a header's value has that type without a mark."""
    if kind == "string":
        return _is_text(value)
    if kind == "bytes":
        return dialect.raw and not _is_text(value)
    return kind == "void" and dialect.null


def _is_text(value: Value) -> bool:
    try:
        if isinstance(value, bytes):
            value.decode()
        else:
            str(value).encode()
    except UnicodeError:
        return False
    return True


def _outer(marked: Any) -> Any:
    """A mark without what is inside tables and arrays."""
    if isinstance(marked, list):
        return [_outer(mark) for mark in marked]
    return next(iter(marked)) if isinstance(marked, dict) else marked


def _written(marks: Any) -> bytes:
    """Write a mark: readable where all of it can be shown, else in ASCII, so that surrogates are JSON too."""
    try:
        mark = orjson.dumps(marks)
        if mark.decode().isprintable():
            return mark
    except TypeError:  # a name that is no text
        pass
    return _dump(marks).encode()


def _retyped(header: Header, mark: Mark, raw: bool) -> Header:
    """The header with its value read as that type, or as it was where that cannot be."""
    name, _, value = header
    if isinstance(mark, str):
        kind, inner = mark, None
    else:
        ((kind, inner),) = mark.items()
    if kind == "void":
        return (name, "void", None) if not value else header
    if value is None or kind == PROPERTY:
        return header
    try:
        return name, *_read_as(kind, value, inner, raw)
    except ValueError:
        return header


def _read_as(kind: str, value: Value, inner: Any, raw: bool) -> Element:
    """Read a value, a string or bytes, as that type; raises ValueError for one that it is not."""
    if kind == "string":
        return "string", value
    if kind == "bytes" and raw:
        return "bytes", value.encode() if isinstance(value, str) else value
    if kind == ESCAPED:
        return "string", unescaped(_text(value))
    return cast("Type", kind), value_of(cast("Type", kind), _text(value), inner)


def unescaped(text: str) -> str | bytes:
    """Read an `ESCAPED` string, which is bytes where it is not UTF-8; raises ValueError for what is none."""
    raw = cast("bytes", value_of("bytes", text))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _text(value: Value) -> str:
    return value if isinstance(value, str) else cast("bytes", value).decode("utf-8", "surrogateescape")

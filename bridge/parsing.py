"""Typed header values out of their text: the inverse of `bridge.values.text_of`. Pure."""

import base64
import json
import math
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import chain, repeat
from typing import Any, Final, TypeAlias

from bridge.message import Element, Header, Type, Value
from bridge.values import rfc3339

Mark: TypeAlias = str | dict[str, Any]
"""What tells a type that text does not: the type, or {"table": …} or {"array": …}; see `bridge.marks`."""

_DIGITS: Final = 24  # of the largest number: 64 bits of seconds, in milliseconds, with a sign
_DEEPEST: Final = 32  # tables in tables
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BASE64: Final = re.compile(r"[A-Za-z0-9_-]*={0,2}")


def value_of(kind: Type, text: str, marks: Any = None) -> Value:
    """Read a value of that type from its text form; raises ValueError where the text is not one of it.

    Of what is inside a table or an array, JSON tells fewer types than there are: integers are i64, or u64 where they
    are too large, other numbers f64, and text is a string; `marks` are what tells the others, as they stand behind
    "table" or "array" in a mark. Those that do not fit what is there are nothing.
    """
    try:
        if kind == "table":
            return _table(text, marks)
        return _array(text, marks) if kind == "array" else _READ[kind](text)
    except (TypeError, InvalidOperation, RecursionError, OverflowError) as error:
        raise ValueError(f"not a value of type {kind}: {error!r:.80}") from None


def number_of(raw: bytes) -> int | None:
    """The number that decimal digits are, or None if they are not written as that number is."""
    if raw.isdigit() and (raw[0] != 0x30 or len(raw) == 1) and len(raw) <= _DIGITS:
        return int(raw)
    digits = raw[1:]
    if raw[:1] == b"-" and digits.isdigit() and digits[0] != 0x30 and len(raw) <= _DIGITS:
        return int(raw)
    return None


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text] if text in {"true", "false"} else _refuse(text)


def _whole(low: int, high: int) -> Callable[[str], int]:
    """A reader of decimal digits, of numbers from `low` up to and without `high`."""

    def read(text: str) -> int:
        value = int(text)
        return value if low <= value < high and str(value) == text else _refuse(text)

    return read


def _moment(text: str) -> int:
    """Seconds since 1970 of an RFC 3339 text in UTC, or of the number it is where no calendar has that day."""
    if text.endswith("Z"):
        since = datetime.fromisoformat(text) - _EPOCH
        value = since.days * 86400 + since.seconds
    else:
        value = int(text)
    return value if -(2**63) <= value < 2**64 and rfc3339(value, 1) == text else _refuse(text)


def _float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) or text in {"nan", "inf", "-inf"} else _refuse(text)


def _single(text: str) -> float:
    value = _float(text)
    struct.pack(">f", value)  # raises OverflowError
    return value


def _refuse(text: str) -> Any:
    raise ValueError(text)


def marks_in_turn(marks: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
    """Give what marks say of each of these names, in order: of a list, to each its own; None where they say nothing."""
    met: dict[str, int] = {}
    found: list[Any] = []
    for name in names:
        marked = marks.get(name)
        if isinstance(marked, list):
            turn = met[name] = met.get(name, -1) + 1
            marked = marked[turn] if turn < len(marked) else None
        found.append(marked)
    return found


def _table(text: str, marks: Any) -> tuple[Header, ...]:
    found = _loaded(text)
    return _entries(found, marks, 0) if isinstance(found, tuple) else _refuse(text)


def _array(text: str, marks: Any) -> tuple[Element, ...]:
    found = _loaded(text)
    return _elements(found, marks, 0) if isinstance(found, list) else _refuse(text)


def _loaded(text: str) -> Any:
    """Read JSON: a list is an array, and a tuple is an object's members, in order and with repeats."""
    return json.loads(text, object_pairs_hook=tuple, parse_float=_float, parse_constant=_refuse)


def _entries(pairs: tuple[Any, ...], marks: Any, depth: int) -> tuple[Header, ...]:
    if not isinstance(marks, dict):
        return tuple((name, *_typed_json(value, None, depth)) for name, value in pairs)
    each = marks_in_turn(marks, [name for name, _ in pairs])
    return tuple((name, *_typed_json(value, mark, depth)) for (name, value), mark in zip(pairs, each, strict=True))


def _elements(items: list[Any], marks: Any, depth: int) -> tuple[Element, ...]:
    each = chain(marks, repeat(None)) if isinstance(marks, list) else repeat(marks)
    return tuple(_typed_json(value, mark, depth) for value, mark in zip(items, each, strict=False))


def _typed_json(value: Any, mark: Any, depth: int) -> tuple[Type, Value]:  # noqa: PLR0911 - one return for each kind
    """The type and value of something inside a table or array, as its mark says, or as JSON does."""
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    if isinstance(value, tuple):
        return "table", _entries(value, _inside(mark, "table"), depth + 1)
    if isinstance(value, list):
        return "array", _elements(value, _inside(mark, "array"), depth + 1)
    if value is None:
        return "void", None
    if isinstance(mark, str) and mark in _MARKED:
        try:
            return _MARKED[mark], value_of(_MARKED[mark], value if isinstance(value, str) else repr(value))
        except ValueError:
            pass
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise ValueError("beyond 64 bits")
        return ("i64" if value < 2**63 else "u64"), value
    return ("f64", value) if isinstance(value, float) else ("string", _string(value))


def _inside(mark: Any, kind: Type) -> Any:
    return mark.get(kind) if isinstance(mark, dict) else None


def _string(text: str) -> str | bytes:
    """A string, or the bytes of one that is not UTF-8, which is in JSON with surrogate escapes."""
    if text.isprintable():  # which no surrogate is
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            pass
    return text


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text) if _BASE64.fullmatch(text) else _refuse(text)


_READ: Final[dict[Type, Callable[[str], Value]]] = {
    "bool": _boolean,
    "u8": _whole(0, 1 << 8),
    "u16": _whole(0, 1 << 16),
    "u32": _whole(0, 1 << 32),
    "u64": _whole(0, 1 << 64),
    "i8": _whole(-1 << 7, 1 << 7),
    "i16": _whole(-1 << 15, 1 << 15),
    "i32": _whole(-1 << 31, 1 << 31),
    "i64": _whole(-1 << 63, 1 << 63),
    "f32": _single,
    "f64": _float,
    "decimal": Decimal,
    "string": str,
    "timestamp": _moment,
    "bytes": _bytes,
    "void": lambda text: _refuse(text) if text else None,
}

_MARKED: Final[Mapping[str, Type]] = {kind: kind for kind in _READ if kind not in {"bool", "i64", "string", "void"}}
"""The types that a mark may tell of something inside a table or an array."""

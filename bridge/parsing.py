"""Typed header values out of their text: the inverse of `bridge.values.text_of`. Pure."""

import base64
import json
import math
import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from bridge.message import Element, Header, Type, Value
from bridge.values import rfc3339

_DEEPEST: Final = 32  # tables in tables
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BASE64: Final = re.compile(r"[A-Za-z0-9_-]*={0,2}")


def value_of(kind: Type, text: str) -> Value:
    """Read a value of that type from its text form; raises ValueError where the text is not one of it.

    Of what is inside a table or an array, JSON tells fewer types than there are: integers are i64, or u64 where they
    are too large, other numbers f64, and text is a string.
    """
    try:
        return _READ[kind](text)
    except (TypeError, InvalidOperation, RecursionError, OverflowError) as error:
        raise ValueError(f"not a value of type {kind}: {error!r:.80}") from None


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


def _table(text: str) -> tuple[Header, ...]:
    found = _loaded(text)
    return _entries(found, 0) if isinstance(found, tuple) else _refuse(text)


def _array(text: str) -> tuple[Element, ...]:
    found = _loaded(text)
    return _elements(found, 0) if isinstance(found, list) else _refuse(text)


def _loaded(text: str) -> Any:
    """Read JSON: a list is an array, and a tuple is an object's members, in order and with repeats."""
    return json.loads(text, object_pairs_hook=tuple, parse_float=_float, parse_constant=_refuse)


def _entries(pairs: tuple[Any, ...], depth: int) -> tuple[Header, ...]:
    return tuple((name, *_typed_json(value, depth)) for name, value in pairs)


def _elements(items: list[Any], depth: int) -> tuple[Element, ...]:
    return tuple(_typed_json(value, depth) for value in items)


def _typed_json(value: Any, depth: int) -> tuple[Type, Value]:  # noqa: PLR0911 - one return for each kind of JSON
    """The type and value of something inside a table or array: JSON tells fewer types than AMQP has."""
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    if value is None:
        return "void", None
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise ValueError("beyond 64 bits")
        return ("i64" if value < 2**63 else "u64"), value
    if isinstance(value, float):
        return "f64", value
    if isinstance(value, tuple):
        return "table", _entries(value, depth + 1)
    if isinstance(value, list):
        return "array", _elements(value, depth + 1)
    return "string", str(value)


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
    "table": _table,
    "array": _array,
    "void": lambda text: _refuse(text) if text else None,
}

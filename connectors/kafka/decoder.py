"""Kafka records as messages: pure, the inverse of `codec.Encoder`, and on the hot path.

Headers with the names that the encoder gives to properties become properties again; the types of all others are in
`fedbridge-types`, and those of a foreign producer are text, or bytes where they are not UTF-8. Nothing here raises for
what a record holds: what does not fit its name or its type stays a header, as it is.
"""

import json
import math
import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias, cast

from bridge.message import Delivery, Element, Header, Message, Type, Value
from bridge.values import rfc3339
from connectors.kafka.headers import PROPERTY_HEADERS, TYPES, UID, RecordHeaders
from connectors.kafka.records import PlainRecord
from connectors.kafka.tap import Record

_PROPERTIES: Final = {header: name for name, header in PROPERTY_HEADERS.items()}
_SPECIAL: Final = frozenset({*_PROPERTIES, UID})
_NUMBERS: Final = frozenset({"delivery_mode", "priority", "timestamp"})
_CREATE_TIME: Final = 0  # the message's time, and not that of the broker's log, or none (format 0)
_ZERO: Final = b"0"[0]
_DIGITS: Final = 24  # of the largest number: 64 bits of seconds, in milliseconds, with a sign
_MARKS: Final = 256  # marks of types that are remembered
_MARK_SIZE: Final = 1024  # of at most as many bytes
_DEEPEST: Final = 32  # tables in tables
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_new: Final = tuple.__new__  # makes a NamedTuple at half the cost of calling its class

_Types: TypeAlias = dict[str, "Type | list[Type]"]


class Decoder:
    """Makes deliveries of records, and remembers how types were marked."""

    def __init__(self, cluster: str) -> None:
        """Begin; `cluster` is the cluster's id, a part of every uid."""
        self._cluster = cluster
        self._marks: dict[bytes, _Types] = {}

    def deliveries(self, records: Iterable[Record], topic: str, partition: int, receipt: int) -> list[Delivery]:
        """Make the deliveries of records of one partition; their receipts count up from `receipt`.

        A message that brings no `fedbridge-uid` is named by its position and timestamp, since a topic made anew starts
        its offsets again (DESIGN section 4). `size` is that of key, value and headers.
        """
        place = f"kafka:{self._cluster}/{topic}/{partition}/"
        found: list[Delivery] = []
        add, read, special, new = found.append, self.headers, _SPECIAL, _new
        for record in records:
            key, value, given, timestamp = record.key, record.value, record.headers, record.timestamp
            size = (len(value) if value else 0) + (len(key) if key else 0)
            properties: dict[str, Any] = {}
            uid = None
            plain = type(record) is not PlainRecord or _are_text(given)  # else aiokafka could not write them
            for name, raw in given:
                size += len(name) + (len(raw) if raw else 0)
                if name in special:
                    if name != UID:
                        if raw is not None:
                            _set(properties, _PROPERTIES[name], raw)
                    elif uid is not None or not raw or (uid := _text(raw)) is None:
                        plain = False
            if "timestamp" not in properties and record.timestamp_type == _CREATE_TIME and timestamp >= 0:
                properties["timestamp"] = timestamp
            headers = RecordHeaders(read, given, properties if plain else None, uid)
            if uid is None:
                uid = f"{place}{record.offset}@{timestamp}"
            message = new(Message, (value, uid, topic, None, key, properties, headers))
            add(new(Delivery, (message, receipt, size, False)))
            receipt += 1
        return found

    def headers(self, given: Sequence[tuple[str, bytes | None]]) -> Sequence[Header]:
        """Give the headers of a record that are the message's own, typed as `fedbridge-types` says."""
        taken: dict[str, Any] = {}
        mark: bytes | None = None
        uid: str | None = None
        headers: list[Header] = []
        for name, raw in given:
            if raw is None:
                headers.append((name, "void", None))
            elif name == TYPES:
                mark = raw
            elif name == UID and raw and uid is None and (uid := _text(raw)) is not None:
                continue
            elif name not in _PROPERTIES or not _set(taken, _PROPERTIES[name], raw):
                text = _text(raw)
                headers.append((name, "bytes", raw) if text is None else (name, "string", text))
        return headers if mark is None else self._typed(mark, headers)

    def _typed(self, mark: bytes, headers: list[Header]) -> Sequence[Header]:
        """Give headers the types that `fedbridge-types` marks them with; what does not fit its type is left alone."""
        types = self._marks.get(mark)
        if types is None:
            types = _parsed(mark)
            if len(mark) <= _MARK_SIZE:
                if len(self._marks) >= _MARKS:
                    self._marks.clear()
                self._marks[mark] = types
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
            typed.append(header if marked is None else _retyped(header, marked))
        return typed


def _are_text(headers: Sequence[tuple[str, bytes | None]]) -> bool:
    try:
        "".join([name for name, _ in headers]).encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _set(properties: dict[str, Any], name: str, raw: bytes) -> bool:
    """Set a property, unless it is set already or the bytes are not for it; tell whether it was set."""
    if name in properties:
        return False
    if name not in _NUMBERS:
        try:
            properties[name] = raw.decode()
        except UnicodeDecodeError:
            properties[name] = raw.decode("utf-8", "surrogateescape")
        return True
    digits = raw[1:] if raw[:1] == b"-" else raw
    if not digits.isdigit() or len(raw) > _DIGITS or (digits[0] == _ZERO and raw != b"0"):
        return False
    properties[name] = int(raw)
    return True


def _parsed(mark: bytes) -> _Types:
    """The types of `fedbridge-types`, by header; those that are none are left out."""
    try:
        marks = json.loads(mark)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(marks, dict):
        return {}
    types: _Types = {}
    for name, marked in marks.items():
        kinds = marked if isinstance(marked, list) else [marked]
        if kinds and all(isinstance(kind, str) and (kind in _READ or kind == "string") for kind in kinds):
            types[name] = cast("Type | list[Type]", marked)
    return types


def _retyped(header: Header, kind: Type) -> Header:
    """The header with its value read as that type, or as it was where that cannot be."""
    name, _, value = header
    if kind == "void":
        return (name, "void", None) if value is None else header
    if value is None:
        return header
    if kind == "string":
        return (name, "string", value)
    try:
        if kind == "bytes":
            return (name, "bytes", value.encode() if isinstance(value, str) else value)
        text = value if isinstance(value, str) else cast("bytes", value).decode("utf-8", "surrogateescape")
        return (name, kind, _READ[kind](text))
    except (ValueError, TypeError, InvalidOperation, RecursionError, OverflowError):
        return header


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


_READ: Final[dict[str, Callable[[str], Value]]] = {
    "bool": _boolean,
    **{f"u{bits}": _whole(0, 1 << bits) for bits in (8, 16, 32, 64)},
    **{f"i{bits}": _whole(-1 << (bits - 1), 1 << (bits - 1)) for bits in (8, 16, 32, 64)},
    "f32": _single,
    "f64": _float,
    "decimal": Decimal,
    "timestamp": _moment,
    "bytes": lambda text: text.encode(),
    "table": _table,
    "array": _array,
    "void": lambda _text: None,
}

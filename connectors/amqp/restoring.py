"""What a bridge has put into AMQP's headers becomes again what it was: pure, the inverse of `rules`.

Only what the sink of a bridge wrote is read so, which its `fedbridge-uid` says. What does not fit its name stays a
header, as it is.
"""

import json
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, cast

from bridge.message import Element, Header, Type, Value
from bridge.names import KEY, MILLISECONDS, NULL, NUMBERS, PATH, TYPES, UID
from connectors.amqp.rules import UNSAFE

_Headers: TypeAlias = tuple[Header, ...]
_Places: TypeAlias = Sequence[int | None]

_PROPERTIES: Final = {header: name for name, header in UNSAFE.items()}
_DIGITS: Final = 24  # of the largest number: 64 bits of seconds, in milliseconds, with a sign


class Restored(NamedTuple):
    """What was in headers: uid, path and key, and whether there is no body; and the headers that are left."""

    uid: str | None
    path: str | None
    key: bytes | None
    is_null: bool
    headers: _Headers


def restore(properties: dict[str, Any], headers: _Headers) -> Restored:
    """Take out of headers what a bridge put there, and set in `properties` what of it are properties."""
    values, places = _found(headers)
    if UID in values and TYPES in values:
        lists = _lists(values[TYPES])
        headers, added = _spread(tuple(header for header in headers if header[0] != TYPES), lists)
        values, places = _found(headers, lists)
        more, behind = _found(added)
        values |= more
        places |= {name: len(headers) + at for name, at in behind.items()}
        headers += added
    uid, path = values.pop(UID, None), values.pop(PATH, None)
    if uid is None:
        at = places.get(PATH)
        return Restored(None, path, None, False, headers if at is None else headers[:at] + headers[at + 1 :])
    key, is_null = values.pop(KEY, None), values.pop(NULL, False)
    for name, value in values.items():
        if not _set(properties, name, value):
            del places[name]
    taken = places.values()
    kept = tuple([header for at, header in enumerate(headers) if at not in taken])
    return Restored(uid, path, key, is_null, kept)


def _found(headers: _Headers, own: Container[str] = ()) -> tuple[dict[str, Any], dict[str, int]]:
    """Give what is in headers that a bridge may have put there, and where; names that are `own` are headers' own."""
    values: dict[str, Any] = {}
    places: dict[str, int] = {}
    for at, (name, kind, value) in enumerate(headers):
        if name in _READ and name not in own:
            read = _READ[name](kind, value)
            if read is not None and name not in values:
                values[name] = read
                places[name] = at
    return values, places


def _set(properties: dict[str, Any], name: str, value: Any) -> bool:
    """Set the property that a header stands for, if it says more than what is set already; tell whether it was set."""
    if name == MILLISECONDS:
        if properties.get("timestamp") != value // 1000 * 1000:
            return False
        properties["timestamp"] = value
        return True
    of = _PROPERTIES[name]
    if of in properties and of != "delivery_mode":  # which is never absent
        return False
    properties[of] = value
    return True


def _spread(headers: _Headers, lists: Mapping[str, _Places]) -> tuple[_Headers, _Headers]:
    """Give headers that were merged into arrays one by one again, in the order they had, and those that were added."""
    given: list[tuple[int | None, Header]] = []
    added: list[Header] = []
    for header in headers:
        name, kind, value = header
        places = lists.get(name, ())
        if kind != "array" or not isinstance(value, tuple) or len(value) != len(places) or len(places) < 2:
            given.append((None, header))
            continue
        for at, element in zip(places, cast("Sequence[Element]", value), strict=True):
            if at is None:
                added.append((name, *element))
            else:
                given.append((at if at >= 0 else None, (name, *element)))
    stated = [at for at, _ in given if at is not None]
    if len(set(stated)) < len(stated) or any(at >= len(given) for at in stated):
        return tuple(header for _, header in given), tuple(added)
    placed = {at: header for at, header in given if at is not None}
    others = iter([header for at, header in given if at is None])
    return tuple(placed[at] if at in placed else next(others) for at in range(len(given))), tuple(added)


def _lists(mark: str) -> Mapping[str, _Places]:
    """Read a mark: for each name that has a list, its places, -1 where it says none, and None for what was added."""
    try:
        marks = json.loads(mark)
    except (ValueError, RecursionError):
        return {}
    lists = marks.items() if isinstance(marks, dict) else ()
    return {
        name: [at if at is None or type(at) is int else -1 for at in listed]
        for name, listed in lists
        if isinstance(listed, list)
    }


def _text(kind: Type, value: Value) -> str | None:
    return value if kind == "string" and isinstance(value, str) and value else None


def _property(kind: Type, value: Value) -> str | None:
    if kind != "string":
        return None
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _number(kind: Type, value: Value) -> int | None:
    """A number of any type, or as decimal text."""
    if kind != "string":
        return value if kind == "i64" and isinstance(value, int) else None
    text = value if isinstance(value, str) and len(value) <= _DIGITS else ""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if str(number) == text else None


def _key(kind: Type, value: Value) -> bytes | None:
    if kind not in {"string", "bytes"}:
        return None
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else None


_READ: Final[Mapping[str, Callable[[Type, Value], Any]]] = {
    UID: _text,
    PATH: _text,
    TYPES: _text,
    KEY: _key,
    NULL: lambda kind, value: True if kind == "bool" and value is True else None,
    MILLISECONDS: _number,
    **{header: _number if name in NUMBERS else _property for header, name in _PROPERTIES.items()},
}

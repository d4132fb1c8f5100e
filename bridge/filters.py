"""`filter` compiled into a function of a message: a condition in CEL, evaluated by a package that is an extra."""

import math
import re
from collections.abc import Callable, Mapping, Set
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeAlias, cast

import orjson

from bridge.errors import Unmappable
from bridge.message import Element, Header, Message, Type, Value
from config.conditions import ERRORS, kind, members, names_in, said

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

Condition: TypeAlias = Callable[[Message], bool]
"""Says whether a message is to be relayed; raises Unmappable, reason bad_filter, where it cannot say."""


def compile_filter(text: str | None) -> Condition | None:
    """Compile a condition that is right, as the configuration has found; None if there is none.

    The function sees the message as it came. It raises Unmappable for one that lacks what the condition reads, has it
    of another type, or for which it gives something else than true or false.
    """
    if text is None:
        return None
    import cel  # noqa: PLC0415 - the package is loaded only where a filter is

    program = cel.compile(text)
    readers = [(name, _reader(name, text)) for name in sorted(names_in(text))]

    def wanted(message: Message) -> bool:
        try:
            found = program.execute({name: read(message) for name, read in readers})
        except ERRORS as error:
            raise Unmappable(f"the filter failed: {said(error)}", "bad_filter") from None
        if isinstance(found, bool):
            return found
        raise Unmappable(f"the filter gave {kind(found)}, not true or false", "bad_filter")

    return wanted


def _reader(name: str, text: str) -> Callable[[Message], Any]:
    """How a name is read for a condition: of headers and properties only what it looks at, where that is known."""
    looked_at = members(text, name) if name in _SOME else None
    return _READERS[name] if looked_at is None else partial(_SOME[name], looked_at)


def _text(text: str) -> str:
    """Text as CEL takes it, which is Unicode: what is not UTF-8 is shown by replacement characters."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _body(message: Message) -> str | None:
    try:
        return None if message.body is None else message.body.decode()
    except UnicodeDecodeError:
        return None


def _json(message: Message) -> Any:
    try:
        return None if message.body is None else orjson.loads(message.body)
    except orjson.JSONDecodeError:
        return None


def _key(message: Message) -> str | bytes | None:
    try:
        return None if message.key is None else message.key.decode()
    except UnicodeDecodeError:
        return message.key


def _properties(message: Message) -> dict[str, Any]:
    return {
        name: _text(value) if isinstance(value, str) else value
        for name, value in cast("Mapping[str, Any]", message.properties).items()
    }


def _headers(message: Message) -> dict[str, Any]:
    """Values by names, the first of those that repeat."""
    found: dict[str, Any] = {}
    for name, type_, value in message.headers:
        known = _text(name)
        if known not in found:
            found[known] = _plain(type_, value)
    return found


def _some_properties(names: Set[str], message: Message) -> dict[str, Any]:
    given = cast("Mapping[str, Any]", message.properties)
    found = {}
    for name in names:
        value = given.get(name)
        if value is not None:
            found[name] = _text(value) if isinstance(value, str) else value
    return found


def _some_headers(names: Set[str], message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, type_, value in message.headers:
        known = name if name.isascii() else _text(name)
        if known in names and known not in found:
            found[known] = _plain(type_, value)
    return found


def _plain(type_: Type, value: Value) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Decimal):
        return math.nan if value.is_nan() else float(value)  # a signalling NaN has no float
    if type_ == "table":
        return {_text(name): _plain(inner, item) for name, inner, item in cast("tuple[Header, ...]", value)}
    if type_ == "array":
        return [_plain(inner, item) for inner, item in cast("tuple[Element, ...]", value)]
    return value


_SOME: Final[Mapping[str, Callable[[Set[str], Message], dict[str, Any]]]] = {
    "headers": _some_headers,
    "properties": _some_properties,
}
_READERS: Final[Mapping[str, Callable[[Message], Any]]] = {
    "address": lambda message: _text(message.address),
    "exchange": lambda message: None if message.exchange is None else _text(message.exchange),
    "routing_key": lambda message: _text(message.address),
    "key": _key,
    "uid": lambda message: _text(message.uid),
    "body": _body,
    "json": _json,
    "headers": _headers,
    "properties": _properties,
}
"""How each name of `config.conditions.SAMPLE` is read from a message."""

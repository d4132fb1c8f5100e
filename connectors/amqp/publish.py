"""Messages as the frames of publishes: pure, and on the hot path (about 4 us for 5 properties and 3 headers).

A publish is the method Basic.Publish, a header frame with the properties, and body frames of at most `frame_max` bytes.
What a property becomes is said in rules.py. Here is the short way for messages that need none of its exceptions, which
nearly all are; everything else goes the long way, and both give the same bytes.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final, TypeAlias, cast

from bridge.errors import Unmappable
from bridge.message import Header, Message, Type
from bridge.names import KEY, MILLISECONDS, PATH
from bridge.raw import properties_of
from connectors.amqp.codec import UID_ENTRY, encode_properties
from connectors.amqp.frames import BODY, HEADER, METHOD
from connectors.amqp.rules import (
    LAST_TIMESTAMP,
    ORIGIN,
    OURS,
    PERSISTENT,
    is_safe,
    key_value,
    says_more,
    sendable,
)
from connectors.amqp.tables import encode_value

_HEADER_HEAD: Final = struct.Struct(">BHIHHQ").pack
_BODY_HEAD: Final = struct.Struct(">BBHI").pack
_FRAME_HEAD: Final = struct.Struct(">BHI").pack
_U16: Final = struct.Struct(">H").pack
_U32: Final = struct.Struct(">I").pack
_U64: Final = struct.Struct(">Q").pack
_I64: Final = struct.Struct(">q").pack
_END: Final = b"\xce"
_LONGEST: Final = 255  # bytes of a short string
_OVERHEAD: Final = 8  # bytes of a frame beside its payload
_CLASS: Final = 60
_PUBLISH: Final = b"\x00\x3c\x00\x28\x00\x00"
_MANDATORY: Final = b"\x01"
_ALWAYS: Final = 1 << 13 | 1 << 12  # headers and delivery_mode
_MODES: Final = {1: b"\x01", 2: b"\x02"}
_OCTETS: Final = tuple(bytes((number,)) for number in range(256))
_SHAPES: Final = 256  # shapes of headers, and of properties, that are remembered, of at most as many headers:
_SHAPE_HEADERS, _SHAPE_NAMES = 64, 1024  # and characters of names
_ROUTES: Final = 1024  # pairs of exchange and routing key that are remembered
_BITS: Final = {
    "content_type": 15,
    "content_encoding": 14,
    "priority": 11,
    "correlation_id": 10,
    "reply_to": 9,
    "expiration": 8,
    "message_id": 7,
    "timestamp": 6,
    "type": 5,
    "user_id": 4,
    "app_id": 3,
    "cluster_id": 2,
}
_CHECKED: Final = frozenset({"priority", "expiration", "reply_to", "user_id"})
_MILLISECONDS: Final = bytes((len(MILLISECONDS),)) + MILLISECONDS.encode() + b"l"
_PATH: Final = bytes((len(PATH),)) + PATH.encode() + b"S"
_KEY: Final = bytes((len(KEY),)) + KEY.encode()

_Shape: TypeAlias = tuple[tuple[str, ...], tuple[Type, ...]]  # the names and the types of a message's headers
_Plan: TypeAlias = tuple[int, tuple[str, ...], tuple[str, ...]]  # flags, properties before and behind the headers


_Heads: TypeAlias = tuple[Sequence[bytes], Sequence[int] | None]
"""What begins each entry, and which headers have one; None if all have."""


class _Exceptional(Exception):
    """A message that takes the long way."""


class Encoder:
    """Makes the publishes of one channel, and remembers what messages have in common: destinations, names, types."""

    def __init__(self, channel: int, frame_max: int, login: str, persistent: bool | None) -> None:
        """Begin; `frame_max` is in bytes, 0 is no limit. `login` and `persistent` are as in `rules.sendable`."""
        self._channel = channel
        self._most = (frame_max or 1 << 32) - _OVERHEAD
        self._login = login
        self._persistent = persistent
        self._mode = None if persistent is None else _MODES[PERSISTENT if persistent else 1]
        self._methods: dict[tuple[str, str], bytes] = {}
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._shapes: dict[_Shape, _Heads | None] = {}

    def add(self, message: Message, exchange: str, key: str, frames: list[Any]) -> None:
        """Add the frames of a mandatory publish to `frames`, as parts to be joined.

        Raises Unmappable, and adds nothing: too_large for an exchange or routing key above 255 bytes, or properties
        that do not fit a frame; unencodable; too_deep.
        """
        method = self._methods.get((exchange, key))
        if method is None:
            method = self._method(exchange, key)
        body = message.body or b""
        properties = self._properties(message)
        size, most, channel = len(body), self._most, self._channel
        if len(properties) + 12 > most:
            raise Unmappable(
                f"the properties and headers have {len(properties)} bytes, at most {most - 12} go into a frame",
                "too_large",
            )
        head = _HEADER_HEAD(HEADER, channel, len(properties) + 12, _CLASS, 0, size)
        if size <= most:
            if size:
                frames += (method, head, properties, _BODY_HEAD(0xCE, BODY, channel, size), body, _END)
            else:
                frames += (method, head, properties, _END)
            return
        frames += (method, head, properties)
        whole = memoryview(body)
        for at in range(0, size, most):
            part = whole[at : at + most]
            frames += (_BODY_HEAD(0xCE, BODY, channel, len(part)), part)
        frames.append(_END)

    def _method(self, exchange: str, key: str) -> bytes:
        names = b"".join(_short(what, name) for what, name in (("the exchange", exchange), ("the routing key", key)))
        arguments = _PUBLISH + names + _MANDATORY
        method = _FRAME_HEAD(METHOD, self._channel, len(arguments)) + arguments + _END
        if len(self._methods) >= _ROUTES:
            self._methods.clear()
        self._methods[exchange, key] = method
        return method

    def _properties(self, message: Message) -> bytes:
        """Encode flags and values."""
        try:
            return self._short_way(message)
        except (_Exceptional, UnicodeEncodeError, TypeError):  # the long way says what is wrong with a value
            return encode_properties(*sendable(message, self._login, self._persistent))

    def _short_way(self, message: Message) -> bytes:
        """Encode flags and values of a message without exceptions; raises _Exceptional or UnicodeEncodeError.

        One function, since calling one for each part costs as much as the parts.
        """
        properties = properties_of(message)
        names = tuple(properties)
        flags, before, behind = self._plans.get(names) or self._arrange(names)
        parts = [_U16(flags), *[_text(properties[name]) for name in before]]
        table = self._table(message, properties.get("timestamp"))
        parts += (_U32(sum(map(len, table))), *table)
        mode = _MODES.get(properties.get("delivery_mode", PERSISTENT))
        if mode is None:
            raise _Exceptional
        parts.append(self._mode or mode)
        for name in behind:
            value = properties[name]
            if name == "timestamp":
                parts.append(_U64(value // 1000))
            elif name in _CHECKED and not is_safe(name, value, self._login):
                raise _Exceptional
            elif name == "priority":
                parts.append(_OCTETS[value])
            else:
                parts.append(_text(value))
        return b"".join(parts)

    def _table(self, message: Message, timestamp: int | None) -> list[bytes]:
        """Encode the entries of the table of headers."""
        parts: list[bytes] = []
        headers = message.headers
        if headers:
            self._own(headers, parts, message.exchange)
        if message.body is None:
            raise _Exceptional
        if message.key is not None:
            parts += (_KEY, encode_value(*key_value(message.key), 1, KEY))
        if timestamp is not None:
            if not 0 <= timestamp <= LAST_TIMESTAMP:
                raise _Exceptional
            if says_more(message, timestamp):
                if timestamp >= 1 << 63:
                    raise _Exceptional
                parts += (_MILLISECONDS, _I64(timestamp))
        if message.path:
            path = message.path.encode()
            parts += (_PATH, _U32(len(path)), path)
        uid = message.uid.encode()
        parts += (UID_ENTRY, _U32(len(uid)), uid)
        return parts

    def _own(self, headers: Sequence[Header], parts: list[bytes], exchange: str | None) -> None:
        """Encode a message's own headers; what begins an entry is known by the shape of them all."""
        names, kinds, _ = zip(*headers)  # noqa: B905 - headers are triples, and `strict` costs 0.1 us here
        try:
            plan = self._shapes[names, kinds]
        except KeyError:
            plan = self._learn((names, kinds))
        if plan is None:
            raise _Exceptional
        heads, kept = plan
        if kept is not None:
            if exchange is not None:
                raise _Exceptional
            headers = [headers[at] for at in kept]
        for head, (name, kind, value) in zip(heads, headers):  # noqa: B905 - as many of both
            if kind == "string":
                raw = value.encode() if type(value) is str else cast("bytes", value)
                parts += (head, _U32(len(raw)), raw)
            else:
                parts += (head, encode_value(kind, value, 1, name))

    def _learn(self, shape: _Shape) -> _Heads | None:
        """Work out what begins each entry of such headers, or None where they take the long way, and remember it."""
        names, kinds = shape
        plan: _Heads | None = None
        if len(names) <= _SHAPE_HEADERS and len(set(names)) == len(names) and OURS.isdisjoint(names):
            kept = [at for at, name in enumerate(names) if name not in ORIGIN]
            raws = [(names[at].encode(), kinds[at]) for at in kept]
            if all(len(raw) <= _LONGEST for raw, _ in raws):
                heads = [_OCTETS[len(raw)] + raw + (b"S" if kind == "string" else b"") for raw, kind in raws]
                plan = heads, kept if len(kept) < len(names) else None
        if len(names) <= _SHAPE_HEADERS and sum(map(len, names)) <= _SHAPE_NAMES:
            if len(self._shapes) >= _SHAPES:
                self._shapes.clear()
            self._shapes[shape] = plan
        return plan

    def _arrange(self, names: tuple[str, ...]) -> _Plan:
        """Work out flags and order of such properties, and remember it."""
        ordered = sorted((name for name in names if name != "delivery_mode"), key=_BITS.__getitem__, reverse=True)
        flags = _ALWAYS | sum(1 << _BITS[name] for name in ordered)
        begin = sum(_BITS[name] > 13 for name in ordered)
        plan = flags, tuple(ordered[:begin]), tuple(ordered[begin:])
        if len(self._plans) >= _SHAPES:
            self._plans.clear()
        self._plans[names] = plan
        return plan


def _text(value: str) -> bytes:
    """Encode a property that is text; raises _Exceptional or UnicodeEncodeError."""
    raw = value.encode()
    if len(raw) > _LONGEST:
        raise _Exceptional
    return _OCTETS[len(raw)] + raw


def _short(what: str, text: str) -> bytes:
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Unmappable(f"{what} is not text that has bytes: {text!a:.80}", "unencodable") from None
    if len(raw) > _LONGEST:
        raise Unmappable(f"{what} has {len(raw)} bytes, AMQP allows {_LONGEST}: {text!a:.80}…", "too_large")
    return _OCTETS[len(raw)] + raw

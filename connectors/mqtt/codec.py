"""Messages as PUBLISH packets: pure, and on the hot path (about 5 us for 5 properties and 3 headers).

What a property becomes is said in rules.py. Here is the short way for messages that need none of its exceptions, which
nearly all are; everything else goes the long way, and both give the same bytes.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from bridge.errors import Unmappable
from bridge.marks import Shape, mark_of
from bridge.message import Message, Type
from bridge.names import EXCHANGE, KEY, NULL, PATH, PROPERTY_NAMES, ROUTING_KEY, TYPES, UID
from bridge.raw import properties_of
from bridge.values import text_of
from connectors.mqtt.packets import LARGEST, PUBLISH, RETAIN, varint
from connectors.mqtt.properties import CONTENT_TYPE, CORRELATION, expiry, user_head
from connectors.mqtt.rules import DIALECT, EXCEPTIONS, lasting, long_way, retains

_HEADS: Final = {
    **{name: user_head(pair) for name, pair in PROPERTY_NAMES.items()},
    "content_type": bytes((CONTENT_TYPE,)),
    "correlation_id": bytes((CORRELATION,)),
}
_ORIGIN: Final = (user_head(EXCHANGE), user_head(ROUTING_KEY))
_TYPES: Final = user_head(TYPES)
_KEY: Final = user_head(KEY)
_NULL: Final = user_head(NULL)
_PATH: Final = user_head(PATH)
_UID: Final = user_head(UID)
_U16: Final = struct.Struct(">H").pack
_SHAPES: Final = 256  # shapes of headers that are remembered, of at most as many headers and characters of names:
_SHAPE_HEADERS, _SHAPE_NAMES = 64, 1024

_NESTING: Final = frozenset({"table", "array"})  # of these the mark says what is inside

_Plan: TypeAlias = tuple[Sequence[bytes], bytes | None, bool]
"""How the user property of each header begins, the mark, and whether that is to be made for each message."""


class Exceptional(Exception):
    """A message that takes the long way."""


class Encoder:
    """Makes the PUBLISH packets of one session, and remembers what headers messages have in common."""

    def __init__(self, qos: int, retain: bool | None, largest: int | None, *, properties: bool) -> None:
        """Begin; `retain` None is as a message from MQTT says, `largest` is in bytes of a packet, None is no limit.

        Only MQTT 5 has properties: without them a packet is topic and payload.
        """
        self._flags = PUBLISH | qos << 1 | (RETAIN if retain else 0)
        self._asks = retain is None
        self._largest = largest
        self._has_properties = properties
        self._shapes: dict[Shape, _Plan | None] = {}

    def add(self, message: Message, topic: bytes, mid: bytes, parts: list[bytes]) -> int:
        """Add the packet of a message to `parts`, which are to be joined, and give its size in bytes.

        `topic` has its length before it, `mid` is the packet identifier, empty for QoS 0. Raises Unmappable, and adds
        nothing: too_large, unencodable or too_deep.
        """
        flags = self._flags
        body = message.body or b""
        if self._has_properties:
            try:
                block = self._short_way(message)
            except (Exceptional, UnicodeError, AttributeError, struct.error, RecursionError):
                block = long_way(message)
                if self._asks and retains(message):
                    flags |= RETAIN
            extent = varint(len(block))
            rest = len(topic) + len(mid) + len(extent) + len(block) + len(body)
            size = self._check(rest)
            parts += (bytes((flags,)), varint(rest), topic, mid, extent, block, body)
        else:
            if self._asks and retains(message):
                flags |= RETAIN
            rest = len(topic) + len(mid) + len(body)
            size = self._check(rest)
            parts += (bytes((flags,)), varint(rest), topic, mid, body)
        return size

    def _check(self, rest: int) -> int:
        """Give the size of a packet of so many bytes behind its length; raises Unmappable (too_large)."""
        size = rest + (2 if rest < 0x80 else 3 if rest < 0x4000 else 4 if rest < 0x200000 else 5)
        if rest > LARGEST or (self._largest is not None and size > self._largest):
            most = LARGEST if self._largest is None else self._largest
            raise Unmappable(f"the packet has {size} bytes, at most {most} go to this broker", "too_large")
        return size

    def _short_way(self, message: Message) -> bytes:
        """Encode the properties of a message without exceptions; raises Exceptional and what a value's coding may.

        One function, since calling one for each part costs as much as the parts.
        """
        properties = properties_of(message)
        parts: list[bytes] = []
        if "expiration" in properties:
            text = properties["expiration"]
            seconds = lasting(text)
            if seconds is None or str(seconds * 1000) != text:
                raise Exceptional
            parts.append(expiry(seconds))
            properties = {name: value for name, value in properties.items() if name != "expiration"}
        known = _HEADS
        heads = [known[name] for name in properties]
        raws = [b"%d" % value if type(value) is int else value.encode() for value in properties.values()]
        if message.exchange is not None:
            heads += _ORIGIN
            raws += (message.exchange.encode(), message.address.encode())
        if message.key is not None:
            message.key.decode()
            heads.append(_KEY)
            raws.append(message.key)
        if message.headers:
            self._own(message.headers, heads, raws)
        if message.body is None:
            heads.append(_NULL)
            raws.append(b"true")
        if message.path:
            heads.append(_PATH)
            raws.append(message.path.encode())
        heads.append(_UID)
        raws.append(message.uid.encode())
        if not b"".join(raws).decode().isprintable():  # as cheap as to look for NUL, and never true of what is unfit
            raise Exceptional
        pack = _U16
        for head, raw in zip(heads, raws):  # noqa: B905 - as many of both
            parts += (head, pack(len(raw)), raw)
        return b"".join(parts)

    def _own(self, headers: Sequence[tuple[str, Type, Any]], heads: list[bytes], raws: list[bytes]) -> None:
        """Add how the user properties of a message's own headers begin, and their values."""
        names, kinds, _ = zip(*headers)  # noqa: B905 - headers are triples, and `strict` costs 0.1 us here
        try:
            plan = self._shapes[names, kinds]
        except KeyError:
            plan = self._learn((names, kinds))
        if plan is None:
            raise Exceptional
        begun, mark, nests = plan
        heads += begun
        for _, kind, value in headers:
            if kind == "string":
                raws.append(value.encode())
            elif type(value) is int and kind != "timestamp":
                raws.append(b"%d" % value)
            else:
                raws.append(text_of(kind, value).encode())
        if nests:
            mark = mark_of(headers, DIALECT)
        if mark is not None:
            heads.append(_TYPES)
            raws.append(mark)

    def _learn(self, shape: Shape) -> _Plan | None:
        """Work out how the user properties of such headers begin, or None where they take the long way."""
        names, kinds = shape
        plan: _Plan | None = None
        if len(names) <= _SHAPE_HEADERS and sum(map(len, names)) <= _SHAPE_NAMES:
            if EXCEPTIONS.isdisjoint(names) and all(map(str.isprintable, names)):
                mark = mark_of([(name, kind, "") for name, kind in zip(names, kinds, strict=True)], DIALECT)
                plan = [user_head(name) for name in names], mark, not _NESTING.isdisjoint(kinds)
            if len(self._shapes) >= _SHAPES:
                self._shapes.clear()
            self._shapes[shape] = plan
        return plan

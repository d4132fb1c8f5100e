"""AMQP 0-9-1 content headers to and from messages. Pure: bytes in, values out, and whatever comes in, no exception.

The layout is that of the specification (section 4.2.6): two bytes of flags, one bit for each property from the highest
down, then the values of those that are set. RabbitMQ sends no second word of flags.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias, cast

from bridge.errors import Unmappable
from bridge.message import Header, Message, Properties, Undecodable
from bridge.names import OURS, UID
from connectors.amqp.places import Locate
from connectors.amqp.restoring import restore
from connectors.amqp.tables import Malformed, decode_table, encode_table

UID_ENTRY: Final = bytes((len(UID),)) + UID.encode() + b"S"
"""What the uid's entry in a table begins with, before the length in four bytes."""

_NAMES: Final = (
    "content_type",
    "content_encoding",
    "headers",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)
_TEXT, _TABLE, _OCTET, _TIME = range(4)
_KINDS: Final = {"headers": _TABLE, "delivery_mode": _OCTET, "priority": _OCTET, "timestamp": _TIME}
_Plan: TypeAlias = tuple[tuple[str, int], ...]


def _plans(names: Sequence[str]) -> tuple[_Plan, ...]:
    """Which of 8 properties follow each byte of flags, in order, and how each is read."""
    places = [(0x80 >> bit, name, _KINDS.get(name, _TEXT)) for bit, name in enumerate(names)]
    return tuple(tuple((name, kind) for flag, name, kind in places if flags & flag) for flags in range(256))


_FIRST: Final = _plans(_NAMES[:8])
_OTHERS: Final = _plans(_NAMES[8:])
_U64: Final = struct.Struct(">Q")
_MARK: Final = OURS.encode()
_new: Final = tuple.__new__  # makes a NamedTuple at half the cost of calling its class


class RawDelivery(NamedTuple):
    """One delivery as it came: `properties` are flags and values, `tag` counts from 1 on each channel."""

    tag: int
    redelivered: bool
    exchange: bytes
    routing_key: bytes
    properties: bytes
    body: bytes


def decode(raw: RawDelivery, uid: str, locate: Locate | None = None, *, trusted: bool = True) -> Message | Undecodable:
    """Decode a delivery; `uid` is its identity unless it brings one in the header `fedbridge-uid`.

    `locate` gives its path. What a bridge put into its headers is again what it was, or dropped, of what begins with
    `fedbridge-`, unless it is `trusted`. Never raises: what cannot be decoded is an Undecodable of reason
    bad_properties, bad_header_table, too_deep or too_many_headers, with the offset into the properties in its detail.
    """
    _tag, _redelivered, exchange, key, data, body = raw
    try:
        address, place = key.decode(), exchange.decode()
    except UnicodeDecodeError:
        address, place = _lenient(key), _lenient(exchange)
    try:
        properties, headers = decode_properties(data)
    except Malformed as error:
        return Undecodable(data, body, error.reason, error.detail, address, place)
    except (IndexError, struct.error):
        return Undecodable(data, body, "bad_properties", f"ends early, at byte {len(data)}", address, place)
    brought = key_given = None
    whole: bytes | None = body
    if _MARK in data:
        if trusted:
            own, brought, key_given, is_null, headers = restore(cast("dict[str, Any]", properties), headers)
            uid = own or uid
            if is_null:
                whole = body or None  # a body is never thrown away for a mark
        else:
            headers = tuple(header for header in headers if not header[0].startswith(OURS))
    path = "" if locate is None else locate(place, address, brought)
    return _new(Message, (whole, uid, address, place, key_given, properties, headers, path))


def decode_properties(data: bytes) -> tuple[Properties, tuple[Header, ...]]:
    """Decode flags and values, the inverse of `encode_properties`.

    Raises Malformed; IndexError and struct.error for data that ends early.
    """
    flags = data[0] << 8 | data[1]
    at = 2
    properties: dict[str, Any] = {}
    headers: tuple[Header, ...] = ()
    if flags & 3:
        raise Malformed("bad_properties", f"unknown property flags {flags:#06x} at byte 0")
    for name, kind in _FIRST[flags >> 8] + _OTHERS[flags & 0xFF]:
        if kind == _TEXT:
            begin = at + 1
            at = begin + data[at]
            try:
                properties[name] = data[begin:at].decode()
            except UnicodeDecodeError:
                properties[name] = _lenient(data[begin:at])
        elif kind == _OCTET:
            properties[name] = data[at]
            at += 1
        elif kind == _TABLE:
            headers, at = decode_table(data, at)
        else:
            properties[name] = _U64.unpack_from(data, at)[0] * 1000
            at += 8
    if at != len(data):
        raise Malformed("bad_properties", f"should end at byte {at}, not {len(data)}")
    return cast("Properties", properties), headers


def _lenient(raw: bytes) -> str:
    """Decode text that is not UTF-8; to allow for it where it is costs a third more."""
    return raw.decode("utf-8", "surrogateescape")


def uid_of(properties: bytes) -> str:
    """Give the uid that a message was published with, by the properties with which it came back; "" without one.

    It is the last of the headers, and so it is found also behind one that cannot be decoded.
    """
    message = decode(RawDelivery(0, False, b"", b"", properties, b""), "")
    if isinstance(message, Message):
        raw = [value for name, _, value in message.headers if name == UID and isinstance(value, bytes)]
        return _lenient(raw[0]) if raw else message.uid
    at = properties.rfind(UID_ENTRY)
    begin = at + len(UID_ENTRY) + 4
    return _lenient(properties[begin : begin + int.from_bytes(properties[begin - 4 : begin])]) if at >= 0 else ""


def encode_properties(properties: Properties, headers: Sequence[Header]) -> bytes:
    """Encode properties and headers as flags and values, the inverse of `decode`; no headers, no table.

    `timestamp` is cut to whole seconds, which is all that AMQP has. Raises Unmappable: too_large for text above 255
    bytes, too_deep, or unencodable for a number that does not fit.
    """
    flags = 0
    parts: list[bytes] = []
    for bit, name in enumerate(_NAMES):
        kind = _KINDS.get(name, _TEXT)
        if kind == _TABLE:
            if headers:
                flags |= 1 << (15 - bit)
                parts.append(encode_table(headers))
        elif name in properties:
            flags |= 1 << (15 - bit)
            parts.append(_encode_property(name, kind, cast("dict[str, Any]", properties)[name]))
    return struct.pack(">H", flags) + b"".join(parts)


def _encode_property(name: str, kind: int, value: Any) -> bytes:
    try:
        if kind == _OCTET:
            return bytes((value,))
        if kind == _TIME:
            return _U64.pack(value // 1000)
        raw = value.encode("utf-8", "surrogateescape")
    except (ValueError, struct.error, UnicodeEncodeError):
        raise Unmappable(f"{name}: AMQP cannot hold {str(value)[:40]!r}", "unencodable") from None
    if len(raw) > 255:
        raise Unmappable(f"{name} has {len(raw)} bytes, AMQP allows 255", "too_large")
    return bytes((len(raw),)) + cast("bytes", raw)

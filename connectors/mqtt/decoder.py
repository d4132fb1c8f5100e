"""PUBLISH packets as messages: pure, the inverse of `codec.Encoder`, and on the hot path.

It takes about 3 us for two properties, and 10 us for 5 properties and 3 headers with what a bridge adds to them.
What MQTT has a place for is read from there, user properties with the names that the encoder gives to properties become
properties again, and all others are headers, typed as `fedbridge-types` says (rules.py). Nothing here raises for what a
packet holds: what does not fit its name or its type stays a header, as it is, and what cannot be read is Undecodable.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from bridge.marks import ESCAPED, MarkReader, unescaped
from bridge.message import Delivery, Header, Message, Undecodable
from bridge.names import KEY, NULL, OURS, PATH, PROPERTY_NAMES, TYPES, UID
from bridge.parsing import value_of
from bridge.paths import UNTRACED, Trail
from connectors.mqtt.packets import DUP, RETAIN, BadPacket, Publish, read_varint
from connectors.mqtt.properties import (
    CONTENT_TYPE,
    CORRELATION,
    EXPIRY,
    PAYLOAD_FORMAT,
    READ,
    RESPONSE_TOPIC,
    USER,
    BadProperties,
    Names,
)
from connectors.mqtt.rules import DIALECT, MQTT_PAYLOAD_FORMAT, MQTT_RESPONSE_TOPIC, MQTT_RETAIN, MQTT_TOPIC, lasting

_BRIDGES: Final = (UID, PATH, TYPES, NULL)
_SLOTS: Final = {**{pair: name for name, pair in PROPERTY_NAMES.items()}, **{name: name for name in (*_BRIDGES, KEY)}}
_NUMBERS: Final = ("delivery_mode", "priority", "timestamp")
_DIGITS: Final = 24  # of the largest number: 64 bits of seconds, in milliseconds, with a sign
_TRANSIENT, _PERSISTENT = 1, 2
_new: Final = tuple.__new__  # makes a NamedTuple at half the cost of calling its class

_Found: TypeAlias = dict[str, Any]  # properties by their names, and texts of ours by theirs
_Block: TypeAlias = tuple[_Found, list[Header], dict[int, Any]]  # and standard properties by their identifiers


class Decoder:
    """Makes deliveries of PUBLISH packets, and remembers names and how types were marked."""

    def __init__(self, source: str, trail: Trail = UNTRACED, *, properties: bool) -> None:
        """Begin; `source` is how the uid of a message begins that brings none. Only MQTT 5 has properties."""
        self._source = source
        self._trail = trail
        self._has_properties = properties
        self._names = Names()
        self._marks = MarkReader(DIALECT)

    def deliveries(self, publishes: Sequence[Publish], base: int, number: int) -> list[Delivery]:
        """Make the deliveries of PUBLISH packets; their receipts count up from `base + number`.

        `size` is that of topic, properties and payload.
        """
        found: list[Delivery] = []
        add, new, decode = found.append, _new, self.decode
        for packet in publishes:
            flags, topic, _, content = packet
            message = decode(packet, number)
            add(new(Delivery, (message, base + number, len(topic) + len(content), flags & DUP != 0)))
            number += 1
        return found

    def decode(self, packet: Publish, number: int) -> Message | Undecodable:
        """Decode one PUBLISH; `number` ends the uid of a message that brings none."""
        flags, raw, _, content = packet
        found, headers, natives = _empty()
        try:
            topic = raw.decode()
            if self._has_properties:
                at, end = _extent(content)
                found, headers, natives = self._block(content, at, end)
                content = content[end:]
        except UnicodeDecodeError:
            return self._undecodable(packet, "bad_topic", f"the topic is not UTF-8: {raw!r:.80}")
        except BadProperties as error:
            return self._undecodable(packet, "bad_properties", str(error))
        for name in _NUMBERS:
            if name in found:
                _count(found, name, headers)
        mark, headers = self._own(found, headers)
        path = self._trail(topic, found.pop(PATH, None))
        uid = found.pop(UID, "")
        key = self._key(found.pop(KEY), mark) if KEY in found else None
        body: bytes | None = content
        if NULL in found and found.pop(NULL) == "true":
            body = content or None  # a body is never thrown away for a mark
        if natives or flags & RETAIN:
            headers = _native(natives, flags & RETAIN != 0, found, headers)
        if not uid:
            uid = f"{self._source}{number}"
            headers.append((MQTT_TOPIC, "string", topic))
            found.setdefault("delivery_mode", _PERSISTENT if flags & 6 else _TRANSIENT)
        message: Message = _new(Message, (body, uid, topic, None, key, found, headers, path))
        return message

    def _block(self, data: bytes, at: int, end: int) -> _Block:
        """Read the properties from `at` to `end`; what their mark says to be a header is one, whatever its name."""
        block = found, headers, _ = self._walk(data, at, end, _SLOTS)
        mark = found.get(TYPES, "").encode() if self._trail.trusted else b""
        if not mark:
            return block
        if claims := self._marks.claims(mark):
            names = [name for name, _, _ in headers]
            own = {name for name, count in claims.items() if names.count(name) + (_SLOTS.get(name) in found) <= count}
            found, headers, _ = block = self._walk(
                data, at, end, {name: slot for name, slot in _SLOTS.items() if name not in own}
            )
        for name, kind in self._marks.others(mark).items():
            if kind == ESCAPED and (slot := _SLOTS[name]) in found:
                _unescape(found, slot)
        return block

    def _own(self, found: _Found, headers: list[Header]) -> tuple[bytes, list[Header]]:
        """Give the mark, and the headers typed by it; without trust nothing of a bridge's is left."""
        if not self._trail.trusted:
            for name in _BRIDGES:
                found.pop(name, None)
            headers = [header for header in headers if not header[0].startswith(OURS)]
        mark = found.pop(TYPES, "").encode()
        return mark, list(self._marks.typed(mark, headers)) if mark else headers

    def _walk(self, data: bytes, at: int, end: int, slots: Mapping[str, str]) -> _Block:
        """Walk over the properties from `at` to `end`, and take the first of each name that has a slot.

        Raises BadProperties for whatever is wrong with them.
        """
        found: _Found = {}
        headers: list[Header] = []
        natives: dict[int, Any] = {}
        names, slot_of, add = self._names, slots.get, headers.append
        try:
            while at < end:
                if data[at] != USER:
                    identifier = data[at]
                    value, at = READ[identifier](data, at + 1)
                    natives.setdefault(identifier, value)
                    continue
                begin = at + 3
                middle = begin + (data[at + 1] << 8 | data[at + 2])
                at = middle + 2 + (data[middle] << 8 | data[middle + 1])
                name = names[data[begin:middle]]
                text = data[middle + 2 : at].decode()
                slot = slot_of(name)
                if slot is None or slot in found:
                    add((name, "string", text))
                else:
                    found[slot] = text
        except (IndexError, KeyError, UnicodeDecodeError, BadPacket) as error:
            raise BadProperties(f"{error!r:.80} at byte {at}") from None
        if at != end:
            raise BadProperties(f"they end at byte {at}, not {end}")
        return found, headers, natives

    def _key(self, text: str, mark: bytes) -> bytes:
        """Give the key, which crossed as text, or as base64url if it was marked as bytes."""
        if mark and self._marks.others(mark).get(KEY) == "bytes":
            try:
                return cast("bytes", value_of("bytes", text))
            except ValueError:
                pass
        return text.encode()

    def _undecodable(self, packet: Publish, reason: str, detail: str) -> Undecodable:
        """Keep of a packet what can be told apart: properties, payload and topic."""
        content, at, end = packet.content, 0, 0
        if self._has_properties:
            try:
                at, end = _extent(content)
            except BadProperties:
                end = len(content)
        address = packet.topic.decode("utf-8", "surrogateescape")
        return Undecodable(content[at:end], content[end:], reason, detail, address)


def _empty() -> _Block:
    return {}, [], {}


def _unescape(found: _Found, slot: str) -> None:
    """Read text that crossed as base64url; what is none is left as it is."""
    try:
        raw = unescaped(found[slot])
    except ValueError:
        return
    found[slot] = raw if isinstance(raw, str) else raw.decode("utf-8", "surrogateescape")


def _extent(content: bytes) -> tuple[int, int]:
    """Give where the properties begin and end; raises BadProperties."""
    try:
        size, at = (content[0], 1) if content[0] < 0x80 else read_varint(content, 0)
    except (IndexError, BadPacket):
        raise BadProperties("their length cannot be read") from None
    if at + size > len(content):
        raise BadProperties(f"they have {size} bytes, and {len(content) - at} are there")
    return at, at + size


def _count(found: _Found, name: str, headers: list[Header]) -> None:
    """Make a number of a property's text, or a header if it is none."""
    text = found[name]
    try:
        number = int(text) if len(text) <= _DIGITS else 0
    except ValueError:
        number = 0
    if str(number) == text:
        found[name] = number
    else:
        headers.append((PROPERTY_NAMES[name], "string", found.pop(name)))


def _native(natives: dict[int, Any], retain: bool, properties: _Found, headers: list[Header]) -> list[Header]:
    """Take standard properties of MQTT, and give the headers, before them those that a message has no property for.

    Content type and correlation win over a user property of that meaning, which stays a header. An expiration in
    milliseconds counts while it agrees with the interval in seconds, which the broker counts down.
    """
    own: list[Header] = []
    for identifier, value in natives.items():
        if identifier == CONTENT_TYPE:
            _prefer(properties, "content_type", value, headers)
        elif identifier == CORRELATION:
            _prefer(properties, "correlation_id", value.decode("utf-8", "surrogateescape"), headers)
        elif identifier == EXPIRY and lasting(properties.get("expiration", "")) != value:
            properties["expiration"] = str(value * 1000)
        elif identifier == RESPONSE_TOPIC:
            own.append((MQTT_RESPONSE_TOPIC, "string", value))
        elif identifier == PAYLOAD_FORMAT and value == 1:
            own.append((MQTT_PAYLOAD_FORMAT, "u8", 1))
    if retain:
        own.append((MQTT_RETAIN, "bool", True))
    return own + headers if own else headers


def _prefer(properties: _Found, name: str, value: str, headers: list[Header]) -> None:
    if name in properties:
        headers.append((PROPERTY_NAMES[name], "string", properties[name]))
    properties[name] = value

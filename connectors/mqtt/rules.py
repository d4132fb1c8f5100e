"""What of a message goes into an MQTT packet, and as what. Pure.

That is a contract (DESIGN section 8, research/mapping.md 4.2 and 4.4): content_type, correlation_id and expiration have
places of their own in MQTT 5, so have three headers; all other properties and each header are user properties, in order
and with repeats; what text cannot say about a header's type is in one more, `fedbridge-types`.
"""

from typing import Any, Final, TypeAlias, cast

from bridge.errors import Unmappable
from bridge.marks import ESCAPED, Dialect, mark_of
from bridge.message import Message, Type, Value
from bridge.names import EXCHANGE, KEY, NULL, PATH, PROPERTY_NAMES, ROUTING_KEY, TYPES, UID
from bridge.values import text_of
from config.mqtt import unfit
from connectors.mqtt.packets import LONGEST
from connectors.mqtt.properties import CONTENT_TYPE, CORRELATION, PAYLOAD_FORMAT, RESPONSE_TOPIC, USER, expiry

MQTT_TOPIC: Final = "mqtt-topic"
"""Header with the topic of a message that no bridge had before."""

MQTT_RETAIN: Final = "mqtt-retain"
"""Header (bool) of a message that was published to be retained."""

MQTT_RESPONSE_TOPIC: Final = "mqtt-response-topic"
"""Header with the Response Topic."""

MQTT_PAYLOAD_FORMAT: Final = "mqtt-payload-format"
"""Header (u8) with the Payload Format Indicator where it is 1: the payload is UTF-8."""

DIALECT: Final = Dialect(raw=False, null=False, claimed=frozenset({*PROPERTY_NAMES.values(), KEY}))
"""What a packet tells of its user properties' types."""

EXCEPTIONS: Final = frozenset({UID, PATH, TYPES, MQTT_RETAIN, MQTT_RESPONSE_TOPIC, MQTT_PAYLOAD_FORMAT})
"""Headers that `long_way` looks at by name."""

LONGEST_EXPIRY: Final = (1 << 32) - 1
"""Seconds of a Message Expiry Interval at most (MQTT 5, section 3.3.2.3.3)."""

_Pair: TypeAlias = tuple[str, str, Value]  # what becomes a user property: name, type or `ESCAPED`, value
_DIGITS: Final = 20  # of a number of milliseconds that may fit


def topic_fault(topic: str) -> str:
    """Say what is wrong with a topic to publish to, or "" where nothing is (MQTT 5, section 4.7).

    A topic that begins with $ is the broker's own: most refuse it or drop what is sent there.
    """
    if not topic:
        return "is empty"
    if found := unfit(topic):
        return f"holds {found}"
    if "+" in topic or "#" in topic:
        return "holds a wildcard, + or #"
    if topic[0] == "$":
        return "begins with $, as only the broker's own do"
    try:
        size = len(topic.encode())
    except UnicodeEncodeError:
        return "is not UTF-8"
    return f"has {size} bytes, MQTT allows {LONGEST}" if size > LONGEST else ""


def lasting(expiration: str) -> int | None:
    """Give the Message Expiry Interval, in seconds, of an AMQP expiration, in milliseconds as decimal text.

    It is rounded up and never 0, so that nothing expires early. None for a text that is no such number, or too large.
    """
    if not (expiration.isascii() and expiration.isdigit() and len(expiration) <= _DIGITS):
        return None
    seconds = max(1, -(-int(expiration) // 1000))
    return seconds if seconds <= LONGEST_EXPIRY else None


def retains(message: Message) -> bool:
    """Whether a message's header says that it is to be retained."""
    return any(name == MQTT_RETAIN and kind == "bool" and value is True for name, kind, value in message.headers)


def long_way(message: Message) -> bytes:
    """Encode the properties of any message, without their length.

    Text that is not UTF-8 or holds what brokers refuse (`unfit`) crosses as base64url and is marked as `ESCAPED`, a key
    as bytes. Raises Unmappable: unencodable for a name of that kind, or text that no bytes stand for, too_large for
    text above 65,535 bytes, too_deep.
    """
    parts: list[bytes] = []
    others: list[_Pair] = []
    for name, value in cast("dict[str, Any]", message.properties).items():
        parts += _property(name, value, others)
    origin: list[_Pair] = []
    if message.exchange is not None:
        origin = [_crossing(EXCHANGE, "string", message.exchange), _crossing(ROUTING_KEY, "string", message.address)]
    key: list[_Pair] = []
    if message.key is not None:
        name, kind, raw = _crossing(KEY, "string", message.key)
        key = [(name, "bytes" if kind == ESCAPED else kind, raw)]
    headers: list[_Pair] = []
    natives: set[int] = set()
    for name, kind, value in message.headers:
        native = _native(name, kind, value, natives)
        if native is None:
            headers.append(_crossing(name, kind, value))
        else:
            parts.append(native)
    try:
        mark = mark_of(
            [*origin, *headers], DIALECT, {name: kind for name, kind, _ in (*others, *key) if kind != "string"}
        )
        parts += [_user(name, _text(kind, value)) for name, kind, value in (*others, *origin, *key, *headers)]
    except RecursionError:
        raise Unmappable("a header is nested too deep to be written as JSON", "too_deep") from None
    if mark is not None:
        parts.append(_user(TYPES, mark.decode()))
    if message.body is None:
        parts.append(_user(NULL, "true"))
    if message.path:
        parts.append(_user(PATH, message.path))
    parts.append(_user(UID, message.uid))
    return b"".join(parts)


def _property(name: str, value: Any, others: list[_Pair]) -> list[bytes]:
    """Encode a property, or add it to those that become user properties, or both where its own place says less."""
    if name == "correlation_id":
        return [bytes((CORRELATION,)) + _sized(name, _escaped(name, value))]
    pair = _crossing(PROPERTY_NAMES[name], "string", str(value))
    if name == "content_type" and pair[1] != ESCAPED:
        return [bytes((CONTENT_TYPE,)) + _sized(name, _utf8(name, value))]
    seconds = lasting(value) if name == "expiration" else None
    if seconds is None or value != str(seconds * 1000):
        others.append(pair)
    return [] if seconds is None else [expiry(seconds)]


def _native(name: str, kind: Type, value: Value, taken: set[int]) -> bytes | None:
    """Give what a header is in MQTT if it is not a user property: nothing of ours; a standard property, once."""
    if name not in EXCEPTIONS:
        return None
    if name in {UID, PATH, TYPES} or (name == MQTT_RETAIN and kind == "bool" and value is True):
        return b""
    if name == MQTT_PAYLOAD_FORMAT and kind == "u8" and value == 1 and PAYLOAD_FORMAT not in taken:
        taken.add(PAYLOAD_FORMAT)
        return bytes((PAYLOAD_FORMAT, 1))
    fits = name == MQTT_RESPONSE_TOPIC and kind == "string" and isinstance(value, str) and not topic_fault(value)
    if fits and RESPONSE_TOPIC not in taken:
        taken.add(RESPONSE_TOPIC)
        return bytes((RESPONSE_TOPIC,)) + _sized(name, str(value).encode())
    return None


def _crossing(name: str, kind: Type, value: Value) -> _Pair:
    """Give a header as it crosses: a string is one if MQTT can carry it, and else bytes that stand for it."""
    if kind != "string":
        return name, kind, value
    raw = value if isinstance(value, bytes) else _escaped(name, str(value))
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return name, ESCAPED, raw
    return (name, ESCAPED, raw) if unfit(text) else (name, kind, text)


def _text(kind: str, value: Value) -> str:
    return text_of("bytes" if kind == ESCAPED else cast("Type", kind), value)


def _user(name: str, text: str) -> bytes:
    """Encode a user property: a pair of strings."""
    return bytes((USER,)) + _sized("a header's name", _utf8("a header's name", name)) + _sized(name, _utf8(name, text))


def _utf8(what: str, text: str) -> bytes:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise Unmappable(f"{what} is not UTF-8: {text!a:.80}", "unencodable") from None
    if found := unfit(text):
        raise Unmappable(f"{what} holds {found}: brokers of MQTT refuse it: {text!a:.80}", "unencodable")
    return raw


def _escaped(what: str, text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Unmappable(f"{what} is not text that has bytes: {text!a:.80}", "unencodable") from None


def _sized(what: str, raw: bytes) -> bytes:
    if len(raw) > LONGEST:
        raise Unmappable(f"{what:.80} has {len(raw)} bytes, MQTT allows {LONGEST}", "too_large")
    return len(raw).to_bytes(2) + raw

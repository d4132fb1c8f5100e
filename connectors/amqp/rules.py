"""What of a message goes into AMQP, and as what: properties and headers that RabbitMQ takes. Pure.

RabbitMQ closes the channel of a publish that it does not like, and with it the publishes around it (pitfall A7 in
research/reliability.md). What it would not like of properties is moved into headers of the same meaning, so that
nothing is lost; what of a message AMQP has no property for are headers too (DESIGN section 8, research/mapping.md 4.1).
"""

import json
from collections.abc import ItemsView, Mapping, Sequence
from typing import Any, Final, cast

from bridge.errors import Unmappable
from bridge.message import Element, Header, Message, Properties, Type, Value
from bridge.names import EXCHANGE, KEY, MILLISECONDS, NULL, NUMBERS, PATH, PROPERTY_NAMES, ROUTING_KEY, TYPES, UID
from bridge.values import text_of

RESERVED: Final[Mapping[str, str | None]] = {
    UID: None,
    PATH: None,
    "CC": "amqp-cc",
    "BCC": "amqp-bcc",
    "x-death": "fedbridge-original-x-death",
}
"""Headers that mean something to RabbitMQ or to us, and what they become; None is left out, for ours to be there once.
CC and BCC route to further queues; by a foreign x-death RabbitMQ takes a message for one that goes round in circles."""

UNSAFE: Final[Mapping[str, str]] = {name: f"amqp-{name.replace('_', '-')}" for name in PROPERTY_NAMES}
"""The header that each standard property becomes where RabbitMQ would not take it."""

CLAIMED: Final = frozenset({KEY, *UNSAFE.values()})
"""Headers that are something else to the bridge that reads them, unless they are marked as headers."""

ORIGIN: Final = frozenset({EXCHANGE, ROUTING_KEY})
"""Headers by which others say where in AMQP a message was: one that comes back does without the first of each."""

OURS: Final = frozenset({*RESERVED, *CLAIMED, MILLISECONDS, NULL})
"""Headers of a message that `sendable` looks at by name."""

LAST_TIMESTAMP: Final = (1 << 64) * 1000 - 1
"""The last timestamp that fits, in milliseconds: AMQP has 64 bits of seconds."""

PERSISTENT: Final = 2
_REPLACED: Final = frozenset({MILLISECONDS, NULL})  # of these what is said now counts
_MODES: Final = (1, PERSISTENT)
_LONGEST: Final = 255  # bytes of a property that is text
_LAST_EXPIRATION: Final = (1 << 32) - 1  # milliseconds; RabbitMQ refuses more
_DIRECT_REPLY: Final = "amq.rabbitmq.reply-to"


def sendable(message: Message, login: str, persistent: bool | None) -> tuple[Properties, Sequence[Header]]:
    """Give the properties and headers to publish a message with, the uid last; no header is there twice.

    `login` is the user of the connection, the only `user_id` that RabbitMQ takes; `persistent` overrides what the
    message says. Raises Unmappable (too_deep) for a header nested too deep to be JSON where it has to be.
    """
    properties: dict[str, Any] = {}
    added: list[Header] = []
    for name, value in cast("ItemsView[str, Any]", message.properties.items()):
        if is_safe(name, value, login):
            properties[name] = value
        else:
            added.append((UNSAFE[name], "string", str(value)))
    if persistent is not None:
        properties["delivery_mode"] = PERSISTENT if persistent else 1
    properties.setdefault("delivery_mode", PERSISTENT)
    added += _own(message, properties.get("timestamp"))
    own = message.headers if message.exchange is not None else without_origin(message.headers)
    return cast("Properties", properties), _merged(_kept(own, {name for name, _, _ in added}), added)


def is_safe(name: str, value: Any, login: str) -> bool:
    """Whether RabbitMQ takes that standard property with that value, and AMQP can hold it."""
    if name in NUMBERS:
        if name == "timestamp":
            return bool(0 <= value <= LAST_TIMESTAMP)
        return value in _MODES if name == "delivery_mode" else bool(0 <= value <= 255)
    if len(value) > _LONGEST or (not value.isascii() and len(_bytes(name, value)) > _LONGEST):
        return False
    if name == "expiration":
        return value.isascii() and value.isdigit() and int(value) <= _LAST_EXPIRATION
    if name == "reply_to":
        return not value.startswith(_DIRECT_REPLY)
    return name != "user_id" or bool(value == login)


def key_value(key: bytes) -> tuple[Type, Value]:
    """Give the type and the value of the header that holds a key."""
    try:
        return "string", key.decode()
    except UnicodeDecodeError:
        return "bytes", key


def says_more(message: Message, timestamp: int) -> bool:
    """Whether a timestamp is to be in a header too."""
    return message.exchange is None or timestamp % 1000 != 0


def without_origin(headers: Sequence[Header]) -> Sequence[Header]:
    """Give headers without the first of each that says where in AMQP the message was."""
    met: set[str] = set()
    kept: list[Header] = []
    for header in headers:
        if header[0] in ORIGIN and header[0] not in met:
            met.add(header[0])
        else:
            kept.append(header)
    return kept


def _own(message: Message, timestamp: int | None) -> list[Header]:
    """Give the headers for what AMQP has no property for."""
    headers: list[Header] = []
    if message.body is None:
        headers.append((NULL, "bool", True))
    if message.key is not None:
        headers.append((KEY, *key_value(message.key)))
    if timestamp is not None and says_more(message, timestamp):
        fits = timestamp < 1 << 63
        headers.append((MILLISECONDS, "i64" if fits else "string", timestamp if fits else str(timestamp)))
    if message.path:
        headers.append((PATH, "string", message.path))
    headers.append((UID, "string", message.uid))
    return headers


def _kept(headers: Sequence[Header], added: set[str]) -> list[Header]:
    """Give a message's own headers, without those that ours replace and with those renamed that are reserved."""
    kept: list[Header] = []
    for name, kind, value in headers:
        if name not in RESERVED:
            if name not in added or name not in _REPLACED:
                kept.append((name, kind, value))
        elif (renamed := RESERVED[name]) is not None:
            kept.append((renamed, *_as_json(kind, value)) if name == "x-death" else (renamed, kind, value))
    return kept


def _as_json(kind: Type, value: Value) -> tuple[Type, Value]:
    try:
        return "string", text_of(kind, value)
    except RecursionError:
        raise Unmappable("x-death is nested too deep to be written as JSON", "too_deep") from None


def _merged(own: list[Header], added: list[Header]) -> Sequence[Header]:
    """Make one array of each name's values where a name repeats, which no AMQP table may have, and mark it as that.

    The mark has a list for each: of types, if the order is what it was when each is spread where its array is, and else
    of the places where they were; in both, null is what was added. A header alone has one too if its name is claimed.
    """
    headers = [*own, *added]
    names = {name for name, _, _ in headers}
    if len(names) == len(headers) and CLAIMED.isdisjoint([name for name, _, _ in own]):
        return headers
    values: dict[str, list[Element]] = {}
    places: dict[str, list[int]] = {}
    for at, (name, kind, value) in enumerate(headers):
        if name != TYPES:
            values.setdefault(name, []).append((kind, value))
            if at < len(own):
                places.setdefault(name, []).append(at)
    mixed = any(found[-1] - found[0] >= len(found) for found in places.values())
    marks: dict[str, list[int | Type | None]] = {}
    for name, elements in values.items():
        found = places.get(name, ())
        if len(elements) > 1 or (found and name in CLAIMED):
            marks[name] = [*(found if mixed else (kind for kind, _ in elements[: len(found)]))]
            marks[name] += [None] * (len(elements) - len(found))
    *merged, uid = (
        (name, "array", tuple(elements)) if len(elements) > 1 else (name, *elements[0])
        for name, elements in values.items()
    )
    if not marks:
        return [*merged, uid]
    return [*merged, (TYPES, "string", json.dumps(marks, ensure_ascii=False, separators=(",", ":"))), uid]


def _bytes(name: str, text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Unmappable(f"{name} is not text that has bytes: {text!a:.80}", "unencodable") from None

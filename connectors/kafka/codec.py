"""Messages as Kafka records: pure, and on the hot path (about 3 us for 5 properties and 3 headers).

What a property becomes is a contract (DESIGN section 8, research/mapping.md 4.1): standard properties are headers with
names of their own, each header of the message is one Kafka header under its own name, and what text cannot say about a
header's type is in one companion header, `fedbridge-types`.
"""

import json
from collections.abc import ItemsView, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, cast

from bridge.errors import Unmappable
from bridge.message import Message, Type, Value
from bridge.values import text_of

Headers: TypeAlias = list[tuple[str, bytes | None]]
"""Record headers as aiokafka's builder takes them: UTF-8 names that may repeat, and bytes or null."""

PROPERTY_HEADERS = {
    "content_type": "content-type",
    "content_encoding": "amqp-content-encoding",
    "delivery_mode": "amqp-delivery-mode",
    "priority": "amqp-priority",
    "correlation_id": "amqp-correlation-id",
    "reply_to": "amqp-reply-to",
    "expiration": "amqp-expiration",
    "message_id": "amqp-message-id",
    "timestamp": "amqp-timestamp",
    "type": "amqp-type",
    "user_id": "amqp-user-id",
    "app_id": "amqp-app-id",
    "cluster_id": "amqp-cluster-id",
}
"""The header of each standard property. The timestamp has one too, in milliseconds as decimal text: a record always has
a timestamp, and only the header tells that the message had one."""

EXCHANGE, ROUTING_KEY = "amqp-exchange", "amqp-routing-key"
"""Where an AMQP message was published: present, even if empty, for what came by AMQP and for nothing else."""

UID, TYPES = "fedbridge-uid", "fedbridge-types"
"""Our own headers. A message's own headers of these names are left out: a reader finds ours, once."""

_OURS = frozenset({UID, TYPES})

LAST_TIMESTAMP = 253_402_300_799_999
"""The end of the year 9999 in milliseconds. A record from beyond would keep its segment from ever expiring."""


class Record(NamedTuple):
    """One record: key, value (null is a tombstone), CreateTime in milliseconds (None: the time of sending), headers."""

    key: bytes | None
    value: bytes | None
    timestamp: int | None
    headers: Headers


def encode(message: Message, key: bytes | None) -> Record:
    """Make the record of a message.

    Strings become UTF-8, or the bytes they were where they are not; bytes stay, void is null, everything else has its
    text form. Raises Unmappable: unencodable for a header name or text that no bytes stand for, too_deep for a table.
    """
    properties = message.properties
    headers: Headers = []
    add = headers.append
    names = PROPERTY_HEADERS
    try:
        for name, value in cast("ItemsView[str, str | int]", properties.items()):
            if isinstance(value, str):
                add((names[name], value.encode("utf-8", "surrogateescape")))
            else:
                add((names[name], b"%d" % value))
        if message.exchange is not None:
            add((EXCHANGE, message.exchange.encode("utf-8", "surrogateescape")))
            add((ROUTING_KEY, message.address.encode("utf-8", "surrogateescape")))
        if message.headers:
            _add_headers(message.headers, headers)
        add((UID, message.uid.encode("utf-8", "surrogateescape")))
    except UnicodeEncodeError as error:
        raise Unmappable(f"not text that has bytes: {error.object!a:.80}", "unencodable") from None
    except RecursionError:
        raise Unmappable("a header is nested too deep to be written as JSON", "too_deep") from None
    timestamp = properties.get("timestamp")
    if timestamp is not None and not 0 <= timestamp <= LAST_TIMESTAMP:
        timestamp = None
    return Record(key, message.body, timestamp, headers)


def _add_headers(given: Sequence[tuple[str, Type, Any]], headers: Headers) -> None:
    typed = False
    for header in given:
        name, kind, value = header
        if kind != "string":
            typed = True
            value = _native(kind, value)
        elif type(value) is str:
            value = value.encode("utf-8", "surrogateescape")
        if not name.isascii():
            name.encode()  # raises where Kafka could not name it
        elif name in _OURS:
            continue
        headers.append((name, value))
    if typed and (types := _types(tuple([header[:2] for header in given]))):
        headers.append((TYPES, types))


def _native(kind: Type, value: Value) -> bytes | None:
    if type(value) is int and kind != "timestamp":
        return b"%d" % value
    if kind == "bytes":
        return cast("bytes", value)
    if kind == "void":
        return None
    return text_of(kind, value).encode("utf-8", "surrogateescape")


@lru_cache(maxsize=1024)
def _types(headers: tuple[tuple[str, Type], ...]) -> bytes | None:
    """The types of headers that are not all strings: {"name":"i64"}, or a list where a name repeats with several."""
    types: dict[str, list[str]] = {}
    for name, kind in headers:
        if name not in _OURS:
            types.setdefault(name, []).append(kind)
    marks = {
        name: kinds[0] if len(set(kinds)) == 1 else kinds for name, kinds in types.items() if set(kinds) != {"string"}
    }
    return json.dumps(marks, ensure_ascii=False, separators=(",", ":")).encode() if marks else None

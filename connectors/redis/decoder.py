"""Entries of a stream as messages: pure, the inverse of `codec.Encoder`, and on the hot path.

Producers write entries of one kind with the same names in the same order, and what a name means is worked out once for
each such layout. Nothing here raises for what an entry holds: what does not fit its name or its type stays a header, as
it is.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from bridge.marks import MarkReader
from bridge.message import Delivery, Message, Properties, Undecodable
from bridge.parsing import number_of
from bridge.paths import UNTRACED, Trail
from bridge.raw import RawHeaders, RawProperties
from connectors.redis.commands import pack
from connectors.redis.fields import (
    DIALECT,
    NULL_FIELD,
    PATH_FIELD,
    TIMESTAMP_FIELD,
    TYPES_FIELD,
    UID_FIELD,
    Fields,
)
from connectors.redis.layout import JsonLayout, Layout, lenient
from connectors.redis.ledger import Ledger, Receipt

NoBody: TypeAlias = Literal["json", "empty", "dead_letter"]
"""What an entry without the body's field is; see `config.redis.RedisSourceSettings`."""

Entry: TypeAlias = tuple[bytes, Fields]
"""Its id and its fields."""

_LAYOUTS: Final = 256  # layouts that are remembered, of at most as many fields and bytes of names: 2 MiB at the worst
_LAYOUT_FIELDS, _LAYOUT_NAMES = 64, 1024
_new: Final = tuple.__new__  # makes a NamedTuple at half the cost of calling its class


class _Stream(NamedTuple):
    """Where entries are: the stream as uids name it, its name, and the path of messages that were nowhere else."""

    place: str
    address: str
    path: str

    def uid(self, entry: bytes) -> str:
        """The name of a message that brings none, by its entry's id."""
        return self.place + entry.decode()


class Decoder:
    """Makes deliveries of entries, and remembers layouts and how types were marked."""

    def __init__(self, place: str, body: str, no_body: NoBody, trail: Trail = UNTRACED) -> None:
        """Begin; `place` says where streams are, as HOST:PORT/DATABASE, `body` is the name of the body's field."""
        self._trail = trail
        self._place = f"redis:{place}/"
        self._body = body.encode()
        self._no_body = no_body
        self._marks = MarkReader(DIALECT)
        self._known: dict[tuple[bytes, ...], Layout] = {}
        self._last = self._layout([])

    def deliveries(self, entries: Iterable[Entry], ledger: Ledger, redelivered: bool) -> list[Delivery]:
        """Make the deliveries of entries of one stream, in their order; receipts are for `ledger`.

        A message that brings no `fedbridge-uid` is named by its position, and its timestamp is its id's. `size` is that
        of all fields.
        """
        stream = _Stream(f"{self._place}{ledger.stream}/", ledger.stream, self._trail(ledger.stream))
        found: list[Delivery] = []
        add, new, layout = found.append, _new, self._last
        for entry, fields in entries:
            names, values = fields[::2], fields[1::2]
            if names != layout.names:
                layout = self._layout(names)
            message: Message | Undecodable | None = None
            if layout.body is not None and len(values) == len(names):
                message = _message(layout, fields, values[layout.body], stream, entry)
            if message is None:
                message = self._uncommon(layout, fields, stream, entry)
            if layout.path is not None and type(message) is Message:
                message = message._replace(path=self._trail(stream.address, _text(values[layout.path])))
            add(new(Delivery, (message, new(Receipt, (ledger, entry)), sum(map(len, fields)), redelivered)))
        self._last = layout
        return found

    def _layout(self, names: Sequence[bytes]) -> Layout:
        shape = tuple(names)
        layout = self._known.get(shape)
        if layout is None:
            layout = Layout(names, self._body, self._marks, (), trusted=self._trail.trusted)
            if len(names) <= _LAYOUT_FIELDS and sum(map(len, names)) <= _LAYOUT_NAMES:
                if len(self._known) >= _LAYOUTS:
                    self._known.clear()
                self._known[shape] = layout
        return layout

    def _uncommon(self, layout: Layout, fields: Fields, stream: _Stream, entry: bytes) -> Message | Undecodable:
        """The message of an entry that is not one of the bridge's own, or has a property or a uid that is none.

        A field that is no such thing, for all its name, is a header.
        """
        values, uid = fields[1::2], stream.uid(entry)
        if len(values) != len(layout.names):
            return Undecodable(pack(*fields), b"", "bad_entry", f"{uid} has a name without a value", stream.address)
        misnamed = {number for _, number in layout.numbers if number_of(values[number]) is None}
        if layout.uid is not None and _text(values[layout.uid]) is None:
            misnamed.add(layout.uid)
        if misnamed:
            layout = Layout(layout.names, self._body, self._marks, misnamed, trusted=self._trail.trusted)
        body: bytes | None = b"" if layout.body is None else values[layout.body]
        if layout.body is None and layout.is_null(fields):
            body = None
        elif layout.body is None and self._no_body == "dead_letter":
            text = f"{uid} has no field {lenient(self._body)}"
            return Undecodable(pack(*fields), b"", "no_body", text, stream.address)
        message = _message(layout, fields, body, stream, entry)
        if message is None:
            raise ValueError(f"{uid}: a field that was looked at is not what it was")
        return _as_json(message, fields) if body == b"" and layout.body is None and self._no_body == "json" else message


def _message(layout: Layout, fields: Fields, body: bytes | None, stream: _Stream, entry: bytes) -> Message | None:
    """The message of an entry; None if it has a number or a uid that is none.

    One that brings no uid is named by its position, and its time is its id's.
    """
    timestamp: int | None = None
    for _, at in layout.numbers:
        number = number_of(fields[2 * at + 1])
        if number is None:
            return None
        if at == layout.timestamp:
            timestamp = number
    brought: str | None = None
    if layout.uid is not None:
        uid = brought = _text(fields[2 * layout.uid + 1])
        if brought is None:
            return None
    else:
        uid = stream.uid(entry)
        if timestamp is None:
            timestamp = number_of(entry[: entry.find(b"-")])
    properties = RawProperties(layout, fields, timestamp)
    headers = RawHeaders(layout, fields, properties if layout.plain else None, brought)
    key = None if layout.key is None else fields[2 * layout.key + 1]
    return _new(Message, (body, uid, stream.address, None, key, properties, headers, stream.path))


def _as_json(message: Message, fields: Fields) -> Message:
    """The message of which all fields but the bridge's own are the body, and nothing else.

    A timestamp is the bridge's own behind a uid, where the encoder puts that of an entry that had none.
    """
    pairs: list[str] = []
    ours = {UID_FIELD, PATH_FIELD, TYPES_FIELD, NULL_FIELD}
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        if name == UID_FIELD:
            ours.add(TIMESTAMP_FIELD)
        if name not in ours:
            pairs.append(f"{_quoted(name)}:{_quoted(value)}")
    body = ("{" + ",".join(pairs) + "}").encode()
    given = cast("RawHeaders", message.headers)
    reader = JsonLayout(cast("Layout", given.reader), body)
    properties = RawProperties(reader, fields, cast("RawProperties", message.properties).timestamp)
    headers = RawHeaders(reader, fields, None if given.properties is None else properties, given.uid)
    return message._replace(body=body, key=None, properties=cast("Properties", properties), headers=headers)


def _quoted(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = base64.urlsafe_b64encode(raw).decode()
    return json.dumps(text, ensure_ascii=False)


def _text(raw: bytes) -> str | None:
    """Text that is there and is UTF-8."""
    try:
        return raw.decode() or None
    except UnicodeDecodeError:
        return None

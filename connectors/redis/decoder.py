"""Entries of a stream as messages: pure, the inverse of `codec.Encoder`, and on the hot path.

Producers write entries of one kind with the same names in the same order, and what a name means is worked out once for
each such layout. Nothing here raises for what an entry holds: what does not fit its name or its type stays a header, as
it is.
"""

import base64
import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from bridge.marks import MarkReader
from bridge.message import Delivery, Header, Message, Undecodable
from connectors.redis.commands import pack
from connectors.redis.fields import (
    HEADER,
    KEY_FIELD,
    NULL_FIELD,
    NUMBERS,
    PROPERTY_FIELDS,
    TRUE,
    TYPES_FIELD,
    UID_FIELD,
    FieldHeaders,
    Fields,
)
from connectors.redis.ledger import Ledger, Receipt

NoBody: TypeAlias = Literal["json", "empty", "dead_letter"]
"""What an entry without the body's field is; see `config.redis.RedisSourceSettings`."""

Entry: TypeAlias = tuple[bytes, Fields]
"""Its id and its fields."""

_LAYOUTS: Final = 256  # layouts that are remembered, of at most as many fields and bytes of names: 2 MiB at the worst
_LAYOUT_FIELDS, _LAYOUT_NAMES = 64, 1024
_DIGITS: Final = 24  # of the largest number: 64 bits of seconds, in milliseconds, with a sign
_new: Final = tuple.__new__  # makes a NamedTuple at half the cost of calling its class


class Layout:
    """What the fields of entries with these names are; positions count values, and None is a field that is not there.

    `plain` says that such an entry is written to Redis as it was read, if nobody changes the message.
    """

    __slots__ = ("_headers", "_marks", "body", "key", "mark", "names", "null", "numbers", "plain", "texts", "uid")

    def __init__(self, names: Sequence[bytes], body: bytes, marks: MarkReader, plain_headers: Collection[int]) -> None:
        """Work it out; the fields at `plain_headers` are headers whatever their names."""
        self.names = names
        self.body: int | None = None
        self.key: int | None = None
        self.uid: int | None = None
        self.mark: int | None = None
        self.null: int | None = None
        self.plain = not plain_headers
        self._marks = marks
        numbers: list[tuple[str, int]] = []
        texts: list[tuple[str, int]] = []
        headers: list[tuple[str, int]] = []
        taken: set[bytes] = set()
        for at, name in enumerate(names):
            known = name not in taken and at not in plain_headers
            taken.add(name)
            if known and name == body:
                self.body = at
            elif known and name == KEY_FIELD:
                self.key = at
            elif known and name == UID_FIELD:
                self.uid = at
            elif known and name == TYPES_FIELD:
                self.mark = at
            elif known and name == NULL_FIELD:
                self.null = at
            elif known and name in PROPERTY_FIELDS:
                place = PROPERTY_FIELDS[name], at
                (numbers if place[0] in NUMBERS else texts).append(place)
            else:
                self.plain &= name not in {UID_FIELD, TYPES_FIELD}  # the encoder would leave it out
                headers.append((_lenient(name.removeprefix(HEADER)), at))
        self.numbers = tuple(numbers)
        self.texts = tuple(texts)
        self._headers = tuple(headers)

    def headers(self, fields: Fields) -> Sequence[Header]:
        """The message's own headers, of strings, or bytes where they are not UTF-8, or typed as they are marked."""
        values = fields[1::2]
        found: list[Header] = []
        for name, at in self._headers:
            raw = values[at]
            try:
                found.append((name, "string", raw.decode()))
            except UnicodeDecodeError:
                found.append((name, "bytes", raw))
        return found if self.mark is None else self._marks.typed(values[self.mark], found)


class _Position(NamedTuple):
    """Where an entry is."""

    place: str
    address: str
    entry: bytes

    @property
    def uid(self) -> str:
        """The name of a message that brings none."""
        return f"{self.place}{self.address}/{self.entry.decode()}"


class Decoder:
    """Makes deliveries of entries, and remembers layouts and how types were marked."""

    def __init__(self, place: str, body: str, no_body: NoBody) -> None:
        """Begin; `place` says where streams are, as HOST:PORT/DATABASE, `body` is the name of the body's field."""
        self._place = f"redis:{place}/"
        self._body = body.encode()
        self._no_body = no_body
        self._marks = MarkReader(raw=True)
        self._known: dict[tuple[bytes, ...], Layout] = {}
        self._last = self._layout([])

    def deliveries(self, entries: Iterable[Entry], ledger: Ledger, redelivered: bool) -> list[Delivery]:
        """Make the deliveries of entries of one stream, in their order; receipts are for `ledger`.

        A message that brings no `fedbridge-uid` is named by its position, and its timestamp is its id's. `size` is that
        of all fields.
        """
        address = ledger.stream
        found: list[Delivery] = []
        add, new, layout = found.append, _new, self._last
        for entry, fields in entries:
            names, values = fields[::2], fields[1::2]
            if names != layout.names:
                layout = self._layout(names)
            message: Message | Undecodable | None = None
            if layout.body is not None and layout.uid is not None and len(values) == len(names):
                message = _message(layout, fields, values, values[layout.body], address)
            if message is None:
                message = self._uncommon(layout, fields, _Position(self._place, address, entry))
            add(new(Delivery, (message, new(Receipt, (ledger, entry)), sum(map(len, fields)), redelivered)))
        self._last = layout
        return found

    def _layout(self, names: Sequence[bytes]) -> Layout:
        shape = tuple(names)
        layout = self._known.get(shape)
        if layout is None:
            layout = Layout(names, self._body, self._marks, ())
            if len(names) <= _LAYOUT_FIELDS and sum(map(len, names)) <= _LAYOUT_NAMES:
                if len(self._known) >= _LAYOUTS:
                    self._known.clear()
                self._known[shape] = layout
        return layout

    def _uncommon(self, layout: Layout, fields: Fields, at: _Position) -> Message | Undecodable:
        """The message of an entry that is not one of the bridge's own, or has a property or a uid that is none.

        A field that is no such thing, for all its name, is a header.
        """
        values = fields[1::2]
        if len(values) != len(layout.names):
            return Undecodable(pack(*fields), b"", "bad_entry", f"{at.uid} has a name without a value", at.address)
        misnamed = {number for _, number in layout.numbers if _number(values[number]) is None}
        if layout.uid is not None and not _is_uid(values[layout.uid]):
            misnamed.add(layout.uid)
        if misnamed:
            layout = Layout(layout.names, self._body, self._marks, misnamed)
        is_null = layout.null is not None and values[layout.null] == TRUE
        body = b"" if layout.body is None else values[layout.body]
        if layout.body is None and not is_null and self._no_body == "dead_letter":
            text = f"{at.uid} has no field {_lenient(self._body)}"
            return Undecodable(pack(*fields), b"", "no_body", text, at.address)
        message = _message(layout, fields, values, None if layout.body is None and is_null else body, at.address)
        if message is None:
            raise ValueError(f"{at.uid}: a field that was looked at is not what it was")
        if layout.uid is None:
            message = message._replace(uid=at.uid)
            milliseconds = at.entry.partition(b"-")[0]
            if "timestamp" not in message.properties and milliseconds.isdigit():
                message.properties["timestamp"] = int(milliseconds)
        return _as_json(message, fields) if layout.body is None and not is_null and self._no_body == "json" else message


def _message(
    layout: Layout, fields: Fields, values: Sequence[bytes], body: bytes | None, address: str
) -> Message | None:
    """The message of an entry, without a uid if it brings none; None if it has a property or a uid that is none."""
    properties: Any = {}
    uid: str | None = None
    try:
        for name, at in layout.texts:
            properties[name] = values[at].decode()
        if layout.uid is not None:
            uid = values[layout.uid].decode()
    except UnicodeDecodeError:
        for name, at in layout.texts:
            properties[name] = _lenient(values[at])
        if layout.uid is not None and (uid := _lenient(values[layout.uid])) and not _is_uid(values[layout.uid]):
            return None
    if uid == "":
        return None
    for name, at in layout.numbers:
        number = _number(values[at])
        if number is None:
            return None
        properties[name] = number
    key = None if layout.key is None else values[layout.key]
    headers = FieldHeaders(layout.headers, fields, body, key, properties if layout.plain else None, uid)
    return _new(Message, (body, uid or "", address, None, key, properties, headers))


def _as_json(message: Message, fields: Fields) -> Message:
    """The message of which all fields but the bridge's own are the body, and nothing else."""
    pairs = [
        f"{_quoted(name)}:{_quoted(value)}"
        for name, value in zip(fields[::2], fields[1::2], strict=True)
        if name not in {UID_FIELD, TYPES_FIELD, NULL_FIELD}
    ]
    body = ("{" + ",".join(pairs) + "}").encode()
    properties: Any = {"content_type": "application/json"}
    if "timestamp" in message.properties:
        properties["timestamp"] = message.properties["timestamp"]
    given = message.headers
    plain = isinstance(given, FieldHeaders) and given.properties is not None
    uid = given.uid if isinstance(given, FieldHeaders) else None
    headers = FieldHeaders(_no_headers, fields, body, None, properties if plain else None, uid)
    return message._replace(body=body, key=None, properties=properties, headers=headers)


def _no_headers(_fields: Fields) -> Sequence[Header]:
    return ()


def _quoted(raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = base64.urlsafe_b64encode(raw).decode()
    return json.dumps(text, ensure_ascii=False)


def _lenient(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _is_uid(raw: bytes) -> bool:
    try:
        return bool(raw.decode())
    except UnicodeDecodeError:
        return False


def _number(raw: bytes) -> int | None:
    """The number that decimal digits are, or None if they are not written as that number is."""
    if raw.isdigit() and (raw[0] != 0x30 or len(raw) == 1) and len(raw) <= _DIGITS:
        return int(raw)
    digits = raw[1:]
    if raw[:1] == b"-" and digits.isdigit() and digits[0] != 0x30 and len(raw) <= _DIGITS:
        return int(raw)
    return None

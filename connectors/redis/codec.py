"""Messages as the fields of an entry, packed: pure, and on the hot path.

What a property becomes is a contract (DESIGN section 8, research/mapping.md 4.3 and 4.5): the body and the key as they
are, standard properties under the names that they have everywhere, each header of the message under its own name with
the prefix `h:`, and what text cannot say about a header's type in one companion field, `fedbridge-types`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from bridge.errors import Unmappable
from bridge.marks import Marks, Shape, mark_of
from bridge.message import Header, Message, Type, Value
from bridge.names import PATH, PROPERTY_NAMES, TYPES, UID
from bridge.raw import RawHeaders, RawProperties
from bridge.values import text_of
from connectors.redis.commands import LENGTHS, xadd_head
from connectors.redis.crossing import Crossings
from connectors.redis.fields import (
    BODY,
    DIALECT,
    EXCHANGE_FIELD,
    HEADER,
    KEY_FIELD,
    NULL_FIELD,
    PATH_FIELD,
    ROUTING_KEY_FIELD,
    TIMESTAMP_FIELD,
    TRUE,
    TYPES_FIELD,
    UID_FIELD,
)
from connectors.redis.frames import Frame, frame_of
from connectors.redis.layout import JsonLayout, Layout

LARGEST: Final = 512 << 20
"""The largest field in bytes that a server takes, unless its proto-max-bulk-len says otherwise."""

_MOST_FIELDS: Final = 500_000  # a command has at most 1024 * 1024 arguments (6.2: "invalid multibulk length")
_OURS: Final = frozenset({UID, PATH, TYPES})
_SHAPES: Final = 256  # shapes of messages that are remembered, of at most as many headers and characters of names
_SHAPE_HEADERS, _SHAPE_NAMES = 64, 1024
_HEADS: Final = 1024  # beginnings of commands that are remembered

_Encode: TypeAlias = Callable[[str], bytes]
_VARIED: Final = ("table", "array", "bytes")  # types of which a mark says more or less by the value
_Shape: TypeAlias = tuple[tuple[str, ...], tuple[str, ...], tuple[Type, ...], bool, bool, bool, bool, bool | None]


class Encoder:
    """Makes XADD commands of messages, and remembers what messages have in common."""

    def __init__(self, max_length: int | None, largest: int = LARGEST) -> None:
        """Begin; `max_length` is what streams are trimmed to, `largest` the most bytes of a field."""
        self.largest = largest
        self._max_length = max_length
        self._marks = Marks(DIALECT)
        self._frames: dict[_Shape, Frame] = {}
        self._heads: dict[tuple[bytes, int], bytes] = {}
        self._crossings = Crossings()
        self._last: tuple[Sequence[bytes], Frame] = [], frame_of([])

    def add(self, message: Message, stream: bytes, parts: list[bytes], encode: _Encode = str.encode) -> None:
        """Append the command that adds a message to a stream to `parts`, which are to be joined.

        Strings become UTF-8, or the bytes they were where they are not; bytes stay, void is empty, everything else has
        its text form. Raises Unmappable, and `parts` are as they were: unencodable for text that no bytes stand for,
        too_deep for a table, too_large. `encode` is for itself: text is taken for UTF-8 at first, which is faster.
        """
        own = message.headers
        try:
            passed = None
            if type(own) is RawHeaders and own.properties is message.properties:
                passed = self._passed(own, message)
            frame, values = passed or self._framed(message, encode)
        except UnicodeEncodeError as error:
            if encode is str.encode:
                return self.add(message, stream, parts, _escaping)
            raise Unmappable(f"not text that has bytes: {error.object!a:.80}", "unencodable") from None
        except RecursionError:
            raise Unmappable("a header is nested too deep to be written as JSON", "too_deep") from None
        command = frame.parts.copy()
        try:
            command[2::3] = [LENGTHS[len(value)] for value in values]
        except (IndexError, TypeError):
            if None in values:  # a null that a message brought, which Redis does not have
                return self.add(message._replace(headers=tuple(own)), stream, parts)
            command[2::3] = self._lengths(frame, values)
        command[3::3] = values
        try:
            command[0] = self._heads[stream, frame.fields]
        except KeyError:
            command[0] = self._head(stream, frame.fields)
        parts += command

    def _passed(self, own: RawHeaders, message: Message) -> tuple[Frame, Sequence[bytes]] | None:
        """The entry of a message with what it brought, from Redis or elsewhere; None if that would not say it all."""
        if own.uid is not None and own.uid != message.uid:
            return None
        reader = own.reader
        if type(reader) is Layout or type(reader) is JsonLayout:
            if not reader.brought(own.given, message):
                return None
            fields = reader.without_path(own.given)
            if message.path:
                fields += (PATH_FIELD, message.path.encode())
            if not own.uid:
                fields += (UID_FIELD, message.uid.encode())
                timestamp = cast("RawProperties", own.properties).timestamp
                if timestamp is not None and TIMESTAMP_FIELD not in fields[::2]:  # the new id says another one
                    fields += (TIMESTAMP_FIELD, b"%d" % timestamp)
            return self._as_read(fields[::2]), fields[1::2]
        return self._crossings.cross(own, message)

    def _as_read(self, names: Sequence[bytes]) -> Frame:
        """The frame of an entry's own fields: of the last one, if those are the same."""
        last, frame = self._last
        if names != last:
            frame = frame_of([(name, None) for name in names])
            self._last = names, frame
        return frame

    def _framed(self, message: Message, encode: _Encode) -> tuple[Frame, list[bytes]]:
        """What a message has in common with others, and what not: the values of its fields."""
        body, uid, address, exchange, key, properties, headers, path = message
        values: list[bytes] = []
        if body is not None:
            values.append(body)
        if key is not None:
            values.append(key)
        values += [
            encode(value) if type(value) is str else b"%d" % value
            for value in cast("Mapping[str, Any]", properties).values()
        ]
        if exchange is not None:
            values += (encode(exchange), encode(address))
        names: tuple[str, ...] = ()
        kinds: tuple[Type, ...] = ()
        marked: bool | None = None  # by a value of its own, and not by the mark of its shape
        if headers:
            names, kinds, given = zip(*headers)  # noqa: B905 - headers are triples, and `strict` costs 0.1 us here
            varied, fits = _add_values(kinds, given, values, encode)
            if varied or not fits:
                mark = self._mark(headers, (names, kinds)) if fits else self._marks.exact(headers)
                marked = mark is not None
                if mark is not None:
                    values.append(mark)
        if path:
            values.append(path.encode())
        values.append(encode(uid))
        shape = tuple(properties), names, kinds, body is None, key is None, exchange is None, not path, marked
        frame = self._frames.get(shape)
        if frame is None:
            if not _OURS.isdisjoint(names):
                return self._framed(message._replace(headers=[own for own in headers if own[0] not in _OURS]), encode)
            frame = self._learn(shape, encode)
        return frame, values

    def _mark(self, headers: Sequence[Header], shape: Shape) -> bytes | None:
        """The mark of headers whose strings are text."""
        try:
            return self._marks.known[shape]
        except KeyError:
            return self._marks.learn(headers)

    def _learn(self, shape: _Shape, encode: _Encode) -> Frame:
        properties, names, kinds, is_null, keyless, not_by_amqp, pathless, marked = shape
        typed = [(name, kind, "") for name, kind in zip(names, kinds, strict=True)]
        mark = mark_of(typed, DIALECT) if marked is None else None  # by shape: nothing in it varies
        fields: list[tuple[bytes, bytes | None]] = [(NULL_FIELD, TRUE) if is_null else (BODY.encode(), None)]
        if not keyless:
            fields.append((KEY_FIELD, None))
        fields += [(PROPERTY_NAMES[name].encode(), None) for name in properties]
        if not not_by_amqp:
            fields += ((EXCHANGE_FIELD, None), (ROUTING_KEY_FIELD, None))
        fields += [(HEADER + encode(name), None) for name in names]
        if mark is not None or marked:
            fields.append((TYPES_FIELD, mark))
        if not pathless:
            fields.append((PATH_FIELD, None))
        fields.append((UID_FIELD, None))
        frame = frame_of(fields)
        if len(names) <= _SHAPE_HEADERS and sum(map(len, names)) <= _SHAPE_NAMES:
            if len(self._frames) >= _SHAPES:
                self._frames.clear()
            self._frames[shape] = frame
        return frame

    def _lengths(self, frame: Frame, values: Sequence[bytes]) -> list[bytes]:
        """The lengths of values of which one is large; raises Unmappable where it is too large."""
        lengths = [len(value) for value in values]
        if max(lengths) > self.largest:
            raise Unmappable(f"a field of {max(lengths)} bytes, and the server takes {self.largest}", "too_large")
        return [b"%d\r\n" % length for length in lengths]

    def _head(self, stream: bytes, fields: int) -> bytes:
        if fields > _MOST_FIELDS:
            raise Unmappable(f"{fields} fields, and an entry has at most {_MOST_FIELDS}", "too_large")
        head = xadd_head(stream, fields, self._max_length)
        if len(head) <= _SHAPE_NAMES:
            if len(self._heads) >= _HEADS:
                self._heads.clear()
            self._heads[stream, fields] = head
        return head


def _add_values(kinds: Sequence[Type], given: Sequence[Any], values: list[bytes], encode: _Encode) -> tuple[bool, bool]:
    """Add the values of headers; tell whether their mark may depend on them, and whether all strings are text."""
    varied, fits = False, encode is str.encode
    for kind, value in zip(kinds, given, strict=False):  # as many; `strict` costs
        if kind == "string":
            if type(value) is str:
                values.append(encode(value))
            else:  # it is not UTF-8
                values.append(value)
                fits = False
        elif type(value) is int and kind != "timestamp":
            values.append(b"%d" % value)
        else:
            values.append(_native(kind, value, encode))
            varied = varied or kind in _VARIED
    return varied, fits


def _native(kind: Type, value: Value, encode: _Encode) -> bytes:
    return cast("bytes", value) if kind == "bytes" else encode(text_of(kind, value))


def _escaping(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

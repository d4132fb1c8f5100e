"""Messages as Kafka records: pure, and on the hot path (about 2 us for 5 properties and 3 headers).

What a property becomes is a contract (DESIGN section 8, research/mapping.md 4.1): standard properties are headers with
names of their own, each header of the message is one Kafka header under its own name, and what text cannot say about a
header's type is in one companion header, `fedbridge-types`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

from bridge.errors import Unmappable
from bridge.marks import Dialect, Marks
from bridge.message import Message, Type, Value
from bridge.names import EXCHANGE, PATH, PROPERTY_NAMES, ROUTING_KEY, TYPES, UID
from bridge.raw import Pairs, RawHeaders, RawProperties, properties_of
from bridge.values import text_of

DIALECT = Dialect(raw=True, null=True, claimed=frozenset(PROPERTY_NAMES.values()))
"""What a record tells of its headers' types."""

_OURS = frozenset({UID, TYPES, PATH})

LAST_TIMESTAMP = 253_402_300_799_999
"""The end of the year 9999 in milliseconds. A record from beyond would keep its segment from ever expiring."""


class Record(NamedTuple):
    """One record: key, value (null is a tombstone), CreateTime in milliseconds (None: the time of sending), headers."""

    key: bytes | None
    value: bytes | None
    timestamp: int | None
    headers: Pairs


_Encode: TypeAlias = Callable[[str], bytes]


def _escaping(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class Encoder:
    """Makes records of messages, and remembers what messages have in common: where they came from, what headers."""

    def __init__(self) -> None:
        self._marks = Marks(DIALECT)
        self._exchange: str | None = None
        self._address: str | None = None
        self._origin: Pairs = []

    def record(self, message: Message, key: bytes | None) -> Record:
        """Make the record of a message; raises as `encode` does."""
        timestamp, headers = self.encode(message)
        return Record(key, message.body, timestamp, headers)

    def encode(self, message: Message, encode: _Encode = str.encode) -> tuple[int | None, Pairs]:
        """Make the timestamp and the headers of a message's record, which has the message's body and any key.

        Strings become UTF-8, or the bytes they were where they are not; bytes stay, void is null, everything else has
        its text form. Raises Unmappable: unencodable for a header name or text that no bytes stand for, too_deep for a
        table. `encode` is for itself: text is taken for UTF-8 at first, which is faster, and then for escaped bytes.
        """
        properties, own = message.properties, message.headers
        if type(own) is RawHeaders and own.properties is properties:  # nobody has touched what the message brought
            passed = _passed(own, message)
            if passed is not None:
                return passed
        exchange, address = message.exchange, message.address
        names = PROPERTY_NAMES
        try:
            headers: Pairs = [
                (names[name], b"%d" % value if type(value) is int else encode(value))
                for name, value in properties_of(message).items()
            ]
            if exchange is not None:
                if exchange != self._exchange or address != self._address:
                    self._origin = [(EXCHANGE, encode(exchange)), (ROUTING_KEY, encode(address))]
                    self._exchange, self._address = exchange, address
                headers += self._origin
            if message.headers:
                self._add(message.headers, headers, encode)
            if message.path:
                headers.append((PATH, message.path.encode()))
            headers.append((UID, encode(message.uid)))
        except UnicodeEncodeError as error:
            if encode is str.encode:
                return self.encode(message, _escaping)
            raise Unmappable(f"not text that has bytes: {error.object!a:.80}", "unencodable") from None
        except RecursionError:
            raise Unmappable("a header is nested too deep to be written as JSON", "too_deep") from None
        return _kept(properties.get("timestamp")), headers

    def _add(self, given: Sequence[tuple[str, Type, Any]], headers: Pairs, encode: _Encode) -> None:
        names, kinds, _ = zip(*given)  # noqa: B905 - headers are triples, and `strict` costs 0.1 us here
        try:
            mark = self._marks.known[names, kinds]
        except KeyError:
            if not _OURS.isdisjoint(names):
                if foreign := [header for header in given if header[0] not in _OURS]:
                    self._add(foreign, headers, encode)
                return
            "".join(names).encode()  # or aiokafka could not write them
            mark = self._marks.learn(given)
        add = headers.append
        fits = encode is str.encode
        for name, kind, value in given:
            if kind == "string":
                if type(value) is str:
                    add((name, encode(value)))
                else:  # it is not UTF-8
                    add((name, value))
                    fits = False
            elif type(value) is int and kind != "timestamp":
                add((name, b"%d" % value))
            else:
                add((name, _native(kind, value, encode)))
        if not fits:
            mark = self._marks.exact(given)
        if mark is not None:
            add((TYPES, mark))


def _passed(own: RawHeaders, message: Message) -> tuple[int | None, Pairs] | None:
    """Timestamp and headers of a record with what its message brought; None if those would not say it all."""
    uid, path = message.uid, message.path
    named = own.uid == uid
    if not named and (own.uid is not None or not uid.isascii()):
        return None
    properties = cast("RawProperties", own.properties)
    timestamp = properties.timestamp
    if timestamp is None:
        timestamp = properties.get("timestamp", properties.sent)
    pairs = own.pairs if timestamp is None or 0 <= timestamp <= LAST_TIMESTAMP else None  # else it needs a header
    if pairs is None:
        return None
    added: Pairs = [(PATH, path.encode())] if path else []
    if not named:
        added.append((UID, uid.encode()))
    return timestamp, pairs + added if added else pairs


def _kept(timestamp: int | None) -> int | None:
    """The timestamp of a record, if there is one that Kafka should have."""
    return timestamp if timestamp is not None and 0 <= timestamp <= LAST_TIMESTAMP else None


def _native(kind: Type, value: Value, encode: _Encode) -> bytes | None:
    if kind == "bytes":
        return cast("bytes", value)
    if kind == "void":
        return None
    return encode(text_of(kind, value))

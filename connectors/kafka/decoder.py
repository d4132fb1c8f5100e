"""Kafka records as messages: pure, the inverse of `codec.Encoder`, and on the hot path.

Headers with the names that the encoder gives to properties become properties again; the types of all others are in
`fedbridge-types`, and those of a foreign producer are text, or bytes where they are not UTF-8. Nothing here raises for
what a record holds: what does not fit its name or its type stays a header, as it is.
"""

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from bridge.marks import MarkReader
from bridge.message import Delivery, Header, Message
from bridge.names import NUMBERS, OURS, PATH, PROPERTY_NAMES, TYPES, UID
from bridge.parsing import number_of
from bridge.paths import UNTRACED, Trail
from bridge.raw import Pairs, RawHeaders, RawProperties
from connectors.kafka.codec import DIALECT
from connectors.kafka.records import PlainRecord
from connectors.kafka.tap import Record

_PROPERTIES: Final = {header: name for name, header in PROPERTY_NAMES.items()}
_DECIMAL: Final = frozenset(PROPERTY_NAMES[name] for name in NUMBERS)
_CREATE_TIME: Final = 0  # the message's time, and not that of the broker's log, or none (format 0)
_CLUSTER_BYTES: Final = 6  # of a cluster's name in uids
_new: Final = tuple.__new__  # makes a NamedTuple at half the cost of calling its class


class Decoder:
    """Makes deliveries of records, and remembers how types were marked; a `bridge.raw.Reader` of record headers."""

    def __init__(self, cluster: str, trail: Trail = UNTRACED) -> None:
        """Begin; `cluster` is the cluster's id, of which every uid has a part."""
        self._cluster = short_cluster(cluster)
        self._trail = trail
        self._marks = MarkReader(DIALECT)

    def deliveries(self, records: Iterable[Record], topic: str, partition: int, receipt: int) -> list[Delivery]:
        """Make the deliveries of records of one partition; their receipts count up from `receipt`.

        A message that brings no `fedbridge-uid` is named by its position and timestamp, since a topic made anew starts
        its offsets again (DESIGN section 4). The time of one that brings a uid is that of its header alone, unless it
        came as it was from another topic, and is named by its position and time there. `size` is that of key, value
        and headers.
        """
        place = f"kafka:{self._cluster}/{topic}/{partition}/"
        found: list[Delivery] = []
        add, new, trail = found.append, _new, self._trail
        begun, trusted = trail(topic), trail.trusted
        for record in records:
            key, value, given, timestamp = record.key, record.value, record.headers, record.timestamp
            size = (len(value) if value else 0) + (len(key) if key else 0)
            if not trusted:
                given = [pair for pair in given if not pair[0].startswith(OURS)]
            uid = path = None
            plain = type(record) is not PlainRecord or _are_text(given)  # else aiokafka could not write them
            for name, raw in given:
                size += len(name) + (len(raw) if raw else 0)
                if name == PATH:
                    path = raw or path or b""
                elif (raw is None and name == TYPES) or (
                    name == UID and (uid is not None or not raw or (uid := _text(raw)) is None)
                ):
                    plain = False  # it is no mark or uid of ours, and elsewhere it would be a header
            if path is not None:
                given = [pair for pair in given if pair[0] != PATH]
            is_own = record.timestamp_type == _CREATE_TIME and timestamp >= 0
            if is_own and uid is not None and not uid.endswith(f"@{timestamp}"):  # a bridge says the time in a header
                properties = RawProperties(self, given, None, timestamp)
            else:
                properties = RawProperties(self, given, timestamp if is_own else None)
            headers = RawHeaders(self, given, properties if plain else None, uid)
            if uid is None:
                uid = f"{place}{record.offset}@{timestamp}"
            message = new(Message, (value, uid, topic, None, key, properties, headers, begun))
            if path:
                message = message._replace(path=trail(topic, _text(path)))
            add(new(Delivery, (message, receipt, size, False)))
            receipt += 1
        return found

    def properties(self, given: Pairs) -> dict[str, Any]:
        """Give the standard properties among the headers of a record."""
        properties: dict[str, Any] = {}
        mark: bytes | None = None
        for header, raw in given:
            name = _PROPERTIES.get(header)
            if name is None or raw is None or name in properties:
                if header == TYPES and raw is not None:
                    mark = raw
                continue
            if name in NUMBERS:
                number = number_of(raw)
                if number is not None:
                    properties[name] = number
                continue
            try:
                properties[name] = raw.decode()
            except UnicodeDecodeError:
                properties[name] = raw.decode("utf-8", "surrogateescape")
        if mark and (claims := self._marks.claims(mark)):
            own = _claimed(given, claims)
            return self.properties([pair for at, pair in enumerate(given) if at not in own and pair[0] != TYPES])
        return properties

    def pairs(self, given: Pairs, timestamp: int | None) -> Pairs:
        """Give the headers of a record: they are what crosses."""
        return given

    def headers(self, given: Pairs) -> Sequence[Header]:
        """Give the headers of a record that are the message's own, typed as `fedbridge-types` says."""
        headers, mark = _headers(given, ())
        if mark is None:
            return headers
        if claims := self._marks.claims(mark):
            headers, _ = _headers(given, _claimed(given, claims))
        return self._marks.typed(mark, headers)


def _headers(given: Pairs, own: Collection[int]) -> tuple[list[Header], bytes | None]:
    """Give what of a record is no property and nothing of ours, and the mark; at `own` are headers by any name."""
    taken: set[str] = set()
    mark: bytes | None = None
    uid: str | None = None
    headers: list[Header] = []
    for at, (name, raw) in enumerate(given):
        if raw is None:
            headers.append((name, "void", None))
        elif name == TYPES:
            mark = raw
        elif name == UID and raw and uid is None and (uid := _text(raw)) is not None:
            continue
        elif (
            name in _PROPERTIES
            and name not in taken
            and at not in own
            and (name not in _DECIMAL or number_of(raw) is not None)
        ):
            taken.add(name)
        else:
            text = _text(raw)
            headers.append((name, "bytes", raw) if text is None else (name, "string", text))
    return headers, mark


def _claimed(given: Pairs, claims: Mapping[str, int]) -> frozenset[int]:
    """Give where those headers are which are no properties for all their names: the last ones, as many as marked."""
    places: dict[str, list[int]] = {}
    for at, (name, _) in enumerate(given):
        if name in claims:
            places.setdefault(name, []).append(at)
    return frozenset(at for name, found in places.items() for at in found[-claims[name] :])


def short_cluster(cluster: str) -> str:
    """Give what stands for a cluster in uids: its id, or 8 characters of a digest where that is longer.

    RabbitMQ takes a fifth less messages a second if a string in their headers has more than 64 bytes, of which the 22
    of a cluster's id would be a third (measured: 15,600 and 18,800 a second): Erlang keeps such strings elsewhere.
    """
    if len(cluster) <= _CLUSTER_BYTES * 4 // 3:
        return cluster
    digest = hashlib.blake2b(cluster.encode(), digest_size=_CLUSTER_BYTES).digest()
    return base64.urlsafe_b64encode(digest).decode()


def _are_text(headers: Pairs) -> bool:
    try:
        "".join([name for name, _ in headers]).encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None

"""The fields of an entry: their names, and the headers of a message that came by Redis while nobody has looked at them.

An entry is a flat sequence of names and values, bytes, in which names may repeat. A header has the prefix `h:`, so that
none is taken for the body, the key or a property (research/mapping.md 4.3).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias, overload

from bridge.message import Header
from bridge.names import EXCHANGE, NULL, PROPERTY_NAMES, ROUTING_KEY, TYPES, UID

Fields: TypeAlias = Sequence[bytes]
"""Names and values in turn, in the order of the entry."""

BODY: Final = "body"
"""Where the sink puts the body; a source may be told another name."""

KEY_FIELD: Final = b"key"
UID_FIELD: Final = UID.encode()
TYPES_FIELD: Final = TYPES.encode()
NULL_FIELD: Final = NULL.encode()
EXCHANGE_FIELD: Final = EXCHANGE.encode()
ROUTING_KEY_FIELD: Final = ROUTING_KEY.encode()
HEADER: Final = b"h:"
"""What the name of a header's field begins with."""

TRUE: Final = b"true"
PROPERTY_FIELDS: Final[Mapping[bytes, str]] = {field.encode(): name for name, field in PROPERTY_NAMES.items()}
"""The property that each of these fields is."""

NUMBERS: Final = frozenset({"delivery_mode", "priority", "timestamp"})
"""The properties that are numbers, decimal."""

Read: TypeAlias = Callable[[Fields], Sequence[Header]]
"""Types the headers among the fields of an entry."""


class FieldHeaders(Sequence[Header]):
    """The headers of a message that came by Redis, typed only when somebody looks.

    `fields` are those of the entry, `body`, `key` and `properties` the very objects that were made of them, and `uid`
    the one they brought, or None: a message that still has these is written to Redis as it was read. Without
    `properties` it is not.
    """

    __slots__ = ("_read", "_typed", "body", "fields", "key", "properties", "uid")

    def __init__(  # noqa: PLR0917 - on the hot path, where keywords cost
        self,
        read: Read,
        fields: Fields,
        body: bytes | None,
        key: bytes | None,
        properties: Mapping[str, object] | None,
        uid: str | None,
    ) -> None:
        self._read = read
        self.fields = fields
        self.body = body
        self.key = key
        self.properties = properties
        self.uid = uid
        self._typed: Sequence[Header] | None = None

    def _headers(self) -> Sequence[Header]:
        if self._typed is None:
            self._typed = self._read(self.fields)
        return self._typed

    def __iter__(self) -> Iterator[Header]:
        return iter(self._headers())

    def __len__(self) -> int:
        return len(self._headers())

    @overload
    def __getitem__(self, at: int) -> Header: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Header]: ...
    def __getitem__(self, at: int | slice) -> Header | Sequence[Header]:
        return self._headers()[at]

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        raise TypeError("headers are not hashable, as a list is not")

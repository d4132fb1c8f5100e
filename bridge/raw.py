"""What a message brought in the text form of its system, while nobody has looked at it.

Kafka's headers and the fields of Redis have the same names (`bridge.names`) and the same form of values, so that what
nobody has touched goes on as it came, from one to the other too, and is never typed. On the hot path.
"""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from typing import Any, Protocol, TypeAlias, overload

from bridge.message import Header, Message

Pairs: TypeAlias = list[tuple[str, bytes | None]]
"""Names that may repeat, as `bridge.names` has them, with bytes or null, in order; also Kafka's record headers."""


class Reader(Protocol):
    """Reads what one system gave, in whatever form that is."""

    def properties(self, given: Any) -> dict[str, Any]:
        """Give the standard properties that are in it."""

    def headers(self, given: Any) -> Sequence[Header]:
        """Give the headers that are the message's own, typed."""

    def pairs(self, given: Any, timestamp: int | None) -> Pairs | None:
        """Give all of it, and the uid if it brought one; None if that would be read as something else elsewhere.

        `timestamp` is among them where the system has no place of its own for it.
        """


class RawProperties(Mapping[str, Any]):
    """The standard properties of a message, read when somebody looks.

    `timestamp` is the message's time in milliseconds where that is known without looking: it is the property unless
    what was given has another. `sent` is when it was sent, where that is known and not the message's time.
    """

    __slots__ = ("_given", "_read", "_reader", "sent", "timestamp")

    def __init__(self, reader: Reader, given: Any, timestamp: int | None, sent: int | None = None) -> None:
        self.timestamp = timestamp
        self.sent = sent
        self._reader = reader
        self._given = given
        self._read: dict[str, Any] | None = None

    def read(self) -> dict[str, Any]:
        """Give them as a dict, which is not to be written to: what looks at many of them does so faster."""
        if self._read is None:
            self._read = self._reader.properties(self._given)
            if self.timestamp is not None:
                self._read.setdefault("timestamp", self.timestamp)
        return self._read

    def __getitem__(self, name: str) -> Any:
        return self.read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.read())

    def __len__(self) -> int:
        return len(self.read())

    def __contains__(self, name: object) -> bool:
        return name in self.read()

    def get(self, name: str, default: Any = None) -> Any:
        """As of any mapping, and so are the others; they are here because a mapping's own are slow."""
        return self.read().get(name, default)

    def keys(self) -> KeysView[str]:
        """As of any mapping."""
        return self.read().keys()

    def items(self) -> ItemsView[str, Any]:
        """As of any mapping."""
        return self.read().items()

    def values(self) -> ValuesView[Any]:
        """As of any mapping."""
        return self.read().values()

    def __repr__(self) -> str:
        return repr(self.read())


class RawHeaders(Sequence[Header]):
    """The headers of a message, without those that became properties and our own, typed when somebody looks.

    `properties` is the very object that the message has with them, and `uid` the one they brought, or None: a message
    that still has these may go on as it came. Without `properties` it may not.
    """

    __slots__ = ("_typed", "given", "properties", "reader", "uid")

    def __init__(self, reader: Reader, given: Any, properties: RawProperties | None, uid: str | None) -> None:
        self.reader = reader
        self.given = given
        self.properties = properties
        self.uid = uid
        self._typed: Sequence[Header] | None = None

    @property
    def pairs(self) -> Pairs | None:
        """All that the message brought, as `Reader.pairs` gives it."""
        timestamp = None if self.properties is None else self.properties.timestamp
        return self.reader.pairs(self.given, timestamp)

    def _all(self) -> Sequence[Header]:
        if self._typed is None:
            self._typed = self.reader.headers(self.given)
        return self._typed

    def __iter__(self) -> Iterator[Header]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    @overload
    def __getitem__(self, at: int) -> Header: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Header]: ...
    def __getitem__(self, at: int | slice) -> Header | Sequence[Header]:
        return self._all()[at]

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        raise TypeError("headers are not hashable, as a list is not")

    def __repr__(self) -> str:
        return repr(self._all())


def properties_of(message: Message) -> dict[str, Any]:
    """Give the properties of a message as a dict, for what looks at many of them; it is not to be written to."""
    properties: Any = message.properties
    return properties.read() if type(properties) is RawProperties else properties

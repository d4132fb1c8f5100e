"""The headers of a record while nobody has looked at them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias, overload

from bridge.message import Header

Headers: TypeAlias = list[tuple[str, bytes | None]]
"""Record headers as aiokafka's builder takes them: UTF-8 names that may repeat, and bytes or null."""

Read: TypeAlias = Callable[[Headers], Sequence[Header]]
"""Types the headers of a record that are the message's own."""


class RecordHeaders(Sequence[Header]):
    """The headers of a message that came by Kafka, typed only when somebody looks.

    Headers that became properties, and our own, are not among them. `given` are all headers of the record, `properties`
    is the very object that was made of them, and `uid` the one they brought, or None: a message that still has these is
    written to Kafka as it was read. Without `properties` it is not.
    """

    __slots__ = ("_read", "_typed", "given", "properties", "uid")

    def __init__(self, read: Read, given: Headers, properties: Mapping[str, object] | None, uid: str | None) -> None:
        self.given = given
        self.properties = properties
        self.uid = uid
        self._read = read
        self._typed: Sequence[Header] | None = None

    def _headers(self) -> Sequence[Header]:
        if self._typed is None:
            self._typed = self._read(self.given)
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

"""What the fields of an entry are, by their names: worked out once for all entries that have the same ones. Pure."""

from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from typing import Any, Final, TypeAlias

from bridge.marks import MarkReader
from bridge.message import Header, Message
from bridge.names import NUMBERS, OURS, PATH, PROPERTY_NAMES, TYPES, UID
from bridge.parsing import number_of
from bridge.raw import Pairs
from connectors.redis.fields import (
    HEADER,
    KEY_FIELD,
    NULL_FIELD,
    PATH_FIELD,
    PROPERTY_FIELDS,
    TRUE,
    TYPES_FIELD,
    UID_FIELD,
    Fields,
)

_Place: TypeAlias = tuple[str, int]  # a name, and the position of its value
_OURS: Final = OURS.encode()
_ELSEWHERE: Final = frozenset(
    {*PROPERTY_NAMES.values(), TYPES, UID, PATH}
)  # names of headers that would mean something
_TIMESTAMP: Final = PROPERTY_NAMES["timestamp"]
_ROLES: Final = {KEY_FIELD: "key", UID_FIELD: "uid", TYPES_FIELD: "mark", PATH_FIELD: "path", NULL_FIELD: "null"}


class Layout:
    """What the fields of entries with these names are; positions count values, and None is a field that is not there.

    `plain` says that such an entry is written to Redis as it was read, if nobody changes the message. A
    `bridge.raw.Reader` of such entries' fields.
    """

    __slots__ = (
        "_headers",
        "_marks",
        "_pick",
        "_wire",
        "body",
        "key",
        "mark",
        "names",
        "null",
        "numbers",
        "path",
        "plain",
        "texts",
        "timestamp",
        "uid",
    )

    def __init__(
        self, names: Sequence[bytes], body: bytes, marks: MarkReader, plain_headers: Collection[int], *, trusted: bool
    ) -> None:
        """Work it out; the fields at `plain_headers` are headers whatever their names.

        A bridge's own fields are nothing unless they are `trusted`.
        """
        self.names = names
        self.body: int | None = None
        self.key: int | None = None
        self.uid: int | None = None
        self.mark: int | None = None
        self.null: int | None = None
        self.path: int | None = None
        self.timestamp: int | None = None
        self.plain = not plain_headers
        self._marks = marks
        numbers: list[_Place] = []
        texts: list[_Place] = []
        headers: list[_Place] = []
        taken: set[bytes] = set()
        for at, name in enumerate(names):
            known = name not in taken and at not in plain_headers
            taken.add(name)
            if known and name == body:
                self.body = at
            elif not trusted and name.removeprefix(HEADER).startswith(_OURS):
                self.plain = False
            elif known and name in _ROLES:
                setattr(self, _ROLES[name], at)
            elif known and name in PROPERTY_FIELDS:
                place = PROPERTY_FIELDS[name], at
                (numbers if place[0] in NUMBERS else texts).append(place)
            else:
                own = name.removeprefix(HEADER)
                self.plain &= own not in {UID_FIELD, PATH_FIELD, TYPES_FIELD}  # the encoder would leave it out
                headers.append((lenient(own), at))
        self.numbers = tuple(numbers)
        self.texts = tuple(texts)
        self.timestamp = dict(numbers).get("timestamp")
        self._headers = tuple(headers)
        self._wire, self._pick = self._crossing()

    def properties(self, fields: Fields) -> dict[str, Any]:
        """The standard properties, of an entry in which the numbers are numbers."""
        values = fields[1::2]
        found: dict[str, Any] = {}
        for name, at in self.texts:
            try:
                found[name] = values[at].decode()
            except UnicodeDecodeError:
                found[name] = lenient(values[at])
        for name, at in self.numbers:
            found[name] = number_of(values[at])
        return found

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

    def pairs(self, fields: Fields, timestamp: int | None) -> Pairs | None:
        """All that crosses, under the names it has elsewhere; None if a header of that name is no header elsewhere."""
        if self._wire is None:
            return None
        pairs: Pairs = list(zip(self._wire, self._pick(fields[1::2])))  # noqa: B905 - as many; `strict` costs
        if timestamp is not None and self.timestamp is None:
            pairs.append((_TIMESTAMP, b"%d" % timestamp))
        return pairs

    def without_path(self, fields: Fields) -> list[bytes]:
        """All of an entry but the path it brought, in a list of its own."""
        if self.path is None:
            return list(fields)
        return [*fields[: 2 * self.path], *fields[2 * self.path + 2 :]]

    def is_null(self, fields: Fields) -> bool:
        """Whether an entry says that it has no body, which is not the same as the empty one."""
        return self.null is not None and fields[2 * self.null + 1] == TRUE

    def brought(self, fields: Fields, message: Message) -> bool:
        """Whether a message still has the body and the key of its entry."""
        key = None if self.key is None else fields[2 * self.key + 1]
        if self.body is None:
            return message.key is key and message.body == (None if self.is_null(fields) else b"")
        return message.key is key and message.body is fields[2 * self.body + 1]

    def _crossing(self) -> tuple[Sequence[str] | None, Callable[[Sequence[bytes]], Sequence[bytes]]]:
        """The names of what crosses, and what picks its values."""
        places = [(PROPERTY_NAMES[name], at) for name, at in (*self.texts, *self.numbers)]
        headers = [name for name, _ in self._headers]
        places += [(name, at) for name, at in ((TYPES, self.mark), (UID, self.uid)) if at is not None]
        places += self._headers
        if not self.plain or not _ELSEWHERE.isdisjoint(headers) or not all(map(is_text, headers)):
            return None, _pick_none
        places.sort(key=itemgetter(1))
        at = [number for _, number in places]
        pick = itemgetter(*at) if len(at) > 1 else _pick_one(at[0]) if at else _pick_none
        return [name for name, _ in places], pick


class JsonLayout:
    """A `bridge.raw.Reader` of entries without a body whose fields are one, as JSON: nothing else of them is read."""

    __slots__ = ("_body", "_layout")

    def __init__(self, layout: Layout, body: bytes) -> None:
        """Begin; `body` is the very body that was made of one entry of that layout."""
        self._layout = layout
        self._body = body

    def properties(self, _fields: Fields) -> dict[str, Any]:
        """What such a body is."""
        return {"content_type": "application/json"}

    def headers(self, _fields: Fields) -> Sequence[Header]:
        """None."""
        return ()

    def pairs(self, _fields: Fields, _timestamp: int | None) -> Pairs | None:
        """None: elsewhere the fields would be headers."""
        return None

    def without_path(self, fields: Fields) -> list[bytes]:
        """All of an entry but the path it brought, in a list of its own."""
        return self._layout.without_path(fields)

    def brought(self, _fields: Fields, message: Message) -> bool:
        """Whether a message still has that body."""
        return message.body is self._body and message.key is None


def lenient(raw: bytes) -> str:
    """Text that may not be UTF-8, with surrogate escapes."""
    return raw.decode("utf-8", "surrogateescape")


def is_text(text: str) -> bool:
    """Whether UTF-8 bytes stand for it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _pick_one(at: int) -> Callable[[Sequence[bytes]], Sequence[bytes]]:
    return lambda values: (values[at],)


def _pick_none(_values: Sequence[bytes]) -> Sequence[bytes]:
    return ()

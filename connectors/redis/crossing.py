"""What a message brought in the text form of another system as the fields of an entry, unread: pure.

The names are the same but for the prefix of headers (`bridge.names`). Worked out once for all messages with the same
names.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from bridge.message import Message
from bridge.names import NUMBERS, PROPERTY_NAMES, TYPES, UID
from bridge.parsing import number_of
from bridge.raw import RawHeaders
from connectors.redis.fields import BODY, HEADER, KEY_FIELD, NULL_FIELD, PATH_FIELD, TRUE, UID_FIELD
from connectors.redis.frames import Frame, frame_of

_Kind: TypeAlias = tuple[tuple[str, ...], bool, bool, bool, bool, bool]  # as `crossing_of` takes it
_NUMBERS: Final = frozenset(PROPERTY_NAMES[name] for name in NUMBERS)
_TIMESTAMP: Final = PROPERTY_NAMES["timestamp"]
_PROPERTIES: Final = frozenset(PROPERTY_NAMES.values())
_KNOWN: Final = frozenset({*PROPERTY_NAMES.values(), TYPES, UID})
_LISTS: Final = b'":['  # in a mark: some name has a list, as those have that claim the name of a property

_SHAPES: Final = 256  # kinds that are remembered, of at most as many pairs and characters of names
_SHAPE_PAIRS, _SHAPE_NAMES = 64, 1024


class Crossing(NamedTuple):
    """How pairs become an entry: body and key, the pairs, the time, the uid, each where there is one."""

    frame: Frame
    numbers: Sequence[int]
    """The positions of values that have to be numbers."""
    stamps: bool
    """Whether the time is a field of its own."""
    mark: int | None
    """The position of the mark, where some name might be a header's and not that of a property: the mark says it."""


class Crossings:
    """Makes entries of messages as they came, and remembers how."""

    def __init__(self) -> None:
        self._known: dict[_Kind, Crossing | None] = {}

    def cross(self, own: RawHeaders, message: Message) -> tuple[Frame, Sequence[bytes]] | None:
        """The entry of a message with the properties and headers that it brought; None if it would not say it all.

        A value may be null, which Redis does not have: that is for the caller to see.
        """
        timestamp = None if own.properties is None else own.properties.timestamp
        pairs = own.reader.pairs(own.given, timestamp)
        names, given = zip(*pairs) if pairs else ((), ())  # noqa: B905 - pairs
        body, uid, _, _, key, _, _, path = message
        kind = names, body is None, key is None, own.uid is None, timestamp is not None, not path
        try:
            crossing = self._known[kind]
        except KeyError:
            crossing = self._learn(kind)
        if pairs is None or crossing is None:
            return None
        frame, numbers, stamps, mark = crossing
        if mark is not None and (given[mark] is None or _LISTS in given[mark]):
            return None
        for at in numbers:
            if given[at] is None or number_of(given[at]) is None:
                return None
        values = [] if body is None else [body]
        if key is not None:
            values.append(key)
        values += given
        if stamps and timestamp is not None:
            values.append(b"%d" % timestamp)
        if path:
            values.append(path.encode())
        if own.uid is None:
            values.append(uid.encode())
        return frame, values

    def _learn(self, kind: _Kind) -> Crossing | None:
        crossing = crossing_of(*kind)
        names = kind[0]
        if len(names) <= _SHAPE_PAIRS and sum(map(len, names)) <= _SHAPE_NAMES:
            if len(self._known) >= _SHAPES:
                self._known.clear()
            self._known[kind] = crossing
        return crossing


def crossing_of(  # noqa: PLR0917 - what makes a difference
    names: Sequence[str], is_null: bool, keyless: bool, unnamed: bool, timed: bool, pathless: bool
) -> Crossing | None:
    """Work out how pairs of these names become an entry; None where that has to be done value by value.

    That is where a name that means something is there twice. `unnamed` messages brought no uid, and the time of `timed`
    ones is known.
    """
    known = [name for name in names if name in _KNOWN]
    if len(set(known)) < len(known):
        return None
    stamps = timed and _TIMESTAMP not in known
    fields: list[tuple[bytes, bytes | None]] = [(NULL_FIELD, TRUE) if is_null else (BODY.encode(), None)]
    if not keyless:
        fields.append((KEY_FIELD, None))
    fields += [(name.encode() if name in _KNOWN else HEADER + name.encode(), None) for name in names]
    if stamps:
        fields.append((_TIMESTAMP.encode(), None))
    if not pathless:
        fields.append((PATH_FIELD, None))
    if unnamed:
        fields.append((UID_FIELD, None))
    doubtful = TYPES in known and not _PROPERTIES.isdisjoint(known)
    numbers = [at for at, name in enumerate(names) if name in _NUMBERS]
    return Crossing(frame_of(fields), numbers, stamps, names.index(TYPES) if doubtful else None)

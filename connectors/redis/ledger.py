"""What a source has in hand of one stream: read, handed out, or settled and not yet acknowledged. Pure."""

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

_REMEMBERED: Final = 10_000  # ids of entries that are gone


class Window:
    """How much a source has in hand over all its streams."""

    def __init__(self) -> None:
        self.messages = 0
        self.size = 0


class Ledger:
    """The entries in hand of one stream, by their ids, in the order in which they were read.

    A stream or a group that was made anew has another ledger: in the old one nothing is acknowledged any more, since an
    id may mean another entry now.
    """

    def __init__(self, stream: str, window: Window) -> None:
        self.stream = stream
        self.name = stream.encode("utf-8", "surrogateescape")
        self.lost = False
        """Whether the stream or the group is another one now."""
        self._window = window
        self._open: dict[bytes, int] = {}
        self._settled: dict[bytes, int] = {}
        self._gone: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._open) + len(self._settled)

    def __contains__(self, entry: bytes) -> bool:
        return entry in self._open or entry in self._settled

    def has_none(self, entries: Collection[bytes]) -> bool:
        """Whether none of these is in hand."""
        return self._open.keys().isdisjoint(entries) and self._settled.keys().isdisjoint(entries)

    def take(self, entries: Sequence[bytes], sizes: Sequence[int]) -> None:
        """Note entries that were read; none is in hand."""
        self._open.update(zip(entries, sizes, strict=True))
        self._window.messages += len(entries)
        self._window.size += sum(sizes)

    def discard(self, entries: Iterable[bytes]) -> None:
        """Note entries that are only to be acknowledged; none is in hand."""
        gone = dict.fromkeys(entries, 0)
        self._settled.update(gone)
        self._window.messages += len(gone)

    def missing(self, entries: Iterable[bytes]) -> list[bytes]:
        """Give those of these entries, which are no longer in the stream, that nobody has told of and none is in hand.

        Two looks at the server, of which neither waits for the other, may find the same.
        """
        new = [entry for entry in entries if entry not in self and entry not in self._gone]
        if len(self._gone) > _REMEMBERED:
            self._gone.clear()
        self._gone.update(new)
        return new

    def settle(self, entries: Iterable[bytes]) -> None:
        """Note that entries are to be acknowledged; what is not open is ignored, so that telling twice is harmless."""
        take, settled = self._open.pop, self._settled
        for entry in entries:
            size = take(entry, None)
            if size is not None:
                settled[entry] = size
        if self.lost:
            self.acknowledged(list(settled))

    def due(self, most: int) -> list[bytes]:
        """Give at most so many entries that are to be acknowledged, those first that were settled first."""
        return list(islice(self._settled, most))

    @property
    def settled(self) -> int:
        """How many entries are to be acknowledged."""
        return len(self._settled)

    def acknowledged(self, entries: Sequence[bytes]) -> None:
        """Forget entries that were acknowledged."""
        self._window.messages -= len(entries)
        self._window.size -= sum(map(self._settled.pop, entries))

    def in_hand(self) -> list[bytes]:
        """Give everything in hand."""
        return [*self._settled, *self._open]

    def lose(self) -> None:
        """Note that the stream or the group was made anew: what is settled need not be acknowledged."""
        self.lost = True
        self.acknowledged(list(self._settled))


class Receipt(NamedTuple):
    """An entry, and the ledger of the stream that it was read from: another opening has other ledgers."""

    ledger: Ledger
    entry: bytes

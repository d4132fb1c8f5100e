"""What was handed out of one partition, and how far it may be committed: pure.

A committed offset settles everything below it, and offsets have gaps (compaction, markers of transactions, whole
batches that cannot be read), so deliveries are counted, and the count is what is settled; runs lead back to offsets.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from bridge.prefix import Prefix

RECEIPT_BITS = 40
"""Bits of a receipt that count deliveries within a partition; the partition's slot is above them."""


class _Run(NamedTuple):
    first: int  # the receipt of its first delivery
    offsets: Sequence[int]  # of its deliveries, each the last that it covers
    end: int  # where reading went on: behind what is no delivery, too
    size: int  # bytes


class Mark(NamedTuple):
    """How far a partition was settled: the offset to commit, and the messages and bytes below it, counted from 0."""

    offset: int
    messages: int
    size: int


class Partition:
    """One partition in one assignment. Its receipts are ints: its slot above, and a count below."""

    def __init__(self, slot: int, position: int) -> None:
        """Begin to read at the offset `position`; `slot` is this partition's and no other's of any assignment."""
        self._next = slot << RECEIPT_BITS
        self._prefix = Prefix(self._next)
        self._runs: deque[_Run] = deque()
        self._settled = Mark(position, 0, 0)
        self._first = self._next
        self._reached = self._next - 1
        self.committed: Mark | None = None
        """What the broker has taken; None: nothing of this assignment."""

    @property
    def settled(self) -> Mark:
        """Everything below this was settled."""
        return self._settled

    @property
    def next_receipt(self) -> int:
        """The receipt of the delivery that is handed out next."""
        return self._next

    @property
    def open(self) -> int:
        """Deliveries handed out and not settled, those beyond a gap too."""
        return self._next - self._first - self._settled.messages

    def hand_out(self, offsets: Sequence[int], end: int, size: int) -> None:
        """Note deliveries with these offsets, `size` bytes together; reading went on at `end`.

        Their receipts count up from `next_receipt`.
        """
        self._runs.append(_Run(self._next, offsets, end, size))
        self._next += len(offsets)
        if not offsets:
            self._advance()

    def settle(self, receipts: Sequence[int]) -> None:
        """Settle receipts of this partition, in any order; those settled before are ignored."""
        reached = self._prefix.add(receipts)
        if reached is not None:
            self._reached = reached
            self._advance()

    def _advance(self) -> None:
        runs, reached = self._runs, self._reached
        offset, _, size = self._settled
        while runs:
            first, offsets, end, run_size = runs[0]
            if first + len(offsets) - 1 > reached:
                if first <= reached:
                    offset = offsets[reached - first] + 1
                break
            offset = end
            size += run_size
            runs.popleft()
        self._settled = Mark(offset, reached - self._first + 1, size)

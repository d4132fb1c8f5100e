"""Which receipts may be told to the broker: the contiguous prefix of what has been settled. Pure."""

from collections.abc import Sequence


class Prefix:
    """The numbers settled so far, and how far they reach without a gap.

    For protocols in which one number settles everything up to it (AMQP's `multiple` ack, Kafka's committed offset), and
    therefore may be told only when nothing below it is still open.
    """

    def __init__(self, first: int) -> None:
        """Start with nothing settled; `first` is the lowest number that will be."""
        self._next = first
        self._beyond: set[int] = set()

    def add(self, values: Sequence[int]) -> int | None:
        """Settle numbers, in any order, and give the new end of the prefix, or None when it did not move.

        A number that was settled before is ignored, so that telling twice is harmless. A contiguous ascending run that
        starts at the gap, which is what a relay nearly always gives, costs one comparison per number.
        """
        start = self._next
        run = len(values)
        if run and values[0] == start and list(values) == list(range(start, start + run)):
            self._next += run
        else:
            self._beyond.update(value for value in values if value >= start)
        beyond = self._beyond
        if beyond:
            if self._next != start:
                beyond.difference_update(range(start, self._next))
            while self._next in beyond:
                beyond.remove(self._next)
                self._next += 1
        return None if self._next == start else self._next - 1

    def stragglers(self) -> list[int]:
        """The numbers settled beyond the first gap, ascending."""
        return sorted(self._beyond)

"""What becomes of the messages of one receive: the book that a batch of deliveries keeps until every sink is done."""

from collections import Counter
from collections.abc import Callable, Container, Sequence
from enum import IntEnum
from typing import NamedTuple

from bridge.message import Delivery, Message
from bridge.ports import Source


class Fate(IntEnum):
    """How a message ended; the fates of several sinks merge by `max` (DESIGN section 3, "only final outcomes merge").

    The order is the rule: dead if any sink's is dead, else dropped if any's is, else delivered, filtered only if all
    are; and a message that goes back to its source for one sink is not settled for any.
    """

    FILTERED = 0
    DELIVERED = 1
    DROPPED = 2
    DEAD = 3
    RETURNED = 4


class Epoch:
    """One opening of a source: what was received in it can be settled only with it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lost = False
        self.settled = 0
        """Messages settled at the source and not known to be taken by its broker."""

    @property
    def recalled(self) -> bool:
        """Whether the broker gives again what was received in it, so that nothing of it is to be sent any more."""
        return self.lost and self.source.redelivers


class Batch:
    """The deliveries of one receive, until each has its fate at each sink.

    `messages` are the mapped messages by the position of their delivery. `fates` hold only what was not delivered.
    `concluded` is called once, with the batch, when the last fate is in.
    """

    __slots__ = (
        "_concluded",
        "_filtered",
        "_open",
        "_sinks",
        "deliveries",
        "epoch",
        "fates",
        "messages",
        "number",
        "received",
        "size",
    )

    def __init__(  # noqa: PLR0917 - the parts of one record
        self,
        number: int,
        epoch: Epoch,
        deliveries: Sequence[Delivery],
        messages: Sequence[Message],
        received: float,
        sinks: int,
        concluded: Callable[["Batch"], None],
    ) -> None:
        self.number = number
        self.epoch = epoch
        self.deliveries = deliveries
        self.messages = messages
        self.received = received
        self.size = sum([delivery.size for delivery in deliveries])
        self.fates: dict[int, Fate] = {}
        self._filtered: Counter[int] = Counter()
        self._sinks = sinks
        self._open = len(deliveries) * sinks
        self._concluded = concluded

    def delivered(self, count: int) -> None:
        """Note that a sink has confirmed `count` more of the messages."""
        self._close(count)

    def ended(self, position: int, fate: Fate, sinks: int = 1) -> None:
        """Note that the message at `position` ended with `fate` at `sinks` sinks."""
        if fate is Fate.FILTERED:
            self._filtered[position] += sinks
            if self._filtered[position] == self._sinks:
                self.fates[position] = fate
        else:
            self.fates[position] = max(self.fates.get(position, fate), fate)
        self._close(sinks)

    def _close(self, count: int) -> None:
        self._open -= count
        if self._open == 0:
            self._concluded(self)


class Parcel(NamedTuple):
    """A run of one batch's messages, from `start` to before `stop`, on its way through a lane.

    `sent` says whether they were submitted to the sink before, `refusals` how often it refused the message then.
    """

    batch: Batch
    start: int
    stop: int
    sent: bool = False
    refusals: int = 0

    @property
    def place(self) -> tuple[int, int]:
        """Its place in the source's order."""
        return self.batch.number, self.start

    def without(self, positions: Container[int]) -> "list[Parcel]":
        """Give the runs that are left of it without the messages at these positions, in order."""
        kept: list[Parcel] = []
        start = self.start
        for position in range(self.start, self.stop):
            if position in positions:
                if start < position:
                    kept.append(self._replace(start=start, stop=position))
                start = position + 1
        if start < self.stop:
            kept.append(self._replace(start=start))
        return kept

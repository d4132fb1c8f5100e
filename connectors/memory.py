"""An in-process broker that honours the connectors' contract, with queues that redeliver and faults on demand.

It behaves as AMQP does where brokers differ, because that is the hardest to get right: delivery tags start at 1 on each
connection, so that a receipt of an old one would settle another message; acknowledgements are cumulative; what is
unacknowledged on a lost connection comes again, in order, marked as redelivered.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import NamedTuple, TypeVar

from bridge.errors import Disconnected
from bridge.message import DELIVERED, Delivery, Message, Outcome, Receipt, Undecodable, Verdict
from bridge.ports import Place
from bridge.prefix import Prefix
from bridge.tasks import ungrouped


class MemoryReceipt(NamedTuple):
    """A delivery tag, and the epoch of the connection it belongs to."""

    epoch: int
    tag: int


class Queued(NamedTuple):
    """A message in a queue, and whether it was given before."""

    message: Message | Undecodable
    redelivered: bool = False


Judge = Callable[[Message], Outcome]
"""What the broker says of a message that is published to it."""


class MemoryBroker:
    """Named queues, and the connections to them. Everything is in one process and one event loop."""

    def __init__(self) -> None:
        self.queues: dict[str, deque[Queued]] = {}
        self.judge: Judge = lambda _: DELIVERED
        """Decides each published message's outcome; UNKNOWN stores it and lets the answer get lost."""
        self.latency = 0.0
        """Seconds until a published batch is stored and confirmed."""
        self.acknowledged: list[Message | Undecodable] = []
        """Every message that was settled, in the order it was."""
        self._up = True
        self._trimmed: Counter[str] = Counter()
        self._epochs = count(1)
        self._connections: list[MemorySource | MemorySink] = []

    def publish(self, queue: str, *messages: Message | Undecodable) -> None:
        """Store messages at the end of a queue."""
        self.queues.setdefault(queue, deque()).extend(Queued(message) for message in messages)
        self.wake()

    def trim(self, queue: str, amount: int) -> list[Message | Undecodable]:
        """Delete up to so many messages from the front of a queue, as retention does, and give them.

        Its consumer is told, or the next one if there is none: they were not on loan, so that nobody gets them again.
        """
        held = self.queues.get(queue, deque())
        gone = [held.popleft().message for _ in range(min(amount, len(held)))]
        self._trimmed[queue] += len(gone)
        for connection in self._connections:
            if isinstance(connection, MemorySource):
                connection.miss()
        return gone

    def untold(self, queue: str) -> int:
        """Give how many were trimmed of a queue since this was asked last."""
        return self._trimmed.pop(queue, 0)

    def messages(self, queue: str) -> list[Message | Undecodable]:
        """Give what is in a queue and not on loan, in order."""
        return [queued.message for queued in self.queues.get(queue, ())]

    def in_flight(self) -> list[Message]:
        """Give what was sent to it and has no answer yet, over all connections."""
        sinks = [connection for connection in self._connections if isinstance(connection, MemorySink)]
        return [message for sink in sinks for messages, _ in sink.pending for message in messages]

    def stop(self) -> None:
        """Cut every connection and refuse new ones."""
        self._up = False
        self.cut()

    def start(self) -> None:
        """Accept connections again."""
        self._up = True

    def cut(self) -> None:
        """Cut every connection; new ones may be opened at once."""
        for connection in list(self._connections):
            self.disconnect(connection)

    def connect(self, connection: "MemorySource | MemorySink") -> int:
        """Note a connection and give its epoch; raises Disconnected while the broker is stopped."""
        if not self._up:
            raise Disconnected("the memory broker is stopped", "refused")
        self._connections.append(connection)
        return next(self._epochs)

    def renew(self) -> int:
        """Give the epoch that a connection begins in place of its old one."""
        return next(self._epochs)

    def revoke(self) -> None:
        """Have every consumer of a queue that redelivers lose what it has on loan, and keep its connection."""
        for connection in list(self._connections):
            if isinstance(connection, MemorySource) and connection.redelivers:
                connection.revoke()

    def disconnect(self, connection: "MemorySource | MemorySink") -> None:
        """End a connection, from either side; does nothing to one that has ended."""
        if connection in self._connections:
            self._connections.remove(connection)
            connection.end()
            self.wake()

    def wake(self) -> None:
        """Have every connection look again at what there is."""
        for connection in self._connections:
            connection.wake()


class MemorySource:
    """One consumer of one queue."""

    waiting = None

    def __init__(self, broker: MemoryBroker, queue: str, place: Place, *, redelivers: bool) -> None:
        self.redelivers = redelivers
        self._broker = broker
        self._name = queue
        self._queue = broker.queues.setdefault(queue, deque())
        self._prefetch = place.messages
        self._loans: dict[int, Queued] = {}
        self._tags = count(1)
        self._settled = Prefix(1)
        self._changed = asyncio.Event()
        self.over = asyncio.Event()
        self._open = True
        self._epoch = broker.connect(self)
        self._revoked: Callable[[], None] = lambda: None
        self._missed: Callable[[str, int], None] | None = None

    @property
    def lag(self) -> int:
        """What is in the queue and what is on loan of it."""
        return len(self._queue) + len(self._loans)

    def on_revoked(self, revoked: Callable[[], None]) -> None:
        """Have `revoked` called by `revoke`, as `Source.on_revoked` says."""
        self._revoked = revoked

    def on_missed(self, missed: Callable[[str, int], None]) -> None:
        """Have `missed` called with what `MemoryBroker.trim` deletes, as `Source.on_missed` says."""
        self._missed = missed
        self.miss()

    def miss(self) -> None:
        """Tell of what was trimmed and not told, once there is somebody to tell."""
        if self._missed is not None and (amount := self._broker.untold(self._name)):
            self._missed("trimmed", amount)

    def revoke(self) -> None:
        """Take back what is on loan, as a rebalance does: a new epoch begins on the same connection."""
        self._return_loans()
        self._epoch = self._broker.renew()
        self._tags = count(1)
        self._settled = Prefix(1)
        self._revoked()
        self._broker.wake()

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """Give up to `limit` messages, as `Source.receive` says."""
        while self._open and not (self._queue and len(self._loans) < self._prefetch):
            self._changed.clear()
            await self._changed.wait()
        if not self._open:
            raise Disconnected("the connection to the memory broker was cut")
        amount = min(limit, len(self._queue), self._prefetch - len(self._loans))
        return [self._lend() for _ in range(amount)]

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Acknowledge up to the highest receipt below which all are settled, as `Source.settle` says."""
        tags = [r.tag for r in receipts if isinstance(r, MemoryReceipt) and self._is_current(r)]
        reached = self._settled.add(tags)
        if reached is not None and self._open:
            for tag in [tag for tag in self._loans if tag <= reached]:
                self._acknowledge(tag)

    async def flush(self) -> None:
        """Acknowledge what is settled beyond the prefix too; nothing is left to wait for."""
        if not self._open:
            raise Disconnected("the connection to the memory broker was cut")
        for tag in self._settled.stragglers():
            self._acknowledge(tag)

    def wake(self) -> None:
        """Look again at what there is."""
        self._changed.set()

    def end(self) -> None:
        """Give back what was not acknowledged, to the front of the queue, if the queue outlives the connection."""
        self._open = False
        self.over.set()
        self._changed.set()
        if not self.redelivers:
            self._queue.clear()
            self._loans.clear()
        self._return_loans()

    def _return_loans(self) -> None:
        self._queue.extendleft(Queued(loan.message, redelivered=True) for loan in reversed(self._loans.values()))
        self._loans.clear()

    def _lend(self) -> Delivery:
        queued = self._queue.popleft()
        tag = next(self._tags)
        self._loans[tag] = queued
        return Delivery(
            queued.message, MemoryReceipt(self._epoch, tag), len(queued.message.body or b""), queued.redelivered
        )

    def _is_current(self, receipt: MemoryReceipt) -> bool:
        return receipt.epoch == self._epoch

    def _acknowledge(self, tag: int) -> None:
        queued = self._loans.pop(tag, None)
        if queued is not None:
            self._broker.acknowledged.append(queued.message)
            self._changed.set()


class MemorySink:
    """One publisher to one queue."""

    waiting = None

    def __init__(self, broker: MemoryBroker, queue: str, place: Place) -> None:
        self._broker = broker
        self._queue = queue
        self._window = place.messages
        self.pending: list[tuple[Sequence[Message], asyncio.Future[Sequence[Outcome]]]] = []
        self._unconfirmed = 0
        self._changed = asyncio.Event()
        self.over = asyncio.Event()
        self._open = True
        broker.connect(self)

    async def room(self) -> int:
        """Wait until fewer messages than the window are unconfirmed, as `Sink.room` says."""
        while self._open and self._unconfirmed >= self._window:
            self._changed.clear()
            await self._changed.wait()
        if not self._open:
            raise Disconnected("the connection to the memory broker was cut")
        return self._window - self._unconfirmed

    async def send(self, messages: Sequence[Message]) -> asyncio.Future[Sequence[Outcome]]:
        """Publish, to be stored and confirmed after the broker's latency, as `Sink.send` says."""
        if not self._open:
            raise Disconnected("the connection to the memory broker was cut")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Outcome]] = loop.create_future()
        self.pending.append((messages, future))
        self._unconfirmed += len(messages)
        loop.call_later(self._broker.latency, self._confirm)
        return future

    def wake(self) -> None:
        """Look again at what there is."""
        self._changed.set()

    def end(self) -> None:
        """Leave everything that was not confirmed without an answer."""
        self._open = False
        self.over.set()
        self._changed.set()
        for messages, future in self.pending:
            future.set_result([Outcome(Verdict.UNKNOWN, "lost")] * len(messages))
        self.pending.clear()

    def _confirm(self) -> None:
        if not self.pending:
            return
        messages, future = self.pending[0]
        outcomes = [self._broker.judge(message) for message in messages]
        del self.pending[0]
        stored = [
            message
            for message, outcome in zip(messages, outcomes, strict=True)
            if outcome.verdict in {Verdict.DELIVERED, Verdict.UNKNOWN}
        ]
        future.set_result(outcomes)  # first, so that who waits for room knows the outcome before there is room
        self._broker.publish(self._queue, *stored)
        self._unconfirmed -= len(messages)
        self._changed.set()


@asynccontextmanager
async def open_source(
    broker: MemoryBroker, queue: str, place: Place, *, redelivers: bool = True
) -> AsyncIterator[MemorySource]:
    """Open a consumer of a queue; raises Disconnected while the broker is stopped, and when the connection is cut."""
    async with _connected(broker, MemorySource(broker, queue, place, redelivers=redelivers)) as source:
        yield source


@asynccontextmanager
async def open_sink(broker: MemoryBroker, queue: str, place: Place) -> AsyncIterator[MemorySink]:
    """Open a publisher to a queue; raises Disconnected while the broker is stopped, and when the connection is cut."""
    async with _connected(broker, MemorySink(broker, queue, place)) as sink:
        yield sink


_Connection = TypeVar("_Connection", MemorySource, MemorySink)


@asynccontextmanager
async def _connected(broker: MemoryBroker, connection: _Connection) -> AsyncIterator[_Connection]:
    try:
        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(_watch(connection), name="memory connection")
                try:
                    yield connection
                finally:
                    watching.cancel()
    finally:
        broker.disconnect(connection)


async def _watch(connection: MemorySource | MemorySink) -> None:
    await connection.over.wait()
    raise Disconnected("the connection to the memory broker was cut")

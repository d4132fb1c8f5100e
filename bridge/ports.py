"""The two ports of the core: where messages come from and where they go.

A connector gives `open_source(...)` and `open_sink(...)`, async context managers that yield these, connected: an open
source is a connected source. They raise Disconnected (transient) or RouteFault (permanent) from `__aenter__`:
connecting to each of a broker's URLs may take `connect_timeout`, and each answer of the broker after that (to a
subscription, about a group) `broker_timeout`. Leaving the context closes the connection, bounded by `broker_timeout`,
and never raises for a broker that is already gone. Nothing inside reconnects: loss is `Disconnected`, and the
supervisor opens anew. A connector that learns of a loss while nobody asks cancels the body of its context and raises
Disconnected from it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from bridge.message import Delivery, Message, Outcome, Receipt
from bridge.paths import Guard, Trail
from config.brokers import BrokerSettings
from config.names import Names


class Source(Protocol):
    """Where a route reads from. One per route and connection; a new one is opened after every loss."""

    @property
    def redelivers(self) -> bool:
        """Whether what is not settled comes again; False for exclusive or auto-delete queues and QoS 0."""

    @property
    def waiting(self) -> str | None:
        """What of the broker's is missing and being waited for ("exchange product_updates"), or None; never blocks."""

    @property
    def lag(self) -> int | None:
        """Messages that the broker holds for the route and that are not settled, as last known; None if it cannot tell.

        Never blocks: a connector asks its broker from time to time, every few seconds.
        """

    def on_revoked(self, revoked: Callable[[], None]) -> None:
        """Have `revoked` called whenever what was received before is taken away while the connection lives on.

        It is called, from the event loop, after the connector has waited for settlements and told its broker what it
        could, and before anything is received anew: receipts given before are of an old epoch then, and what they stand
        for comes again, perhaps to another replica. Only Kafka's rebalances do that; elsewhere it is never called.
        """

    def on_missed(self, missed: Callable[[str, int], None]) -> None:
        """Have `missed(reason, count)` called when messages turn out to be gone that the route had still to get.

        It is called from the event loop, and for what was known before at once. `reason` is from a closed set, a metric
        label: expired (Kafka: records that were not read in time), trimmed (Redis: entries that were pending and are no
        longer in the stream), group_lost (Redis: the stream or the group was deleted) or session_lost (MQTT); where
        nobody can say how many are gone, `count` is 1.
        """

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """Wait for messages and give 1 to `limit` of them, in the source's order; may wait for ever.

        Never raises for what a broker sends: input that cannot be decoded is an `Undecodable`. Raises Disconnected when
        the connection is lost, at once: what was read ahead comes again, or is handed out first where it does not.
        Cancel-safe: a cancelled call has taken nothing.
        """

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Take back receipts, in any order, and tell the broker what its protocol lets it be told.

        Never raises and never waits; a receipt of another epoch is dropped. A failure shows as Disconnected from
        `receive` or `flush`.
        """

    async def flush(self) -> None:
        """Wait until everything that may be told was told and taken by the broker, at most `broker_timeout`.

        Raises Disconnected when that cannot be had.
        """


class Sink(Protocol):
    """Where a route sends to. One per target and connection; a new one is opened after every loss."""

    @property
    def waiting(self) -> str | None:
        """What of the broker's is missing and being waited for, or None; never blocks."""

    async def room(self) -> int:
        """Wait until above 0 and give the number of messages that may be sent now; may wait for ever; cancel-safe.

        Raises Disconnected when the connection is lost.
        """

    async def send(self, messages: Sequence[Message]) -> "asyncio.Future[Sequence[Outcome]]":
        """Submit a batch of at most `room()` messages, in order; the future gives one outcome per message, in order.

        Returns once the batch is submitted; confirmations are pipelined. The future never raises, and cancelling a
        waiter does not cancel the sending. On loss of the connection every unresolved message is UNKNOWN, at the latest
        when the sink's context is left. If `send` itself raises (Disconnected) or is cancelled, all of its messages are
        UNKNOWN.
        """


OpenSource = Callable[[], AbstractAsyncContextManager[Source]]
"""Opens one connected source; called again after every loss."""

OpenSink = Callable[[], AbstractAsyncContextManager[Sink]]
"""Opens one connected sink; called again after every loss."""


def _anonymous(_identity: str) -> None:
    pass


class Place(NamedTuple):
    """Where in the bridge a connector is opened: names for queues, groups, client ids and logs, and the route's window.

    `messages` and `size` (bytes) are the route's window: a source hands out, and reads ahead, no more than that
    unsettled. `trust` says that what messages bring from other bridges counts, and `max_hops` how many places they may
    have been read from. `identified` is told what a broker is called that states no `id`, and raises RouteFault if
    another one is.
    """

    bridge: str
    instance: str
    route: str
    messages: int
    size: int
    trust: bool = True
    max_hops: int = 8
    identified: Callable[[str], None] = _anonymous

    def trail(self, broker: BrokerSettings, learned: str) -> Trail:
        """What writes the paths of what is read from a broker: by its `id`, or as `learned`; raises RouteFault."""
        return Trail(self._identity(broker, learned), trusted=self.trust)

    def guard(self, broker: BrokerSettings, learned: str) -> Guard:
        """What keeps messages from a broker where they have been; raises RouteFault."""
        return Guard(self._identity(broker, learned), self.max_hops)

    def _identity(self, broker: BrokerSettings, learned: str) -> str:
        if broker.id is None:
            self.identified(learned)
        return broker.id or learned

    @property
    def names(self) -> Names:
        """What the route is called at its brokers, where its settings do not say so."""
        return Names(self.bridge, self.route, self.instance)

"""The AMQP source: a queue, or an exchange through a queue of the bridge's own."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Final

from aiormq.abc import AbstractChannel
from pamqp import commands

from bridge.errors import Disconnected, FedbridgeError
from bridge.message import Delivery, Receipt
from bridge.ports import Place, Source
from bridge.prefix import Prefix
from config.settings import AmqpSourceSettings, BrokerSettings
from connectors.amqp.codec import RawDelivery, decode
from connectors.amqp.connection import Link, connected
from connectors.amqp.errors import explained, translated
from connectors.amqp.reader import TICK, TapReader
from connectors.amqp.tap import ack_frame
from connectors.amqp.topology import ASSERT_EVERY, LOOK_EVERY, Topology

_TAG_BITS: Final = 64


@asynccontextmanager
async def open_source(
    broker: BrokerSettings,
    settings: AmqpSourceSettings,
    place: Place,
    *,
    assert_every: float = ASSERT_EVERY,
    look_every: float = LOOK_EVERY,
) -> AsyncIterator[Source]:
    """Connect, see to queue, exchange and bindings, and consume; see `bridge.ports` for the contract of a source.

    `assert_every` and `look_every` are seconds, see `connectors.amqp.topology`. Raises RouteFault (authentication,
    forbidden, missing, conflict, locked) or Disconnected.
    """
    name = f"fedbridge {place.bridge}.{place.route}"
    async with (
        connected(broker, f"{name} source", place.size) as link,
        # the bindings need an answer also while the window is full and nobody reads the source's connection
        connected(broker, f"{name} bindings", place.size) if settings.exchange else nullcontext(link) as lookups,
    ):
        topology = Topology(lookups, settings, place)
        await topology.prepare()
        prefetch = settings.prefetch or place.messages
        with translated(link.broker, f"consuming from queue {topology.queue}"):
            async with asyncio.timeout(link.timeout):
                channel = await link.channel()
                source = AmqpSource(link, channel, topology, prefetch)
                await source.consume()
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(source.watch_connection(), name=f"{name}: amqp loss"),
                    tasks.create_task(source.watch_topology(assert_every, look_every), name=f"{name}: amqp bindings"),
                    tasks.create_task(_tick(link.reader), name=f"{name}: amqp liveness"),
                ]
                try:
                    yield source
                finally:
                    for task in running:
                        task.cancel()
        except BaseExceptionGroup as group:
            error = group.exceptions[0]  # what the caller raised comes out as it was
            raise error from error.__cause__


class AmqpSource:
    """One consumer on one channel. A receipt is an int: the epoch above, the delivery tag in the low 64 bits."""

    redelivers = True

    def __init__(self, link: Link, channel: AbstractChannel, topology: Topology, prefetch: int) -> None:
        epoch = secrets.randbits(63)
        self._link = link
        self._reader = link.reader
        self._channel = channel
        self._topology = topology
        self._prefetch = prefetch
        self._base = epoch << _TAG_BITS
        self._uid = f"amqp:{epoch:016x}-"
        self._prefix = Prefix(self._base + 1)
        self._singly: set[int] = set()  # receipts that were acked beyond the prefix
        self._loss: FedbridgeError | None = None
        self._cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def waiting(self) -> str | None:
        """The exchange that is missing, as "exchange NAME", or None."""
        return self._topology.waiting

    @property
    def read_ahead(self) -> int:
        """The bytes of complete messages that were read and are not settled."""
        return self._reader.unsettled

    async def consume(self) -> None:
        """Divert the channel's deliveries and start to consume; may raise what the library raises."""
        channel = self._channel
        channel.on_consumer_cancel_callbacks.add(self._on_cancel)
        await channel.basic_qos(prefetch_count=self._prefetch)
        self._reader.divert(channel.number, channel.connection.connection_tune.frame_max)
        await channel.basic_consume(self._topology.queue, _undiverted)

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """Wait for deliveries and give 1 to `limit` of them, decoded; cancel-safe.

        Raises Disconnected or RouteFault as soon as the channel is lost: what was read ahead will be given again.
        """
        while True:
            await self._reader.arrived.wait()
            if self._loss is not None:
                raise self._loss
            if batch := self._reader.take(limit):
                return self._decoded(batch)

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Take receipts back and ack the contiguous prefix of them, as one `multiple` ack written at once."""
        base = self._base
        end = base + (1 << _TAG_BITS)
        own = [receipt for receipt in receipts if isinstance(receipt, int) and base < receipt < end]
        reached = self._prefix.add(own)
        if reached is None or self._loss is not None:
            return
        self._reader.settled(reached - base)
        tell = reached
        while tell in self._singly:  # the broker no longer knows that one, and would close the channel
            tell -= 1
        if self._singly:
            self._singly = {receipt for receipt in self._singly if receipt > reached}
        self._ack(tell, multiple=True)

    async def flush(self) -> None:
        """Ack what was settled beyond a gap too, and wait until the broker has taken everything, by a basic.qos.

        Its answer comes behind the deliveries that the broker has sent: reading goes on for it, and if more comes than
        the window holds, the source is lost after this. Raises Disconnected.
        """
        if self._loss is not None:
            raise self._loss
        for receipt in self._prefix.stragglers():
            if receipt not in self._singly:
                self._singly.add(receipt)
                self._ack(receipt, multiple=False)
        with translated(self._link.broker, "waiting until all acks were taken"), self._reader.overrun():
            async with asyncio.timeout(self._link.timeout):
                await self._channel.basic_qos(prefetch_count=self._prefetch)
        if self._reader.dropped:
            self._lose(Disconnected(f"{self._link.broker}: more came than the window holds while acks were flushed"))

    async def watch_connection(self) -> None:
        """Wait for the loss of consumer, channel or connection, and note it."""
        closings = {self._channel.closing, self._channel.connection.closing}
        try:
            await asyncio.wait({*closings, self._cancelled}, return_when=asyncio.FIRST_COMPLETED)
            errors = [closing.exception() for closing in closings if closing.done() and not closing.cancelled()]
        finally:
            for closing in closings:
                closing.cancel()
        queue = self._topology.queue
        if self._cancelled.done():
            text = f"{self._link.broker}: the broker cancelled the consumer of queue {queue}: was it deleted?"
            self._lose(Disconnected(text, "cancelled"))
        else:
            self._lose(explained(next(iter(errors), None), self._link.broker, f"consuming from queue {queue}"))

    async def watch_topology(self, assert_every: float, look_every: float) -> None:
        """Assert the bindings from time to time, and note what they fail with as the loss of this source."""
        try:
            await self._topology.watch(assert_every, look_every)
        except FedbridgeError as error:
            self._lose(error)

    def _lose(self, error: FedbridgeError) -> None:
        if self._loss is None:
            if isinstance(error, Disconnected) and self._reader.failure is not None:
                error = Disconnected(f"{self._link.broker}: not AMQP: {self._reader.failure}", "error")
            self._loss = error
            self._reader.arrived.set()

    def _on_cancel(self, _frame: commands.Basic.Cancel) -> None:
        if not self._cancelled.done():
            self._cancelled.set_result(None)

    def _ack(self, receipt: int, multiple: bool) -> None:
        tag = receipt - self._base
        if tag > 0 and not self._reader.closed:
            self._reader.transport.write(ack_frame(self._channel.number, tag, multiple))

    def _decoded(self, batch: list[RawDelivery]) -> list[Delivery]:
        uid, base = self._uid, self._base
        return [
            Delivery(
                decode(raw, f"{uid}{raw.tag}"), base + raw.tag, len(raw.properties) + len(raw.body), raw.redelivered
            )
            for raw in batch
        ]


async def _undiverted(_message: object) -> None:
    """Take what cannot come: the tap has the deliveries of this channel."""


async def _tick(reader: TapReader) -> None:
    while True:
        await asyncio.sleep(TICK)
        reader.tick()

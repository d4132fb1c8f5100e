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
from bridge.tasks import ungrouped
from config.settings import AmqpSourceSettings, BrokerSettings
from connectors.amqp.codec import RawDelivery, decode
from connectors.amqp.connection import Link, connected
from connectors.amqp.errors import explained, translated
from connectors.amqp.prefetch import Prefetch
from connectors.amqp.reader import TICK, TapReader
from connectors.amqp.tap import ack_frame
from connectors.amqp.topology import ASSERT_EVERY, LOOK_EVERY, Topology

_TAG_BITS: Final = 64
_SOON, _RARELY = 0.02, 10.0  # seconds between two changes of the prefetch


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
    forbidden, missing, conflict, locked) or Disconnected; both also later, out of a body that is cancelled for it.
    """
    name = f"fedbridge {place.bridge}.{place.route}"
    async with (
        connected(broker, f"{name} source", place.size) as link,
        # the bindings need an answer also while the window is full and nobody reads the source's connection
        connected(broker, f"{name} bindings", place.size) if settings.exchange else nullcontext(link) as lookups,
    ):
        topology = Topology(lookups, settings, place)
        await topology.prepare()
        prefetch = Prefetch(place, settings.prefetch)
        with translated(link.broker, f"consuming from queue {topology.queue}"):
            async with asyncio.timeout(link.timeout):
                channel = await link.channel()
                source = AmqpSource(link, channel, topology, prefetch)
                await source.consume()
        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(source.watch_connection(), name=f"{name}: amqp loss"),
                    tasks.create_task(source.watch_topology(assert_every, look_every), name=f"{name}: amqp bindings"),
                    tasks.create_task(source.watch_sizes(), name=f"{name}: amqp prefetch"),
                    tasks.create_task(_tick(link.reader), name=f"{name}: amqp liveness"),
                ]
                try:
                    yield source
                finally:
                    for task in running:
                        task.cancel()


class AmqpSource:
    """A consumer on a channel of its own. A receipt is an int: the epoch above, the delivery tag in the low 64 bits."""

    redelivers = True

    def __init__(self, link: Link, channel: AbstractChannel, topology: Topology, prefetch: Prefetch) -> None:
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
        self._consumer = ""
        self._newest = 0  # the delivery tag that came last
        self._before = 0  # the last delivery tag of the consumer before this one
        self._told = 0  # up to which delivery tag acks were written
        self._held = 0  # up to which delivery tag an ack is to be written as soon as that may be
        self._resize = asyncio.Event()
        self._acking = asyncio.Event()
        self._acking.set()
        self._loss: FedbridgeError | None = None
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

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
        self._reader.divert(channel.number, channel.connection.connection_tune.frame_max, self._on_read)
        await self._start_consumer()

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
        self._ack(tell - base, multiple=True)

    async def flush(self) -> None:
        """Ack what was settled beyond a gap too, and wait until the broker has taken everything, by a basic.qos.

        Its answer comes behind the deliveries that the broker has sent: reading goes on for it, and if more comes than
        the window holds, the source is lost after this. Raises Disconnected.
        """
        if self._loss is not None:
            raise self._loss
        with translated(self._link.broker, "waiting until all acks were taken"), self._reader.overrun():
            async with asyncio.timeout(self._link.timeout):
                await self._acking.wait()
                for receipt in self._prefix.stragglers():
                    if receipt not in self._singly:
                        self._singly.add(receipt)
                        self._ack(receipt - self._base, multiple=False)
                await self._channel.basic_qos(prefetch_count=self._prefetch.current)
        if self._reader.dropped:
            self._lose(Disconnected(f"{self._link.broker}: more came than the window holds while acks were flushed"))

    async def watch_connection(self) -> None:
        """Wait for the loss of consumer, channel or connection, and raise it: Disconnected or RouteFault."""
        closings = {self._channel.closing, self._channel.connection.closing}
        try:
            await asyncio.wait({*closings, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            errors = [closing.exception() for closing in closings if closing.done() and not closing.cancelled()]
        finally:
            for closing in closings:
                closing.cancel()
        doing = f"consuming from queue {self._topology.queue}"
        raise self._lose(explained(next(iter(errors), None), self._link.broker, doing))

    async def watch_topology(self, assert_every: float, look_every: float) -> None:
        """Assert the bindings from time to time; raises what that fails with, or the earlier loss of this source."""
        try:
            await self._topology.watch(assert_every, look_every)
        except FedbridgeError as error:
            raise self._lose(error) from error.__cause__

    async def watch_sizes(self) -> None:
        """Raise the prefetch when messages turn out to be small; raises Disconnected or RouteFault.

        A basic.qos holds for consumers that come after it, and quorum queues know no other: a new consumer comes, then
        the old one goes, since an auto-delete queue ends with its last. Both are on one channel, so that delivery tags
        go on. What was on its way to the old one would be lost and come again out of order, if the queue is a quorum
        queue (seen on 3.10.8): `_on_read` waits for the moment in which nothing is, and acks are held meanwhile.

        The waits are not bounded: answers come behind deliveries, and are not read while the window is full. Nothing
        depends on them but the acks, and `flush` bounds its own wait for those.
        """
        while True:
            await self._resize.wait()
            self._resize.clear()
            old, self._prefetch.current = self._consumer, self._prefetch.next
            try:
                with translated(self._link.broker, f"raising the prefetch of queue {self._topology.queue}"):
                    await self._start_consumer()
                    await self._channel.basic_cancel(old)
            except FedbridgeError as error:
                raise self._lose(error) from error.__cause__
            self._acking.set()
            held, self._held = self._held, 0
            self._ack(held, multiple=True)

    async def _start_consumer(self) -> None:
        await self._channel.basic_qos(prefetch_count=self._prefetch.current)
        consumer = await self._channel.basic_consume(self._topology.queue, _undiverted)
        self._consumer = str(consumer.consumer_tag)

    def _lose(self, error: FedbridgeError) -> FedbridgeError:
        """Note a loss, wake who waits for it, and give the one that counts: the first."""
        if self._loss is None:
            if isinstance(error, Disconnected) and self._reader.failure is not None:
                error = Disconnected(f"{self._link.broker}: not AMQP: {self._reader.failure}", "error")
            self._loss = error
            self._reader.arrived.set()
            self._lost.set_result(None)
        return self._loss

    def _on_cancel(self, _frame: commands.Basic.Cancel) -> None:
        text = f"{self._link.broker}: the broker cancelled the consumer of queue {self._topology.queue}"
        self._lose(Disconnected(f"{text}: was it deleted?", "cancelled"))

    def _on_read(self, messages: int, size: int) -> None:
        """Count what came, and see whether the prefetch is exhausted and worth raising: then nothing is on its way."""
        self._newest += messages
        self._prefetch.saw(messages, size)
        if self._prefetch.due and self._acking.is_set():
            unacked = self._newest - max(self._told, self._before) - len(self._singly)
            if unacked >= self._prefetch.current:
                self._before = self._newest
                self._acking.clear()
                self._resize.set()

    def _ack(self, tag: int, multiple: bool) -> None:
        if not self._acking.is_set():
            self._held = tag
        elif tag > 0 and not self._reader.closed:
            if multiple:
                self._told = tag
            self._reader.transport.write(ack_frame(self._channel.number, tag, multiple))

    def _decoded(self, batch: list[RawDelivery]) -> list[Delivery]:
        uid, base, new = self._uid, self._base, tuple.__new__  # which costs half of calling a NamedTuple's class
        return [
            new(Delivery, (decode(raw, f"{uid}{tag}"), base + tag, len(properties) + len(body), redelivered))
            for raw in batch
            for tag, redelivered, _exchange, _key, properties, body in (raw,)
        ]


async def _undiverted(_message: object) -> None:
    """Take what cannot come: the tap has the deliveries of this channel."""


async def _tick(reader: TapReader) -> None:
    while True:
        await asyncio.sleep(TICK)
        reader.tick()

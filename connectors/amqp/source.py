"""The AMQP source: a queue, or an exchange through a queue of the bridge's own."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Final, Never

from aiormq.abc import AbstractChannel
from pamqp import commands

from bridge.errors import Disconnected, FedbridgeError
from bridge.message import Delivery, Message, Receipt, Undecodable
from bridge.ports import Place, Source
from bridge.prefix import Prefix
from bridge.tasks import ungrouped
from config.amqp import AmqpSourceSettings
from config.brokers import BrokerSettings
from connectors.amqp.codec import RawDelivery, decode
from connectors.amqp.connection import Link, connected, tapped
from connectors.amqp.consumer import Consumer
from connectors.amqp.errors import explained, translated
from connectors.amqp.patience import patient
from connectors.amqp.places import locator
from connectors.amqp.prefetch import Prefetch
from connectors.amqp.queues import Queue
from connectors.amqp.reader import TapReader
from connectors.amqp.stream import TICK
from connectors.amqp.topology import ASSERT_EVERY, LOOK_EVERY, Topology

LAG_EVERY: Final = 5.0
"""Seconds between two looks at how many messages wait in the queue."""

_TAG_BITS: Final = 64


@asynccontextmanager
async def open_source(
    broker: BrokerSettings,
    settings: AmqpSourceSettings,
    place: Place,
    *,
    assert_every: float = ASSERT_EVERY,
    look_every: float = LOOK_EVERY,
    lag_every: float = LAG_EVERY,
) -> AsyncIterator[Source]:
    """Connect, see to queue, exchange and bindings, and consume; see `bridge.ports` for the contract of a source.

    `assert_every`, `look_every` and `lag_every` are seconds, see `connectors.amqp.topology` and LAG_EVERY. Raises
    RouteFault (authentication, forbidden, missing, conflict, locked) or Disconnected; both also later, out of a body
    that is cancelled for it: at once if what was read ahead comes again, else when all of that has been handed out.
    """
    name = f"fedbridge {place.bridge}.{place.route}"
    alone = settings.exclusive and settings.exchange is None
    async with (
        tapped(broker, f"{name} source", partial(TapReader, window=place.size)) as (link, reader),
        # lookups need an answer also while the window is full and nobody reads the source's connection
        nullcontext(link) if alone else connected(broker, f"{name} lookups") as lookups,
    ):
        source = await _consuming(broker, link, reader, lookups, settings, place)
        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(source.watch_connection(), name=f"{name}: amqp loss"),
                    tasks.create_task(source.watch_topology(assert_every, look_every), name=f"{name}: amqp bindings"),
                    tasks.create_task(source.watch_sizes(), name=f"{name}: amqp prefetch"),
                    tasks.create_task(source.watch_lag(lookups, lag_every), name=f"{name}: amqp lag"),
                    tasks.create_task(_tick(reader), name=f"{name}: amqp liveness"),
                ]
                try:
                    yield source
                finally:
                    for task in running:
                        task.cancel()


class AmqpSource:
    """A consumer on a channel of its own. A receipt is an int: the epoch above, the delivery tag in the low 64 bits."""

    def __init__(  # noqa: PLR0917 - what one opening is made of
        self,
        link: Link,
        reader: TapReader,
        channel: AbstractChannel,
        topology: Topology,
        prefetch: Prefetch,
        decode: Callable[[RawDelivery, str], Message | Undecodable],
    ) -> None:
        epoch = secrets.randbits(63)
        self.redelivers = topology.queue.redelivers
        """False for an exclusive or auto-delete queue: it ends with its consumer, and what it gave is only here."""
        self._link = link
        self._reader = reader
        self._channel = channel
        self._topology = topology
        self._consumer = Consumer(reader, channel, topology.queue.name, prefetch)
        self._base = epoch << _TAG_BITS
        self._uid = f"amqp:{epoch:016x}-"
        self._decode = decode
        self._prefix = Prefix(self._base + 1)
        self._settled = 0  # up to which delivery tag all is settled
        self._lag: int | None = None
        self._loss: FedbridgeError | None = None
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._empty = asyncio.Event()  # all that was read ahead of a loss has been handed out

    @property
    def waiting(self) -> str | None:
        """The exchange that is missing, as "exchange NAME", or None."""
        return self._topology.waiting

    @property
    def queue(self) -> str:
        """The name of the queue."""
        return self._topology.queue.name

    @property
    def lag(self) -> int | None:
        """Messages that wait in the queue or are here and not settled, as of the last look; None without one."""
        return self._lag

    def on_revoked(self, revoked: Callable[[], None]) -> None:
        """Do nothing: a channel that is lost is a lost source."""

    def on_missed(self, missed: Callable[[str, int], None]) -> None:
        """Do nothing: a queue does not tell of what is no longer in it."""

    @property
    def read_ahead(self) -> int:
        """The bytes of complete messages that were read and are not settled."""
        return self._reader.unsettled

    async def consume(self) -> None:
        """Divert the channel's deliveries and start to consume; may raise what the library raises."""
        await self._consumer.start(self._on_cancel)

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """Wait for deliveries and give 1 to `limit` of them, decoded; cancel-safe.

        Raises Disconnected or RouteFault as soon as the channel is lost and what was read ahead will be given again;
        where it will not, that is given first.
        """
        while True:
            if self._loss is None:
                await self._reader.arrived.wait()
            loss = self._loss
            if loss is not None and self.redelivers:
                raise loss
            batch = self._reader.take(limit)
            if loss is not None and not self._reader.arrived.is_set():
                self._empty.set()
            if batch:
                return self._decoded(batch)
            if loss is not None:
                raise loss

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Take receipts back and ack the contiguous prefix of them, as one `multiple` ack written at once."""
        base = self._base
        end = base + (1 << _TAG_BITS)
        own = [receipt for receipt in receipts if isinstance(receipt, int) and base < receipt < end]
        reached = self._prefix.add(own)
        if reached is None:
            return
        self._settled = reached - base
        if self._loss is None:
            self._reader.settled(self._settled)
            self._consumer.ack_up_to(self._settled)

    async def flush(self) -> None:
        """Ack what was settled beyond a gap too, and wait until the broker has taken everything, by a basic.qos.

        Its answer comes behind the deliveries that the broker has sent: reading goes on for it, and if more comes than
        the window holds, the source is lost after this. Where nothing comes again no answer is awaited: the acks are
        written, and the broker reads them before our close. Raises Disconnected.
        """
        if self._loss is not None:
            raise self._loss
        reading = self._reader.overrun() if self.redelivers else nullcontext()
        with translated(self._link.broker, "waiting until all acks were taken"), reading:
            async with asyncio.timeout(self._link.timeout):
                await self._consumer.ack_singly([receipt - self._base for receipt in self._prefix.stragglers()])
                if self.redelivers:
                    await self._consumer.acknowledged()
        if self._reader.dropped:
            self._lose(Disconnected(f"{self._link.broker}: more came than the window holds while acks were flushed"))

    async def watch_connection(self) -> Never:
        """Wait for the loss of consumer, channel or connection, and raise it: Disconnected or RouteFault."""
        closings = {self._channel.closing, self._channel.connection.closing}
        try:
            await asyncio.wait({*closings, self._lost}, return_when=asyncio.FIRST_COMPLETED)
            errors = [closing.exception() for closing in closings if closing.done() and not closing.cancelled()]
        finally:
            for closing in closings:
                closing.cancel()
        doing = f"consuming from queue {self.queue}"
        await self._end(explained(next(iter(errors), None), self._link.broker, doing))

    async def watch_topology(self, assert_every: float, look_every: float) -> None:
        """Assert the bindings from time to time; raises what that fails with, or the earlier loss of this source."""
        try:
            await self._topology.watch(assert_every, look_every)
        except FedbridgeError as error:
            await self._end(error)

    async def watch_sizes(self) -> None:
        """Raise the prefetch when messages turn out to be small; raises Disconnected or RouteFault."""
        try:
            with translated(self._link.broker, f"raising the prefetch of queue {self.queue}"):
                await self._consumer.follow_sizes()
        except FedbridgeError as error:
            await self._end(error)

    async def watch_lag(self, lookups: Link, every: float) -> None:
        """Look at the length of the queue, and again every so many seconds; raises if `lookups` is lost.

        An answer that does not come costs only the number.
        """
        while True:
            try:
                ready = await self._topology.queue.ready()
                beyond = len(self._prefix.stragglers())
                self._lag = ready + self._consumer.newest - self._settled - beyond
            except FedbridgeError as error:
                self._lag = None
                if lookups.stream.closed:
                    await self._end(error)
            await asyncio.sleep(every)

    async def _end(self, error: FedbridgeError) -> Never:
        """Note a loss and raise the one that counts: at once, or when nothing that exists only here is left."""
        loss = self._lose(error)
        if not self.redelivers:
            await self._empty.wait()
        raise loss from loss.__cause__

    def _lose(self, error: FedbridgeError) -> FedbridgeError:
        """Note a loss, wake who waits for it, and give the one that counts: the first."""
        if self._loss is None:
            if isinstance(error, Disconnected) and self._reader.failure is not None:
                error = Disconnected(f"{self._link.broker}: not AMQP: {self._reader.failure}", "error")
            self._loss = error
            if not self._reader.arrived.is_set():
                self._empty.set()
            self._reader.arrived.set()
            self._lost.set_result(None)
        return self._loss

    def _on_cancel(self, _frame: commands.Basic.Cancel) -> None:
        text = f"{self._link.broker}: the broker cancelled the consumer of queue {self.queue}"
        self._lose(Disconnected(f"{text}: was it deleted?", "cancelled"))

    def _decoded(self, batch: list[RawDelivery]) -> list[Delivery]:
        uid, base, decode = self._uid, self._base, self._decode
        new = tuple.__new__  # which costs half of calling a NamedTuple's class
        return [
            new(Delivery, (decode(raw, f"{uid}{tag}"), base + tag, len(properties) + len(body), redelivered))
            for raw in batch
            for tag, redelivered, _exchange, _key, properties, body in (raw,)
        ]


async def _consuming(  # noqa: PLR0917 - what one opening is made of
    broker: BrokerSettings, link: Link, reader: TapReader, lookups: Link, settings: AmqpSourceSettings, place: Place
) -> AmqpSource:
    """See to queue, exchange and bindings, and start to consume."""
    ask = patient(link, lambda: reader.full) if settings.exclusive else lookups.throwaway
    topology = Topology(lookups, Queue(link.broker, ask, settings, place), settings, place)
    await topology.prepare()
    trail = place.trail(broker, link.identity)
    decoder = partial(decode, locate=locator(settings, trail), trusted=trail.trusted)
    with translated(link.broker, f"consuming from queue {topology.queue.name}"):
        async with asyncio.timeout(link.timeout):
            channel = await link.channel()
            prefetch = Prefetch(place, settings.prefetch, lasting=topology.queue.single)
            source = AmqpSource(link, reader, channel, topology, prefetch, decoder)
            await source.consume()
    return source


async def _tick(reader: TapReader) -> None:
    while True:
        await asyncio.sleep(TICK)
        reader.tick()

"""The Kafka source: topics read by a member of a consumer group, committed as far as everything before is settled."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from bridge.errors import Disconnected, FedbridgeError
from bridge.message import Delivery, Receipt
from bridge.ports import Place, Source
from bridge.tasks import ungrouped
from config.brokers import BrokerSettings
from config.kafka import KafkaSourceSettings
from connectors.kafka.assignment import Assignment
from connectors.kafka.commits import Commits
from connectors.kafka.consumer import Consumer, Events
from connectors.kafka.decoder import Decoder
from connectors.kafka.errors import translated
from connectors.kafka.lookout import LOOK_EVERY, Lookout
from connectors.kafka.membership import Claim, Membership
from connectors.kafka.tap import split
from connectors.kafka.wanted import Wanted

DRAIN = 10.0
"""Seconds that a rebalance waits for what was handed out (DESIGN section 3)."""

_AHEAD = 2  # parts of the window that are fetched ahead, as bytes that may be compressed

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_source(
    broker: BrokerSettings,
    settings: KafkaSourceSettings,
    place: Place,
    claim: Claim | None = None,
    *,
    drain: float = DRAIN,
    look_every: float = LOOK_EVERY,
) -> AsyncIterator[Source]:
    """Connect and join the group; see `bridge.ports` for the contract of a source.

    A topic that is missing is waited for, and never created. `drain` and `look_every` are seconds. Raises Disconnected
    (refused, timeout) and RouteFault (forbidden) within `connect_timeout`; both also later, out of a body that is
    cancelled for it, and RouteFault (conflict) when another bridge takes this one's name. `claim` is to be the same at
    every opening, so that the name is not taken back; without it, it is always taken.
    """
    source = KafkaSource(broker, settings, place, claim or Claim(), drain)
    name = f"kafka source of {place.route}"
    try:
        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(source.guard(source.feed), name=f"{name}: fetching")]
                try:
                    await source.connected()
                    looking = partial(source.look, look_every)
                    running += [
                        tasks.create_task(source.guard(source.commit), name=f"{name}: committing"),
                        tasks.create_task(source.guard(looking), name=f"{name}: looking"),
                        tasks.create_task(source.guard(source.watch), name=f"{name}: membership"),
                    ]
                    yield source
                finally:
                    for task in running:
                        task.cancel()
    finally:
        await source.close()


class KafkaSource:
    """A `bridge.ports.Source` on one consumer. Receipts are its assignment's."""

    redelivers = True

    def __init__(
        self, broker: BrokerSettings, settings: KafkaSourceSettings, place: Place, claim: Claim, drain: float
    ) -> None:
        self._broker = broker
        self._start = settings.start
        self._group = settings.group or place.names.group
        self._place = place
        self._drain = drain
        self._ahead = max(1, place.size // _AHEAD)
        self._arrived = asyncio.Event()
        self._commits = Commits(broker.shown, broker.broker_timeout, self._arrived.set)
        self._assignment = Assignment(self._commits)
        wanted = Wanted(settings.topics, settings.pattern)
        self._lookout = Lookout(broker.shown, wanted, self._settled_to)
        self._handing = False  # out: between an assignment and the next revocation
        self._tell_revoked: Callable[[], None] = lambda: None
        self._tell_missed: Callable[[str, int], None] = lambda _reason, _count: None
        self._settled = asyncio.Event()
        self._hungry = asyncio.Event()
        self._loss: FedbridgeError | None = None
        self._lost: asyncio.Future[FedbridgeError] = asyncio.get_running_loop().create_future()
        events = Events(self._revoke, self._assign, self._lookout.doubt.set, self.lose)
        member = Membership(self._group, place.names.member, place.instance, wanted.expression, claim)
        self._consumer = Consumer(broker, member, place.size, events)

    async def connected(self) -> None:
        """Wait for the group's assignment, at most `connect_timeout`: while the group shares out, `waiting` says so.

        `feed` is running. Raises Disconnected, RouteFault.
        """
        consumer = self._consumer
        await consumer.connected(self._broker.connect_timeout)
        trail = self._place.trail(self._broker, f"kafka:{consumer.cluster_id}")
        self._assignment.decoder = Decoder(consumer.cluster_id, trail)
        await self._lookout.look_for_topics(consumer)

    async def close(self) -> None:
        """Drop the consumer, which stays a member; within a second, never raises."""
        self.lose(Disconnected(f"{self._broker.shown}: the source was closed", "cancelled"))
        await self._consumer.drop()

    @property
    def waiting(self) -> str | None:
        """The topic that is missing, or the group's assignment, or None."""
        if self._lookout.missing is not None:
            return self._lookout.missing
        return None if self._handing else f"group {self._group}: its members share out the partitions"

    @property
    def lag(self) -> int | None:
        """Records between the committed offsets and the ends of the partitions, as last looked up."""
        return self._lookout.lag

    def on_revoked(self, revoked: Callable[[], None]) -> None:
        """As `bridge.ports.Source.on_revoked`: at each rebalance of the group."""
        self._tell_revoked = revoked

    def on_missed(self, missed: Callable[[str, int], None]) -> None:
        """As `bridge.ports.Source.on_missed`: of records that expired before they were read."""
        self._tell_missed = missed

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """As `bridge.ports.Source.receive`; the deliveries of a batch are of one partition."""
        while True:
            if self._loss is not None:
                raise self._loss
            room = self._room(limit)
            deliveries = self._assignment.hand_out(room) if self._handing and room > 0 else []
            if self._assignment.backlog.size < self._ahead:
                self._hungry.set()
            if deliveries:
                return deliveries
            self._arrived.clear()
            await self._arrived.wait()

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """As `bridge.ports.Source.settle`; what is settled beyond a gap is not told until the gap is closed."""
        self._assignment.settle(receipts)
        self._settled.set()

    def _room(self, limit: int) -> int:
        """The messages that may be handed out: what is left of the window, by the mean size of what is held."""
        commits, place = self._commits, self._place
        room = min(limit, place.messages - commits.held)
        if commits.size >= place.size:
            return 0
        if commits.held and room > 0:
            room = min(room, max(1, (place.size - commits.size) * commits.held // max(1, commits.size)))
        return room

    async def flush(self) -> None:
        """As `bridge.ports.Source.flush`: wait until everything that may be committed is."""
        try:
            async with asyncio.timeout(self._broker.broker_timeout):
                while True:
                    if self._loss is not None:
                        raise self._loss
                    if not self._commits.due:
                        return
                    self._commits.taken.clear()
                    self._commits.moved.set()
                    await self._commits.taken.wait()
        except TimeoutError:
            text = f"{self._broker.shown}: offsets could not be committed for {self._broker.broker_timeout:g} s"
            raise Disconnected(text, "timeout") from None

    def lose(self, error: FedbridgeError) -> FedbridgeError:
        """Note the loss, wake who waits for it, and give the one that counts: the first."""
        if self._loss is None:
            self._loss = error
            self._assignment.backlog.clear()
            self._lost.set_result(error)
            for event in (self._arrived, self._settled, self._commits.taken):
                event.set()
        return self._loss

    async def guard(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run one of the tasks, and note the loss that it ends with before others learn of it."""
        try:
            await work()
        except FedbridgeError as error:
            raise self.lose(error) from error.__cause__

    async def watch(self) -> None:
        """Wait for a loss that shows in no task of the source, and raise it."""
        raise await asyncio.shield(self._lost)

    async def commit(self) -> None:
        """Commit what is settled, as long as it runs; raises Disconnected, RouteFault."""
        await self._commits.run(self._consumer)

    async def feed(self) -> None:
        """Keep something fetched at hand, as long as it runs; raises Disconnected, RouteFault."""
        await self._consumer.start()
        while True:
            if self._assignment.backlog.size < self._ahead:
                self._fill()
                with translated(self._broker.shown, f"reading for group {self._group}"):
                    await self._consumer.fetched()
            else:
                self._hungry.clear()
                await self._hungry.wait()

    async def look(self, every: float) -> None:
        """Look at the brokers from time to time, as long as it runs; raises Disconnected, RouteFault."""
        await self._lookout.run(self._consumer, every)

    def _fill(self) -> None:
        """Take what was fetched; partitions without an offset, or with one that is gone, begin where they may.

        Nothing is awaited between this and the wait for the next fetch: who comes in between would wake nobody.
        """
        lost: list[tuple[TopicPartition, KafkaError]] = []
        for place, fetch in self._consumer.take():
            if isinstance(fetch, KafkaError):
                lost.append((place, fetch))
                continue
            fetched = split(fetch.data, fetch.offset, fetch.aborted)
            self._consumer.go_on(place, fetched.position)
            self._assignment.add(place, fetch.offset, fetched)
            self._arrived.set()
        for place, error in lost:
            with translated(self._broker.shown, f"reading topic {place.topic}, partition {place.partition}"):
                self._begin_anew(place, error)

    def _begin_anew(self, place: TopicPartition, error: KafkaError) -> None:
        if not isinstance(error, NoOffsetForPartitionError | OffsetOutOfRangeError):
            raise error
        gone = next(iter(error.args[0].values())) if isinstance(error, OffsetOutOfRangeError) else None
        start = self._start if gone is None and place in self._consumer.new else "earliest"
        found = self._consumer.reset(place, start)
        if found is not None:
            found.add_done_callback(lambda found: self._begun(place, start, gone, found))

    def _begun(self, place: TopicPartition, start: str, gone: int | None, found: "asyncio.Future[object]") -> None:
        """Note where a partition begins, unless it was given back meanwhile."""
        if not self._handing or found.cancelled() or found.exception() is not None:
            return
        offset = self._consumer.position(place)
        log = _log.bind(route=self._place.route, topic=place.topic, partition=place.partition)
        if gone is None:
            log.info("Reading a partition without a committed offset.", start=start, offset=offset)
        else:
            log.warning(
                "The offset to read from is gone: records expired before they were read, or the topic was made anew.",
                offset=gone,
                going_on_at=offset,
            )
            self._tell_missed("expired", max(1, offset - gone))
        # It is committed at once: "latest" must not be a later one after a restart.
        self._assignment.begin(place, offset)
        self._commits.moved.set()

    def _settled_to(self, place: TopicPartition) -> int:
        offset = self._assignment.settled_to(place)
        return self._consumer.position(place) if offset is None else offset

    async def _revoke(self) -> None:
        """Hand out nothing more, wait for what was handed out, commit, and begin a new epoch."""
        self._handing = False
        self._assignment.backlog.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain):
                while self._commits.open and self._consumer.is_member and self._loss is None:
                    self._settled.clear()
                    await self._settled.wait()
        if self._consumer.is_member:
            with contextlib.suppress(TimeoutError, FedbridgeError):
                async with asyncio.timeout(self._drain):
                    await self._commits.commit(self._consumer)
        given = self._assignment.clear()
        self._lookout.forget()
        if given and self._loss is None:
            self._tell_revoked()

    def _assign(self) -> None:
        self._handing = True
        self._arrived.set()

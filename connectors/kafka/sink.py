"""The Kafka sink: batches of messages into topics, confirmed by all replicas, in order within each partition.

Each send is packed into batches by partition, and the batches of a partition form a lane. One batch of a lane is in the
producer's hands at a time: aiokafka has one request in flight for a partition anyway, and a second batch there would
overtake a refused first one on a partition this producer has not written to yet (measured on Kafka 3.9.1: after a
refused batch 0 the broker accepts batch 1 of an unknown producer). One task feeds the lanes, watches for silence and
works off refusals; callbacks, one for each batch, take the confirmations.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from bridge.errors import Disconnected
from bridge.message import Message, Outcome
from bridge.ports import Place, Sink
from bridge.sends import BULK, Sends
from bridge.tasks import ungrouped
from config.brokers import BrokerSettings
from config.kafka import KafkaSinkSettings
from connectors.kafka.batches import Batch, Packer, key_of
from connectors.kafka.courses import Courses
from connectors.kafka.errors import SHORTAGES, refusal_of, text_of, translated
from connectors.kafka.producer import Producer
from connectors.kafka.salvage import salvage
from connectors.kafka.topics import Course


@asynccontextmanager
async def open_sink(
    broker: BrokerSettings, settings: KafkaSinkSettings, place: Place, written: set[str] | None = None
) -> AsyncIterator[Sink]:
    """Open a sink, connected, for the time of the context.

    `written` is kept from one opening to the next: the topics that the target writes to, where messages name them.

    Raises Disconnected (refused, timeout) within `connect_timeout`; RouteFault (missing, conflict) for a topic without
    template fields that does not exist or cannot be created. Leaving the context makes every
    unresolved outcome UNKNOWN and takes a second at most.
    """
    sink = await KafkaSink.open(broker, settings, place, written)
    try:
        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                worker = tasks.create_task(sink.work(), name=f"kafka sink of {place.route}")
                try:
                    yield sink
                finally:
                    worker.cancel()
    finally:
        await sink.close()


class KafkaSink:
    """A `bridge.ports.Sink` on one idempotent producer."""

    def __init__(
        self, broker: BrokerSettings, settings: KafkaSinkSettings, place: Place, written: set[str] | None
    ) -> None:
        self._broker = broker
        self._client_id = f"fedbridge.{place.names.member}"
        self._sends = Sends(min(settings.max_in_flight or place.messages, place.messages), BULK)
        self._key = key_of(settings)
        self._packer: Packer
        self._courses = Courses(broker, settings, written)
        self._producer: Producer
        self._lanes: dict[tuple[str, int], deque[Batch]] = {}
        self._ready: deque[tuple[str, int]] = deque()
        self._refused: list[Batch] = []
        self._flights: dict[Batch, float] = {}  # with the time each was submitted or put off, the oldest first
        self._put_off: dict[Batch, str] = {}  # with what the broker lacks, by its last answer
        self._work_to_do = asyncio.Event()
        self._producer_in_use = asyncio.Lock()  # by who looks up topics, or replaces it

    @classmethod
    async def open(
        cls, broker: BrokerSettings, settings: KafkaSinkSettings, place: Place, written: set[str] | None = None
    ) -> "KafkaSink":
        """Connect and find the topic; raises as `open_sink` does. Cancel-safe. `work` is to be run, then `close`."""
        self = cls(broker, settings, place, written)
        started = asyncio.get_running_loop().time()
        self._producer = await self._open_producer(broker.connect_timeout)
        try:
            self._packer = Packer(self._key, place.guard(broker, f"kafka:{self._producer.cluster_id}"))
            if (fixed := self._courses.fixed) is not None:
                with translated(broker.shown, f"looking for topic {fixed}"):
                    async with asyncio.timeout_at(started + broker.connect_timeout):
                        await self._courses.find(self._producer, [fixed])
                if fault := self._courses.fault(self._producer):
                    raise fault
        except BaseException:
            await self._producer.drop()
            raise
        return self

    @property
    def waiting(self) -> str | None:
        """What the broker lacks to take a batch; a missing topic is a RouteFault, or its messages' own affair."""
        return next(iter(self._put_off.values()), None)

    async def room(self) -> int:
        """As `bridge.ports.Sink.room`: there is room by what is unconfirmed, `max_in_flight` at most."""
        while True:
            if self._sends.loss is not None:
                raise self._sends.loss
            if self._sends.room and not self._refused:
                return self._sends.room
            await self._sends.news()

    async def send(self, messages: Sequence[Message]) -> asyncio.Future[Sequence[Outcome]]:
        """As `bridge.ports.Sink.send`; waits only for looking up a topic that no message named before."""
        courses = await self._chart(messages)
        if self._sends.loss is not None:
            raise self._sends.loss
        submission = self._sends.begin(messages)
        for batch in self._packer.pack(submission, courses):
            self._queue(batch)
        self._work_to_do.set()
        self._sends.finish()
        return submission.future

    async def work(self) -> None:
        """Feed the lanes, watch for silence and work off refusals; run as a task beside the sink.

        Raises Disconnected when the sink is lost, so that its user learns of it without asking.
        """
        while self._sends.loss is None:
            self._work_to_do.clear()
            try:
                if not self._refused:
                    await self._feed()
                elif not self._flights:
                    await self._salvage()
                    continue
                await self._wait_for_work()
            except Disconnected as error:
                self._lose(error)
        raise self._sends.loss

    async def close(self) -> None:
        """Make every unresolved outcome UNKNOWN and drop the producer; bounded, and never raises."""
        self._lose(Disconnected(f"{self._broker.shown}: the sink was closed", "cancelled"))
        await self._producer.drop()

    async def _chart(self, messages: Sequence[Message]) -> list[tuple[Course, Sequence[int]]]:
        """Give where messages go, by position, looking up topics that are not known."""
        names = self._courses.names(messages)
        if unknown := self._courses.unknown(self._producer, names):
            async with self._producer_in_use:
                with translated(self._broker.shown, "looking for topics"):
                    async with asyncio.timeout(self._broker.broker_timeout):
                        await self._courses.find(self._producer, unknown)
            if fault := self._courses.fault(self._producer):
                self._lose(Disconnected(str(fault)))
        courses = self._courses
        charted = courses.lost(messages, names.get(None, ()))
        return charted + [(courses.course(self._producer, name), at) for name, at in names.items() if name is not None]

    async def _open_producer(self, timeout: float) -> Producer:
        return await Producer.open(self._broker, self._client_id, timeout, answered=self._answered)

    def _queue(self, batch: Batch) -> None:
        place = batch.topic, batch.partition
        lane = self._lanes.get(place)
        if lane is None:
            self._lanes[place] = deque([batch])
            self._ready.append(place)
        else:
            lane.append(batch)

    async def _wait_for_work(self) -> None:
        """Wait until a send or a confirmation gives work.

        Raises Disconnected when a batch had no answer for `broker_timeout`, or when nobody answers after as long
        without work. The broker's word that it lacks something is an answer: the batch is put off.
        """
        patience = self._broker.broker_timeout
        oldest = next(iter(self._flights), None)
        since = asyncio.get_running_loop().time() if oldest is None else self._flights[oldest]
        try:
            async with asyncio.timeout_at(since + patience):
                await self._work_to_do.wait()
        except TimeoutError:
            if oldest is None:
                await self._probe()
            elif self._flights.get(oldest) == since:
                text = f"{self._broker.shown}: no confirmation for {patience:g} s"
                raise Disconnected(text, "timeout") from None

    async def _probe(self) -> None:
        with translated(self._broker.shown, "asking whether anybody is there"):
            async with self._producer_in_use, asyncio.timeout(self._broker.broker_timeout):
                await self._producer.refresh()

    async def _feed(self) -> None:
        while self._ready:
            topic, partition = place = self._ready.popleft()
            batch = self._lanes[place][0]
            with translated(self._broker.shown, f"sending to topic {topic}"):
                future = await self._producer.submit(batch.builder, topic, partition)
            self._flights[batch] = future.get_loop().time()
            future.add_done_callback(partial(self._landed, batch))

    def _answered(self, topic: str, partition: int, code: int) -> None:
        lane = self._lanes.get((topic, partition))
        if lane is None or (batch := lane[0]) not in self._flights:
            return
        if code in SHORTAGES:
            self._put_off[batch] = f"{SHORTAGES[code]} of topic {topic}, partition {partition}"
            del self._flights[batch]
            self._flights[batch] = asyncio.get_running_loop().time()
        else:
            self._put_off.pop(batch, None)

    def _landed(self, batch: Batch, future: asyncio.Future[object]) -> None:
        error = asyncio.CancelledError("aiokafka gave up a batch") if future.cancelled() else future.exception()
        if self._sends.loss is not None:
            return
        del self._flights[batch]
        self._put_off.pop(batch, None)
        self._work_to_do.set()
        if error is None:
            batch.settle()
            self._leave(batch)
        elif refusal_of(error) is not None:
            self._refused.append(batch)
        else:
            self._lose(Disconnected(f"{self._broker.shown}: {text_of(error)}, topic {batch.topic}", "unknown_outcome"))

    def _leave(self, batch: Batch) -> None:
        """Take a batch, done, from the head of its lane; the next one of the lane may go."""
        place = batch.topic, batch.partition
        lane = self._lanes[place]
        lane.popleft()
        if lane:
            self._ready.append(place)
        else:
            del self._lanes[place]
        self._sends.finish()

    async def _salvage(self) -> None:
        """Find the refused records of refused batches, then go on with a producer whose sequences are whole (K3)."""
        timeout = self._broker.broker_timeout
        async with self._producer_in_use:
            await self._producer.drop()
            plain = await Producer.open(self._broker, self._client_id, timeout, idempotent=False)
            try:
                with translated(self._broker.shown, "finding refused records"):
                    for batch in self._refused:
                        await self._salvage_batch(plain, batch)
            finally:
                await plain.drop()
            self._producer = await self._open_producer(timeout)
        refused, self._refused = self._refused, []
        for batch in refused:
            self._leave(batch)

    async def _salvage_batch(self, plain: Producer, batch: Batch) -> None:
        loop = asyncio.get_running_loop()
        timeout = self._broker.broker_timeout
        async with asyncio.timeout(timeout) as patience:
            await salvage(
                plain,
                batch.topic,
                batch.partition,
                batch.records(self._key),
                batch.submission.settle,
                lambda: patience.reschedule(loop.time() + timeout),
            )

    def _lose(self, error: Disconnected) -> None:
        """Note the loss, once, and give every message that has no confirmation the outcome UNKNOWN."""
        self._sends.lose(error)
        self._lanes.clear()
        self._ready.clear()
        self._flights.clear()
        self._put_off.clear()
        self._work_to_do.set()

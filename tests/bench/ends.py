"""The two ends of a run: a load that is there and held back until the relay is idle, and a target that is counted."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple, Protocol

from aiokafka import AIOKafkaProducer

from bridge.cli.demo.rabbitmq import RabbitMQ
from tests.bench import mosquitto, streams
from tests.bench.kafka import Topic, fill, topic, transaction
from tests.bench.rabbit import Rabbit, encoded_messages

_BODY = b"x" * 256


class Place(NamedTuple):
    """Where the brokers are: URLs, HOST:PORT[,HOST:PORT] of Kafka, and the RabbitMQ that is ours alone.

    Empty: there is none.
    """

    amqp_url: str
    bootstrap: str = ""
    mqtt_url: str = ""
    redis_url: str = ""
    private: RabbitMQ | None = None


class Names(NamedTuple):
    """What one run reads and writes: queues, topics or streams.

    A Kafka or Redis group and the client id of an MQTT session are named `source`, an exchange `target`.
    """

    source: str
    target: str


class Load(Protocol):
    """Messages that wait for a relay."""

    async def attached(self) -> bool:
        """Whether a relay consumes, though nothing comes."""
        ...

    async def release(self, pid: int | None) -> None:
        """Let the relay have all messages at once; `pid` is its process, None one inside a broker."""
        ...

    async def left(self) -> int:
        """Give the number of messages that the relay has not acknowledged or committed."""
        ...


class Target(Protocol):
    """Where the messages go."""

    async def count(self) -> int:
        """Give the number of messages that arrived so far, duplicates too."""
        ...


class HeldQueue:
    """A queue whose messages a consumer of ours holds unacknowledged, until its connection closes."""

    def __init__(self, queue: str, control: Rabbit, holder: Rabbit) -> None:
        self._queue = queue
        self._control = control
        self._holder = holder

    async def attached(self) -> bool:
        """Whether there is a second consumer."""
        return self._control.state(self._queue)[1] >= 2

    async def release(self, pid: int | None) -> None:
        """Close our consumer: RabbitMQ puts all its messages back in place."""
        self._holder.close()

    async def left(self) -> int:
        """Give the number of messages that are ready; the relay's connection must be closed."""
        return self._control.state(self._queue)[0]


class HeldTopic:
    """A topic whose records are in an open transaction: who reads committed records only does not see them yet."""

    def __init__(self, made: Topic, producer: AIOKafkaProducer, counts: list[int]) -> None:
        self._topic = made
        self._producer = producer
        self._counts = counts

    async def attached(self) -> bool:
        """Whether the group has members with partitions."""
        return await self._topic.assigned(self._topic.name)

    async def release(self, pid: int | None) -> None:
        """Commit the transaction."""
        await self._producer.commit_transaction()

    async def left(self) -> int:
        """Give the number of records beyond the group's committed offsets."""
        offsets = await self._topic.committed(self._topic.name)
        # The transaction's marker takes the offset behind the last record: an offset may be one beyond the count.
        return sum(max(0, count - offset) for count, offset in zip(self._counts, offsets, strict=True))


class BoundQueue:
    """A queue that a direct exchange leads to."""

    def __init__(self, queue: str, control: Rabbit) -> None:
        self._queue = queue
        self._control = control

    async def count(self) -> int:
        """Give the number of messages that are ready."""
        return self._control.state(self._queue)[0]


@asynccontextmanager
async def held_queue(place: Place, names: Names, messages: int) -> AsyncIterator[HeldQueue]:
    """Make and fill a durable queue with confirmed persistent messages, and hold them."""
    control, holder = Rabbit(place.amqp_url), Rabbit(place.amqp_url)
    control.declare(names.source)
    try:
        control.publish(encoded_messages(names.source, messages, _BODY))
        holder.hold(names.source, messages)
        yield HeldQueue(names.source, control, holder)
    finally:
        holder.close()
        control.delete(names.source)
        control.close()


@asynccontextmanager
async def held_topic(place: Place, names: Names, messages: int) -> AsyncIterator[HeldTopic]:
    """Make a topic, and fill it with confirmed records in a transaction that stays open."""
    async with topic(place.bootstrap, names.source) as made, transaction(place.bootstrap, names.source) as producer:
        counts = await fill(producer, names.source, messages, _BODY)
        yield HeldTopic(made, producer, counts)


@asynccontextmanager
async def bound_queue(place: Place, names: Names) -> AsyncIterator[BoundQueue]:
    """Make a durable queue and a durable direct exchange of the same name; the queue's name is the binding key."""
    control = Rabbit(place.amqp_url)
    control.declare(names.target)
    try:
        control.bind(names.target, names.target)
        yield BoundQueue(names.target, control)
    finally:
        control.delete(names.target)
        control.delete_exchange(names.target)
        control.close()


def target_topic(place: Place, names: Names) -> AbstractAsyncContextManager[Topic]:
    """Make the topic that is written to."""
    return topic(place.bootstrap, names.target)


def held_session(place: Place, names: Names, messages: int) -> AbstractAsyncContextManager[Load]:
    """Make a session of MQTT, and messages for it."""
    return mosquitto.held_session(place.mqtt_url, names.source, messages, _BODY)


def counted_topic(place: Place, names: Names) -> AbstractAsyncContextManager[Target]:
    """Subscribe to the topic of MQTT that is written to."""
    return mosquitto.counted_topic(place.mqtt_url, names.target)


def held_stream(place: Place, names: Names, messages: int) -> AbstractAsyncContextManager[Load]:
    """Make and fill a stream of Redis, and hold its entries back."""
    return streams.held_stream(place.redis_url, names.source, messages, _BODY)


def counted_stream(place: Place, names: Names) -> AbstractAsyncContextManager[Target]:
    """Name the stream of Redis that is written to."""
    return streams.counted_stream(place.redis_url, names.target)

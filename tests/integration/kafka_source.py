"""What the tests of the Kafka source share: sources with short waits, and records written by Kafka's own producer."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import NotLeaderForPartitionError, UnknownTopicOrPartitionError
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.protocol.produce import ProduceRequest

from bridge.message import Delivery, Message
from bridge.ports import Place, Source
from config.brokers import BrokerSettings
from config.kafka import KafkaSourceSettings
from connectors import kafka
from connectors.kafka import Claim

PATIENCE = 30.0


class Group(NamedTuple):
    """A consumer group that reads topics, of members that differ in their instance."""

    url: str
    name: str
    table: dict[str, Any]

    def member(
        self,
        instance: str = "one",
        messages: int = 4000,
        timeout: str = "5s",
        drain: float = 5.0,
        claim: Claim | None = None,
    ) -> AbstractAsyncContextManager[Source]:
        """Open a source; the sources of one bridge share its `claim`."""
        broker = BrokerSettings.model_validate({"url": self.url, "broker_timeout": timeout, "connect_timeout": timeout})
        settings = KafkaSourceSettings.model_validate({"group": self.name, **self.table})
        place = Place("test", instance, self.name, messages, 1 << 25)
        return kafka.open_source(broker, settings, place, claim, drain=drain, look_every=0.5)


MakeGroup = Callable[..., Group]
"""Makes the group of a test, with keys of `from.kafka`."""


async def take(source: Source, count: int, limit: int = 1000) -> list[Delivery]:
    """Receive at least `count` deliveries, `limit` at a time, without settling them."""
    found: list[Delivery] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            found += await source.receive(limit)
    return found


async def take_and_settle(source: Source, count: int, limit: int = 1000) -> list[Delivery]:
    """Receive and settle at least `count` deliveries, and wait until Kafka has the commit."""
    found = await take(source, count, limit)
    settle(source, found)
    await source.flush()
    return found


def settle(source: Source, deliveries: Iterable[Delivery]) -> None:
    source.settle([delivery.receipt for delivery in deliveries])


def numbers(deliveries: Iterable[Delivery]) -> list[int]:
    """The numbers that the bodies are."""
    return [int(delivery.message.body or b"-1") for delivery in deliveries]


def message(delivery: Delivery) -> Message:
    assert isinstance(delivery.message, Message), delivery
    return delivery.message


async def publish(
    bootstrap: str, topic: str, bodies: Iterable[bytes | None], partition: int | None = 0, **settings: Any
) -> None:
    """Write records and wait for their confirmation; `settings` are the producer's."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **settings)
    try:
        await producer.start()
        sent = [await producer.send(topic, body, partition=partition) for body in bodies]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def write(bootstrap: str, topic: str, partition: int, batch: bytes) -> None:
    """Write a batch as it is, by no producer's rules."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        code = NotLeaderForPartitionError.errno
        while code in {UnknownTopicOrPartitionError.errno, NotLeaderForPartitionError.errno}:  # it was made just now
            await client.force_metadata_update()
            leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
            if leader in {None, -1}:
                continue
            answer = await client.send(leader, ProduceRequest(None, -1, 5000, [(topic, [(partition, batch)])]))
            ((_, ((_, code, *_),)),) = answer.topics
        assert code == 0
    finally:
        await client.close()


async def create(bootstrap: str, topic: str, partitions: int = 1) -> None:
    """Create a topic on a broker that ends with its test."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()


def counted(start: int, stop: int) -> Sequence[bytes]:
    return [b"%d" % number for number in range(start, stop)]


async def committed(bootstrap: str, group: str, topic: str, partition: int = 0) -> int | None:
    """The offset that a group has committed, or None."""
    place = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([place])
        offset: int | None = await consumer.committed(place)
        return offset
    finally:
        await consumer.stop()


async def forget(bootstrap: str, group: str, instance: str = "") -> None:
    """Have a group forget its members, or that of one instance, as it does with those that are silent for a session."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
        answer = await client.send(coordinator, DescribeGroupsRequest([group]))
        for member, client_id, *_ in answer.groups[0][5]:
            if client_id.endswith(instance):
                await client.send(coordinator, LeaveGroupRequest(group, member))
    finally:
        await client.close()


async def until(true: Callable[[], object]) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)

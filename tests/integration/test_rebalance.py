"""Two bridges of one name share a topic, on real brokers: the second joins and leaves while both are busy."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bridge.cli.demo.brokers import Brokers
from tests.conftest import MakeTopic
from tests.ends import Queue, wait_found
from tests.integration.kafka_source import committed, forget
from tests.proxy import slowed
from tests.routes import Bridge, configuration, numbered, queued, wait

MakeBridge = Callable[[str], Bridge]

PARTITIONS, WINDOW, PORTION = 4, 500, 250
DELIVERED = 'fedbridge_messages_total{outcome="delivered",route="updates"}'


class Load:
    """Numbers that are written into each partition, in order, so that always some windows of them are to be done."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self.each = 0
        """Messages in each partition."""
        self.enough = asyncio.Event()

    @property
    def count(self) -> int:
        return PARTITIONS * self.each

    async def run(self, done: Callable[[], float]) -> None:
        """Write until it is enough; `done` counts what was delivered."""
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True)
        try:
            await producer.start()
            while not self.enough.is_set():
                if self.count - await asyncio.to_thread(done) < 8 * WINDOW:
                    await self._write(producer)
                else:
                    await asyncio.sleep(0.05)
        finally:
            await producer.stop()

    async def _write(self, producer: AIOKafkaProducer) -> None:
        bodies = numbered(PORTION, first=self.each)
        self.each += PORTION
        sent = [
            await producer.send(self._topic, f"{partition}-{body}".encode(), partition=partition)
            for partition in range(PARTITIONS)
            for body in bodies
        ]
        await asyncio.gather(*sent)


async def lag(bootstrap: str, group: str, topic: str) -> int:
    """What the group has not committed, over all partitions."""
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(places)
    finally:
        await consumer.stop()
    done = [await committed(bootstrap, group, topic, partition) or 0 for partition in range(PARTITIONS)]
    return int(sum(ends.values()) - sum(done))


@pytest.mark.parametrize("leaves", ["stopped", "killed"])
async def test_a_second_bridge_joins_and_leaves_under_load(
    brokers: Brokers, kafka_topic: MakeTopic, bridge: MakeBridge, unique: str, leaves: str
) -> None:
    kafka = brokers.kafka_bootstrap
    topic = await kafka_topic(PARTITIONS)
    arrived = Queue(brokers.amqp_url, unique)
    with slowed(brokers.amqp_url, seconds=0.01) as slow:
        table = f"""
[routes.updates]
from.kafka = {{ topics = ["{topic}"], group = "{unique}" }}
to.amqp = {{ {arrived.target} }}
window = {{ messages = {WINDOW} }}
"""
        written = configuration(slow, kafka, table)
        load = Load(kafka, topic)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run(lambda: queued(brokers.amqp_url, unique)))
            one = bridge(written.replace('instance = "node"', 'instance = "one"'))
            await busy(one)
            two = bridge(written.replace('instance = "node"', 'instance = "two"'))
            await busy(two)
            await busy(one)
            await asyncio.to_thread(two.stop if leaves == "stopped" else two.kill)
            await forget(kafka, unique, ".two")  # as a session later
            assert await lag(kafka, unique, topic) > WINDOW, "there was load all the while"
            await busy(one)
            load.enough.set()
        found = await wait_found(arrived, load.count)
        wait(lambda: one.fates()["received"] == sum(list(one.fates().values())[1:]), lambda: f"{one.fates()}")
        assert one.stop() == 0
    assert await lag(kafka, unique, topic) == 0
    for partition in range(PARTITIONS):
        own = [body for body in found if body.startswith(f"{partition}-")]
        assert list(dict.fromkeys(own)) == [f"{partition}-{body}" for body in numbered(load.each)], "all and in order"
    duplicates = len(found) - load.count
    print(f"{duplicates} duplicates of {load.count} after a second bridge has joined and was {leaves}, window {WINDOW}")
    assert duplicates <= WINDOW


async def busy(daemon: Bridge) -> None:
    """Wait until a bridge has delivered two windows more."""
    before = daemon.metric(DELIVERED)
    await asyncio.to_thread(wait, lambda: daemon.metric(DELIVERED) >= before + 2 * WINDOW, daemon.tail)

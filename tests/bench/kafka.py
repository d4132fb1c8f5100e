"""Topics of one run: made, filled out of sight, counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError

PARTITIONS = 4
_BATCH_BYTES = 512 << 10
_TRANSACTION_MS = 600_000  # how long a transaction may stay open; a broker's default limit is 15 minutes


class Topic:
    """A topic that exists."""

    def __init__(self, name: str, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        self.name = name
        self._admin = admin
        self._consumer = consumer
        self._partitions = [TopicPartition(name, number) for number in range(PARTITIONS)]

    async def count(self) -> int:
        """Give the sum of the partitions' end offsets: every record written so far, duplicates too."""
        return sum((await self._consumer.end_offsets(self._partitions)).values())

    async def committed(self, group: str) -> list[int]:
        """Give the offset that the group has committed for each partition, 0 where there is none."""
        offsets = await self._admin.list_consumer_group_offsets(group, partitions=self._partitions)
        return [max(0, offsets[partition].offset) for partition in self._partitions]

    async def assigned(self, group: str) -> bool:
        """Whether the group has members, and has told every one its partitions."""
        try:
            [answer] = await self._admin.describe_consumer_groups([group])
        except GroupCoordinatorNotAvailableError:  # the first group of a new broker
            return False
        [(_error, _group, state, _kind, _protocol, members, *_rest)] = answer.groups
        return state == "Stable" and bool(members)


@asynccontextmanager
async def topic(bootstrap: str, name: str) -> AsyncIterator[Topic]:
    """Make a topic of four partitions, and delete it at the end; raises KafkaError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        await consumer.start()
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
        try:
            made = Topic(name, admin, consumer)
            await made.count()  # waits until its partitions have leaders
            yield made
        finally:
            await admin.delete_topics([name])
    finally:
        await consumer.stop()
        await admin.close()


@asynccontextmanager
async def transaction(bootstrap: str, name: str) -> AsyncIterator[AIOKafkaProducer]:
    """Give a producer with an open transaction, named like the topic; one that is not committed is aborted."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=name,
        transaction_timeout_ms=_TRANSACTION_MS,
        max_batch_size=_BATCH_BYTES,
    )
    try:
        await producer.start()
        await producer.begin_transaction()
        yield producer
    finally:
        await producer.stop()


async def fill(producer: AIOKafkaProducer, topic: str, messages: int, body: bytes) -> list[int]:
    """Write messages over the partitions in turn, and wait until all are confirmed; gives the number in each partition.

    Each has a key (a UUID of its own) and three headers: content-type, a string, and a number as text, which differs
    from message to message.
    """
    shares = [range(partition, messages, PARTITIONS) for partition in range(PARTITIONS)]
    async with asyncio.TaskGroup() as group:
        for partition, share in enumerate(shares):
            group.create_task(_fill(producer, topic, partition, share, body), name=f"fill {partition}")
    return [len(share) for share in shares]


async def _fill(producer: AIOKafkaProducer, topic: str, partition: int, numbers: range, body: bytes) -> None:
    sent = []
    batch = producer.create_batch()
    for number in numbers:
        key = b"00000000-0000-4000-8000-%012x" % number
        headers = [("content-type", b"application/json"), ("tenant", b"acme"), ("revision", b"%d" % number)]
        if batch.append(key=key, value=body, timestamp=None, headers=headers) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=body, timestamp=None, headers=headers)
    if batch.record_count():
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)

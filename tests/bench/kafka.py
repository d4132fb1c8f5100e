"""The topic of one run, and how many records are in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


class Topic:
    """A topic that exists."""

    def __init__(self, name: str, consumer: AIOKafkaConsumer, partitions: int) -> None:
        self.name = name
        self._consumer = consumer
        self._partitions = [TopicPartition(name, number) for number in range(partitions)]

    async def count(self) -> int:
        """Give the sum of the partitions' end offsets: every record written so far, duplicates too."""
        return sum((await self._consumer.end_offsets(self._partitions)).values())


@asynccontextmanager
async def topic(bootstrap: str, name: str, partitions: int) -> AsyncIterator[Topic]:
    """Make a topic, and delete it at the end; raises KafkaError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        await consumer.start()
        await admin.create_topics([NewTopic(name, partitions, 1)])
        try:
            made = Topic(name, consumer, partitions)
            await made.count()  # waits until its partitions have leaders
            yield made
        finally:
            await admin.delete_topics([name])
    finally:
        await consumer.stop()
        await admin.close()
